//! What was said in a session, from the files that its agent keeps: a demo agent whose conversation a test writes in its
//! place, as Claude Code writes its own.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::demo::{Demo, target};

/// A berth that may read what agents keep below `agent`.
async fn start() -> Demo {
    let demo = Demo::with(|config, place| {
        let keeps = json!({"conversations": {"processes": "sessions", "kept": "projects"}});
        let demo = config["agents"]["demo"].as_table_mut().unwrap();
        demo.insert("signs".into(), toml::Value::try_from(keeps).unwrap());
        let files = json!([
            {"under": place.name("agent/sessions"), "names": "*.json"},
            {"under": place.name("agent/projects"), "names": "*.jsonl"},
        ]);
        let local = config["backends"]["local"].as_table_mut().unwrap();
        local.insert("files".into(), toml::Value::try_from(files).unwrap());
    })
    .await;
    demo.project("app/.git");
    demo.place
        .write("projects/app/.git/HEAD", "ref: refs/heads/topic\n", 0o644);
    demo
}

/// What is kept of a turn.
fn line(who: &str, text: &str, time: &str) -> String {
    json!({"type": who, "timestamp": time, "message": {"content": text}}).to_string() + "\n"
}

/// The agent of the session keeps this conversation.
fn keeps(demo: &Demo, id: &str, conversation: &str, lines: &str) {
    let pid = demo
        .tmux
        .order(&["display-message", "-p", "-t", &target(id), "#{pane_pid}"]);
    let pid: u32 = pid.trim().parse().unwrap();
    let directory = demo.place.name("projects/app");
    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let record = json!({"pid": pid, "sessionId": conversation, "cwd": directory, "startedAt": began});
    let folder: String = directory
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    fs::create_dir_all(demo.place.path("agent/sessions")).unwrap();
    fs::create_dir_all(demo.place.path(&format!("agent/projects/{folder}"))).unwrap();
    demo.place
        .write(&format!("agent/sessions/{pid}.json"), record.to_string(), 0o644);
    demo.place
        .write(&format!("agent/projects/{folder}/{conversation}.jsonl"), lines, 0o600);
}

async fn transcript(demo: &Demo, id: &str, more: Value) -> Value {
    let mut arguments = json!({"session_id": id, "view": "transcript"});
    arguments
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    demo.call("get_logs", arguments).await.done().structured
}

#[tokio::test]
async fn a_conversation_is_told_in_logs_lists_search_and_fetch() {
    let demo = start().await;
    let id = demo.create("app").await;
    demo.send(&id, "hello").await.done();
    // Before the agent keeps anything, the screen is shown, and why.
    let screen = transcript(&demo, &id, json!({})).await;
    assert!(
        screen["text"].as_str().unwrap().contains("● You said: hello"),
        "{screen}"
    );
    let note = screen["note"].as_str().unwrap();
    assert!(
        note.contains("not known which conversation") && note.contains("usual view"),
        "{note}"
    );

    let (early, late) = ("2026-01-01T08:00:00.000Z", "2026-01-01T09:00:00.000Z");
    let lines = line("user", "count the zebras", early) + &line("assistant", "There are nine.", late);
    keeps(&demo, &id, "0f4a6072-d5df-4154-95a0-9682b2d17a24", &lines);
    let told = transcript(&demo, &id, json!({})).await;
    let text = told["text"].as_str().unwrap();
    assert!(
        text.starts_with("[person at 2026-01-01T08:00:00Z, ") && text.contains(" d ago]\ncount the zebras"),
        "{text}"
    );
    assert!(told["note"].is_null() && text.ends_with("There are nine."), "{told}");
    let since = transcript(&demo, &id, json!({"since": "2026-01-01T08:30:00Z"})).await;
    assert!(!since["text"].as_str().unwrap().contains("zebras"), "{since}");
    let last = transcript(&demo, &id, json!({"lines": 1})).await;
    assert!(!last["text"].as_str().unwrap().contains("zebras"), "{last}");
    let after = transcript(&demo, &id, json!({"after": told["next"]})).await;
    assert_eq!((&after["text"], &after["gap"]), (&json!(""), &json!(false)));
    // The cursor of the screen leads to no turn.
    let gap = transcript(&demo, &id, json!({"after": screen["next"]})).await;
    assert_eq!((gap["gap"].as_bool(), &gap["text"]), (Some(true), &told["text"]));

    let listed = demo.call("list_sessions", json!({})).await.done();
    let session = &listed.structured["sessions"][0];
    assert_eq!(session["task"], "count the zebras");
    assert_eq!(session["last_output"], "There are nine.");
    assert_eq!(session["project"], "app");
    assert_eq!(session["facts"]["branch"], "topic");
    assert_eq!(session["facts"]["conversation"], "0f4a6072-d5df-4154-95a0-9682b2d17a24");
    for age in ["active_ago", "created_ago"] {
        assert!(session[age].as_str().unwrap().ends_with(" ago"), "{session}");
    }
    let lines: Vec<&str> = listed.text.trim_end().lines().collect();
    assert_eq!(lines.len(), 3, "{}", listed.text);
    assert!(
        lines[0].starts_with(&format!("{id} ")) && lines[0].contains("— idle · demo · ") && lines[0].ends_with(" ago")
    );
    assert_eq!(lines[1], "  app on topic · task: count the zebras");
    assert_eq!(lines[2], "  said: There are nine.");

    let found = demo.call("search", json!({"query": "zebras"})).await.done().structured;
    assert_eq!(found["results"][0]["id"], json!(id), "{found}");
    let fetched = demo.call("fetch", json!({"id": id})).await.done().structured;
    assert!(
        fetched["text"].as_str().unwrap().contains("| count the zebras"),
        "{fetched}"
    );
    assert_eq!(
        fetched["metadata"]["conversation"],
        "0f4a6072-d5df-4154-95a0-9682b2d17a24"
    );
}

