//! Sessions on a real tmux, from their start to their end: what a client sees of them and does with them, and what
//! becomes of it when something else ends, changes or imitates them.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::berth::{Berth, Called};
use crate::demo::{Demo, Tmux, target, until};

/// The ids of all sessions, or of those in one state; no backend may have failed.
async fn ids(demo: &Demo, state: Option<&str>) -> Vec<String> {
    let list = demo
        .call("list_sessions", json!({"state": state}))
        .await
        .done()
        .structured;
    assert_eq!(list["errors"], json!([]));
    texts(&list["sessions"], "session_id")
}

/// One field of each of an array's objects.
fn texts(array: &Value, field: &str) -> Vec<String> {
    let objects = array.as_array().unwrap().iter();
    objects
        .map(|object| object[field].as_str().unwrap().to_owned())
        .collect()
}

/// Answers the prompt that a message led to, and waits for what comes of it.
async fn answer(demo: &Demo, id: &str, asked: &Called, response: &str) -> Called {
    let prompt = &asked.structured["session"]["prompts"][0]["prompt_id"];
    let arguments = json!({"session_id": id, "response": response, "prompt_id": prompt, "wait_seconds": 25});
    demo.call("respond_to_prompt", arguments).await
}

#[tokio::test]
async fn a_client_creates_a_session_talks_to_it_and_ends_it() {
    let demo = Demo::start().await;
    demo.project("app");
    let wanted = json!({"project": "app", "name": "My App", "message": "hello", "wait_seconds": 25});
    let created = demo.call("create_session", wanted).await.done().structured;
    assert_eq!(created["receipt"], "submitted");
    assert!(
        created["text"].as_str().unwrap().contains("● You said: hello"),
        "{created}"
    );
    let session = &created["session"];
    let id = session["session_id"].as_str().unwrap();
    assert!(id.starts_with("local/My-App-"), "{id}");
    assert_eq!(session["state"], "idle");
    assert_eq!(session["agent"], "demo");
    assert_eq!(session["evidence"], "screen");
    assert_eq!(session["directory"], demo.place.name("projects/app"));

    let sent = demo.send(id, "say what else?").await.done().structured;
    assert_eq!(sent["text"].as_str().unwrap(), "> say what else?\n● what else?");
    let log = demo.call("get_logs", json!({"session_id": id})).await.done().structured;
    assert!(log["text"].as_str().unwrap().contains("● what else?"), "{log}");
    let screen = demo
        .call("get_logs", json!({"session_id": id, "view": "screen"}))
        .await
        .done();
    assert!(screen.text.contains("demo agent · idle"), "{}", screen.text);

    let ended = demo
        .call("terminate_session", json!({"session_id": id}))
        .await
        .done()
        .structured;
    assert_eq!(ended, json!({"session_id": id, "ended": true, "receipt": "confirmed"}));
    assert_eq!(ids(&demo, None).await, Vec::<String>::new());
    for (tool, arguments) in [
        ("terminate_session", json!({"session_id": id})),
        ("send_message", json!({"session_id": id, "message": "x"})),
        ("get_session_status", json!({"session_id": id})),
    ] {
        let why = demo.call(tool, arguments).await.error();
        assert!(
            why.contains("there is no session") || why.contains("there is no such session"),
            "{why}"
        );
    }
}

#[tokio::test]
async fn a_log_is_paged_with_nothing_lost_and_nothing_doubled() {
    let demo = Demo::start().await;
    let id = demo.create("app").await;
    let sent = demo.send(&id, "say first").await.done();
    let mut after = sent.structured["next"].as_str().unwrap().to_owned();
    let mut shown = Vec::new();
    for round in 0..3 {
        demo.send(&id, "print 150").await.done();
        loop {
            let query = json!({"session_id": id, "lines": 40 + round, "after": after, "mobile_format": false});
            let page = demo.call("get_logs", query).await.done().structured;
            page["next"].as_str().unwrap().clone_into(&mut after);
            shown.extend(page["text"].as_str().unwrap().lines().map(str::to_owned));
            if page["more"] == false {
                break;
            }
        }
    }
    let printed = || (1..=150).map(|number| format!("● line {number}"));
    let expected: Vec<String> = printed().chain(printed()).chain(printed()).collect();
    shown.retain(|line| line.starts_with("● line"));
    assert_eq!(shown, expected);
    let query = json!({"session_id": id, "after": after});
    assert_eq!(
        demo.call("get_logs", query).await.done().structured["text"],
        "",
        "there was nothing new"
    );
    let why = demo
        .call("get_logs", json!({"session_id": id, "after": "x"}))
        .await
        .error();
    assert!(why.contains("is not a cursor"), "{why}");
}

