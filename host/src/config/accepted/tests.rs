//! A shipped configuration that changed: what counts at once, what waits, and what is said of it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use crate::config::tests::around;
use crate::config::{Accepted, Config, Layers, SHIPPED, Written, summary};

/// What was accepted.
const OLD: &str = r#"default_backend = "local"
[server]
max_body = "1 MiB"
open_on_loopback = false
url_hosts = ["a.example", "b.example"]
[server.rates]
tools = 600
[tools]
hide = ["fetch"]
[agents.demo]
command = ["env", "demo"]
headless = ["env", "demo", "-p"]
[agents.demo.words]
id = "[a-z]{1,9}"
[agents.demo.options]
resume = ["--resume", "<id>"]
model = ["--model=<id>"]
[agents.demo.headless_options]
turns = ["--turns=<id>"]
[backends.local]
plugin = "tmux"
agents = ["demo"]
directories = ["~/projects", "~/work"]
files = [{ under = "~/.a", names = "*.json" }, { under = "~/.b", names = "*.json" }]
env = ["HOME", "PATH"]
remote_trust = true
[backends.local.settings]
rows = 60
[backends.local.limits]
calls = 16
deadline = "30s"
[backends.local.programs.sh]
fixed = ["-f", "@conf"]
conf = '''
set a
set b
'''
timeout = "7s"
attach = ["a", "<name>"]
read = [["ls", "<name>"], ["pwd"]]
control = [["rm", "<name>"], ["say", "@text"]]
[backends.local.programs.sh.words]
name = "[a-z]{1,9}"
"#;

fn layers<'a>(shipped: &'a str, yours: Option<&'a str>) -> Layers<'a> {
    let yours = yours.map(|text| Written {
        path: Path::new("/home/me/config.toml"),
        text,
    });
    Layers {
        yours,
        shipped,
        accepted: Accepted::As(Written {
            path: Path::new("/data/accepted.toml"),
            text: OLD,
        }),
    }
}

/// `OLD` with `from` replaced by `to`.
fn changed(from: &str, to: &str) -> String {
    assert_eq!(OLD.matches(from).count(), 1, "{from}");
    OLD.replace(from, to)
}

