//! What a backend may do is what its operator granted: programs, directories, variables, and bounds on each.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::process::Command;

use crate::berth::{Berth, Place};

/// A backend that may run a shell, which stands for whatever a program could do.
const SHELL: &str = r#"
[backends.bad]
plugin = "./misbehaving.wasm"
directories = ["projects"]
env = ["HOME", "LAN*"]
guest_env = ["GIVEN"]
read_tools = ["run_often"]
[backends.bad.limits]
deadline = "5s"
[backends.bad.programs.sh]
path = "/bin/sh"
read = [["-c", "true"]]
control = [["-c", "@text"], ["-c", "@text", "<word>"]]
words = { word = "[a-z]+" }
timeout = "500ms"
output = "1 KiB"
"#;

/// Lets the backend run `commands` and answers the outcome of each.
async fn outcomes(berth: &Berth, commands: Value) -> Vec<Value> {
    let answer = berth.call("run", json!({"commands": commands})).await.done();
    answer.structured["outcomes"].as_array().unwrap().clone()
}

async fn outcome(berth: &Berth, command: Value) -> Value {
    outcomes(berth, json!([command])).await.remove(0)
}

/// The outcome of one script in the granted directory.
async fn script(place: &Place, berth: &Berth, script: &str) -> Value {
    let command = json!({"program": "sh", "args": ["-c", script], "directory": place.name("projects")});
    outcome(berth, command).await
}

#[track_caller]
fn words<'a>(outcome: &'a Value, case: &str) -> &'a str {
    outcome[case]
        .as_str()
        .unwrap_or_else(|| panic!("not {case}: {outcome}"))
}

#[tokio::test]
async fn a_granted_program_runs_and_gives_status_and_output() {
    let place = Place::new(SHELL);
    let berth = Berth::serve(&place).await;
    let ran = outcome(
        &berth,
        json!({"program": "sh", "args": ["-c", "cat; echo err >&2; exit 3"], "stdin": "in"}),
    )
    .await;
    assert_eq!(
        ran,
        json!({"status": 3, "signal": null, "stdout": "in", "stderr": "err\n", "truncated": false})
    );
    let killed = outcome(&berth, json!({"program": "sh", "args": ["-c", "kill -9 $$"]})).await;
    assert_eq!((&killed["status"], &killed["signal"]), (&Value::Null, &json!(9)));
}

#[tokio::test]
async fn a_program_that_is_not_granted_is_denied_by_the_line_that_would_grant_it() {
    let place = Place::new(SHELL);
    let berth = Berth::serve(&place).await;
    for program in ["rm", "/bin/sh", "./sh", "../sh", "sh ", ""] {
        let denied = outcome(&berth, json!({"program": program, "args": ["-c", "true"]})).await;
        let why = words(&denied, "denied");
        assert!(why.contains("is not granted; [backends.bad.programs."), "{why}");
    }
}

#[tokio::test]
async fn arguments_that_no_pattern_takes_are_denied() {
    let place = Place::new(SHELL);
    let berth = Berth::serve(&place).await;
    let lists = [
        json!(["-c"]),
        json!(["-x", "-c", "true"]),
        json!(["-c", "true", "WORD"]),
        json!(["-c", "true", "word", "word"]),
        json!(["-c", "tr\u{1b}ue"]),
        json!(["-c", "tr\u{0}ue"]),
    ];
    for args in lists {
        let denied = outcome(&berth, json!({"program": "sh", "args": args})).await;
        let why = words(&denied, "denied");
        assert!(
            why.contains("[backends.bad.programs.sh] control = [...]"),
            "{args}: {why}"
        );
    }
    let denied = outcome(&berth, json!({"program": "sh", "args": []})).await;
    assert!(words(&denied, "denied").contains("there is no command"), "{denied}");
}

