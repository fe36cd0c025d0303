//! Foreign texts, made short enough to be kept.

/// At most `most` characters of the beginning of a text, with a sign where there was more.
pub(crate) fn beginning(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// At most `most` characters of the end of a text, with a sign where there was more.
pub(crate) fn end(text: &str, most: usize) -> String {
    match text.char_indices().rev().nth(most) {
        Some((start, first)) => format!("…{}", &text[start + first.len_utf8()..]),
        None => text.to_owned(),
    }
}
