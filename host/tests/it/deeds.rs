//! Once something was typed, answered or started, the answer has the session's id and the receipt, whatever goes wrong
//! afterwards. The sessions are the demo agent's on a real tmux, which a wrapper makes stuck at a chosen moment.

use futures::future::join_all;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use toml::Table;

use crate::berth::{Berth, Called, Place, called, message};
use crate::demo::{Demo, target, until};

/// tmux, but: commands with the words of the file `stuck` hang for as long as there is one, each with a line in `hanging`; what
/// runs has one in `ran`. A file `armed` becomes it when a key was pressed that does something, or an agent was started.
const WRAPPER: &str = r#"#!/bin/sh
place=${0%/bin/*}
hangs() { [ -e "$place/stuck" ] && printf '%s' "$*" | grep -qF -f "$place/stuck"; }
if hangs "$@"; then
    echo >> "$place/hanging"
    while hangs "$@"; do sleep 0.05; done
fi
echo "$6" >> "$place/ran"
tmux "$@"
status=$?
if [ -e "$place/armed" ]; then
    case "$*" in
        *"-- Enter" | *"-- 1" | *demo-agent* | *Escape) mv "$place/armed" "$place/stuck" ;;
    esac
fi
exit $status
"#;

/// What stands in the commands that look closely at one session, and in those that list all.
const CLOSE_LOOK: &str = "#{pane_dead}:#{pane_in_mode}\n";
const LIST: &str = "list-panes\n";

/// What goes wrong after the deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// The backend's looks at the session hang, until its deadline.
    LooksHang,
    /// berth is told to end while the call waits for what comes of it.
    Ending,
    /// The session ends while the call waits.
    SessionGone,
    /// The caller hangs up while the call waits.
    CallerGone,
}

impl Trouble {
    const ALL: [Self; 4] = [Self::LooksHang, Self::Ending, Self::SessionGone, Self::CallerGone];

    /// Which tmux commands hang after the deed: what looks at one session, or what lists all.
    fn stuck(self) -> &'static str {
        match self {
            Self::LooksHang => CLOSE_LOOK,
            // The poll that all who wait share; so the wait goes on until something else ends it.
            Self::Ending | Self::SessionGone | Self::CallerGone => LIST,
        }
    }
}

/// A berth whose tmux can be made to hang, for 2 seconds at most.
async fn stuck_berth() -> Demo {
    stuck_for("2s", "4s", 16).await
}

/// The same with these times for a command and for a call, of which `calls` may run at once.
async fn stuck_for(timeout: &str, deadline: &str, calls: i64) -> Demo {
    Demo::with(|config, place| {
        place.write("bin/stuck-tmux", WRAPPER, 0o755);
        place.write("hanging", "", 0o600);
        let local = config["backends"]["local"].as_table_mut().unwrap();
        let tmux = local["programs"]["tmux"].as_table_mut().unwrap();
        tmux.insert("path".into(), "bin/stuck-tmux".into());
        tmux.insert("timeout".into(), timeout.into());
        let mut limits = Table::new();
        limits.insert("deadline".into(), deadline.into());
        limits.insert("calls".into(), calls.into());
        limits.insert("processes".into(), calls.into());
        local.insert("limits".into(), limits.into());
    })
    .await
}

/// What is done, and to what: a call, and the file of the demo agent's record that shows that it was.
struct Deed {
    tool: &'static str,
    arguments: Value,
    kind: &'static str,
}

/// The deeds on a fresh demo: made ready for each of them.
async fn deed(demo: &Demo, tool: &'static str) -> Deed {
    let id = match tool {
        "create_session" => {
            demo.project("new");
            String::new()
        }
        _ => demo.create("new").await,
    };
    let (arguments, kind) = match tool {
        "create_session" => (json!({"project": "new", "wait_seconds": 20}), "start"),
        "send_message" => (
            json!({"session_id": id, "message": "work 600", "wait_seconds": 20}),
            "message",
        ),
        "respond_to_prompt" => {
            demo.send(&id, "run touch x").await.done();
            let answer = json!({"session_id": id, "response": "yes", "wait_seconds": 20});
            (answer, "answer")
        }
        "interrupt_session" => {
            let work = json!({"session_id": id, "message": "work 600"});
            demo.call("send_message", work).await.done();
            (json!({"session_id": id}), "interrupt")
        }
        other => panic!("{other}"),
    };
    Deed { tool, arguments, kind }
}

fn count(demo: &Demo, kind: &str) -> usize {
    match demo.place.path("projects/new/record").exists() {
        true => demo.record("new", kind).len(),
        false => 0,
    }
}

/// Does it, with `trouble` afterwards: the answer, if its caller waited for it.
async fn done_with(demo: &mut Demo, deed: &Deed, trouble: Trouble) -> Option<Called> {
    let before = count(demo, deed.kind);
    demo.place.write("armed", trouble.stuck(), 0o600);
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": deed.tool, "arguments": deed.arguments}});
    let asked = tokio::spawn(demo.berth.request(&body).send());
    until("the deed", async || {
        (count(demo, deed.kind) > before && demo.place.path("stuck").exists()).then_some(())
    })
    .await;
    match trouble {
        Trouble::LooksHang => {}
        Trouble::Ending => terminate(&demo.berth),
        Trouble::SessionGone => {
            let sessions = demo.tmux.order(&["list-sessions", "-F", "#{session_name}"]);
            let name = sessions.lines().next().unwrap();
            demo.tmux.order(&["kill-session", "-t", &format!("={name}")]);
            std::fs::remove_file(demo.place.path("stuck")).unwrap();
        }
        Trouble::CallerGone => {
            asked.abort();
            std::fs::remove_file(demo.place.path("stuck")).unwrap();
            return None;
        }
    }
    let answer = message(asked.await.unwrap().unwrap()).await;
    let _ = std::fs::remove_file(demo.place.path("stuck"));
    Some(called(&answer))
}

fn terminate(berth: &Berth) {
    kill_process(Pid::from_raw(berth.id().cast_signed()).unwrap(), Signal::TERM).unwrap();
}

/// The record's entries of calls of `tool`, each once it is concluded.
async fn recorded(place: &Place, tool: &str) -> Vec<Value> {
    until("the entry", async || {
        let ran = place.run(&["audit", "--json", "--limit", "0", "--tool", tool]).await;
        assert!(ran.success, "{}", ran.stderr);
        let entries: Vec<Value> = ran
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        entries
            .iter()
            .all(|entry| entry["outcome"] != "under-way")
            .then_some(entries)
    })
    .await
}

async fn told_after(tool: &'static str, trouble: Trouble) {
    let mut demo = stuck_berth().await;
    let deed = deed(&demo, tool).await;
    // An interrupt does not wait for what comes of it.
    if tool == "interrupt_session" && trouble != Trouble::LooksHang {
        return;
    }
    let earlier = recorded(&demo.place, tool).await.len();
    let answer = done_with(&mut demo, &deed, trouble).await;
    if let Some(answer) = answer {
        let about = format!("{tool} {trouble:?}: {answer:?}");
        assert!(!answer.failed, "{about}");
        let told = &answer.structured;
        let id = told["session"]["session_id"].as_str().unwrap_or_default();
        assert!(id.starts_with("local/new-"), "{about}");
        assert!(
            ["submitted", "confirmed", "unconfirmed"].contains(&told["receipt"].as_str().unwrap_or_default()),
            "{about}"
        );
        // Looks that hang are not missed where the poll has seen the session at rest.
        if trouble != Trouble::LooksHang || told["receipt"] == "unconfirmed" {
            let note = told["note"].as_str().unwrap_or_else(|| panic!("{about}"));
            assert!(!note.is_empty() && answer.text.contains(note), "{about}");
        }
    }
    let entries = recorded(&demo.place, tool).await;
    assert_eq!(entries.len(), earlier + 1, "{tool} {trouble:?}: {entries:?}");
    assert_eq!(entries[earlier]["outcome"], "ok", "{tool} {trouble:?}: {entries:?}");
    assert_eq!(count(&demo, deed.kind), 1, "{tool} {trouble:?}: it was done twice");
}

#[tokio::test]
async fn a_message_has_its_receipt_whatever_happens_after_it() {
    for trouble in Trouble::ALL {
        told_after("send_message", trouble).await;
    }
}

#[tokio::test]
async fn a_new_session_is_named_whatever_happens_after_its_start() {
    for trouble in Trouble::ALL {
        told_after("create_session", trouble).await;
    }
}

#[tokio::test]
async fn an_answer_to_a_prompt_has_its_receipt_whatever_happens_after_it() {
    for trouble in Trouble::ALL {
        told_after("respond_to_prompt", trouble).await;
    }
}

#[tokio::test]
async fn an_interrupt_has_its_receipt_whatever_happens_after_it() {
    told_after("interrupt_session", Trouble::LooksHang).await;
}

#[tokio::test]
async fn who_may_not_wait_is_told_before_anything_is_done() {
    let demo = Demo::start().await;
    let id = demo.create("one").await;
    demo.call("send_message", json!({"session_id": id, "message": "work 600"}))
        .await
        .done();
    let (ready, asked) = (demo.create("two").await, demo.create("three").await);
    demo.send(&asked, "run touch x").await.done();
    let status = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "get_session_status", "arguments": {"session_id": id, "wait_seconds": 50}}});
    let waits: Vec<_> = (0..64)
        .map(|_| tokio::spawn(demo.berth.request(&status).send()))
        .collect();
    until("the places to be taken", async || {
        (waits.iter().filter(|wait| wait.is_finished()).count() == 32).then_some(())
    })
    .await;
    demo.project("four");
    for (tool, arguments) in [
        (
            "send_message",
            json!({"session_id": ready, "message": "hello", "wait_seconds": 5}),
        ),
        ("create_session", json!({"project": "four", "wait_seconds": 5})),
        ("create_session", json!({"project": "four", "message": "hello"})),
        (
            "respond_to_prompt",
            json!({"session_id": asked, "response": "yes", "wait_seconds": 5}),
        ),
    ] {
        let why = demo.call(tool, arguments).await.error();
        assert!(
            why.contains("wait already") && why.contains("nothing was done"),
            "{tool}: {why}"
        );
    }
    assert_eq!(demo.record("two", "message"), Vec::<String>::new());
    assert_eq!(demo.record("three", "answer"), Vec::<String>::new());
    assert!(!demo.place.path("projects/four/record").exists());
    // Without a wait each is done.
    demo.call("send_message", json!({"session_id": ready, "message": "hello"}))
        .await
        .done();
    assert_eq!(demo.record("two", "message"), ["hello"]);
    waits.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn nothing_is_begun_once_berth_ends() {
    let demo = Demo::start().await;
    let id = demo.create("one").await;
    let body = |message: &str| {
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "send_message",
            "arguments": {"session_id": id, "message": message, "wait_seconds": 20}}})
    };
    let first = tokio::spawn(demo.berth.request(&body("work 600")).send());
    until("the first message", async || {
        (demo.record("one", "message") == ["work 600"]).then_some(())
    })
    .await;
    let others: Vec<_> = (0..3)
        .map(|number| tokio::spawn(demo.berth.request(&body(&format!("later {number}"))).send()))
        .collect();
    until("the others to be recorded", async || {
        let ran = demo.place.run(&["audit", "--json", "--tool", "send_message"]).await;
        (ran.stdout.lines().count() == 4).then_some(())
    })
    .await;
    terminate(&demo.berth);
    assert_eq!(
        called(&message(first.await.unwrap().unwrap()).await).done().structured["receipt"],
        "submitted"
    );
    for other in join_all(others).await {
        let why = called(&message(other.unwrap().unwrap()).await).error();
        assert!(
            why.contains("berth is ending") && why.contains("nothing was done"),
            "{why}"
        );
    }
    assert_eq!(demo.record("one", "message"), ["work 600"]);
    assert!(!demo.tmux.screen(&id).contains("later"), "{}", demo.tmux.screen(&id));
    assert!(demo.tmux.run(&["has-session", "-t", &target(&id)]).status.success());
}

#[tokio::test]
async fn calls_that_hang_hold_up_nobody_who_waits() {
    let demo = stuck_for("25s", "29s", 2).await;
    let id = demo.create("one").await;
    demo.call("send_message", json!({"session_id": id, "message": "work 600"}))
        .await
        .done();
    let call = |arguments: Value| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "get_session_status", "arguments": arguments}});
        tokio::spawn(demo.berth.request(&body).send())
    };
    let waits = call(json!({"session_id": id, "wait_seconds": 50}));
    let lists = || {
        demo.place
            .read("ran")
            .lines()
            .filter(|ran| *ran == "list-panes")
            .count()
    };
    let before = lists();
    // The call itself lists once; the poll does again and again.
    until("the wait", async || (lists() > before + 3).then_some(())).await;
    demo.place.write("stuck", CLOSE_LOOK, 0o600);
    let hang: Vec<_> = (0..4).map(|_| call(json!({"session_id": id}))).collect();
    until("both places to be taken", async || {
        (demo.place.read("hanging").lines().count() == 2).then_some(())
    })
    .await;
    demo.tmux.press(&id, &["Escape"]);
    let status = called(&message(waits.await.unwrap().unwrap()).await).done();
    assert_eq!(status.structured["session"]["state"], "idle", "{}", status.text);
    assert!(
        hang.iter().all(|call| !call.is_finished()),
        "nothing held the places any more"
    );
    std::fs::remove_file(demo.place.path("stuck")).unwrap();
}

#[tokio::test]
async fn a_wait_that_cannot_look_says_so_and_not_that_the_session_is_at_work() {
    let demo = stuck_berth().await;
    let id = demo.create("one").await;
    demo.place.write("stuck", LIST, 0o600);
    // What it waits for cannot be listed, and it is looked at once more at the end.
    let sent = demo.call(
        "send_message",
        json!({"session_id": id, "message": "hello", "wait_seconds": 5}),
    );
    let why = sent.await.error();
    assert!(why.contains("tmux"), "{why}");
    std::fs::remove_file(demo.place.path("stuck")).unwrap();
    demo.place.write("armed", LIST, 0o600);
    let sent = demo
        .call(
            "send_message",
            json!({"session_id": id, "message": "hello", "wait_seconds": 5}),
        )
        .await
        .done();
    let note = sent.structured["note"].as_str().unwrap();
    assert!(
        note.contains("could not be seen") && !note.contains("still at work;"),
        "{note}"
    );
    assert_eq!(sent.structured["receipt"], "submitted");
}
