#![allow(clippy::unwrap_used, clippy::expect_used)]
use std::time::{Duration, Instant};

use berth_plugin::jobs::{self, Channel, Phase};
use berth_plugin::testing::Host;
use berth_plugin::{
    Answer, Answered, Content, Error, Receipt, Reply, Result, SessionQuery, State, ToolCall, ToolOutput,
};
use serde_json::{Value, json};

use super::*;
use crate::fake::{self, FIRST, asks, doing, end, init, receipt, result, uuid};
use crate::sessions;

/// What an `ask_claude` answered.
struct Told {
    text: String,
    data: Value,
    output: ToolOutput,
}

/// Two hosts with projects; `app` is on the first alone, and `both` on both.
fn hosts() -> Host {
    let host = Host::new();
    host.backend("remote");
    host.hosts(["mac", "linux"]);
    for (label, file) in [("mac", "app/x"), ("mac", "both/deep/x"), ("linux", "both/x")] {
        host.file_on(label, file, "");
    }
    fake::agents_on(&host, false);
    host
}

fn setup() -> Setup {
    Setup::beside(&["restart"]).unwrap()
}

fn ask(number: u32, arguments: Value) -> Result<Told> {
    let mut arguments = arguments;
    let all = arguments.as_object_mut().unwrap();
    all.entry("task").or_insert(json!("do it"));
    all.entry("wait_seconds").or_insert(json!(0));
    let output = call(
        &setup(),
        &ToolCall {
            id: uuid(number),
            name: "ask_claude".into(),
            arguments: arguments.to_string(),
        },
    )?;
    let Content::Text(text) = &output.content[0] else {
        panic!("{output:?}")
    };
    Ok(Told {
        text: text.clone(),
        data: serde_json::from_str(output.structured.as_ref().unwrap()).unwrap(),
        output,
    })
}

fn job(host: &Host, number: usize) -> String {
    jobs::get(&format!("job-{}", number + 1))
        .unwrap_or_else(|_| panic!("{:?}", host.submitted()))
        .id
}

fn upkeep() {
    sessions::upkeep(&setup(), &[]).unwrap();
}

fn directory(host: &Host, number: usize) -> String {
    host.submitted()[number].command.directory.clone().unwrap()
}

#[test]
fn a_task_is_a_job_on_its_host_with_the_context_before_it_and_neither_in_an_argument() {
    let host = hosts();
    ask(
        1,
        json!({"task": "fix it", "context": "it is broken", "project": "app"}),
    )
    .unwrap();
    let spec = &host.submitted()[0];
    assert_eq!((spec.host.as_deref(), spec.queue.as_str()), (Some("mac"), "mac/app"));
    assert!(directory(&host, 0).ends_with("/app"));
    let input: Value = serde_json::from_slice(&spec.command.stdin).unwrap();
    assert_eq!(input["message"]["content"], "it is broken\n\nfix it");
    assert!(
        spec.command
            .args
            .iter()
            .all(|arg| !arg.contains("fix it") && !arg.contains("broken"))
    );
    let session = sessions::get(&setup(), FIRST).unwrap();
    assert_eq!(
        (session.state, session.task.as_deref()),
        (State::Queued, Some("fix it"))
    );
    assert!(session.facts.contains(&("host".into(), "mac".into())));
}

#[test]
fn who_waits_gets_the_answer_with_what_it_took() {
    let host = hosts();
    host.at_once(2, |number| match number {
        0 => {
            let told = ask(1, json!({"project": "app", "wait_seconds": 20})).unwrap();
            assert!(told.text.starts_with("it is done\n"), "{}", told.text);
            assert!(told.text.contains(&format!("session_id: {FIRST}")), "{}", told.text);
            let data = &told.data;
            assert_eq!(
                (&data["answer"], &data["state"]),
                (&json!("it is done"), &json!("done"))
            );
            assert_eq!((&data["session_id"], &data["is_error"]), (&json!(FIRST), &json!(false)));
            assert_eq!((&data["cost_usd"], &data["turns"]), (&json!(0.5), &json!(2)));
            assert!(data["duration_ms"].is_u64(), "{data}");
            assert_eq!((&data["host"], told.output.session), (&json!("mac"), None));
        }
        _ => {
            let until = Instant::now() + Duration::from_secs(10);
            while host.submitted().is_empty() {
                assert!(Instant::now() < until);
                std::thread::yield_now();
            }
            end(&host, "job-1", &result(FIRST, json!({})), 0);
        }
    });
}

