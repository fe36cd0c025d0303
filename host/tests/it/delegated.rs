//! Tasks for an agent on a host, `ask_claude`: the example of the shipped configuration with the demo agent, and hosts by a
//! real sshd.

use serde_json::{Value, json};

use crate::berth::{Berth, Called};
use crate::demo::until;
use crate::remote::Hosts;
use crate::tasks::Client;

async fn ask(berth: &Berth, arguments: Value) -> Called {
    berth.call("ask_claude", arguments).await
}

/// A task that goes on: the id of its session.
async fn goes_on(berth: &Berth, task: &str, project: &str) -> String {
    let told = ask(berth, json!({"task": task, "project": project, "wait_seconds": 0}))
        .await
        .done();
    assert!(told.text.contains("get_session_status"), "{}", told.text);
    format!("remote/{}", told.structured["session_id"].as_str().unwrap())
}

async fn session(berth: &Berth, id: &str) -> Value {
    let shown = berth.call("get_session_status", json!({"session_id": id})).await.done();
    shown.structured["session"].clone()
}

async fn becomes(berth: &Berth, id: &str, state: &str) -> Value {
    until(state, async || {
        let session = session(berth, id).await;
        (session["state"] == state).then_some(session)
    })
    .await
}

fn last_output(session: &Value) -> &str {
    session["last_output"]
        .as_str()
        .unwrap_or_else(|| panic!("it said nothing: {session}"))
}

#[tokio::test]
async fn a_task_is_answered_from_its_host_and_the_conversation_goes_on_there() {
    let hosts = Hosts::new(&["one", "two"]);
    let berth = Berth::serve(&hosts.place).await;
    let first =
        json!({"task": "my word is heron", "context": "say it was broken", "project": "only-two", "wait_seconds": 30});
    let told = ask(&berth, first).await.done();
    assert!(
        told.text.contains("it was broken") && told.text.contains("session_id: "),
        "{}",
        told.text
    );
    let facts = &told.structured;
    assert_eq!(
        (&facts["is_error"], &facts["state"], &facts["host"]),
        (&json!(false), &json!("done"), &json!("two"))
    );
    assert!(
        facts["cost_usd"].as_f64().unwrap() > 0.0 && facts["duration_ms"].is_u64(),
        "{facts}"
    );
    assert!(facts["turns"].as_u64().unwrap() > 0, "{facts}");
    let directory = hosts.place.path("two/projects/only-two");
    assert_eq!(facts["directory"], directory.to_str().unwrap());
    let id = facts["session_id"].clone();
    let next = json!({"task": "and you?", "resume_session_id": id, "wait_seconds": 30});
    let told = ask(&berth, next).await.done();
    assert!(told.text.contains("heron"), "{}", told.text);
    assert_eq!(told.structured["session_id"], id);
    let record = hosts.place.run(&["audit", "--json"]).await.stdout;
    assert!(record.contains("ask_claude") && record.contains("cost"), "{record}");
}

#[tokio::test]
async fn an_error_of_the_agent_or_of_the_caller_is_told_with_what_to_do() {
    let hosts = Hosts::new(&["one", "two"]);
    let berth = Berth::serve(&hosts.place).await;
    let told = ask(
        &berth,
        json!({"task": "fail 500", "project": "only-one", "wait_seconds": 30}),
    )
    .await;
    assert!(told.failed && told.text.contains("500"), "{}", told.text);
    assert_eq!(told.structured["is_error"], true);
    for (arguments, words) in [
        (json!({"task": "x", "project": "app"}), "say on which `host`: one, two"),
        (
            json!({"task": "x", "project": "app", "host": "three"}),
            "there are one, two",
        ),
        (json!({"task": "x", "project": "../app", "host": "one"}), "without `..`"),
        (json!({"task": "x", "project": "none"}), "no project \"none\""),
        (json!({"task": "x"}), "say on which `host`"),
        (
            json!({"task": "x", "resume_session_id": "remote/one:a-1"}),
            "`resume_session_id`",
        ),
    ] {
        let error = ask(&berth, arguments.clone()).await.error();
        assert!(error.contains(words), "{arguments}: {error}");
    }
}

