//! The first message of a session whose agent asks something first: kept, shown, taken back, sent once.

use serde_json::{Value, json};

use crate::berth::{Berth, Place};
use crate::demo::{Demo, until};
use crate::on_host::is_on_host;

/// A berth whose demo agent asks for trust first.
async fn wary() -> Demo {
    Demo::with(|config, _| {
        let command = config["agents"]["demo"]["command"].as_array_mut().unwrap();
        command.push("--ask-trust".into());
    })
    .await
}

/// A session that asks for trust, and the id of its first message, which waits.
async fn created(demo: &Demo, message: &str) -> (String, String) {
    created_with(demo, json!({"message": message})).await
}

async fn created_with(demo: &Demo, mut wanted: Value) -> (String, String) {
    demo.project("app");
    (wanted["project"], wanted["wait_seconds"]) = ("app".into(), 25.into());
    let created = demo.call("create_session", wanted).await.done();
    assert_eq!(created.structured["receipt"], "queued", "{}", created.text);
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let id = word(&created.structured["session"]["session_id"]);
    let message_id = word(&created.structured["message_id"]);
    let queue = &created.structured["session"]["queue"];
    assert_eq!(queue[0]["message_id"], message_id, "{queue}");
    (id, message_id)
}

/// The session as it is now.
async fn session(demo: &Demo, id: &str) -> Value {
    let status = demo.call("get_session_status", json!({"session_id": id})).await;
    status.done().structured["session"].clone()
}

/// A person gives trust at the terminal.
fn trust(demo: &Demo, id: &str) {
    demo.tmux.press(id, &["Down", "Enter"]);
}

/// Waits until the agent has this many messages, and that nothing waits for it.
async fn until_sent(demo: &Demo, id: &str) {
    until("the first message", async || {
        let session = session(demo, id).await;
        (session["queue"].is_null() && session["state"] == "idle").then_some(())
    })
    .await;
}

/// How many messages the outbox has, and how many of their texts.
fn in_outbox(place: &Place) -> (i64, i64) {
    let outbox = rusqlite::Connection::open(place.path("data/outbox.db")).unwrap();
    let count = "SELECT count(*), count(nullif(text, '')) FROM message";
    outbox
        .query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
}

#[tokio::test]
async fn a_first_message_waits_until_the_folder_is_trusted_and_is_sent_once() {
    let demo = wary().await;
    let (id, message_id) = created(&demo, "the first words").await;
    let status = demo.call("get_session_status", json!({"session_id": id})).await.done();
    let queued = &status.structured["session"]["queue"][0];
    assert_eq!(queued["text"], "the first words");
    assert!(queued["until"].as_str() > queued["at"].as_str());
    let directory = demo.place.name("projects/app");
    let trusting = format!("`berth trust {directory}`");
    // That is for a directory of this machine.
    assert_eq!(queued["waits"].as_str().unwrap().contains("berth trust"), !is_on_host());
    for words in [
        "until the folder is trusted",
        &format!("`berth attach {id}`"),
        if is_on_host() { "" } else { &trusting },
    ] {
        assert!(queued["waits"].as_str().unwrap().contains(words), "{queued}");
        assert!(
            status.text.contains(words) && status.text.contains(&message_id),
            "{}",
            status.text
        );
    }
    let listed = demo.call("list_sessions", json!({})).await.done();
    // How long ago that was grows.
    let aged = |queued: &Value| json!({"at": queued["at"], "id": queued["message_id"], "waits": queued["waits"]});
    assert_eq!(aged(&listed.structured["sessions"][0]["queue"][0]), aged(queued));
    // Another message would answer the question.
    let refused = demo
        .call("send_message", json!({"session_id": id, "message": "and more"}))
        .await;
    assert!(refused.error().contains("nothing was typed"));
    assert_eq!(demo.record("app", "message"), Vec::<String>::new());

    trust(&demo, &id);
    until_sent(&demo, &id).await;
    demo.send(&id, "and more").await.done();
    assert_eq!(demo.record("app", "message"), ["the first words", "and more"]);
    assert_eq!(in_outbox(&demo.place), (0, 0));
    // It is recorded as a call of whoever sent it, and its words are nowhere.
    let audit = demo.place.run(&["audit", "--json", "--limit", "0"]).await.stdout;
    let sent = audit
        .lines()
        .filter(|line| line.contains(&message_id) && line.contains("send_message"));
    assert!(sent.count() > 0, "{audit}");
    assert!(!audit.contains("first words") && !demo.place.read("log").contains("first words"));
}

#[tokio::test]
async fn one_that_is_taken_back_is_not_sent() {
    let demo = wary().await;
    for by_id in [true, false] {
        let (id, message_id) = created(&demo, "not this").await;
        let wanted = match by_id {
            true => json!({"session_id": id, "message_id": message_id}),
            false => json!({"session_id": id, "queued": true}),
        };
        let taken = demo.call("interrupt_session", wanted.clone()).await.done();
        assert!(taken.structured["session"]["queue"].is_null(), "{}", taken.text);
        assert_eq!(in_outbox(&demo.place), (0, 0));
        let again = demo.call("interrupt_session", wanted).await.error();
        assert!(again.contains("no message") || again.contains("not busy"), "{again}");
        trust(&demo, &id);
        demo.until_state(&id, "idle").await;
        demo.send(&id, "but this").await.done();
        demo.call("terminate_session", json!({"session_id": id})).await.done();
    }
    assert_eq!(demo.record("app", "message"), ["but this", "but this"]);
}

