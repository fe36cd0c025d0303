//! The record while something goes wrong: its file is held, berth is killed, entries are pruned, somebody tampers.

use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use crate::audit::{entries, file, verified};
use crate::berth::{Berth, Called, PATIENCE, Place, called};

/// A backend that remembers texts and may run a shell for a while, and one whose sessions never settle.
const SHELL: &str = r#"
default_backend = "local"
[backends.local]
plugin = "./misbehaving.wasm"
directories = ["projects"]
[backends.local.settings]
tools = ["remember", "run"]
[backends.local.limits]
deadline = "40s"
[backends.local.programs.sh]
path = "/bin/sh"
control = [["-c", "@text"]]
timeout = "30s"
[backends.other]
plugin = "./misbehaving.wasm"
[backends.other.settings]
list = "twins"
tools = []
"#;

/// Holds a file of the data directory as another process that writes, until it is dropped.
pub(crate) fn held(place: &Place, name: &str) -> Connection {
    let connection = Connection::open(place.path("data").join(name)).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

/// `berth serve` on one core, where that can be had.
fn on_one_core(place: &Place) -> Command {
    let serve = ["serve", "--config", &place.name("config.toml")];
    if !cfg!(target_os = "linux") {
        return place.command(&serve);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", "0", env!("CARGO_BIN_EXE_berth")]).args(serve);
    place.set_up(&mut command);
    command
}

/// A call in a task of its own.
fn begin(berth: &Berth, tool: &str, arguments: Value) -> tokio::task::JoinHandle<Called> {
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments},
    });
    let request = berth.request(&body);
    tokio::spawn(async move {
        let response = request.send().await.unwrap();
        called(&crate::berth::message(response).await)
    })
}

/// A call that goes on until `projects/go` is there.
fn begin_waiting(place: &Place, berth: &Berth) -> tokio::task::JoinHandle<Called> {
    let script = "until [ -e go ]; do sleep 0.05; done; echo went";
    let command = json!({"program": "sh", "args": ["-c", script], "directory": place.name("projects")});
    begin(berth, "run", json!({"commands": [command]}))
}

