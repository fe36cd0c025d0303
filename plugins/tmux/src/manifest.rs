//! What this plugin asks its operator for, as the shipped configuration grants it.

use berth_panes::grant;
use berth_plugin::{Needs, git};
use serde_json::{Value, json};

pub(crate) fn needs() -> Needs {
    Needs::new()
        .licence(env!("CARGO_PKG_LICENSE"))
        .settings(settings())
        .grants(json!({
            "agents": ["claude", "demo"],
            "directories": ["~/projects"],
            "files": [
                {"under": "~/.claude/sessions", "names": "*.json"},
                {"under": "~/.claude/projects", "names": "*.jsonl"},
            ],
            "env": [
                "HOME", "PATH", "USER", "LOGNAME", "SHELL", "LANG", "LC_*", "TERM", "TMPDIR", "SSH_AUTH_SOCK", "XDG_*",
            ],
            "programs": {"tmux": grant::tmux(), "git": git::grant::reading()},
        }))
}

fn settings() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "columns": {"type": "integer", "minimum": 40, "maximum": 500, "default": 120},
            "rows": {"type": "integer", "minimum": 20, "maximum": 200, "default": 60},
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    /// Whether all of `asked` is in `granted`: tables key by key, lists entry by entry.
    fn missing(asked: &Value, granted: &Value, at: &str) -> Vec<String> {
        match (asked, granted) {
            (Value::Object(asked), Value::Object(granted)) => asked
                .iter()
                .flat_map(|(key, asked)| {
                    missing(asked, granted.get(key).unwrap_or(&Value::Null), &format!("{at}.{key}"))
                })
                .collect(),
            (Value::Array(asked), Value::Array(granted)) => {
                let missing = asked.iter().filter(|asked| !granted.contains(asked));
                missing.map(|asked| format!("{at}: {asked}")).collect()
            }
            (asked, granted) if asked == granted => Vec::new(),
            (asked, granted) => vec![format!("{at}: {asked} and not {granted}")],
        }
    }

    #[test]
    fn it_asks_for_nothing_that_the_shipped_configuration_does_not_grant() {
        let shipped = include_str!("../../../config.toml");
        let shipped: Value = toml::from_str::<toml::Table>(shipped).unwrap().try_into().unwrap();
        let asked = needs().grants.unwrap();
        assert_eq!(missing(&asked, &shipped["backends"]["local"], "local"), [""; 0]);
        let control = |grants: &Value| grants["programs"]["tmux"]["control"].as_array().unwrap().len();
        assert_eq!(control(&asked), control(&shipped["backends"]["local"]));
    }
}