#[test]
fn what_takes_longer_goes_on_and_its_answer_is_there_afterwards() {
    let host = hosts();
    let told = ask(1, json!({"project": "app"})).unwrap();
    assert_eq!(
        (told.output.session.as_deref(), &told.data["state"]),
        (Some(FIRST), &json!("queued"))
    );
    assert!(
        told.text.contains("get_session_status") && told.text.contains(FIRST),
        "{}",
        told.text
    );
    assert!(!told.output.failed);
    end(&host, &job(&host, 0), &result(FIRST, json!({})), 0);
    upkeep();
    // The same call, as a task of its client asks again: nothing further begins, and it may only read.
    host.read_only();
    let again = ask(1, json!({"project": "app", "wait_seconds": 45})).unwrap();
    assert_eq!(
        (&again.data["answer"], again.output.session),
        (&json!("it is done"), None)
    );
    assert!(matches!(ask(2, json!({"project": "app"})), Err(Error::NotFound(_))));
    assert_eq!(host.submitted().len(), 1);
    assert_eq!(
        sessions::get(&setup(), FIRST).unwrap().last_output.as_deref(),
        Some("it is done")
    );
}

#[test]
fn a_conversation_goes_on_where_it_is_and_two_tasks_of_it_stand_in_line() {
    let host = hosts();
    ask(1, json!({"project": "both/deep", "host": "mac"})).unwrap();
    ask(
        2,
        json!({"resume_session_id": format!("remote/{}", FIRST.to_uppercase())}),
    )
    .unwrap();
    ask(
        3,
        json!({"resume_session_id": FIRST, "host": "mac", "project": "both/deep"}),
    )
    .unwrap();
    let specs = host.submitted();
    assert!(
        specs
            .iter()
            .all(|spec| spec.queue == "mac/both" && spec.host.as_deref() == Some("mac"))
    );
    assert_eq!(directory(&host, 1), directory(&host, 0));
    assert_eq!(specs[1].command.args[3..5], ["--resume", FIRST]);
    end(
        &host,
        &job(&host, 0),
        &result(FIRST, json!({"total_cost_usd": 19.995})),
        0,
    );
    upkeep();
    for (arguments, words) in [
        (json!({"resume_session_id": FIRST, "host": "linux"}), "is on host mac"),
        (json!({"resume_session_id": FIRST, "project": "app"}), "works in"),
        (json!({"resume_session_id": FIRST}), "20 US dollars"),
        (json!({"resume_session_id": "rc-7"}), "`resume_session_id`"),
        (
            json!({"resume_session_id": format!("other/{FIRST}")}),
            "is a session of the backend \"other\", and this is \"remote\"",
        ),
        (
            json!({"resume_session_id": format!("other/remote/{FIRST}")}),
            "is a session of the backend \"other\"",
        ),
        (
            json!({"resume_session_id": format!("remote/other/{FIRST}")}),
            "is not the id of such a conversation",
        ),
    ] {
        let Err(error) = ask(9, arguments) else {
            panic!("{words}")
        };
        assert!(error.to_string().contains(words), "{error}");
    }
    assert_eq!(host.submitted().len(), 3);
}

#[test]
fn the_host_is_the_only_one_or_the_one_that_has_the_project_and_otherwise_it_must_be_named() {
    let host = hosts();
    for (arguments, words) in [
        (json!({}), "the hosts are mac, linux"),
        (json!({"project": "both"}), "is on several hosts"),
        (
            json!({"project": "none"}),
            "there is no project \"none\" on mac or linux",
        ),
        (json!({"host": "other"}), "there are mac, linux"),
        (json!({"project": "../x"}), "`project`"),
        (json!({"project": "a//../b", "host": "mac"}), "`project`"),
        (json!({"project": "/etc", "host": "mac"}), "not in a granted directory"),
        (json!({"task": "  ", "project": "app"}), "`task`"),
        (json!({"task": "", "context": "x", "project": "app"}), "`task`"),
    ] {
        let Err(error) = ask(1, arguments.clone()) else {
            panic!("{arguments}")
        };
        assert!(error.to_string().contains(words), "{arguments}: {error}");
    }
    host.is_away("linux", "the host linux does not answer");
    let unknown = ask(1, json!({"project": "app"})).err().unwrap().to_string();
    assert!(
        unknown.contains("it is not known whether host linux has project \"app\""),
        "{unknown}"
    );
    assert_eq!(host.submitted(), []);
    // What is named asks nobody else.
    ask(1, json!({"project": "app", "host": "mac"})).unwrap();
    ask(2, json!({"host": "mac"})).unwrap();
    assert!(directory(&host, 0).ends_with("/app"));
    assert_eq!(format!("{}/app", directory(&host, 1)), directory(&host, 0));
    let away = ask(3, json!({"host": "linux"})).err().unwrap();
    assert_eq!(away, Error::Unavailable("the host linux does not answer".into()));
}

