//! The text being written: typed letters and pastes, of which long ones are shown as one token.

const LONGEST_SHOWN_PASTE: usize = 800;
const MOST_LINES_OF_A_SHOWN_PASTE: usize = 3;

/// The text in the composer. The cursor is always at its end.
#[derive(Default)]
pub(crate) struct Composer {
    pieces: Vec<Piece>,
}

enum Piece {
    Char(char),
    /// A paste too long to show: submitted whole, removed as one.
    Collapsed(String),
}

impl Composer {
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(crate) fn push(&mut self, character: char) {
        self.pieces.push(Piece::Char(character));
    }

    pub(crate) fn paste(&mut self, text: String) {
        if is_long(&text) {
            self.pieces.push(Piece::Collapsed(text));
        } else {
            self.pieces.extend(text.chars().map(Piece::Char));
        }
    }

    pub(crate) fn backspace(&mut self) {
        self.pieces.pop();
    }

    pub(crate) fn clear(&mut self) {
        self.pieces.clear();
    }

    /// Empties the last line; if it is empty already, joins it to the one before.
    pub(crate) fn clear_line(&mut self) {
        if self.ends_with('\n') {
            self.pieces.pop();
        }
        while !self.is_empty() && !self.ends_with('\n') {
            self.pieces.pop();
        }
    }

    /// Turns a trailing `\` into a newline. Answers whether there was one.
    pub(crate) fn continue_line(&mut self) -> bool {
        let continues = self.text().ends_with('\\');
        if continues {
            match self.pieces.last_mut() {
                Some(Piece::Collapsed(text)) => drop(text.pop()),
                _ => drop(self.pieces.pop()),
            }
            self.push('\n');
        }
        continues
    }

    /// The whole text, as it would be submitted.
    pub(crate) fn text(&self) -> String {
        self.join(|text, piece| text.push_str(piece))
    }

    /// The text as it is shown, long pastes collapsed.
    pub(crate) fn shown(&self) -> String {
        self.join(|text, piece| text.push_str(&format!("[Pasted text: {} lines]", count_lines(piece))))
    }

    /// Takes out the whole text, unless it has only spaces.
    pub(crate) fn take(&mut self) -> Option<String> {
        let text = self.text();
        if text.trim().is_empty() {
            return None;
        }
        self.clear();
        Some(text)
    }

    fn join(&self, add_collapsed: impl Fn(&mut String, &str)) -> String {
        let mut joined = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Char(character) => joined.push(*character),
                Piece::Collapsed(text) => add_collapsed(&mut joined, text),
            }
        }
        joined
    }

    fn ends_with(&self, wanted: char) -> bool {
        matches!(self.pieces.last(), Some(Piece::Char(last)) if *last == wanted)
    }
}

fn is_long(text: &str) -> bool {
    text.chars().count() > LONGEST_SHOWN_PASTE || count_lines(text) > MOST_LINES_OF_A_SHOWN_PASTE
}

fn count_lines(text: &str) -> usize {
    text.split('\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Composer {
        let mut composer = Composer::default();
        text.chars().for_each(|character| composer.push(character));
        composer
    }

    #[test]
    fn shows_a_short_paste_as_it_is() {
        let mut composer = typed("see: ");
        composer.paste("a\n\tb".into());
        assert_eq!(composer.shown(), "see: a\n\tb");
    }

    #[test]
    fn collapses_a_long_paste_and_submits_it_whole() {
        for long in ["x".repeat(801), "x\n".repeat(10)] {
            let mut composer = typed("see ");
            composer.paste(long.clone());
            composer.push('!');
            assert!(
                composer.shown().starts_with("see [Pasted text: "),
                "{}",
                composer.shown()
            );
            assert_eq!(composer.take(), Some(format!("see {long}!")));
            assert!(composer.is_empty());
        }
    }

    #[test]
    fn shows_a_paste_of_exactly_the_limits() {
        let mut composer = Composer::default();
        composer.paste("x".repeat(800));
        composer.paste("x\n".repeat(2));
        assert!(!composer.shown().contains("Pasted"));
    }

    #[test]
    fn removes_a_collapsed_paste_at_one_backspace() {
        let mut composer = typed("a");
        composer.paste("x".repeat(900));
        composer.backspace();
        assert_eq!(composer.text(), "a");
    }

    #[test]
    fn clears_one_line_at_a_time() {
        let mut composer = typed("one\ntwo");
        composer.clear_line();
        assert_eq!(composer.text(), "one\n");
        composer.clear_line();
        assert!(composer.is_empty());
    }

    #[test]
    fn makes_a_newline_of_a_trailing_backslash() {
        let mut composer = typed("one\\");
        assert!(composer.continue_line());
        assert_eq!(composer.text(), "one\n");
        assert!(!composer.continue_line());

        let mut pasted = Composer::default();
        pasted.paste(format!("{}\\", "x".repeat(900)));
        assert!(pasted.continue_line());
        assert_eq!(pasted.text(), format!("{}\n", "x".repeat(900)));
    }

    #[test]
    fn keeps_what_is_only_blank() {
        let mut composer = typed(" \n");
        assert_eq!(composer.take(), None);
        assert_eq!(composer.text(), " \n");
    }
}
