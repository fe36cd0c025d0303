//! A damaged record of one session: that session says so, and hides no other.

use serde_json::{Value, json};

use crate::demo::Demo;

/// What may stand where the record of answers was.
fn damages() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("empty", Vec::new()),
        ("no JSON", b"{".to_vec()),
        ("cut off", br#"{"count":1,"la"#.to_vec()),
        ("another type", b"[]".to_vec()),
        ("another version", br#"{"version":2,"count":1,"last":[]}"#.to_vec()),
        ("zeros", vec![0; 4096]),
        ("huge", vec![b' '; 10 << 20]),
    ]
}

#[tokio::test]
async fn a_damaged_record_is_its_sessions_fault_alone_and_never_told_as_nothing() {
    let demo = Demo::start().await;
    let (asking, calm) = (demo.create("asking").await, demo.create("calm").await);
    let asked = demo.send(&asking, "run touch x").await.done();
    let prompt = asked.structured["session"]["prompts"][0]["prompt_id"].clone();
    let record = format!("answers-{}", asking.strip_prefix("local/").unwrap());
    for (damage, contents) in damages() {
        demo.place.keep("local", &record, Some(&contents));
        let listed = demo.call("list_sessions", json!({})).await.done();
        let errors = listed.structured["errors"].as_array().unwrap();
        let told = errors[0]["error"].as_str().unwrap();
        assert!(errors.len() == 1 && told.contains("is damaged"), "{damage}: {told}");
        let session = |id: &str| {
            let sessions = listed.structured["sessions"].as_array().unwrap();
            sessions
                .iter()
                .find(|session| session["session_id"] == id)
                .unwrap()
                .clone()
        };
        assert_eq!(session(&calm)["state"], "idle", "{damage}");
        let damaged = session(&asking);
        assert_eq!(damaged["state"], "waiting", "{damage}");
        let problem = damaged["facts"]["problem"].as_str().unwrap();
        assert!(
            problem.contains("is damaged") && problem.contains("berth attach"),
            "{damage}: {problem}"
        );

        let prompts = demo.call("check_prompts", json!({})).await.done();
        assert!(!prompts.text.contains("Nothing waits"), "{damage}: {}", prompts.text);
        let shown = &prompts.structured["prompts"][0];
        assert_eq!(
            (&shown["session_id"], &shown["cut"], &shown["choices"]),
            (&json!(asking), &json!(true), &json!([]))
        );
        let (question, detail) = (
            shown["question"].as_str().unwrap(),
            shown["detail"].as_str().unwrap_or_default(),
        );
        let asked = format!("{question}\n{detail}");
        assert!(
            question.starts_with(problem) && asked.contains("touch x"),
            "{damage}: {asked}"
        );

        for (id, response) in [
            (&prompt, "yes"),
            (&shown["prompt_id"], "yes"),
            (&shown["prompt_id"], "dismiss"),
        ] {
            let answer = json!({"session_id": asking, "prompt_id": id, "response": response});
            demo.call("respond_to_prompt", answer).await.error();
        }
        assert_eq!(demo.record("asking", "answer"), Vec::<String>::new(), "{damage}");
    }
    let sent = demo.send(&calm, "say hello").await.done();
    assert_eq!(sent.structured["receipt"], "submitted");

    // Without the damage everything is as it was.
    demo.place.keep("local", &record, None);
    let prompts = demo.call("check_prompts", json!({})).await.done();
    let shown: &Value = &prompts.structured["prompts"][0];
    assert_eq!(shown["prompt_id"], prompt);
    let answer = json!({"session_id": asking, "prompt_id": prompt, "response": "yes", "wait_seconds": 25});
    demo.call("respond_to_prompt", answer).await.done();
    assert_eq!(demo.record("asking", "answer"), ["touch x=Yes"]);
}