/// Waits until `berth audit` shows one call with this outcome.
async fn until_one(place: &Place, outcome: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut found = entries(place, &["--outcome", outcome]).await;
        if found.len() == 1 {
            return found.remove(0);
        }
        assert!(Instant::now() < deadline, "{:?}", entries(place, &[]).await);
        sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn while_another_process_holds_the_record_calls_alone_wait_and_are_refused_with_nothing_done() {
    let place = Place::new(SHELL);
    let berth = Berth::start(&place, on_one_core(&place)).await;
    let waiting = begin(
        &berth,
        "get_session_status",
        json!({"session_id": "other/calm-1", "wait_seconds": 15}),
    );
    let lock = held(&place, "audit.db");
    let refused = begin(&berth, "remember", json!({"text": "never"}));
    let health = berth.client.get(format!("{}/health", berth.base)).send().await.unwrap();
    assert!(health.status().is_success());
    assert!(
        !refused.is_finished(),
        "it was answered before those who need no record"
    );
    assert!(!berth.tools().await.is_empty());
    let error = refused.await.unwrap().error();
    assert!(error.contains("nothing was changed"), "{error}");
    assert!(!waiting.is_finished());

    drop(lock);
    assert_eq!(
        berth.call("remember", json!({"text": "now"})).await.done().text,
        "now\n"
    );
    let waited = waiting.await.unwrap();
    assert!(!waited.text.contains("record of calls"), "{}", waited.text);
    let tools: Vec<Value> = entries(&place, &[])
        .await
        .into_iter()
        .map(|entry| entry["tool"].clone())
        .collect();
    assert_eq!(tools, ["remember", "get_session_status"]);
    verified(&place).await;
}

#[tokio::test]
async fn calls_do_not_wait_for_who_holds_the_other_database() {
    let place = Place::new(SHELL);
    let berth = Berth::start(&place, on_one_core(&place)).await;
    berth.call("remember", json!({"text": "one"})).await.done();
    let lock = held(&place, "berth.db");
    assert_eq!(
        berth.call("remember", json!({"text": "two"})).await.done().text,
        "one\ntwo\n"
    );
    assert_eq!(entries(&place, &[]).await.len(), 2);
    drop(lock);
}

#[tokio::test]
async fn what_was_done_and_could_not_be_recorded_is_answered_with_a_note_and_recorded_later() {
    let place = Place::new(SHELL);
    let berth = Berth::serve(&place).await;
    let call = begin_waiting(&place, &berth);
    until_one(&place, "under-way").await;
    let lock = held(&place, "audit.db");
    place.write("projects/go", "", 0o600);
    let answer = call.await.unwrap().done();
    assert_eq!(answer.structured["outcomes"][0]["stdout"], "went\n", "{answer:?}");
    for said in [answer.text.as_str(), answer.structured["note"].as_str().unwrap()] {
        assert!(said.contains("do not repeat the call"), "{said}");
    }
    // Still begun; and nothing new is done.
    assert_eq!(entries(&place, &[]).await[0]["outcome"], "under-way");
    let error = berth.call("remember", json!({"text": "never"})).await.error();
    assert!(error.contains("nothing was changed"), "{error}");

    drop(lock);
    let recorded = until_one(&place, "ok").await;
    assert_eq!((&recorded["tool"], &recorded["begun"]), (&json!("run"), &json!(1)));
    assert_eq!(
        berth.call("remember", json!({"text": "now"})).await.done().text,
        "now\n"
    );
    verified(&place).await;
}

#[tokio::test]
async fn what_was_read_and_not_answered_since_it_could_not_be_recorded_counts_as_refused() {
    let place = Place::new(SHELL);
    let mut berth = Berth::serve(&place).await;
    let lock = held(&place, "audit.db");
    let read = json!({"session_id": "local/calm-1"});
    let error = berth.call("get_session_status", read).await.error();
    assert!(error.contains("is not answered"), "{error}");
    drop(lock);
    let recorded = until_one(&place, "refused").await;
    assert_eq!(recorded["tool"], "get_session_status");
    verified(&place).await;
    berth.terminate().await;
    let log = place.read("log");
    let line = log.lines().find(|line| line.contains("get_session_status"));
    assert!(line.is_some_and(|line| line.contains("outcome=\"refused\"")), "{log}");
}

/// Moves the record's file out of the data directory, or back in.
fn move_record(place: &Place, from: &str, to: &str) {
    for name in ["audit.db", "audit.db-wal", "audit.db-shm"] {
        let _ = std::fs::rename(place.path(from).join(name), place.path(to).join(name));
    }
}

#[tokio::test]
async fn a_record_that_was_moved_away_is_named_as_missing_and_the_new_one_says_so() {
    let place = Place::new(SHELL);
    let mut berth = Berth::serve(&place).await;
    berth.call("remember", json!({"text": "one"})).await.done();
    let named = async |berth: &str| {
        for args in [&["audit", "verify"][..], &["audit"], &["login", "set"]] {
            let complaint = place.complaint(args).await;
            assert!(
                complaint.contains("audit.db") && complaint.contains("is missing") && complaint.contains(berth),
                "{args:?}: {complaint}"
            );
            assert!(!complaint.contains("older"), "{complaint}");
        }
        let doctor = place.run(&["doctor"]).await.stdout;
        assert!(
            doctor.contains("fail  audit: the record of calls") && doctor.contains("is missing"),
            "{doctor}"
        );
    };
    move_record(&place, "data", "home");
    named("restart process").await;
    berth.terminate().await;
    named("start berth").await;
    assert!(!place.path("data/audit.db").exists(), "it was made again in silence");

    // Put back, it is as it was.
    move_record(&place, "home", "data");
    assert!(verified(&place).await.starts_with("2:"));

    move_record(&place, "data", "home");
    let berth = Berth::serve(&place).await;
    let log = place.read("log");
    assert!(log.contains("ERROR") && log.contains("moved away or removed"), "{log}");
    berth.call("remember", json!({"text": "two"})).await.done();
    let verify = place.run(&["audit", "verify"]).await;
    assert!(
        verify.success && verify.stdout.contains("the record before it was missing"),
        "{}",
        verify.stdout
    );
    let first = entries(&place, &[]).await.remove(0);
    assert_eq!((&first["event"], &first["seq"]), (&json!("record-missing"), &json!(1)));
    let doctor = place.run(&["doctor"]).await.stdout;
    assert!(
        doctor.contains("warn  audit: ") && doctor.contains("in the place of one that was missing"),
        "{doctor}"
    );
}

#[tokio::test]
async fn a_call_that_ends_with_berth_is_cut_off() {
    let place = Place::new(SHELL);
    let mut berth = Berth::serve(&place).await;
    let call = begin_waiting(&place, &berth);
    let open = until_one(&place, "under-way").await;
    assert_eq!((&open["tool"], &open["duration_ms"]), (&json!("run"), &Value::Null));
    call.abort();
    berth.kill().await;
    drop(berth);
    assert_eq!(until_one(&place, "cut-off").await["seq"], open["seq"]);

    let berth = Berth::serve(&place).await;
    let closed = until_one(&place, "cut-off").await;
    assert_eq!((&closed["begun"], &closed["tool"]), (&open["seq"], &json!("run")));
    assert_eq!(closed["arguments"], open["arguments"]);
    berth.call("remember", json!({"text": "x"})).await.done();
    let outcomes: Vec<Value> = entries(&place, &[])
        .await
        .into_iter()
        .map(|entry| entry["outcome"].clone())
        .collect();
    assert_eq!(outcomes, ["cut-off", "ok"]);
    let shown = place.run(&["audit"]).await.stdout;
    assert!(shown.contains("\tcut off\t"), "{shown}");
    verified(&place).await;
    place.write("projects/go", "", 0o600);
}

#[tokio::test]
async fn a_follower_sees_a_call_once_when_it_has_ended() {
    let place = Place::new(SHELL);
    let berth = Berth::serve(&place).await;
    let call = begin_waiting(&place, &berth);
    until_one(&place, "under-way").await;
    let mut command = place.command(&["audit", "-f", "--json", "--config", &place.name("config.toml")]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(child.stdout.take().unwrap()));
    berth.call("remember", json!({"text": "between"})).await.done();
    place.write("projects/go", "", 0o600);
    call.await.unwrap().done();
    for tool in ["remember", "run"] {
        let line = timeout(PATIENCE, lines.next_line())
            .await
            .expect("nothing is shown")
            .unwrap();
        let entry: Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert_eq!((&entry["tool"], &entry["outcome"]), (&json!(tool), &json!("ok")));
    }
    child.kill().await.unwrap();
}

#[tokio::test]
async fn each_call_is_one_line_of_the_log_with_the_number_of_its_entry() {
    let place = Place::new(&format!("{SHELL}[audit]\ntexts = true\n"));
    let mut berth = Berth::serve(&place).await;
    berth.call("remember", json!({"text": "a secret"})).await.done();
    berth
        .call("remember", json!({"text": "b", "backend": "nowhere"}))
        .await
        .error();
    berth
        .call("a\u{1b}[2J\nb\u{202e} INFO c", json!({"text": "a secret"}))
        .await
        .error();
    berth.terminate().await;
    let log = place.read("log");
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(" call{n=")).collect();
    assert_eq!(lines.len(), 3, "{log}");
    let expected = [
        r#"principal="local" tool="remember" backend="local" outcome="ok" ms="#,
        r#"principal="local" tool="remember" backend="nowhere" outcome="refused" ms="#,
        r#"principal="local" tool="a\u{1b}[2J\nb\u{202e} INFO c" outcome="refused" ms="#,
    ];
    for ((line, expected), seq) in lines.iter().zip(expected).zip([2, 4, 5]) {
        assert!(line.contains(" INFO ") && line.contains(expected), "{line}");
        assert!(line.ends_with(&format!(" entry={seq}")), "{line}");
    }
    assert!(!log.contains("secret") && !log.contains('\u{1b}'), "{log}");
}

