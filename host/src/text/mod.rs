//! Foreign text: what it loses before anybody is shown it, and how it stands beside words of ours.
//!
//! A screen or a model that shows it must not be steered by what cannot be seen, nor take a line of it for one of ours.

mod hidden;
mod typed;

use std::borrow::Cow;

use serde_json::{Map, Value};

pub use self::typed::{Typed, typed};

/// `text` without terminal escapes, control characters (but newline and tab), and characters that hide or reorder text.
///
/// Those go by their Unicode properties. Joiners stay between letters and in emoji, a run of combining marks is
/// bounded. Cleaning twice is cleaning once.
pub fn clean(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    hidden::removed(&anstream::adapter::strip_str(text).to_string())
}

/// Cleans every string and key of `value`.
pub fn clean_json(value: Value) -> Value {
    match value {
        Value::String(text) if is_plain(&text) => Value::String(text),
        Value::String(text) => Value::String(clean(&text)),
        Value::Array(items) => items.into_iter().map(clean_json).collect(),
        Value::Object(fields) => Value::Object(clean_object(fields)),
        other => other,
    }
}

/// Cleans every string and key of an object.
pub(crate) fn clean_object(fields: Map<String, Value>) -> Map<String, Value> {
    fields
        .into_iter()
        .map(|(name, value)| (clean(&name), clean_json(value)))
        .collect()
}

/// Foreign text that stands in a line of ours: clean, without line breaks, without blanks at its ends.
///
/// It is cleaned here and not only where answers leave: there, an escape sequence that it does not end would take what
/// follows with it.
pub(crate) fn one_line(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.trim().to_owned();
    }
    clean(&text.replace(breaks_or_tabs, " ")).trim().to_owned()
}

/// The same, and at most `most` characters; what is longer ends in `…`.
pub(crate) fn short_line(text: &str, most: usize) -> String {
    shortened(&one_line(text), most).into_owned()
}

/// The first `most` characters of `text`; where that is not all, the last of them is `…`.
pub(crate) fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some(_) => Cow::Owned(text.chars().take(most.saturating_sub(1)).chain(['…']).collect()),
    }
}

/// Foreign lines below words of ours: clean, and each begins with `mark`, so that none looks like a line of ours.
pub(crate) fn marked(text: &str, mark: &str) -> String {
    let text = clean(text);
    let lines: Vec<String> = text.lines().map(|line| format!("{mark}{line}")).collect();
    lines.join("\n")
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'\n' | b'\t' | b' '..=b'~'))
}

fn breaks_or_tabs(c: char) -> bool {
    matches!(
        c,
        '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn escapes_and_controls_go() {
        assert_eq!(clean("\u{1b}[31mred\u{1b}[0m"), "red");
        assert_eq!(clean("\u{1b}]0;title\u{7}text"), "text");
        assert_eq!(clean("a\u{9b}31mb\u{8}\r\n"), "a31mb\n");
        assert_eq!(clean("pay\u{202e}evil\u{200b}\u{feff}\u{e0041}"), "payevil");
    }

    #[test]
    fn strings_at_any_depth_and_keys_are_cleaned() {
        let cleaned = clean_json(json!({"k\u{1b}[1m": ["\u{202e}x", {"y": "z\u{0}"}], "n": 1}));
        assert_eq!(cleaned, json!({"k": ["x", {"y": "z"}], "n": 1}));
    }

    #[test]
    fn what_stands_in_a_line_is_one_line_whatever_breaks_it() {
        for broken in [
            "a\nb",
            "a\rb",
            "a\u{b}b",
            "a\u{c}b",
            "a\u{85}b",
            "a\u{2028}b",
            "a\u{2029}b",
            " a\tb\n",
        ] {
            assert_eq!(one_line(broken), "a b", "{broken:?}");
        }
        assert_eq!(one_line("a\r\n\u{1b}[2Jb"), "a  b");
    }

    #[test]
    fn an_escape_that_does_not_end_takes_nothing_of_ours_with_it() {
        assert_eq!(format!("{} — idle", one_line("x\u{1b}]0;")), "x — idle");
        assert_eq!(clean(&format!("{} — idle", one_line("x\u{1b}]0;"))), "x — idle");
    }

    #[test]
    fn a_text_that_is_too_long_shows_that_it_was_cut() {
        assert_eq!(short_line("größer", 6), "größer");
        assert_eq!(short_line("größere", 6), "größe…");
        assert_eq!(shortened("", 0), "");
    }

    #[test]
    fn no_line_of_a_marked_text_looks_like_one_of_ours() {
        assert_eq!(
            marked("one\nBackend x did not answer\r\n\nend", "| "),
            "| one\n| Backend x did not answer\n| \n| end"
        );
    }
}
