//! What is mounted where a job has its directory.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use berth::jobs::Terms;
use berth::store::jobs::Phase;

use crate::attended::{Scene, TERMS};
use crate::{mount, runs};

/// A directory with files as a job has them, that has nothing to do with berth.
fn outside(scene: &Scene, name: &str) -> PathBuf {
    let outside = scene.path(name);
    fs::DirBuilder::new().mode(0o700).create(&outside).unwrap();
    for file in ["out.0", "kept"] {
        fs::write(outside.join(file), "kept").unwrap();
    }
    outside
}

fn is_whole(outside: &Path) -> bool {
    ["out.0", "kept"]
        .iter()
        .all(|file| fs::read(outside.join(file)).is_ok_and(|bytes| bytes == b"kept"))
}

#[tokio::test]
async fn pruning_crosses_no_mount() {
    let scene = Scene::new();
    let host = scene.host();
    for id in ["over", "within", "file", "plain"] {
        scene.submit(id, id, "echo up").await;
        scene.ended(id).await;
    }
    host.end().await;
    let outside = outside(&scene, "outside");
    mount(&[&"--bind", &outside, &scene.directory("over")]);
    let within = scene.directory("within").join("folder");
    fs::create_dir(&within).unwrap();
    mount(&[&"--bind", &outside, &within]);
    mount(&[&"--bind", &outside.join("kept"), &scene.directory("file").join("out.0")]);
    let all = Terms {
        keep: Duration::ZERO,
        ..TERMS
    };
    assert_eq!(scene.jobs.prune(all).await.unwrap(), 4);
    assert!(is_whole(&outside));
    for id in ["over", "within", "file"] {
        assert!(scene.directory(id).exists(), "{id}");
    }
    assert!(!scene.directory("plain").exists());
}

#[tokio::test]
async fn of_a_job_whose_directory_something_is_mounted_over_nothing_there_is_believed() {
    let scene = Scene::new();
    let host = scene.host();
    scene.submit("covered", "q", "echo up; sleep 600").await;
    scene.until("covered", |job| job.output > 0).await;
    host.kill().await;
    let group = scene.process("covered", "group").unwrap();
    let outside = outside(&scene, "outside");
    let end = "format 1\nhow exited\nstatus 0\nfinished 5\n";
    fs::write(outside.join("exit"), end).unwrap();
    mount(&[&"--bind", &outside, &scene.directory("covered")]);
    let host = scene.host();
    let job = scene.ended("covered").await;
    assert_eq!((job.phase, job.status), (Phase::Interrupted, None), "{job:?}");
    assert!(!runs(group), "its program runs");
    assert!(is_whole(&outside));
    host.end().await;
}
