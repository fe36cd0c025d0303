//! What this plugin asks its operator for, as the example in the shipped configuration grants it.

use berth_headless::settings_of_runs;
use berth_panes::grant;
use berth_plugin::{Needs, git};
use serde_json::{Value, json};

use crate::surroundings::NAMES;

pub(crate) fn needs() -> Needs {
    Needs::new()
        .licence(env!("CARGO_PKG_LICENSE"))
        .settings(settings())
        .grants(json!({
            "hosts": ["mac"],
            "agents": ["remote-control", "remote-talk", "claude"],
            "directories": ["~/projects"],
            "env": ["HOME", "PATH", "USER", "LOGNAME", "SHELL", "LANG", "LC_*", "TERM", "TMPDIR", "XDG_*"],
            "programs": {
                "tmux": grant::tmux(),
                "awk": {"path": "awk", "timeout": "10s", "read": [[NAMES]]},
                "agent": {"path": "env", "job": [["@agent"]], "job_timeout": "24h"},
                "git": git::grant::reading(),
            },
        }))
}

fn settings() -> Value {
    let number = |least: u16, most: u16, initial: u16| json!({"type": "integer", "minimum": least, "maximum": most, "default": initial});
    let mut properties = settings_of_runs();
    properties.extend(
        [
            ("columns", number(120, 500, 200)),
            ("rows", number(20, 200, 50)),
            ("address_seconds", number(1, 60, 20)),
            ("restart", json!({"type": "boolean", "default": false})),
            ("restarts", number(1, 100, 6)),
            ("keep_ended_hours", number(1, 720, 24)),
        ]
        .map(|(name, schema)| (name.to_owned(), schema)),
    );
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::fake::Fake;
    use crate::setup::{Settings, Setup};

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
        let properties = needs().settings.unwrap()["properties"].clone();
        let properties = properties.as_object().unwrap().iter();
        let defaults = properties.filter_map(|(key, schema)| Some((key.clone(), schema.get("default")?.clone())));
        let defaults = Value::Object(defaults.collect());
        assert_eq!(defaults, example()["backends"]["remote"]["settings"]);
        assert_eq!(
            serde_json::from_value::<Settings>(defaults.clone()).unwrap(),
            Settings::default()
        );
        let host = Fake::new().host;
        host.settings(defaults);
        assert!(Setup::of_host().is_ok());
    }
}
