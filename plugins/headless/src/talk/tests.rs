//! Conversations from their beginning to their end, with an agent whose lines a test writes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use berth_plugin::jobs::{self, Channel, Phase};
use berth_plugin::testing::Host;
use berth_plugin::{
    Answer, Answered, Backend as _, Control as _, Delivery, Error, Event, Message, Options as _, Receipt, Reply,
    Result, Session, SessionQuery, State, Transcripts as _, TurnPage, TurnQuery, Upkeep as _, Verbs, store,
};
use serde_json::{Value, json};

use crate::Plugin;
use crate::fake::{FIRST, asking_host, asks, begin, doing, init, receipt, result, upkeep, uuid};
use crate::kept::talk::Talk;

/// A conversation whose process runs, and its job.
fn started() -> (Host, String) {
    let host = quick();
    begin(1, None);
    let job = job(&host);
    host.start_job(&job)
        .print_job(&job, Channel::Output, init(FIRST) + &doing(FIRST, "idle"));
    upkeep();
    (host, job)
}

/// A host whose calls do not wait long for what a test prints only later.
fn quick() -> Host {
    let host = asking_host();
    host.ends_in(Duration::from_millis(2_100));
    host
}

/// The newest job.
fn job(host: &Host) -> String {
    format!("job-{}", host.submitted().len())
}

fn session() -> Session {
    Plugin::get_session(FIRST).unwrap()
}

fn send(host: &Host, number: u32, text: &str) -> Result<Delivery> {
    host.ends_in(Duration::from_millis(2_100));
    let message = Message {
        id: uuid(number),
        text: text.to_owned(),
        attachments: Vec::new(),
    };
    Plugin::send_message(FIRST, message)
}

