#![allow(clippy::unwrap_used)]

use serde_json::json;

use crate::assemble::tests::Home;

/// What the shipped grants lack of `asked`.
fn missing(asked: serde_json::Value) -> Vec<String> {
    let home = Home::new();
    let setup = home.shipped();
    setup.backends["local"].not_granted(asked.as_object().unwrap())
}

#[test]
fn what_is_granted_is_not_missing() {
    let granted = json!({
        "agents": ["claude"],
        "env": ["HOME", "LC_ALL", "LC_*", "XDG_RUNTIME_DIR"],
        "guest_env": [],
        "remote_trust": false,
        "limits": {"memory": "1 GiB"},
        "programs": {"tmux": {
            "path": "/somewhere/tmux",
            "read": [["has-session", "-t", "<target>"]],
            "control": [["has-session", "-t", "<target>"], ["kill-session", "-t", "<target>"]],
            "words": {"int": "-?[0-9]{1,6}"},
            "lingers": false,
        }},
    });
    assert_eq!(missing(granted), [""; 0]);
}

#[test]
fn files_that_are_granted_are_not_missing() {
    let home = Home::new();
    let setup = home.shipped();
    let local = &setup.backends["local"];
    let granted = |under: &std::path::Path, names: &str| json!({"under": under, "names": names});
    let projects = &local.files[1].under;
    let asked = json!({"files": [
        granted(projects, "*.jsonl"),
        granted(&projects.join("one"), "*.jsonl"),
        granted(&local.directories[0].join("app"), "*.log"),
    ]});
    assert_eq!(local.not_granted(asked.as_object().unwrap()), [""; 0]);
}

#[test]
fn each_thing_that_is_not_granted_is_named_by_its_key() {
    for (asked, expected) in [
        (json!({"agents": ["claude", "shell"]}), r#"agents: "shell""#),
        (json!({"directories": ["/etc"]}), r#"directories: "/etc""#),
        (
            json!({"files": [{"under": "~/.claude", "names": "*.jsonl"}]}),
            r#"files: {"names":"*.jsonl","under":"~/.claude"}"#,
        ),
        (
            json!({"files": [{"under": "~/.claude/sessions", "names": "*.key"}]}),
            r#"files: {"names":"*.key","under":"~/.claude/sessions"}"#,
        ),
        (
            json!({"files": ["~/.claude/sessions"]}),
            r#"files: "~/.claude/sessions""#,
        ),
        (json!({"env": ["HOME", "AWS_*"]}), r#"env: "AWS_*""#),
        (json!({"env": ["L*"]}), r#"env: "L*""#),
        (json!({"guest_env": ["NO_COLOR"]}), r#"guest_env: "NO_COLOR""#),
        (json!({"read_tools": ["find"]}), r#"read_tools: "find""#),
        (json!({"remote_trust": true}), "remote_trust: true"),
        (json!({"jobs": {"run": true}}), r#"jobs: {"run":true}"#),
        (
            json!({"programs": {"sh": {"control": [["-c", "@text"]]}}}),
            "programs.sh",
        ),
        (
            json!({"programs": {"tmux": {"read": [["kill-session", "-t", "<target>"]]}}}),
            r#"programs.tmux.read: ["kill-session","-t","<target>"]"#,
        ),
        (
            json!({"programs": {"tmux": {"control": [["run-shell", "@text"]]}}}),
            r#"programs.tmux.control: ["run-shell","@text"]"#,
        ),
        (
            json!({"programs": {"tmux": {"attach": ["attach-session"]}}}),
            r#"programs.tmux.attach: ["attach-session"]"#,
        ),
        (
            json!({"programs": {"tmux": {"words": {"int": ".*"}}}}),
            r#"programs.tmux.words.int: ".*""#,
        ),
        (
            json!({"programs": {"tmux": {"lingers": true}}}),
            "programs.tmux.lingers: true",
        ),
    ] {
        assert_eq!(missing(asked.clone()), [expected], "{asked}");
    }
}

#[test]
fn what_has_another_form_is_not_granted_and_a_crowd_is_counted() {
    for asked in [
        json!({"agents": "claude"}),
        json!({"env": [1]}),
        json!({"programs": ["tmux"]}),
        json!({"programs": {"tmux": "all"}}),
        json!({"programs": {"tmux": {"read": [1]}}}),
        json!({"remote_trust": "yes"}),
    ] {
        assert_eq!(missing(asked.clone()).len(), 1, "{asked}");
    }
    let crowd: Vec<String> = (0..1_000)
        .map(|number| format!("X{number}\n{}", "y".repeat(1_000)))
        .collect();
    let told = missing(json!({"env": crowd}));
    assert_eq!((told.len(), &*told[20]), (21, "and 980 more"));
    assert!(
        told.iter()
            .all(|line| line.chars().count() <= 300 && !line.contains('\n'))
    );
}
