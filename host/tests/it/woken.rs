//! A backend that says itself when a session changed is not looked at again and again: who waits is woken by its word.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};

use crate::berth::{Berth, Called, PATIENCE, Place};

/// A session that is at work until its backend keeps something at `done`, and a backend that is looked at only when its
/// upkeep says that something changed.
fn place(upkeep: &str) -> Place {
    Place::new(&format!(
        "[backends.local]\nplugin = \"./misbehaving.wasm\"\n\
         settings = {{ list = \"work\", poll_ms = 0, upkeep = \"{upkeep}\" }}\n"
    ))
}

/// How often its sessions were listed.
fn looks(place: &Place) -> usize {
    let kept = place.kept("local", "looks").unwrap_or_default();
    String::from_utf8(kept).unwrap().lines().count()
}

/// Waits for the session in as many calls as `waiters`; once it was looked at, its work is done.
async fn waited(place: &Place, berth: &Berth, waiters: usize, seconds: u64) -> Vec<Called> {
    let arguments = json!({"session_id": "local/work-1", "wait_seconds": seconds});
    let began = Instant::now();
    let done = async {
        while looks(place) == 0 {
            assert!(began.elapsed() < PATIENCE, "it is not looked at");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let done = json!({"key": "done", "text": "x"});
        berth.call("store_put", done).await.done();
    };
    let waits = (0..waiters).map(|_| berth.call("get_session_status", arguments.clone()));
    let (waited, ()) = tokio::join!(join_all(waits), done);
    waited.into_iter().map(Called::done).collect()
}

fn state(called: &Called) -> &Value {
    &called.structured["session"]["state"]
}

#[tokio::test]
async fn who_waits_is_woken_when_upkeep_says_that_something_changed() {
    let place = place("tells");
    let berth = Berth::serve(&place).await;
    for called in waited(&place, &berth, 2, 25).await {
        assert_eq!(*state(&called), "idle", "{}", called.text);
        assert!(!called.text.contains("still at work"), "{}", called.text);
    }
}

#[tokio::test]
async fn while_nothing_is_said_to_have_changed_nothing_is_looked_at_however_long_someone_waits() {
    let place = place("");
    let berth = Berth::serve(&place).await;
    for called in waited(&place, &berth, 1, 4).await {
        assert!(called.text.contains("still at work"), "{}", called.text);
    }
    let looks = looks(&place);
    assert!(looks <= 4, "it was looked at {looks} times");
}