#[tokio::test]
async fn it_outlives_a_berth_that_is_killed_and_a_reload() {
    let mut demo = wary().await;
    let attachments = json!([{"name": "a.log", "media_type": "text/plain", "text": "one line"}]);
    let wanted = json!({"message": "after all that", "attachments": attachments});
    let (id, message_id) = created_with(&demo, wanted).await;
    demo.berth.kill().await;
    demo.berth = Berth::serve(&demo.place).await;
    let reloaded = demo.place.run(&["reload"]).await;
    assert!(reloaded.success, "{}", reloaded.stderr);
    assert_eq!(session(&demo, &id).await["queue"][0]["message_id"], message_id);
    trust(&demo, &id);
    until_sent(&demo, &id).await;
    assert_eq!(demo.record("app", "message"), ["after all that\na.log:\n\n\none line"]);
}

#[tokio::test]
async fn it_goes_with_the_end_of_its_session_and_that_is_said() {
    let demo = wary().await;
    let (id, _) = created(&demo, "too late").await;
    let ended = demo.call("terminate_session", json!({"session_id": id})).await.done();
    assert_eq!(ended.structured["ended"], true);
    assert!(ended.text.contains("were dropped"), "{}", ended.text);
    assert_eq!(in_outbox(&demo.place), (0, 0));

    // Whoever does not trust the folder ends this agent.
    let (id, message_id) = created(&demo, "too late").await;
    demo.tmux.press(&id, &["Enter"]);
    until("the end of the message", async || {
        (in_outbox(&demo.place) == (0, 0)).then_some(())
    })
    .await;
    until("its record", async || {
        let audit = demo.place.run(&["audit", "--json", "--limit", "0"]).await.stdout;
        let gone = |line: &str| line.contains(&message_id) && line.contains("the session ended");
        audit.lines().any(gone).then_some(())
    })
    .await;
    assert_eq!(demo.record("app", "message"), Vec::<String>::new());
}

#[tokio::test]
async fn one_of_which_it_is_not_known_whether_it_was_typed_is_not_typed_again() {
    let hour = 3_600_000;
    // When typing was begun, in hours ago, what its backend knows of that, and whether it is typed now.
    let table = [
        (2, None, false),
        (
            0,
            Some(json!({"session": "", "after": "1-00000000", "confirmed": false})),
            false,
        ),
        (0, None, true),
    ];
    for (ago, known, is_typed) in table {
        let mut demo = wary().await;
        let (id, message_id) = created(&demo, "perhaps").await;
        demo.berth.kill().await;
        let now = u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
        let outbox = rusqlite::Connection::open(demo.place.path("data/outbox.db")).unwrap();
        let began = "UPDATE message SET began = ?1";
        outbox
            .execute(began, [i64::try_from(now - ago * hour - 1).unwrap()])
            .unwrap();
        drop(outbox);
        if let Some(mut known) = known {
            known["session"] = id.strip_prefix("local/").unwrap().into();
            let note = json!({"at": now, "what": known}).to_string();
            demo.place
                .keep("local", &format!("message-{message_id}"), Some(note.as_bytes()));
        }
        demo.berth = Berth::serve(&demo.place).await;
        trust(&demo, &id);
        if is_typed {
            until_sent(&demo, &id).await;
            assert_eq!(demo.record("app", "message"), ["perhaps"]);
            continue;
        }
        let attention = until("what became of it", async || {
            let session = session(&demo, &id).await;
            (session["state"] == "idle" && session["attention"].is_object()).then(|| session["attention"].clone())
        })
        .await;
        assert_eq!(attention["kind"], "message");
        assert!(attention["reason"].as_str().unwrap().contains("typed"), "{attention}");
        assert_eq!(demo.record("app", "message"), Vec::<String>::new());
        assert_eq!(in_outbox(&demo.place), (1, 0), "its words do not stay");
        let open = demo.call("check_prompts", json!({})).await.done();
        assert_eq!(open.structured["attention"][0]["session_id"], id);
        let wanted = json!({"session_id": id, "message_id": message_id});
        demo.call("interrupt_session", wanted).await.done();
        assert!(session(&demo, &id).await["attention"].is_null());
    }
}

#[tokio::test]
async fn it_is_not_sent_for_who_has_no_access_any_more() {
    let mut demo = wary().await;
    demo.project("app");
    let made = demo
        .place
        .run(&["tokens", "create", "phone", "--scope", "sessions:control"])
        .await;
    assert!(made.success, "{}", made.stderr);
    let operator = std::mem::replace(&mut demo.berth.token, made.stdout.trim().to_owned());
    let (id, _) = created(&demo, "from a phone").await;
    demo.berth.token = operator;
    let ended = demo.place.run(&["tokens", "revoke", "--all"]).await;
    assert!(ended.success, "{}", ended.stderr);
    trust(&demo, &id);
    let reason = until("what became of it", async || {
        let session = session(&demo, &id).await;
        session["attention"]["reason"].as_str().map(str::to_owned)
    })
    .await;
    assert!(reason.contains("no access any more"), "{reason}");
    demo.send(&id, "from the operator").await.done();
    assert_eq!(demo.record("app", "message"), ["from the operator"]);
}