#[test]
fn with_one_host_nothing_need_be_named_and_without_any_it_says_what_to_write() {
    let host = Host::new();
    fake::agents_on(&host, false);
    let Err(Error::Invalid(why)) = ask(1, json!({})) else {
        panic!()
    };
    assert!(why.contains("`hosts` in [backends.NAME]"), "{why}");
    host.hosts(["mac"]);
    ask(1, json!({})).unwrap();
    assert_eq!(host.submitted()[0].host.as_deref(), Some("mac"));
}

#[test]
fn a_project_is_trusted_by_its_own_table_alone_and_model_and_mode_are_the_operators() {
    let host = hosts();
    let root = ssh::on("mac", berth_plugin::files::roots).unwrap().remove(0);
    host.settings(json!({
        "restart": true, "model": "opus", "permission_mode": "acceptEdits", "run_timeout": "8h", "tools": ["Read"],
        "projects": {"mine": {"path": format!("{root}/app"), "trusted": true}},
    }));
    fake::agents_on(&host, false);
    ask(1, json!({"project": "mine", "host": "mac"})).unwrap();
    ask(2, json!({"project": "app", "host": "mac"})).unwrap();
    ask(3, json!({"project": "both", "host": "mac"})).unwrap();
    let args = |number: usize| host.submitted()[number].command.args.clone();
    for wanted in [
        "--model=opus",
        "--permission-mode=acceptEdits",
        "--allowedTools=Read",
        "--setting-sources=user,project,local",
    ] {
        assert!(args(0).iter().any(|arg| arg == wanted), "{wanted}: {:?}", args(0));
    }
    assert!(args(1).contains(&"--setting-sources=user,project,local".to_owned()));
    assert!(args(2).contains(&"--setting-sources=user".to_owned()));
    assert_eq!(host.submitted()[0].timeout_ms, Some(8 * 3_600_000));
    host.settings(json!({"builds": "~/x"}));
    let Err(Error::Invalid(why)) = Setup::beside(&[]) else {
        panic!()
    };
    assert!(why.contains("`builds`"), "{why}");
}

#[test]
fn an_error_of_the_agent_is_told_in_its_words() {
    let host = hosts();
    ask(1, json!({"project": "app"})).unwrap();
    let failed = json!({"is_error": true, "result": "Credit balance is too low"});
    end(&host, &job(&host, 0), &result(FIRST, failed), 1);
    for _ in 0..2 {
        let told = ask(1, json!({"project": "app"})).unwrap();
        assert!(
            told.output.failed && told.text.contains("Credit balance is too low"),
            "{}",
            told.text
        );
        assert_eq!(
            (&told.data["is_error"], &told.data["state"]),
            (&json!(true), &json!("failed"))
        );
        upkeep();
    }
}

