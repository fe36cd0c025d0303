//! A disk that is full.

use std::fs;

use berth::jobs::Terms;
use berth::store::jobs::Phase;
use std::time::Duration;

use crate::attended::{Scene, Shell, TERMS, attend_with};
use crate::mount;

#[tokio::test]
async fn a_full_disk_ends_the_job_that_fills_it_and_nothing_else_is_lost() {
    let scene = Scene::with(|data| mount(&[&"-t", &"tmpfs", &"-o", &"size=4m,mode=0700", &"none", &data]));
    let shell = Shell {
        output: 64 << 20,
        variables: &[],
    };
    let host = attend_with(shell, &scene.jobs, TERMS);
    let gate = scene.path("gate");
    let quiet = format!("while ! [ -e {} ]; do sleep 0.02; done; exit 5", gate.display());
    scene.submit("quiet", "a", &quiet).await;
    scene.submit("loud", "b", "head -c 50000000 /dev/zero; sleep 600").await;
    scene.submit("next", "b", "echo next").await;
    let loud = scene.ended("loud").await;
    assert_eq!(loud.phase, Phase::Failed, "{loud:?}");
    let why = loud.reason.unwrap();
    assert!(
        why.contains("could not be kept") && why.contains("No space left"),
        "{why}"
    );
    fs::write(&gate, "").unwrap();
    let quiet = scene.ended("quiet").await;
    assert_eq!((quiet.phase, quiet.status), (Phase::Exited, Some(5)), "{quiet:?}");
    // What has its turn and no room waits for that.
    let next = scene.until("next", |job| job.phase != Phase::Queued).await;
    assert_eq!(next.phase, Phase::Running, "{next:?}");
    let all = Terms {
        keep: Duration::ZERO,
        ..TERMS
    };
    assert_eq!(scene.jobs.prune(all).await.unwrap(), 2);
    let next = scene.ended("next").await;
    assert_eq!((next.phase, next.status), (Phase::Exited, Some(0)), "{next:?}");
    assert_eq!(scene.output("next").await, "next\n");
    host.end().await;
}
