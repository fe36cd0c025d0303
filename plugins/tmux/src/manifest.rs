//! What this plugin asks its operator for, as the shipped configuration grants it.

use berth_plugin::{Needs, git};
use serde_json::{Value, json};

use crate::look::{CLOSE, MANY};
use crate::panes::{LIST, PROCESSES};

/// It keeps finished sessions to be looked at, and takes away what would let a session's output run something.
const CONF: &str = include_str!("../tmux.conf");

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
            "programs": {"tmux": tmux(), "git": git::grant::reading()},
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

fn tmux() -> Value {
    json!({
        "path": "tmux",
        "fixed": ["-u", "-S", "@socket", "-f", "@conf"],
        "timeout": "10s",
        "output": "4 MiB",
        "doctor": [
            ["-V"],
            ["-S", "@socket", "-f", "/dev/null", "start-server", ";", "source-file", "@conf"],
            ["-S", "@socket", "kill-server"],
        ],
        "least_version": "3.3",
        "separator": ";",
        "attach": [
            "attach-session", "-t", "<session>", ";",
            "display-message", "-d", "5000", "Ctrl-b d leaves this session, and it goes on",
        ],
        "conf": CONF,
        "read": [
            ["list-panes", "-a", "-F", LIST],
            ["list-panes", "-a", "-F", PROCESSES],
            ["display-message", "-p", "-t", "<target>", CLOSE],
            ["display-message", "-p", "-t", "<target>", MANY],
            ["capture-pane", "-p", "-S", "<int>", "-t", "<target>"],
            ["capture-pane", "-p", "-S", "<int>", "-E", "<int>", "-t", "<target>"],
            ["capture-pane", "-p", "-e", "-S", "<int>", "-t", "<target>"],
            ["capture-pane", "-p", "-J", "-S", "<int>", "-E", "<int>", "-t", "<target>"],
        ],
        "control": [
            ["new-session", "-d", "-s", "<name>", "-n", "<name>", "-x", "<size>", "-y", "<size>", "--", "@agent"],
            ["send-keys", "-t", "<target>", "--", "<key>"],
            ["send-keys", "-l", "-t", "<target>", "--", "@text"],
            ["send-keys", "-X", "-t", "<target>", "cancel"],
            ["load-buffer", "-b", "<name>", "-"],
            ["pipe-pane", "-t", "<target>"],
            ["paste-buffer", "-p", "-r", "-d", "-b", "<name>", "-t", "<target>"],
            ["paste-buffer", "-r", "-d", "-b", "<name>", "-t", "<target>"],
            ["delete-buffer", "-b", "<name>"],
            ["kill-session", "-t", "<target>"],
        ],
        "socket": {"restore": "kill -USR1 <pid>", "show": ["list-sessions"]},
        "words": {
            "name": "[A-Za-z0-9][A-Za-z0-9_-]{0,63}",
            "target": r"=[A-Za-z0-9_-]{1,64}:?|%[0-9]{1,9}|\$[0-9]{1,9}",
            "int": "-?[0-9]{1,6}",
            "session": r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}|\$[0-9]{1,9}",
            "size": "[1-9][0-9]{1,2}",
            "key": "Enter|Escape|Tab|Up|Down|Left|Right|BSpace|C-c|C-u|[0-9]|y|n",
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
