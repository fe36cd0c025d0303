//! The schemas of the settings of runs, which each backend has that begins any.

use serde_json::{Map, Value, json};

/// The schemas of the settings of runs, by their names: those of [`Setup::beside`](crate::Setup::beside).
#[must_use]
pub fn settings_of_runs() -> Map<String, Value> {
    let text = || json!({"type": "string"});
    let project = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["path"],
        "properties": {"path": {"type": "string"}, "trusted": {"type": "boolean", "default": false}},
    });
    let properties = [
        ("run_timeout", time("30m")),
        ("silence", time("10m")),
        (
            "prompt_deadline",
            json!({"type": "string", "pattern": "^(0s|[1-9][0-9]* ?[smhd])$", "default": "12h"}),
        ),
        ("idle_timeout", time("30m")),
        ("turns", json!({"type": "integer", "minimum": 0, "default": 300})),
        ("budget_usd", json!({"type": "number", "minimum": 0, "default": 20})),
        ("model", text()),
        ("permission_mode", text()),
        (
            "tools",
            json!({"type": "array", "items": {"type": "string"}, "default": []}),
        ),
        ("projects", json!({"type": "object", "additionalProperties": project})),
    ];
    properties
        .map(|(name, schema)| (name.to_owned(), schema))
        .into_iter()
        .collect()
}

/// That of a time, and what counts where none is set.
pub(crate) fn time(initial: &str) -> Value {
    json!({"type": "string", "pattern": "^[1-9][0-9]* ?[smhd]$", "default": initial})
}
