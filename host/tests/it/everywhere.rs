//! The three shipped plugins in one berth: sessions in terminals, without them, and on a host.

use std::fs;

use berth::config::SHIPPED;
use serde_json::{Value, json};
use toml::Table;

use crate::berth::{Berth, Place};
use crate::demo::{Tmux, until};
use crate::remote::Hosts;

/// Adds the backends of this machine, which are the shipped ones with the demo agent.
fn with_those_here(config: &mut Table, _: &Place) {
    let mut shipped: Table = SHIPPED.parse().unwrap();
    for name in ["local", "jobs"] {
        let mut backend = shipped["backends"].as_table_mut().unwrap().remove(name).unwrap();
        let table = backend.as_table_mut().unwrap();
        table.insert("directories".into(), vec!["projects"].into());
        table.insert("agents".into(), vec!["demo"].into());
        if name == "local" {
            table["programs"]["tmux"]["socket"]
                .as_table_mut()
                .unwrap()
                .insert("former".into(), "former/socket".into());
        }
        config["backends"]
            .as_table_mut()
            .unwrap()
            .insert(name.to_owned(), backend);
    }
}

#[tokio::test]
async fn questions_and_words_are_found_over_sessions_in_terminals_without_them_and_on_hosts() {
    let hosts = Hosts::with(&["one"], with_those_here);
    fs::create_dir(hosts.place.path("projects/app")).unwrap();
    let _tmux = Tmux::of(&hosts.place);
    let berth = Berth::serve(&hosts.place).await;
    let local = json!({"backend": "local", "project": "app", "message": "run touch heron-local", "wait_seconds": 20});
    let local = berth.call("create_session", local).await.done().structured;
    let run = json!({"project": "app", "prompt": "run touch heron-jobs"});
    let run = berth.call("claude_run", run).await.done().structured;
    let far = json!({"task": "run touch heron-remote", "project": "app", "wait_seconds": 30});
    let far = berth.call("ask_claude", far).await.done().structured;
    let rc = json!({"name": "heron", "project": "app"});
    let rc = berth.call("create_session", rc).await.done().structured;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let ids = [
        text(&local["session"]["session_id"]),
        format!("jobs/{}", text(&run["sessionId"])),
        format!("remote/{}", text(&far["session_id"])),
        text(&rc["session"]["session_id"]),
    ];
    let open = until("all three questions", async || {
        let open = berth.call("check_prompts", json!({})).await.done().text;
        ["local", "jobs", "remote"]
            .iter()
            .all(|name| open.contains(&format!("touch heron-{name}")))
            .then_some(open)
    })
    .await;
    assert!(ids[..3].iter().all(|id| open.contains(id)), "{open}");
    let found = berth.call("search", json!({"query": "heron"})).await.done().text;
    for id in &ids {
        assert!(found.contains(id), "{id} is not found: {found}");
    }
}
