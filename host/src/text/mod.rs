//! Foreign text: what is removed before it is shown, and how it is shown beside our own text.
//!
//! Invisible characters must not control a screen or a model that reads it, and no line of it may look like one of
//! ours.

mod hidden;
mod typed;

use std::borrow::Cow;

use serde_json::{Map, Value};

pub use self::typed::{Typed, typed};

/// Bytes of a text that are looked at for each character of it that may be shown: cleaning what is never shown must not
/// cost more than that, however long it is. The largest characters have four, and as many may be removed between them.
const LOOKED_AT: usize = 8;
/// Characters of a text of any length in one answer: connectors take about 150,000, Claude Code 25,000 tokens.
pub(crate) const ANSWER: usize = 60_000;

/// `text` without terminal escapes, control characters (except newline and tab), and characters that hide or reorder
/// text.
///
/// Those are found by their Unicode properties. Joiners stay between letters and in emoji, a run of combining marks is
/// bounded. Cleaning twice gives the same as cleaning once.
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

/// Foreign text within a line of ours: clean, without line breaks, without blanks at its ends.
///
/// It is cleaned here and not only where answers leave: there, an escape sequence without an end would remove what
/// follows.
pub(crate) fn one_line(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.trim().to_owned();
    }
    clean(&text.replace(breaks_or_tabs, " ")).trim().to_owned()
}

/// The same, and at most `most` characters; what is longer ends in `…`.
pub fn short_line(text: &str, most: usize) -> String {
    short(text, most, one_line).text
}

/// The beginning of a text, in a form that can be shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Short {
    pub(crate) text: String,
    /// It is not complete: it ends in `…`.
    pub(crate) is_cut: bool,
    /// Bytes of the text that were looked at.
    pub(crate) looked_at: usize,
}

/// As much of `text` as is at most `most` characters after it was `cleaned`. A much longer text is cut before that, so
/// the time does not depend on the length.
pub(crate) fn short(text: &str, most: usize, cleaned: impl FnOnce(&str) -> String) -> Short {
    let looked_at = text.floor_char_boundary(most.saturating_mul(LOOKED_AT));
    let mut cleaned = cleaned(&text[..looked_at]);
    let is_cut = looked_at < text.len() || cleaned.chars().nth(most).is_some();
    if is_cut {
        let kept = cleaned.char_indices().nth(most.saturating_sub(1));
        cleaned.truncate(kept.map_or(cleaned.len(), |(at, _)| at));
        cleaned.push('…');
    }
    Short {
        text: cleaned,
        is_cut,
        looked_at,
    }
}

/// Characters of a foreign name within words of ours.
pub(crate) const NAMED: usize = 128;

/// A foreign name within words of ours: at most `most` characters of it, and nothing that needs cleaning.
pub(crate) fn escaped(text: &str, most: usize) -> String {
    shortened(text, most).escape_debug().to_string()
}

/// The end of `text`, if it is too long for one answer, and how much was before that. It may take milliseconds.
pub(crate) fn ending(text: String) -> String {
    match text.char_indices().rev().nth(ANSWER - 1) {
        None | Some((0, _)) => text,
        Some((from, _)) => {
            let (left_out, kept) = text.split_at(from);
            let left_out = left_out.chars().count();
            format!("[… {left_out} characters before this were left out]\n{kept}")
        }
    }
}

/// The first `most` characters of `text`; where that is not all, the last of them is `…`.
pub(crate) fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some(_) => Cow::Owned(text.chars().take(most.saturating_sub(1)).chain(['…']).collect()),
    }
}

/// Foreign lines below our own text: clean, and each begins with `mark`, so that none looks like a line of ours.
pub(crate) fn marked(text: &str, mark: &str) -> String {
    clean_marked(&clean(text), mark)
}

/// The same for clean text.
pub(crate) fn clean_marked(text: &str, mark: &str) -> String {
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

/// The first version in a text, such as 3 and 4 of `next-3.4a`.
pub fn version(text: &str) -> Option<Vec<u32>> {
    let from = text.find(|c: char| c.is_ascii_digit())?;
    let text = &text[from..];
    let to = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    text[..to]
        .split('.')
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().ok())
        .collect()
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
    fn a_text_of_any_length_is_looked_at_as_far_as_it_may_be_shown_and_says_that_it_is_cut() {
        let hidden = "\u{200b}".repeat(5_000_000);
        for text in [
            "x".repeat(15_000_000),
            "日".repeat(5_000_000),
            hidden.clone(),
            format!("{hidden}x"),
            "\u{1b}[31m".repeat(3_000_000),
            "\u{1b}]0;".to_owned() + &"x".repeat(15_000_000),
            "a\u{301}".repeat(5_000_000),
            " ".repeat(15_000_000),
            "\r\n".repeat(7_000_000),
        ] {
            for most in [1, 256, 16_000] {
                let mut given = 0;
                let shown = short(&text, most, |beginning| {
                    given = beginning.len();
                    one_line(beginning)
                });
                assert!(given <= most * LOOKED_AT && shown.looked_at == given, "{given}");
                assert!(shown.is_cut && shown.text.ends_with('…') && shown.text.chars().count() <= most);
            }
        }
    }

    #[test]
    fn what_is_cut_by_a_character_shows_it_and_what_fits_is_whole() {
        let line = |text: &str, most| {
            let Short { text, is_cut, .. } = short(text, most, one_line);
            (text, is_cut)
        };
        assert_eq!(line("größer", 6), ("größer".to_owned(), false));
        assert_eq!(line("größere", 6), ("größe…".to_owned(), true));
        assert_eq!(line("\u{1b}[31mred\u{1b}[0m", 3), ("red".to_owned(), false));
        // The four are there and the rest was not looked at.
        assert_eq!(
            line(&format!("abcd{}", "\u{200b}".repeat(99)), 4),
            ("abc…".to_owned(), true)
        );
        assert_eq!(line("", 0), (String::new(), false));
    }

    #[test]
    fn a_text_that_is_too_long_says_how_much_of_it_is_missing() {
        let whole = "ü".repeat(ANSWER);
        assert_eq!(ending(whole.clone()), whole);
        assert_eq!(ending(String::new()), "");
        let cut = ending(format!("abc{whole}"));
        assert_eq!(cut, format!("[… 3 characters before this were left out]\n{whole}"));
    }

    #[test]
    fn a_name_within_our_words_is_escaped_and_bounded() {
        assert_eq!(escaped("a\nb\u{1b}", 9), "a\\nb\\u{1b}");
        assert!(escaped(&"\u{202e}".repeat(5_000_000), 128).len() < 2_000);
    }

    #[test]
    fn no_line_of_a_marked_text_looks_like_one_of_ours() {
        assert_eq!(
            marked("one\nBackend x did not answer\r\n\nend", "| "),
            "| one\n| Backend x did not answer\n| \n| end"
        );
    }
}
