//! The composer at the bottom of an agent's screen, and what is in it.

use unicode_normalization::UnicodeNormalization as _;

use crate::enclosed;
use crate::profile::Profile;
use crate::screen::{Line, Screen};
use crate::submission::is_hidden;

/// The most lines that a footer or a list of completions below the composer has.
const FOOTER_LINES: usize = 32;
/// What is before the text on all lines but the first.
const INDENT: &str = "  ";
/// How many characters of a text's end must be seen to recognise what was left of it.
const TAIL: usize = 24;
/// How many characters of a beginning must be seen, or of something within a text where only the end of what is there
/// shows, to recognise a text of which the rest did not come.
const BEGINNING: usize = 100;
/// What a terminal sends around a paste, after the escape. A busy agent may read one in two halves, and takes the second
/// for text.
const BRACKETS: [&str; 2] = ["[200~", "[201~"];
/// The least of a bracket that is known as one.
const BRACKET_LEAST: usize = 2;

/// Where a person or berth types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composer {
    /// Its text, lines joined by `\n`; a long paste may be shown as a marker.
    pub text: String,
    /// The text is only a hint that nobody typed.
    pub placeholder: bool,
    /// Its last lines that are markers of pastes which are not shown.
    marks: Vec<Mark>,
    /// Only the end of its text is shown, and it says so.
    scrolled: bool,
}

/// The marker of a paste.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    /// Where its line begins, in bytes.
    at: usize,
    /// How many line breaks the paste has, as it says.
    breaks: usize,
}

/// How much of a text a composer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// All of it, and nothing more.
    Whole,
    /// Its end, below the sign that there is more above.
    End,
    /// Something else.
    Other,
}

impl Composer {
    /// Whether it holds nothing that somebody typed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.placeholder || self.text.trim().is_empty()
    }

    /// How much of `text` it shows. A longer text, a shorter one without the sign of a scrolled composer, and the marker
    /// of a paste (unless the text is one, word for word) are something else. Of what goes with a message it shows the
    /// markers, each with the right number of lines.
    #[must_use]
    pub fn shows(&self, text: &str) -> Shows {
        let (words, pastes) = enclosed::split(text);
        let Some(end) = self.before(&pastes) else {
            return Shows::Other;
        };
        let (shown, wanted) = (comparable(&self.text[..end]), comparable(words));
        if self.is_empty() || shown.is_empty() {
            Shows::Other
        } else if shown == wanted {
            Shows::Whole
        } else if self.scrolled && wanted.ends_with(&shown) {
            Shows::End
        } else {
            Shows::Other
        }
    }

    /// Whether it holds `text`, as far as can be seen.
    #[must_use]
    pub fn holds(&self, text: &str) -> bool {
        self.shows(text) != Shows::Other
    }

    /// Whether it holds only `text`: the whole of it, also with halves of the brackets of a paste in it; the marker of a
    /// paste of as many lines; enough of its end if only that is shown; or a long beginning, after which the rest did not
    /// come. Anything else is somebody's own, also a shorter or a longer text.
    #[must_use]
    pub fn is_left_of(&self, text: &str) -> bool {
        let only = match self.marks.as_slice() {
            [mark] if mark.at == 0 => Some(mark.breaks),
            _ => None,
        };
        match (only, self.shows(text)) {
            (_, Shows::Whole) => true,
            (Some(breaks), _) => !self.placeholder && breaks == text.matches('\n').count(),
            (None, Shows::End) => comparable(&self.text).chars().count() >= TAIL,
            (None, Shows::Other) => {
                let (shown, wanted) = (comparable(&self.text), comparable(enclosed::split(text).0));
                !self.is_empty() && (is_with_brackets(&shown, &comparable(text)) || self.is_beginning(&shown, &wanted))
            }
        }
    }

    /// Whether `shown` is a long beginning of `text`, or its end is where only that is shown.
    fn is_beginning(&self, shown: &str, text: &str) -> bool {
        let found = text.find(shown).is_some_and(|at| at == 0 || self.scrolled);
        found && shown.chars().count() >= BEGINNING
    }
}