/// What waits, in lines.
fn waiting(layers: &Layers<'_>) -> Vec<String> {
    layers.waiting().unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn what_was_accepted_counts_however_it_is_written() {
    for text in [
        OLD.to_owned(),
        format!("# New words.\n{OLD}"),
        changed("\"HOME\", \"PATH\"", "\n'HOME',\n\"PATH\",\n"),
    ] {
        let layers = layers(&text, None);
        assert_eq!(layers.table().unwrap(), OLD.parse().unwrap());
        assert!(layers.waiting().unwrap().is_empty());
    }
}

#[test]
fn what_a_version_takes_away_or_narrows_counts_at_once() {
    for (from, to) in [
        ("[\"HOME\", \"PATH\"]", "[\"PATH\"]"),
        ("\"~/projects\", \"~/work\"", "\"~/work\""),
        (", { under = \"~/.b\", names = \"*.json\" }", ""),
        ("\"a.example\", \"b.example\"", "\"b.example\""),
        ("url_hosts = [\"a.example\", \"b.example\"]\n", ""),
        ("remote_trust = true", "remote_trust = false"),
        ("remote_trust = true\n", ""),
        ("tools = 600", "tools = 60"),
        ("\"1 MiB\"", "\"512 KiB\""),
        ("\"30s\"", "\"1s\""),
        ("\"7s\"", "\"900ms\""),
        ("calls = 16", "calls = 1"),
        ("hide = [\"fetch\"]", "hide = [\"fetch\", \"search\"]"),
        ("model = [\"--model=<id>\"]\n", ""),
        ("[\"--model=<id>\"]", "[\"--model=small\"]"),
        ("id = \"[a-z]{1,9}\"", "id = \"[a-f]{1,8}\""),
        ("name = \"[a-z]{1,9}\"", "name = \"[a-z]{1,3}\""),
        (", [\"pwd\"]]", "]"),
        ("[[\"rm\", \"<name>\"], ", "["),
        ("read = [[\"ls\", \"<name>\"], [\"pwd\"]]\n", ""),
        // The same words by another name, one value of them, and a list that is no longer for looking.
        ("[\"ls\", \"<name>\"]", "[\"ls\", \"x\"]"),
        ("[\"say\", \"@text\"]", "[\"say\", \"<name>\"]"),
        (", [\"pwd\"]]\ncontrol = [", "]\ncontrol = [[\"pwd\"], "),
        ("name = \"[a-z]{1,9}\"", "name = \"[a-z]{1,9}\"\nunused = \".*\""),
    ] {
        let shipped = changed(from, to);
        let layers = layers(&shipped, None);
        assert_eq!(layers.table().unwrap(), shipped.parse().unwrap(), "{from} -> {to}");
        assert_eq!(waiting(&layers), [""; 0], "{from} -> {to}");
    }
    // A backend, a program and an agent that are gone.
    let (before, _) = OLD.split_once("[backends.local.programs.sh]").unwrap();
    let layers = layers(before, None);
    assert_eq!(layers.table().unwrap(), before.parse().unwrap());
    let (before, _) = OLD.split_once("[backends.local]").unwrap();
    let table = super::tests::layers(before, None).table().unwrap();
    assert!(
        !table.contains_key("backends") && !table.contains_key("default_backend"),
        "{table}"
    );
}

#[test]
fn what_a_version_adds_or_widens_waits_and_is_named() {
    let sh = "backends.local.programs.sh";
    for (from, to, told) in [
        (
            "[\"HOME\", \"PATH\"]",
            "[\"HOME\", \"PATH\", \"SSH_*\"]",
            vec!["+ backends.local.env: \"SSH_*\"".into()],
        ),
        (
            "\"~/work\"",
            "\"~/work\", \"~\"",
            vec!["+ backends.local.directories: \"~\"".into()],
        ),
        (
            "files = [",
            "files = [{ under = \"~/.c\", names = \"*.json\" }, ",
            vec!["+ backends.local.files: { names = \"*.json\", under = \"~/.c\" }".into()],
        ),
        (
            "open_on_loopback = false",
            "open_on_loopback = true",
            vec![
                "- server.open_on_loopback: false".into(),
                "+ server.open_on_loopback: true".into(),
            ],
        ),
        (
            "tools = 600",
            "tools = 601",
            vec!["- server.rates.tools: 600".into(), "+ server.rates.tools: 601".into()],
        ),
        (
            "tools = 600",
            "tools = 600\nlogin = 99",
            vec!["+ server.rates.login: 99".into()],
        ),
        (
            "[server.rates]\ntools = 600\n",
            "",
            vec!["- server.rates.tools: 600".into()],
        ),
        ("calls = 16\n", "", vec!["- backends.local.limits.calls: 16".into()]),
        (
            "\"1 MiB\"",
            "\"2 MiB\"",
            vec![
                "- server.max_body: \"1 MiB\"".into(),
                "+ server.max_body: \"2 MiB\"".into(),
            ],
        ),
        (
            "\"30s\"",
            "\"2m\"",
            vec![
                "- backends.local.limits.deadline: \"30s\"".into(),
                "+ backends.local.limits.deadline: \"2m\"".into(),
            ],
        ),
        (
            "hide = [\"fetch\"]",
            "hide = []",
            vec!["- tools.hide: \"fetch\"".into()],
        ),
        (
            "[\"env\", \"demo\"]",
            "[\"env\", \"demo\", \"--free\"]",
            vec![
                "- agents.demo.command: [\"env\", \"demo\"]".into(),
                "+ agents.demo.command: [\"env\", \"demo\", \"--free\"]".into(),
            ],
        ),
        (
            "[\"--model=<id>\"]",
            "[\"--model=<id>\"]\nfree = [\"--free\"]",
            vec!["+ agents.demo.options.free: [\"--free\"]".into()],
        ),
        (
            "[\"env\", \"demo\", \"-p\"]",
            "[\"env\", \"demo\", \"-p\", \"--free\"]",
            vec![
                "- agents.demo.headless: [\"env\", \"demo\", \"-p\"]".into(),
                "+ agents.demo.headless: [\"env\", \"demo\", \"-p\", \"--free\"]".into(),
            ],
        ),
        (
            "[\"--turns=<id>\"]",
            "[\"--turns=<id>\"]\nfree = [\"--free\"]",
            vec!["+ agents.demo.headless_options.free: [\"--free\"]".into()],
        ),
        (
            "[\"--model=<id>\"]",
            "[\"--mode=<id>\"]",
            vec![
                "- agents.demo.options.model: [\"--model=<id>\"]".into(),
                "+ agents.demo.options.model: [\"--mode=<id>\"]".into(),
            ],
        ),
        (
            "id = \"[a-z]{1,9}\"",
            "id = \"[a-z]{1,10}\"",
            vec![
                "- agents.demo.words.id: \"[a-z]{1,9}\"".into(),
                "+ agents.demo.words.id: \"[a-z]{1,10}\"".into(),
            ],
        ),
        (
            "name = \"[a-z]{1,9}\"",
            "name = \"[0-9]\"",
            vec![
                format!("- {sh}.words.name: \"[a-z]{{1,9}}\""),
                format!("+ {sh}.words.name: \"[0-9]\""),
            ],
        ),
        (
            "[\"pwd\"]]",
            "[\"pwd\"], [\"cat\", \"<name>\"]]",
            vec![format!("+ {sh}.read: [\"cat\", \"<name>\"]")],
        ),
        // What only acting verbs had is more when looking may do it too.
        (
            "[\"pwd\"]]",
            "[\"pwd\"], [\"rm\", \"<name>\"]]",
            vec![format!("+ {sh}.read: [\"rm\", \"<name>\"]")],
        ),
        (
            "set b",
            "set c",
            vec![format!("- {sh}.conf: \"set b\""), format!("+ {sh}.conf: \"set c\"")],
        ),
        (
            "[\"a\", \"<name>\"]",
            "[\"b\", \"<name>\"]",
            vec![
                format!("- {sh}.attach: [\"a\", \"<name>\"]"),
                format!("+ {sh}.attach: [\"b\", \"<name>\"]"),
            ],
        ),
        (
            "rows = 60",
            "rows = 61",
            vec![
                "- backends.local.settings.rows: 60".into(),
                "+ backends.local.settings.rows: 61".into(),
            ],
        ),
        (
            "plugin = \"tmux\"",
            "plugin = \"other\"",
            vec![
                "- backends.local.plugin: \"tmux\"".into(),
                "+ backends.local.plugin: \"other\"".into(),
            ],
        ),
    ] as [(&str, &str, Vec<String>); 24]
    {
        let shipped = changed(from, to);
        let layers = layers(&shipped, None);
        assert_eq!(layers.table().unwrap(), OLD.parse().unwrap(), "{from} -> {to}");
        assert_eq!(waiting(&layers), told, "{from} -> {to}");
        assert!(Config::parse(&layers, &around()).is_ok(), "{to}");
    }
}

#[test]
fn a_backend_program_or_agent_that_a_version_adds_waits_with_each_of_its_keys() {
    let added = "[backends.jobs]\nplugin = \"other\"\nagents = [\"more\"]\n[agents.more]\ncommand = [\"env\", \"more\"]\n\
                 [backends.local.programs.git]\nread = [[\"status\"]]\n";
    let shipped = format!("{OLD}{added}");
    let layers = layers(&shipped, None);
    assert_eq!(layers.table().unwrap(), OLD.parse().unwrap());
    let waits = layers.waiting().unwrap();
    let lines: Vec<String> = waits.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "+ agents.more.command: [\"env\", \"more\"]",
            "+ backends.jobs.agents: \"more\"",
            "+ backends.jobs.plugin: \"other\"",
            "+ backends.local.programs.git.read: [\"status\"]",
        ]
    );
    assert_eq!(
        summary(&waits),
        "backends.jobs, backends.local.programs.git, agents.more"
    );
    assert_eq!(layers.when_accepted().table().unwrap(), shipped.parse().unwrap());
}