#[tokio::test]
async fn pruning_asks_removes_and_says_so_while_berth_serves() {
    let place = Place::new(SHELL);
    let berth = Berth::serve(&place).await;
    for n in 0..4 {
        berth.call("remember", json!({"text": n.to_string()})).await.done();
    }
    let last = entries(&place, &["--limit", "1"]).await.remove(0);
    let prune = |more: &'static [&'static str]| [&["audit", "prune", "--before", "0s"], more].concat();
    let complaint = place.complaint(&prune(&[])).await;
    assert!(complaint.contains("--yes"), "{complaint}");
    assert_eq!(entries(&place, &[]).await.len(), 4);
    let none = place.run(&["audit", "prune", "--before", "2020-01-01", "--yes"]).await;
    assert!(
        none.success && none.stdout.contains("nothing is removed"),
        "{}",
        none.stdout
    );

    let ran = place.run(&prune(&["--yes"])).await;
    assert!(
        ran.success && ran.stdout.contains("8 entries from "),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
    let found = entries(&place, &[]).await;
    let events: Vec<(&Value, &Value)> = found.iter().map(|entry| (&entry["event"], &entry["seq"])).collect();
    assert_eq!(events, [(&json!("pruned"), &json!(8)), (&json!("pruned"), &json!(9))]);
    let who = format!("uid:{}", rustix::process::getuid().as_raw());
    assert!(found.iter().all(|entry| entry["principal"] == json!(who)), "{found:?}");
    berth.call("remember", json!({"text": "after"})).await.done();
    assert!(verified(&place).await.starts_with("11:"));
    let head = last["head"].as_str().unwrap();
    let complaint = place.complaint(&["audit", "verify", "--expect", head]).await;
    assert!(complaint.contains("was pruned"), "{complaint}");
}

