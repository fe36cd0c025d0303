//! A backend is coming up, up, or down with why: the others answer meanwhile, and who calls one that is coming up waits.

use std::fs;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::process::Command;
use tokio::time::timeout;

use crate::berth::{Berth, Called, END, Place};
use crate::demo::until;
use crate::languages::{COMPILED_WITHIN, built};
use crate::own_tools::another_plugin;
use crate::released;

/// What `berth check` says of a place whose `backend` cannot start, and what a berth that serves it says of that backend.
pub(crate) async fn refusals(place: &Place, backend: &str) -> [String; 2] {
    let complaint = place.complaint(&["check"]).await;
    let berth = Berth::serve(place).await;
    [complaint, error_of(&berth, backend).await.expect("it is down")]
}

/// What a list says of `backend`, where that is an error.
async fn error_of(berth: &Berth, backend: &str) -> Option<String> {
    let listed = berth.call("list_projects", json!({})).await.done();
    let errors = listed.structured["errors"].as_array().unwrap().iter();
    let mut errors = errors.filter(|error| error["backend"] == backend);
    Some(errors.next()?["error"].as_str().unwrap().to_owned())
}

/// Waits until `backend` is down, and answers why.
async fn down(berth: &Berth, backend: &str) -> String {
    until("it is down", async || {
        error_of(berth, backend)
            .await
            .filter(|error| error.contains("is down since "))
    })
    .await
}

/// Waits until `backend` is no error of a list any more.
async fn up(berth: &Berth, backend: &str) {
    until("it is up", async || {
        error_of(berth, backend).await.is_none().then_some(())
    })
    .await;
}

/// A berth that listens; its backends are as they are.
async fn listening(place: &Place) -> Berth {
    let command = place.command(&["serve", "--config", &place.name("config.toml")]);
    let (berth, mut greeting) = Berth::listening(place, command).await;
    tokio::spawn(async move { while let Ok(Some(_)) = greeting.next_line().await {} });
    berth
}

/// A backend `well`; `slow`, which describes itself when there is a file `projects/go`; and `broken`, whose plugin is none.
fn place() -> Place {
    let place = Place::new(
        r#"
default_backend = "well"

[backends.well]
plugin = "./misbehaving.wasm"
settings.tools = ["noop"]

[backends.slow]
plugin = "./misbehaving.wasm"
directories = ["projects"]
limits.deadline = "2m"
settings = { describe = "wait", go = "GO", tools = ["noop", "remember"] }

[backends.broken]
plugin = "./broken.wasm"
settings.tools = []
"#,
    );
    let text = place.read("config.toml").replace("GO", &place.name("projects/go"));
    place.write("config.toml", text, 0o600);
    place.write("broken.wasm", "hello", 0o644);
    place
}

