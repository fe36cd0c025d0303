//! Messages to a backend that queues them itself and says which of them it answers; and prompts that several answer.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::berth::{Berth, Called, Place};
use crate::demo::until;

const CONFIG: &str = r#"
[backends.one]
plugin = "./misbehaving.wasm"
settings.talk = true
settings.turns = ""
settings.tools = ["noop"]

[prompts]
confirm = "none"
"#;

const TALK: &str = "one/talk-1";

async fn place() -> (Place, Berth) {
    let place = Place::new(CONFIG);
    let berth = Berth::serve(&place).await;
    (place, berth)
}

/// What the agent of the session does next.
async fn talk(berth: &Berth, told: Value) -> Value {
    let said = berth.call("talk", json!({"text": told.to_string()})).await.done();
    serde_json::from_str(&said.text).unwrap()
}

async fn send(berth: &Berth, text: &str, wait: u32) -> Called {
    berth
        .call(
            "send_message",
            json!({"session_id": TALK, "message": text, "wait_seconds": wait}),
        )
        .await
        .done()
}

/// The messages that wait, once there are so many.
async fn queued(berth: &Berth, count: usize) -> Vec<Value> {
    until("the queue", async || {
        let seen = berth
            .call("get_session_status", json!({"session_id": TALK}))
            .await
            .done();
        let queue = seen.structured["session"]["queue"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        (queue.len() == count).then_some(queue)
    })
    .await
}

async fn respond(berth: &Berth, prompt: &str, more: Value) -> Called {
    let mut arguments = json!({"session_id": TALK, "prompt_id": prompt});
    arguments
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    berth.call("respond_to_prompt", arguments).await
}

#[tokio::test]
async fn who_waits_gets_the_answer_to_their_own_message_whatever_else_is_worked_on() {
    let (_place, berth) = place().await;
    let first = send(&berth, "first", 0).await;
    assert_eq!(first.structured["receipt"], "submitted");
    let mut waiting = JoinSet::new();
    for text in ["second", "third"] {
        let (endpoint, token) = (berth.endpoint(), berth.token.clone());
        waiting.spawn(async move {
            let params =
                json!({"name": "send_message", "arguments": {"session_id": TALK, "message": text, "wait_seconds": 50}});
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let request = client
                .post(endpoint)
                .bearer_auth(token)
                .header("Accept", "application/json, text/event-stream")
                .json(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}));
            let answer = crate::berth::message(request.send().await.unwrap()).await;
            (text, crate::berth::called(&answer).done())
        });
        // So that they stand in this order.
        queued(&berth, waiting.len()).await;
    }
    talk(&berth, json!({"say": "to the first"})).await;
    queued(&berth, 1).await;
    talk(&berth, json!({"say": "to the second"})).await;
    let (text, answer) = waiting.join_next().await.unwrap().unwrap();
    assert_eq!((text, &answer.structured["text"]), ("second", &json!("to the second")));
    assert_eq!(answer.structured["receipt"], "submitted");
    assert_eq!(answer.structured["session"]["state"], "busy", "the third is worked on");
    talk(&berth, json!({"say": "to the third"})).await;
    let (text, answer) = waiting.join_next().await.unwrap().unwrap();
    assert_eq!((text, &answer.structured["text"]), ("third", &json!("to the third")));
    assert!(!answer.text.contains("to the first"), "{}", answer.text);
}

#[tokio::test]
async fn a_message_that_its_backend_queues_is_shown_and_taken_back_by_its_id() {
    let (_place, berth) = place().await;
    send(&berth, "first", 0).await;
    let second = send(&berth, "second", 0).await;
    assert_eq!(second.structured["receipt"], "queued");
    send(&berth, "third", 0).await;
    let waits = queued(&berth, 2).await;
    assert_eq!(waits[0]["message_id"], second.structured["message_id"]);
    let back = json!({"session_id": TALK, "message_id": second.structured["message_id"]});
    berth.call("interrupt_session", back.clone()).await.done();
    assert_eq!(queued(&berth, 1).await[0]["text"], "third");
    let again = berth.call("interrupt_session", back).await.error();
    assert!(again.contains("the agent has it already"), "{again}");
}

#[tokio::test]
async fn a_question_that_opens_ends_the_wait_for_an_answer() {
    let (_place, berth) = place().await;
    send(&berth, "first", 0).await;
    talk(&berth, json!({"ask": [{"id": "p1", "question": "May I?"}]})).await;
    let asked = send(&berth, "second", 50).await;
    assert_eq!(asked.structured["session"]["prompts"][0]["prompt_id"], "p1");
    assert_eq!(asked.structured["text"], Value::Null);
}

#[tokio::test]
async fn a_second_answer_is_told_what_the_first_one_was() {
    let (_place, berth) = place().await;
    send(&berth, "first", 0).await;
    let asked = json!({"ask": [
        {"id": "p1", "question": "First?", "words": true, "expires_at": 4_000_000_000_000_u64},
        {"id": "p2", "question": "Second?", "multiple": true},
    ]});
    talk(&berth, asked).await;
    let prompts = berth.call("check_prompts", json!({})).await.done();
    assert!(
        prompts.text.contains("First?") && prompts.text.contains("Second?"),
        "{}",
        prompts.text
    );
    assert!(prompts.text.contains("declined at 2096-"), "{}", prompts.text);
    respond(&berth, "p1", json!({"choices": ["3"], "text": "not today"}))
        .await
        .done();
    let again = respond(&berth, "p1", json!({"response": "yes"})).await;
    assert!(
        again.failed && again.text.contains("already answered, with “No” and “not today”"),
        "{}",
        again.text
    );
    respond(&berth, "p2", json!({"choices": ["1", "3"]})).await.done();
    let again = respond(&berth, "p2", json!({"response": "yes"})).await;
    assert!(
        again.failed && again.text.contains("already answered, with “Yes” and “No”"),
        "{}",
        again.text
    );
    let told = talk(&berth, json!({})).await;
    assert_eq!(told["answered"].as_array().unwrap().len(), 2, "{told}");
}

#[tokio::test]
async fn an_answer_that_widens_is_not_given_by_a_client() {
    let (_place, berth) = place().await;
    send(&berth, "first", 0).await;
    talk(&berth, json!({"ask": [{"id": "p1", "question": "First?"}]})).await;
    let refused = respond(&berth, "p1", json!({"choices": ["2"]})).await;
    assert!(
        refused.failed && refused.text.contains("remote_effects"),
        "{}",
        refused.text
    );
    assert_eq!(talk(&berth, json!({})).await["answered"], json!([]));
}