#[tokio::test]
async fn a_tool_that_only_reads_has_the_read_grants_alone() {
    let place = Place::new(SHELL);
    let berth = Berth::serve(&place).await;
    let run_often = |script: &str| {
        let command = json!({"program": "sh", "args": ["-c", script]});
        berth.call("run_often", json!({"times": 1, "command": command}))
    };
    let read = run_often("true").await.done();
    assert_eq!(read.structured["outcomes"][0]["status"], 0);
    let control = run_often("echo x").await.done();
    let why = words(&control.structured["outcomes"][0], "denied");
    assert!(
        why.contains("granted for control only") && why.contains("may only read"),
        "{why}"
    );
}

#[tokio::test]
async fn a_start_directory_lies_within_the_grant() {
    let place = Place::new(SHELL);
    let berth = Berth::serve(&place).await;
    fs::create_dir_all(place.path("projects/one/two")).unwrap();
    fs::create_dir(place.path("outside")).unwrap();
    symlink(place.path("projects/one"), place.path("projects/within")).unwrap();
    symlink("one/two", place.path("projects/relative")).unwrap();
    let pwd = |directory: &str| {
        let command = json!({"program": "sh", "args": ["-c", "pwd -P"], "directory": place.name(directory)});
        outcome(&berth, command)
    };
    for directory in ["projects", "projects/one/two"] {
        assert_eq!(words(&pwd(directory).await, "stdout").trim(), place.name(directory));
    }
    assert_eq!(
        words(&pwd("projects/relative").await, "stdout").trim(),
        place.name("projects/one/two")
    );
    let nowhere = outcome(&berth, json!({"program": "sh", "args": ["-c", "pwd -P"]})).await;
    assert_eq!(
        words(&nowhere, "stdout"),
        "/\n",
        "a program that needs none starts in the root"
    );
}

#[tokio::test]
async fn a_start_directory_outside_the_grant_is_denied() {
    let place = Place::new(SHELL);
    let berth = Berth::serve(&place).await;
    fs::create_dir(place.path("projects/one")).unwrap();
    fs::create_dir(place.path("outside")).unwrap();
    fs::create_dir(place.path("projects2")).unwrap();
    symlink(place.path("outside"), place.path("projects/out")).unwrap();
    symlink("../outside", place.path("projects/relative")).unwrap();
    symlink("/", place.path("projects/root")).unwrap();
    for directory in [
        "/".to_owned(),
        "/tmp".to_owned(),
        place.name(""),
        place.name("outside"),
        place.name("projects2"),
        place.name("projects/.."),
        place.name("projects/one/../.."),
        place.name("projects/out"),
        place.name("projects/relative"),
        place.name("projects/root/tmp"),
    ] {
        let command = json!({"program": "sh", "args": ["-c", "true"], "directory": directory});
        let denied = outcome(&berth, command).await;
        words(&denied, "denied");
    }
}

#[tokio::test]
async fn a_start_directory_that_is_none_is_an_error() {
    let place = Place::new(SHELL);
    let berth = Berth::serve(&place).await;
    place.write("projects/file", "", 0o644);
    let start = |directory: String| {
        let command = json!({"program": "sh", "args": ["-c", "true"], "directory": directory});
        outcome(&berth, command)
    };
    words(&start(place.name("projects/gone")).await, "not_found");
    words(&start(place.name("projects/file")).await, "failed");
    words(&start("projects".into()).await, "denied");
    words(&start(String::new()).await, "denied");
}

#[tokio::test]
async fn only_granted_variables_reach_a_program() {
    let place = Place::new(SHELL);
    let berth = Berth::serve(&place).await;
    let command = json!({"program": "sh", "args": ["-c", "env"], "env": [["GIVEN", "by the plugin"]]});
    let ran = outcome(&berth, command).await;
    let mut variables: Vec<&str> = words(&ran, "stdout").lines().collect();
    // A shell adds these itself.
    variables.retain(|line| {
        !["PWD=", "OLDPWD=", "SHLVL=", "_="]
            .iter()
            .any(|own| line.starts_with(own))
    });
    variables.sort_unstable();
    let home = format!("HOME={}", place.name("home"));
    assert_eq!(
        variables,
        ["BERTH_SESSION=bad", "GIVEN=by the plugin", &home, "LANG=C.UTF-8"]
    );
}

