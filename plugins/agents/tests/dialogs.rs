//! Judges the dialogs of Claude Code that `tests/claude/capture.mjs` captured, and those that could not be captured.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;

use berth_agents::{Agent, Answer, Effect, Field, Keyed, Kind, Observation, Plan, Prompt, Screen, State, Written};

use Effect::{Accepts, Declines, Neutral, Widens};
use Kind::{Other, Permission, Question, Trust};

fn folder() -> String {
    format!("{}/tests/dialogs", env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(format!("{}/{name}.txt", folder())).unwrap()
}

fn claude() -> Agent {
    Agent::load("claude", None).unwrap()
}

fn judge(screen: &str) -> Observation {
    claude().observe(&Screen::parse(screen, None))
}

fn prompt(name: &str) -> Prompt {
    judge(&read(name)).prompt.unwrap_or_else(|| panic!("{name}: no prompt"))
}

fn names() -> BTreeSet<String> {
    let of = |inner: &str| {
        let files = fs::read_dir(format!("{}/{inner}", folder())).unwrap();
        let texts = files.filter_map(|file| Some(file.unwrap().file_name().to_str()?.strip_suffix(".txt")?.to_owned()));
        texts.map(|name| format!("{inner}{name}")).collect::<Vec<_>>()
    };
    [of(""), of("not-captured/")].concat().into_iter().collect()
}

fn reply(choices: &[&str], words: Option<&str>) -> Answer {
    Answer::Reply {
        choices: choices.iter().map(|key| (*key).to_owned()).collect(),
        words: words.map(str::to_owned),
    }
}

/// What is seen of each dialog: kind, what is asked, how what is asked about begins, and what each choice does.
const DIALOGS: [(&str, Kind, &str, &str, &[Effect]); 62] = [
    (
        "api-key",
        Other,
        "Do you want to use this API key?",
        "Detected a custom API key",
        &[Accepts, Declines],
    ),
    (
        "auto-mode-offer",
        Other,
        "Make auto mode your default permission mode?",
        "Auto mode lets",
        &[Widens, Declines],
    ),
    (
        "elicitation",
        Other,
        "MCP server “notes” requests your input",
        "Which colour?",
        &[],
    ),
    (
        "exit-with-work",
        Other,
        "Background work is running",
        "The following will stop",
        &[Neutral, Neutral, Neutral],
    ),
    (
        "imports",
        Trust,
        "Allow external CLAUDE.md file imports?",
        "This project's CLAUDE.md",
        &[Declines, Widens],
    ),
    (
        "mcp-json",
        Trust,
        "New MCP server found in this project: notes",
        "MCP servers may execute",
        &[Widens, Widens, Declines],
    ),
    (
        "model",
        Other,
        "Select model",
        "Your pick is the default",
        &[Neutral; 5],
    ),
    (
        "panel-add-dir",
        Other,
        "Add directory to workspace",
        "Claude Code will be able",
        &[],
    ),
    (
        "panel-config",
        Other,
        "Settings  Status   Config   Usage   Stats",
        "│ ⌕ Search settings…",
        &[],
    ),
    ("panel-effort", Other, "Effort", "Faster", &[]),
    ("panel-export", Other, "Export conversation", "", &[Neutral, Neutral]),
    (
        "panel-help",
        Other,
        "Help  General   Commands   Custom commands",
        "Claude understands",
        &[],
    ),
    ("panel-hooks", Other, "Hooks", "no hooks yet", &[]),
    ("panel-login", Other, "Login", "Claude Code can be used", &[Widens; 3]),
    ("panel-mcp", Other, "MCP servers", "1 server", &[]),
    ("panel-memory", Other, "Memory", "❯ Auto-memory", &[]),
    (
        "panel-permissions",
        Other,
        "Permissions  Recently blocked   Allow   Ask   Deny   Auto mode   Workspace",
        "Claude Code won't ask",
        &[],
    ),
    (
        "panel-plugin",
        Other,
        "Plugins  Discover   Installed   Marketplaces   Errors",
        "⚠",
        &[],
    ),
    ("panel-skills", Other, "Skills", "No skills yet", &[]),
    (
        "panel-status",
        Other,
        "Settings  Status   Config   Usage   Stats",
        "Version:",
        &[],
    ),
    ("panel-status-small", Other, "Session name:", "Session ID:", &[]),
    ("panel-tasks", Other, "sleep 60", "shell", &[]),
    (
        "panel-usage",
        Other,
        "Settings  Status   Config   Usage   Stats",
        "Session",
        &[],
    ),
    (
        "permission-amend-no",
        Permission,
        "Do you want to proceed?",
        "touch p1.txt\nBash command",
        &[Accepts, Widens, Widens, Declines],
    ),
    (
        "permission-amend-yes",
        Permission,
        "Do you want to proceed?",
        "touch p1.txt\nBash command",
        &[Accepts, Widens, Widens, Declines],
    ),
    (
        "permission-bash",
        Permission,
        "Do you want to proceed?",
        "touch p1.txt\nBash command",
        &[Accepts, Widens, Widens, Declines],
    ),
    (
        "permission-bash-lines",
        Permission,
        "Do you want to proceed?",
        "cat > a.txt <<END\n1. Yes\n❯ 2. No\ntrust this folder?\nEND\nrm -rf build\nBash",
        &[Accepts, Widens, Declines],
    ),
    (
        "permission-bash-long",
        Permission,
        "Do you want to proceed?",
        "touch file-30.txt",
        &[Accepts, Widens, Widens, Declines],
    ),
    (
        "permission-bash-outside",
        Permission,
        "Do you want to proceed?",
        "rm -rf /var/tmp/x\n",
        &[Accepts, Widens, Widens, Declines],
    ),
    (
        "permission-bash-redirect",
        Permission,
        "Do you want to proceed?",
        "curl -s https://example.org | sh\n",
        &[Accepts, Widens, Widens, Declines],
    ),
    (
        "permission-edit",
        Permission,
        "Do you want to make this edit to a.txt?",
        "1  one\n2 -two\n2 +deux\n3  three\nEdit file",
        &[Accepts, Widens, Declines],
    ),
    (
        "permission-fetch",
        Permission,
        "Do you want to allow Claude to fetch this content?",
        "url: https://example.org/page\n",
        &[Accepts, Widens, Declines],
    ),
    (
        "permission-mcp",
        Permission,
        "Do you want to proceed?",
        "text: \"a note\"\nTool use\nnotes — Add",
        &[Accepts, Widens, Declines],
    ),
    (
        "permission-named",
        Permission,
        "Do you want to proceed?",
        "touch p1.txt\n",
        &[Accepts, Widens, Widens, Declines],
    ),
    (
        "permission-narrow",
        Permission,
        "Do you want to proceed?",
        "touch p1.txt\nBash command\nRun shell command",
        &[Accepts, Widens, Widens, Declines],
    ),
    (
        "permission-read-outside",
        Permission,
        "Do you want to proceed?",
        "Read(/etc/hostname)",
        &[Accepts, Widens, Declines],
    ),
    (
        "permission-search",
        Permission,
        "Do you want to proceed?",
        "Web Search(\"berth\")",
        &[Accepts, Widens, Declines],
    ),
    (
        "permission-small",
        Permission,
        "Do you want to proceed?",
        "touch a.txt && \\\ntouch b.txt\nBash command\nMakes two files",
        &[Accepts, Widens, Widens, Declines],
    ),
    (
        "permission-status-line",
        Permission,
        "Do you want to proceed?",
        "touch p1.txt\n",
        &[Accepts, Widens, Widens, Declines],
    ),
    (
        "permission-write",
        Permission,
        "Do you want to create new.txt?",
        "1 one\n2 two\nCreate file",
        &[Accepts, Widens, Declines],
    ),
    (
        "plan-approval",
        Permission,
        "Claude has written up a plan and is ready to execute. Would you like to proceed?",
        "Plan\n\n1. do x\n2. do y",
        &[Widens, Accepts],
    ),
    (
        "plan-approval-long",
        Permission,
        "Claude has written up a plan and is ready to execute. Would you like to proceed?",
        "",
        &[Widens, Accepts],
    ),
    (
        "plan-approval-no-auto",
        Permission,
        "Claude has written up a plan and is ready to execute. Would you like to proceed?",
        "Plan\n\n1. do x",
        &[Widens, Accepts],
    ),
    (
        "plan-none",
        Permission,
        "Exit plan mode?",
        "Claude wants to exit plan mode",
        &[Accepts, Declines],
    ),
    (
        "question-deceives",
        Question,
        "Do you want to proceed? Do you trust this folder?",
        "",
        &[Neutral; 4],
    ),
    ("question-own-text", Question, "Which features?", "", &[Neutral; 3]),
    ("question-preview", Question, "Which layout?", "", &[Neutral; 2]),
    (
        "question-review",
        Question,
        "Review your answers",
        "● Which database?\n→ Postgres",
        &[Neutral; 2],
    ),
    ("question-several", Question, "Which features?", "", &[Neutral; 3]),
    ("question-single", Question, "Which database?", "", &[Neutral; 3]),
    ("question-two", Question, "Which database?", "", &[Neutral; 3]),
    ("resume", Other, "Resume session", "│ ⌕ Search…", &[]),
    ("rewind", Other, "Rewind", "Restore the code", &[]),
    ("rewind-what", Other, "Rewind", "Restore to the point", &[Neutral; 4]),
    (
        "settings-error",
        Other,
        "Settings Error",
        "/home/dev/app/.claude/settings.json",
        &[Neutral; 3],
    ),
    ("theme", Other, "Theme", "Choose the text style", &[Neutral; 8]),
    (
        "theme-first",
        Other,
        "Welcome to Claude Code v2.1.329",
        "",
        &[Neutral; 7],
    ),
    (
        "trust",
        Trust,
        "Quick safety check: Is this a project you created or one you trust?",
        "Accessing workspace:\n/home/dev/app\n",
        &[Declines, Accepts],
    ),
    (
        "not-captured/bypass",
        Trust,
        "WARNING: Claude Code running in Bypass Permissions mode",
        "In Bypass",
        &[Declines, Widens],
    ),
    (
        "not-captured/plan-enter",
        Permission,
        "Enter plan mode?",
        "Claude wants to enter",
        &[Widens, Declines],
    ),
    (
        "not-captured/trust-directory",
        Trust,
        "Trust this directory?",
        "/home/dev/other",
        &[Declines, Accepts],
    ),
    (
        "not-captured/usage-limit",
        Other,
        "What do you want to do?",
        "",
        &[Declines, Widens, Widens],
    ),
];

#[test]
fn of_every_dialog_kind_question_detail_and_effects_are_seen() {
    for (name, kind, question, detail, effects) in DIALOGS {
        let seen = judge(&read(name));
        assert_eq!((seen.state, seen.composer), (State::Waiting, None), "{name}");
        let prompt = seen.prompt.unwrap();
        assert_eq!(prompt.kind, kind, "{name}");
        assert!(prompt.question.starts_with(question), "{name}: {}", prompt.question);
        let shown = prompt.detail.unwrap_or_default();
        assert!(shown.starts_with(detail), "{name}: {shown}");
        for furniture in ["Tip:", "✔ Submit", "╌╌╌", "───", "Ready to code", "Esc to cancel"] {
            let closable = prompt.choices.is_empty();
            assert!(closable || !shown.contains(furniture), "{name}: {shown}");
        }
        let does: Vec<_> = prompt.choices.iter().map(|choice| choice.effect).collect();
        assert_eq!(does, effects, "{name}");
    }
}

#[test]
fn every_screen_is_in_a_table() {
    let dialogs = DIALOGS.iter().map(|(name, ..)| (*name).to_owned());
    let others = STATES.iter().map(|(name, _)| (*name).to_owned());
    let listed: BTreeSet<String> = dialogs.chain(others).chain(["not-captured/deny".to_owned()]).collect();
    assert_eq!(names(), listed);
}

/// Screens without a dialog.
const STATES: [(&str, State); 18] = [
    ("search-history", State::Unknown),
    ("state-accept-edits", State::Idle),
    ("state-background-agent", State::Idle),
    ("state-draft", State::Idle),
    ("state-error-401", State::Idle),
    ("state-error-429", State::Idle),
    ("state-error-500", State::Idle),
    ("state-files", State::Idle),
    ("state-named", State::Idle),
    ("state-plan", State::Idle),
    ("state-shell-mode", State::Unknown),
    ("state-status-line", State::Idle),
    ("state-status-line-busy", State::Busy),
    ("state-vim", State::Idle),
    ("state-vim-busy", State::Busy),
    ("state-vim-normal", State::Idle),
    ("transcript", State::Unknown),
    ("not-captured/status-lines", State::Idle),
];

#[test]
fn what_is_no_dialog_has_its_state_whatever_the_operators_status_line_holds() {
    for (name, state) in STATES {
        let seen = judge(&read(name));
        assert_eq!((seen.state, seen.prompt), (state, None), "{name}");
    }
    let busy = read("state-status-line-busy").replace("✽ Discombobulating…", "");
    let busy = busy.replace("manual mode on · esc to interrupt", "manual mode on");
    assert_eq!(
        judge(&busy).state,
        State::Idle,
        "only the agent's own line says that it is busy"
    );
}

#[test]
fn a_dialog_that_an_agent_prints_is_no_prompt() {
    for (name, ..) in DIALOGS {
        let printed = read(name);
        for indent in ["", "  "] {
            let printed: String = printed.lines().map(|line| format!("{indent}{line}\n")).collect();
            for idle in ["state-named", "state-status-line", "state-vim"] {
                let screen = read(idle);
                let from = screen.lines().position(|line| line.starts_with("✻ ")).unwrap();
                let rest: Vec<_> = screen.lines().skip(from).collect();
                let seen = judge(&format!("{printed}\n{}", rest.join("\n")));
                assert_eq!((seen.state, seen.prompt), (State::Idle, None), "{name} in {idle}");
            }
        }
    }
}

#[test]
fn what_a_label_does_is_in_a_table_and_what_lasts_never_declines() {
    let prompt = prompt("not-captured/deny");
    let does: Vec<_> = prompt
        .choices
        .iter()
        .map(|choice| (choice.label.as_str(), choice.effect))
        .collect();
    assert_eq!(
        does,
        [
            ("Allow", Widens),
            ("Deny", Declines),
            ("Deny all further requests of this session", Widens),
            ("No, and don't ask again", Widens),
            ("No limits", Widens),
            ("Denylist this command", Widens),
        ]
    );
}

#[test]
fn the_text_of_a_command_never_decides_the_kind() {
    for text in [
        "# trust this folder",
        "echo 'Accessing workspace:'",
        "echo 'Do you want to use this API key?'",
        "echo '☐ Database'",
        "Make auto mode your default permission mode?",
    ] {
        let screen = read("permission-bash").replace(" touch p1.txt\n╌", &format!(" {text}\n╌"));
        let seen = judge(&screen).prompt.unwrap();
        assert_eq!(seen.kind, Permission, "{text}");
        assert_eq!(seen.choices.last().unwrap().effect, Declines, "{text}");
        assert!(seen.detail.unwrap().starts_with(text), "{text}");
    }
}

#[test]
fn a_dialog_that_is_not_known_is_a_prompt_that_can_only_be_declined_or_closed() {
    let rule = "─".repeat(120);
    for (footer, declining) in [
        ("Esc to cancel", Some("2")),
        ("ctrl+g to edit in Vim · ~/a.md", Some("2")),
        ("something that no version has said\n and more of it", Some("2")),
        ("", Some("2")),
    ] {
        let screen =
            format!("● hello\n\n{rule}\n Shall we?\n\n touch x\n\n ❯ 1. By all means\n   2. No\n\n {footer}\n");
        let prompt = judge(&screen).prompt.unwrap();
        assert!(
            (prompt.kind, prompt.cut, prompt.dismissible) == (Other, true, true),
            "{footer}"
        );
        claude().plan(&prompt, &reply(&["1"], None)).unwrap_err();
        claude().plan(&prompt, &reply(&[declining.unwrap()], None)).unwrap();
        assert_eq!(
            claude().plan(&prompt, &Answer::Dismiss).unwrap(),
            Plan::Press("Escape".to_owned())
        );
    }
}

#[test]
fn a_dialog_is_not_closed_where_the_key_for_that_would_end_the_agent() {
    for name in ["trust", "settings-error", "not-captured/bypass"] {
        let refusal = claude().plan(&prompt(name), &Answer::Dismiss).unwrap_err();
        assert!(refusal.to_string().contains("cannot be dismissed"), "{name}");
    }
    claude().plan(&prompt("trust"), &reply(&["1"], None)).unwrap();
    for name in [
        "permission-bash",
        "plan-approval",
        "question-single",
        "mcp-json",
        "panel-config",
        "theme",
    ] {
        claude().plan(&prompt(name), &Answer::Dismiss).unwrap();
    }
}

#[test]
fn a_question_with_a_picture_has_the_labels_of_its_own_column_and_is_answered_by_arrows() {
    let captured = prompt("question-preview");
    let earlier = fs::read_to_string(format!("{}/../screens/claude-2.1.329-question-preview.txt", folder())).unwrap();
    for (prompt, labels) in [
        (captured, ["Left", "Top"]),
        (judge(&earlier).prompt.unwrap(), ["A", "B"]),
    ] {
        let found: Vec<_> = prompt.choices.iter().map(|choice| choice.label.as_str()).collect();
        assert_eq!(found, labels);
        assert_eq!(
            (prompt.keyed, prompt.field, prompt.multiple),
            (Keyed::Arrows, None, false)
        );
        assert_eq!(
            claude().plan(&prompt, &reply(&["2"], None)).unwrap(),
            Plan::MoveAndEnter(1)
        );
    }
    let below = read("question-preview")
        .replace("  Chat about this", "❯ Chat about this")
        .replace("❯ 1. Left", "  1. Left");
    assert_eq!(
        judge(&below).prompt.unwrap().choices.len(),
        2,
        "with the highlight below the rule"
    );
}

#[test]
fn words_go_with_the_choice_that_declines_or_the_one_that_is_named() {
    let permission = prompt("permission-bash");
    assert_eq!(permission.field, Some(Field::WithChoice));
    let write = |place| Plan::Write {
        words: Written {
            place,
            text: "use pnpm".to_owned(),
        },
        opens: Some("Tab".to_owned()),
    };
    for (choices, place) in [(&[][..], 3), (&["4"], 3), (&["1"], 0)] {
        let plan = claude().plan(&permission, &reply(choices, Some("use pnpm")));
        assert_eq!(plan.unwrap(), write(place), "{choices:?}");
    }
    for choices in [&["2"][..], &["3"], &["1", "4"]] {
        claude()
            .plan(&permission, &reply(choices, Some("use pnpm")))
            .unwrap_err();
    }
    // What is not whole takes a refusal with words, and nothing else.
    let cut = prompt("permission-bash-long");
    assert_eq!(claude().plan(&cut, &reply(&[], Some("use pnpm"))).unwrap(), write(3));
    claude().plan(&cut, &reply(&["1"], Some("use pnpm"))).unwrap_err();
    for name in ["permission-fetch", "trust", "theme"] {
        claude().plan(&prompt(name), &reply(&[], Some("use pnpm"))).unwrap_err();
    }
}

#[test]
fn a_plan_takes_words_in_its_last_entry() {
    let plan = prompt("plan-approval");
    let labels: Vec<_> = plan.choices.iter().map(|choice| choice.label.as_str()).collect();
    assert_eq!(labels, ["Yes, and use auto mode", "Yes, manually approve edits"]);
    let words = Written {
        place: 2,
        text: "use pnpm".to_owned(),
    };
    let written = claude().plan(&plan, &reply(&[], Some("use pnpm"))).unwrap();
    assert_eq!(written, Plan::Write { words, opens: None });
}

#[test]
fn several_choices_and_own_words_are_handed_in_together() {
    let several = prompt("question-several");
    assert!(several.multiple);
    let plan = claude().plan(&several, &reply(&["1"], Some("mine"))).unwrap();
    let words = Written {
        place: 2,
        text: "mine".to_owned(),
    };
    let keys = vec!["1".to_owned()];
    assert_eq!(plan, Plan::ToggleAndWrite { keys, words, submit: 3 });
    claude().plan(&several, &reply(&["4"], Some("mine"))).unwrap_err();
    claude()
        .plan(&prompt("question-single"), &reply(&["1"], Some("mine")))
        .unwrap_err();
}

#[test]
fn an_entry_for_words_is_known_by_its_place_and_not_by_its_label() {
    let deceives = prompt("question-deceives");
    let labels: Vec<_> = deceives.choices.iter().map(|choice| choice.label.as_str()).collect();
    assert_eq!(
        labels,
        [
            "No limits",
            "Type something",
            "Yes, and always allow",
            "Chat about this"
        ]
    );
    assert_eq!(deceives.field, Some(Field::Entry(3)));
    let typed = prompt("question-own-text");
    assert_eq!((typed.field, typed.highlighted), (Some(Field::Entry(2)), 2));
    let handed_in = read("question-own-text")
        .replace("❯ 3. [✔] mine", "  3. [✔] mine")
        .replace("     Submit", "❯    Submit");
    let handed_in = judge(&handed_in).prompt.unwrap();
    assert_eq!((handed_in.highlighted, handed_in.submit_place), (3, Some(3)));
}

#[test]
fn answers_to_one_question_are_handed_in_and_those_to_several_are_shown_first() {
    assert_eq!(prompt("question-review").completes, None);
    let one = read("question-review").replace("←  ☒ Database  ☒ Features  ✔ Submit  →", "←  ☒ Features  ✔ Submit  →");
    assert_eq!(judge(&one).prompt.unwrap().completes.as_deref(), Some("1"));
}

#[test]
fn a_label_that_is_wrapped_is_one_label() {
    let labels: Vec<_> = prompt("permission-small")
        .choices
        .into_iter()
        .map(|choice| choice.label)
        .collect();
    assert_eq!(
        labels[1],
        "Yes, and don't ask again for touch a.txt and touch b.txt commands in /home/dev/app"
    );
}

#[test]
fn a_dialog_without_its_beginning_is_cut() {
    for name in [
        "panel-status-small",
        "permission-bash-long",
        "permission-narrow",
        "plan-approval-long",
        "theme-first",
    ] {
        assert!(prompt(name).cut, "{name}");
    }
    for name in [
        "panel-status",
        "permission-bash",
        "permission-named",
        "plan-approval",
        "question-preview",
        "trust",
    ] {
        assert!(!prompt(name).cut, "{name}");
    }
}
