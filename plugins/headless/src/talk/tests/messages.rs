//! Messages to a conversation: each is given once, its receipt is the agent's own, and what waits can be taken back.

use super::*;

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
