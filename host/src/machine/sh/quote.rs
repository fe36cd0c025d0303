//! Values in the text of a script, so that they arrive byte for byte.

/// `value` as one word.
pub(super) fn word(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// Bytes of one `printf`: long ones cost some shells much.
const PRINTED: usize = 4096;

/// Commands that print `bytes`.
pub(super) fn printed(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for part in bytes.chunks(PRINTED) {
        text.push_str("printf '");
        part.iter().for_each(|byte| push(&mut text, *byte));
        text.push_str("'\n");
    }
    text
}

/// What no shell takes for anything else in a quoted format stands for itself.
fn push(text: &mut String, byte: u8) {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b' ' | b'\n' | b'_' | b'.' | b',' | b':' | b'/' | b'=' | b'"' => {
            text.push(byte.into());
        }
        b'{' | b'}' | b'[' | b']' | b'(' | b')' | b'<' | b'>' => text.push(byte.into()),
        _ => text.push_str(&format!("\\{byte:03o}")),
    }
}
