//! What every outgoing string loses: terminal escapes, control characters, and characters that hide or reorder text.
//!
//! Text of sessions is foreign; a screen or a model that shows it must not be steered by what cannot be seen.

use serde_json::{Map, Value};

/// `text` without escape sequences, C0 and C1 (but newline and tab), bidi controls, zero-width characters and tags.
pub fn clean(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b'\n' | b'\t' | b' '..=b'~')) {
        return text.to_owned();
    }
    let plain = anstream::adapter::strip_str(text).to_string();
    plain.chars().filter(|c| !is_hidden(*c)).collect()
}

/// Cleans every string and key of `value`.
pub fn clean_json(value: Value) -> Value {
    match value {
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

/// A schema without `x-mcp-header` (2026-07-28), by which a plugin would have clients repeat arguments in headers:
/// proxies and tunnels write those to their logs, and a header that is missed would tell of a tool that is hidden.
pub(crate) fn body_only(schema: Map<String, Value>) -> Map<String, Value> {
    let below = |value: Value| match value {
        Value::Object(fields) => Value::Object(body_only(fields)),
        other => other,
    };
    schema
        .into_iter()
        // A string is the wish; anything else is an argument of that name.
        .filter(|(key, value)| key != "x-mcp-header" || !value.is_string())
        .map(|(key, value)| (key, below(value)))
        .collect()
}

fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{00AD}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{180E}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}' => true,
        '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' => true,
        // Variation selectors: U+FE0F, which makes a sign an emoji, stays.
        '\u{FE00}'..='\u{FE0E}' | '\u{E0000}'..='\u{E0FFF}' => true,
        c => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plain_text_with_newlines_tabs_and_letters_of_all_scripts_stays() {
        for text in ["", "a\tb\nc", "größer 日本語 🚢", "— “quoted”"] {
            assert_eq!(clean(text), text);
        }
    }

    #[test]
    fn escapes_controls_and_hidden_characters_go() {
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
    fn a_schema_asks_for_no_argument_in_a_header() {
        let schema = json!({"type": "object", "properties": {
            "x-mcp-header": {"type": "string"},
            "outer": {"type": "object", "properties": {"inner": {"type": "string", "x-mcp-header": "Inner"}}},
        }});
        let schema = schema.as_object().cloned().unwrap_or_default();
        assert_eq!(
            Value::Object(body_only(schema)),
            json!({"type": "object", "properties": {
                "x-mcp-header": {"type": "string"},
                "outer": {"type": "object", "properties": {"inner": {"type": "string"}}},
            }})
        );
    }
}