fn tools(tools: &[Value]) -> Vec<&str> {
    tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_others_answer_while_one_is_coming_up_and_one_is_down() {
    let place = place();
    let berth = listening(&place).await;
    let health = berth.client.get(format!("{}/health", berth.base)).send().await.unwrap();
    assert_eq!(health.status(), 200);
    assert!(tools(&berth.tools().await).contains(&"list_sessions"));
    assert_eq!(berth.call("noop", json!({"backend": "well"})).await.done().text, "done");
    let why = down(&berth, "broken").await;
    assert!(
        why.contains("is not a WebAssembly component: ") && why.contains(&place.name("broken.wasm")),
        "{why}"
    );

    let listed = berth.call("list_sessions", json!({})).await.done();
    assert_eq!(
        listed.structured["sessions"][0]["session_id"], "well/calm-1",
        "{}",
        listed.text
    );
    let errors = listed.structured["errors"].as_array().unwrap();
    let named: Vec<_> = errors.iter().map(|error| error["backend"].as_str().unwrap()).collect();
    assert_eq!(named, ["broken", "slow"]);
    assert_eq!(errors[0]["error"], why);
    assert_eq!(
        errors[1]["error"],
        "backend `slow` is still coming up; ask again in a moment"
    );

    let listed = berth.call("list_projects", json!({})).await.done();
    let abouts = listed.structured["backends"].as_array().unwrap().iter();
    let abouts: Vec<_> = abouts
        .map(|row| (row["name"].as_str().unwrap(), row["about"].as_str().unwrap()))
        .collect();
    assert!(
        abouts[0].0 == "broken" && abouts[0].1.starts_with("It is down: "),
        "{abouts:?}"
    );
    assert!(
        abouts[1].0 == "slow" && abouts[1].1.starts_with("It is coming up"),
        "{abouts:?}"
    );
    assert_eq!(abouts[2], ("well", "a plugin for tests"));

    // What is not up is known by name, and what it has is not told as what is not there.
    for (tool, arguments, says) in [
        (
            "get_session_status",
            json!({"session_id": "broken/x"}),
            "backend `broken` is down since ",
        ),
        (
            "send_message",
            json!({"session_id": "broken/x", "message": "x"}),
            "is down since ",
        ),
        (
            "get_logs",
            json!({"session_id": "nowhere"}),
            "it is not known whether there is a session `nowhere`",
        ),
        (
            "list_sessions",
            json!({"backend": "other"}),
            "there are: broken, slow, well",
        ),
        ("noop", json!({"backend": "broken"}), "backend `broken` is not up"),
    ] {
        let error = berth.call(tool, arguments).await.error();
        assert!(error.contains(says), "{tool}: {error}");
    }
    let prompts = berth.call("check_prompts", json!({})).await.done();
    assert_eq!(prompts.structured["errors"].as_array().unwrap().len(), 2);
    let found = berth.call("search", json!({"query": "calm-1"})).await.done();
    assert_eq!(found.structured["errors"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_call_waits_for_a_backend_that_is_coming_up_and_is_answered_then() {
    let place = place();
    let berth = listening(&place).await;
    berth.call("noop", json!({"backend": "well"})).await.done();
    assert!(!tools(&berth.tools().await).contains(&"remember"));
    let opened = async {
        // These are answered while the others wait.
        for _ in 0..3 {
            berth.call("noop", json!({"backend": "well"})).await.done();
        }
        assert_eq!(place.kept("slow", "remembered"), None);
        place.write("projects/go", "", 0o644);
    };
    let (log, own, shared, sent, ()) = tokio::join!(
        berth.call("get_logs", json!({"session_id": "slow/calm-1"})),
        berth.call("remember", json!({"text": "one"})),
        berth.call("noop", json!({"backend": "slow"})),
        berth.call("send_message", json!({"session_id": "slow/calm-1", "message": "hello"})),
        opened,
    );
    assert_eq!(log.done().structured["text"], "calm-1 says hello");
    assert_eq!(own.done().text, "one\n");
    assert_eq!(shared.done().text, "done");
    assert_eq!(sent.done().structured["receipt"], "submitted");
    assert!(tools(&berth.tools().await).contains(&"remember"));
    assert_eq!(error_of(&berth, "slow").await, None);
}

#[tokio::test]
async fn a_broken_plugin_that_is_replaced_comes_up_by_itself_and_was_named_once() {
    let place = place();
    place.write("projects/go", "", 0o644);
    let berth = Berth::serve(&place).await;
    down(&berth, "broken").await;
    fs::rename(place.path("misbehaving.wasm"), place.path("broken.wasm")).unwrap();
    up(&berth, "broken").await;
    let status = json!({"session_id": "broken/calm-1"});
    let status = berth.call("get_session_status", status).await.done();
    assert_eq!(status.structured["session"]["state"], "idle");
    let told = |what: &str| place.read("log").lines().filter(|line| line.contains(what)).count();
    until("that it is up is logged", async || {
        (told("backend `broken` is up") == 1).then_some(())
    })
    .await;
    assert_eq!(told("backend `broken` is down"), 1);
}

#[tokio::test]
async fn the_pinned_digest_holds_when_a_backend_is_tried_again() {
    let bytes = fs::read(berth_guests::MISBEHAVING).unwrap();
    let pinned: String = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let place = Place::new(&format!(
        "[backends.one]\nplugin = \"./one.wasm\"\nsha256 = \"{pinned}\"\n"
    ));
    place.write("one.wasm", "hello", 0o644);
    let berth = Berth::serve(&place).await;
    down(&berth, "one").await;
    another_plugin(&place);
    fs::rename(place.path("other.wasm"), place.path("one.wasm")).unwrap();
    let refused = until("another digest is refused", async || {
        error_of(&berth, "one")
            .await
            .filter(|error| error.contains("its SHA-256 is "))
    });
    assert!(refused.await.contains(&pinned));
    fs::rename(place.path("misbehaving.wasm"), place.path("one.wasm")).unwrap();
    up(&berth, "one").await;
}

#[tokio::test]
async fn it_ends_at_once_while_a_backend_is_coming_up_and_who_waits_for_it_is_told() {
    let place = place();
    let mut berth = listening(&place).await;
    berth.call("noop", json!({"backend": "well"})).await.done();
    let message = json!({"session_id": "slow/calm-1", "message": "hello"});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "send_message", "arguments": message}});
    let waiting = tokio::spawn(berth.request(&body).send());
    until("the call is recorded as begun", async || {
        let begun = place.run(&["audit", "--json"]).await.stdout;
        begun.contains("send_message").then_some(())
    })
    .await;
    let (took, well) = berth.terminate().await;
    assert!(well && took < END, "it took {took:?}");
    let answer = crate::berth::message(waiting.await.unwrap().unwrap()).await;
    let error = crate::berth::called(&answer).error();
    assert!(error.contains("berth is ending, so nothing was done"), "{error}");
}

#[tokio::test]
async fn on_a_cold_cache_a_plugin_that_takes_long_to_compile_holds_up_nobody() {
    let python = built(&released::names().pop().unwrap(), "python");
    let place = Place::new(&format!(
        "default_backend = \"well\"\n[backends.well]\nplugin = \"./misbehaving.wasm\"\nsettings.tools = [\"noop\"]\n\
         [backends.python]\nplugin = {python:?}\n[backends.broken]\nplugin = \"./broken.wasm\"\n"
    ));
    place.write("broken.wasm", "", 0o644);
    let text = place.read("config.toml");
    let cache = text.lines().find(|line| line.starts_with("cache = ")).unwrap();
    place.write("config.toml", text.replace(cache, "cache = \"cache\""), 0o600);
    // It compiles for a while, and other tests have limits in time.
    let mut command = Command::new("nice");
    let berth = env!("CARGO_BIN_EXE_berth");
    command.args(["-n", "19", berth, "serve", "--config", &place.name("config.toml")]);
    place.set_up(&mut command);
    let (mut berth, _greeting) = Berth::listening(&place, command).await;
    let health = berth.client.get(format!("{}/health", berth.base)).send().await.unwrap();
    assert_eq!(health.status(), 200);
    assert!(tools(&berth.tools().await).contains(&"list_sessions"));
    let well = async || -> Called { berth.call("list_sessions", json!({"backend": "well"})).await.done() };
    let is_up = async { while well().await.structured["errors"] != json!([]) {} };
    timeout(COMPILED_WITHIN, is_up).await.expect("it is compiled");
    assert!(down(&berth, "broken").await.contains("it is empty"));
    let (took, ended_well) = berth.terminate().await;
    assert!(ended_well && took < END, "it took {took:?}");
}
