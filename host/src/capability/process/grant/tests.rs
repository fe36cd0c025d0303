//! The shipped grants, tried with what they must allow and what they must deny.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use proptest::prelude::*;
use regex::Regex;

use super::*;
use crate::config::SHIPPED;
use crate::config::tests::shipped;

/// The shipped grant of the shipped backend, its agents, and the same as it is written.
struct Shipped {
    grant: Grant,
    agents: Vec<AgentCommand>,
    written: toml::Table,
}

static SHIPPED_GRANT: LazyLock<Shipped> = LazyLock::new(|| {
    let config = shipped();
    let backend = &config.backends["local"];
    let agents = backend.agents.iter().map(|name| config.agents[name].granted.clone());
    Shipped {
        grant: backend.programs["tmux"].at("/usr/bin/tmux".into()),
        agents: agents.collect(),
        written: SHIPPED.parse().unwrap(),
    }
});

fn control(args: &[&str]) -> Result<(), Denial> {
    allows(Access::Control, args)
}

fn allows(access: Access, args: &[&str]) -> Result<(), Denial> {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    SHIPPED_GRANT.grant.allows(access, &args, &SHIPPED_GRANT.agents)
}

const NEW: [&str; 11] = [
    "new-session",
    "-d",
    "-s",
    "a-1",
    "-n",
    "demo",
    "-x",
    "120",
    "-y",
    "60",
    "--",
];
const CLAUDE: [&str; 8] = [
    "env",
    "-u",
    "TMUX",
    "-u",
    "TMUX_PANE",
    "BERTH_SESSION=claude",
    "CLAUDE_CODE_DISABLE_ALTERNATE_SCREEN=1",
    "claude",
];
const UUID: &str = "0b5f9a3c-1f5e-4a39-9d0c-2f4f5f0e7a11";

fn start(agent: &[&str], more: &[&str]) -> Vec<String> {
    NEW.iter()
        .chain(agent)
        .chain(more)
        .map(|arg| (*arg).to_owned())
        .collect()
}

fn starts(more: &[&str]) -> Result<(), Denial> {
    SHIPPED_GRANT
        .grant
        .allows(Access::Control, &start(&CLAUDE, more), &SHIPPED_GRANT.agents)
}

/// Values that the shipped words take.
fn samples(word: &str) -> &'static [&'static str] {
    match word {
        "name" => &["a", "demo-x7k2q", "A_b-9"],
        "target" => &["=demo-x7k2q", "=a:", "%0", "%123", "$7"],
        "int" => &["0", "-200", "50000"],
        "size" => &["120", "60"],
        "key" => &["Enter", "C-c", "3", "y"],
        other => panic!("no sample of the word <{other}>: add some here"),
    }
}

/// A list that the pattern allows, with the `n`th samples.
fn example(pattern: &[String], n: usize) -> Vec<String> {
    let text = ["hello", "", "-x", "#(touch M)", "a\nb\tc", "emoji 🦀", "\\;", "a\\;"];
    let mut args = Vec::new();
    for argument in pattern {
        match argument.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
            Some(word) => args.push(samples(word)[n % samples(word).len()]),
            None if argument == "@agent" => args.extend([&CLAUDE[..], &["--resume", UUID, "--model=opus"]].concat()),
            None if argument == "@text" => args.push(text[n % text.len()]),
            None => args.push(argument),
        }
    }
    args.into_iter().map(str::to_owned).collect()
}

fn lists(which: &str) -> Vec<Vec<String>> {
    SHIPPED_GRANT.written["backends"]["local"]["programs"]["tmux"][which]
        .clone()
        .try_into()
        .unwrap()
}