#[test]
fn a_question_ends_the_wait_and_a_person_answers_it() {
    let host = hosts();
    fake::agents_on(&host, true);
    ask(1, json!({"project": "app"})).unwrap();
    let run = job(&host, 0);
    let work = known(&uuid(1), None).unwrap().unwrap();
    assert!(!wait::is_settled(&work).unwrap());
    let asking = init(FIRST) + &receipt(FIRST, FIRST, "started") + &asks(FIRST, "r1", "rm x");
    host.start_job(&run).print_job(&run, Channel::Output, asking);
    assert!(
        wait::is_settled(&work).unwrap(),
        "it is not waited for what only a person can do"
    );
    let told = ask(1, json!({"project": "app"})).unwrap();
    assert_eq!(
        (&told.data["questions"], told.output.session.as_deref()),
        (&json!(1), Some(FIRST))
    );
    assert!(told.text.contains("respond_to_prompt"), "{}", told.text);
    upkeep();
    let session = sessions::get(&setup(), FIRST).unwrap();
    assert_eq!(session.state, State::Waiting);
    let prompt = &session.prompts[0];
    let answered = Answered {
        prompt: prompt.id.clone(),
        answer: Answer::Reply(Reply {
            choices: vec![prompt.choices[0].key.clone()],
            text: None,
        }),
    };
    sessions::respond(FIRST, &[answered]).unwrap();
    assert!(String::from_utf8(host.job_input(&run)).unwrap().contains("\"allow\""));
    let done = result(FIRST, json!({"user_message_uuids": [FIRST]})) + &doing(FIRST, "idle");
    host.print_job(&run, Channel::Output, done);
    upkeep();
    host.end_job(&run, Phase::Exited, Some(0));
    assert_eq!(ask(1, json!({"project": "app"})).unwrap().data["answer"], "it is done");
}

#[test]
fn while_its_host_is_away_a_task_is_unreachable_hides_no_other_and_its_answer_is_there_afterwards() {
    let host = hosts();
    ask(1, json!({"project": "app"})).unwrap();
    ask(2, json!({"host": "linux"})).unwrap();
    let run = job(&host, 0);
    host.start_job(&run).end_job(&run, Phase::Unreachable, None);
    host.lose_output(&run);
    let told = ask(1, json!({"project": "app"})).unwrap();
    assert_eq!(
        (&told.data["state"], told.output.session.as_deref()),
        (&json!("running"), Some(FIRST))
    );
    assert_eq!(sessions::get(&setup(), FIRST).unwrap().state, State::Unreachable);
    let query = SessionQuery {
        states: Vec::new(),
        limit: 10,
        after: None,
    };
    let listed = sessions::list(&setup(), &query).unwrap().sessions;
    let states: Vec<_> = listed.iter().map(|session| session.state).collect();
    assert!(
        states.contains(&State::Unreachable) && states.contains(&State::Queued),
        "{states:?}"
    );
    host.find_output(&run);
    end(&host, &run, &result(FIRST, json!({})), 0);
    assert_eq!(ask(1, json!({"project": "app"})).unwrap().data["answer"], "it is done");
}

#[test]
fn a_message_of_a_person_goes_on_with_it_there_and_further_tasks_are_messages_then() {
    let host = hosts();
    fake::agents_on(&host, true);
    ask(1, json!({"project": "app"})).unwrap();
    end(&host, &job(&host, 0), &result(FIRST, json!({})), 0);
    upkeep();
    // No sign is waited for of what the agent does with a message.
    host.ends_in(Duration::from_secs(2));
    let message = berth_plugin::Message {
        id: uuid(50),
        text: "and now".into(),
        attachments: Vec::new(),
    };
    sessions::send(&setup(), FIRST, &message).unwrap();
    let spec = host.submitted()[1].clone();
    assert_eq!(
        (spec.host.as_deref(), directory(&host, 1)),
        (Some("mac"), directory(&host, 0))
    );
    assert!(matches!(
        ask(2, json!({"resume_session_id": FIRST, "host": "linux"})),
        Err(Error::Invalid(_))
    ));
    let told = ask(3, json!({"resume_session_id": FIRST, "task": "more"})).unwrap();
    assert_eq!(host.submitted().len(), 2, "it is given to the same process");
    assert_eq!(
        (&told.data["host"], told.output.session.as_deref()),
        (&json!("mac"), Some(FIRST))
    );
    assert!(
        told.data["note"].as_str().unwrap().contains("a person leads"),
        "{}",
        told.data
    );
    let session = sessions::get(&setup(), FIRST).unwrap();
    assert!(session.facts.contains(&("host".into(), "mac".into())));
    sessions::terminate(FIRST).unwrap();
    // Its next process is on the same host.
    sessions::send(
        &setup(),
        FIRST,
        &berth_plugin::Message {
            id: uuid(51),
            ..message
        },
    )
    .unwrap();
    assert_eq!(host.submitted()[2].host.as_deref(), Some("mac"));
}