#[tokio::test]
async fn a_page_that_follows_a_cursor_ends_where_an_answer_does_and_loses_nothing() {
    let demo = Demo::start().await;
    let id = demo.create("app").await;
    let sent = demo.send(&id, "say first").await.done();
    let mut after = sent.structured["next"].as_str().unwrap().to_owned();
    for number in 0..10 {
        demo.send(&id, &format!("say m{number} {}", "word ".repeat(1000)))
            .await
            .done();
    }
    let (mut shown, mut pages) = (String::new(), 0);
    loop {
        let query = json!({"session_id": id, "lines": 5000, "after": after, "mobile_format": false});
        let page = demo.call("get_logs", query).await.done().structured;
        page["next"].as_str().unwrap().clone_into(&mut after);
        shown += page["text"].as_str().unwrap();
        pages += 1;
        if page["more"] == false {
            break;
        }
    }
    assert!(pages > 1 && !shown.contains("were left out"), "{pages}");
    for number in 0..10 {
        assert!(shown.contains(&format!("m{number} word")), "m{number}");
    }
    assert!(shown.matches("word").count() >= 10_000);
}

#[tokio::test]
async fn output_that_scrolled_away_is_said_to_be_gone() {
    let demo = Demo::start().await;
    let id = demo.create("app").await;
    let sent = demo.send(&id, "say first").await.done();
    let after = sent.structured["next"].as_str().unwrap().to_owned();
    for _ in 0..6 {
        demo.send(&id, "print 10000").await.done();
    }
    let query = json!({"session_id": id, "after": after, "lines": 10});
    let page = demo.call("get_logs", query).await.done().structured;
    let text = page["text"].as_str().unwrap();
    assert_eq!(page["gap"], true);
    assert!(text.ends_with("● line 10000"), "{text}");
    let long = json!({"session_id": id, "lines": 5000});
    let text = demo.call("get_logs", long).await.done().text;
    assert!(
        text.ends_with("● line 10000") && text.chars().count() < 70_000,
        "{}",
        text.len()
    );
}

#[tokio::test]
async fn each_kind_of_question_is_seen_and_answered() {
    let demo = Demo::with(|config, _| {
        config["prompts"]["remote_effects"] = vec!["accepts", "widens", "declines", "neutral"].into();
    })
    .await;
    let id = demo.create("app").await;
    let table = [
        ("run touch x", "permission", "yes", "touch x=Yes"),
        (
            "run touch x",
            "permission",
            "yes, and do not ask again for touch",
            "touch x=Yes, and do not ask again for touch",
        ),
        ("run git push", "permission", "no", "git push=No"),
        (
            "run git push",
            "permission",
            "3",
            "git push=Yes, and switch to auto mode",
        ),
        ("run touch x", "permission", "dismiss", "touch x=No"),
        ("ask Go on?", "question", "y", "Go on?=yes"),
        ("ask Go on?", "question", "No", "Go on?=no"),
        ("choose Red|Green|Blue", "question", "Green", "Which one?=Green"),
        ("choose Red|Green|Blue", "question", "3", "Which one?=Blue"),
    ];
    for (message, kind, response, recorded) in table {
        let asked = demo.send(&id, message).await.done();
        assert_eq!(asked.structured["session"]["state"], "waiting", "{message}");
        let open = demo.call("check_prompts", json!({})).await.done().structured;
        assert_eq!(open["prompts"], asked.structured["session"]["prompts"]);
        assert_eq!(open["prompts"][0]["kind"], kind);
        assert_eq!(open["prompts"][0]["session_id"], *id);
        for wrong in ["perhaps", "9", ""] {
            let why = answer(&demo, &id, &asked, wrong).await.error();
            assert!(why.contains("Nothing was typed"), "{why}");
        }
        let answered = answer(&demo, &id, &asked, response).await.done();
        assert_eq!(answered.structured["session"]["state"], "idle", "{message}: {response}");
        assert_eq!(demo.record("app", "answer").last().unwrap(), recorded);
        let why = answer(&demo, &id, &asked, response).await.error();
        assert!(why.contains("already answered"), "{why}");
    }
    assert_eq!(demo.record("app", "answer").len(), table.len());
    let open = demo.call("check_prompts", json!({})).await.done();
    assert_eq!(open.text.trim(), "Nothing waits for an answer.");
}

#[tokio::test]
async fn who_declines_or_closes_something_hears_after_two_looks_that_the_session_is_idle() {
    let demo = Demo::logged().await;
    let id = demo.create("app").await;
    for (message, response) in [("run touch x", "no"), ("run git push", "dismiss")] {
        let asked = demo.send(&id, message).await.done();
        let looks = || demo.tmux_log().iter().filter(|run| *run == "list-panes").count();
        let before = looks();
        let answered = answer(&demo, &id, &asked, response).await.done();
        assert_eq!(
            answered.structured["session"]["state"], "idle",
            "{message}: {}",
            answered.text
        );
        assert!(answered.structured["note"].is_null(), "{message}: {}", answered.text);
        // Who waits for output that does not come sees the session as silent after eleven.
        assert!(looks() - before < 9, "{message}: {} looks", looks() - before);
    }
}