#[test]
fn allows_each_granted_list() {
    for pattern in lists("read") {
        for n in 0..8 {
            let args = example(&pattern, n);
            assert_eq!(
                SHIPPED_GRANT.grant.allows(Access::Read, &args, &SHIPPED_GRANT.agents),
                Ok(()),
                "{args:?}"
            );
        }
    }
    for pattern in lists("control") {
        for n in 0..8 {
            let args = example(&pattern, n);
            assert_eq!(
                SHIPPED_GRANT
                    .grant
                    .allows(Access::Control, &args, &SHIPPED_GRANT.agents),
                Ok(()),
                "{args:?}"
            );
            let denial = SHIPPED_GRANT
                .grant
                .allows(Access::Read, &args, &SHIPPED_GRANT.agents)
                .unwrap_err();
            assert!(matches!(denial.reason, Reason::OnlyControl { .. }), "{denial}");
        }
    }
}

#[test]
fn allows_chains_of_what_is_allowed() {
    control(&["has-session", "-t", "=a", ";", "kill-session", "-t", "=a"]).unwrap();
    allows(
        Access::Read,
        &["has-session", "-t", "=a", ";", "kill-session", "-t", "=a"],
    )
    .unwrap_err();
}

#[test]
fn denies_what_the_subcommands_of_tmux_can_be_made_to_do() {
    let rows: &[&[&str]] = &[
        // Any subcommand: separators, abbreviations, options of tmux itself.
        &["has-session", "-t", "=a", ";", "run-shell", "touch M"],
        &["has-session", "-t", "=a", ";"],
        &[";", "has-session", "-t", "=a"],
        &["has-session", "-t", "=a", ";", ";", "has-session", "-t", "=a"],
        &["has-session", "-t", "=a;", "run-shell", "touch M"],
        &["send-keys", "-l", "-t", "%0", "--", "x;", "run-shell", "touch M"],
        &["send-keys", "-l", "-t", "%0", "--", "x;"],
        &["run", "touch M"],
        &["run-shell", "touch M"],
        &["if", "true", "kill-server"],
        &["if-shell", "true", "run-shell x"],
        &["neww", "touch M"],
        &["new-window", "touch M"],
        &["split-window", "touch M"],
        &["respawn-pane", "-k", "-t", "%0", "touch M"],
        &["pipe-pane", "-t", "%0", "cat > M"],
        &["source-file", "M"],
        &["set-hook", "-g", "after-new-session", "run-shell x"],
        &["set-environment", "-g", "PATH", "/tmp"],
        &["bind-key", "-n", "a", "run-shell x"],
        &["confirm-before", "kill-server"],
        &["save-buffer", "-b", "a", "M"],
        &["show-environment", "-g"],
        &["kill-server"],
        &["-f", "M", "has-session", "-t", "=a"],
        &["-c", "touch M"],
        &["-S", "M", "has-session", "-t", "=a"],
        // new-session: formats in flags, commands that a shell would read, the environment.
        &[
            "new-session",
            "-d",
            "-s",
            "a",
            "-n",
            "a",
            "-x",
            "1",
            "-y",
            "1",
            "-c",
            "#(touch M)",
            "--",
            "env",
            "sh",
        ],
        &[
            "new-session",
            "-d",
            "-s",
            "#(touch M)",
            "-n",
            "a",
            "-x",
            "80",
            "-y",
            "24",
            "--",
            "env",
            "sh",
        ],
        &[
            "new-session",
            "-d",
            "-s",
            "a",
            "-n",
            "#(touch M)",
            "-x",
            "80",
            "-y",
            "24",
            "--",
            "env",
            "sh",
        ],
        &["new-session", "-d", "-P", "-F", "#(touch M)", "-s", "a"],
        &[
            "new-session",
            "-d",
            "-s",
            "a",
            "-n",
            "a",
            "-x",
            "80",
            "-y",
            "24",
            "--",
            "touch M",
        ],
        &[
            "new-session",
            "-d",
            "-s",
            "a",
            "-n",
            "a",
            "-x",
            "80",
            "-y",
            "24",
            "sh",
            "-c",
            "touch M",
            "--",
            "claude",
        ],
        &["new-session", "-d", "-s", "a", "-n", "a", "-x", "80", "-y", "24"],
        &["new-session", "-d", "-s", "a", "-n", "a", "-x", "80", "-y", "24", "--"],
        &["new-session", "-ds", "x", "touch M"],
        &[
            "new-session",
            "-d",
            "-e",
            "LD_PRELOAD=M",
            "-s",
            "a",
            "-n",
            "a",
            "-x",
            "80",
            "-y",
            "24",
            "--",
            "env",
            "sh",
        ],
        &["new-session", "-d", "-e", "BASH_ENV=M", "-s", "a"],
        // Formats.
        &["list-sessions", "-F", "#(touch M)"],
        &["list-panes", "-a", "-F", "#(touch M)"],
        &["list-panes", "-a", "-F", "#{E:#{a:35}(touch M)}"],
        &["list-panes", "-a", "-F", "#%p(touch M)"],
        &["list-panes", "-a", "-F", "#{p2000000000:x}"],
        &["list-panes", "-a", "-f", "#(touch M)"],
        &["display-message", "-p", "-t", "%0", "#(touch M)"],
        &["display-message", "-p", "-t", "%0", "#{T:pane_title}"],
        &["display-message", "-p", "-a"],
        &["display-message", "-p", "-t", "%0", "#{PATH}"],
        // Keys, buffers, options.
        &["send-keys", "-X", "-t", "%0", "copy-pipe", "touch M"],
        &["send-keys", "-X", "-t", "%0", "copy-pipe-and-cancel", "touch M"],
        &["send-keys", "-X", "-t", "%0", "pipe", "touch M"],
        &["send-keys", "-t", "%0", "-X", "copy-pipe", "touch M"],
        &["send-keys", "-l", "-t", "%0", "-X", "copy-pipe"],
        &["send-keys", "-t", "%0", "--", "hello"],
        &["send-keys", "-t", "%0", "Enter"],
        &["send-keys", "-l", "-t", "%0", "--", "a\u{1b}[201~"],
        &["send-keys", "-l", "-t", "%0", "--", "a\u{3}"],
        &["send-keys", "-l", "-t", "%0", "--", "a\u{9b}31m"],
        &["load-buffer", "-b", "a", "/etc/passwd"],
        &["load-buffer", "-b", "a", "#{E:x}"],
        &["load-buffer", "-w", "-b", "a", "-"],
        &["paste-buffer", "-b", "a", "-s", "x", "-t", "%0"],
        &["set-option", "-g", "default-command", "touch M"],
        &["set", "-g", "status-left", "#(touch M)"],
        &["set-option", "-s", "command-alias[0]", "x=run-shell"],
        &["set-option", "-g", "history-file", "M"],
        &["set-buffer", "x"],
        // Targets that reach another session.
        &["kill-session", "-t", "a"],
        &["kill-session", "-t", "=a*"],
        &["kill-session", "-t", ""],
        &["kill-session", "-t", "="],
        &["kill-session", "-a", "-t", "=a"],
        &["kill-session"],
        &["has-session", "-t", "a"],
        &["attach-session", "-t", "=a"],
        &["attach-session", "-c", "#(touch M)", "-t", "=a"],
        &["attach", "-t", "=a"],
        // Abbreviations of granted subcommands.
        &["has", "-t", "=a"],
        &["kill-ses", "-t", "=a"],
        &["capturep", "-p", "-S", "0", "-t", "%0"],
        &["has-session\n", "-t", "=a"],
        &["has-session", "-t", "=a\n"],
        &["has-session", "-t=a"],
        &[""],
        &[],
    ];
    for row in rows {
        assert!(control(row).is_err(), "{row:?}");
        assert!(allows(Access::Read, row).is_err(), "{row:?}");
    }
}

