//! Many who record at once, and what happens while nothing can be written.

use std::time::Instant;

use futures::FutureExt as _;
use futures::future::join_all;
use serde_json::Value;

use super::*;
use crate::store::Error;
use crate::store::audit::{Recorder, Unrecorded};

fn arguments(recorder: &Recorder, value: Value) -> ([u8; 32], String) {
    recorder.arguments(value.as_object().unwrap())
}

#[tokio::test]
async fn arguments_become_a_digest_by_the_key_and_a_text_only_if_asked_for() {
    let (one, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let quiet = Recorder::start(opened(one.path()), false).unwrap();
    quiet.finish().await;
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
async fn what_was_handed_over_is_written_though_nobody_waits_for_it_any_more() {
    let root = TempDir::new().unwrap();
    let recorder = Recorder::start(opened(root.path()), false).unwrap();
    for entry in ["one", "two"] {
        assert!(recorder.record(call(entry)).now_or_never().is_none());
    }
    assert_eq!(sessions(&until(root.path(), 2).await), ["one", "two"]);
}

#[tokio::test]
async fn the_writing_ends_with_the_last_recorder() {
    let root = TempDir::new().unwrap();
    let recorder = Recorder::start(opened(root.path()), false).unwrap();
    drop(recorder.clone());
    recorder.record(call("one")).await.unwrap();
    drop(recorder);
    // It waits for the other to end.
    Recorder::start(opened(root.path()), false).unwrap();
}

/// Keeps everybody from writing one more entry, until it is dropped.
pub(crate) struct Unwritable(Connection);

impl Unwritable {
    /// For a record below `root` that has an entry.
    pub(crate) fn new(root: &Path) -> Self {
        let file = tampering(root);
        let last: i64 = file
            .query_row("SELECT max(seq) FROM audit", (), |row| row.get(0))
            .unwrap();
        let index = format!("CREATE UNIQUE INDEX only ON audit ((seq - seq)) WHERE seq >= {last}");
        file.execute(&index, ()).unwrap();
        Self(file)
    }
}

impl Drop for Unwritable {
    fn drop(&mut self) {
        self.0.execute("DROP INDEX only", ()).unwrap();
    }
}

/// Waits until the record holds this many calls and events, and answers them.
async fn until(root: &Path, count: usize) -> Vec<Recorded> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let found = all(&opened(root), &Filter::default());
        if found.len() >= count {
            return found;
        }
        assert!(Instant::now() < deadline, "{found:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn while_nothing_can_be_written_nothing_is_ready_and_nothing_done_is_lost() {
    let root = TempDir::new().unwrap();
    let recorder = Recorder::start(opened(root.path()), false).unwrap();
    assert_eq!(recorder.record(call("before")).await, Ok(1));
    let intention = recorder.intend(&call("begun")).await.unwrap();
    let unwritable = Unwritable::new(root.path());
    assert!(recorder.ready().await.is_ok(), "nobody knows yet");
    assert!(recorder.record(call("read")).await.is_err());
    assert!(recorder.ready().await.is_err());
    assert!(recorder.intend(&call("never done")).await.is_err());
    assert!(recorder.conclude(intention, call("begun")).await.is_err());
    assert!(recorder.ready().await.is_err());

    // What is kept is written without anybody asking, and what was only intended never.
    drop(unwritable);
    let found = until(root.path(), 3).await;
    assert_eq!(sessions(&found), ["before", "read", "begun"]);
    assert_eq!(found[2].begun, Some(2));
    recorder.ready().await.unwrap();
    assert_eq!(recorder.record(call("after")).await, Ok(5));
    opened(root.path()).verify(None).unwrap();
}

#[tokio::test]
async fn all_who_wait_when_writing_fails_are_told_so() {
    let root = TempDir::new().unwrap();
    let recorder = Recorder::start(opened(root.path()), false).unwrap();
    recorder.record(call("before")).await.unwrap();
    let unwritable = Unwritable::new(root.path());
    let told = join_all((0..500).map(|n| recorder.record(call(&n.to_string())))).await;
    assert!(told.iter().all(Result::is_err));
    drop(unwritable);
    assert_eq!(until(root.path(), 501).await.len(), 501);
}

#[tokio::test]
async fn an_intention_and_its_outcome_are_shown_as_one() {
    let root = TempDir::new().unwrap();
    let recorder = Recorder::start(opened(root.path()), false).unwrap();
    let intention = recorder.intend(&call("one")).await.unwrap();
    assert_eq!(intention.seq, 1);
    let open = all(&opened(root.path()), &Filter::default());
    assert_eq!((open[0].seq, open[0].outcome.as_str()), (1, "under-way"));

    recorder.record(call("between")).await.unwrap();
    let ended = Entry {
        outcome: Outcome::Failed,
        ..call("one made")
    };
    assert_eq!(recorder.conclude(intention, ended).await, Ok(3));
    let found = all(&opened(root.path()), &Filter::default());
    assert_eq!(sessions(&found), ["between", "one made"]);
    let shown = &found[1];
    assert_eq!((shown.seq, shown.begun, shown.outcome.as_str()), (3, Some(1), "failed"));
    assert_eq!(
        (shown.arguments.as_str(), shown.text.as_str()),
        ("07".repeat(32).as_str(), "{}")
    );
    let view = opened(root.path());
    let view = view.view().unwrap();
    assert_eq!(view.beginning_of_last(1, &Filter::default()).unwrap(), 3);
    assert_eq!(view.beginning_of_last(2, &Filter::default()).unwrap(), 2);
}

#[tokio::test]
async fn what_was_begun_and_has_no_outcome_is_cut_off_once_its_owner_is_gone() {
    let root = TempDir::new().unwrap();
    let outcomes = || -> Vec<(i64, String)> {
        let found = all(&opened(root.path()), &Filter::default());
        found.into_iter().map(|entry| (entry.seq, entry.outcome)).collect()
    };
    let only = |outcome| {
        let found = all(
            &opened(root.path()),
            &Filter {
                outcome: Some(outcome),
                ..Filter::default()
            },
        );
        found.len()
    };
    let first = Recorder::start(opened(root.path()), false).unwrap();
    let begun = first.intend(&call("one")).await.unwrap();
    assert_eq!((only(Outcome::UnderWay), only(Outcome::CutOff)), (1, 0));
    first.finish().await;
    assert_eq!(
        first.conclude(begun, call("one")).await,
        Err(Unrecorded),
        "it has ended"
    );
    assert_eq!(outcomes(), [(1, "cut-off".to_owned())]);
    assert_eq!((only(Outcome::UnderWay), only(Outcome::CutOff)), (0, 1));

    let next = Recorder::start(opened(root.path()), false).unwrap();
    let _begun = next.intend(&call("two")).await.unwrap();
    assert_eq!(outcomes(), [(2, "cut-off".to_owned()), (3, "under-way".to_owned())]);
    let ended = all(
        &opened(root.path()),
        &Filter {
            ended: true,
            ..Filter::default()
        },
    );
    assert_eq!((sessions(&ended), ended[0].begun), (vec!["one"], Some(1)));
    opened(root.path()).verify(None).unwrap();
}

#[tokio::test]
async fn what_was_put_among_the_open_calls_closes_none() {
    let root = TempDir::new().unwrap();
    let recorder = Recorder::start(opened(root.path()), false).unwrap();
    let done = recorder.intend(&call("done")).await.unwrap();
    recorder.conclude(done, call("done")).await.unwrap();
    recorder.finish().await;
    tampering(root.path())
        .execute_batch("INSERT INTO begun VALUES (1), (2), (99)")
        .unwrap();
    Recorder::start(opened(root.path()), false).unwrap().finish().await;
    assert_eq!(opened(root.path()).verify(None).unwrap().seq, 2);
}

#[tokio::test]
async fn of_two_recorders_one_is_refused() {
    let root = TempDir::new().unwrap();
    let _one = Recorder::start(opened(root.path()), false).unwrap();
    let other = Recorder::start(opened(root.path()), false);
    assert!(matches!(other, Err(Error::InUse { .. })), "{other:?}");
}

#[tokio::test]
async fn while_the_file_of_the_record_is_elsewhere_nothing_is_recorded_and_none_is_lost() {
    let root = TempDir::new().unwrap();
    let recorder = Recorder::start(opened(root.path()), false).unwrap();
    recorder.record(call("before")).await.unwrap();
    let begun = recorder.intend(&call("begun")).await.unwrap();
    let (here, elsewhere) = (root.path().join("data/audit.db"), root.path().join("audit.db"));
    std::fs::rename(&here, &elsewhere).unwrap();
    assert_eq!(recorder.conclude(begun, call("begun")).await, Err(Unrecorded));
    assert!(recorder.intend(&call("refused")).await.is_err());
    // Another one in its place is not it.
    std::fs::copy(&elsewhere, &here).unwrap();
    assert!(recorder.intend(&call("refused")).await.is_err());
    std::fs::rename(&elsewhere, &here).unwrap();
    recorder.record(call("after")).await.unwrap();
    recorder.finish().await;
    let found = all(&opened(root.path()), &Filter::default());
    assert_eq!(sessions(&found), ["before", "begun", "after"]);
}