#[test]
fn keys_that_depend_on_each_other_wait_together() {
    let shipped = changed(
        "fixed = [\"-f\", \"@conf\"]\nconf = '''\nset a\nset b\n'''\n",
        "fixed = [\"-n\"]\n",
    );
    // What is narrower in the same program counts nevertheless.
    let shipped = shipped.replace(", [\"pwd\"]]", "]");
    let layers = layers(&shipped, None);
    let config = Config::parse(&layers, &around()).unwrap();
    let grant = config.backends["local"].programs["sh"].at("/bin/sh".into());
    assert_eq!(
        (grant.fixed, grant.conf.as_deref()),
        (vec!["-f".into(), "@conf".into()], Some("set a\nset b\n"))
    );
    assert_eq!(grant.read.len(), 1);
}

#[test]
fn what_the_operators_file_decides_does_not_wait() {
    let shipped = format!(
        "{}[backends.jobs]\nplugin = \"other\"\n",
        changed("[\"pwd\"]]", "[\"pwd\"], [\"free\"]]")
    );
    let yours = "[backends.jobs]\nenabled = false\n[backends.local.programs.sh]\nread = [[\"mine\"]]\n";
    assert_eq!(waiting(&layers(&shipped, Some(yours))), [""; 0]);
    assert_eq!(waiting(&layers(&shipped, None)).len(), 2);
    // What is mine stays mine: nothing of it needs to be accepted.
    let more = "[backends.local]\nenv = [\"HOME\", \"PATH\", \"MORE\"]\n";
    assert_eq!(waiting(&layers(OLD, Some(more))), [""; 0]);
}

