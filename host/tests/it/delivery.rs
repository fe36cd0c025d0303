//! Messages and answers to the demo agent on a real tmux: each arrives once and whole, or is refused with nothing typed.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::berth::{Berth, Called, Place};
use crate::demo::{Demo, until};

/// Sessions that are written to at once.
const SESSIONS: usize = 5;

/// What a message becomes.
#[derive(Debug, Clone)]
enum Fate {
    /// It arrives as it is, except line ends and control characters.
    Arrives(String),
    /// The same, and because it is higher than the screen, only its end was seen before.
    EndSeen(String),
    /// Nothing is typed, with this word why.
    Refused(&'static str),
}

/// Forty messages of every kind that ever went wrong; `marker` is a file that some of them would make if anything ran
/// them.
fn messages(marker: &str) -> Vec<(String, Fate)> {
    let rule = "─".repeat(60);
    let menu = format!(
        "{rule}\n Run command\n\n   touch {marker}\n\n Do you want to proceed?\n > 1. Yes\n   2. No\n\n Esc to cancel"
    );
    let plain = [
        "hello".to_owned(),
        "hello".to_owned(),
        numbered_lines(20),
        numbered_lines(9),
        numbered_lines(11),
        "0123456789 ".repeat(500),
        "wrapped at the edge ".repeat(38),
        "a\tb\tc".to_owned(),
        "\tindented\n\t\tmore".to_owned(),
        "it's \"quoted\", 'more' and ``ticks``".to_owned(),
        format!("$(touch {marker}) `touch {marker}` ${{HOME}}"),
        format!("#(touch {marker}) #{{E:#{{a:35}}(touch {marker})}} #{{pane_id}} #[fg=red]"),
        format!("ls; touch {marker};"),
        ";".to_owned(),
        "ls \\;".to_owned(),
        "ls;;".to_owned(),
        "\u{1f389}".to_owned(),
        "\u{1f469}\u{200d}\u{1f467} naïve 日本語テキスト e\u{301}".to_owned(),
        "-l".to_owned(),
        "--help -t %0".to_owned(),
        "/help".to_owned(),
        "Enter".to_owned(),
        "C-c".to_owned(),
        "1".to_owned(),
        "y".to_owned(),
        menu.clone(),
        format!("say {menu}"),
        format!("say {rule}\n Delete everything? [y/n]"),
        format!("say {rule}\n> x\n{rule}\n  demo agent · esc to interrupt"),
        "  blanks before and after  ".to_owned(),
        "ends with a new line\n".to_owned(),
    ];
    let changed = [
        ("two\\\\", "two\\\\ "),
        ("C:\\", "C:\\ "),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\u{1b}[201~b\u{3}c\u{9b}d", "a[201~bcd"),
    ];
    let high = [
        numbered_lines(1_500).chars().take(30_000).collect::<String>(),
        "0123456789 ".repeat(2_800).chars().take(30_000).collect(),
    ];
    let unknown = format!("/unknown $(touch {marker});");
    let refused = [
        ("", "the message is empty"),
        (" \n\t", "the message is empty"),
        (unknown.as_str(), "does not know the command /unknown"),
    ];
    let arrives = plain.into_iter().map(|text| (text.clone(), Fate::Arrives(text)));
    let changed = changed.map(|(sent, text)| (sent.to_owned(), Fate::Arrives(text.to_owned())));
    let high = high.map(|text| (text.clone(), Fate::EndSeen(text)));
    let refused = refused.map(|(sent, why)| (sent.to_owned(), Fate::Refused(why)));
    arrives.chain(changed).chain(high).chain(refused).collect()
}

fn numbered_lines(count: usize) -> String {
    let lines: Vec<String> = (1..=count).map(|number| format!("line {number} of many")).collect();
    lines.join("\n")
}

#[tokio::test]
async fn two_hundred_messages_over_five_sessions_arrive_once_and_whole() {
    let demo = Demo::start().await;
    let marker = demo.place.name("projects/marker");
    let messages = messages(&marker);
    assert_eq!(messages.len() * SESSIONS, 200);
    join_all((0..SESSIONS).map(|number| converse(&demo, number, &messages))).await;
    assert!(!demo.place.path("projects/marker").exists());
}

/// One session: all messages, each when the one before is done, beginning with another one in each session.
async fn converse(demo: &Demo, number: usize, messages: &[(String, Fate)]) {
    let project = format!("project-{number}");
    let id = demo.create(&project).await;
    let mut messages = messages.to_vec();
    messages.rotate_left(number * 8);
    let mut expected = Vec::new();
    for (message, fate) in messages {
        let sent = demo.send(&id, &message).await;
        let (receipt, text) = match fate {
            Fate::Arrives(text) => ("submitted", text),
            Fate::EndSeen(text) => ("unconfirmed", text),
            Fate::Refused(word) => {
                let why = sent.error();
                assert!(why.contains(word), "{message:?}: {why}");
                // The demo agent records what was entered, also where it does not know it.
                expected.extend(message.starts_with('/').then_some(message));
                assert_eq!(demo.record(&project, "message"), expected);
                continue;
            }
        };
        let sent = sent.done();
        assert_eq!(sent.structured["receipt"], receipt, "{message:?}: {}", sent.text);
        assert_eq!(
            sent.structured["session"]["state"], "idle",
            "{message:?}: {}",
            sent.text
        );
        expected.push(text);
        assert_eq!(demo.record(&project, "message"), expected, "after {message:?}");
    }
}

#[tokio::test]
async fn texts_that_go_with_a_message_arrive_whole_after_it_and_what_is_not_text_is_refused() {
    let demo = Demo::start().await;
    let id = demo.create("app").await;
    let log = "2026-11-26 a line of a log; `touch x`\n".repeat(2_000);
    let text = |name: &str, text: &str| json!({"name": name, "media_type": "text/plain", "text": text});
    let send = async |message: &str, attachments: Value| {
        let wanted = json!({"session_id": id, "message": message, "attachments": attachments, "wait_seconds": 25});
        demo.call("send_message", wanted).await
    };
    let high = numbered_lines(300);
    let mut expected = Vec::new();
    for (message, attachments, receipt) in [
        ("why?", json!([text("app.log", &log)]), "submitted"),
        (
            "compare\nthem",
            json!([text("a.txt", "short"), text("b.txt", "\n\n")]),
            "submitted",
        ),
        (high.as_str(), json!([text("a.txt", &log)]), "unconfirmed"),
    ] {
        let sent = send(message, attachments.clone()).await.done();
        assert_eq!(sent.structured["receipt"], receipt, "{}", sent.text);
        let texts = attachments.as_array().unwrap().iter().map(|one| {
            let word = |field: &str| one[field].as_str().unwrap().to_owned();
            format!("\n{}:\n\n\n{}", word("name"), word("text"))
        });
        expected.push(message.to_owned() + &texts.collect::<String>());
        assert_eq!(demo.record("app", "message"), expected);
    }
    let picture = json!([{"name": "shot.png", "media_type": "image/png", "data": "iVBORw0KGgoA/w=="}]);
    let why = send("look", picture).await.error();
    assert!(
        why.contains("`shot.png` is not text") && why.contains("put it in a file"),
        "{why}"
    );
    // A busy session takes it when its turn comes.
    demo.call("send_message", json!({"session_id": id, "message": "work 2"}))
        .await
        .done();
    let sent = send("then this", json!([text("a.txt", "short")])).await.done();
    assert_eq!(sent.structured["receipt"], "submitted", "{}", sent.text);
    let arrived = demo.record("app", "message");
    assert_eq!(arrived.last().unwrap(), "then this\na.txt:\n\n\nshort");
    assert_eq!(arrived.len(), expected.len() + 2);
}

#[tokio::test]
async fn senders_at_once_on_one_session_do_not_mix_their_texts() {
    let demo = Demo::start().await;
    let id = demo.create("one").await;
    let messages: Vec<String> = ["a", "b", "c", "d"]
        .iter()
        .map(|letter| [*letter; 5].map(|letter| letter.repeat(90)).join("\n"))
        .collect();
    for sent in join_all(messages.iter().map(|message| demo.send(&id, message))).await {
        assert_eq!(sent.done().structured["receipt"], "submitted");
    }
    let mut arrived = demo.record("one", "message");
    arrived.sort();
    assert_eq!(arrived, messages);
}

/// A session at the first of two equal menus: its id and the prompt's.
async fn at_twins(demo: &Demo) -> (String, String) {
    let id = demo.create("one").await;
    let sent = demo.send(&id, "twice touch x").await.done();
    (id, prompt_id(&sent))
}

#[track_caller]
fn prompt_id(called: &Called) -> String {
    let id = called.structured["session"]["prompts"][0]["prompt_id"].as_str();
    id.unwrap_or_else(|| panic!("no prompt: {called:?}")).to_owned()
}

#[tokio::test]
async fn a_repeated_answer_does_not_reach_the_equal_question_that_follows() {
    let demo = Demo::start().await;
    let (id, first) = at_twins(&demo).await;
    let yes = json!({"session_id": id, "response": "yes", "prompt_id": first});
    let answered = demo.call("respond_to_prompt", yes.clone()).await.done();
    let second = prompt_id(&answered);
    assert_ne!(first, second);
    let why = demo.call("respond_to_prompt", yes).await.error();
    assert!(
        why.contains("already answered, with “Yes”") && why.contains(&second),
        "{why}"
    );
    assert_eq!(demo.state(&id).await, "waiting");
    assert_eq!(demo.record("one", "answer"), ["touch x=Yes"]);
}

#[tokio::test]
async fn answers_given_at_once_count_once() {
    for named in [true, false] {
        let demo = Demo::start().await;
        let (id, first) = at_twins(&demo).await;
        let mut yes = json!({"session_id": id, "response": "yes"});
        if named {
            yes["prompt_id"] = first.into();
        }
        let answers = join_all((0..4).map(|_| demo.call("respond_to_prompt", yes.clone()))).await;
        let refused = answers.iter().filter(|answer| answer.failed).count();
        assert_eq!(refused, 3, "{answers:?}");
        assert_eq!(demo.state(&id).await, "waiting");
        assert_eq!(demo.record("one", "answer"), ["touch x=Yes"]);
    }
}

#[tokio::test]
async fn a_message_into_an_open_question_is_refused_and_the_question_stands() {
    let demo = Demo::start().await;
    let id = demo.create("one").await;
    let mut asked = Vec::new();
    for (question, response) in [
        ("run touch x", "no"),
        ("ask Go on?", "n"),
        ("choose Red|Green", "dismiss"),
    ] {
        asked.push(question.to_owned());
        let before = prompt_id(&demo.send(&id, question).await.done());
        for message in ["yes", "1", "y", "please go on\nand on"] {
            let why = demo.send(&id, message).await.error();
            assert!(
                why.contains("respond_to_prompt") && why.contains("nothing was typed"),
                "{why}"
            );
        }
        let status = demo.call("get_session_status", json!({"session_id": id})).await.done();
        assert_eq!(prompt_id(&status), before);
        assert_eq!(demo.record("one", "message"), asked);
        assert_eq!(demo.record("one", "answer").len(), asked.len() - 1);
        let answer = json!({"session_id": id, "response": response, "prompt_id": before, "wait_seconds": 20});
        demo.call("respond_to_prompt", answer).await.done();
    }
}

#[tokio::test]
async fn a_draft_that_a_person_typed_is_neither_sent_nor_lost() {
    let demo = Demo::start().await;
    let id = demo.create("one").await;
    demo.tmux.write(&id, "half a sentence");
    until("the draft", async || {
        demo.tmux.screen(&id).contains("> half a sentence").then_some(())
    })
    .await;
    let why = demo.send(&id, "hello").await.error();
    assert!(why.contains("draft") && why.contains("nothing was typed"), "{why}");
    assert_eq!(demo.record("one", "message"), Vec::<String>::new());
    demo.tmux.press(&id, &["Enter"]);
    until("its message", async || {
        (demo.record("one", "message") == ["half a sentence"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_person_who_scrolls_back_does_not_keep_a_message_away() {
    let demo = Demo::start().await;
    let id = demo.create("one").await;
    demo.tmux.order(&["copy-mode", "-t", &crate::demo::target(&id)]);
    demo.send(&id, "hello\nthere").await.done();
    demo.tmux.order(&["copy-mode", "-t", &crate::demo::target(&id)]);
    let prompt = prompt_id(&demo.send(&id, "run touch x").await.done());
    demo.tmux.order(&["copy-mode", "-t", &crate::demo::target(&id)]);
    let answer = json!({"session_id": id, "response": "no", "prompt_id": prompt, "wait_seconds": 20});
    demo.call("respond_to_prompt", answer).await.done();
    assert_eq!(demo.record("one", "message"), ["hello\nthere", "run touch x"]);
    assert_eq!(demo.record("one", "answer"), ["touch x=No"]);
}

#[tokio::test]
async fn a_busy_session_takes_a_message_only_from_a_caller_who_waits() {
    let demo = Demo::start().await;
    let id = demo.create("one").await;
    let work = json!({"session_id": id, "message": "work 2"});
    assert_eq!(
        demo.call("send_message", work).await.done().structured["receipt"],
        "submitted"
    );
    let hasty = json!({"session_id": id, "message": "too soon"});
    let why = demo.call("send_message", hasty).await.error();
    assert!(
        why.contains("at work and nothing was typed") && why.contains("wait_seconds"),
        "{why}"
    );
    assert_eq!(demo.record("one", "message"), ["work 2"]);
    let sent = demo.send(&id, "in time").await.done();
    assert_eq!(sent.structured["receipt"], "submitted");
    assert_eq!(demo.record("one", "message"), ["work 2", "in time"]);
    assert!(
        !demo.tmux.screen(&id).contains("queued"),
        "it was typed while the agent was at work"
    );
}

#[tokio::test]
async fn a_message_that_waits_longer_than_its_caller_is_refused() {
    let demo = Demo::start().await;
    let id = demo.create("one").await;
    demo.call("send_message", json!({"session_id": id, "message": "work 600"}))
        .await
        .done();
    let brief = json!({"session_id": id, "message": "never", "wait_seconds": 1});
    let why = demo.call("send_message", brief).await.error();
    assert!(why.contains("at work and nothing was typed"), "{why}");
    assert_eq!(demo.record("one", "message"), ["work 600"]);
}

#[tokio::test]
async fn a_message_that_waits_can_be_dropped() {
    let demo = Demo::logged().await;
    let id = demo.create("one").await;
    demo.call("send_message", json!({"session_id": id, "message": "work 600"}))
        .await
        .done();
    let before = demo.tmux_log().len();
    let drop_it = async {
        // Only a message that waits makes berth look again and again.
        until("the waiting", async || {
            (demo.tmux_log().len() > before + 8).then_some(())
        })
        .await;
        demo.call("interrupt_session", json!({"session_id": id, "queued": true}))
            .await
            .done()
    };
    let (waited, interrupted) = tokio::join!(demo.send(&id, "never"), drop_it);
    assert!(waited.error().contains("dropped before it was typed"));
    assert_eq!(interrupted.structured["session"]["state"], "idle");
    assert_eq!(demo.record("one", "interrupt"), ["work 600"]);
    assert_eq!(demo.record("one", "message"), ["work 600"]);
}

#[tokio::test]
async fn a_caller_that_hangs_up_leaves_nothing_half_typed() {
    let demo = Demo::logged().await;
    let id = demo.create("one").await;
    for (number, message) in [numbered_lines(15), "one line".to_owned()].into_iter().enumerate() {
        // The log names the first command of each list: a paste has its guard before it.
        let typing = if number == 0 { "pipe-pane" } else { "send-keys" };
        let before = count(&demo, typing);
        let begun = until("the typing", async || (count(&demo, typing) > before).then_some(()));
        // Whoever comes second is dropped, and with it the connection.
        tokio::select! {
            sent = demo.send(&id, &message) => panic!("it was already done: {sent:?}"),
            () = begun => {}
        }
        until("the whole message", async || {
            (demo.record("one", "message").get(number) == Some(&message)).then_some(())
        })
        .await;
        demo.until_state(&id, "idle").await;
    }
    demo.send(&id, "next").await.done();
    assert_eq!(demo.record("one", "message").len(), 3);
    assert_eq!(demo.record("one", "message")[2], "next");
}

fn count(demo: &Demo, command: &str) -> usize {
    let is_it = |line: &&String| line.as_str() == command;
    demo.tmux_log().iter().filter(is_it).count()
}

#[tokio::test]
async fn a_berth_that_is_killed_while_it_types_sends_nothing_twice() {
    let mut demo = Demo::logged().await;
    let id = demo.create("one").await;
    let message = numbered_lines(15);
    let begun = until("the typing", async || (count(&demo, "pipe-pane") > 0).then_some(()));
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "send_message",
        "arguments": {"session_id": id, "message": message, "wait_seconds": 20}}});
    tokio::select! {
        _ = demo.berth.request(&body).send() => panic!("it was already done"),
        () = begun => {}
    }
    demo.berth.kill().await;
    demo.berth = Berth::serve(&demo.place).await;
    // What it had pasted is cleared, or it was sent whole just before.
    assert_eq!(demo.send(&id, "after").await.done().structured["receipt"], "submitted");
    let arrived = demo.record("one", "message");
    assert!(
        arrived == [message.as_str(), "after"] || arrived == ["after"],
        "{arrived:?}"
    );
}

#[tokio::test]
async fn what_a_kill_left_in_a_composer_is_cleared_and_what_a_person_made_of_it_is_not() {
    let mut demo = Demo::logged().await;
    let id = demo.create("one").await;
    for (number, message) in [numbered_lines(3), numbered_lines(15), "one line".to_owned()]
        .into_iter()
        .enumerate()
    {
        let typing = if number == 2 { "send-keys" } else { "pipe-pane" };
        let before = count(&demo, typing);
        let begun = until("the typing", async || (count(&demo, typing) > before).then_some(()));
        let sent = demo.send(&id, &message);
        tokio::select! {
            sent = sent => panic!("it was already done: {sent:?}"),
            () = begun => {}
        }
        demo.berth.kill().await;
        demo.berth = Berth::serve(&demo.place).await;
        let next = format!("next {number}");
        assert_eq!(demo.send(&id, &next).await.done().structured["receipt"], "submitted");
        assert_eq!(demo.record("one", "message").last(), Some(&next));
    }
    // A person has written on: that is theirs, also behind the marker of a long text.
    for text in ["a text\nof two lines".to_owned(), numbered_lines(15)] {
        let before = count(&demo, "pipe-pane");
        let begun = until("the typing", async || {
            (count(&demo, "pipe-pane") > before).then_some(())
        });
        let sent = demo.send(&id, &text);
        tokio::select! {
            sent = sent => panic!("it was already done: {sent:?}"),
            () = begun => {}
        }
        demo.berth.kill().await;
        demo.tmux.write(&id, " and more of mine");
        let drafted = async || demo.tmux.screen(&id).contains("and more of mine").then_some(());
        until("the draft", drafted).await;
        demo.berth = Berth::serve(&demo.place).await;
        let why = demo.send(&id, "hello").await;
        let arrived = demo.record("one", "message");
        // Unless Enter was quicker than the kill: then the draft is the person's alone.
        assert!(why.error().contains("draft"), "{arrived:?}");
        assert!(demo.tmux.screen(&id).contains("and more of mine"));
        demo.tmux.press(&id, &["C-c"]);
        let cleared = async || (!demo.tmux.screen(&id).contains("and more of mine")).then_some(());
        until("the person to clear it", cleared).await;
    }
}

#[tokio::test]
async fn what_an_agent_gives_back_when_berth_interrupts_it_is_cleared_and_what_it_gives_back_to_a_person_is_not() {
    let mut demo = Demo::start().await;
    let id = demo.create("one").await;
    let think = json!({"session_id": id, "message": "think 600"});
    let given_back = async |demo: &Demo| {
        let shown = || demo.tmux.screen(&id).contains("\n> think 600\n───").then_some(());
        until("the message to come back", async || shown()).await;
    };
    for round in 0..2 {
        demo.call("send_message", think.clone()).await.done();
        let interrupted = demo.call("interrupt_session", json!({"session_id": id})).await.done();
        assert_eq!(interrupted.structured["receipt"], "confirmed");
        let screen = demo.tmux.screen(&id);
        assert!(!screen.contains("\n> think 600\n───"), "{screen}");
        // Another berth types into what is left as well.
        demo.berth.kill().await;
        demo.berth = Berth::serve(&demo.place).await;
        let next = format!("next {round}");
        assert_eq!(demo.send(&id, &next).await.done().structured["receipt"], "submitted");
        assert_eq!(demo.record("one", "message").last(), Some(&next));
    }
    demo.call("send_message", think).await.done();
    demo.tmux.press(&id, &["Escape"]);
    given_back(&demo).await;
    let why = demo.send(&id, "hello").await.error();
    assert!(why.contains("draft"), "{why}");
    given_back(&demo).await;
}

#[tokio::test]
async fn a_message_higher_than_a_small_screen_arrives_whole_or_is_said_to_be_unconfirmed() {
    let small = |config: &mut toml::Table, _: &Place| {
        let size = config["backends"]["local"]["settings"].as_table_mut().unwrap();
        size.insert("columns".into(), 40.into());
        size.insert("rows".into(), 20.into());
    };
    let demo = Demo::with(small).await;
    let id = demo.create("one").await;
    let text = |words: usize| "some words ".repeat(words) + "end";
    for (words, receipt) in [
        (20, "submitted"),
        (80, "unconfirmed"),
        (2_700, "unconfirmed"),
        (1, "submitted"),
    ] {
        let sent = demo.send(&id, &text(words)).await.done();
        assert_eq!(sent.structured["receipt"], receipt, "{words}: {}", sent.text);
        assert_eq!(demo.record("one", "message").last(), Some(&text(words)));
        let note = sent.structured["note"].as_str().unwrap_or_default();
        assert_eq!(
            note.contains("Only the end of it was seen"),
            receipt == "unconfirmed",
            "{note}"
        );
    }
}

#[tokio::test]
async fn an_agent_that_a_script_starts_slowly_gets_its_first_message_and_one_behind_a_script_is_named() {
    let scripts = |config: &mut toml::Table, place: &Place| {
        let command = config["agents"]["demo"]["command"].as_array().unwrap();
        let words: Vec<_> = command.iter().map(|word| word.as_str().unwrap().to_owned()).collect();
        for (name, script) in [("slow", "sleep 4; exec \"$@\""), ("behind", "\"$@\"; true")] {
            place.write(&format!("bin/{name}"), format!("#!/bin/sh\n{script}\n"), 0o755);
            let mut agent = config["agents"]["demo"].as_table().unwrap().clone();
            let at = words.iter().position(|word| word == "@berth").unwrap();
            let mut words = words.clone();
            words.insert(at, place.name(&format!("bin/{name}")));
            agent.insert("command".into(), words.into());
            agent.insert("profile".into(), "demo".into());
            config["agents"]
                .as_table_mut()
                .unwrap()
                .insert(name.into(), agent.into());
        }
        config["backends"]["local"]["agents"] = vec!["demo", "slow", "behind"].into();
    };
    let demo = Demo::with(scripts).await;
    demo.project("one");
    let first = json!({"project": "one", "agent": "slow", "message": "hello", "wait_seconds": 25});
    let created = demo.call("create_session", first).await.done();
    assert_eq!(created.structured["receipt"], "submitted", "{}", created.text);
    assert_eq!(demo.record("one", "message"), ["hello"]);
    demo.project("two");
    let wanted = json!({"project": "two", "agent": "behind"});
    let created = demo.call("create_session", wanted).await.done();
    let id = created.structured["session"]["session_id"].as_str().unwrap();
    demo.until_state(id, "unknown").await;
    let line = "[agents.behind] signs = { processes = [";
    let status = demo.call("get_session_status", json!({"session_id": id})).await.done();
    for told in [status.text, demo.send(id, "hello").await.error()] {
        assert!(told.contains("is in front") && told.contains(line), "{told}");
    }
    assert_eq!(demo.record("two", "message"), Vec::<String>::new());
}

#[tokio::test]
async fn text_stays_out_of_the_arguments_of_tmux_when_it_is_long() {
    let demo = Demo::start().await;
    let id = demo.create("one").await;
    let sent: Value = demo.send(&id, &"é".repeat(401)).await.done().structured;
    assert_eq!(sent["receipt"], "submitted");
    assert_eq!(
        demo.tmux.order(&["list-buffers"]),
        "",
        "a message was left in the server's memory"
    );
}

#[tokio::test]
async fn what_is_taken_out_of_a_message_is_said() {
    let demo = Demo::start().await;
    let id = demo.create("one").await;
    for (sent, arrives, noted) in [
        ("a\r\nb\rc\u{2028}d", "a\nb\nc\nd", None),
        (
            "red \u{1b}[31mtext",
            "red [31mtext",
            Some("1 control character was taken out of the message: U+001B"),
        ),
        ("\u{0}b\u{7}c\u{7}", "bc", Some("3 control characters were taken out")),
    ] {
        let answer = demo.send(&id, sent).await.done();
        assert_eq!(answer.structured["receipt"], "submitted");
        assert_eq!(demo.record("one", "message").last().unwrap(), arrives);
        let note = answer.structured["note"].as_str();
        match noted {
            Some(words) => assert!(note.is_some_and(|note| note.contains(words)), "{note:?}"),
            None => assert_eq!(note, None),
        }
    }
    demo.project("two");
    let first = json!({"project": "two", "message": "with\u{8} one", "wait_seconds": 20});
    let created = demo.call("create_session", first).await.done();
    assert!(
        created.text.contains("1 control character was taken out"),
        "{}",
        created.text
    );
    assert_eq!(demo.record("two", "message"), ["with one"]);
}
