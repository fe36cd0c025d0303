//! Conversations whose output cannot be read: told as that, tried again, and left or ended in the end.

use super::*;

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
