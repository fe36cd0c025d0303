//! berth ends at random moments while messages are sent, by a hang-up with SIGTERM or by SIGKILL: every deed is recorded or
//! cut off, nothing is entered in part or twice, and what a kill left in a composer is gone before the next message.

use std::collections::HashMap;
use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures::future::join_all;
use rustix::io::ioctl_fionread;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::audit::entries;
use crate::berth::{Berth, PATIENCE, Place};
use crate::demo::{Demo, config, until};

/// How often berth ends.
const MOMENTS: usize = 50;
/// Sessions that are written to at once: four messages a moment make two hundred.
const SESSIONS: usize = 4;
/// The latest moment after the messages were sent, where berth finishes what has begun: most take longer than half of that.
/// On a machine that is slow now it is as many times as long as they take when nothing ends.
const LATEST: (Duration, u32) = (Duration::from_millis(1_200), 1);
/// The same where it does not: what a kill left is cleared first, which takes a second and a half more.
const LATEST_KILL: (Duration, u32) = (Duration::from_secs(3), 3);
/// A berth that ended within this time had finished what was under way.
const FINISHED: Duration = Duration::from_secs(4);

#[tokio::test]
async fn callers_that_hang_up_and_sigterm_lose_nothing() {
    endings(1, LATEST, async |demo, calls| {
        calls.iter().for_each(JoinHandle::abort);
        let (took, well) = demo.berth.terminate().await;
        assert!(well, "it did not end well");
        // What takes longer is broken off.
        took < FINISHED
    })
    .await;
}

#[tokio::test]
async fn sigkill_loses_nothing_but_what_it_cut_off() {
    endings(2, LATEST_KILL, async |demo, calls| {
        demo.berth.kill().await;
        calls.iter().for_each(JoinHandle::abort);
        false
    })
    .await;
}

#[tokio::test]
async fn a_second_signal_ends_berth_at_once() {
    let demo = Demo::logged().await;
    let id = demo.create("one").await;
    let before = demo.tmux_log().len();
    let body = send(&id, &["a"; 12].join("\n"));
    let call = tokio::spawn(demo.berth.request(&body).send());
    until("the typing", async || {
        demo.tmux_log()[before..]
            .iter()
            .any(|word| word == "pipe-pane")
            .then_some(())
    })
    .await;
    let pid = Pid::from_raw(demo.berth.id().cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    until("the first signal to be seen", async || {
        demo.berth.client.get(&demo.berth.base).send().await.err()
    })
    .await;
    let mut demo = demo;
    demo.berth.terminate().await;
    demo.berth = Berth::serve(&demo.place).await;
    let _ = call.await;
    // Whichever of the two it was, the next message goes through.
    assert_eq!(demo.send(&id, "next").await.done().structured["receipt"], "submitted");
}

#[tokio::test]
async fn while_nobody_reads_its_log_berth_answers_and_ends_when_it_is_told_to() {
    let place = Place::new(&config().to_string());
    let (read, write) = std::io::pipe().unwrap();
    let mut command = place.command(&["serve", "--config", &place.name("config.toml")]);
    command.stdout(Stdio::piped()).stderr(write.try_clone().unwrap());
    let mut berth = command.spawn().unwrap();
    let mut lines = BufReader::new(berth.stdout.take().unwrap()).lines();
    timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    // So that there is something to say at the end.
    assert!(place.run(&["call", "list_sessions"]).await.success);
    // As long as nobody reads the pipe, this never ends.
    let full = std::thread::spawn(move || (&write).write_all(&vec![b'x'; 1 << 20]));
    let mut held = 0;
    until("the pipe to be full", async || {
        let before = std::mem::replace(&mut held, ioctl_fionread(&read).unwrap());
        (held > 0 && held == before).then_some(())
    })
    .await;
    // Each is a line of the log, and more than there are threads.
    for _ in 0..2 * std::thread::available_parallelism().unwrap().get() + 2 {
        let call = timeout(PATIENCE, place.run(&["call", "list_sessions"])).await;
        assert!(call.expect("its log delays a call").success);
    }
    let pid = Pid::from_raw(berth.id().unwrap().cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    timeout(PATIENCE, berth.wait()).await.expect("it does not end").unwrap();
    drop(read);
    full.join().unwrap().unwrap_err();
}

#[tokio::test]
async fn berth_call_leaves_at_the_first_signal_and_what_it_began_is_recorded() {
    let demo = Demo::start().await;
    let id = demo.create("one").await;
    let arguments = json!({"session_id": id, "message": "work 600", "wait_seconds": 50}).to_string();
    let config = demo.place.name("config.toml");
    let mut command = demo
        .place
        .command(&["call", "send_message", &arguments, "--config", &config]);
    let call = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the message", async || {
        (demo.record("one", "message") == ["work 600"]).then_some(())
    })
    .await;
    let pid = Pid::from_raw(call.id().unwrap().cast_signed()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let ended = timeout(PATIENCE, call.wait_with_output())
        .await
        .expect("it stays")
        .unwrap();
    assert!(!ended.status.success());
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.contains("left before the answer came"), "{said}");
    until("the record", async || {
        let sent = entries(&demo.place, &["--tool", "send_message"]).await;
        (sent.len() == 1 && sent[0]["outcome"] == "ok").then_some(())
    })
    .await;
}

