//! Another user of this machine.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use berth::jobs::Terms;
use berth::store::jobs::Phase;

use crate::attended::{Scene, TERMS};
use crate::runs;

/// Somebody who has nothing.
const NOBODY: u32 = 65534;

/// Whether another user can do this.
fn can(script: &str, path: &Path) -> bool {
    let mut command = Command::new("setpriv");
    command.args([
        &format!("--reuid={NOBODY}"),
        &format!("--regid={NOBODY}"),
        "--clear-groups",
        "--",
    ]);
    command.args(["sh", "-c", script, "sh"]).arg(path);
    command.output().unwrap().status.success()
}

#[tokio::test]
async fn another_user_reaches_nothing_of_a_job() {
    let scene = Scene::new();
    fs::set_permissions(scene.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(scene.path("open"), "").unwrap();
    let host = scene.host();
    scene.submit("a", "q", "echo up").await;
    scene.ended("a").await;
    host.end().await;
    assert!(can("cat \"$1\"", &scene.path("open")));
    for file in ["out.0", "spec", "in", "exit", "../index.db"] {
        assert!(!can("cat \"$1\"", &scene.directory("a").join(file)), "{file}");
    }
    for script in [
        "echo > \"$1/cancel\"",
        "echo > \"$1/bell\"",
        "rm -rf \"$1\"",
        "mv \"$1\" \"$1-away\"",
    ] {
        assert!(!can(script, &scene.directory("a")), "{script}");
    }
    assert!(scene.directory("a").join("out.0").exists());
}

#[tokio::test]
async fn a_directory_that_another_user_owns_is_neither_believed_nor_removed() {
    let scene = Scene::new();
    let host = scene.host();
    scene.submit("taken", "q", "echo up; sleep 600").await;
    scene.until("taken", |job| job.output > 0).await;
    host.kill().await;
    let group = scene.process("taken", "group").unwrap();
    let directory = scene.directory("taken");
    fs::rename(&directory, scene.path("away")).unwrap();
    fs::DirBuilder::new().mode(0o700).create(&directory).unwrap();
    let end = "format 1\nhow exited\nstatus 0\nfinished 5\n";
    fs::write(directory.join("exit"), end).unwrap();
    for path in [directory.join("exit"), directory.clone()] {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let host = scene.host();
    let job = scene.ended("taken").await;
    assert_eq!((job.phase, job.status), (Phase::Interrupted, None), "{job:?}");
    assert!(!runs(group), "its program runs");
    host.end().await;
    let all = Terms {
        keep: Duration::ZERO,
        ..TERMS
    };
    assert_eq!(scene.jobs.prune(all).await.unwrap(), 1);
    assert_eq!(fs::read_to_string(directory.join("exit")).unwrap(), end);
}