#[tokio::test]
async fn a_variable_that_the_plugin_may_not_set_is_denied() {
    let place = Place::new(SHELL);
    let berth = Berth::serve(&place).await;
    for name in ["PATH", "HOME", "LD_PRELOAD", "GIVEN2", "given", "", "GIVEN=x"] {
        let command = json!({"program": "sh", "args": ["-c", "true"], "env": [[name, "x"]]});
        let denied = outcome(&berth, command).await;
        let why = words(&denied, "denied");
        assert!(why.contains("`guest_env` in [backends.bad] would grant it"), "{why}");
    }
}

#[tokio::test]
async fn a_program_makes_files_as_its_operator_does() {
    let place = Place::new(SHELL);
    let mut command = Command::new("/bin/sh");
    let config = place.name("config.toml");
    command.args([
        "-c",
        "umask 026; exec \"$0\" \"$@\"",
        env!("CARGO_BIN_EXE_berth"),
        "serve",
        "--config",
        &config,
    ]);
    place.set_up(&mut command);
    let berth = Berth::start(&place, command).await;
    let ran = script(&place, &berth, "umask").await;
    assert_eq!(words(&ran, "stdout").trim_start_matches('0'), "26\n");
}

#[tokio::test]
async fn output_past_the_cap_is_cut_and_ends_the_program() {
    let place = Place::new(SHELL);
    let berth = Berth::serve(&place).await;
    let life = place.life().await;
    let ran = script(
        &place,
        &berth,
        "exec 9>life; echo lives >&9; while :; do echo xxxxxxxxxxxxxxx; done",
    )
    .await;
    assert_eq!(ran["truncated"], true);
    assert_eq!(words(&ran, "stdout").len(), 1024);
    assert_eq!(life.ended().await, "lives\n");
}

#[tokio::test]
async fn a_program_past_its_time_ends_with_all_that_it_started() {
    let place = Place::new(SHELL);
    let berth = Berth::serve(&place).await;
    let life = place.life().await;
    let tree = "exec 9>life
        (trap '' TERM HUP INT; echo stubborn >&9; while :; do sleep 60; done) &
        (sleep 60 & echo grandchild >&9; wait) &
        (exec >&- 2>&- <&-; echo quiet >&9; sleep 60) &
        wait";
    let began = Instant::now();
    let ended = script(&place, &berth, tree).await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let why = words(&ended, "timed_out");
    assert!(
        why.contains("`sh` did not end within ") && why.contains("ended with its children"),
        "{why}"
    );
    let mut lived: Vec<_> = life.ended().await.lines().map(str::to_owned).collect();
    lived.sort();
    assert_eq!(lived, ["grandchild", "quiet", "stubborn"]);
}

#[tokio::test]
async fn what_a_program_leaves_running_ends_with_it() {
    let place = Place::new(SHELL);
    let berth = Berth::serve(&place).await;
    let life = place.life().await;
    let began = Instant::now();
    let ran = script(&place, &berth, "exec 9>life; (trap '' HUP TERM; sleep 60) & echo over").await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(words(&ran, "stdout"), "over\n");
    assert_eq!(ran["status"], 0);
    assert_eq!(life.ended().await, "");
}

/// The same backend, and what its shell leaves running goes on.
fn lingering() -> Place {
    Place::new(&format!("{SHELL}lingers = true\n"))
}