impl Composer {
    /// Where the markers of `pastes`, each with so many line breaks, begin at its end.
    fn before(&self, pastes: &[usize]) -> Option<usize> {
        let marks = &self.marks[self.marks.len().checked_sub(pastes.len())?..];
        let same = marks.iter().map(|mark| mark.breaks).eq(pastes.iter().copied());
        same.then(|| marks.first().map_or(self.text.len(), |mark| mark.at))
    }
}

/// The line breaks of the paste that `marker` stands for; none if it is not a marker. Some agents count these, others lines.
fn breaks(profile: &Profile, marker: &str) -> Option<usize> {
    let breaks = profile.paste_marker.number(marker, "breaks")?;
    let lines = profile.paste_marker.number(marker, "lines")?;
    Some(breaks.max(lines.saturating_sub(1)))
}

/// The markers of pastes on the last lines of a composer's text.
fn marks(profile: &Profile, text: &str) -> Vec<Mark> {
    let mut marks = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = rest.rfind('\n').map_or(0, |end| end + 1);
        let Some(breaks) = breaks(profile, rest[at..].trim()) else {
            break;
        };
        marks.push(Mark { at, breaks });
        rest = &rest[..at.saturating_sub(1)];
    }
    marks.reverse();
    marks
}

/// Whether `shown` is `text` with ends of brackets in it, and nothing else.
fn is_with_brackets(mut shown: &str, text: &str) -> bool {
    for wanted in text.chars() {
        while !shown.starts_with(wanted) {
            match without_bracket(shown) {
                Some(rest) => shown = rest,
                None => return false,
            }
        }
        shown = &shown[wanted.len_utf8()..];
    }
    while let Some(rest) = without_bracket(shown) {
        shown = rest;
    }
    shown.is_empty()
}

/// What follows the end of a bracket with which `shown` begins.
fn without_bracket(shown: &str) -> Option<&str> {
    let ends = BRACKETS
        .iter()
        .flat_map(|whole| (0..=whole.len() - BRACKET_LEAST).map(|from| &whole[from..]));
    ends.filter_map(|end| shown.strip_prefix(end)).next()
}

/// Drops what a terminal may show differently than it was sent: blanks and wrapping, what has no width, colours of skin.
/// Letters with marks are composed.
fn comparable(text: &str) -> String {
    text.chars()
        .filter(|&c| !c.is_whitespace() && !c.is_control() && !is_hidden(c))
        .filter(|c| !matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}'))
        .nfc()
        .collect()
}

/// A composer found on a screen: the rows of the rules around it, and its text.
pub(crate) struct Found {
    pub(crate) above: usize,
    pub(crate) below: usize,
    pub(crate) composer: Composer,
}

/// Finds the composer between the last two rules. Anything other than the marker at its start means that there is no
/// composer.
pub(crate) fn boxed(profile: &Profile, screen: &Screen, lines: &[&str]) -> Option<Found> {
    let below = lines.iter().rposition(|line| profile.rule.matches(line))?;
    let above = lines[..below].iter().rposition(|line| profile.rule.matches(line))?;
    let footer = &lines[below + 1..];
    let first = lines.get(above + 1).filter(|_| above + 1 < below)?;
    let scrolled = profile.cut_above.matches(lines[above]);
    let from = match after_marker(profile, first).filter(|_| !first.starts_with(char::is_whitespace)) {
        Some(from) => from,
        // The line with the marker may be above.
        None if scrolled => first.strip_prefix(INDENT).map(|_| INDENT.len())?,
        None => return None,
    };
    let column = first[..from].chars().count();
    let row = |at: usize| screen.lines.get(at).map(typed).unwrap_or_default();
    let placeholder = screen
        .lines
        .get(above + 1)
        .is_some_and(|line| line.is_dim_after(column));
    let mut text = match placeholder {
        true => first[from..].trim().to_owned(),
        false => row(above + 1).get(from..).unwrap_or_default().trim().to_owned(),
    };
    if footer.len() > FOOTER_LINES {
        return None;
    }
    for at in above + 2..below {
        let line = row(at);
        text.push('\n');
        text.push_str(line.strip_prefix(INDENT).unwrap_or(line));
    }
    let placeholder = placeholder || profile.placeholders.iter().any(|pattern| pattern.matches(&text));
    let marks = marks(profile, &text);
    Some(Found {
        above,
        below,
        composer: Composer {
            text,
            placeholder,
            marks,
            scrolled,
        },
    })
}

