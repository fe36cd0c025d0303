//! The record of calls: what stands in it, when, and what `berth audit` makes of it.

use std::process::Stdio;
use std::time::Instant;

use berth::store::DataDirectory;
use berth::store::audit::{Entry, Event};
use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

use crate::berth::{Berth, PATIENCE, Place};

const TWO: &str = r#"
default_backend = "local"
[backends.local]
plugin = "./misbehaving.wasm"
[backends.local.settings]
tools = ["noop", "remember", "trap"]
[backends.other]
plugin = "./misbehaving.wasm"
[backends.other.settings]
tools = ["noop"]
[tools.alias.stop]
tool = "terminate_session"
arguments = { session_id = "other/calm-2" }
"#;

/// What has one entry in the record: it only reads, or does not exist.
const READING: [&str; 6] = [
    "list_sessions",
    "get_session_status",
    "list_projects",
    "fetch",
    "get_logs",
    "no_such_tool",
];

/// What `berth audit` with `args` prints as JSON.
pub(crate) async fn entries(place: &Place, args: &[&str]) -> Vec<Value> {
    let ran = place.run(&[&["audit", "--json"], args].concat()).await;
    assert!(ran.success, "{}", ran.stderr);
    ran.stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// The texts of `fields` in an entry, with blanks between them.
fn words(entry: &Value, fields: &[&str]) -> String {
    let words: Vec<&str> = fields
        .iter()
        .map(|field| entry[field].as_str().unwrap_or("-"))
        .collect();
    words.join(" ")
}

/// The head that `berth audit verify` prints.
pub(crate) async fn verified(place: &Place) -> String {
    let ran = place.run(&["audit", "verify"]).await;
    assert!(ran.success, "{}", ran.stderr);
    let (_, head) = ran.stdout.trim().split_once("entries, head ").unwrap();
    head.to_owned()
}

/// The record's file, as somebody may open it who runs as the operator.
pub(crate) fn file(place: &Place) -> Connection {
    Connection::open(place.path("data/audit.db")).unwrap()
}
#[tokio::test]
async fn each_call_is_recorded_with_what_came_of_it() {
    let place = Place::new(TWO);
    let berth = Berth::serve(&place).await;
    let calls = [
        ("list_sessions", json!({}), "list_sessions - - ok"),
        (
            "get_session_status",
            json!({"session_id": "other/calm-1"}),
            "get_session_status other other/calm-1 ok",
        ),
        (
            "send_message",
            json!({"session_id": "local/dead-1", "message": "x"}),
            "send_message local local/dead-1 refused",
        ),
        (
            "respond_to_prompt",
            json!({"session_id": "local/asks-1", "response": "perhaps"}),
            "respond_to_prompt local local/asks-1 refused",
        ),
        ("create_session", json!({}), "create_session local - refused"),
        ("list_projects", json!({"backend": "other"}), "list_projects other - ok"),
        ("remember", json!({"text": "x"}), "remember local - ok"),
        ("noop", json!({"backend": "other"}), "noop other - ok"),
        ("trap", json!({}), "trap local - failed"),
        ("stop", json!({}), "stop other other/calm-2 ok"),
        ("fetch", json!({"id": "local/calm-1"}), "fetch local local/calm-1 ok"),
        ("get_logs", json!({}), "get_logs - - refused"),
        ("no_such_tool", json!({}), "no_such_tool - - refused"),
        (
            "interrupt_session",
            json!({"session_id": "nowhere/x"}),
            "interrupt_session nowhere nowhere/x refused",
        ),
    ];
    let mut head = 0;
    for (tool, arguments, expected) in &calls {
        berth.call(tool, arguments.clone()).await;
        let last = entries(&place, &["--limit", "1"]).await.remove(0);
        assert_eq!(words(&last, &["tool", "backend", "session", "outcome"]), *expected);
        assert_eq!(words(&last, &["event", "principal"]), "call local");
        assert!(last["duration_ms"].is_u64() && last["at"].is_string(), "{last}");
        assert_eq!(last["arguments"].as_str().unwrap().len(), 64);
        assert_eq!((&last["text"], &last["cost_usd"]), (&Value::Null, &Value::Null));
        // What only reads, or is not a tool at all, has one entry.
        let seq = last["seq"].as_u64().unwrap();
        let intention = if READING.contains(tool) {
            Value::Null
        } else {
            json!(seq - 1)
        };
        assert_eq!(last["begun"], intention, "{tool}");
        head = seq;
    }
    assert_eq!(entries(&place, &[]).await.len(), calls.len());
    assert!(verified(&place).await.starts_with(&format!("{head}:")));
}

#[tokio::test]
async fn texts_stand_in_the_record_only_if_the_operator_wants_them() {
    for (settings, text) in [
        ("", Value::Null),
        ("[audit]\ntexts = true\n", json!(r#"{"text":"a secret"}"#)),
    ] {
        let place = Place::new(&format!("{TWO}{settings}"));
        let berth = Berth::serve(&place).await;
        berth.call("remember", json!({"text": "a secret"})).await.done();
        assert_eq!(entries(&place, &[]).await[0]["text"], text);
        drop(berth);
        let files = ["data/audit.db", "data/audit.db-wal"].map(|name| std::fs::read(place.path(name)));
        let found = files.iter().flatten().any(|bytes| contains(bytes, b"a secret"));
        assert_eq!(found, !text.is_null());
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[tokio::test]
async fn what_was_answered_is_recorded_even_if_berth_is_killed_at_once() {
    let place = Place::new(TWO);
    for round in 1..=3 {
        let mut berth = Berth::serve(&place).await;
        berth.call("noop", json!({})).await.done();
        berth.kill().await;
        drop(berth);
        let head = verified(&place).await;
        assert!(head.starts_with(&format!("{}:", 2 * round)), "{head}");
    }
}

#[tokio::test]
async fn with_sync_it_is_recorded_as_well() {
    let place = Place::new(&format!("{TWO}[audit]\nsync = true\n"));
    let berth = Berth::serve(&place).await;
    berth.call("noop", json!({})).await.done();
    assert_eq!(entries(&place, &[]).await.len(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_is_recorded_too() {
    let place = Place::new(&TWO.replacen("tools = ", "list = \"twins\"\ntools = ", 1));
    let berth = Berth::serve(&place).await;
    let arguments = json!({"session_id": "local/calm-1", "wait_seconds": 20});
    let deadline = Instant::now() + PATIENCE;
    while entries(&place, &["--outcome", "gone"]).await.is_empty() {
        assert!(Instant::now() < deadline, "it is not recorded");
        let params = json!({"name": "get_session_status", "arguments": arguments});
        let call = berth.ask("tools/call", params);
        assert!(timeout(std::time::Duration::from_millis(300), call).await.is_err());
    }
}

#[tokio::test]
async fn other_processes_write_into_the_same_chain() {
    let place = Place::new(TWO);
    let berth = Berth::serve(&place).await;
    let data = DataDirectory::open(&place.path("data"), &place.path("cache")).unwrap();
    let mut audit = data.audit(false).unwrap();
    for n in 0..20 {
        let created = Entry::at_door(Event::TokenCreated, "local", format!("token {n}"));
        let (called, written) = tokio::join!(berth.call("noop", json!({})), async { audit.append(&[created]) });
        called.done();
        written.unwrap();
    }
    // `berth call` is one more process, and its call the server's.
    assert!(place.run(&["call", "noop"]).await.success);
    assert_eq!(entries(&place, &["--tool", "noop"]).await.len(), 21);
    assert_eq!(entries(&place, &["--tool", "token-created"]).await.len(), 20);
    assert!(verified(&place).await.starts_with("62:"));
}

#[tokio::test]
async fn verify_finds_what_was_changed_and_a_kept_head_what_was_cut_off() {
    let place = Place::new(TWO);
    let berth = Berth::serve(&place).await;
    for _ in 0..3 {
        berth.call("list_sessions", json!({})).await.done();
    }
    let head = verified(&place).await;
    let last = entries(&place, &["--limit", "1"]).await.remove(0);
    assert_eq!(last["head"], json!(head));
    assert!(place.run(&["audit", "verify", "--expect", &head]).await.success);
    assert!(
        place
            .complaint(&["audit", "verify", "--expect", "3"])
            .await
            .contains("SEQ:SEAL")
    );

    let file = file(&place);
    file.execute("DELETE FROM audit WHERE seq = 3", ()).unwrap();
    assert!(verified(&place).await.starts_with("2:"));
    let complaint = place.complaint(&["audit", "verify", "--expect", &head]).await;
    assert!(
        complaint.contains("ends with entry 2") && complaint.contains(&head),
        "{complaint}"
    );

    file.execute("UPDATE audit SET principal = 'x' WHERE seq = 1", ())
        .unwrap();
    let complaint = place.complaint(&["audit", "verify"]).await;
    assert!(complaint.contains("entry 1 does not fit"), "{complaint}");
}

#[tokio::test]
async fn the_head_stands_in_the_log_at_the_start_and_at_the_end() {
    let place = Place::new(TWO);
    let mut berth = Berth::serve(&place).await;
    berth.call("noop", json!({})).await.done();
    berth.terminate().await;
    let head = verified(&place).await;
    let log = place.read("log");
    let heads: Vec<&str> = log
        .lines()
        .filter_map(|line| Some(line.split_once("head of the record is ")?.1))
        .collect();
    assert_eq!(heads, [format!("0:{}", "0".repeat(32)), head]);
    // A command of a moment says nothing of it.
    let ran = place.run(&["call", "noop"]).await;
    assert!(ran.success && ran.stderr.is_empty(), "{}", ran.stderr);
}

#[tokio::test]
async fn a_lost_key_is_complained_of_at_the_start() {
    let place = Place::new(TWO);
    let mut berth = Berth::serve(&place).await;
    berth.call("noop", json!({})).await.done();
    berth.terminate().await;
    std::fs::remove_file(place.path("data/audit.key")).unwrap();
    let mut berth = Berth::serve(&place).await;
    berth.terminate().await;
    assert!(
        place
            .read("log")
            .contains("does not fit its key; run: berth audit verify")
    );
}

#[tokio::test]
async fn while_it_cannot_be_written_nothing_is_done() {
    let place = Place::new(TWO);
    let mut berth = Berth::serve(&place).await;
    let remember = async |text: &str| berth.call("remember", json!({"text": text})).await;
    assert_eq!(remember("one").await.done().text, "one\n");
    let file = file(&place);
    file.execute("CREATE UNIQUE INDEX full ON audit ((seq - seq)) WHERE seq > 1", ())
        .unwrap();
    for text in ["two", "three"] {
        let error = remember(text).await.error();
        assert!(error.contains("nothing was changed"), "{error}");
    }
    let error = berth.call("list_sessions", json!({})).await.error();
    assert!(error.contains("nothing was changed"), "{error}");

    file.execute("DROP INDEX full", ()).unwrap();
    assert_eq!(remember("four").await.done().text, "one\nfour\n");
    let recorded = entries(&place, &[]).await;
    assert_eq!(recorded.len(), 2, "{recorded:?}");
    verified(&place).await;
    berth.terminate().await;
    let log = place.read("log");
    assert!(
        log.contains("UNIQUE constraint failed") && log.contains("is written again"),
        "{log}"
    );
    assert_eq!(
        log.matches("cannot be written, so calls are refused").count(),
        1,
        "{log}"
    );
}

#[tokio::test]
async fn filters_and_the_limit_choose_what_is_shown() {
    let place = Place::new(TWO);
    let berth = Berth::serve(&place).await;
    for (tool, arguments) in [
        ("noop", json!({})),
        ("noop", json!({"backend": "other"})),
        ("trap", json!({})),
        ("list_sessions", json!({"backend": "other"})),
    ] {
        berth.call(tool, arguments).await;
    }
    for (args, expected) in [
        (&["--tool", "noop"][..], vec![2, 4]),
        (&["--backend", "other"], vec![4, 7]),
        (&["--outcome", "failed"], vec![6]),
        (&["--outcome", "cut-off"], vec![]),
        (&["--principal", "loc"], vec![2, 4, 6, 7]),
        (&["--principal", "app:"], vec![]),
        (&["--since", "1h"], vec![2, 4, 6, 7]),
        (&["--since", "9999-01-01"], vec![]),
        (&["--limit", "2"], vec![6, 7]),
        (&["--limit", "1", "--backend", "local"], vec![6]),
        (&["--limit", "0"], vec![2, 4, 6, 7]),
    ] {
        let found: Vec<u64> = entries(&place, args)
            .await
            .iter()
            .filter_map(|entry| entry["seq"].as_u64())
            .collect();
        assert_eq!(found, expected, "{args:?}");
    }
    for (args, says) in [
        (
            ["--outcome", "fine"],
            "ok, failed, refused, gone, fault, cut-off, under-way",
        ),
        (["--since", "soon"], "such as 2h"),
    ] {
        let complaint = place.complaint(&[&["audit"], &args[..]].concat()).await;
        assert!(complaint.contains(says), "{complaint}");
    }
}

#[tokio::test]
async fn without_a_terminal_it_prints_fields_between_tabs_that_steer_nothing() {
    let place = Place::new(TWO);
    let berth = Berth::serve(&place).await;
    berth.call("a\u{1b}[2J\tb\u{202e}\nc", json!({})).await;
    let ran = place.run(&["audit"]).await;
    let fields: Vec<&str> = ran.stdout.trim_end_matches('\n').split('\t').collect();
    assert_eq!(fields.len(), 7, "{:?}", ran.stdout);
    assert_eq!(fields[1..5], ["local", "a b\\nc", "", "refused"]);
    let json = place.run(&["audit", "--json"]).await.stdout;
    assert!(!json.contains("\\u001b") && !json.contains('\u{202e}'), "{json}");
}

#[tokio::test]
async fn an_empty_record_shows_nothing_and_is_whole() {
    let place = Place::new(TWO);
    let ran = place.run(&["audit"]).await;
    assert!(ran.success && ran.stdout.is_empty(), "{}", ran.stdout);
    assert!(verified(&place).await.starts_with("0:"));
}

#[tokio::test]
async fn following_shows_new_entries_until_nobody_reads_them_or_ctrl_c() {
    let place = Place::new(TWO);
    let berth = Berth::serve(&place).await;
    berth.call("noop", json!({})).await.done();
    let config = place.name("config.toml");
    for end in ["closed", "interrupted"] {
        let mut command = place.command(&["audit", "-f", "--json", "--limit", "1", "--config", &config]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = async || {
            let line = timeout(PATIENCE, lines.next_line())
                .await
                .expect("nothing new is shown");
            serde_json::from_str::<Value>(&line.unwrap().unwrap()).unwrap()
        };
        let present = next().await["seq"].as_u64().unwrap();
        berth.call("noop", json!({"backend": "other"})).await.done();
        let new = next().await;
        assert_eq!(
            (new["seq"].as_u64(), &new["backend"]),
            (Some(present + 2), &json!("other"))
        );
        if end == "interrupted" {
            kill_process(Pid::from_raw(child.id().unwrap().cast_signed()).unwrap(), Signal::INT).unwrap();
        } else {
            drop(lines);
        }
        let ended = timeout(PATIENCE, child.wait()).await.expect("it goes on").unwrap();
        assert!(ended.success(), "{end}: {ended}");
    }
}