#[tokio::test]
async fn what_a_program_leaves_running_goes_on_where_its_grant_lingers() {
    // What is left holds both outputs open, or none.
    for outputs in ["", ">/dev/null 2>&1"] {
        let place = lingering();
        let mut berth = Berth::serve(&place).await;
        let life = place.life().await;
        let began = Instant::now();
        let child = "until [ -e go ]; do sleep 0.1; done; echo alive >&9";
        let ran = script(&place, &berth, &format!("exec 9>life; ({child}) {outputs} & echo over")).await;
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        assert_eq!((words(&ran, "stdout"), &ran["status"]), ("over\n", &json!(0)));
        // It outlives berth as well.
        berth.terminate().await;
        place.write("projects/go", "", 0o600);
        assert_eq!(life.ended().await, "alive\n", "{outputs:?}");
    }
}

#[tokio::test]
async fn what_lingers_is_said_where_the_grants_are_shown() {
    for (place, lingers) in [(lingering(), true), (Place::new(SHELL), false)] {
        let said = place.run(&["check", "--grants"]).await.stdout;
        assert_eq!(said.contains("what it leaves running goes on"), lingers, "{said}");
        let found: Value = serde_json::from_str(&place.run(&["check", "--json"]).await.stdout).unwrap();
        assert_eq!(found["backends"][0]["programs"][0]["lingers"], lingers);
    }
}

#[tokio::test]
async fn what_fails_ends_with_all_that_it_started_whether_its_grant_lingers_or_not() {
    let place = lingering();
    let berth = Berth::serve(&place).await;
    for (end, case) in [
        ("exit 1", "status"),
        ("kill -9 $$", "signal"),
        ("sleep 60", "timed_out"),
        ("yes", "truncated"),
    ] {
        let life = place.life().await;
        let ended = script(
            &place,
            &berth,
            &format!("exec 9>life; (trap '' HUP TERM; sleep 60) & {end}"),
        )
        .await;
        assert!(
            !matches!(ended[case], Value::Null | Value::Bool(false)),
            "{end}: {ended}"
        );
        assert_eq!(life.ended().await, "", "{end}");
        fs::remove_file(place.path("projects/life")).unwrap();
    }
}

#[tokio::test]
async fn a_plugin_may_ask_for_less_time_but_not_for_more() {
    let place = Place::new(SHELL);
    let berth = Berth::serve(&place).await;
    for (script, asked) in [("sleep 0.3", 1), ("sleep 60", 60_000)] {
        let command = json!({"program": "sh", "args": ["-c", script], "timeout_ms": asked});
        words(&outcome(&berth, command).await, "timed_out");
    }
}

#[tokio::test]
async fn a_plugin_may_not_hand_a_program_more_than_a_megabyte() {
    let place = Place::new(SHELL);
    let berth = Berth::serve(&place).await;
    let command = json!({"program": "sh", "args": ["-c", "cat >/dev/null"]});
    let hand = |bytes: usize| berth.call("huge_request", json!({"bytes": bytes, "command": command}));
    assert_eq!(hand(1 << 20).await.done().structured["outcomes"][0]["status"], 0);
    let more = hand((1 << 20) + 1).await.done();
    let why = words(&more.structured["outcomes"][0], "invalid");
    assert!(why.contains("1048577 bytes; at most 1048576"), "{why}");
}

#[tokio::test]
async fn a_call_may_not_start_programs_without_end() {
    // As many programs as a call may start take longer on a busy machine than the others of these tests.
    let place = Place::new(&SHELL.replace("deadline = \"5s\"", "deadline = \"50s\""));
    let berth = Berth::serve(&place).await;
    let command = json!({"program": "sh", "args": ["-c", "true"]});
    let often = |times: usize| berth.call("run_often", json!({"times": times, "command": command}));
    assert_eq!(often(10).await.done().structured["outcomes"][0]["status"], 0);
    let limited = often(257).await.done();
    let why = words(&limited.structured["outcomes"][0], "limited");
    assert!(why.contains("one call may start 256 programs, 64 at a time"), "{why}");
    let at_once = outcomes(&berth, json!(vec![command; 65])).await;
    assert_eq!(at_once.len(), 65);
    for limited in &at_once {
        words(limited, "limited");
    }
}