/// What of a composer's line somebody typed, without what the agent proposes.
fn typed(line: &Line) -> &str {
    let end = line.text.char_indices().nth(line.typed());
    end.map_or(line.text.as_str(), |(at, _)| &line.text[..at])
}

/// The lower part of a composer whose upper rule is above the screen, if the screen shows nothing else.
pub(crate) fn beheaded(profile: &Profile, screen: &Screen, lines: &[&str]) -> Option<Composer> {
    let below = lines
        .iter()
        .rposition(|line| profile.rule.matches(line))
        .filter(|row| *row > 0)?;
    let inside = |line: &&str| line.is_empty() || line.starts_with(INDENT);
    let footer = &lines[below + 1..];
    let known = footer.iter().any(|line| profile.idle_footer.matches(line));
    if !known || footer.len() > FOOTER_LINES || !lines[..below].iter().all(inside) {
        return None;
    }
    let rows = screen.lines[..below].iter().map(|line| typed(line).trim_start());
    Some(Composer {
        text: rows.collect::<Vec<_>>().join("\n"),
        placeholder: false,
        marks: Vec::new(),
        scrolled: true,
    })
}

/// The composer of a shell: the text after the prompt on the cursor's line.
pub(crate) fn line(profile: &Profile, line: &str) -> Option<Composer> {
    let from = profile.prompt.end_of_match(line)?;
    Some(Composer {
        text: line[from..].to_owned(),
        placeholder: false,
        marks: Vec::new(),
        scrolled: false,
    })
}

