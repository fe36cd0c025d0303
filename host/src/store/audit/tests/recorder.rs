//! Many who record at once, and what happens while nothing can be written.

use futures::future::join_all;
use serde_json::Value;

use super::*;
use crate::store::audit::Recorder;

fn arguments(recorder: &Recorder, value: Value) -> ([u8; 32], String) {
    recorder.arguments(value.as_object().unwrap())
}

#[tokio::test]
async fn arguments_become_a_digest_by_the_key_and_a_text_only_if_asked_for() {
    let (one, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let quiet = Recorder::start(opened(one.path()), false).unwrap();
    let open = Recorder::start(opened(one.path()), true).unwrap();
    let elsewhere = Recorder::start(opened(other.path()), false).unwrap();
    let given = json!({"message": "yes"});
    let (digest, text) = arguments(&quiet, given.clone());
    assert_eq!(text, "");
    assert_eq!(
        arguments(&open, given.clone()),
        (digest, r#"{"message":"yes"}"#.to_owned())
    );
    assert_ne!(arguments(&elsewhere, given).0, digest);
    assert_ne!(arguments(&quiet, json!({"message": "no"})).0, digest);
}

#[tokio::test]
async fn what_many_record_at_once_is_there_when_they_are_told_so() {
    let root = TempDir::new().unwrap();
    let recorder = Recorder::start(opened(root.path()), false).unwrap();
    let reader = opened(root.path());
    let all_at_once = (0..3000).map(|n| {
        let (recorder, reader) = (recorder.clone(), &reader);
        async move {
            recorder.record(call(&n.to_string())).await.unwrap();
            if n % 500 == 0 {
                let found = all(reader, &Filter::default());
                assert!(sessions(&found).contains(&n.to_string().as_str()));
            }
        }
    });
    join_all(all_at_once).await;
    assert_eq!(reader.verify(None).unwrap().seq, 3000);
}

#[tokio::test]
async fn while_nothing_can_be_written_nothing_is_ready_and_nothing_is_lost() {
    let root = TempDir::new().unwrap();
    let recorder = Recorder::start(opened(root.path()), false).unwrap();
    recorder.record(call("before")).await.unwrap();
    let tampering = tampering(root.path());
    tampering.execute("ALTER TABLE audit RENAME TO hidden", ()).unwrap();
    assert!(recorder.ready().await.is_ok(), "nobody knows yet");
    assert!(recorder.record(call("unwritten")).await.is_err());
    assert!(recorder.ready().await.is_err());
    assert!(recorder.ready().await.is_err());

    tampering.execute("ALTER TABLE hidden RENAME TO audit", ()).unwrap();
    recorder.ready().await.unwrap();
    recorder.record(call("after")).await.unwrap();
    let audit = opened(root.path());
    assert_eq!(
        sessions(&all(&audit, &Filter::default())),
        ["before", "unwritten", "after"]
    );
    audit.verify(None).unwrap();
}