#[tokio::test]
async fn calls_and_programs_past_their_limit_wait_their_turn() {
    let limits = "[backends.bad.limits]\ncalls = 1\nprocesses = 1\n";
    let place = Place::new(&SHELL.replace("[backends.bad.limits]\n", limits));
    let berth = Berth::serve(&place).await;
    let nap = json!({"program": "sh", "args": ["-c", "sleep 0.1; echo awake"]});
    let hasty = json!({"program": "sh", "args": ["-c", "true"], "timeout_ms": 10});
    let calls = (0..3).map(|_| outcomes(&berth, json!([nap, nap, hasty])));
    for ran in futures::future::join_all(calls).await {
        assert_eq!(
            (words(&ran[0], "stdout"), words(&ran[1], "stdout")),
            ("awake\n", "awake\n")
        );
        let why = words(&ran[2], "timed_out");
        assert!(
            why.contains("was not started: too many programs of backend `bad` were running"),
            "{why}"
        );
    }
}

#[tokio::test]
async fn each_of_several_commands_has_an_outcome_of_its_own() {
    let place = Place::new(SHELL);
    let berth = Berth::serve(&place).await;
    let ran = outcomes(
        &berth,
        json!([
            {"program": "sh", "args": ["-c", "echo one"]},
            {"program": "rm"},
            {"program": "sh", "args": ["-c", "sleep 60"]},
            {"program": "sh", "args": ["-c", "echo four"]},
        ]),
    )
    .await;
    assert_eq!(words(&ran[0], "stdout"), "one\n");
    words(&ran[1], "denied");
    words(&ran[2], "timed_out");
    assert_eq!(words(&ran[3], "stdout"), "four\n");
}

#[tokio::test]
async fn files_within_the_grant_can_be_listed_and_read() {
    let place = Place::new(SHELL);
    let berth = Berth::serve(&place).await;
    fs::create_dir(place.path("projects/one")).unwrap();
    place.write("projects/one/file", "0123456789", 0o644);
    symlink("one/file", place.path("projects/within")).unwrap();
    let listed = berth
        .call("list_files", json!({"path": place.name("projects/one")}))
        .await
        .done();
    assert_eq!(
        listed.structured,
        json!({"names": ["file"], "roots": [place.name("projects")]})
    );
    for path in ["projects/one/file", "projects/within"] {
        let read = berth
            .call("read_file", json!({"path": place.name(path), "max": 4}))
            .await
            .done();
        assert_eq!(read.text, "0123");
    }
}

#[tokio::test]
async fn no_path_leads_out_of_the_granted_directories() {
    let place = Place::new(SHELL);
    let berth = Berth::serve(&place).await;
    fs::create_dir(place.path("projects/one")).unwrap();
    fs::create_dir(place.path("outside")).unwrap();
    place.write("outside/secret", "secret", 0o644);
    symlink(place.path("outside"), place.path("projects/absolute")).unwrap();
    symlink("../../outside", place.path("projects/one/relative")).unwrap();
    symlink("../outside/secret", place.path("projects/file")).unwrap();
    symlink("/dev/zero", place.path("projects/device")).unwrap();
    for path in [
        "outside/secret",
        "projects/../outside/secret",
        "projects/one/../../outside/secret",
        "projects/absolute/secret",
        "projects/one/relative/secret",
        "projects/file",
        "projects/device",
        "config.toml",
        "data/token",
    ] {
        let error = berth.call("read_file", json!({"path": place.name(path)})).await.error();
        assert!(
            error.starts_with("denied by the operator's configuration"),
            "{path}: {error}"
        );
    }
    for path in [
        "",
        "outside",
        "projects/..",
        "projects/absolute",
        "projects/one/relative",
    ] {
        let error = berth
            .call("list_files", json!({"path": place.name(path)}))
            .await
            .error();
        assert!(
            error.starts_with("denied by the operator's configuration"),
            "{path}: {error}"
        );
    }
}