#[test]
fn for_a_file_from_before_the_whole_of_the_shipped_waits() {
    let mine = "[backends.mine]\nplugin = \"other\"\n";
    let before = Layers::yours(Path::new("/home/me/config.toml"), mine);
    assert_eq!(before.table().unwrap(), mine.parse().unwrap());
    let waits = waiting(&before);
    for line in [
        "+ backends.local.plugin: \"tmux\"",
        "+ default_backend: \"local\"",
        "+ backends.local.directories: \"~/projects\"",
    ] {
        assert!(waits.iter().any(|told| told == line), "{line}: {waits:#?}");
    }
    // A whole copy of the shipped one waits for nothing.
    let copy = Layers::yours(Path::new("/home/me/config.toml"), SHIPPED);
    assert_eq!(waiting(&copy), [""; 0]);
}

#[test]
fn an_error_that_accepting_would_fix_says_so() {
    let file = Path::new("/home/me/config.toml");
    for yours in [
        "",
        "[server]\nmax_requests = 32\n",
        "[backends.local]\ndirectories = [\"~/work\"]\n",
    ] {
        let told = Config::parse(&Layers::yours(file, yours), &around())
            .unwrap_err()
            .to_string();
        assert!(
            told.ends_with("see `berth config diff`, then run `berth config accept`"),
            "{told}"
        );
        assert!(
            Config::parse(&Layers::yours(file, yours).when_accepted(), &around()).is_ok(),
            "{yours}"
        );
    }
    let wrong = Config::parse(&Layers::yours(file, "[server]\nmax_requests = 0\n"), &around()).unwrap_err();
    assert!(!wrong.message.contains("accept"), "{wrong}");
}

#[test]
fn a_value_of_another_kind_never_stays() {
    let shipped = changed("[\"env\", \"demo\"]", "[\"env\", \"demo\"]\nrequires = \"demo\"");
    let old = OLD.replace("[\"env\", \"demo\"]", "[\"env\", \"demo\"]\nrequires = [\"demo\"]");
    let layers = Layers {
        accepted: Accepted::As(Written {
            path: Path::new("/data/accepted.toml"),
            text: &old,
        }),
        ..layers(&shipped, None)
    };
    assert!(
        Config::parse(&layers, &around()).unwrap().agents["demo"]
            .requires
            .is_none()
    );
    assert_eq!(waiting(&layers), ["+ agents.demo.requires: \"demo\""]);
}

