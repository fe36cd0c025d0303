//! The command line: what it prints for people and for programs, and what it says of a wrong configuration.

use std::os::unix::fs::PermissionsExt;

use berth::config::SHIPPED;
use serde_json::{Value, json};

use crate::berth::{Berth, Place};

const LOCAL: &str = r#"
[backends.local]
plugin = "./misbehaving.wasm"
directories = ["projects"]
env = ["HOME"]
guest_env = ["NO_COLOR"]
[backends.local.settings]
tools = ["noop"]
[backends.local.programs.sh]
fixed = ["-e"]
read = [["-c", "true"]]
control = [["-c", "@text"]]
"#;

/// With a value in every place that grants something.
const GRANTS: &str = r#"
[agents.helper]
command = ["env", "helper"]
requires = "no-such-program"
words = { model = "[a-z]+" }
options = { model = ["--model=<model>"] }
[backends.local]
plugin = "./misbehaving.wasm"
agents = ["helper"]
read_tools = ["noop"]
remote_trust = true
[backends.local.settings]
tools = ["noop", "remember"]
[backends.local.limits]
memory = "32 MiB"
calls = 3
processes = 5
deadline = "1m 30s"
jobs = 3
keep_jobs = "7d"
jobs_size = "1 MiB"
[backends.local.programs.sh]
fixed = ["@conf"]
conf = "set -e\n"
separator = ";"
timeout = "7s"
output = "64 KiB"
attach = ["-s", "=<name>"]
words = { name = "[a-z]{1,9}" }
control = [["start", "--", "@agent"]]
job = [["-c", "<name>"]]
job_timeout = "2h"
job_output = "1 MiB"
"#;

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn help_names_every_command() {
    let place = Place::new(LOCAL);
    let help = place.run_as_is(&["--help"]).await;
    assert!(help.success);
    for command in [
        "serve", "stdio", "check", "tools", "call", "token", "login", "clients", "tokens", "attach", "audit", "config",
        "plugin", "ls", "start", "send", "logs", "status", "answer", "stop", "trust", "hosts",
    ] {
        assert!(
            help.stdout.lines().any(|line| line.trim_start().starts_with(command)),
            "{command}: {}",
            help.stdout
        );
        let own = place.run_as_is(&[command, "--help"]).await;
        assert!(
            own.success && own.stdout.contains("Usage:"),
            "{command}: {}",
            own.stdout
        );
    }
    let version = place.run_as_is(&["--version"]).await;
    assert_eq!(version.stdout, format!("berth {}\n", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn an_unknown_command_is_an_error_with_the_way_to_help() {
    let place = Place::new(LOCAL);
    let ran = place.run_as_is(&["sail"]).await;
    assert!(!ran.success);
    assert!(
        ran.stderr.contains("'sail'") && ran.stderr.contains("--help"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn check_shows_what_each_backend_may_do() {
    let place = Place::new(LOCAL);
    let ran = place.run(&["check", "--grants"]).await;
    assert!(ran.success, "{}", ran.stderr);
    for line in [
        &format!("{} is valid.", place.name("config.toml")),
        "Backend local",
        &format!("directories: {}", place.name("projects")),
        "environment: HOME",
        "set by the plugin: NO_COLOR",
        "own tools: noop",
        "program sh: /",
        "always first: -e",
        "read: [\"-c\", \"true\"]",
        "control: [\"-c\", \"@text\"]",
        "not pinned: write this sha256",
        "Tools",
        "check_prompts, create_session",
    ] {
        assert!(ran.stdout.contains(line), "{line}: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains('\u{1b}'), "no colours where there is no terminal");
}

#[tokio::test]
async fn check_is_short_and_ends_with_a_verdict() {
    let place = Place::new(LOCAL);
    let ran = place.run(&["check"]).await;
    assert!(ran.success, "{}", ran.stderr);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines.len() <= 10, "{}", ran.stdout);
    assert_eq!(lines[0], format!("{} is valid.", place.name("config.toml")));
    assert!(
        lines.contains(&&*format!("  directories: {}", place.name("projects"))),
        "{}",
        ran.stdout
    );
    assert_eq!(
        *lines.last().unwrap(),
        "It works, with 1 to look at. If berth does not run yet: berth serve"
    );
}

#[tokio::test]
async fn serve_takes_another_address_by_the_rules_of_the_configuration() {
    let place = Place::new(LOCAL);
    let refused = place.complaint(&["serve", "--listen", "0.0.0.0:0"]).await;
    assert!(
        refused.contains("can be reached from other machines: set public_url"),
        "{refused}"
    );
    let refused = place.complaint(&["serve", "--listen", "localhost"]).await;
    assert!(refused.contains("--listen"), "{refused}");
    let command = place.command(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--config",
        &place.name("config.toml"),
    ]);
    // The log says nothing of the record before a person has what is needed.
    let berth = Berth::start(&place, command).await;
    assert!(berth.base.starts_with("http://127.0.0.1:"), "{}", berth.base);
}

#[tokio::test]
async fn every_shell_gets_completions_of_every_command() {
    let place = Place::new(LOCAL);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = place.run_as_is(&["completions", shell]).await;
        assert!(ran.success, "{shell}: {}", ran.stderr);
        for word in ["attach", "answer", "service", "listen"] {
            assert!(ran.stdout.contains(word), "{shell}: {word}");
        }
    }
    let bash = place.run_as_is(&["completions", "bash"]).await.stdout;
    place.write("completions", bash, 0o600);
    let line = format!(
        ". {}; COMP_WORDS=(berth st); COMP_CWORD=1; _berth berth st berth; echo ${{COMPREPLY[*]}}",
        place.name("completions")
    );
    let output = std::process::Command::new("bash").args(["-c", &line]).output().unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().trim(),
        "stdio start status stop"
    );
}

/// A stand-in for the system's program, which notes how it was run, and fails where a file says so.
fn systemctl(place: &Place) {
    let home = place.name("home");
    let script =
        format!("#!/bin/sh\necho \"$@\" >> {home}/systemctl\ntest ! -e {home}/broken || {{ echo no bus; exit 1; }}\n");
    place.write("bin/systemctl", script, 0o755);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_service_is_written_enabled_and_taken_away_again() {
    let place = Place::new(LOCAL);
    systemctl(&place);
    let unit = place.path("home/.config/systemd/user/berth.service");
    let installed = place.run(&["service", "install"]).await;
    assert!(
        installed.success && installed.stdout.contains("journalctl"),
        "{}",
        installed.stderr
    );
    let text = std::fs::read_to_string(&unit).unwrap();
    let command = format!(
        "ExecStart=\"{}\" \"serve\" \"--config\" \"{}\"",
        env!("CARGO_BIN_EXE_berth"),
        place.name("config.toml")
    );
    assert!(
        text.contains(&command) && text.contains("\nKillMode=process\n"),
        "{text}"
    );
    assert_eq!(
        place.read("home/systemctl"),
        "--user daemon-reload\n--user enable berth.service\n--user restart berth.service\n"
    );
    // The system's own check of what was written.
    let verified = std::process::Command::new("systemd-analyze")
        .args(["--user", "verify"])
        .arg(&unit)
        .env("XDG_RUNTIME_DIR", place.path("home"))
        .output()
        .unwrap();
    assert!(verified.status.success() && verified.stderr.is_empty(), "{verified:?}");
    let printed = place.run(&["service", "install", "--print"]).await.stdout;
    assert_eq!(printed, text);

    place.write("home/broken", "", 0o600);
    let failed = place.complaint(&["service", "uninstall"]).await;
    assert!(failed.contains("no bus") && unit.exists(), "{failed}");
    let failed = place.complaint(&["service", "install"]).await;
    assert!(
        failed.contains("run yourself: systemctl --user daemon-reload"),
        "{failed}"
    );
    std::fs::remove_file(place.path("home/broken")).unwrap();
    let gone = place.run(&["service", "uninstall"]).await;
    assert!(gone.success && !unit.exists(), "{}", gone.stderr);
    assert!(
        place
            .read("home/systemctl")
            .ends_with("--user disable --now berth.service\n")
    );
    let none = place.complaint(&["service", "uninstall"]).await;
    assert!(none.contains("there is no service"), "{none}");
}

#[tokio::test]
async fn check_prints_the_same_as_json() {
    let place = Place::new(LOCAL);
    let found = json_of(&place.run(&["check", "--json"]).await.stdout);
    assert_eq!(found["tools"].as_array().unwrap().len(), 15);
    let backend = &found["backends"][0];
    assert_eq!(backend["name"], "local");
    assert_eq!(backend["directories"], json!([place.name("projects")]));
    assert_eq!(backend["own_tools"], json!(["noop"]));
    assert_eq!(backend["programs"][0]["control"], json!([["-c", "@text"]]));
    assert_eq!(backend["pinned"], false);
}

#[tokio::test]
async fn check_shows_every_grant_and_bound() {
    let place = Place::new(GRANTS);
    let ran = place.run(&["check", "--grants"]).await;
    assert!(ran.success, "{}", ran.stderr);
    for line in [
        "own tools: noop, remember; of them only read: noop",
        "a question whether to trust a directory: clients may answer it",
        "limits: 32.0 MiB of memory a call, 3 calls and 5 programs at once, 1m 30s for a call",
        "agent helper (not installed: no-such-program is not found): env helper",
        "    option model: [\"--model=<model>\"]",
        "    <model>: [a-z]+",
        "    a run: at most 7s, and 64.0 KiB of output",
        "    @conf: a file of 1 lines",
        "    separator: \";\"",
        "    attach: [\"-s\", \"=<name>\"]",
        "    <name>: [a-z]{1,9}",
    ] {
        assert!(ran.stdout.contains(line), "{line}: {}", ran.stdout);
    }
}

#[tokio::test]
async fn check_prints_every_grant_and_bound_as_json() {
    let place = Place::new(GRANTS);
    let found = json_of(&place.run(&["check", "--json"]).await.stdout);
    assert_eq!(found["file"], place.name("config.toml"));
    let backend = &found["backends"][0];
    assert_eq!(backend["read_tools"], json!(["noop"]));
    assert_eq!(backend["remote_trust"], true);
    assert_eq!(
        backend["limits"],
        json!({
            "memory": 32 << 20,
            "calls": 3,
            "processes": 5,
            "deadline": "1m 30s",
            "jobs": 3,
            "interactive_jobs": 8,
            "keep_jobs": "7days",
            "jobs_size": 1 << 20,
        })
    );
    assert_eq!(
        backend["agents"],
        json!([{
            "name": "helper",
            "installed": false,
            "requires": "no-such-program",
            "command": ["env", "helper"],
            "options": {"model": ["--model=<model>"]},
            "words": {"model": "[a-z]+"},
        }])
    );
    let mut program = backend["programs"][0].clone();
    assert!(program["path"].take().as_str().unwrap().ends_with("/sh"));
    assert_eq!(
        program,
        json!({
            "job": [["-c", "<name>"]],
            "job_timeout": "2h",
            "job_output": 1 << 20,
            "lingers": false,
            "name": "sh",
            "path": null,
            "fixed": ["@conf"],
            "conf": "set -e\n",
            "separator": ";",
            "read": [],
            "control": [["start", "--", "@agent"]],
            "attach": ["-s", "=<name>"],
            "words": {"name": "[a-z]{1,9}"},
            "timeout": "7s",
            "output": 64 << 10,
        })
    );
}

#[tokio::test]
async fn tools_lists_what_clients_see() {
    let place = Place::new(LOCAL);
    let ran = place.run(&["tools"]).await;
    assert!(ran.success, "{}", ran.stderr);
    let names: Vec<&str> = ran
        .stdout
        .lines()
        .map(|line| line.split('\t').next().unwrap())
        .collect();
    assert_eq!(names.len(), 15);
    assert!(
        ran.stdout.contains("list_sessions\treads\t") && ran.stdout.contains("create_session\tacts\t"),
        "{}",
        ran.stdout
    );
    let tools = json_of(&place.run(&["tools", "--json"]).await.stdout);
    let listed: Vec<&str> = tools
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(listed, names);
    assert!(tools[0]["inputSchema"].is_object());
}

#[tokio::test]
async fn call_prints_the_answer_and_fails_where_the_tool_does() {
    let place = Place::new(LOCAL);
    let text = place.run(&["call", "list_sessions"]).await;
    assert!(
        text.success && text.stdout.contains("\nlocal/calm-1 — idle"),
        "{}",
        text.stdout
    );
    let data = json_of(
        &place
            .run(&["call", "--json", "list_sessions", r#"{"state": "waiting"}"#])
            .await
            .stdout,
    );
    assert_eq!(data["sessions"][0]["session_id"], "local/asks-1");
    let error = place.complaint(&["call", "fetch", r#"{"id": "nobody"}"#]).await;
    assert!(error.starts_with("berth: there is no session `nobody`"), "{error}");
    let error = place.complaint(&["call", "fetch", "nobody"]).await;
    assert!(error.contains("the arguments are not a JSON object: nobody"), "{error}");
    let error = place.complaint(&["call", "nothing"]).await;
    assert!(error.contains("there is no tool `nothing`"), "{error}");
}

#[tokio::test]
async fn inspect_shows_a_component_and_the_table_with_what_it_asks_for() {
    let place = Place::new(LOCAL);
    let file = place.name("misbehaving.wasm");
    let ran = place.run_as_is(&["plugin", "inspect", &file]).await;
    assert!(ran.success, "{}", ran.stderr);
    for line in [
        "imports berth:backend/process@0.1.0",
        "exports berth:backend/session-backend@0.1.0",
        "tool endless_loop: ",
        "read them, and remove what you do not want to give",
        "[backends.misbehaving]",
        &format!("plugin = \"{file}\""),
        "sha256 = \"",
        "[backends.misbehaving.programs.sh]\ncontrol = [\n    [\"-c\", \"@text\"],\n]\npath = \"sh\"\n",
    ] {
        assert!(ran.stdout.contains(line), "{line}: {}", ran.stdout);
    }
    let found = json_of(&place.run_as_is(&["plugin", "inspect", "--json", &file]).await.stdout);
    assert_eq!(found["about"], "a plugin for tests");
    assert_eq!(found["sha256"].as_str().unwrap().len(), 64);
    let tools = found["tools"].as_array().unwrap();
    assert!(tools.contains(&json!({
        "name": "noop",
        "title": "noop",
        "description": "A misdeed of the test plugin: noop.",
    })));
    assert_eq!(found["refusal"], Value::Null);
    assert_eq!(
        found["manifest"]["grants"],
        json!({"programs": {"sh": {"path": "sh", "control": [["-c", "@text"]]}}})
    );
    assert!(ran.stdout.ends_with(&format!("{}\n", found["block"].as_str().unwrap())));
}

#[tokio::test]
async fn inspecting_a_file_that_is_no_component_prints_one_line() {
    let place = Place::new(LOCAL);
    let file = place.name("none.wasm");
    for bytes in [&b"hello, world"[..], b"", b"\0asm", b"\0asm\x01\0\0\0"] {
        place.write("none.wasm", bytes, 0o644);
        let complaint = place.complaint(&["plugin", "inspect", &file]).await;
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
        assert!(
            complaint.starts_with(&format!("berth: {file} is not a WebAssembly component: ")),
            "{complaint}"
        );
        assert!(
            complaint.ends_with("; build it for the target wasm32-wasip2\n") && !complaint.contains("0x6"),
            "{complaint}"
        );
    }
}

/// What `plugin inspect` prints to paste.
async fn block(place: &Place, plugin: &str) -> String {
    let found = place.run(&["plugin", "inspect", "--json", plugin]).await;
    assert!(found.success, "{}", found.stderr);
    json_of(&found.stdout)["block"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_table_that_inspect_prints_holds_as_it_is_and_grants_what_is_asked_for() {
    let place = Place::new(LOCAL);
    let table = block(&place, &place.name("misbehaving.wasm")).await;
    place.configure(&table, "");
    let found = json_of(&place.run(&["check", "--json"]).await.stdout);
    let backend = &found["backends"][0];
    assert_eq!(
        (&backend["name"], &backend["pinned"]),
        (&json!("misbehaving"), &json!(true))
    );
    assert_eq!(backend["programs"][0]["control"], json!([["-c", "@text"]]));
    assert_eq!(backend["asks_for_more"], json!([]));

    // One that does not say what it needs is granted nothing.
    place.write("quiet.wasm", std::fs::read(berth_guests::NOOP).unwrap(), 0o644);
    let table = block(&place, &place.name("quiet.wasm")).await;
    place.configure(&table, "");
    let found = json_of(&place.run(&["check", "--json"]).await.stdout);
    let backend = &found["backends"][0];
    assert_eq!((&backend["name"], &backend["programs"]), (&json!("quiet"), &json!([])));
    assert_eq!(
        (&backend["directories"], &backend["environment"]),
        (&json!([]), &json!([]))
    );
}

#[tokio::test]
async fn the_table_of_a_bundled_plugin_holds_but_for_what_this_machine_lacks() {
    let place = Place::new("[agents.claude]\ncommand = [\"env\", \"claude\"]\n[backends.x]\nplugin = \"tmux\"\n");
    let table = block(&place, "tmux").await;
    assert!(
        table.contains("[backends.tmux.settings]\ncolumns = 120\nrows = 60\n"),
        "{table}"
    );
    // This machine has neither the agent `demo` nor ~/projects.
    assert!(
        table.contains("# Left out: there is no agent \"demo\"") && table.contains("# agents = [\"claude\", \"demo\"]"),
        "{table}"
    );
    assert!(table.contains("projects does not exist"), "{table}");
    place.configure(&table, "");
    let checked = place.run(&["check"]).await;
    assert!(checked.success, "{}", checked.stderr);
    for line in [
        "asks for more than is granted: agents: \"claude\"",
        "asks for more than is granted: directories: \"~/projects\"",
    ] {
        assert!(checked.stdout.contains(line), "{line}: {}", checked.stdout);
    }
    assert!(!checked.stdout.contains("programs.tmux."), "{}", checked.stdout);

    let complaint = place.complaint(&["plugin", "inspect", "screen"]).await;
    assert!(
        complaint.contains("screen is neither a file nor a bundled plugin (there are: headless, ssh, tmux)"),
        "{complaint}"
    );
}

#[tokio::test]
async fn check_says_where_a_plugin_asks_for_more_than_is_granted() {
    for (granted, expected) in [
        ("", Some("asks for more than is granted: programs.sh\n")),
        (
            "[backends.local.programs.sh]\ncontrol = [[\"-c\", \"true\"]]\n",
            Some("asks for more than is granted: programs.sh.control: [\"-c\",\"@text\"]\n"),
        ),
        ("[backends.local.programs.sh]\ncontrol = [[\"-c\", \"@text\"]]\n", None),
    ] {
        let place = Place::new(&format!("[backends.local]\nplugin = \"./misbehaving.wasm\"\n{granted}"));
        let said = place.run(&["check"]).await.stdout;
        match expected {
            Some(line) => assert!(said.contains(line), "{line}: {said}"),
            None => assert!(!said.contains("asks for more"), "{said}"),
        }
    }
}

#[tokio::test]
async fn what_was_compiled_once_is_not_compiled_again_to_be_inspected() {
    let place = Place::new(LOCAL);
    let configuration = place.read("config.toml");
    let shared = configuration.lines().find(|line| line.starts_with("cache")).unwrap();
    place.write("config.toml", configuration.replace(shared, "cache = \"cache\""), 0o600);
    let file = place.name("misbehaving.wasm");
    let compiled = || -> Vec<std::path::PathBuf> {
        let mut folders = vec![place.path("cache/compiled")];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                match entry.is_dir() {
                    true => folders.push(entry),
                    false => files.push(entry),
                }
            }
        }
        files
    };
    assert!(place.run(&["check"]).await.success);
    let before = compiled().len();
    assert!(place.run(&["plugin", "inspect", &file]).await.success);
    assert_eq!(
        (before > 0, compiled().len()),
        (true, before),
        "it was compiled once more"
    );
}

#[tokio::test]
async fn token_prints_one_token_that_stays() {
    let place = Place::new(LOCAL);
    let first = place.run(&["token"]).await.stdout;
    assert!(first.trim().len() >= 43, "256 bits");
    assert_eq!(place.run(&["token"]).await.stdout, first);
    let mode = place.path("data/token").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn whatever_berth_makes_is_its_operators_alone() {
    let place = Place::new(LOCAL);
    let _berth = Berth::serve(&place).await;
    let mut folders = vec![place.path("data")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            assert_eq!(metadata.permissions().mode() & 0o077, 0, "{:?}", entry.path());
            if metadata.is_dir() {
                folders.push(entry.path());
            }
            seen += 1;
        }
    }
    assert!(seen >= 4, "token, lock, socket and state");
}

#[tokio::test]
async fn an_error_in_the_configuration_names_file_line_key_and_fix() {
    let unchanged = Place::new(LOCAL);
    let file = unchanged.name("config.toml");
    for (text, line, says) in [
        (LOCAL.replace("plugin =", "plugins ="), 3, "unknown field `plugins`"),
        (
            LOCAL.replace("\"./mis", "\"mis").replace(".wasm", ""),
            3,
            "there is no plugin \"misbehaving\" in this binary",
        ),
        (
            LOCAL.replace("\"projects\"", "\"nowhere\""),
            4,
            "does not exist: make it with `mkdir -p ",
        ),
        (
            LOCAL.replace("\"projects\"", "\".\""),
            4,
            "is too wide a grant, since it holds berth's",
        ),
        (LOCAL.replace("[\"HOME\"]", "[\"HO ME\"]"), 5, "names no variables"),
        (
            LOCAL.replace("NO_COLOR", "LD_PRELOAD"),
            6,
            "a plugin must not set LD_PRELOAD",
        ),
        (LOCAL.replace("@text", "@all"), 12, "\"@all\" means nothing here"),
        (LOCAL.replace("\"-c\", \"true\"", "\"<word>\""), 11, "word"),
        (
            LOCAL.replace("fixed = [\"-e\"]", "timeout = \"soon\""),
            10,
            "\"soon\" is not a duration: write it like \"10s\"",
        ),
        (
            LOCAL.replace("fixed = [\"-e\"]", "output = \"much\""),
            10,
            "\"much\" is not a size: write it like \"64 KiB\"",
        ),
        (
            LOCAL.replace("fixed = [\"-e\"]", "output = \"1 TiB\""),
            10,
            "out of bounds",
        ),
        (
            LOCAL.replace("fixed = [\"-e\"]", "path = \"no-such-program\""),
            10,
            "it is not on PATH; install it",
        ),
        (
            LOCAL.replace("\nenv =", "\nagents = [\"nobody\"]\nenv ="),
            5,
            "there is no agent \"nobody\"",
        ),
        (format!("{LOCAL}[backends.local]\nplugin = \"tmux\"\n"), 13, "duplicate"),
        (
            format!("default_backend = \"moon\"\n{LOCAL}"),
            1,
            "there is no backend \"moon\" (there are: local)",
        ),
    ] {
        unchanged.configure(&text, "");
        let complaint = unchanged.complaint(&["check"]).await;
        assert!(
            complaint.starts_with(&format!("berth: {file}:{line}: ")),
            "{line}, {says}: {complaint}"
        );
        assert!(complaint.contains(says), "{says}: {complaint}");
    }
}

#[tokio::test]
async fn every_command_refuses_a_wrong_configuration() {
    let place = Place::new("[backends.local]\nplugin = \"nothing\"\n");
    for command in [
        &["serve"][..],
        &["stdio"],
        &["check"],
        &["tools"],
        &["call", "list_sessions"],
        &["token"],
    ] {
        let complaint = place.complaint(command).await;
        assert!(
            complaint.contains("config.toml:2: backends.local.plugin: "),
            "{command:?}: {complaint}"
        );
    }
}

#[tokio::test]
async fn a_configuration_that_others_may_write_is_refused() {
    let place = Place::new(LOCAL);
    place.write("config.toml", LOCAL, 0o666);
    let complaint = place.complaint(&["check"]).await;
    assert!(
        complaint.contains("can be written by others") && complaint.contains("chmod go-w"),
        "{complaint}"
    );
}

#[tokio::test]
async fn without_a_public_url_only_loopback_addresses_are_listened_on() {
    for address in ["0.0.0.0:8787", "[::]:8787", "192.0.2.1:8787"] {
        let place = Place::new(LOCAL);
        let text = place.read("config.toml").replace("127.0.0.1:0", address);
        place.write("config.toml", text, 0o600);
        let complaint = place.complaint(&["serve"]).await;
        assert!(
            complaint.contains("server.listen: ") && complaint.contains("listen on 127.0.0.1"),
            "{complaint}"
        );
    }
}

#[tokio::test]
async fn the_shipped_configuration_holds() {
    let place = Place::new(LOCAL);
    // The program that is meant need not be installed to see that the rest holds.
    place.write("bin/tmux", "#!/bin/sh\n", 0o755);
    std::fs::create_dir(place.path("home/projects")).unwrap();
    let ran = place.run_as_is(&["check"]).await;
    // Whoever has its port.
    let fails = |line: &&str| line.starts_with("fail ") && !line.starts_with("fail  listener: ");
    assert_eq!(ran.stdout.lines().find(fails), None, "{}", ran.stdout);
    assert!(
        ran.stdout.contains("the shipped configuration is valid.") && ran.stdout.contains("Backend local"),
        "{}",
        ran.stdout
    );
    std::fs::create_dir_all(place.path("home/.config/berth")).unwrap();
    place.write("home/.config/berth/config.toml", SHIPPED, 0o600);
    let ran = place.run_as_is(&["check"]).await;
    let own = place.name("home/.config/berth/config.toml");
    assert!(
        ran.stdout.contains(&format!("{own} is valid.")),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
}

#[tokio::test]
async fn a_filter_of_the_log_that_says_nothing_is_refused_with_the_right_form() {
    let place = Place::new(LOCAL);
    for wrong in ["berth=debgu", "berth==info", "=", ""] {
        let mut command = place.command(&["token", "--config", &place.name("config.toml")]);
        let output = command.env("BERTH_LOG", wrong).output().await.unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{wrong:?}");
        assert!(
            complaint.contains("write a level") && complaint.contains("BERTH_LOG=debug"),
            "{complaint}"
        );
    }
    let mut command = place.command(&["token", "--config", &place.name("config.toml")]);
    assert!(
        command
            .env("BERTH_LOG", "berth=debug")
            .status()
            .await
            .unwrap()
            .success()
    );
}

#[tokio::test]
async fn a_data_directory_of_somebody_elses_is_left_as_it_is() {
    let place = Place::new("[backends.local]\nplugin = \"misbehaving.wasm\"");
    std::fs::create_dir(place.path("thesis")).unwrap();
    place.write("thesis/chapter.tex", "", 0o644);
    std::fs::set_permissions(place.path("thesis"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = place.read("config.toml");
    for data in ["/", "/tmp", "~", "thesis"] {
        place.write(
            "config.toml",
            config.replace("data = \"data\"", &format!("data = \"{data}\"")),
            0o600,
        );
        for command in [&["token"][..], &["serve"], &["tools"], &["login", "status"]] {
            let complaint = place.complaint(command).await;
            assert!(
                complaint.contains("such as one that does not exist yet"),
                "{data}: {complaint}"
            );
            for word in ["chmod", "chown", "rm "] {
                assert!(!complaint.contains(word), "{data}: {complaint}");
            }
        }
    }
}
