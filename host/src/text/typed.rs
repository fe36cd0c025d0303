//! What of a message can be typed: control characters cannot, and the sender is told.

use std::collections::BTreeMap;

/// Kinds of characters that a note names one by one.
const NAMED: usize = 8;

/// A message as it is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typed {
    /// Its lines end in `\n`; its only control characters are that and the tab.
    pub text: String,
    /// What was removed, as a sentence, if anything was. Line breaks that were written in another form do not count.
    pub removed: Option<String>,
}

/// `message` as it is typed. Line breaks (`\r\n`, `\r`, U+0085, U+2028, U+2029) become `\n`; control characters other
/// than `\n` and tab are removed one by one: what follows an escape is text and stays.
pub fn typed(message: &str) -> Typed {
    let lines = message
        .replace("\r\n", "\n")
        .replace(['\r', '\u{85}', '\u{2028}', '\u{2029}'], "\n");
    let is_removed = |c: &char| c.is_control() && !matches!(c, '\n' | '\t');
    let mut removed = BTreeMap::new();
    for c in lines.chars().filter(is_removed) {
        *removed.entry(c).or_insert(0) += 1;
    }
    Typed {
        removed: sentence(&removed),
        text: lines.chars().filter(|c| !is_removed(c)).collect(),
    }
}

fn sentence(removed: &BTreeMap<char, usize>) -> Option<String> {
    let count: usize = removed.values().sum();
    let were = match count {
        0 => return None,
        1 => "1 control character was",
        _ => &format!("{count} control characters were"),
    };
    let named = removed.iter().take(NAMED).map(|(c, times)| match times {
        1 => format!("U+{:04X}", u32::from(*c)),
        times => format!("U+{:04X} ({times} times)", u32::from(*c)),
    });
    let mut names: Vec<String> = named.collect();
    if removed.len() > NAMED {
        names.push(format!("and {} more kinds", removed.len() - NAMED));
    }
    Some(format!("{were} taken out of the message: {}.", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_of_every_kind_become_new_lines_without_a_word() {
        for message in ["a\nb", "a\r\nb", "a\rb", "a\u{85}b", "a\u{2028}b", "a\u{2029}b"] {
            let sent = typed(message);
            assert_eq!((sent.text.as_str(), sent.removed), ("a\nb", None), "{message:?}");
        }
        assert_eq!(typed("a\r\n\r\nb\n\rc").text, "a\n\nb\n\nc");
    }

    #[test]
    fn what_is_taken_out_is_said() {
        for (message, text, removed) in [
            (
                "plain\ttext 日本語 می\u{200c}خواهم",
                "plain\ttext 日本語 می\u{200c}خواهم",
                None,
            ),
            (
                "a\u{1b}[201~b",
                "a[201~b",
                Some("1 control character was taken out of the message: U+001B."),
            ),
            (
                "\u{1b}[31mred\u{1b}[0m\u{7}\u{9b}",
                "[31mred[0m",
                Some("4 control characters were taken out of the message: U+0007, U+001B (2 times), U+009B."),
            ),
            (
                "\u{0}\u{7f}",
                "",
                Some("2 control characters were taken out of the message: U+0000, U+007F."),
            ),
        ] {
            let sent = typed(message);
            assert_eq!(
                (sent.text.as_str(), sent.removed.as_deref()),
                (text, removed),
                "{message:?}"
            );
        }
    }

    #[test]
    fn a_note_names_no_more_kinds_than_a_reader_takes_in() {
        let all: String = ('\u{0}'..='\u{1f}').collect();
        let note = typed(&all).removed.unwrap_or_default();
        assert!(
            note.starts_with("29 control characters") && note.ends_with("and 21 more kinds."),
            "{note}"
        );
    }

    #[test]
    fn what_was_typed_once_is_typed_unchanged() {
        let once = typed("a\u{1b}\r\n\u{85}b\u{0}\t");
        let again = typed(&once.text);
        assert_eq!((again.text, again.removed), (once.text, None));
    }
}
