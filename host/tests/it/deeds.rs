//! Once something was typed, answered or started, the answer has the session's id and the receipt, whatever goes wrong
//! afterwards. The sessions are the demo agent's on a real tmux, which a wrapper makes stuck at a chosen moment.

use futures::future::join_all;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use toml::Table;

use crate::audit::entries;
use crate::berth::{Berth, Called, PATIENCE, Place, called, message};
use crate::demo::{Demo, target, until};
use crate::record;

/// tmux, but: commands with the words of the file `stuck` hang for as long as there is one, each with a line in `hanging`; what
/// runs has one in `ran`. A file `armed` becomes it once a command with the words of `trigger` was carried out, which then may
/// hang itself. With a file `sever` the socket is gone instead once that command was carried out; it becomes `severed`.
const WRAPPER: &str = r#"#!/bin/sh
place=${0%/bin/*}
has() { [ -e "$place/$1" ] && printf '%s' "$all" | grep -qF -f "$place/$1"; }
all="$*"
if has stuck; then
    echo >> "$place/hanging"
    while has stuck; do sleep 0.05; done
fi
echo "$6" >> "$place/ran"
tmux "$@"
status=$?
if [ -e "$place/sever" ] && has trigger; then
    mv "$(cat "$place/socket")" "$place/severed"
    rm "$place/sever"
fi
if [ -e "$place/armed" ] && has trigger; then
    mv "$place/armed" "$place/stuck"
    while has stuck; do sleep 0.05; done
fi
exit $status
"#;

/// What stands in the commands that look closely at one session, in those that list all, and in each.
const CLOSE_LOOK: &str = "#{pane_dead}:#{pane_in_mode}\n";
const LIST: &str = "list-panes\n";
const ALL: &str = "\n";

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// The backend's looks at the session hang, until each is broken off.
    LooksHang,
    /// The backend itself does not answer until its deadline.
    BackendTimesOut,
    /// berth is told to end while the call waits for what comes of it.
    Ending,
    /// The same while nothing can be looked at.
    EndingUnseen,
    /// The session ends while the call waits.
    SessionGone,
    /// The tmux server can no longer be reached, although it lives.
    SocketGone,
    /// The caller hangs up while the call waits.
    CallerGone,
    /// Another process holds the record when the outcome is to be written.
    OutcomeUnrecorded,
    /// The same before anything is done.
    IntentionUnrecorded,
    /// berth is killed while the call waits.
    Killed,
}

impl Trouble {
    const ALL: [Self; 10] = [
        Self::LooksHang,
        Self::BackendTimesOut,
        Self::Ending,
        Self::EndingUnseen,
        Self::SessionGone,
        Self::SocketGone,
        Self::CallerGone,
        Self::OutcomeUnrecorded,
        Self::IntentionUnrecorded,
        Self::Killed,
    ];

    /// How long one command and one call may take. A start has a minute, whatever a call has.
    fn times(self, deed: What) -> (&'static str, &'static str) {
        match self {
            Self::BackendTimesOut if !deed.starts() => ("20s", "6s"),
            // One after the other, they must not take up the time that berth has to end.
            Self::EndingUnseen => ("1s", "4s"),
            _ => ("2s", "4s"),
        }
    }

    /// Which tmux commands hang after the deed.
    fn stuck(self, deed: What) -> &'static str {
        match (self, deed) {
            (Self::BackendTimesOut | Self::EndingUnseen, _) => ALL,
            (_, What::Terminate) => LIST,
            (Self::LooksHang, _) | (_, What::Interrupt) => CLOSE_LOOK,
            // The poll that all who wait share; so the wait goes on until something else ends it.
            _ => LIST,
        }
    }
}

/// A berth whose tmux can be made to hang, for 2 seconds at most.
async fn stuck_berth() -> Demo {
    stuck_for("2s", "4s", 16).await
}

/// The same with these times for a command and for a call, of which `calls` may run at once.
async fn stuck_for(timeout: &str, deadline: &str, calls: i64) -> Demo {
    let demo = Demo::with(|config, place| {
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
    .await;
    demo.place.write("socket", demo.tmux.socket(), 0o600);
    demo
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Send,
    Create,
    /// A session with a first message, and trouble once the session is there.
    CreateToSend,
    /// The same, and trouble once the message is entered.
    CreateAndSend,
    Respond,
    Interrupt,
    Terminate,
}

impl What {
    fn tool(self) -> &'static str {
        match self {
            Self::Send => "send_message",
            Self::Create | Self::CreateToSend | Self::CreateAndSend => "create_session",
            Self::Respond => "respond_to_prompt",
            Self::Interrupt => "interrupt_session",
            Self::Terminate => "terminate_session",
        }
    }

    fn starts(self) -> bool {
        self.tool() == "create_session"
    }

    /// The words of the tmux command that does it.
    fn trigger(self) -> &'static str {
        match self {
            Self::Send | Self::CreateAndSend => "-- Enter\n",
            Self::Create | Self::CreateToSend => "demo-agent\n",
            Self::Respond => "-- 1\n",
            Self::Interrupt => "Escape\n",
            Self::Terminate => "kill-session\n",
        }
    }

    /// The arguments of the call, to a session that is made ready for it.
    async fn prepare(self, demo: &Demo) -> Value {
        if self.starts() {
            demo.project("new");
            let message = (self != Self::Create).then_some("work 600");
            return json!({"project": "new", "message": message, "wait_seconds": 12});
        }
        let id = demo.create("new").await;
        match self {
            Self::Respond => {
                demo.send(&id, "run touch x").await.done();
                json!({"session_id": id, "response": "yes", "wait_seconds": 12})
            }
            Self::Interrupt => {
                let work = json!({"session_id": id, "message": "work 600"});
                demo.call("send_message", work).await.done();
                json!({"session_id": id})
            }
            Self::Terminate => json!({"session_id": id}),
            _ => json!({"session_id": id, "message": "work 600", "wait_seconds": 12}),
        }
    }

    /// How often it was done.
    fn done(self, demo: &Demo) -> usize {
        let kind = match self {
            Self::Send | Self::CreateAndSend => "message",
            Self::Create | Self::CreateToSend => "start",
            Self::Respond => "answer",
            Self::Interrupt => "interrupt",
            Self::Terminate => return usize::from(sessions(demo).is_empty()),
        };
        let began = demo.place.path("projects/new/record").exists();
        if began { demo.record("new", kind).len() } else { 0 }
    }

    /// What its receipt may be after trouble.
    fn receipts(self, trouble: Trouble) -> &'static [&'static str] {
        match (self, trouble) {
            (Self::CreateToSend, Trouble::OutcomeUnrecorded) => &["submitted"],
            (Self::CreateToSend, _) => &["not_sent"],
            // The start itself was seen; what comes after it cannot be.
            (Self::Create, Trouble::SocketGone) => &["confirmed"],
            (_, Trouble::SocketGone) => &["unconfirmed"],
            (Self::Send | Self::CreateAndSend, _) => &["submitted", "unconfirmed"],
            (Self::Create | Self::Respond | Self::Interrupt | Self::Terminate, _) => &["confirmed", "unconfirmed"],
        }
    }
}

/// The names of all sessions.
fn sessions(demo: &Demo) -> Vec<String> {
    let output = demo.tmux.run(&["list-sessions", "-F", "#{session_name}"]);
    let names = String::from_utf8(output.stdout).unwrap();
    names.lines().map(str::to_owned).collect()
}

fn call(berth: &Berth, tool: &str, arguments: &Value) -> JoinHandle<reqwest::Result<reqwest::Response>> {
    let body =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}});
    tokio::spawn(berth.request(&body).timeout(2 * PATIENCE).send())
}

/// Does it, with `trouble` afterwards: the answer, if its caller waited for it.
async fn done_with(demo: &mut Demo, what: What, arguments: &Value, trouble: Trouble) -> Option<Called> {
    demo.place.write("trigger", what.trigger(), 0o600);
    if trouble == Trouble::SocketGone {
        demo.place.write("sever", "", 0o600);
        let answer = message(call(&demo.berth, what.tool(), arguments).await.unwrap().unwrap()).await;
        std::fs::rename(demo.place.path("severed"), demo.tmux.socket()).expect("it was not severed");
        return Some(called(&answer));
    }
    demo.place.write("armed", trouble.stuck(what), 0o600);
    let asked = call(&demo.berth, what.tool(), arguments);
    until("the deed", async || {
        (what.done(demo) == 1 && demo.place.path("stuck").exists()).then_some(())
    })
    .await;
    let free = || std::fs::remove_file(demo.place.path("stuck")).unwrap();
    let mut held = None;
    match trouble {
        Trouble::LooksHang | Trouble::BackendTimesOut | Trouble::IntentionUnrecorded => {}
        Trouble::SocketGone => unreachable!("it has a way of its own"),
        Trouble::Ending | Trouble::EndingUnseen => terminate(&demo.berth),
        Trouble::SessionGone => {
            for name in sessions(demo) {
                demo.tmux.order(&["kill-session", "-t", &format!("={name}")]);
            }
            free();
        }
        Trouble::CallerGone => {
            asked.abort();
            free();
            return None;
        }
        Trouble::OutcomeUnrecorded => {
            held = Some(record::held(&demo.place, "audit.db"));
            free();
        }
        Trouble::Killed => {
            demo.berth.kill().await;
            free();
            demo.berth = Berth::serve(&demo.place).await;
            return None;
        }
    }
    let answer = message(asked.await.unwrap().unwrap()).await;
    drop(held);
    let _ = std::fs::remove_file(demo.place.path("stuck"));
    Some(called(&answer))
}

fn terminate(berth: &Berth) {
    kill_process(Pid::from_raw(berth.id().cast_signed()).unwrap(), Signal::TERM).unwrap();
}

/// The record's entries of calls of `tool`, each once it is concluded.
async fn recorded(place: &Place, tool: &str) -> Vec<Value> {
    until("the entry", async || {
        let entries = entries(place, &["--limit", "0", "--tool", tool]).await;
        let concluded = entries.iter().all(|entry| entry["outcome"] != "under-way");
        concluded.then_some(entries)
    })
    .await
}

async fn told_after(what: What, trouble: Trouble) {
    let about = format!("{what:?}, {trouble:?}");
    let (timeout, deadline) = trouble.times(what);
    let mut demo = stuck_for(timeout, deadline, 16).await;
    let arguments = what.prepare(&demo).await;
    let earlier = recorded(&demo.place, what.tool()).await.len();
    if trouble == Trouble::IntentionUnrecorded {
        let held = record::held(&demo.place, "audit.db");
        let why = demo.call(what.tool(), arguments).await.error();
        drop(held);
        assert!(why.contains("nothing was changed"), "{about}: {why}");
        assert_eq!(what.done(&demo), 0, "{about}");
        assert_eq!(recorded(&demo.place, what.tool()).await.len(), earlier, "{about}");
        return;
    }
    if let Some(answer) = done_with(&mut demo, what, &arguments, trouble).await {
        let about = format!("{about}: {answer:?}");
        assert!(!answer.failed, "{about}");
        let told = &answer.structured;
        let id = told["session"]["session_id"].as_str().or(told["session_id"].as_str());
        assert!(id.is_some_and(|id| id.starts_with("local/new-")), "{about}");
        let receipt = told["receipt"].as_str().unwrap_or_default();
        assert!(what.receipts(trouble).contains(&receipt), "{about}");
        // Looks that hang are not missed where the poll has seen the session at rest, nor a session that was to end.
        let missed = match trouble {
            Trouble::LooksHang => receipt == "unconfirmed",
            Trouble::SessionGone => what != What::Terminate,
            _ => true,
        };
        if missed {
            let note = told["note"].as_str().unwrap_or_else(|| panic!("{about}"));
            // What is said of the record are the last words of both.
            let said = note
                .split(" The beginning of this call is recorded")
                .next()
                .unwrap_or_default();
            assert!(!said.is_empty() && answer.text.contains(said), "{about}");
            let unrecorded = trouble == Trouble::OutcomeUnrecorded;
            assert_eq!(note.ends_with("do not repeat the call for it."), unrecorded, "{about}");
            assert_eq!(
                answer.text.ends_with("do not repeat the call for it."),
                unrecorded,
                "{about}"
            );
        }
    }
    let entries = recorded(&demo.place, what.tool()).await;
    assert_eq!(entries.len(), earlier + 1, "{about}: {entries:?}");
    let outcome = if trouble == Trouble::Killed { "cut-off" } else { "ok" };
    assert_eq!(entries[earlier]["outcome"], outcome, "{about}: {entries:?}");
    assert_eq!(what.done(&demo), 1, "{about}: it was done twice");
}

/// Whatever goes wrong with it.
async fn told_whatever_happens(what: What) {
    for trouble in Trouble::ALL {
        told_after(what, trouble).await;
    }
}

#[tokio::test]
async fn a_message_has_its_receipt_whatever_happens_after_it() {
    told_whatever_happens(What::Send).await;
}

#[tokio::test]
async fn a_new_session_is_named_whatever_happens_after_its_start() {
    told_whatever_happens(What::Create).await;
}

#[tokio::test]
async fn a_new_session_is_named_whatever_happens_before_its_first_message() {
    told_whatever_happens(What::CreateToSend).await;
}

#[tokio::test]
async fn a_new_session_is_named_whatever_happens_after_its_first_message() {
    told_whatever_happens(What::CreateAndSend).await;
}

#[tokio::test]
async fn an_answer_to_a_prompt_has_its_receipt_whatever_happens_after_it() {
    told_whatever_happens(What::Respond).await;
}

#[tokio::test]
async fn an_interrupt_has_its_receipt_whatever_happens_after_it() {
    told_whatever_happens(What::Interrupt).await;
}

#[tokio::test]
async fn an_end_has_its_receipt_whatever_happens_after_it() {
    told_whatever_happens(What::Terminate).await;
}

#[tokio::test]
async fn a_start_that_a_plugin_broke_off_is_no_error_and_names_what_is_new() {
    for (new, id, said) in [
        (0, "", "so you can try again"),
        (1, "local/new-1", "local/new-1 is new"),
        (2, "", "local/new-1, local/new-2"),
    ] {
        let place = Place::new(&format!(
            "[backends.local]\nplugin = \"./misbehaving.wasm\"\nsettings = {{ create = {new}, tools = [] }}\n\
             [backends.local.programs.sh]\npath = \"/bin/sh\"\ncontrol = [[\"-c\", \"true\"]]\n"
        ));
        let berth = Berth::serve(&place).await;
        let answer = berth.call("create_session", json!({})).await.done();
        let told = &answer.structured;
        assert_eq!(told["session"]["session_id"], id, "{answer:?}");
        assert_eq!(told["receipt"], "unconfirmed", "{answer:?}");
        let note = told["note"].as_str().unwrap();
        assert!(note.contains("may have been started") && note.contains(said), "{note}");
        assert!(answer.text.contains(note), "{answer:?}");
        assert_eq!(recorded(&place, "create_session").await[0]["outcome"], "ok");
    }
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
    // What does not wait is done.
    for (tool, arguments) in [
        ("send_message", json!({"session_id": ready, "message": "hello"})),
        ("respond_to_prompt", json!({"session_id": asked, "response": "yes"})),
        ("create_session", json!({"project": "four"})),
        ("interrupt_session", json!({"session_id": id})),
        ("terminate_session", json!({"session_id": ready})),
    ] {
        let done = demo.call(tool, arguments).await.done();
        assert_ne!(done.structured["receipt"], Value::Null, "{tool}: {}", done.text);
    }
    assert_eq!(demo.record("two", "message"), ["hello"]);
    assert_eq!(demo.record("three", "answer").len(), 1);
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
    assert!(hang.iter().all(|call| !call.is_finished()), "nothing held the places");
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
    demo.place.write("trigger", What::Send.trigger(), 0o600);
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
