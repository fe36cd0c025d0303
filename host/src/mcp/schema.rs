//! What clients are shown of a plugin's schema.

use serde_json::{Map, Value};

/// A schema without `x-mcp-header` (2026-07-28), with which a plugin could make clients repeat arguments in headers:
/// proxies and tunnels write headers to their logs, and the error about a missing header would reveal a hidden tool.
pub(crate) fn body_only(schema: Map<String, Value>) -> Map<String, Value> {
    let below = |value: Value| match value {
        Value::Object(fields) => Value::Object(body_only(fields)),
        other => other,
    };
    schema
        .into_iter()
        // A string is this request; anything else is an argument with that name.
        .filter(|(key, value)| key != "x-mcp-header" || !value.is_string())
        .map(|(key, value)| (key, below(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