#[test]
fn lists_and_bounds_of_jobs_count_at_once_where_they_are_narrower_and_wait_where_they_are_not() {
    let control = "control = [[\"rm\", \"<name>\"], [\"say\", \"@text\"]]";
    let jobs = |lists: &str, timeout: &str| format!("{control}\njob = {lists}\njob_timeout = \"{timeout}\"");
    let of = |accepted: &str, shipped: &str| {
        let (accepted, shipped) = (changed(control, accepted), changed(control, shipped));
        let accepted = Accepted::As(Written {
            path: Path::new("/data/accepted.toml"),
            text: &accepted,
        });
        let layers = Layers {
            yours: None,
            shipped: &shipped,
            accepted,
        };
        let table = layers.table().unwrap();
        let program = &table["backends"]["local"]["programs"]["sh"];
        let counts = ["job", "job_timeout"].map(|key| program.get(key).map(ToString::to_string));
        counts.map(Option::unwrap_or_default)
    };
    let both = jobs("[[\"go\", \"<name>\"], [\"run\"]]", "7h");
    assert_eq!(
        of(&both, &jobs("[[\"go\", \"x\"]]", "1h")),
        ["[[\"go\", \"x\"]]", "\"1h\""]
    );
    assert_eq!(of(&jobs("[[\"go\", \"x\"]]", "1h"), &both), ["[]", "\"1h\""]);
    assert_eq!(of(control, &both), ["[]", ""], "what is new waits");
    let as_control = jobs("[[\"rm\", \"<name>\"]]", "7h");
    assert_eq!(of(&both, &as_control)[0], "[]", "what a call may run, a job may not");
}

#[test]
fn on_which_machine_a_backend_is_changes_only_when_that_is_accepted() {
    let host = "[hosts.mac]\ndestination = \"me@mac\"\nport = 22\n";
    let old = format!(
        "{}{host}",
        changed("plugin = \"tmux\"", "plugin = \"tmux\"\nhost = \"mac\"")
    );
    let other = "[hosts.box]\ndestination = \"me@box\"\n";
    for (shipped, told) in [
        (
            old.replace("me@mac", "me@box"),
            vec![
                "- hosts.mac.destination: \"me@mac\"",
                "+ hosts.mac.destination: \"me@box\"",
            ],
        ),
        (old.replace("port = 22\n", ""), vec!["- hosts.mac.port: 22"]),
        (
            old.replace("port = 22\n", "port = 22\nsessions = 2\n"),
            vec!["+ hosts.mac.sessions: 2"],
        ),
        (
            old.replace("host = \"mac\"", "host = \"box\"") + other,
            vec![
                "- backends.local.host: \"mac\"",
                "+ backends.local.host: \"box\"",
                "+ hosts.box.destination: \"me@box\"",
            ],
        ),
        (
            old.replace("host = \"mac\"", "hosts = [\"mac\", \"box\"]") + other,
            vec![
                "- backends.local.host: \"mac\"",
                "+ backends.local.hosts: [\"mac\", \"box\"]",
                "+ hosts.box.destination: \"me@box\"",
            ],
        ),
        // Without a host the backend would be on this machine.
        (
            OLD.to_owned(),
            vec![
                "- backends.local.host: \"mac\"",
                "- hosts.mac.destination: \"me@mac\"",
                "- hosts.mac.port: 22",
            ],
        ),
    ] {
        let layers = Layers {
            accepted: Accepted::As(Written {
                path: Path::new("/data/accepted.toml"),
                text: &old,
            }),
            ..layers(&shipped, None)
        };
        assert_eq!(layers.table().unwrap(), old.parse().unwrap(), "{shipped}");
        assert_eq!(waiting(&layers), told, "{shipped}");
        assert!(summary(&layers.waiting().unwrap()).contains("hosts."), "{shipped}");
    }
}

#[test]
fn a_further_host_of_a_backend_waits_and_one_that_is_gone_stays() {
    let hosts = "[hosts.mac]\ndestination = \"me@mac\"\n[hosts.box]\ndestination = \"me@box\"\n";
    let with = |labels: &str| {
        let backend = changed("plugin = \"tmux\"", &format!("plugin = \"tmux\"\nhosts = {labels}"));
        format!("{backend}{hosts}")
    };
    for (old, shipped) in [
        (with("[\"mac\"]"), with("[\"mac\", \"box\"]")),
        (with("[\"mac\", \"box\"]"), with("[\"mac\"]")),
        (with("[\"mac\", \"box\"]"), format!("{OLD}{hosts}")),
    ] {
        let layers = Layers {
            accepted: Accepted::As(Written {
                path: Path::new("/data/accepted.toml"),
                text: &old,
            }),
            ..layers(&shipped, None)
        };
        assert_eq!(layers.table().unwrap(), old.parse().unwrap(), "{shipped}");
        assert!(!waiting(&layers).is_empty(), "{shipped}");
    }
}
