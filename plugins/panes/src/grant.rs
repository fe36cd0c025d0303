//! What is asked of tmux: its grant, as the shipped configuration gives it.

use serde_json::{Value, json};

use crate::look::{CLOSE, MANY};
use crate::panes::{LIST, PROCESSES};

/// It keeps finished sessions to be looked at, and takes away what would let a session's output run something.
const CONF: &str = include_str!("../tmux.conf");

/// The table for `programs.tmux` in a manifest.
#[must_use]
pub fn tmux() -> Value {
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
