//! The processes of a conversation: they die, are ended and come back, and what is cut off in between goes on.

use super::*;

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
    crate::talk::change::change(FIRST, |talk| crate::talk::give::give(talk, &message)).unwrap();
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