#[tokio::test]
async fn of_a_folder_of_files_only_those_with_granted_names_are_shown_and_nothing_runs_there() {
    let granted = "directories = [\"projects\"]\nfiles = [{ under = \"notes\", names = \"*.log\" }, \
                   { under = \"notes\", names = \"*.txt\" }, { under = \"later\", names = \"state\" }]";
    let place = Place::new(&SHELL.replace("directories = [\"projects\"]", granted));
    fs::create_dir_all(place.path("notes/deep/er")).unwrap();
    fs::create_dir(place.path("outside")).unwrap();
    place.write("notes/a.log", "of a", 0o644);
    place.write("notes/deep/er/b.txt", "of b", 0o644);
    place.write("notes/secret.key", "secret", 0o644);
    place.write("outside/c.log", "secret", 0o644);
    symlink("secret.key", place.path("notes/link.log")).unwrap();
    symlink(place.path("outside/c.log"), place.path("notes/out.log")).unwrap();
    symlink(place.path("outside"), place.path("notes/away")).unwrap();
    fs::create_dir(place.path("notes/folder.log")).unwrap();
    let berth = Berth::serve(&place).await;
    let read = async |path: &str| berth.call("read_file", json!({"path": place.name(path)})).await;
    let list = async |path: &str| berth.call("list_files", json!({"path": place.name(path)})).await;
    for (path, holds) in [("notes/a.log", "of a"), ("notes/deep/er/b.txt", "of b")] {
        assert_eq!(read(path).await.done().text, holds);
    }
    let listed = list("notes").await.done().structured;
    assert_eq!(listed["names"], json!(["a.log"]));
    assert_eq!(listed["roots"], json!([place.name("projects")]));
    for path in [
        "notes",
        "notes/secret.key",
        "notes/link.log",
        "notes/out.log",
        "notes/away/c.log",
        "notes/../outside/c.log",
        "notes/deep/../../outside/c.log",
        "outside/c.log",
    ] {
        let error = read(path).await.error();
        assert!(
            error.starts_with("denied by the operator's configuration"),
            "{path}: {error}"
        );
    }
    assert!(read("notes/folder.log").await.error().contains("not a regular file"));
    let inside = json!({"program": "sh", "args": ["-c", "true"], "directory": place.name("notes")});
    let denied = outcome(&berth, inside).await;
    assert!(words(&denied, "denied").contains("lies outside the granted directories"));
    // One that is not there yet is found once it is.
    for path in ["later", "later/state"] {
        assert!(list(path).await.error().contains("does not exist"), "{path}");
    }
    fs::create_dir(place.path("later")).unwrap();
    place.write("later/state", "here", 0o644);
    place.write("later/states", "not this", 0o644);
    assert_eq!(read("later/state").await.done().text, "here");
    assert_eq!(list("later").await.done().structured["names"], json!(["state"]));
}

#[tokio::test]
async fn what_is_no_file_is_not_read_and_holds_nothing_up() {
    let place = Place::new(SHELL);
    let berth = Berth::serve(&place).await;
    let _fifo = place.life().await;
    let silent = Command::new("mkfifo")
        .arg(place.path("projects/silent"))
        .status()
        .await
        .unwrap();
    assert!(silent.success());
    let _socket = std::os::unix::net::UnixListener::bind(place.path("projects/socket")).unwrap();
    for path in ["projects", "projects/life", "projects/silent", "projects/socket"] {
        let began = Instant::now();
        let error = berth.call("read_file", json!({"path": place.name(path)})).await.error();
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "{path}: {:?}",
            began.elapsed()
        );
        assert!(error.contains(&place.name(path)), "{error}");
    }
    let gone = berth
        .call("read_file", json!({"path": place.name("projects/gone")}))
        .await
        .error();
    assert!(gone.contains("does not exist"), "{gone}");
}