/// The byte after a marker and its space, if the line begins with one.
pub(crate) fn after_marker(profile: &Profile, line: &str) -> Option<usize> {
    let text = line.trim_start();
    let rest = profile
        .markers
        .iter()
        .find_map(|marker| text.strip_prefix(marker.as_str()))?;
    let after = rest.trim_start();
    (after.len() < rest.len() || rest.is_empty()).then_some(line.len() - after.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn composer(text: &str) -> Composer {
        Composer {
            text: text.to_owned(),
            placeholder: false,
            marks: Vec::new(),
            scrolled: false,
        }
    }

    #[test]
    fn only_the_whole_text_or_the_end_that_a_scrolled_composer_shows_is_ours() {
        let long = "a text that is longer than the screen of a small terminal shows";
        use Shows::{End, Other, Whole};
        for (shown, scrolled, text, shows, left) in [
            ("hello there", false, "hello there", Whole, true),
            ("hello", false, "hello there", Other, false),
            ("hello there and mine", false, "hello there", Other, false),
            ("mine, hello there", false, "hello there", Other, false),
            ("xab", false, "ab", Other, false),
            ("ab", false, "xab", Other, false),
            ("xab", true, "ab", Other, false),
            (&long[20..], true, long, End, true),
            // A person has shortened it.
            (&long[20..], false, long, Other, false),
            (&long[..40], false, long, Other, false),
            (&long[..40], true, long, Other, false),
            // Enough to enter what was just typed, and not to remove what was there before.
            (&long[50..], true, long, End, false),
            ("", false, "", Other, false),
            ("\u{1f389}\u{1f389}", false, "\u{1f389}", Other, false),
            ("\u{1f389}", false, "\u{1f38a}", Other, false),
            ("\u{1f44d}", false, "\u{1f44d}\u{1f3fd}", Whole, true),
            ("\u{e9}t\u{e9}", false, "e\u{301}te\u{301}", Whole, true),
            ("a    b", false, "a\tb", Whole, true),
            ("?", false, "!", Other, false),
        ] {
            let composer = Composer {
                scrolled,
                ..composer(shown)
            };
            assert_eq!(
                (composer.shows(text), composer.is_left_of(text)),
                (shows, left),
                "{shown:?} of {text:?}"
            );
        }
    }

    #[test]
    fn a_long_beginning_is_what_came_of_a_text_and_nobody_elses() {
        let text: String = (1..200).map(|number| format!("line {number}\n")).collect();
        for (shown, scrolled, left) in [
            (&text[..300], false, true),
            (&text[..60], false, false),
            (&text[300..600], true, true),
            // A person took its beginning away.
            (&text[300..600], false, false),
            (&text[300..360], true, false),
        ] {
            let composer = Composer {
                scrolled,
                ..composer(shown)
            };
            assert_eq!(
                (composer.holds(&text), composer.is_left_of(&text)),
                (false, left),
                "{shown}"
            );
            let written_on = Composer {
                text: format!("{shown} and mine"),
                ..composer
            };
            assert!(!written_on.is_left_of(&text));
        }
    }

    #[test]
    fn halves_of_brackets_make_a_text_nobody_elses() {
        for (shown, text, left) in [
            ("1. 00~three\n- one", "1. three\n- one", true),
            ("1~```\nmake", "```\nmake", true),
            ("a[201~b[200~c", "abc", true),
            ("a01~[200~b", "ab", true),
            ("ab1~", "ab", true),
            ("a~b", "ab", false),
            ("a00~b and mine", "ab", false),
            ("a00~", "ab", false),
        ] {
            let composer = composer(shown);
            assert_eq!(
                (composer.holds(text), composer.is_left_of(text)),
                (false, left),
                "{shown:?} of {text:?}"
            );
        }
    }

    #[test]
    fn a_marker_stands_for_a_paste_of_as_many_lines_and_shows_nothing_of_it() {
        for (marked, breaks, ours) in [
            (14, 14, true),
            (15, 14, false),
            (13, 14, false),
            (0, 0, true),
            (1, 0, false),
            (0, 1, false),
        ] {
            let composer = Composer {
                marks: vec![Mark { at: 0, breaks: marked }],
                ..composer("[Pasted text #3]")
            };
            let text = "line\n".repeat(breaks) + "end";
            assert_eq!(
                (composer.is_left_of(&text), composer.holds(&text)),
                (ours, false),
                "{marked} of {breaks}"
            );
        }
        let literal = Composer {
            marks: vec![Mark { at: 0, breaks: 7 }],
            ..composer("[Pasted text #3 +7 lines]")
        };
        assert!(literal.holds("[Pasted text #3 +7 lines]") && literal.is_left_of("[Pasted text #3 +7 lines]"));
        assert!(!literal.holds("[Pasted text #3 +8 lines]") && !literal.holds("see [Pasted text #3 +7 lines]"));
    }

    #[test]
    fn of_what_goes_with_a_message_the_markers_show_with_the_right_numbers() {
        let agent = crate::Agent::load("claude", None).unwrap();
        let shown = |text: &str| Composer {
            marks: marks(&agent.profile, text),
            ..composer(text)
        };
        let message = agent.submission("look at\nthese").unwrap();
        let one = agent.enclose(message, "a.log", b"a\nb\nc").unwrap();
        let two = agent.enclose(one.clone(), "b.log", b"x").unwrap();
        use Shows::{Other, Whole};
        for (text, shows_one, shows_two) in [
            ("look at\nthese\n[Pasted text #4 +5 lines]", Whole, Other),
            (
                "look at\nthese\n[Pasted text #4 +5 lines]\n[Pasted text #5 +3 lines]",
                Other,
                Whole,
            ),
            (
                "look at\nthese\n[Pasted text #4 +3 lines]\n[Pasted text #5 +5 lines]",
                Other,
                Other,
            ),
            ("look at\nthese\n[Pasted text #4 +9 lines]", Other, Other),
            ("look at\n[Pasted text #4 +5 lines]", Other, Other),
            ("look at\nthese\nmine\n[Pasted text #4 +5 lines]", Other, Other),
            ("look at\nthese\n[Pasted text #4 +5 lines] mine", Other, Other),
            ("look at\nthese", Other, Other),
        ] {
            let composer = shown(text);
            assert_eq!(
                (composer.shows(&one.shown), composer.shows(&two.shown)),
                (shows_one, shows_two),
                "{text}"
            );
            assert_eq!(composer.is_left_of(&one.shown), shows_one == Whole, "{text}");
        }
        // The words of a message are never taken for a marker of another number.
        assert_eq!(
            shown("see\n[Pasted text #3 +7 lines]").shows("see\n[Pasted text #4 +7 lines]"),
            Other
        );
    }
}
