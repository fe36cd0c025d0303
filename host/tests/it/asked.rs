//! Jobs as a client of a berth asks for them, with the tools of the misbehaving plugin.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::berth::{Berth, PATIENCE};

/// Submits a shell's script, and answers its id.
pub(crate) async fn submit(berth: &Berth, key: &str, script: &str) -> String {
    let spec = json!({"key": key, "queue": "q", "script": script});
    berth.call("job_submit", spec).await.done().text.trim().to_owned()
}

/// A job as it is, with what it printed.
pub(crate) async fn get(berth: &Berth, id: &str) -> Value {
    let called = berth.call("job_get", json!({"id": id})).await.done();
    let from = called.text.find('{').unwrap();
    let to = called.text.rfind('}').unwrap();
    serde_json::from_str(&called.text[from..=to]).unwrap()
}

/// Waits until a job is so.
pub(crate) async fn until(berth: &Berth, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let job = get(berth, id).await;
        if is_so(&job) {
            return job;
        }
        assert!(began.elapsed() < PATIENCE, "it stays so: {job}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
