//! Runs and conversations: one goes on as the other, and a run asks a person too.

use super::*;

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
