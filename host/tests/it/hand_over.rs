//! `berth serve` starts while a `berth stdio` is the owner: ownership is handed over, and whoever spoke through the first goes
//! on through the second.

use std::collections::HashMap;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::berth::{Berth, END, PATIENCE, Place, called};
use crate::demo::until;
use crate::protocol::Client;

const LOCAL: &str = r#"
[backends.local]
plugin = "./misbehaving.wasm"
directories = ["projects"]
[backends.local.settings]
tools = []
"#;
/// With a tool that runs a shell.
const SHELL: &str = r#"
[backends.local]
plugin = "./misbehaving.wasm"
directories = ["projects"]
env = ["PATH"]
[backends.local.settings]
tools = ["run"]
[backends.local.programs.sh]
control = [["-c", "@text"]]
"#;

async fn list(client: &mut Client) -> Value {
    client
        .ask("tools/call", json!({"name": "list_sessions", "arguments": {}}))
        .await
}

/// Who owns the data directory.
async fn owner(place: &Place) -> String {
    let complaint = place.complaint(&["serve"]).await;
    let (_, holder) = complaint.split_once("is used by process ").unwrap();
    holder.split_once(';').unwrap().0.to_owned()
}

#[tokio::test]
async fn serve_takes_over_and_every_stdio_goes_on() {
    let place = Place::new(LOCAL);
    let mut first = Client::start(&place);
    first.begin().await;
    // This one speaks through the first.
    let mut second = Client::start(&place);
    second.begin().await;
    let berth = Berth::serve(&place).await;
    assert_eq!(owner(&place).await, format!("{} (berth serve)", berth.id()));
    for client in [&mut first, &mut second] {
        called(&list(client).await).done();
    }
    berth.call("list_sessions", json!({})).await.done();
    // Each ends with its client as before, and the server stays.
    for client in [first, second] {
        let Client { mut child, to, .. } = client;
        drop(to);
        let status = timeout(END, child.wait()).await.expect("it ends").unwrap();
        assert!(status.success(), "{status}");
    }
    berth.call("list_sessions", json!({})).await.done();
}

#[tokio::test]
async fn a_client_without_a_handshake_goes_on_as_well() {
    let place = Place::new(LOCAL);
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let call = json!({"name": "list_sessions", "arguments": {}, "_meta": meta});
    let mut client = Client::start(&place);
    called(&client.ask("tools/call", call.clone()).await).done();
    let _berth = Berth::serve(&place).await;
    called(&client.ask("tools/call", call).await).done();
}

#[tokio::test]
async fn calls_under_way_are_each_answered_once_and_done_at_most_once() {
    const CALLS: u64 = 120;
    let place = Place::new(SHELL);
    let mut client = Client::start(&place);
    client
        .ask(
            "initialize",
            json!({
                "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}
            }),
        )
        .await;
    client
        .tell(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
        .await;
    called(&list(&mut client).await).done();
    let Client {
        mut child,
        mut to,
        mut from,
    } = client;
    let directory = place.name("projects");
    // More than are worked on at once, so that some wait in the line when the owner changes.
    let asking = tokio::spawn(async move {
        for id in 100..100 + CALLS {
            let script = format!("sleep 0.02; echo {id} >> seen");
            let command = json!({"program": "sh", "args": ["-c", script], "directory": directory});
            let call = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
                "params": {"name": "run", "arguments": {"commands": [command]}}});
            to.write_all(format!("{call}\n").as_bytes()).await.unwrap();
        }
        to
    });
    until("the first calls", async || {
        place.path("projects/seen").exists().then_some(())
    })
    .await;
    let berth = Berth::serve(&place).await;
    let mut answers = HashMap::new();
    while answers.len() < CALLS as usize {
        let line = timeout(PATIENCE, from.next_line())
            .await
            .expect("an answer is missing")
            .unwrap()
            .unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        // The list of tools may be another with the next owner.
        if answer.get("method").is_some() {
            continue;
        }
        let id = answer["id"].as_u64().unwrap_or_else(|| panic!("{line}"));
        assert!(answers.insert(id, called(&answer)).is_none(), "{id} was answered twice");
    }
    let seen = place.read("projects/seen");
    for (id, answer) in &answers {
        let times = seen.lines().filter(|line| *line == id.to_string()).count();
        assert!(times <= 1, "{id} was done {times} times");
        assert!(answer.failed || times == 1, "{id} was lost: {answer:?}");
    }
    let failed: Vec<_> = answers.values().filter(|answer| answer.failed).collect();
    assert!(failed.is_empty(), "{failed:?}");
    drop(asking.await.unwrap());
    assert!(timeout(END, child.wait()).await.unwrap().unwrap().success());
    drop(berth);
}

#[tokio::test]
async fn a_client_of_stdio_cannot_ask_what_the_operators_commands_ask() {
    let place = Place::new("[backends.local]\nplugin = \"./misbehaving.wasm\"\n");
    let _berth = Berth::serve(&place).await;
    for asked in ["reload", "hand_over"] {
        let mut client = Client::start(&place);
        client.tell(json!({"berth": asked})).await;
        let line = timeout(PATIENCE, client.from.next_line())
            .await
            .expect("no answer")
            .unwrap();
        let answer: Value = serde_json::from_str(&line.expect("an answer")).unwrap();
        assert_eq!(answer["error"]["code"], -32600, "{answer}");
    }
    let record = place.run(&["audit", "--json"]).await.stdout;
    assert!(!record.contains("reloaded"), "{record}");
}

#[tokio::test]
async fn a_call_that_waits_is_answered_and_the_next_one_goes_on() {
    let place = Place::new(LOCAL);
    let mut client = Client::start(&place);
    client.begin().await;
    let wait = json!({"name": "get_session_status", "arguments": {"session_id": "local/asks-1", "wait_seconds": 50}});
    client
        .tell(json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": wait}))
        .await;
    let _berth = Berth::serve(&place).await;
    let line = timeout(PATIENCE, client.from.next_line())
        .await
        .expect("no answer")
        .unwrap()
        .unwrap();
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["id"], 7, "{line}");
    called(&list(&mut client).await).done();
}

#[tokio::test]
async fn a_server_stays_the_owner_and_a_stdio_says_when_it_has_ended() {
    let place = Place::new(LOCAL);
    let mut berth = Berth::serve(&place).await;
    let mut client = Client::start(&place);
    client.begin().await;
    assert_eq!(owner(&place).await, format!("{} (berth serve)", berth.id()));
    called(&list(&mut client).await).done();
    berth.terminate().await;
    let status = timeout(END, client.child.wait()).await.expect("it ends").unwrap();
    assert!(!status.success());
}

#[tokio::test]
async fn a_stdio_that_gave_way_still_ends_when_it_is_told_to() {
    let place = Place::new(LOCAL);
    let mut client = Client::start(&place);
    client.begin().await;
    let _berth = Berth::serve(&place).await;
    called(&list(&mut client).await).done();
    let id = Pid::from_raw(client.child.id().unwrap().cast_signed()).unwrap();
    kill_process(id, Signal::TERM).unwrap();
    let status = timeout(END, client.child.wait()).await.expect("it ends").unwrap();
    assert!(status.success(), "{status}");
}
