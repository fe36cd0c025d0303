//! A captured screen: its lines, which of their characters are dim or inverse, and where the cursor is.

/// One line of a screen, without escape sequences and trailing blanks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// What it shows.
    pub text: String,
    /// For each character how it looks; shorter than the text if the rest is plain.
    looks: Vec<Looks>,
}

/// How a character is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Looks {
    dim: bool,
    /// As an agent shows its cursor.
    inverse: bool,
}

/// What a pane shows at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Screen {
    /// From top to bottom.
    pub lines: Vec<Line>,
    /// The row of the cursor, from 0, if it is known.
    pub cursor: Option<usize>,
}

impl Screen {
    /// Reads captured text, with or without escape sequences for its looks (SGR; others are dropped).
    #[must_use]
    pub fn parse(text: &str, cursor: Option<usize>) -> Self {
        let mut looks = Looks::default();
        let lines = text.lines().map(|line| Line::parse(line, &mut looks)).collect();
        Self { lines, cursor }
    }

    /// The lines' texts down to the last that is not empty.
    pub(crate) fn texts(&self) -> Vec<&str> {
        let filled = self
            .lines
            .iter()
            .rposition(|line| !line.text.is_empty())
            .map_or(0, |row| row + 1);
        self.lines[..filled].iter().map(|line| line.text.as_str()).collect()
    }
}

impl Line {
    /// `looks` are carried from line to line, as a terminal does.
    fn parse(line: &str, looks: &mut Looks) -> Self {
        let mut read = Self::default();
        let mut rest = line;
        while let Some(at) = find_control(rest) {
            read.push(&rest[..at], *looks);
            let mut special = rest[at..].chars();
            if special.next() == Some('\u{1b}') {
                skip_escape(&mut special, looks);
            }
            rest = special.as_str();
        }
        read.push(rest, *looks);
        read.text.truncate(read.text.trim_end().len());
        read
    }

    fn push(&mut self, text: &str, looks: Looks) {
        if looks != Looks::default() {
            self.looks.resize(self.text.chars().count(), Looks::default());
            self.looks.resize(self.looks.len() + text.chars().count(), looks);
        }
        self.text.push_str(text);
    }

    fn looks(&self, at: usize) -> Looks {
        self.looks.get(at).copied().unwrap_or_default()
    }

    /// How many characters are before what the agent proposes to write next: dim text at the end, with the cursor on the
    /// first of it. All of them, if it proposes nothing.
    pub(crate) fn typed(&self) -> usize {
        let all = self.text.chars().count();
        let dim = (0..all).rev().take_while(|&at| self.looks(at).dim).count();
        match all - dim {
            typed @ 1.. if dim > 0 && self.looks(typed - 1).inverse => typed - 1,
            _ => all,
        }
    }

    /// Whether all of the text from this character on is dim, apart from its first, on which a cursor may stand.
    pub(crate) fn is_dim_after(&self, from: usize) -> bool {
        let mut shown = self
            .text
            .chars()
            .enumerate()
            .skip(from + 1)
            .filter(|(_, c)| !c.is_whitespace())
            .peekable();
        shown.peek().is_some() && shown.all(|(at, _)| self.looks(at).dim)
    }
}

/// Where the first control character is. Most texts have none, and looking at bytes is faster than looking at
/// characters.
fn find_control(text: &str) -> Option<usize> {
    // In UTF-8 the control characters from U+0080 on begin with 0xc2, as others do.
    let may_be = |byte: u8| byte < b' ' || byte == 0x7f || byte == 0xc2;
    text.bytes().any(may_be).then(|| text.find(char::is_control)).flatten()
}

fn skip_escape(rest: &mut std::str::Chars<'_>, looks: &mut Looks) {
    match rest.next() {
        Some('[') => {
            let mut parameters = String::new();
            for character in rest.by_ref() {
                if ('@'..='~').contains(&character) {
                    if character == 'm' {
                        looks.change(&parameters);
                    }
                    return;
                }
                parameters.push(character);
            }
        }
        // An operating system command, such as a link, ends in BEL or ESC \.
        Some(']') => {
            while let Some(character) = rest.next() {
                if character == '\u{7}' {
                    return;
                }
                if character == '\u{1b}' {
                    rest.next();
                    return;
                }
            }
        }
        Some('(' | ')') => {
            rest.next();
        }
        _ => {}
    }
}

impl Looks {
    /// Applies SGR parameters. Those of a colour (`38;5;2`) must not be taken for "dim" (`2`).
    fn change(&mut self, parameters: &str) {
        let mut numbers = parameters.split(';');
        while let Some(number) = numbers.next() {
            match number {
                "" | "0" => *self = Self::default(),
                "2" => self.dim = true,
                "22" => self.dim = false,
                "7" => self.inverse = true,
                "27" => self.inverse = false,
                "38" | "48" | "58" => {
                    let colours = if numbers.next() == Some("2") { 3 } else { 1 };
                    for _ in 0..colours {
                        numbers.next();
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_dim_text_and_drops_every_escape() {
        let screen = Screen::parse(
            "> \u{1b}[2mSay something\u{1b}[0m\n> \u{1b}]8;;http://x\u{1b}\\ab\u{1b}]8;;\u{7}c",
            None,
        );
        assert_eq!(screen.lines[0].text, "> Say something");
        assert!(screen.lines[0].is_dim_after(2));
        assert_eq!(screen.lines[1].text, "> abc");
        assert!(!screen.lines[1].is_dim_after(2));
    }

    #[test]
    fn control_characters_of_either_kind_are_dropped_and_others_stay() {
        let screen = Screen::parse("a\u{7f}b\u{9b}c\u{7}d\u{b7}e\u{a0}ä", None);
        assert_eq!(screen.lines[0].text, "abcd\u{b7}e\u{a0}ä");
    }

    #[test]
    fn a_colour_is_not_taken_for_dim() {
        for colour in ["38;5;2", "38;2;2;2;2", "48;5;2", "38:2::2:2:2"] {
            let screen = Screen::parse(&format!("> \u{1b}[{colour}mtext"), None);
            assert!(!screen.lines[0].is_dim_after(2), "{colour}");
        }
    }

    #[test]
    fn a_placeholder_under_the_cursor_is_still_dim() {
        let screen = Screen::parse("> \u{1b}[7mS\u{1b}[0;2may something", None);
        assert!(screen.lines[0].is_dim_after(2));
    }

    #[test]
    fn what_an_agent_proposes_to_write_is_not_typed() {
        for (line, typed) in [
            ("\u{276f} see /comp\u{1b}[7ma\u{1b}[0;2mct", "\u{276f} see /comp"),
            ("\u{276f} see /comp\u{1b}[7m \u{1b}[0m", "\u{276f} see /comp"),
            // The cursor of an editor with modes stands on the last letter.
            ("\u{276f} see /com\u{1b}[7mp\u{1b}[0m", "\u{276f} see /comp"),
            ("\u{276f} \u{1b}[2mdim of its own\u{1b}[0m", "\u{276f} dim of its own"),
        ] {
            let line = &Screen::parse(line, None).lines[0];
            assert_eq!(line.text.chars().take(line.typed()).collect::<String>(), typed);
        }
    }

    #[test]
    fn a_single_typed_character_is_not_dim() {
        assert!(!Screen::parse("> a", None).lines[0].is_dim_after(2));
    }
}