#[test]
fn starts_the_agent_with_its_declared_options_only() {
    starts(&[]).unwrap();
    starts(&["--model=opus", "--resume", UUID]).unwrap();
    starts(&["--resume", UUID, "--permission-mode=plan", "--continue"]).unwrap();
    let refused: &[&[&str]] = &[
        &["--settings", "{}"],
        &["--settings={}"],
        &["--mcp-config", "x.json"],
        &["--add-dir", "/"],
        &["--dangerously-skip-permissions"],
        &["--permission-mode=bypassPermissions"],
        &["--permission-mode", "plan"],
        &["--resume", "--dangerously-skip-permissions"],
        &["--resume", ""],
        &["--resume"],
        &["--model="],
        &["--model=-x"],
        &["--model=a b"],
        &["--continue", "--continue"],
        &["--model=opus", "--model=haiku"],
        &["--"],
        &["hello"],
        &[""],
    ];
    for more in refused {
        let denial = starts(more).expect_err(&format!("{more:?}"));
        let is_told = |words: &str| denial.to_string().contains(words);
        assert!(
            is_told("[backends.local.programs.tmux] control = [...]") || is_told("Give one of the form"),
            "{denial}"
        );
    }
    let other = start(&["env", "sh"], &[]);
    assert!(
        SHIPPED_GRANT
            .grant
            .allows(Access::Control, &other, &SHIPPED_GRANT.agents)
            .is_err()
    );
    let none = start(&CLAUDE, &[]);
    assert!(
        SHIPPED_GRANT.grant.allows(Access::Control, &none, &[]).is_err(),
        "an agent that this backend has not"
    );
}

