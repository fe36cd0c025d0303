//! Tasks for agents beside sessions of remote control, through the whole plugin. `berth_headless` has the tests of what it
//! does with them in detail.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use berth_plugin::jobs::{self, Channel, Phase};
use berth_plugin::{
    Answer, Answered, Backend as _, Changes as _, Content, Control as _, Error, Event, LogQuery, Message, Options as _,
    OwnTools as _, Receipt, Reply, Result, SessionQuery, State, ToolCall, ToolOutput, Transcripts as _, TurnQuery,
    Upkeep as _,
};
use serde_json::{Value, json};

use crate::Plugin;
use crate::fake::{Fake, everything, serving};
use crate::kept::{self, tests::kept};

/// The id of the first call, and so that of the conversation that it begins.
const FIRST: &str = "00000000-0000-4000-8000-000000000001";

/// Three hosts, of which the first has the project `app`, and the first two have `both`.
fn hosts() -> Fake {
    let fake = Fake::new();
    for (host, file) in [("mac", "app/x"), ("mac", "both/x"), ("linux", "both/x")] {
        fake.host.file_on(host, file, "");
    }
    fake
}

fn uuid(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// A task, by default for project `app` and with nobody who waits.
fn ask(number: u32, more: Value) -> Result<ToolOutput> {
    let mut arguments = json!({"task": "fix it", "project": "app", "wait_seconds": 0});
    for (name, value) in more.as_object().unwrap() {
        arguments[name] = value.clone();
    }
    Plugin::call_tool(ToolCall {
        id: uuid(number),
        name: "ask_claude".to_owned(),
        arguments: arguments.to_string(),
    })
}

fn facts(output: &ToolOutput) -> Value {
    serde_json::from_str(output.structured.as_ref().unwrap()).unwrap()
}

fn words(output: &ToolOutput) -> &str {
    match &output.content[0] {
        Content::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

fn line(line: &Value) -> String {
    format!("{line}\n")
}

/// What an agent prints at the end of a task.
fn result(more: Value) -> String {
    let mut result = json!({
        "type": "result", "subtype": "success", "is_error": false, "session_id": FIRST, "num_turns": 2,
        "total_cost_usd": 0.5, "permission_denials": [], "result": "it is fixed", "user_message_uuids": [FIRST],
    });
    for (name, value) in more.as_object().unwrap() {
        result[name] = value.clone();
    }
    let said = json!({"type": "assistant", "session_id": FIRST,
        "message": {"id": "m1", "role": "assistant", "content": [{"type": "text", "text": "it is fixed"}]}});
    line(&said)
        + &line(&result)
        + &line(&json!({"type": "system", "subtype": "session_state_changed", "session_id": FIRST, "state": "idle"}))
}

fn end(fake: &Fake, job: &str, printed: &str, status: i32) {
    fake.host
        .start_job(job)
        .print_job(job, Channel::Output, printed)
        .end_job(job, Phase::Exited, Some(status));
    upkeep();
}

fn upkeep() {
    Plugin::run(vec![event("job", "job-1")]).unwrap();
}

fn event(kind: &str, about: &str) -> Event {
    Event {
        id: "1".to_owned(),
        kind: kind.to_owned(),
        about: about.to_owned(),
        at: 0,
        body: String::new(),
        reply_by: None,
    }
}

fn ids(states: &[State]) -> Vec<String> {
    let query = SessionQuery {
        states: states.to_vec(),
        ..everything()
    };
    let page = Plugin::list_sessions(query).unwrap();
    page.sessions.into_iter().map(|session| session.id).collect()
}

#[test]
fn a_task_is_a_job_on_its_host_and_a_session_beside_those_of_remote_control() {
    let fake = hosts();
    fake.on("mac").has("a-1", &serving());
    kept::add(&kept("mac", "a-1")).unwrap();
    let told = ask(1, json!({"context": "it is broken"})).unwrap();
    assert_eq!(told.session.as_deref(), Some(FIRST));
    let spec = &fake.host.submitted()[0];
    assert_eq!(spec.host.as_deref(), Some("mac"));
    let input = String::from_utf8(spec.command.stdin.clone()).unwrap();
    let message: Value = serde_json::from_str(input.lines().last().unwrap()).unwrap();
    assert_eq!(message["message"]["content"], "it is broken\n\nfix it");
    assert_eq!(
        spec.command.args[..3],
        ["env", "claude", "-p"],
        "no agent of remote control"
    );
    let mut both = ids(&[]);
    both.sort();
    assert_eq!(both, [FIRST, "mac:a-1"]);
    assert_eq!(ids(&[State::Queued]), [FIRST]);
    assert_eq!(ids(&[State::Idle]), ["mac:a-1"]);
    let session = Plugin::get_session(FIRST).unwrap();
    assert_eq!(
        (session.state, session.project.as_deref()),
        (State::Queued, Some("app"))
    );
    assert!(session.facts.contains(&("host".to_owned(), "mac".to_owned())));
}

#[test]
fn who_waits_gets_the_answer_in_the_words_of_the_earlier_tool() {
    let fake = hosts();
    fake.host.at_once(2, |number| match number {
        0 => {
            let told = ask(1, json!({"wait_seconds": 20})).unwrap();
            assert!(words(&told).starts_with("it is fixed\n"), "{}", words(&told));
            let facts = facts(&told);
            assert_eq!((&facts["session_id"], &facts["cost_usd"]), (&json!(FIRST), &json!(0.5)));
            assert_eq!((&facts["turns"], &facts["is_error"]), (&json!(2), &json!(false)));
            assert!(facts["duration_ms"].is_u64() && told.session.is_none(), "{facts}");
        }
        _ => {
            let until = Instant::now() + Duration::from_secs(10);
            while fake.host.submitted().is_empty() {
                assert!(Instant::now() < until);
                std::thread::yield_now();
            }
            end(&fake, "job-1", &result(json!({})), 0);
        }
    });
}

#[test]
fn what_takes_longer_is_followed_by_its_id_and_read_when_it_has_ended() {
    let fake = hosts();
    let told = ask(1, json!({})).unwrap();
    assert!(
        words(&told).contains("get_session_status and get_logs"),
        "{}",
        words(&told)
    );
    assert!(!told.failed);
    end(&fake, "job-1", &result(json!({})), 0);
    let session = Plugin::get_session(FIRST).unwrap();
    assert_eq!(
        (session.state, session.last_output.as_deref()),
        (State::Done, Some("it is fixed"))
    );
    let log = |view: Option<&str>| {
        let query = LogQuery {
            view: view.map(str::to_owned),
            lines: 10,
            after: None,
        };
        Plugin::read_log(FIRST, query)
    };
    assert!(log(None).unwrap().text.contains("it is fixed"));
    assert!(log(Some("output")).is_ok() && matches!(log(Some("screen")), Err(Error::Invalid(_))));
    let again = ask(1, json!({"wait_seconds": 20})).unwrap();
    assert_eq!((&facts(&again)["answer"], again.session), (&json!("it is fixed"), None));
    assert_eq!(fake.host.submitted().len(), 1);
}

#[test]
fn further_tasks_of_a_conversation_go_on_with_it_on_its_host_one_after_the_other() {
    let fake = hosts();
    ask(1, json!({"project": "both", "host": "linux"})).unwrap();
    let id = format!("remote/{FIRST}");
    ask(2, json!({"project": null, "resume_session_id": id})).unwrap();
    let specs = fake.host.submitted();
    assert_eq!(
        (specs[0].host.as_deref(), specs[1].host.as_deref()),
        (Some("linux"), Some("linux"))
    );
    assert_eq!(specs[0].queue, specs[1].queue, "the second waits for the first");
    assert_eq!(specs[1].command.directory, specs[0].command.directory);
    let resumes = specs[1]
        .command
        .args
        .windows(2)
        .any(|words| words == ["--resume", FIRST]);
    assert!(resumes, "{:?}", specs[1].command.args);
    assert_eq!(ids(&[]), [FIRST], "both are one session");
    let Err(Error::Invalid(why)) = ask(3, json!({"project": null, "resume_session_id": "mac:a-1"})) else {
        panic!("it is not refused")
    };
    assert!(why.contains("`resume_session_id`"), "{why}");
}

#[test]
fn an_error_of_the_agent_is_the_answer() {
    let fake = hosts();
    ask(1, json!({})).unwrap();
    let failed = json!({"is_error": true, "result": "Credit balance is too low"});
    end(&fake, "job-1", &result(failed), 1);
    let told = ask(1, json!({})).unwrap();
    assert!(
        told.failed && words(&told).contains("Credit balance is too low"),
        "{}",
        words(&told)
    );
    assert_eq!(facts(&told)["is_error"], true);
    let session = Plugin::get_session(FIRST).unwrap();
    assert_eq!(
        (session.state, session.summary.as_deref()),
        (State::Failed, Some("Credit balance is too low"))
    );
}

#[test]
fn a_permission_that_is_asked_for_is_a_prompt_which_a_person_answers() {
    let fake = hosts();
    ask(1, json!({})).unwrap();
    let asks = json!({
        "type": "control_request", "request_id": "r1", "session_id": FIRST,
        "request": {
            "subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": "rm x"}, "tool_use_id": "t1",
            "permission_suggestions": [],
        },
    });
    let begins = json!({"type": "system", "subtype": "init", "session_id": FIRST, "model": "m", "permissionMode": "default",
        "capabilities": ["msg_lifecycle_v1", "interrupt_receipt_v1", "interrupt_cancel_queued_v1"]});
    fake.host
        .start_job("job-1")
        .print_job("job-1", Channel::Output, line(&begins) + &line(&asks));
    Plugin::run(vec![event("output", "job-1")]).unwrap();
    let told = ask(1, json!({"wait_seconds": 20})).unwrap();
    assert_eq!(
        (&facts(&told)["questions"], told.session.as_deref()),
        (&json!(1), Some(FIRST))
    );
    let session = Plugin::get_session(FIRST).unwrap();
    assert_eq!(session.state, State::Waiting);
    assert!(
        session.prompts[0].choices.iter().any(|choice| choice.key == "allow") || !session.prompts[0].choices.is_empty()
    );
    let answered = Answered {
        prompt: session.prompts[0].id.clone(),
        answer: Answer::Reply(Reply {
            choices: vec![session.prompts[0].choices[0].key.clone()],
            text: None,
        }),
    };
    Plugin::respond(FIRST, vec![answered.clone()]).unwrap();
    assert!(
        String::from_utf8(fake.host.job_input("job-1"))
            .unwrap()
            .contains("\"allow\"")
    );
    assert!(matches!(
        Plugin::respond(FIRST, vec![answered]),
        Err(Error::Conflict(_))
    ));
}

#[test]
fn a_host_that_is_not_known_away_or_not_named_is_told_and_nothing_begins() {
    let fake = hosts();
    for (wanted, told) in [
        (json!({"host": "nas"}), "there are mac, linux, box"),
        (
            json!({"project": "both"}),
            "on several hosts: say on which `host`: mac, linux",
        ),
        (json!({"project": null}), "the hosts are mac, linux, box"),
        (json!({"project": "none"}), "no project \"none\""),
        (json!({"project": "../x"}), "without `..`"),
        (json!({"project": "/etc", "host": "mac"}), "not in a granted directory"),
        (json!({"task": " "}), "`task`"),
    ] {
        let Err(error) = ask(1, wanted.clone()) else {
            panic!("{wanted} is not refused")
        };
        assert!(error.to_string().contains(told), "{wanted}: {error}");
    }
    fake.host.is_away("linux", "linux is asleep");
    let Err(Error::Unavailable(why)) = ask(1, json!({})) else {
        panic!("it is not known where it is")
    };
    assert!(
        why.contains("linux is asleep") && why.contains("say on which `host`"),
        "{why}"
    );
    assert_eq!(fake.host.submitted(), []);
    ask(1, json!({"host": "mac"})).unwrap();
    assert_eq!(fake.host.submitted().len(), 1);
}

#[test]
fn a_session_is_ended_as_its_kind_and_only_conversations_take_messages() {
    let fake = hosts();
    fake.on("mac").has("a-1", &serving());
    kept::add(&kept("mac", "a-1")).unwrap();
    ask(1, json!({})).unwrap();
    let message = || Message {
        id: uuid(7),
        text: "and now".to_owned(),
        attachments: Vec::new(),
    };
    let (id, turns) = (
        "mac:a-1",
        TurnQuery {
            limit: 5,
            after: None,
            before: None,
        },
    );
    assert!(matches!(Plugin::send_message(id, message()), Err(Error::Refused(why)) if why.contains("`url`")));
    assert!(matches!(Plugin::interrupt(id), Err(Error::Refused(_))));
    assert!(matches!(Plugin::set_option(id, "model", "m"), Err(Error::Refused(_))));
    assert!(matches!(Plugin::get_changes(id, None, 5), Err(Error::Refused(_))));
    assert_eq!(Plugin::read_turns(id, turns), Err(Error::Unsupported));
    assert_eq!(Plugin::cancel_message(id, "x"), Err(Error::Unsupported));
    assert_eq!(Plugin::send_message(FIRST, message()), Err(Error::Busy));
    assert_eq!(Plugin::terminate(FIRST), Ok(Receipt::Confirmed));
    assert_eq!(jobs::get("job-1").unwrap().phase, Phase::Cancelled);
    assert_eq!(Plugin::get_session(id).unwrap().state, State::Idle);
    assert_eq!(Plugin::terminate(id), Ok(Receipt::Confirmed));
    upkeep();
    assert_eq!(ids(&[]), [FIRST]);
}