#[tokio::test]
async fn what_runs_in_a_session_prunes_nothing() {
    let place = Place::new(SHELL);
    let mut command = place.command(&[
        "audit",
        "prune",
        "--before",
        "0s",
        "--yes",
        "--config",
        &place.name("config.toml"),
    ]);
    command.env(berth::peer::MARK, "tmux");
    let output = command.output().await.unwrap();
    assert!(!output.status.success());
    let shown = place
        .command(&["audit", "--config", &place.name("config.toml")])
        .env(berth::peer::MARK, "tmux")
        .output()
        .await;
    assert!(shown.unwrap().status.success(), "looking is allowed");
}

#[tokio::test]
async fn a_trigger_keeps_no_call_from_the_record_and_is_named() {
    let place = Place::new(SHELL);
    let berth = Berth::serve(&place).await;
    berth.call("remember", json!({"text": "one"})).await.done();
    let trigger = "CREATE TRIGGER quiet AFTER INSERT ON audit BEGIN DELETE FROM audit WHERE seq = new.seq; END";
    file(&place).execute_batch(trigger).unwrap();
    berth.call("remember", json!({"text": "two"})).await.done();
    assert_eq!(entries(&place, &[]).await.len(), 2);
    let complaint = place.complaint(&["audit", "verify"]).await;
    assert!(
        complaint.contains("the trigger quiet was added") && complaint.contains("sqlite3"),
        "{complaint}"
    );
    let doctor = place.run(&["doctor"]).await;
    assert!(
        !doctor.success && doctor.stdout.contains("the trigger quiet was added"),
        "{}",
        doctor.stdout
    );
}

#[tokio::test]
async fn with_a_last_number_that_nothing_can_follow_nothing_starts_and_the_doctor_says_why() {
    let place = Place::new(SHELL);
    let mut berth = Berth::serve(&place).await;
    berth.call("remember", json!({"text": "one"})).await.done();
    let change = "UPDATE audit SET seq = 9223372036854775807 WHERE seq = 2";
    file(&place).execute(change, ()).unwrap();
    // One that runs already does nothing more.
    let error = berth.call("remember", json!({"text": "two"})).await.error();
    assert!(error.contains("nothing was changed"), "{error}");
    berth.terminate().await;
    for command in [&["serve"][..], &["call", "remember", r#"{"text": "three"}"#]] {
        let complaint = place.complaint(command).await;
        assert!(
            complaint.contains("9223372036854775807") && complaint.contains("mv "),
            "{complaint}"
        );
    }
    let doctor = place.run(&["doctor"]).await.stdout;
    assert!(
        doctor.contains("fail  audit: ") && doctor.contains("9223372036854775807"),
        "{doctor}"
    );

    for name in ["audit.db", "audit.db-wal", "audit.db-shm"] {
        let _ = std::fs::rename(place.path("data").join(name), place.path(name));
    }
    let berth = Berth::serve(&place).await;
    assert_eq!(
        berth.call("remember", json!({"text": "four"})).await.done().text,
        "one\nfour\n"
    );
}
