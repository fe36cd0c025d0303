//! The transcript of a conversation, in turns.

use super::*;

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