#[test]
fn a_value_that_an_option_does_not_take_is_told_with_the_form_that_it_does() {
    for (more, option, form) in [
        (&["--resume", "the last one"][..], "resume", "[0-9a-f]{8}-[0-9a-f]{4}"),
        (&["--model=opus", "--resume", ""], "resume", "[0-9a-f]{8}-[0-9a-f]{4}"),
        (&["--resume", "--dangerously-skip-permissions"], "resume", "[0-9a-f]{8}"),
        (
            &["--permission-mode=bypassPermissions"],
            "permission_mode",
            "default|plan|acceptEdits",
        ),
        (&["--model=a b"], "model", "[A-Za-z]"),
    ] {
        let denial = starts(more).unwrap_err().to_string();
        let expected =
            format!("is not a value that the option `{option}` of agent claude takes. Give one of the form {form}");
        assert!(denial.contains(&expected), "{denial}");
    }
    for more in [
        &["--continue", "--continue"][..],
        &["--resume"],
        &["--other=x"],
        &["--permission-mode", "plan"],
    ] {
        assert!(
            starts(more).unwrap_err().to_string().contains("control = [...]"),
            "{more:?}"
        );
    }
}

#[test]
fn a_value_of_an_agents_option_is_never_a_flag_whatever_its_word_takes() {
    let mut words = Words::default();
    words.add("any", "(?s).*").unwrap();
    let options = BTreeMap::from([("x".to_owned(), vec!["--x".to_owned(), "<any>".to_owned()])]);
    let command = vec!["env".to_owned(), "a".to_owned()];
    let agent = AgentCommand::new("a", command, &options, &words).unwrap();
    let matches = |value: &str| agent.matches(&["env", "a", "--x", value].map(str::to_owned));
    assert!(matches("v"));
    assert!(!matches("-v") && !matches("--settings") && !matches(""));
}

#[test]
fn a_word_matches_a_whole_value() {
    let mut words = Words::default();
    words.add("w", "(?m)^a$|b").unwrap();
    let pattern = Pattern::parse(&["<w>".to_owned()], &words).unwrap();
    let matches = |value: &str| pattern.matches(&[value.to_owned()], &[]);
    assert!(matches("a") && matches("b"));
    assert!(!matches("a\nb") && !matches("ab") && !matches("a\n") && !matches(""));
    assert!(words.add("x", "a)|(b").is_err());
}

