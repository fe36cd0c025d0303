//! What an agent asks a person: shown, answered once and exactly, and declined in time.

use super::*;

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