#[tokio::test]
async fn what_another_process_kept_is_never_shown_as_this_sessions() {
    let demo = start().await;
    let id = demo.create("app").await;
    keeps(
        &demo,
        &id,
        "11111111-0000",
        &line("user", "of this one", "2026-01-01T08:00:00Z"),
    );
    assert_eq!(
        demo.call("fetch", json!({"id": id})).await.done().structured["metadata"]["conversation"],
        "11111111-0000"
    );
    let of = demo.place.path("agent/sessions");
    let record = fs::read_dir(of).unwrap().next().unwrap().unwrap().path();
    let mine: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    for (key, other) in [
        ("startedAt", json!(1_700_000_000_000_u64)),
        ("pid", json!(1)),
        ("cwd", json!("/elsewhere")),
        ("sessionId", json!("../../../data/token")),
    ] {
        let mut record_of_other = mine.clone();
        record_of_other[key] = other;
        fs::write(&record, record_of_other.to_string()).unwrap();
        let shown = transcript(&demo, &id, json!({})).await;
        assert!(
            shown["note"].is_string() && !shown["text"].as_str().unwrap().contains("of this one"),
            "{key}: {shown}"
        );
        let session = demo
            .call("get_session_status", json!({"session_id": id}))
            .await
            .done()
            .structured;
        assert!(session["session"]["facts"]["conversation"].is_null(), "{key}");
    }
}

#[tokio::test]
async fn a_conversation_that_is_longer_than_one_answer_is_read_from_a_time_on_with_nothing_lost() {
    let demo = start().await;
    let id = demo.create("app").await;
    let said = |number: usize| format!("turn {number}: {}", "words ".repeat(900));
    let minute = |number: usize| format!("2026-01-01T08:{number:02}:00.000Z");
    let lines: String = (0..40)
        .map(|number| line("user", &said(number), &minute(number)))
        .collect();
    keeps(&demo, &id, "0f4a6072-d5df-4154-95a0-9682b2d17a24", &lines);

    let last = transcript(&demo, &id, json!({})).await;
    let note = last["note"].as_str().unwrap();
    assert!(note.contains("of these 40 turns") && note.contains("`since`"), "{note}");
    assert!(last["text"].as_str().unwrap().contains("turn 39: words"), "{note}");

    let mut from = json!({"since": "2026-01-01T08:10:00Z"});
    let (mut text, mut pages) = (String::new(), 0);
    loop {
        let page = transcript(&demo, &id, from).await;
        text += page["text"].as_str().unwrap();
        pages += 1;
        assert_eq!((&page["gap"], &page["note"]), (&json!(false), &Value::Null));
        if page["more"] != json!(true) {
            break;
        }
        from = json!({"after": page["next"]});
    }
    assert!(pages > 1);
    for number in 0..40 {
        let count = text.matches(&format!("turn {number}: words")).count();
        assert_eq!(count, usize::from(number >= 10), "turn {number}");
    }
}
