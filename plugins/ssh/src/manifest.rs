//! What this plugin asks its operator for, as the example in the shipped configuration grants it.

use berth_panes::grant;
use berth_plugin::Needs;
use serde_json::{Value, json};

use crate::surroundings::NAMES;

pub(crate) fn needs() -> Needs {
    Needs::new()
        .licence(env!("CARGO_PKG_LICENSE"))
        .settings(settings())
        .grants(json!({
            "hosts": ["mac"],
            "agents": ["remote-control", "remote-talk"],
            "directories": ["~/projects"],
            "env": ["HOME", "PATH", "USER", "LOGNAME", "SHELL", "LANG", "LC_*", "TERM", "TMPDIR", "XDG_*"],
            "programs": {
                "tmux": grant::tmux(),
                "awk": {"path": "awk", "timeout": "10s", "read": [[NAMES]]},
            },
        }))
}

fn settings() -> Value {
    let number = |least: u16, most: u16, initial: u16| json!({"type": "integer", "minimum": least, "maximum": most, "default": initial});
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "columns": number(120, 500, 200),
            "rows": number(20, 200, 50),
            "address_seconds": number(1, 60, 20),
            "restart": {"type": "boolean", "default": false},
            "restarts": number(1, 100, 6),
            "keep_ended_hours": number(1, 720, 24),
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::setup::Settings;

    /// The lines of the example, without the `# ` before them. Comments of its own have two.
    fn example() -> Value {
        let shipped = include_str!("../../../config.toml");
        let begins = shipped.find("# [backends.remote]").unwrap();
        let whole: String = shipped[begins..]
            .lines()
            .take_while(|line| line.starts_with('#'))
            .map(|line| format!("{}\n", line.strip_prefix("# ").unwrap_or("")))
            .collect();
        toml::from_str::<toml::Table>(&whole).unwrap().try_into().unwrap()
    }

    #[test]
    fn the_example_in_the_shipped_configuration_grants_what_it_asks_for_and_no_more() {
        let granted = &example()["backends"]["remote"];
        let asked = needs().grants.unwrap();
        for key in ["agents", "directories", "env", "programs"] {
            assert_eq!(granted[key], asked[key], "{key}");
        }
    }

    #[test]
    fn the_defaults_of_the_schema_are_those_that_count_and_those_of_the_example() {
        let properties = &needs().settings.unwrap()["properties"];
        let defaults: serde_json::Map<String, Value> = properties
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, schema)| (key.clone(), schema["default"].clone()))
            .collect();
        let read = |settings: Value| serde_json::from_value::<Settings>(settings).unwrap();
        assert_eq!(read(Value::Object(defaults)), Settings::default());
        assert_eq!(
            read(example()["backends"]["remote"]["settings"].clone()),
            Settings::default()
        );
    }
}