/// A berth whose demo agent asks for trust first.
async fn wary(remote_trust: bool) -> Demo {
    Demo::with(|config, _| {
        let command = config["agents"]["demo"]["command"].as_array_mut().unwrap();
        command.push("--ask-trust".into());
        let local = config["backends"]["local"].as_table_mut().unwrap();
        local.insert("remote_trust".into(), remote_trust.into());
    })
    .await
}

/// A session of a wary agent, created with a message.
async fn untrusted(demo: &Demo) -> Called {
    demo.project("app");
    let wanted = json!({"project": "app", "message": "hello", "wait_seconds": 25});
    let created = demo.call("create_session", wanted).await.done();
    assert_eq!(created.structured["receipt"], "queued");
    assert_eq!(created.structured["session"]["state"], "waiting");
    assert_eq!(created.structured["session"]["prompts"][0]["kind"], "trust");
    created
}

#[tokio::test]
async fn a_question_of_trust_is_left_to_the_terminal() {
    let demo = wary(false).await;
    let created = untrusted(&demo).await;
    let id = created.structured["session"]["session_id"].as_str().unwrap();
    assert_eq!(created.structured["session"]["prompts"][0]["on_terminal_only"], true);
    for response in ["Yes, I trust this folder", "2"] {
        let why = answer(&demo, id, &created, response).await.error();
        assert!(why.contains("berth attach") && why.contains("remote_trust"), "{why}");
    }
    // The key that closes dialogs would end the agent.
    let why = answer(&demo, id, &created, "dismiss").await.error();
    assert!(why.contains("cannot be closed"), "{why}");
    assert_eq!(demo.record("app", "answer"), Vec::<String>::new());
    assert_eq!(demo.record("app", "message"), Vec::<String>::new());
    demo.tmux.press(id, &["Down", "Enter"]);
    until("the first message", async || {
        (demo.record("app", "message") == ["hello"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_question_of_trust_is_declined_remotely_whoever_may_accept_it() {
    for remote_trust in [false, true] {
        let demo = wary(remote_trust).await;
        let created = untrusted(&demo).await;
        let prompt = &created.structured["session"]["prompts"][0];
        assert_eq!(prompt["on_terminal_only"], !remote_trust);
        let id = created.structured["session"]["session_id"].as_str().unwrap();
        answer(&demo, id, &created, "no").await.done();
        demo.until_state(id, "failed").await;
        assert_eq!(demo.record("app", "answer"), ["Do you trust this folder?=No, exit"]);
    }
}

#[tokio::test]
async fn a_question_of_trust_is_answered_remotely_where_the_operator_allows_it() {
    let demo = wary(true).await;
    let created = untrusted(&demo).await;
    let id = created.structured["session"]["session_id"].as_str().unwrap();
    let answered = answer(&demo, id, &created, "Yes, I trust this folder").await.done();
    assert_eq!(answered.structured["session"]["state"], "idle");
    let recorded = ["Do you trust this folder?=Yes, I trust this folder"];
    assert_eq!(demo.record("app", "answer"), recorded);
}

#[tokio::test]
async fn a_question_in_prose_and_an_error_are_told_with_what_waits_for_a_person() {
    let demo = Demo::start().await;
    let id = demo.create("app").await;
    let prompts = async || demo.call("check_prompts", json!({})).await.done();
    for (said, kind) in [
        ("Half of it is done. Shall I go on?", "asks"),
        ("API Error: 500", "error"),
    ] {
        let sent = demo.send(&id, &format!("say {said}")).await.done();
        let session = &sent.structured["session"];
        assert_eq!(
            (&session["state"], &session["attention"]["kind"]),
            (&json!("idle"), &json!(kind))
        );
        assert_eq!(session["attention"]["reason"], said);
        let listed = prompts().await;
        let attention = json!([{"session_id": id, "kind": kind, "reason": said}]);
        assert_eq!(listed.structured["attention"], attention);
        assert_eq!(listed.structured["prompts"], json!([]));
        assert!(
            listed.text.contains(said) && listed.text.contains(&id),
            "{}",
            listed.text
        );
    }
    demo.send(&id, "say It is done.").await.done();
    assert_eq!(prompts().await.structured.get("attention"), None);
}

#[tokio::test]
async fn a_persons_terminal_leaves_no_size_behind() {
    let demo = Demo::start().await;
    let (id, other) = (demo.create("app").await, demo.create("other").await);
    let size = async |id: &str| {
        let status = demo.call("get_session_status", json!({"session_id": id})).await.done();
        status.structured["session"]["facts"]["size"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(size(&id).await, "120x60");
    // Each terminal is a session of another server.
    let terminals = Tmux::beside(&demo.place);
    for how in ["detach-client", "kill-session"] {
        for (id, name) in [(&id, "a"), (&other, "b")] {
            let attach = demo.tmux.attach(id);
            terminals.order(&["new-session", "-d", "-s", name, "-x", "50", "-y", "24", &attach]);
            until("the terminal's size", async || {
                (size(id).await == "50x24").then_some(())
            })
            .await;
        }
        match how {
            "detach-client" => drop(demo.tmux.order(&["detach-client", "-s", &target(&id)])),
            _ => drop(terminals.order(&["kill-session", "-t", "=a"])),
        }
        until("its own size again", async || {
            (size(&id).await == "120x60").then_some(())
        })
        .await;
        assert_eq!(size(&other).await, "50x24", "a person is still there");
        terminals.order(&["kill-session", "-t", "=b"]);
        until("its own size again", async || {
            (size(&other).await == "120x60").then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn work_is_interrupted_once_and_rest_is_left_alone() {
    let demo = Demo::start().await;
    let id = demo.create("app").await;
    demo.call("send_message", json!({"session_id": id, "message": "work 600"}))
        .await
        .done();
    demo.until_state(&id, "busy").await;
    let interrupt = json!({"session_id": id});
    let interrupted = demo.call("interrupt_session", interrupt.clone()).await.done();
    assert_eq!(interrupted.structured["session"]["state"], "idle");
    let rested = demo.call("interrupt_session", interrupt.clone()).await.done();
    assert_eq!(rested.structured["receipt"], "confirmed");
    assert!(rested.text.contains("It was idle"), "{}", rested.text);
    assert!(!interrupted.text.contains("It was idle"), "{}", interrupted.text);
    demo.send(&id, "run touch x").await.done();
    let why = demo.call("interrupt_session", interrupt).await.error();
    assert!(
        why.contains("waits for an answer") && why.contains("no key was pressed"),
        "{why}"
    );
    assert_eq!(demo.record("app", "interrupt"), ["work 600"]);
    assert_eq!(demo.record("app", "answer"), Vec::<String>::new());
}

#[tokio::test]
async fn projects_are_listed_and_hostile_ones_neither_run_nor_hang_nor_forge() {
    let demo = Demo::start().await;
    let head = |project: &str| demo.place.path(&format!("projects/{project}/.git/HEAD"));
    let repository = |project: &str| {
        demo.project(&format!("{project}/.git"));
        head(project)
    };
    fs::write(repository("app"), "ref: refs/heads/feature/x\n").unwrap();
    fs::write(repository("detached"), "0123456789abcdef0123456789abcdef01234567\n").unwrap();
    demo.project("settings/.claude");
    demo.project("nothing");
    symlink("/etc/hostname", repository("linked")).unwrap();
    symlink("/dev/zero", repository("device")).unwrap();
    fs::File::create(repository("huge")).unwrap().set_len(1 << 30).unwrap();
    let fifo = repository("fifo");
    let made = std::process::Command::new("mkfifo").arg(fifo).status().unwrap();
    assert!(made.success());
    for hostile in [
        "-x",
        "#(touch marker)",
        "#{E:#{a:35}(touch marker)}",
        "two\nlines",
        "a\ttab",
        "\u{1b}[2J",
    ] {
        fs::write(repository(hostile), "ref: refs/heads/main\n").unwrap();
    }
    let listed = demo.call("list_projects", json!({})).await.done().structured;
    let projects = listed["projects"].as_array().unwrap();
    let shown: Vec<(&str, Option<&str>)> = projects
        .iter()
        .map(|project| (project["name"].as_str().unwrap(), project["branch"].as_str()))
        .collect();
    let expected = [
        ("app", Some("feature/x")),
        ("detached", None),
        ("device", None),
        ("fifo", None),
        ("huge", None),
        ("linked", None),
        ("settings", None),
        ("nothing", None),
    ];
    assert_eq!(shown, expected);
    assert_eq!(projects[0]["directory"], demo.place.name("projects/app"));
    assert_eq!(listed["backends"][0]["agents"], json!(["demo"]));
    let errors = listed["errors"].as_array().unwrap();
    let told = |words: &str| {
        let told = errors
            .iter()
            .filter(|error| error["error"].as_str().unwrap().contains(words));
        told.count()
    };
    let unread = told("the branches of device and 2 more are not known");
    assert_eq!((told("is left out"), unread, errors.len()), (6, 1, 7), "{errors:?}");
}

#[tokio::test]
async fn what_means_one_thing_is_taken_in_other_words() {
    // The home directory of a place holds nothing else.
    let demo = Demo::with(|config, place| {
        let projects = place.path("home/projects");
        fs::create_dir_all(projects.join("app")).unwrap();
        let local = config["backends"]["local"].as_table_mut().unwrap();
        local.insert("directories".into(), vec![place.name("home/projects")].into());
    })
    .await;
    let directory = demo.place.name("home/projects/app");
    for arguments in [
        json!({"project": "App", "name": null}),
        json!({"project": "~/projects/app", "options": null}),
        json!({"working_dir": "~/projects/app", "wait_seconds": "20"}),
    ] {
        let created = demo.call("create_session", arguments.clone()).await.done().structured;
        assert_eq!(created["session"]["directory"], directory, "{arguments}");
    }
    for (state, count) in [("Idle", 3), ("running", 0)] {
        let arguments = json!({"state": state, "limit": 50.0});
        for id in ids(&demo, None).await {
            demo.call("get_session_status", json!({"session_id": id, "wait_seconds": 20.0}))
                .await
                .done();
        }
        let listed = demo.call("list_sessions", arguments).await.done().structured;
        assert_eq!(listed["sessions"].as_array().unwrap().len(), count, "{state}: {listed}");
    }
}

#[tokio::test]
async fn a_message_and_an_interrupt_reach_the_only_session_with_a_name_and_the_record_has_its_id() {
    let demo = Demo::start().await;
    demo.project("app");
    let created = demo
        .call(
            "create_session",
            json!({"project": "app", "name": "fix: grün", "wait_seconds": 20}),
        )
        .await
        .done()
        .structured;
    let id = created["session"]["session_id"].as_str().unwrap();
    assert_eq!(created["session"]["name"], "fix: grün");
    let sent = demo
        .call(
            "send_message",
            json!({"session_id": "fix: grün", "message": "work 600"}),
        )
        .await
        .done()
        .structured;
    assert_eq!(
        (&sent["receipt"], &sent["session"]["session_id"]),
        (&json!("submitted"), &json!(id))
    );
    demo.call("interrupt_session", json!({"session_id": "fix: grün"}))
        .await
        .done();
    let recorded = demo.place.run(&["audit", "--json"]).await;
    let calls: Vec<Value> = recorded
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|entry: &Value| {
            ["send_message", "interrupt_session"].contains(&entry["tool"].as_str().unwrap_or_default())
        })
        .collect();
    assert_eq!(calls.len(), 2, "{calls:?}");
    for call in calls {
        assert_eq!(
            (&call["session"], &call["backend"]),
            (&json!(id), &json!("local")),
            "{call}"
        );
    }
}

#[tokio::test]
async fn a_session_starts_in_the_directory_that_is_at_the_granted_path_now_or_not_at_all() {
    let demo = Demo::start().await;
    let running = demo.create("app").await;
    let projects = demo.place.path("projects");
    fs::rename(&projects, demo.place.path("away")).unwrap();
    let start = async || {
        demo.call("create_session", json!({"project": "app", "wait_seconds": 20}))
            .await
    };
    let refused = start().await.error();
    assert!(refused.contains("make it again"), "{refused}");
    symlink(demo.place.path("away"), &projects).unwrap();
    let refused = start().await.error();
    assert!(refused.contains("symbolic link"), "{refused}");
    let listed = demo.call("list_projects", json!({})).await.done().structured;
    let unknown = listed["errors"][0]["error"].as_str().unwrap();
    assert!(
        unknown.starts_with("the projects in ") && unknown.contains("symbolic link"),
        "{listed}"
    );
    assert_eq!(listed["projects"], json!([]));
    assert_eq!(ids(&demo, None).await, [running.as_str()], "what runs is still there");

    fs::remove_file(&projects).unwrap();
    let started = demo.create("app").await;
    assert_eq!(demo.record("app", "start").len(), 1, "only the new one writes here");
    assert_eq!(ids(&demo, None).await.len(), 2);
    assert_ne!(started, running);
}

#[tokio::test]
async fn a_session_in_a_directory_with_a_hostile_name_runs_nothing_and_forges_no_row() {
    let demo = Demo::start().await;
    let names = ["#(touch marker)", "#{E:#{a:35}(touch marker)}", "-x", "a;b;"];
    for name in names {
        demo.project(name);
        let wanted = json!({"working_dir": demo.place.path("projects").join(name), "wait_seconds": 20});
        let created = demo.call("create_session", wanted).await.done().structured;
        assert_eq!(
            created["session"]["directory"],
            demo.place.path("projects").join(name).to_str().unwrap()
        );
    }
    // A person may start one where berth would not.
    let forged = "two\n%99:$99:1700000000:1700000009:0:::0:0:120:60:1:6:4:4:2:forgeddemodemo/p";
    demo.project(&forged.replace('/', ""));
    let directory = demo.place.path("projects").join(forged.replace('/', ""));
    demo.tmux.order(&[
        "new-session",
        "-d",
        "-s",
        "by-hand",
        "-c",
        directory.to_str().unwrap(),
        "env",
        "sleep",
        "600",
    ]);
    let ids = ids(&demo, None).await;
    assert_eq!(ids.len(), names.len() + 1, "{ids:?}");
    assert!(!ids.iter().any(|id| id.contains("forged")), "{ids:?}");
    for name in names {
        assert!(!demo.place.path("projects").join(name).join("marker").exists());
    }
}

#[tokio::test]
async fn search_and_fetch_answer_in_exactly_the_shapes_that_are_asked_for() {
    let demo = Demo::start().await;
    let id = demo.create("app").await;
    demo.create("other").await;
    demo.send(&id, "say something to be found").await.done();
    let found = demo
        .call(
            "search",
            json!({"query": "which one had something to be FOUND, in app?"}),
        )
        .await
        .done();
    assert_eq!(serde_json::from_str::<Value>(&found.text).unwrap(), found.structured);
    let results = found.structured["results"].as_array().unwrap();
    assert_eq!(keys(&found.structured), ["results"]);
    assert_eq!(keys(&results[0]), ["id", "title", "url"]);
    assert_eq!(results[0]["id"], *id);
    let fetched = demo.call("fetch", json!({"id": id})).await.done();
    assert_eq!(
        serde_json::from_str::<Value>(&fetched.text).unwrap(),
        fetched.structured
    );
    assert_eq!(keys(&fetched.structured), ["id", "metadata", "text", "title", "url"]);
    assert_eq!(fetched.structured["url"], results[0]["url"]);
    let text = fetched.structured["text"].as_str().unwrap();
    assert!(text.contains("● something to be found"), "{text}");
    let none = demo.call("search", json!({"query": "nowhere"})).await.done();
    assert_eq!(none.structured, json!({"results": []}));
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_name_will_do_for_reading_and_a_whole_id_is_needed_for_what_cannot_be_undone() {
    let demo = Demo::start().await;
    let id = demo.create("alpha").await;
    demo.create("beta").await;
    let bare = id.strip_prefix("local/").unwrap();
    for name in [bare, "alpha", "al", "local/alp"] {
        let status = demo
            .call("get_session_status", json!({"session_id": name}))
            .await
            .done();
        assert_eq!(status.structured["session"]["session_id"], *id);
        demo.call("get_logs", json!({"session_id": name})).await.done();
        for (tool, arguments) in [
            ("terminate_session", json!({"session_id": name})),
            ("respond_to_prompt", json!({"session_id": name, "response": "1"})),
        ] {
            let why = demo.call(tool, arguments).await.error();
            assert!(
                why.contains("whole session id") || why.contains("no such session"),
                "{why}"
            );
        }
    }
    assert_eq!(ids(&demo, None).await.len(), 2);
    assert_eq!(demo.record("alpha", "message"), Vec::<String>::new());
}

#[tokio::test]
async fn sessions_are_listed_by_state() {
    let demo = Demo::start().await;
    let (idle, busy, waiting) = tokio::join!(demo.create("idle"), demo.create("busy"), demo.create("waiting"));
    demo.call("send_message", json!({"session_id": busy, "message": "work 600"}))
        .await
        .done();
    demo.send(&waiting, "ask Go on?").await.done();
    demo.until_state(&busy, "busy").await;
    for (state, id) in [("idle", idle), ("busy", busy), ("waiting", waiting)] {
        assert_eq!(ids(&demo, Some(state)).await, [id]);
    }
    assert_eq!(ids(&demo, Some("done")).await, Vec::<String>::new());
    assert_eq!(ids(&demo, None).await.len(), 3);
}

#[tokio::test]
async fn an_agent_that_ended_is_done_or_failed_and_nothing_is_typed_to_it() {
    let demo = Demo::start().await;
    for (command, state, status) in [("/exit", "done", "0"), ("/crash", "failed", "3")] {
        let id = demo.create(state).await;
        let sent = demo.send(&id, command).await.done().structured;
        assert_eq!(sent["receipt"], "submitted");
        assert_eq!(sent["session"]["evidence"], "process");
        // Also before tmux has seen how it ended; at that moment it may not even have seen that.
        let seen = sent["session"]["state"].as_str().unwrap();
        assert!([state, "unknown"].contains(&seen), "{sent}");
        until(state, async || {
            demo.tmux.reap();
            (demo.state(&id).await == state).then_some(())
        })
        .await;
        let found = demo.call("get_session_status", json!({"session_id": id})).await.done();
        assert_eq!(found.structured["session"]["facts"]["exit-status"], status);
        assert_eq!(ids(&demo, Some(state)).await, [id.as_str()]);
        for (tool, arguments) in [
            ("send_message", json!({"session_id": id, "message": "echo hello"})),
            (
                "send_message",
                json!({"session_id": id, "message": "x", "wait_seconds": 20}),
            ),
            ("respond_to_prompt", json!({"session_id": id, "response": "yes"})),
        ] {
            let why = demo.call(tool, arguments).await.error();
            assert!(why.contains("nothing was typed"), "{why}");
        }
        let log = demo.call("get_logs", json!({"session_id": id})).await.done();
        assert!(
            log.text.contains(command) && !log.text.contains("echo hello"),
            "{}",
            log.text
        );
        demo.call("terminate_session", json!({"session_id": id})).await.done();
    }
    assert_eq!(ids(&demo, None).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_session_that_a_person_started_is_found_and_driven() {
    let demo = Demo::start().await;
    demo.project("app");
    let directory = demo.place.name("projects/app");
    let start = ["new-session", "-d", "-s", "two words", "-c", &directory];
    let agent = [env!("CARGO_BIN_EXE_berth"), "demo-agent", "--record", "record"];
    demo.tmux.order(&[&start[..], &agent].concat());
    let id = until("the session", async || {
        ids(&demo, Some("idle")).await.into_iter().next()
    })
    .await;
    assert_eq!(id, "local/tmux-0");
    assert_eq!(
        demo.send(&id, "hello\nthere").await.done().structured["receipt"],
        "submitted"
    );
    let asked = demo.send(&id, "run touch x").await.done();
    answer(&demo, &id, &asked, "no").await.done();
    assert_eq!(demo.record("app", "message"), ["hello\nthere", "run touch x"]);
    assert_eq!(demo.record("app", "answer"), ["touch x=No"]);
    let by_name = demo
        .call("get_session_status", json!({"session_id": "two words"}))
        .await
        .done();
    assert_eq!(by_name.structured["session"]["session_id"], *id);
    demo.call("terminate_session", json!({"session_id": id})).await.done();
    assert_eq!(ids(&demo, None).await, Vec::<String>::new());
}

#[tokio::test]
async fn nothing_is_typed_into_the_shell_that_an_agent_left_behind() {
    let demo = Demo::start().await;
    demo.project("app");
    let directory = demo.place.name("projects/app");
    for (name, window) in [("named", "demo"), ("plain", "sh")] {
        let start = [
            "new-session",
            "-d",
            "-s",
            name,
            "-n",
            window,
            "-c",
            &directory,
            "env",
            "PS1=ready ",
            "sh",
        ];
        demo.tmux.order(&start);
        let id = format!("local/{name}");
        until("the shell", async || {
            demo.tmux.screen(&id).contains("ready").then_some(())
        })
        .await;
        let agent = format!("{} demo-agent", env!("CARGO_BIN_EXE_berth"));
        demo.tmux.write(&id, &agent);
        demo.tmux.press(&id, &["Enter"]);
        demo.until_state(&id, "idle").await;
        demo.send(&id, "/exit").await.done();
        assert_eq!(demo.state(&id).await, "unknown");
        for message in ["touch marker", "touch marker\ntouch marker"] {
            let sent = json!({"session_id": id, "message": message, "wait_seconds": 5});
            let why = demo.call("send_message", sent).await.error();
            assert!(why.contains("nothing was typed"), "{why}");
        }
        assert!(!demo.tmux.screen(&id).contains("marker"));
    }
    assert!(!demo.place.path("projects/app/marker").exists());
}

#[tokio::test]
async fn a_session_that_vanishes_is_said_to_be_gone_at_once() {
    let demo = Demo::logged().await;
    let (id, other) = tokio::join!(demo.create("app"), demo.create("other"));
    demo.call("send_message", json!({"session_id": id, "message": "work 600"}))
        .await
        .done();
    let before = demo.tmux_log().len();
    let vanish = async {
        until("the waiting", async || {
            (demo.tmux_log().len() > before + 6).then_some(())
        })
        .await;
        demo.tmux.order(&["kill-session", "-t", &target(&id)]);
    };
    let status = json!({"session_id": id, "wait_seconds": 25});
    let (waited, ()) = tokio::join!(demo.call("get_session_status", status), vanish);
    let why = waited.error();
    assert!(why.contains("is gone"), "{why}");
    assert_eq!(ids(&demo, None).await, [other.as_str()]);
    assert_eq!(demo.state(&other).await, "idle");
}

#[tokio::test]
async fn panes_that_vanish_while_they_are_listed_cost_no_other_its_screen() {
    let demo = Demo::start().await;
    let id = demo.create("app").await;
    let asked = demo.send(&id, "ask Go on?").await.done();
    for round in 0..10 {
        let names: Vec<String> = (0..8).map(|number| format!("brief-{round}-{number}")).collect();
        for name in &names {
            demo.tmux
                .order(&["new-session", "-d", "-s", name, "-n", "demo", "env", "sleep", "600"]);
        }
        let list = demo.call("list_sessions", json!({}));
        let end = async {
            for name in &names {
                tokio::task::yield_now().await;
                demo.tmux.order(&["kill-session", "-t", &format!("={name}")]);
            }
        };
        let (list, ()) = tokio::join!(list, end);
        let list = list.done().structured;
        assert_eq!(list["errors"], json!([]));
        let sessions = list["sessions"].as_array().unwrap();
        let kept = sessions.iter().find(|session| session["session_id"] == *id).unwrap();
        assert_eq!(kept["prompts"], asked.structured["session"]["prompts"]);
    }
}

#[tokio::test]
async fn after_the_end_of_the_tmux_server_there_are_no_sessions_and_new_ones_can_be_made() {
    let demo = Demo::start().await;
    let id = demo.create("app").await;
    demo.tmux.order(&["kill-server"]);
    until("the end", async || {
        (!demo.tmux.run(&["has-session"]).status.success()).then_some(())
    })
    .await;
    assert_eq!(ids(&demo, None).await, Vec::<String>::new());
    let why = demo.send(&id, "hello").await.error();
    assert!(why.contains("there is no such session"), "{why}");
    let next = demo.create("app").await;
    assert_ne!(next, id, "an id was used twice");
    demo.send(&next, "hello").await.done();
}

#[tokio::test]
async fn sessions_outlive_a_berth_that_is_killed() {
    let mut demo = Demo::start().await;
    let id = demo.create("app").await;
    let asked = demo.send(&id, "twice touch x").await.done();
    answer(&demo, &id, &asked, "yes").await.done();
    demo.berth.kill().await;
    demo.berth = Berth::serve(&demo.place).await;
    assert_eq!(ids(&demo, Some("waiting")).await, [id.as_str()]);
    let why = answer(&demo, &id, &asked, "yes").await.error();
    assert!(why.contains("Nothing was typed"), "{why}");
    let open = demo.call("get_session_status", json!({"session_id": id})).await.done();
    answer(&demo, &id, &open, "no").await.done();
    demo.send(&id, "hello").await.done();
    assert_eq!(demo.record("app", "answer"), ["touch x=Yes", "touch x=No"]);
    assert_eq!(demo.record("app", "message"), ["twice touch x", "hello"]);
}

#[tokio::test]
async fn a_backend_that_hangs_does_not_hide_these_sessions() {
    let demo = Demo::with(|config, _| {
        let other: toml::Table = "plugin = './misbehaving.wasm'\nsettings.list = 'hang'\nlimits.deadline = '1s'"
            .parse()
            .unwrap();
        config["backends"]
            .as_table_mut()
            .unwrap()
            .insert("other".into(), other.into());
    })
    .await;
    let id = demo.create("app").await;
    let asked = demo.send(&id, "ask Go on?").await.done();
    let list = demo.call("list_sessions", json!({})).await.done().structured;
    assert_eq!(texts(&list["sessions"], "session_id"), [id.as_str()]);
    assert_eq!(texts(&list["errors"], "backend"), ["other"]);
    let open = demo.call("check_prompts", json!({})).await.done().structured;
    assert_eq!(open["prompts"], asked.structured["session"]["prompts"]);
    answer(&demo, &id, &asked, "yes").await.done();
    demo.send(&id, "hello").await.done();
}

#[tokio::test]
async fn a_hundred_sessions_are_listed_by_two_runs_of_tmux() {
    let demo = Demo::logged().await;
    let id = demo.create("app").await;
    demo.send(&id, "ask Go on?").await.done();
    for number in 1..100 {
        let name = format!("s-{number}");
        demo.tmux
            .order(&["new-session", "-d", "-s", &name, "-n", "demo", "env", "sleep", "600"]);
    }
    let before = demo.tmux_log().len();
    let listed = demo.call("list_sessions", json!({"limit": 100})).await.done();
    assert_eq!(listed.structured["sessions"].as_array().unwrap().len(), 100);
    assert_eq!(demo.tmux_log()[before..], ["list-panes", "display-message"]);
    assert_eq!(ids(&demo, Some("waiting")).await, [id.as_str()]);
}
