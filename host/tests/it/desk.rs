//! What is done for callers beyond messages and answers: groups of questions, options, changes, transcripts, attachments,
//! messages that are taken back; and what no backend can do is said in words.

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::berth::{Berth, PATIENCE, Place};

fn place(settings: &str) -> Place {
    Place::new(&format!(
        "[backends.one]\nplugin = \"./misbehaving.wasm\"\n[backends.one.settings]\ntools = []\n{settings}\n"
    ))
}

/// What was typed into sessions.
fn typed(place: &Place) -> String {
    let kept = place.kept("one", "typed");
    kept.map(|text| serde_json::from_slice(&text).unwrap())
        .unwrap_or_default()
}

#[tokio::test]
async fn questions_of_a_group_are_answered_one_by_one_and_given_together() {
    let place = place("list = \"mixed-group\"");
    let berth = Berth::serve(&place).await;
    let answer = |prompt: &str, response: &str| {
        let arguments = json!({"session_id": "one/asks-1", "prompt_id": prompt, "response": response});
        berth.call("respond_to_prompt", arguments)
    };
    let asked = berth.call("check_prompts", json!({})).await.done();
    let prompts = asked.structured["prompts"].as_array().unwrap();
    let groups: Vec<_> = prompts
        .iter()
        .map(|prompt| (&prompt["prompt_id"], &prompt["group"]))
        .collect();
    let (one, two, group) = (json!("prompt-1"), json!("prompt-2"), json!("group-1"));
    assert_eq!(groups, [(&one, &group), (&two, &group)]);

    let without_id = json!({"session_id": "one/asks-1", "response": "yes"});
    let refused = berth.call("respond_to_prompt", without_id).await.error();
    assert!(refused.contains("prompt_id"), "{refused}");

    // The second may be left out, but it was answered first, and the first is required.
    let kept = answer("prompt-2", "no").await.done();
    assert!(
        kept.text.contains("kept") && kept.text.contains("1 further question"),
        "{}",
        kept.text
    );
    assert!(kept.structured.get("receipt").is_none() && typed(&place).is_empty());
    let given = |called: &Value| called["prompts"][1]["given"]["choices"].clone();
    assert_eq!(given(&kept.structured["session"]), json!(["2"]));
    let changed = answer("prompt-2", "yes").await.done();
    assert_eq!(given(&changed.structured["session"]), json!(["1"]));
    let shown = berth.call("check_prompts", json!({})).await.done();
    assert_eq!(given(&shown.structured), json!(["1"]));

    // This backend no longer knows the second, so neither is answered, and nothing is kept.
    let error = answer("prompt-1", "yes").await.error();
    assert!(
        error.contains("that prompt is gone") && typed(&place).is_empty(),
        "{error}"
    );
    let answered = answer("prompt-1", "yes").await.done();
    assert_eq!(answered.structured["receipt"], "confirmed");
    assert!(answered.text.starts_with("Answer: confirmed."), "{}", answered.text);
    assert_eq!(typed(&place).lines().count(), 1, "{}", typed(&place));
}

#[tokio::test]
async fn a_message_has_an_id_of_its_own_and_one_that_waits_is_taken_back_by_it() {
    let place = place("deed = \"queued\"");
    let berth = Berth::serve(&place).await;
    let send = || berth.call("send_message", json!({"session_id": "one/calm-1", "message": "hello"}));
    let (first, second) = (send().await.done(), send().await.done());
    let id = |called: &Value| uuid::Uuid::parse_str(called["message_id"].as_str().unwrap()).unwrap();
    assert_ne!(id(&first.structured), id(&second.structured));
    assert_eq!(first.structured["receipt"], "queued");
    let ids: String = serde_json::from_slice(&place.kept("one", "message-ids").unwrap()).unwrap();
    assert_eq!(ids.lines().next(), first.structured["message_id"].as_str());
    let cancel = json!({"session_id": "one/calm-1", "message_id": first.structured["message_id"]});
    let error = berth.call("interrupt_session", cancel).await.error();
    assert!(error.contains("the agent has it already"), "{error}");
}