fn send(session_id: &str, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "send_message",
        "arguments": {"session_id": session_id, "message": message, "wait_seconds": 25}}})
}

/// A message like no other: short ones are typed, long ones pasted, very long ones shown as a marker.
fn text(moment: usize, session: usize) -> String {
    let name = format!("message {moment} for session {session}");
    match (moment + session) % 3 {
        0 => name,
        1 => format!("{name}\nwith a second line\nand a third"),
        _ => (0..14).map(|line| format!("{name}, line {line}\n")).collect::<String>() + "end",
    }
}

/// Sends messages to all sessions, and ends berth by `end` at a random moment; again and again. `end` says whether what had
/// begun must be finished.
async fn endings(
    seed: u64,
    (latest, times): (Duration, u32),
    end: impl AsyncFn(&mut Demo, &[JoinHandle<reqwest::Result<reqwest::Response>>]) -> bool,
) {
    let mut demo = Demo::with(|config, _| {
        config.insert("audit".into(), toml::toml! { texts = true }.into());
    })
    .await;
    let mut ids = Vec::new();
    for session in 0..SESSIONS {
        ids.push(demo.create(&format!("project-{session}")).await);
    }
    let began = Instant::now();
    for sent in join_all(ids.iter().map(|id| demo.send(id, "the first"))).await {
        assert_eq!(sent.done().structured["receipt"], "submitted");
    }
    let latest = latest.max(times * began.elapsed()).as_millis() as u64;
    let mut random = seed;
    let mut finished = Vec::new();
    for moment in 0..MOMENTS {
        let calls: Vec<_> = (0..SESSIONS)
            .map(|session| tokio::spawn(demo.berth.request(&send(&ids[session], &text(moment, session))).send()))
            .collect();
        // A linear congruential generator, so that a failure can be seen again.
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        tokio::time::sleep(Duration::from_millis((random >> 33) % latest)).await;
        finished.push(end(&mut demo, &calls).await);
        demo.berth = Berth::serve(&demo.place).await;
    }
    for (session, id) in ids.iter().enumerate() {
        let last = demo.send(id, &format!("the last for {session}")).await.done();
        assert_eq!(last.structured["receipt"], "submitted", "{}", last.text);
    }
    let outcomes = outcomes(&demo).await;
    for (session, id) in ids.iter().enumerate() {
        let arrived = demo.record(&format!("project-{session}"), "message");
        let sent: Vec<String> = (0..MOMENTS).map(|moment| text(moment, session)).collect();
        assert_eq!(arrived.last(), Some(&format!("the last for {session}")));
        let mut left = sent.iter();
        assert_eq!(arrived.first().map(String::as_str), Some("the first"));
        for message in &arrived[1..arrived.len() - 1] {
            // In the order of sending, so neither twice nor in part.
            assert!(
                left.any(|sent| sent == message),
                "{message:?} arrived in part, twice or out of order: {arrived:?}"
            );
        }
        let mut done = 0;
        for (message, finished) in sent.iter().zip(&finished) {
            let outcome = outcomes.get(&(id.clone(), message.clone())).map(String::as_str);
            match (arrived.contains(message), finished) {
                (true, true) => assert_eq!(outcome, Some("ok"), "{message:?} arrived"),
                (true, false) => assert!(
                    matches!(outcome, Some("ok" | "cut-off")),
                    "{message:?} arrived, and the record says {outcome:?}"
                ),
                (false, true) => assert!(
                    !matches!(outcome, Some("ok" | "cut-off")),
                    "{message:?} did not arrive, and the record says {outcome:?}"
                ),
                (false, false) => assert_ne!(outcome, Some("ok"), "{message:?} did not arrive"),
            }
            done += usize::from(outcome == Some("ok"));
        }
        let least = if finished.contains(&true) {
            MOMENTS / 2
        } else {
            MOMENTS / 4
        };
        assert!(done > least, "hardly any arrived, so this proves nothing: {arrived:?}");
    }
    assert!(
        finished.iter().all(|finished| !finished)
            || finished.iter().filter(|finished| **finished).count() > MOMENTS / 2,
        "berth was mostly broken off, so this proves nothing"
    );
    assert!(outcomes.values().all(|outcome| outcome != "under-way"), "{outcomes:?}");
    let verified = demo.place.run(&["audit", "verify"]).await;
    assert!(verified.success, "{}", verified.stderr);
}

/// What the record says of each message, by session and text.
async fn outcomes(demo: &Demo) -> HashMap<(String, String), String> {
    let ran = demo
        .place
        .run(&["audit", "--json", "--limit", "0", "--tool", "send_message"])
        .await;
    assert!(ran.success, "{}", ran.stderr);
    let entries = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    entries
        .map(|entry| {
            let arguments: Value = serde_json::from_str(entry["text"].as_str().unwrap()).unwrap();
            let field = |name: &str| arguments[name].as_str().unwrap().to_owned();
            (
                (field("session_id"), field("message")),
                entry["outcome"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}