#[tokio::test]
async fn one_read_is_bounded() {
    let place = Place::new(SHELL);
    let berth = Berth::serve(&place).await;
    let sparse = fs::File::create(place.path("projects/large")).unwrap();
    sparse.set_len(1 << 30).unwrap();
    let read = |max: u64| berth.call("read_file", json!({"path": place.name("projects/large"), "max": max}));
    assert_eq!(
        read(1_000).await.done().text.len(),
        0,
        "a file of NUL bytes, which no answer holds"
    );
    let error = read(1 << 30).await.error();
    assert!(error.contains("4194304 bytes in all"), "{error}");
}

#[tokio::test]
async fn a_directory_put_in_the_place_of_a_granted_one_is_the_one_that_is_used() {
    let place = Place::new(SHELL);
    let berth = Berth::serve(&place).await;
    place.write("projects/old", "old", 0o644);
    fs::rename(place.path("projects"), place.path("away")).unwrap();
    let list = async || berth.call("list_files", json!({"path": place.name("projects")})).await;
    let gone = list().await.error();
    assert!(
        gone.contains("make it again") && gone.contains("[backends.bad]"),
        "{gone}"
    );
    words(&script(&place, &berth, "pwd -P").await, "denied");

    fs::create_dir(place.path("projects")).unwrap();
    place.write("projects/new", "new", 0o644);
    let listed = list().await.done().structured.to_string();
    assert!(listed.contains("new") && !listed.contains("old"), "{listed}");
    let started = script(&place, &berth, "pwd -P; ls").await;
    assert_eq!(words(&started, "stdout"), format!("{}\nnew\n", place.name("projects")));
    let old = json!({"path": place.name("projects/old")});
    berth.call("read_file", old).await.error();
}

#[tokio::test]
async fn what_is_not_the_granted_directory_is_refused_until_that_is_back() {
    let place = Place::new("");
    fs::create_dir(place.path("second")).unwrap();
    fs::create_dir(place.path("outside")).unwrap();
    place.write("second/file", "second", 0o644);
    place.write("projects/file", "first", 0o644);
    place.write("outside/file", "secret", 0o644);
    place.configure(&SHELL.replace("[\"projects\"]", "[\"projects\", \"second\"]"), "");
    let berth = Berth::serve(&place).await;
    let read = async |name: &str| berth.call("read_file", json!({"path": place.name(name)})).await;
    let projects = place.path("projects");
    fs::rename(&projects, place.path("away")).unwrap();
    let put: [(&str, &dyn Fn()); 4] = [
        ("symbolic link", &|| symlink(place.path("outside"), &projects).unwrap()),
        ("symbolic link", &|| symlink(place.path("away"), &projects).unwrap()),
        ("cannot be opened as a directory", &|| fs::write(&projects, "").unwrap()),
        // What holds berth's own data, which the data's path leads to as well.
        ("holds berth's data", &|| {
            fs::create_dir(&projects).unwrap();
            fs::rename(place.path("data"), projects.join("data")).unwrap();
            symlink(projects.join("data"), place.path("data")).unwrap();
        }),
    ];
    for (why, put) in put {
        put();
        let refused = read("projects/file").await.error();
        assert!(refused.contains(why), "{refused}");
        assert!(
            words(&script(&place, &berth, "cat file").await, "denied").contains(why),
            "{why}"
        );
        assert_eq!(
            read("second/file").await.done().text,
            "second",
            "the other one is as it was"
        );
        if why.starts_with("holds") {
            fs::remove_file(place.path("data")).unwrap();
            fs::rename(projects.join("data"), place.path("data")).unwrap();
            fs::remove_dir(&projects).unwrap();
        } else {
            fs::remove_file(&projects).unwrap();
        }
    }
    fs::rename(place.path("away"), &projects).unwrap();
    assert_eq!(read("projects/file").await.done().text, "first");
}