#[tokio::test]
async fn what_takes_longer_goes_on_and_further_tasks_of_its_conversation_wait_for_it() {
    let hosts = Hosts::new(&["one"]);
    let berth = Berth::serve(&hosts.place).await;
    let id = goes_on(&berth, "work 2\nsay first", "app").await;
    let further = json!({"task": "say second", "resume_session_id": id, "wait_seconds": 0});
    let told = ask(&berth, further).await.done();
    assert_eq!(told.structured["state"], "queued", "{}", told.text);
    let listed = berth.call("list_sessions", json!({})).await.done().structured;
    let ids: Vec<_> = listed["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|session| &session["session_id"])
        .collect();
    assert_eq!(ids, [&json!(id)]);
    let done = becomes(&berth, &id, "done").await;
    assert!(last_output(&done).contains("second"), "{done}");
    let turns = json!({"session_id": id, "view": "transcript"});
    let turns = berth.call("get_logs", turns).await.done().text;
    let at = |words: &str| turns.find(words).unwrap_or_else(|| panic!("no {words}: {turns}"));
    assert!(at("say first") < at("say second"), "{turns}");
}

#[tokio::test]
async fn a_link_that_is_cut_ends_no_task_and_its_answer_is_there_afterwards() {
    let mut hosts = Hosts::new(&["one", "two"]);
    let berth = Berth::serve(&hosts.place).await;
    let id = goes_on(&berth, "work 5\nsay it went on", "only-one").await;
    becomes(&berth, &id, "busy").await;
    hosts.sshd("one").stop();
    becomes(&berth, &id, "unreachable").await;
    // The other host is not held up.
    let other = json!({"task": "say hello", "project": "only-two", "host": "two", "wait_seconds": 30});
    assert!(ask(&berth, other).await.done().text.contains("hello"));
    let away = json!({"task": "say hello", "host": "one", "project": "app"});
    let error = ask(&berth, away).await.error();
    assert!(error.contains("host one"), "{error}");
    hosts.sshd("one").restart();
    let done = becomes(&berth, &id, "done").await;
    assert!(last_output(&done).contains("it went on"), "{done}");
}

#[tokio::test]
async fn a_task_outlives_a_berth_that_is_killed() {
    let hosts = Hosts::new(&["one"]);
    let mut berth = Berth::serve(&hosts.place).await;
    let id = goes_on(&berth, "work 4\nsay still here", "app").await;
    becomes(&berth, &id, "busy").await;
    berth.kill().await;
    let berth = Berth::serve(&hosts.place).await;
    let done = becomes(&berth, &id, "done").await;
    assert!(last_output(&done).contains("still here"), "{done}");
    let next = json!({"task": "say again", "resume_session_id": id, "wait_seconds": 30});
    assert!(ask(&berth, next).await.done().text.contains("again"));
}

#[tokio::test]
async fn what_is_not_allowed_is_a_question_that_a_person_answers() {
    let hosts = Hosts::new(&["one"]);
    let berth = Berth::serve(&hosts.place).await;
    let told = ask(
        &berth,
        json!({"task": "run touch x", "project": "app", "wait_seconds": 30}),
    )
    .await
    .done();
    assert_eq!(told.structured["questions"], 1, "{}", told.text);
    let id = format!("remote/{}", told.structured["session_id"].as_str().unwrap());
    let open = berth.call("check_prompts", json!({})).await.done();
    assert!(
        open.text.contains("touch x") && open.text.contains(&id),
        "{}",
        open.text
    );
    let prompt = session(&berth, &id).await["prompts"][0]["prompt_id"].clone();
    let answer = json!({"session_id": id, "prompt_id": prompt, "response": "yes"});
    berth.call("respond_to_prompt", answer.clone()).await.done();
    let done = becomes(&berth, &id, "done").await;
    assert!(last_output(&done).contains("Ran touch x"), "{done}");
    berth.call("respond_to_prompt", answer).await.error();
}

#[tokio::test]
async fn a_client_that_takes_tasks_gets_one_which_ends_with_the_answer() {
    let hosts = Hosts::new(&["one"]);
    let berth = Berth::serve(&hosts.place).await;
    let client = Client::of(&berth);
    let wanted = json!({"task": "work 2\nsay as a task", "project": "app", "wait_seconds": 0});
    let task = client.begin("ask_claude", wanted).await;
    let done = client.becomes(&task, "completed").await;
    let told = &done["result"]["structuredContent"];
    assert_eq!(
        (&told["state"], &told["is_error"]),
        (&json!("done"), &json!(false)),
        "{done}"
    );
    assert!(told["answer"].as_str().unwrap().contains("as a task"), "{done}");
}

#[tokio::test]
async fn a_host_that_never_tells_what_its_jobs_printed_holds_up_no_task_on_another() {
    let hosts = Hosts::that_hang(&["one", "two"], |config, _| {
        // Less than berth waits for one answer of a host.
        config["backends"]["remote"]["limits"]["deadline"] = "16s".into();
    });
    let berth = Berth::serve(&hosts.place).await;
    let id = goes_on(&berth, "work 5\nsay it went on", "only-one").await;
    becomes(&berth, &id, "busy").await;
    hosts.hang("one", "^read_output ");
    let client = Client::of(&berth);
    let task = json!({"task": "work 2\nsay as a task", "project": "only-two", "host": "two", "wait_seconds": 0});
    let task = client.begin("ask_claude", task).await;
    let waits = json!({"task": "say at once", "project": "app", "host": "two", "wait_seconds": 10});
    let waited = ask(&berth, waits).await.done();
    let waited = format!("remote/{}", waited.structured["session_id"].as_str().unwrap());
    let waited = becomes(&berth, &waited, "done").await;
    assert!(last_output(&waited).contains("at once"), "{waited}");
    let done = client.becomes(&task, "completed").await;
    let told = &done["result"]["structuredContent"];
    assert!(told["answer"].as_str().unwrap().contains("as a task"), "{done}");
    // What waits for its turn on the other host is begun, which nobody asks for but upkeep.
    let first = told["session_id"].clone();
    for words in ["work 2\nsay second", "say third"] {
        let further = json!({"task": words, "resume_session_id": first, "wait_seconds": 0});
        ask(&berth, further).await.done();
    }
    let first = format!("remote/{}", first.as_str().unwrap());
    until("the last of them is answered", async || {
        let session = session(&berth, &first).await;
        session["last_output"]
            .as_str()
            .is_some_and(|said| said.contains("third"))
            .then_some(())
    })
    .await;
    hosts.recover("one");
    let done = becomes(&berth, &id, "done").await;
    assert!(last_output(&done).contains("it went on"), "{done}");
}

/// The only session there is, once it is in this state: its id.
async fn only(berth: &Berth, state: &str) -> String {
    until(state, async || {
        let listed = berth.call("list_sessions", json!({})).await.done().structured;
        match listed["sessions"].as_array().unwrap().as_slice() {
            [session] if session["state"] == state => Some(session["session_id"].as_str().unwrap().to_owned()),
            _ => None,
        }
    })
    .await
}

#[tokio::test]
async fn an_answer_is_there_afterwards_if_the_link_is_cut_while_a_call_waits_for_it() {
    let mut hosts = Hosts::new(&["one"]);
    let berth = Berth::serve(&hosts.place).await;
    let waits = json!({"task": "work 4\nsay it went on", "project": "app", "wait_seconds": 20});
    let cut = async {
        let id = only(&berth, "busy").await;
        hosts.sshd("one").stop();
        only(&berth, "unreachable").await;
        hosts.sshd("one").restart();
        id
    };
    let (told, id) = tokio::join!(ask(&berth, waits), cut);
    // Whether the call was answered in time or told that it goes on, nothing failed.
    let told = told.done();
    assert_eq!(
        format!("remote/{}", told.structured["session_id"].as_str().unwrap()),
        id,
        "{}",
        told.text
    );
    let done = becomes(&berth, &id, "done").await;
    assert!(last_output(&done).contains("it went on"), "{done}");
}

#[tokio::test]
async fn an_answer_is_there_afterwards_if_berth_is_killed_while_a_call_waits_for_it() {
    let hosts = Hosts::new(&["one"]);
    let mut berth = Berth::serve(&hosts.place).await;
    let waits = json!({"task": "work 4\nsay it went on", "project": "app", "wait_seconds": 20});
    let waits = berth.request(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "ask_claude", "arguments": waits}}));
    let waits = tokio::spawn(async move { waits.send().await?.text().await });
    let id = only(&berth, "busy").await;
    assert!(!waits.is_finished());
    berth.kill().await;
    assert!(
        !waits.await.unwrap().is_ok_and(|told| told.contains("it went on")),
        "it is not answered"
    );
    let berth = Berth::serve(&hosts.place).await;
    let done = becomes(&berth, &id, "done").await;
    assert!(last_output(&done).contains("it went on"), "{done}");
}