/// The lines that a process was given, as values.
fn given(host: &Host, job: &str) -> Vec<Value> {
    let input = String::from_utf8(host.job_input(job)).unwrap();
    input.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The texts of the messages that a process was given.
fn messages(host: &Host, job: &str) -> Vec<String> {
    let lines = given(host, job).into_iter().filter(|line| line["type"] == "user");
    lines
        .map(|line| match &line["message"]["content"] {
            Value::String(text) => text.clone(),
            parts => parts[0]["text"].as_str().unwrap().to_owned(),
        })
        .collect()
}

/// What a process was told of a request of its own.
fn answers(host: &Host, job: &str, request: &str) -> Vec<Value> {
    let lines = given(host, job)
        .into_iter()
        .filter(|line| line["type"] == "control_response");
    lines
        .map(|line| line["response"].clone())
        .filter(|response| response["request_id"] == request)
        .map(|response| response["response"].clone())
        .collect()
}

fn print(host: &Host, job: &str, lines: impl AsRef<str>) {
    host.print_job(job, Channel::Output, lines.as_ref());
}

fn works_on(number: u32) -> String {
    receipt(FIRST, &uuid(number), "started") + &doing(FIRST, "running")
}

fn answered(number: u32) -> String {
    result(FIRST, json!({"user_message_uuids": [uuid(number)]}))
        + &receipt(FIRST, &uuid(number), "completed")
        + &doing(FIRST, "idle")
}

fn choose(prompt: &str, key: &str, text: Option<&str>) -> Answered {
    Answered {
        prompt: prompt.to_owned(),
        answer: Answer::Reply(Reply {
            choices: vec![key.to_owned()],
            text: text.map(str::to_owned),
        }),
    }
}

fn respond(host: &Host, answers: Vec<Answered>) -> Result<Delivery> {
    host.ends_in(Duration::from_millis(2_100));
    Plugin::respond(FIRST, answers)
}

/// What a berth that begins to serve does first.
fn start() {
    let event = Event {
        id: "e".into(),
        kind: "start".into(),
        about: String::new(),
        at: 0,
        body: String::new(),
        reply_by: None,
    };
    Plugin::run(vec![event]).unwrap();
}

/// The keys of the choices that accept and decline the first prompt.
fn keys(session: &Session) -> (String, String) {
    let key = |effect| {
        let choices = session.prompts[0].choices.iter();
        choices
            .clone()
            .find(|choice| choice.effect == effect)
            .unwrap()
            .key
            .clone()
    };
    (key(berth_plugin::Effect::Accepts), key(berth_plugin::Effect::Declines))
}

#[test]
fn a_conversation_is_a_process_with_a_queue_of_its_own_that_asks_a_person() {
    let host = quick();
    let session = begin(1, Some("hello"));
    assert_eq!((session.id.as_str(), session.state), (FIRST, State::Queued));
    let spec = &host.submitted()[0];
    assert!(spec.interactive && spec.watch);
    assert_eq!(spec.queue, format!("conversation/{FIRST}"));
    assert_eq!(
        spec.command.args,
        [
            "env",
            "claude",
            "-p",
            "--session-id",
            FIRST,
            "--max-turns=300",
            "--max-budget-usd=20.00",
            "--setting-sources=user",
            "--permission-prompt-tool",
            "stdio",
            "--replay-user-messages",
        ]
    );
    assert_eq!(messages(&host, &job(&host)), ["hello"]);
    begin(1, Some("hello"));
    assert_eq!(host.submitted().len(), 1, "a repeated request begins nothing");
    assert_eq!(messages(&host, &job(&host)), ["hello"]);
}

#[test]
fn a_receipt_is_the_agents_own() {
    let (host, job) = started();
    assert_eq!(session().state, State::Idle);
    assert_eq!(
        send(&host, 7, "one").unwrap().receipt,
        Receipt::Queued,
        "nothing was heard of it"
    );
    assert_eq!(session().queue[0].id, uuid(7));
    print(&host, &job, works_on(7));
    assert_eq!(send(&host, 7, "one").unwrap().receipt, Receipt::Confirmed);
    assert_eq!(session().state, State::Busy);
    assert_eq!(send(&host, 8, "two").unwrap().receipt, Receipt::Queued);
    let busy = session();
    assert_eq!((busy.queue.len(), busy.queue[0].id.as_str()), (1, uuid(8).as_str()));
    assert!(
        busy.can
            .contains(Verbs::CANCEL_MESSAGE | Verbs::INTERRUPT | Verbs::SEND)
    );
    print(&host, &job, answered(7) + &works_on(8));
    assert_eq!(send(&host, 8, "two").unwrap().receipt, Receipt::Confirmed);
    print(&host, &job, answered(8));
    assert_eq!((session().state, session().queue.len()), (State::Idle, 0));
    assert_eq!(messages(&host, &job), ["one", "two"], "each was given once");
}

#[test]
fn many_calls_at_once_give_one_message_once() {
    let (host, job) = started();
    print(&host, &job, doing(FIRST, "running"));
    host.at_once(8, |number| {
        let text = format!("message {}", number % 2);
        let message = Message {
            id: uuid(50 + number as u32 % 2),
            text,
            attachments: Vec::new(),
        };
        Plugin::send_message(FIRST, message).unwrap();
    });
    let mut seen = messages(&host, &job);
    seen.sort();
    assert_eq!(seen, ["message 0", "message 1"]);
}

#[test]
fn a_prompt_is_shown_and_answered_once_and_exactly() {
    let (host, job) = started();
    print(&host, &job, asks(FIRST, "r1", "rm x") + &asks(FIRST, "r2", "ls"));
    let waiting = session();
    assert_eq!((waiting.state, waiting.prompts.len()), (State::Waiting, 2));
    assert!(
        waiting.prompts[0].detail.as_ref().unwrap().contains("rm x"),
        "{waiting:?}"
    );
    assert!(waiting.prompts[0].expires_at.unwrap() > waiting.prompts[0].asked_at.unwrap());
    let (accept, decline) = keys(&waiting);
    let (first, second) = (waiting.prompts[0].id.clone(), waiting.prompts[1].id.clone());
    respond(&host, vec![choose(&first, &accept, None)]).unwrap();
    assert_eq!(answers(&host, &job, "r1")[0]["behavior"], "allow");
    assert_eq!(
        answers(&host, &job, "r1")[0]["updatedInput"],
        json!({"command": "rm x"})
    );
    assert_eq!(session().prompts.len(), 1);
    let again = respond(&host, vec![choose(&first, &decline, None)]).unwrap_err();
    assert!(
        matches!(&again, Error::Conflict(why) if why.contains("already")),
        "{again}"
    );
    respond(&host, vec![choose(&second, &decline, Some("use make clean"))]).unwrap();
    let denied = &answers(&host, &job, "r2")[0];
    assert_eq!(
        (&denied["behavior"], &denied["message"]),
        (&json!("deny"), &json!("use make clean"))
    );
    assert_eq!(answers(&host, &job, "r1").len(), 1);
}

#[test]
fn answers_to_some_of_several_questions_survive_and_the_agent_is_told_all_of_them_once() {
    let (host, job) = started();
    let question = |name: &str| {
        json!({"question": name, "header": name, "multiSelect": false,
        "options": [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cold"}]})
    };
    let input = json!({"questions": [question("One?"), question("Two?"), question("Three?")]});
    let asked = json!({"type": "control_request", "request_id": "r1", "request": {
        "subtype": "can_use_tool", "tool_name": "AskUserQuestion", "input": input, "tool_use_id": "t"}});
    print(&host, &job, format!("{asked}\n"));
    let waiting = session();
    let ids: Vec<String> = waiting.prompts.iter().map(|prompt| prompt.id.clone()).collect();
    assert_eq!(ids.len(), 3);
    assert!(
        waiting.prompts.iter().all(|prompt| prompt.group.is_none()),
        "each is answered in a call of its own"
    );
    let first = respond(&host, vec![choose(&ids[1], "2", None)]).unwrap();
    assert_eq!(first.receipt, Receipt::Confirmed);

    // Each call is a new instance over the same store; this is what one does first after a start.
    start();
    let left = session();
    let open: Vec<&str> = left.prompts.iter().map(|prompt| prompt.id.as_str()).collect();
    assert_eq!((left.state, open), (State::Waiting, vec![&*ids[0], &*ids[2]]));
    let told = left.summary.unwrap();
    assert!(told.contains("\"Two?\" with \"Blue\""), "{told}");
    assert!(
        left.prompts[0]
            .facts
            .iter()
            .any(|(name, what)| name == "answered" && what.contains("Two?")),
        "{:?}",
        left.prompts
    );
    assert_eq!(answers(&host, &job, "r1"), [json!(null); 0]);
    let again = respond(&host, vec![choose(&ids[1], "1", None)]).unwrap_err();
    assert!(
        matches!(&again, Error::Conflict(why) if why.contains("Blue")),
        "{again}"
    );

    respond(&host, vec![choose(&ids[2], "1", None)]).unwrap();
    respond(&host, vec![choose(&ids[0], "1", None)]).unwrap();
    let told = answers(&host, &job, "r1");
    assert_eq!(told.len(), 1);
    assert_eq!(
        told[0]["updatedInput"]["answers"],
        json!({"One?": "Red", "Two?": "Blue", "Three?": "Red"})
    );
    assert_eq!(session().prompts.len(), 0);
}

#[test]
fn of_two_answers_at_once_one_counts() {
    let (host, job) = started();
    print(&host, &job, asks(FIRST, "r1", "rm x"));
    let waiting = session();
    let (accept, decline) = keys(&waiting);
    let won = std::sync::atomic::AtomicUsize::new(0);
    host.at_once(6, |number| {
        let key = if number % 2 == 0 { &accept } else { &decline };
        match Plugin::respond(FIRST, vec![choose(&waiting.prompts[0].id, key, None)]) {
            Ok(_) => drop(won.fetch_add(1, std::sync::atomic::Ordering::SeqCst)),
            Err(error) => assert!(matches!(error, Error::Conflict(_)), "{error}"),
        }
    });
    assert_eq!(won.into_inner(), 1);
    assert_eq!(answers(&host, &job, "r1").len(), 1);
}

#[test]
fn a_process_that_dies_is_told_with_why_and_comes_back_with_its_conversation() {
    let (host, job) = started();
    print(&host, &job, asks(FIRST, "r1", "rm x"));
    let prompt = session().prompts[0].id.clone();
    host.print_job(&job, Channel::Errors, "out of memory\n")
        .end_job(&job, Phase::Exited, Some(137));
    upkeep();
    let dead = session();
    assert_eq!((dead.state, dead.prompts.len()), (State::Idle, 0));
    let attention = dead.attention.unwrap();
    assert!(
        attention.kind == "error" && attention.reason.contains("out of memory"),
        "{attention:?}"
    );
    assert_eq!(jobs::get(&job).unwrap().label, "idle");
    let late = respond(&host, vec![choose(&prompt, "1", None)]).unwrap_err();
    assert!(matches!(late, Error::Conflict(_)), "{late}");
    send(&host, 9, "go on").unwrap();
    let next = self::job(&host);
    assert_ne!(next, job);
    let args = host.submitted()[1].command.args.clone();
    assert!(args.windows(2).any(|pair| pair == ["--resume", FIRST]), "{args:?}");
    assert_eq!(messages(&host, &next), ["go on"]);
    host.start_job(&next);
    print(&host, &next, init(FIRST) + &asks(FIRST, "r1", "ls"));
    assert_ne!(
        session().prompts[0].id,
        prompt,
        "a prompt of another process is another one"
    );
}

#[test]
fn a_message_that_fails_is_told_until_the_agent_begins_with_another_one() {
    let (host, job) = started();
    let fails = |number: u32, status: u64| {
        let more = json!({"is_error": true, "api_error_status": status, "user_message_uuids": [uuid(number)]});
        works_on(number) + &result(FIRST, more) + &receipt(FIRST, &uuid(number), "cancelled") + &doing(FIRST, "idle")
    };
    send(&host, 7, "one").unwrap();
    for (status, kind) in [(500, "error"), (401, "login"), (429, "limit")] {
        print(&host, &job, fails(7, status));
        let failed = session();
        let attention = failed.attention.unwrap();
        assert_eq!((failed.state, attention.kind.as_str()), (State::Idle, kind));
        assert!(attention.reason.contains(&status.to_string()), "{attention:?}");
    }
    send(&host, 8, "two").unwrap();
    print(&host, &job, works_on(8));
    assert_eq!(session().attention, None);
}

/// As if the last try to read what its process prints was long ago.
fn long_after() {
    let key = format!("talk/{FIRST}");
    let mut talk: Value = store::get(&key).unwrap().unwrap();
    talk["process"]["unread"]["last"] = json!(0);
    store::put(&key, &talk).unwrap();
}

#[test]
fn one_that_cannot_be_read_is_told_and_tried_a_few_times_and_comes_back_when_it_can() {
    let (host, job) = started();
    print(&host, &job, asks(FIRST, "r1", "rm x"));
    upkeep();
    host.lose_output(&job);
    let next = |host: &Host| {
        host.ends_in(Duration::from_secs(30));
        Plugin::run(Vec::new())
            .unwrap()
            .next
            .unwrap()
            .saturating_sub(berth_plugin::time::now())
    };
    assert!(next(&host) <= 10_000);
    assert!(next(&host) <= 10_000, "the pause is not over, and nothing is tried");
    let lost = session();
    assert_eq!((lost.state, lost.prompts.len()), (State::Unreachable, 0));
    let attention = lost.attention.unwrap();
    assert_eq!(attention.kind, "error");
    for part in [
        "cannot be read",
        "directory of job",
        "tried again at",
        "end the session",
    ] {
        assert!(attention.reason.contains(part), "{}", attention.reason);
    }
    let query = SessionQuery {
        states: Vec::new(),
        limit: 50,
        after: None,
    };
    let listed = Plugin::list_sessions(query).unwrap();
    assert_eq!((listed.sessions.len(), listed.problems.len()), (1, 0));

    let mut tries = 1;
    let given_up = loop {
        long_after();
        let pause = next(&host);
        tries += 1;
        if pause > 600_000 {
            break session().attention.unwrap();
        }
        assert!(tries < 20);
    };
    assert_eq!(tries, 12);
    assert!(given_up.reason.contains("in vain"), "{}", given_up.reason);
    assert!(
        matches!(send(&host, 7, "one"), Err(Error::Failed(_))),
        "nothing is kept of it"
    );
    assert_eq!(session().queue.len(), 0);

    host.find_output(&job);
    send(&host, 7, "one").unwrap();
    let found = session();
    assert_eq!(
        (found.state, found.attention, found.prompts.len()),
        (State::Waiting, None, 1)
    );
    assert_eq!(messages(&host, &job), ["one"]);
    // Another time it begins again with short pauses.
    host.lose_output(&job);
    assert!(next(&host) <= 10_000);
    host.find_output(&job);
    long_after();
    next(&host);
    assert_eq!(session().attention, None, "it comes back by itself");
}

#[test]
fn one_that_cannot_be_read_and_whose_process_has_ended_is_left_at_rest_in_the_end() {
    let (host, job) = started();
    print(&host, &job, works_on(7));
    host.lose_output(&job).end_job(&job, Phase::Exited, Some(0));
    upkeep();
    for tries in 2..=12 {
        assert_eq!(session().state, State::Unreachable, "{tries}");
        long_after();
        host.ends_in(Duration::from_secs(30));
        let next = Plugin::run(Vec::new()).unwrap().next.unwrap();
        assert!(
            tries < 3 || tries == 12 || next > berth_plugin::time::now() + 10_000,
            "the pauses grow here too"
        );
    }
    let left = session();
    let reason = left.attention.unwrap().reason;
    assert_eq!(left.state, State::Idle);
    assert!(
        reason.contains("cannot be read") && reason.contains("next message brings it back"),
        "{reason}"
    );
    upkeep();
    assert_eq!(jobs::get(&job).unwrap().label, "idle");
    send(&host, 8, "more").unwrap();
    assert_eq!(messages(&host, &self::job(&host)), ["more"]);
}

#[test]
fn one_that_cannot_be_read_is_ended_and_goes_on_in_a_new_process() {
    let (host, job) = started();
    host.lose_output(&job);
    assert_eq!(Plugin::terminate(FIRST), Ok(Receipt::Confirmed));
    assert_eq!(session().state, State::Cancelled);
    upkeep();
    send(&host, 7, "again").unwrap();
    let args = host.submitted()[1].command.args.clone();
    assert!(args.windows(2).any(|pair| pair == ["--resume", FIRST]), "{args:?}");
    assert_eq!(messages(&host, &self::job(&host)), ["again"]);
}

#[test]
fn what_was_given_is_no_error_where_it_cannot_be_seen_what_came_of_it() {
    let (host, job) = started();
    print(&host, &job, asks(FIRST, "r1", "rm x"));
    let waiting = session();
    let (accept, _) = keys(&waiting);
    let host = std::sync::Arc::new(host);
    let (other, own) = (host.clone(), job.clone());
    // Once the answer is kept, nothing can be read any more.
    host.before_put_of(&format!("talk/{FIRST}"), move || {
        other.lose_output(&own);
    });
    let delivery = respond(&host, vec![choose(&waiting.prompts[0].id, &accept, None)]).unwrap();
    assert_eq!(delivery.receipt, Receipt::Unconfirmed);
    assert_eq!(answers(&host, &job, "r1").len(), 1);
}

#[test]
fn an_agent_that_cannot_begin_is_ended_and_what_waits_is_tried_with_the_next_message() {
    let host = quick();
    host.agents(
        json!([{"name": "other", "command": ["env", "other"], "headless": ["env", "other", "acp"],
        "protocol": "acp", "installed": true}]),
    );
    let answers = |id: &str, result: Value| {
        let mut line = json!({"jsonrpc": "2.0", "id": id});
        line.as_object_mut()
            .unwrap()
            .extend(result.as_object().unwrap().clone());
        format!("{line}\n")
    };
    let begins = answers(
        "berth-1",
        json!({"result": {"protocolVersion": 1, "agentCapabilities": {}}}),
    );
    let refuses = answers(
        "berth-2",
        json!({"error": {"code": -32000, "message": "Authentication required"}}),
    );
    begin(1, Some("hello"));
    let job = self::job(&host);
    host.start_job(&job);
    print(&host, &job, begins.clone() + &refuses);
    upkeep();
    assert_eq!(jobs::get(&job).unwrap().phase, Phase::Cancelled);
    upkeep();
    let seen = session();
    let attention = seen.attention.unwrap();
    assert_eq!((seen.state, attention.kind.as_str()), (State::Idle, "login"));
    assert!(
        attention.reason.contains("send a message, which tries it again"),
        "{attention:?}"
    );
    assert_eq!(
        (seen.queue.len(), host.submitted().len()),
        (1, 1),
        "it is not tried without end"
    );
    assert_eq!(send(&host, 7, "one").unwrap().receipt, Receipt::Queued);
    let next = self::job(&host);
    assert_ne!(next, job);
    host.start_job(&next);
    print(
        &host,
        &next,
        begins + &answers("berth-2", json!({"result": {"sessionId": "own"}})),
    );
    upkeep();
    assert_eq!(
        given(&host, &next).last().unwrap()["params"]["prompt"][0]["text"],
        "hello",
        "what waits goes first"
    );
}

#[test]
fn messages_that_were_not_started_go_to_the_next_process_and_those_that_were_do_not() {
    let (host, job) = started();
    print(&host, &job, doing(FIRST, "running"));
    send(&host, 7, "one").unwrap();
    send(&host, 8, "two").unwrap();
    print(
        &host,
        &job,
        receipt(FIRST, &uuid(7), "started") + &receipt(FIRST, &uuid(8), "queued"),
    );
    upkeep();
    host.end_job(&job, Phase::Exited, Some(137));
    upkeep();
    let next = self::job(&host);
    assert_ne!(next, job);
    assert_eq!(messages(&host, &next), ["two"]);
    assert!(
        host.job_input(&next).windows(36).any(|id| id == uuid(8).as_bytes()),
        "with the same id"
    );
    assert_eq!(
        send(&host, 7, "one").unwrap().receipt,
        Receipt::Confirmed,
        "it was begun with, and is not sent again"
    );
    assert_eq!(messages(&host, &next), ["two"]);
}

#[test]
fn a_process_that_ends_before_it_does_anything_is_not_started_again_and_again() {
    let host = quick();
    begin(1, Some("hello"));
    for round in 1..4 {
        let job = job(&host);
        host.start_job(&job).end_job(&job, Phase::Exited, Some(1));
        upkeep();
        upkeep();
        assert_eq!(host.submitted().len(), round);
        assert_eq!(session().queue[0].text, "hello");
        send(&host, 110 + round as u32, "more").unwrap();
    }
    let all = messages(&host, &job(&host));
    assert_eq!(all[..2], ["hello", "more"], "what waits goes first, and once");
}

#[test]
fn an_idle_process_is_ended_and_the_next_message_brings_it_back_with_its_mode() {
    let (host, job) = started();
    host.settings(json!({"idle_timeout": "1s"}));
    host.ends_in(Duration::from_millis(2_100));
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while jobs::get(&job).unwrap().phase == Phase::Running {
        assert!(std::time::Instant::now() < until);
        upkeep();
        std::thread::sleep(Duration::from_millis(50));
    }
    upkeep();
    let idle = session();
    assert_eq!((idle.state, idle.attention), (State::Idle, None));
    Plugin::set_option(FIRST, "mode", "plan").unwrap();
    send(&host, 9, "go on").unwrap();
    let args = host.submitted()[1].command.args.clone();
    assert!(
        args.contains(&"--permission-mode=plan".to_owned()) && args.contains(&"--resume".to_owned()),
        "{args:?}"
    );
}

#[test]
fn a_session_that_is_ended_stays_ended_until_a_message_comes_and_drops_what_waits() {
    let (host, job) = started();
    print(&host, &job, works_on(7));
    send(&host, 8, "waits").unwrap();
    assert_eq!(Plugin::terminate(FIRST), Ok(Receipt::Confirmed));
    upkeep();
    let ended = session();
    assert_eq!(
        (ended.state, ended.queue.len(), ended.prompts.len()),
        (State::Cancelled, 0, 0)
    );
    assert_eq!(host.submitted().len(), 1);
    assert_eq!(Plugin::terminate(FIRST), Ok(Receipt::Confirmed));
    send(&host, 9, "again").unwrap();
    assert_eq!(messages(&host, &self::job(&host)), ["again"]);
}

#[test]
fn a_prompt_that_nobody_answers_is_declined_at_its_deadline() {
    let (host, job) = started();
    host.settings(json!({"prompt_deadline": "1s"}));
    print(&host, &job, asks(FIRST, "r1", "rm x"));
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while answers(&host, &job, "r1").is_empty() {
        assert!(std::time::Instant::now() < until);
        upkeep();
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(answers(&host, &job, "r1")[0]["behavior"], "deny");
    assert_eq!(session().prompts.len(), 0);
}

#[test]
fn a_new_berth_asks_the_agent_again_what_it_waits_for() {
    let (host, job) = started();
    print(&host, &job, asks(FIRST, "r1", "rm x"));
    upkeep();
    let before = given(&host, &job).len();
    start();
    let lines = given(&host, &job);
    assert!(
        lines[before..]
            .iter()
            .any(|line| line["request"]["subtype"] == "initialize"),
        "{lines:?}"
    );
    assert_eq!(session().prompts.len(), 1);
}

#[test]
fn a_message_that_waits_is_taken_back_and_one_that_is_begun_is_not() {
    let (host, job) = started();
    send(&host, 7, "one").unwrap();
    print(&host, &job, works_on(7));
    send(&host, 8, "two").unwrap();
    print(&host, &job, receipt(FIRST, &uuid(8), "queued"));
    let begun = Plugin::cancel_message(FIRST, &uuid(7)).unwrap_err();
    assert!(matches!(begun, Error::Conflict(_)), "{begun}");
    print(&host, &job, receipt(FIRST, &uuid(8), "cancelled"));
    assert_eq!(Plugin::cancel_message(FIRST, &uuid(8)), Ok(()), "also again");
    assert_eq!(session().queue.len(), 0);
    assert!(matches!(
        Plugin::cancel_message(FIRST, &uuid(99)),
        Err(Error::NotFound(_))
    ));
}

#[test]
fn an_empty_message_is_refused_and_nothing_is_given() {
    let (host, job) = started();
    let before = given(&host, &job).len();
    for (number, text) in [(7, ""), (8, " \n\t")] {
        let refused = send(&host, number, text).unwrap_err();
        assert!(matches!(refused, Error::Invalid(_)), "{refused}");
    }
    assert_eq!(given(&host, &job).len(), before);
    assert_eq!(session().queue.len(), 0);
}

#[test]
fn a_message_that_waits_for_the_next_process_is_taken_back() {
    let host = quick();
    begin(1, Some("hello"));
    let job = job(&host);
    host.start_job(&job).end_job(&job, Phase::Exited, Some(1));
    upkeep();
    assert_eq!(session().queue[0].id, uuid(101));
    assert_eq!(Plugin::cancel_message(FIRST, &uuid(101)), Ok(()));
    assert_eq!(session().queue.len(), 0);
    send(&host, 7, "more").unwrap();
    assert_eq!(messages(&host, &self::job(&host)), ["more"]);
}

#[test]
fn what_the_agent_does_not_know_is_told_in_words_and_not_asked_again() {
    let (host, job) = started();
    print(&host, &job, works_on(7));
    send(&host, 8, "two").unwrap();
    let asked = |subtype: &str| {
        let lines = given(&host, &job).into_iter();
        lines
            .filter(|line| line["request"]["subtype"] == subtype)
            .collect::<Vec<_>>()
    };
    // An agent that answers as soon as it is asked: with a code, as the real one does, or in words alone.
    let refuse = |subtype: &str, code: Value| {
        let id = asked(subtype).last().unwrap()["request_id"].clone();
        let error = format!("Unsupported control request subtype: {subtype}");
        let response = json!({"subtype": "error", "request_id": id, "error": error, "error_code": code});
        print(
            &host,
            &job,
            format!("{}\n", json!({"type": "control_response", "response": response})),
        );
    };
    let words = |deed: &dyn Fn() -> Result<()>| {
        host.ends_in(Duration::from_millis(2_100));
        let Err(Error::Refused(why)) = deed() else {
            panic!("it is refused in words")
        };
        assert!(why.contains("cannot"), "{why}");
    };
    let interrupt = || Plugin::interrupt(FIRST).map(drop);
    let take_back = || Plugin::cancel_message(FIRST, &uuid(8));
    let set = || Plugin::set_option(FIRST, "model", "haiku");
    assert!(session().can.contains(Verbs::INTERRUPT | Verbs::CANCEL_MESSAGE));
    interrupt().unwrap();
    refuse("interrupt", json!("unsupported_request"));
    assert!(
        matches!(take_back(), Err(Error::TimedOut(_))),
        "nothing was answered yet"
    );
    refuse("cancel_async_message", Value::Null);
    host.ends_in(Duration::from_millis(2_100));
    assert!(matches!(set(), Err(Error::TimedOut(_))));
    refuse("set_model", json!("unsupported_request"));
    for (subtype, deed) in [
        ("interrupt", &interrupt as &dyn Fn() -> Result<()>),
        ("cancel_async_message", &take_back),
        ("set_model", &set),
    ] {
        words(deed);
        assert_eq!(asked(subtype).len(), 1, "{subtype} was not sent again");
    }
    assert!(!session().can.intersects(Verbs::INTERRUPT | Verbs::CANCEL_MESSAGE));
    // Another refusal does not say that it does not know the request.
    let refused =
        json!({"type": "control_response", "response": {"subtype": "error", "request_id": "berth-9", "error": "no"}});
    print(&host, &job, format!("{refused}\n"));
    host.ends_in(Duration::from_millis(2_100));
    assert!(matches!(
        Plugin::set_option(FIRST, "mode", "plan"),
        Err(Error::TimedOut(_))
    ));
}

#[test]
fn a_conversation_of_runs_goes_on_with_a_person_once_no_run_works() {
    let host = quick();
    host.settings(json!({"prompt_deadline": "0s"}));
    let run = crate::fake::run(1, json!({}));
    host.start_job(&run);
    assert_eq!(send(&host, 7, "and now?"), Err(Error::Busy));
    print(&host, &run, result(FIRST, json!({})));
    host.end_job(&run, Phase::Exited, Some(0));
    upkeep();
    send(&host, 7, "and now?").unwrap();
    let args = host.submitted()[1].command.args.clone();
    assert!(args.windows(2).any(|pair| pair == ["--resume", FIRST]), "{args:?}");
    assert_eq!(messages(&host, &job(&host)), ["and now?"]);
}

#[test]
fn behind_whatever_step_a_call_was_cut_off_the_next_one_finishes_it_and_does_nothing_twice() {
    let key = format!("talk/{FIRST}");
    let kept = || store::raw::get(&key).unwrap().unwrap().value;
    let host = quick();
    begin(1, Some("hello"));
    // Cut off behind the submission: neither the job nor what was written is known.
    let mut talk: Value = serde_json::from_slice(&kept()).unwrap();
    talk["process"]["job"] = Value::Null;
    store::put(&key, &talk).unwrap();
    upkeep();
    let job = job(&host);
    assert_eq!(
        (host.submitted().len(), messages(&host, &job)),
        (1, vec!["hello".to_owned()])
    );
    host.start_job(&job);
    print(&host, &job, init(FIRST) + &doing(FIRST, "idle"));
    // Cut off behind what is kept, and before it is written.
    let message = Message {
        id: uuid(7),
        text: "one".to_owned(),
        attachments: Vec::new(),
    };
    crate::kept::message::keep(FIRST, &message).unwrap();
    super::change::change(FIRST, |talk| super::give::give(talk, &message)).unwrap();
    assert_eq!(messages(&host, &job), ["hello"]);
    let before = kept();
    upkeep();
    assert_eq!(messages(&host, &job), ["hello", "one"]);
    // Cut off behind the write: how far that came is not known, and its lines are still kept.
    let after = kept();
    assert_ne!(before, after);
    send(&host, 7, "one").unwrap();
    begin(1, Some("hello"));
    assert_eq!(messages(&host, &job), ["hello", "one"]);
    assert_eq!(
        store::keys("input/").unwrap(),
        [""; 0],
        "nothing is kept that was written"
    );
}

#[test]
fn one_that_begins_while_another_call_looks_after_the_others_is_looked_after_as_well() {
    let host = quick();
    let key = format!("talk/{FIRST}");
    // Its mark is there, and nothing else of it.
    host.before_put_of(&key, upkeep);
    begin(1, None);
    assert_eq!(Talk::all_alive().unwrap(), [FIRST]);
    let job = job(&host);
    host.start_job(&job)
        .print_job(&job, Channel::Output, init(FIRST) + &doing(FIRST, "idle"))
        .end_job(&job, Phase::Exited, Some(0));
    // Its process has ended, and the next one is about to be kept.
    host.before_put_of(&key, upkeep);
    send(&host, 7, "more").unwrap();
    assert_eq!(Talk::all_alive().unwrap(), [FIRST]);
    Talk::is_at_rest(FIRST).unwrap();
    assert_eq!(Talk::all_alive().unwrap(), [FIRST], "its process works");
}

#[test]
fn an_old_process_makes_room_for_one_that_waits_for_a_place() {
    let (_host, job) = started();
    begin(2, Some("hello"));
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while jobs::get(&job).unwrap().phase == Phase::Running {
        assert!(std::time::Instant::now() < until);
        upkeep();
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(session().state, State::Idle);
    let query = SessionQuery {
        states: Vec::new(),
        limit: 50,
        after: None,
    };
    assert_eq!(Plugin::list_sessions(query).unwrap().sessions.len(), 2);
}

#[test]
fn a_run_asks_a_person_goes_on_with_the_answer_and_ends_after_its_own() {
    let host = quick();
    let run = crate::fake::run(1, json!({}));
    let spec = host.submitted()[0].clone();
    assert!(spec.interactive && spec.watch && spec.timeout_ms.is_none());
    assert_eq!(spec.queue, "app");
    assert_eq!(messages(&host, &run), ["do it"]);
    host.start_job(&run);
    print(
        &host,
        &run,
        init(FIRST) + &receipt(FIRST, FIRST, "started") + &asks(FIRST, "r1", "rm x"),
    );
    upkeep();
    let waiting = session();
    assert_eq!((waiting.state, waiting.prompts.len()), (State::Waiting, 1));
    assert!(waiting.can.contains(Verbs::RESPOND));
    let (accept, _) = keys(&waiting);
    respond(&host, vec![choose(&waiting.prompts[0].id, &accept, None)]).unwrap();
    assert_eq!(answers(&host, &run, "r1")[0]["behavior"], "allow");
    assert_eq!(session().prompts.len(), 0);
    print(
        &host,
        &run,
        result(FIRST, json!({"user_message_uuids": [FIRST]})) + &doing(FIRST, "idle"),
    );
    upkeep();
    assert!(
        matches!(jobs::write(&run, b"x", None), Err(Error::Refused(_))),
        "its input has ended"
    );
    host.end_job(&run, Phase::Exited, Some(0));
    upkeep();
    assert_eq!(crate::fake::status(&run)["state"], "done");
    upkeep();
    assert_eq!(store::keys("talk/").unwrap(), [""; 0]);
    assert_eq!(store::keys("alive/").unwrap(), [""; 0]);
}

#[test]
fn time_in_which_a_run_waits_for_a_person_does_not_count_and_the_rest_does() {
    let host = quick();
    let run = crate::fake::run(1, json!({"timeoutMs": 300}));
    host.start_job(&run);
    print(&host, &run, init(FIRST) + &asks(FIRST, "r1", "rm x"));
    upkeep();
    std::thread::sleep(Duration::from_millis(400));
    upkeep();
    assert_eq!(crate::fake::status(&run)["state"], "running");
    let waiting = session();
    let (_, decline) = keys(&waiting);
    respond(&host, vec![choose(&waiting.prompts[0].id, &decline, None)]).unwrap();
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while jobs::get(&run).unwrap().phase == Phase::Running {
        assert!(std::time::Instant::now() < until);
        upkeep();
        std::thread::sleep(Duration::from_millis(20));
    }
    upkeep();
    let told = crate::fake::status(&run);
    assert_eq!(told["state"], "failed", "{told}");
    assert!(told["error"].as_str().unwrap().contains("longer than"), "{told}");
}

#[test]
fn a_request_of_a_run_to_a_conversation_is_a_message_there() {
    let (host, job) = started();
    let told = crate::fake::call(
        7,
        "claude_run",
        json!({"project": "app", "prompt": "one", "sessionId": FIRST}),
    )
    .unwrap();
    assert_eq!((&told["jobId"], &told["state"]), (&json!(uuid(7)), &json!("queued")));
    assert_eq!(
        (host.submitted().len(), messages(&host, &job)),
        (1, vec!["one".to_owned()])
    );
    print(&host, &job, works_on(7));
    assert_eq!(crate::fake::status(&uuid(7))["state"], "running");
    print(&host, &job, answered(7));
    let done = crate::fake::status(&uuid(7));
    assert_eq!(
        (&done["state"], &done["output"]),
        (&json!("done"), &json!("it is done"))
    );
    let listed = crate::fake::call(900, "claude_list_jobs", json!({})).unwrap();
    assert_eq!(listed["jobs"][0]["jobId"], uuid(7));
    let error = crate::fake::call(
        8,
        "claude_run",
        json!({"project": "web", "prompt": "x", "sessionId": FIRST}),
    )
    .unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error}");
}

#[test]
fn a_call_that_may_not_act_on_the_process_leaves_nothing_that_would_be_written_later() {
    let (host, job) = started();
    print(&host, &job, asks(FIRST, "r1", "rm x"));
    upkeep();
    let (accept, _) = keys(&session());
    let prompt = session().prompts[0].id.clone();
    let before = host.job_input(&job);
    host.read_only();
    assert!(matches!(send(&host, 7, "one"), Err(Error::Denied(_))));
    assert!(matches!(
        respond(&host, vec![choose(&prompt, &accept, None)]),
        Err(Error::Denied(_))
    ));
    assert!(matches!(Plugin::interrupt(FIRST), Err(Error::Denied(_))));
    assert!(matches!(
        Plugin::set_option(FIRST, "mode", "plan"),
        Err(Error::Denied(_))
    ));
    assert!(matches!(Plugin::terminate(FIRST), Err(Error::Denied(_))));
    assert_eq!((session().prompts.len(), session().queue.len()), (1, 0));
    assert_eq!(host.job_input(&job), before);
}

fn turns(limit: u32, after: Option<&str>, before: Option<&str>) -> TurnPage {
    let query = TurnQuery {
        limit,
        after: after.map(str::to_owned),
        before: before.map(str::to_owned),
    };
    Plugin::read_turns(FIRST, query).unwrap()
}

fn texts(page: &TurnPage) -> Vec<&str> {
    page.turns
        .iter()
        .map(|turn| turn.text.split(' ').next().unwrap_or_default())
        .collect()
}

fn says(text: &str) -> String {
    let message = json!({"id": text, "content": [{"type": "text", "text": text}]});
    format!(
        "{}\n",
        json!({"type": "assistant", "session_id": FIRST, "message": message})
    )
}

/// A line of an agent of the Agent Client Protocol that says something.
fn chunk(kind: &str, text: &str) -> String {
    let update = json!({"sessionUpdate": kind, "content": {"type": "text", "text": text}});
    let params = json!({"sessionId": "s", "update": update});
    format!(
        "{}\n",
        json!({"jsonrpc": "2.0", "method": "session/update", "params": params})
    )
}

/// Its answer to a request.
fn reply(id: &str, result: Value) -> String {
    format!("{}\n", json!({"jsonrpc": "2.0", "id": id, "result": result}))
}

/// A conversation with such an agent, which was told `hello` and works on it.
fn silent() -> (Host, String) {
    let host = quick();
    host.agents(
        json!([{"name": "other", "command": ["env", "other"], "headless": ["env", "other", "acp"],
        "protocol": "acp", "installed": true}]),
    );
    begin(1, Some("hello\nthere"));
    let job = job(&host);
    host.start_job(&job);
    print(
        &host,
        &job,
        reply(
            "berth-1",
            json!({"protocolVersion": 1, "agentCapabilities": {"loadSession": true}}),
        ),
    );
    upkeep();
    print(&host, &job, reply("berth-2", json!({"sessionId": "s"})));
    upkeep();
    print(
        &host,
        &job,
        chunk("agent_message_chunk", "hi ") + &chunk("agent_message_chunk", "you"),
    );
    (host, job)
}

fn told(page: &TurnPage) -> Vec<(berth_plugin::Role, &str)> {
    page.turns.iter().map(|turn| (turn.role, turn.text.as_str())).collect()
}

#[test]
fn what_a_person_said_to_an_agent_that_does_not_print_it_stands_in_the_transcript_at_its_place() {
    use berth_plugin::Role::{Agent, Person};

    let (host, job) = silent();
    // Also where nothing but this has read what was printed, and after it was kept.
    let first = turns(10, None, None);
    assert_eq!(told(&first), [(Person, "hello\nthere"), (Agent, "hi you")]);
    upkeep();
    assert_eq!(turns(10, None, None), first);
    assert_eq!(first.turns[0].message.as_deref(), Some(uuid(101).as_str()));
    assert!(first.turns[0].at.is_some());
    // One that waits is not said yet, and one that is taken back never is.
    for (number, text) in [(7, "and now?"), (8, "never")] {
        assert_eq!(send(&host, number, text).unwrap().receipt, Receipt::Queued);
    }
    host.ends_in(Duration::from_millis(2_100));
    Plugin::cancel_message(FIRST, &uuid(8)).unwrap();
    assert_eq!(turns(10, None, None), first);
    // The end of one and the beginning of the next are read at once.
    print(
        &host,
        &job,
        reply(&uuid(101), json!({"stopReason": "end_turn"}))
            + &chunk("usage_update", "")
            + &chunk("agent_message_chunk", "this"),
    );
    upkeep();
    let both = turns(10, None, None);
    let all = [
        (Person, "hello\nthere"),
        (Agent, "hi you"),
        (Person, "and now?"),
        (Agent, "this"),
    ];
    assert_eq!(told(&both), all);
    let ids: Vec<String> = both.turns.iter().map(|turn| turn.id.clone()).collect();
    assert_eq!(
        ids[..2],
        [first.turns[0].id.clone(), first.turns[1].id.clone()],
        "ids stay"
    );
    for number in 0..4 {
        assert_eq!(told(&turns(10, Some(&ids[number]), None)), all[number + 1..]);
        assert_eq!(told(&turns(10, None, Some(&ids[number]))), all[..number]);
        let next = turns(1, Some(&ids[number]), None);
        assert_eq!(
            told(&next),
            all[number + 1..].iter().take(1).copied().collect::<Vec<_>>()
        );
    }

    // Its process dies; the next one tells all of it again, and goes on.
    host.end_job(&job, Phase::Exited, Some(0));
    upkeep();
    send(&host, 9, "again").unwrap();
    let next = self::job(&host);
    host.start_job(&next);
    print(
        &host,
        &next,
        reply(
            "berth-1",
            json!({"protocolVersion": 1, "agentCapabilities": {"loadSession": true}}),
        ),
    );
    upkeep();
    print(
        &host,
        &next,
        chunk("user_message_chunk", "hello\nthere") + &chunk("agent_message_chunk", "hi you"),
    );
    assert_eq!(told(&turns(10, None, None)), all, "the past is not told twice");
    upkeep();
    assert_eq!(told(&turns(10, None, None)), all);
    print(&host, &next, reply("berth-2", json!({})));
    upkeep();
    print(&host, &next, chunk("agent_message_chunk", "third"));
    upkeep();
    let whole = turns(10, None, None);
    assert_eq!(
        told(&whole),
        [&all[..], &[(Person, "again"), (Agent, "third")]].concat()
    );
    assert_eq!(
        told(&turns(10, Some(&ids[3]), None)),
        [(Person, "again"), (Agent, "third")]
    );
    assert_eq!(
        whole.turns[..4].iter().map(|turn| &turn.id).collect::<Vec<_>>(),
        ids.iter().collect::<Vec<_>>()
    );
    Talk::remove(FIRST).unwrap();
    for prefix in ["said/", "past/", "message/"] {
        assert_eq!(store::keys(prefix).unwrap(), [""; 0]);
    }
}

#[test]
fn turns_are_read_from_the_end_and_page_by_page_over_all_processes() {
    let (host, job) = started();
    let long = "x".repeat(2_000);
    for number in 0..1_500 {
        print(&host, &job, says(&format!("t{number} {long}")));
    }
    host.end_job(&job, Phase::Exited, Some(0));
    upkeep();
    send(&host, 7, "more").unwrap();
    let next = self::job(&host);
    host.start_job(&next);
    print(
        &host,
        &next,
        init(FIRST) + &works_on(7) + &says("last") + "{\"type\":\"assis",
    );
    let end = turns(3, None, None);
    assert_eq!((texts(&end), end.more), (vec!["t1498", "t1499", "last"], true));
    assert_eq!(
        end.turns[2].message.as_deref(),
        Some(uuid(7).as_str()),
        "it answers that message"
    );
    let (mut seen, mut before, mut rounds) = (Vec::new(), None, 0);
    loop {
        let page = turns(400, None, before.as_deref());
        before = page.turns.first().map(|turn| turn.id.clone());
        seen.splice(0..0, page.turns.iter().map(|turn| turn.id.clone()));
        rounds += 1;
        if !page.more {
            break;
        }
    }
    assert_eq!((seen.len(), rounds), (1_501, 4));
    let (mut again, mut after) = (vec![seen[0].clone()], seen[0].clone());
    loop {
        let page = turns(700, Some(&after), None);
        again.extend(page.turns.iter().map(|turn| turn.id.clone()));
        if !page.more {
            break;
        }
        after = page.turns.last().unwrap().id.clone();
    }
    assert_eq!(again, seen);
    assert_eq!(turns(5, Some(again.last().unwrap()), None).turns, []);
    for wrong in ["x", "a.1.2", &format!("{job}.x.0")] {
        let query = TurnQuery {
            limit: 1,
            after: Some(wrong.to_owned()),
            before: None,
        };
        assert!(
            matches!(Plugin::read_turns(FIRST, query), Err(Error::Invalid(_))),
            "{wrong}"
        );
    }
}