#[test]
fn what_runs_on_a_host_that_is_away_is_not_told_to_end_and_goes_on() {
    let why = Error::Unavailable("the host mac is asleep".into());
    let host = hosts();
    ask(1, json!({"project": "app"})).unwrap();
    host.start_job("job-1").is_away("mac", "the host mac is asleep");
    assert_eq!(sessions::terminate(FIRST), Err(why));
    assert_eq!(host.logged(), []);
    host.is_back("mac");
    // What waits is taken back where the backend lives, so something was done.
    ask(2, json!({"resume_session_id": FIRST})).unwrap();
    host.is_away("mac", "the host mac is asleep");
    assert_eq!(sessions::terminate(FIRST), Ok(Receipt::Unconfirmed));
    assert_eq!(jobs::get("job-2").unwrap().phase, Phase::Cancelled);
    assert!(host.logged().iter().any(|(_, line)| line.contains("is asleep")));
    host.is_back("mac");
    assert_eq!(jobs::get("job-1").unwrap().phase, Phase::Running);
    assert_eq!(sessions::terminate(FIRST), Ok(Receipt::Confirmed));
}

#[test]
fn what_a_person_leads_on_a_host_that_is_away_is_not_ended_later_either() {
    let host = hosts();
    fake::agents_on(&host, true);
    ask(1, json!({"project": "app"})).unwrap();
    end(&host, "job-1", &result(FIRST, json!({})), 0);
    upkeep();
    host.ends_in(Duration::from_secs(2));
    let message = berth_plugin::Message {
        id: uuid(50),
        text: "and now".into(),
        attachments: Vec::new(),
    };
    sessions::send(&setup(), FIRST, &message).unwrap();
    host.start_job("job-2").is_away("mac", "the host mac is asleep");
    let why = Error::Unavailable("the host mac is asleep".into());
    assert_eq!(sessions::terminate(FIRST), Err(why));
    host.is_back("mac");
    upkeep();
    assert_eq!(jobs::get("job-2").unwrap().phase, Phase::Running);
    assert_eq!(sessions::terminate(FIRST), Ok(Receipt::Confirmed));
}

#[test]
fn who_wants_to_wait_longer_than_may_be_is_told() {
    let host = hosts();
    host.ends_in(Duration::from_secs(3));
    let told = ask(1, json!({"project": "app", "wait_seconds": 600})).unwrap();
    assert!(told.text.contains("50 seconds at most, not 600"), "{}", told.text);
}

#[test]
fn what_a_task_changed_is_asked_of_its_host() {
    let host = hosts();
    ask(1, json!({"project": "app"})).unwrap();
    host.is_away("mac", "the host mac is asleep");
    let asked = sessions::changes(FIRST, None, 10);
    assert_eq!(asked, Err(Error::Unavailable("the host mac is asleep".into())));
}

#[test]
fn sessions_of_another_kind_stand_among_these_in_every_page() {
    let host = hosts();
    for number in 1..=3 {
        ask(number, json!({"project": "app"})).unwrap();
    }
    let mut query = SessionQuery {
        states: Vec::new(),
        limit: 2,
        after: None,
    };
    let mut ids = Vec::new();
    loop {
        let others = || {
            let other = berth_plugin::Session::new("mac:rc").state(State::Idle, berth_plugin::Evidence::Screen);
            Ok((
                vec![other],
                vec![("linux".to_owned(), Error::Unavailable("asleep".into()))],
            ))
        };
        let page = sessions::list_beside(&setup(), &query, others).unwrap();
        assert_eq!(page.problems.len(), 1);
        ids.extend(page.sessions.into_iter().map(|session| session.id));
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    ids.sort();
    assert_eq!(ids, [uuid(1), uuid(2), uuid(3), "mac:rc".to_owned()]);
    assert_eq!(host.submitted().len(), 3);
}

#[test]
fn what_was_kept_before_there_were_hosts_is_read() {
    let host = fake::host();
    let run = fake::run(1, json!({}));
    let note = host.submitted()[0].note.clone();
    assert!(!note.contains("host"), "{note}");
    assert_eq!(jobs::get(&run).unwrap().queue, "app");
    let kept: Value = berth_plugin::store::get(&format!("conversation/{FIRST}"))
        .unwrap()
        .unwrap();
    assert_eq!(kept.get("host"), None);
}