#[tokio::test]
async fn a_message_that_waits_here_shows_in_the_queue_and_is_taken_back_by_its_id() {
    let place = place("deed = \"busy\"\nlist = \"twins\"");
    let berth = Berth::serve(&place).await;
    let waiting = berth.call(
        "send_message",
        json!({"session_id": "one/calm-1", "message": "wait for it", "wait_seconds": 30}),
    );
    let taken_back = async {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = berth
                .call("get_session_status", json!({"session_id": "one/calm-1"}))
                .await
                .done();
            if let Some(id) = status.structured["session"]["queue"][0]["message_id"].as_str() {
                assert!(status.text.contains("wait for it"), "{}", status.text);
                let cancel = json!({"session_id": "one/calm-1", "message_id": id});
                break berth.call("interrupt_session", cancel).await.done();
            }
            assert!(Instant::now() < deadline, "it never waited");
            sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let (waited, taken_back) = tokio::join!(waiting, taken_back);
    assert_eq!(taken_back.structured["receipt"], "confirmed");
    assert!(waited.error().contains("dropped before it was typed"));
    assert!(typed(&place).is_empty());
}

#[tokio::test]
async fn attachments_are_refused_in_words_where_a_session_takes_none_and_where_they_cannot_be_any() {
    let place = place("");
    let berth = Berth::serve(&place).await;
    let text = |size: usize| json!({"name": "a.txt", "media_type": "text/plain", "text": "x".repeat(size)});
    for (attachments, says) in [
        (json!([text(1)]), "do not take attachments; nothing was typed"),
        (json!(vec![text(1); 9]), "at most 8 attachments"),
        (json!([text((512 << 10) + 1)]), "at most 524288 bytes in all"),
        (
            json!([{"name": "../a", "media_type": "text/plain", "text": ""}]),
            "file name",
        ),
        (
            json!([{"name": "a", "media_type": "image/png", "data": "%"}]),
            "not base64",
        ),
        (
            json!([{"name": "a", "media_type": "image/png"}]),
            "either `text` or `data`",
        ),
    ] {
        let send = json!({"session_id": "one/calm-1", "message": "see", "attachments": attachments});
        let error = berth.call("send_message", send).await.error();
        assert!(error.contains(says), "{error}");
    }
    assert!(typed(&place).is_empty());
}

#[tokio::test]
async fn what_the_backend_cannot_do_is_refused_in_words() {
    let place = place("describe = \"creates\"");
    let berth = Berth::serve(&place).await;
    for (tool, arguments, says) in [
        (
            "create_session",
            json!({"resume": "x"}),
            "cannot continue a conversation",
        ),
        ("create_session", json!({"worktree": true}), "cannot work in a worktree"),
        (
            "create_session",
            json!({"resume": "x", "fork": true}),
            "cannot continue a conversation",
        ),
        (
            "create_session",
            json!({"attachments": [{"name": "a", "media_type": "a/b", "text": ""}]}),
            "go with a `message`",
        ),
        (
            "set_session",
            json!({"session_id": "one/calm-1", "options": {}}),
            "backend `one` cannot do this",
        ),
        (
            "get_changes",
            json!({"session_id": "one/calm-1"}),
            "backend `one` cannot do this",
        ),
        (
            "get_logs",
            json!({"session_id": "one/calm-1", "since": "2026-01-01T00:00:00Z"}),
            "only for the view `transcript`",
        ),
        ("list_sessions", json!({"limit": 501}), "from 1 to 500"),
        ("list_sessions", json!({"after": "x"}), "not the `next` of a list"),
    ] {
        let error = berth.call(tool, arguments.clone()).await.error();
        assert!(error.contains(says), "{tool} {arguments}: {error}");
    }
    // Where there is no transcript, the usual view comes, with the reason.
    let transcript = json!({"session_id": "one/calm-1", "view": "transcript", "after": "7"});
    let instead = berth.call("get_logs", transcript).await.done();
    assert!(
        instead
            .text
            .starts_with("[There is no transcript of this session (its agent keeps none")
    );
    assert_eq!(instead.structured["text"], "calm-1 says hello");
    assert_eq!(instead.structured["gap"], true, "the cursor led nowhere in it");
    let created = berth.call("create_session", json!({})).await.done();
    assert_eq!(created.structured["receipt"], "confirmed");
    let ids: String = serde_json::from_slice(&place.kept("one", "created").unwrap()).unwrap();
    assert!(uuid::Uuid::parse_str(ids.trim()).is_ok(), "{ids}");
}

#[tokio::test]
async fn options_of_a_session_are_shown_and_set() {
    let place = place("options = \"some\"");
    let berth = Berth::serve(&place).await;
    let set = |options: Value| berth.call("set_session", json!({"session_id": "one/calm-1", "options": options}));
    let shown = set(json!({})).await.done();
    assert!(shown.structured.get("receipt").is_none());
    let model = json!({"name": "model", "about": "what it is", "values": ["small", "large"], "value": "small"});
    assert_eq!(shown.structured["options"][0], model);
    assert_eq!(place.kept("one", "options"), None);
    let done = set(json!({"model": "large", "name": "x"})).await.done();
    assert_eq!(done.structured["receipt"], "confirmed");
    let kept: String = serde_json::from_slice(&place.kept("one", "options").unwrap()).unwrap();
    assert_eq!(kept, "model=large\nname=x\n");
}

#[tokio::test]
async fn changes_are_shown_as_files_and_a_bounded_diff() {
    for (how, cut) in [("some", false), ("huge", true), ("forge", false)] {
        let place = place(&format!("changes = \"{how}\""));
        let berth = Berth::serve(&place).await;
        let changes = berth
            .call("get_changes", json!({"session_id": "one/calm-1"}))
            .await
            .done();
        assert_eq!(changes.structured["cut"], cut, "{how}");
        assert!(!changes.structured["files"].as_array().unwrap().is_empty());
        assert!(changes.structured["text"].as_str().unwrap().len() <= 256 << 10);
        assert!(
            changes.text.lines().all(|line| !line.starts_with("well/forged")),
            "{}",
            changes.text
        );
    }
}

#[tokio::test]
async fn a_transcript_is_read_turn_by_turn_and_since_a_time() {
    let place = place("turns = \"some\"");
    let berth = Berth::serve(&place).await;
    let read = |more: Value| {
        let mut arguments = json!({"session_id": "one/calm-1", "view": "transcript"});
        arguments
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        berth.call("get_logs", arguments)
    };
    let all = read(json!({})).await.done();
    assert!(
        all.text.starts_with("[person at 2023-11-14T22:13:20Z, ") && all.text.contains(" d ago]\nhello\n"),
        "{}",
        all.text
    );
    assert_eq!(all.structured["next"], "3");
    let later = read(json!({"after": "3"})).await.done();
    assert_eq!(
        (&later.structured["text"], &later.structured["next"]),
        (&json!(""), &json!("3"))
    );
    let since = read(json!({"since": "2023-11-14T22:13:21Z"})).await.done();
    assert_eq!(since.structured["text"], "");
    assert!(
        read(json!({"since": "yesterday"}))
            .await
            .error()
            .contains("since must be a time")
    );
    let views = berth.call("list_projects", json!({})).await.done();
    assert_eq!(views.structured["backends"][0]["views"], json!(["transcript"]));
}

#[tokio::test]
async fn a_backend_hears_that_it_is_served_once_and_its_changes_wake_who_waits() {
    let place = place("upkeep = \"notes\"");
    let _berth = Berth::serve(&place).await;
    let deadline = Instant::now() + PATIENCE;
    let events = loop {
        if let Some(events) = place.kept("one", "events") {
            break serde_json::from_slice::<String>(&events).unwrap();
        }
        assert!(Instant::now() < deadline, "it heard nothing");
        sleep(std::time::Duration::from_millis(20)).await;
    };
    let (kind, id) = events.trim().split_once(' ').unwrap();
    assert!(kind == "start" && uuid::Uuid::parse_str(id).is_ok(), "{events}");
}

#[tokio::test]
async fn a_backend_that_tells_of_changes_itself_is_taken_at_its_word() {
    let place = place("poll_ms = 0");
    let berth = Berth::serve(&place).await;
    let began = Instant::now();
    let status = json!({"session_id": "one/calm-1", "wait_seconds": 30});
    let rested = berth.call("get_session_status", status).await.done();
    assert_eq!(rested.structured["session"]["state"], "idle");
    assert!(rested.structured.get("note").is_none(), "{rested:?}");
    // Two looks would never come.
    assert!(began.elapsed() < std::time::Duration::from_secs(20));
}

#[tokio::test]
async fn what_was_kept_and_then_broke_off_is_told_as_perhaps_done() {
    for (how, is_done) in [("timed-out", true), ("refused", false)] {
        let place = place(&format!("deed = \"{how}\""));
        let berth = Berth::serve(&place).await;
        let sent = berth
            .call("send_message", json!({"session_id": "one/calm-1", "message": "hello"}))
            .await;
        assert_eq!(!sent.failed, is_done, "{how}: {sent:?}");
        if is_done {
            assert_eq!(sent.structured["receipt"], "unconfirmed");
        }
    }
}
