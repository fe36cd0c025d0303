//! A host whose disk is full: this machine by a real sshd, with a small place for what lasts there.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;
use toml::Table;

use crate::asked::until;
use crate::berth::{Berth, PATIENCE, Place};
use crate::mount;
use crate::on_host::on_host;

const CONFIG: &str = "[backends.local]\nplugin = \"./misbehaving.wasm\"\nenv = [\"PATH\"]\nread_tools = [\"job_get\"]\n\
                      [backends.local.programs.sh]\njob = [[\"-c\", \"@text\"]]\n";

/// The directory of a job there.
fn directory(place: &Place, id: &str) -> PathBuf {
    let installation = place.read("data/installation");
    place
        .path("home/.local/state/berth")
        .join(installation.trim())
        .join("jobs")
        .join(id)
}

/// Submits a script in a queue of its own, and answers its id.
async fn submit(berth: &Berth, queue: &str, script: &str) -> String {
    let spec = json!({"key": queue, "queue": queue, "script": script});
    berth.call("job_submit", spec).await.done().text.trim().to_owned()
}

/// Waits until the log says that a job waits for room on the host.
async fn waits_for_room(place: &Place, id: &str) {
    let began = Instant::now();
    let told = |line: &str| line.contains(id) && line.contains("the host there says: ") && line.contains("disk");
    while !place.read("log").lines().any(told) {
        assert!(began.elapsed() < PATIENCE, "it is not told that the job waits");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_job_waits_for_room_on_its_host_and_one_whose_output_cannot_be_kept_there_fails() {
    let place = Place::new("");
    let mut config: Table = CONFIG.parse().unwrap();
    let _sshd = on_host(&mut config, &place, &["local"]);
    place.configure(&config.to_string(), "");
    let state = place.path("home/.local/state");
    fs::create_dir_all(&state).unwrap();
    mount(&[&"-t", &"tmpfs", &"-o", &"size=4m,mode=0700", &"none", &state]);
    let berth = Berth::serve(&place).await;

    // Its files cannot be made.
    let full = fs::write(state.join("filler"), vec![0; 8 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    let first = submit(&berth, "a", "echo first; exit 3").await;
    waits_for_room(&place, &first).await;
    until(&berth, &first, |job| job["phase"] == "Running").await;
    fs::remove_file(state.join("filler")).unwrap();
    let job = until(&berth, &first, |job| job["phase"] != "Running").await;
    assert_eq!((&job["phase"], &job["status"]), (&"Exited".into(), &3.into()), "{job}");
    assert_eq!(job["printed"], "first\n");

    let gate = place.path("gate");
    let quiet = format!("while ! [ -e {} ]; do sleep 0.02; done; exit 5", gate.display());
    let quiet = submit(&berth, "b", &quiet).await;
    until(&berth, &quiet, |job| job["phase"] == "Running").await;
    let loud = submit(&berth, "c", "head -c 50000000 /dev/zero >&2; sleep 600").await;
    let job = until(&berth, &loud, |job| {
        job["phase"] != "Queued" && job["phase"] != "Running"
    })
    .await;
    assert_eq!(job["phase"], "Failed", "{job}");
    let why = job["reason"].as_str().unwrap();
    assert!(
        why.starts_with("on the host there: what it printed could not be kept: ") && why.contains("No space left"),
        "{why}"
    );

    // What is kept of that takes all room. What has its turn waits, and what runs goes on to its end.
    let next = submit(&berth, "d", "echo next").await;
    waits_for_room(&place, &next).await;
    assert!(!directory(&place, &next).join("claim").exists());
    fs::write(&gate, "").unwrap();
    let job = until(&berth, &quiet, |job| job["phase"] != "Running").await;
    assert_eq!((&job["phase"], &job["status"]), (&"Exited".into(), &5.into()), "{job}");
    until(&berth, &next, |job| job["phase"] == "Running").await;
    let kept = fs::read_dir(directory(&place, &loud))
        .unwrap()
        .map(|file| file.unwrap().path());
    let kept: Vec<_> = kept
        .filter(|path| path.display().to_string().contains("/err."))
        .collect();
    assert!(!kept.is_empty());
    kept.iter().for_each(|path| fs::remove_file(path).unwrap());
    let job = until(&berth, &next, |job| job["phase"] != "Running").await;
    assert_eq!(
        (&job["phase"], &job["printed"]),
        (&"Exited".into(), &"next\n".into()),
        "{job}"
    );
}
