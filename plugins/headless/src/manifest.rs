//! What this plugin asks its operator for, as the shipped configuration grants it.

use berth_plugin::{Needs, git};
use serde_json::{Value, json};

use crate::setup::BUILD_TOOLS;
use crate::setup::schema::{settings_of_runs, time};

pub(crate) fn needs() -> Needs {
    Needs::new()
        .licence(env!("CARGO_PKG_LICENSE"))
        .settings(settings())
        .grants(json!({
            "agents": ["claude", "demo", "opencode", "gemini", "codex"],
            "directories": ["~/projects"],
            "env": [
                "HOME", "PATH", "USER", "LOGNAME", "SHELL", "LANG", "LC_*", "TERM", "TMPDIR", "SSH_AUTH_SOCK", "XDG_*",
            ],
            "read_tools": ["claude_job_status", "claude_list_jobs", "claude_list_projects"],
            "programs": {
                "agent": {"path": "env", "job": [["@agent"]], "job_timeout": "24h"},
                "git": git::grant::building(),
                "rm": {"path": "rm", "control": [["-rf", "--", "<clone>"]], "timeout": "2m", "words": {"clone": git::grant::CLONE}},
            },
        }))
}

fn settings() -> Value {
    let mut properties = settings_of_runs();
    properties.extend([
        ("build_timeout".to_owned(), time("4h")),
        ("most_timeout".to_owned(), time("6h")),
        (
            "build_tools".to_owned(),
            json!({"type": "array", "items": {"type": "string"}, "default": BUILD_TOOLS}),
        ),
        ("builds".to_owned(), json!({"type": "string"})),
        ("projects_file".to_owned(), json!({"type": "string"})),
    ]);
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn it_asks_for_what_the_shipped_configuration_grants() {
        let shipped = include_str!("../../../config.toml");
        let shipped: Value = toml::from_str::<toml::Table>(shipped).unwrap().try_into().unwrap();
        let granted = &shipped["backends"]["jobs"];
        for (key, asked) in needs().grants.unwrap().as_object().unwrap() {
            match key.as_str() {
                "programs" => {
                    for (program, asked) in asked.as_object().unwrap() {
                        for (key, asked) in asked.as_object().unwrap() {
                            assert_eq!(&granted["programs"][program][key], asked, "{program}.{key}");
                        }
                    }
                }
                key => assert_eq!(&granted[key], asked, "{key}"),
            }
        }
    }
}