#[test]
fn an_escaped_separator_is_text() {
    control(&["send-keys", "-l", "-t", "%0", "--", "x\\;"]).unwrap();
    control(&["send-keys", "-l", "-t", "%0", "--", "\\;"]).unwrap();
    control(&["send-keys", "-l", "-t", "%0", "--", "x; y"]).unwrap();
    for hidden in ["x;", "x;;", "\n;", "--;"] {
        let denial = control(&["send-keys", "-l", "-t", "%0", "--", hidden]).unwrap_err();
        assert!(
            matches!(denial.reason, Reason::HiddenSeparator { index: 6, .. }),
            "{denial}"
        );
        assert!(denial.to_string().contains(r#"Write "\;""#), "{denial}");
    }
}

#[test]
fn bounds_count_and_bytes() {
    let many = vec![";".to_owned(); MAX_ARGUMENTS + 1];
    let denial = SHIPPED_GRANT.grant.allows(Access::Control, &many, &[]).unwrap_err();
    assert_eq!(denial.reason, Reason::TooMany(MAX_ARGUMENTS + 1));
    let long = "x".repeat(MAX_ARGUMENT_BYTES);
    let denial = control(&["send-keys", "-l", "-t", "%0", "--", &long]).unwrap_err();
    assert!(matches!(denial.reason, Reason::TooLong(_)), "{denial}");
}

#[test]
fn a_denial_says_what_did_not_fit_and_which_line_would_allow_it() {
    let denial = control(&["has-session", "-t", "=a", ";", "capture-pane", "-p", "-x\u{1b}"]).unwrap_err();
    let expected = "tmux: no granted argument list for \"capture-pane\" takes argument 7, \"-x\\u{1b}\". \
        To allow it, add its whole list to [backends.local.programs.tmux] control = [...]";
    assert_eq!(denial.to_string(), expected);
    let denial = control(&["has-session", "-t"]).unwrap_err();
    assert!(
        denial.to_string().contains("\"has-session\" ends before argument 3"),
        "{denial}"
    );
    let denial = control(&["x".repeat(100).as_str()]).unwrap_err();
    assert!(
        denial.to_string().contains(&format!("\"{}…\"", "x".repeat(60))),
        "{denial}"
    );
}

#[test]
fn attaches_to_a_session_by_its_name_or_number_only() {
    let grant = &SHIPPED_GRANT.grant;
    assert_eq!(
        grant.attach_args("demo-x7").unwrap().unwrap()[..4],
        ["attach-session", "-t", "demo-x7", ";"]
    );
    assert!(
        grant.attach_args("$7").unwrap().is_ok(),
        "a session whose name is not an id"
    );
    for name in ["", "-a", "a;", "a\n", "#(x)", "a b", "$", "=a", "a:"] {
        let denial = grant.attach_args(name).unwrap().unwrap_err();
        assert!(denial.to_string().contains("attach = [...]"), "{denial}");
    }
    let without = Grant {
        attach: None,
        ..grant.clone()
    };
    assert!(without.attach_args("demo").is_none());
}

/// The grant read once more from its text and matched by trying everything, as slowly as one likes.
mod naive {
    use super::*;

    pub(super) fn allows(args: &[String]) -> bool {
        let hidden = args.iter().any(|arg| {
            let last: Vec<char> = arg.chars().rev().take(2).collect();
            arg != ";" && last.first() == Some(&';') && last.get(1) != Some(&'\\')
        });
        !hidden
            && args.split(|arg| arg == ";").all(|part| {
                [lists("read"), lists("control")]
                    .concat()
                    .iter()
                    .any(|pattern| fits(pattern, part))
            })
    }

    fn fits(pattern: &[String], args: &[String]) -> bool {
        match (pattern, args) {
            ([], []) => true,
            ([marker], _) if marker == "@agent" => ["claude", "demo"].iter().any(|agent| is_agent(agent, args)),
            ([first, pattern @ ..], [arg, args @ ..]) => {
                (is(first, arg, &words("tmux"), false) && fits(pattern, args)) && marker_holds(first, arg)
            }
            _ => false,
        }
    }

    fn marker_holds(pattern: &str, arg: &str) -> bool {
        pattern != "@text" || arg.chars().all(|c| matches!(c, '\t' | '\n' | ' '..='~' | '\u{a0}'..))
    }

    fn is_agent(agent: &str, args: &[String]) -> bool {
        let table = &SHIPPED_GRANT.written["agents"][agent];
        let command: Vec<String> = table["command"].clone().try_into().unwrap();
        let command: Vec<String> = command
            .into_iter()
            .map(|word| if word == "@berth" { "/opt/berth".into() } else { word })
            .collect();
        let options: BTreeMap<String, Vec<String>> = table
            .get("options")
            .map(|options| options.clone().try_into().unwrap())
            .unwrap_or_default();
        args.starts_with(&command)
            && are_options(
                agent,
                &args[command.len()..],
                &options.into_values().collect::<Vec<_>>(),
            )
    }

    fn are_options(agent: &str, args: &[String], unused: &[Vec<String>]) -> bool {
        args.is_empty()
            || (0..unused.len()).any(|at| {
                let option = &unused[at];
                let rest = [&unused[..at], &unused[at + 1..]].concat();
                args.len() >= option.len()
                    && option
                        .iter()
                        .zip(args)
                        .all(|(template, arg)| is(template, arg, &words(agent), true))
                    && are_options(agent, &args[option.len()..], &rest)
            })
    }

    /// Whether `arg` is the template; a value of an option must not be empty or begin with a dash.
    fn is(template: &str, arg: &str, words: &BTreeMap<String, Regex>, option: bool) -> bool {
        let Some((before, rest)) = template.split_once('<').filter(|(_, rest)| rest.ends_with('>')) else {
            return template == "@text" || template == arg;
        };
        let Some(value) = arg.strip_prefix(before) else {
            return false;
        };
        let flag = option && (value.is_empty() || value.starts_with('-'));
        !flag && !value.contains('\n') && words[rest.trim_end_matches('>')].is_match(value)
    }

    fn words(of: &str) -> BTreeMap<String, Regex> {
        static WORDS: LazyLock<BTreeMap<&str, BTreeMap<String, Regex>>> = LazyLock::new(|| {
            let written = &SHIPPED_GRANT.written;
            BTreeMap::from([
                (
                    "tmux",
                    compile(Some(&written["backends"]["local"]["programs"]["tmux"]["words"])),
                ),
                ("claude", compile(written["agents"]["claude"].get("words"))),
                ("demo", compile(written["agents"]["demo"].get("words"))),
            ])
        });
        WORDS[of].clone()
    }

    fn compile(table: Option<&toml::Value>) -> BTreeMap<String, Regex> {
        let words = table.and_then(toml::Value::as_table).cloned().unwrap_or_default();
        let compile = |(name, word): (String, toml::Value)| {
            (name, Regex::new(&format!("^(?:{})$", word.as_str().unwrap())).unwrap())
        };
        words.into_iter().map(compile).collect()
    }
}

#[derive(Debug, Clone)]
enum Mutation {
    Insert(usize, String),
    Replace(usize, String),
    Glue(usize, String),
    Duplicate(usize),
    Drop(usize),
    Swap(usize, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let place = 0..40_usize;
    prop_oneof![
        (place.clone(), hostile()).prop_map(|(at, text)| Mutation::Insert(at, text)),
        (place.clone(), hostile()).prop_map(|(at, text)| Mutation::Replace(at, text)),
        (place.clone(), hostile()).prop_map(|(at, text)| Mutation::Glue(at, text)),
        place.clone().prop_map(Mutation::Duplicate),
        place.clone().prop_map(Mutation::Drop),
        (place.clone(), place).prop_map(|(one, two)| Mutation::Swap(one, two)),
    ]
}

fn hostile() -> impl Strategy<Value = String> {
    let known = [
        ";",
        "\\;",
        "x;",
        "",
        "-",
        "--",
        "-c",
        "-F",
        "-t",
        "-X",
        "-e",
        "=a",
        "%1",
        "a",
        "=",
        "\n",
        "run-shell",
        "touch M",
        "#(touch M)",
        "#{E:#{a:35}(x)}",
        "copy-pipe",
        "sh",
        "--settings",
        "--dangerously-skip-permissions",
        "--model=opus",
        "--model=-x",
        "--resume",
        UUID,
        "--continue",
        "claude",
        "env",
        "kill-server",
        "Enter",
        "-1",
        "\u{1b}[201~",
        "\u{85}",
        "é",
        "@agent",
        "@text",
        "<name>",
    ];
    prop_oneof![4 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => any::<String>()]
}

fn mutate(mut args: Vec<String>, mutation: Mutation) -> Vec<String> {
    let len = args.len();
    match mutation {
        Mutation::Insert(at, text) => args.insert(at % (len + 1), text),
        _ if len == 0 => {}
        Mutation::Replace(at, text) => args[at % len] = text,
        Mutation::Glue(at, text) => args[at % len].push_str(&text),
        Mutation::Duplicate(at) => args.insert(at % len, args[at % len].clone()),
        Mutation::Drop(at) => drop(args.remove(at % len)),
        Mutation::Swap(one, two) => args.swap(one % len, two % len),
    }
    args
}

fn allowed_chain() -> impl Strategy<Value = Vec<String>> {
    let patterns = [lists("read"), lists("control")].concat();
    let one = (proptest::sample::select(patterns), 0..40_usize).prop_map(|(pattern, n)| example(&pattern, n));
    proptest::collection::vec(one, 1..4).prop_map(|parts| parts.join(&";".to_owned()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_left_of_a_mutated_list_is_denied_or_still_granted(
        args in allowed_chain(),
        mutations in proptest::collection::vec(mutation(), 0..4),
    ) {
        let args = mutations.into_iter().fold(args, mutate);
        let allowed = SHIPPED_GRANT.grant.allows(Access::Control, &args, &SHIPPED_GRANT.agents).is_ok();
        prop_assert_eq!(allowed, naive::allows(&args), "{:?}", args);
    }
}

/// A grant with each of the three lists.
fn listed() -> Grant {
    let list = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        vec![Pattern::parse(&words, &Words::default()).unwrap()]
    };
    Grant {
        read: list(&["status"]),
        control: list(&["stop"]),
        job: list(&["run", "--all"]),
        separator: None,
        ..SHIPPED_GRANT.grant.clone()
    }
}

#[test]
fn a_job_may_use_the_list_of_jobs_alone_and_no_call_may_use_that() {
    let grant = listed();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let run = words(&["run", "--all"]);
    assert_eq!(grant.allows_job(&run, &[]), Ok(()));
    for access in [Access::Read, Access::Control] {
        assert!(grant.allows(access, &run, &[]).is_err());
    }
    for denied in [
        &["status"][..],
        &["stop"],
        &["run"],
        &["run", "--all", "more"],
        &["run", "--some"],
        &[],
    ] {
        let denial = grant.allows_job(&words(denied), &[]).unwrap_err();
        assert_eq!(denial.lists, Lists::Job);
        if !denied.is_empty() {
            assert!(denial.to_string().contains("job = [...]"), "{denial}");
        }
    }
}

fn args(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn job_of(lists: &[&[&str]]) -> Grant {
    let parse = |list: &&[&str]| Pattern::parse(&args(list), &Words::default()).unwrap();
    Grant {
        job: lists.iter().map(parse).collect(),
        ..listed()
    }
}

#[test]
fn a_directory_is_an_absolute_path_that_never_goes_up() {
    let grant = job_of(&[&["clone", "--", "@directory", "@directory"]]);
    let clone = |path: &str| args(&["clone", "--", "/src", path]);
    for path in ["/a", "/", "/a b/ü", "/a/./b", "/a..b", "/-x"] {
        let clone = clone(path);
        assert_eq!(grant.allows_job(&clone, &[]), Ok(()), "{path}");
        assert_eq!(grant.named_directories(Lists::Job, &clone, &[]), ["/src", path]);
    }
    for path in [
        "",
        "a",
        "./a",
        "~/a",
        "/a/../b",
        "/..",
        "/a\n",
        "/a\u{7}",
        "--upload-pack=/x",
        "file:///a",
    ] {
        grant.allows_job(&clone(path), &[]).unwrap_err();
    }
}

#[test]
fn an_agent_as_a_job_is_its_headless_command_and_only_the_operators_words_name_the_entry() {
    let words = {
        let mut words = Words::default();
        words.add("any", ".*").unwrap();
        words
    };
    let options = BTreeMap::from([("model".to_owned(), args(&["--model=<any>"]))]);
    let agent = AgentCommand::new("a", args(&["env", "agent", "--entry=@entry", "-p"]), &options, &words).unwrap();
    let grant = job_of(&[&["run", "@agent"]]);
    let agents = [agent];
    let run = args(&["run", "env", "agent", "--entry=@entry", "-p", "--model=@entry"]);
    assert_eq!(grant.allows_job(&run, &agents), Ok(()));
    assert_eq!(grant.entry_places(&run, &agents), [3]);
    let denial = grant.allows_job(&args(&["run", "env", "agent", "--entry=/tmp/mine", "-p"]), &agents);
    denial.unwrap_err();
}

#[test]
fn every_agent_of_the_shipped_backend_is_granted_as_a_job_with_the_options_of_both_tables() {
    let config = shipped();
    let without: Vec<&String> = config
        .agents
        .iter()
        .filter(|(_, agent)| agent.headless.is_none())
        .map(|(name, _)| name)
        .collect();
    assert_eq!(without, ["remote-control", "remote-talk"]);
    for (name, agent) in &config.agents {
        let Some(headless) = &agent.headless else { continue };
        let grant = job_of(&[&["@agent"]]);
        let agents = [headless.granted.clone()];
        assert_eq!(grant.allows_job(&headless.command, &agents), Ok(()), "{name}");
        assert!(grant.allows_job(&agent.command, &agents).is_err(), "{name}");
    }
    let claude = config.agents["claude"].headless.as_ref().unwrap();
    let (grant, agents) = (job_of(&[&["@agent"]]), [claude.granted.clone()]);
    let run = |more: &[&str]| {
        let all = [claude.command.clone(), args(more)].concat();
        grant.allows_job(&all, &agents)
    };
    for more in [
        &[
            "--resume",
            UUID,
            "--model=opus",
            "--max-turns=300",
            "--max-budget-usd=20",
        ][..],
        &[
            "--session-id",
            UUID,
            "--setting-sources=user",
            "--permission-mode=acceptEdits",
        ],
        &[
            "--allowedTools=Bash(git add *),Edit,mcp__berth__list_sessions",
            "--fork-session",
        ],
        &["--max-budget-usd=0.25", "--setting-sources=user,project,local"],
    ] {
        assert_eq!(run(more), Ok(()), "{more:?}");
    }
    for more in [
        &["--dangerously-skip-permissions"][..],
        &["--permission-mode=bypassPermissions"],
        &["--max-turns=0"],
        &["--max-budget-usd=-1"],
        &["--setting-sources=project"],
        &["--allowedTools=--x"],
        &["--settings", "{}"],
        &["--mcp-config=/tmp/x"],
    ] {
        assert!(run(more).is_err(), "{more:?}");
    }
}
