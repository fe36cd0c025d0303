//! A host behind a real sshd.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::machine::sshd::{Relay, Sshd, on_path};
use crate::machine::{Link, OpenSsh, Ways};

/// The way to `sshd`, with folders in `place`.
pub(super) fn link(place: &TempDir, sshd: &Sshd) -> Link {
    link_by(place, ways(sshd))
}

fn ways(sshd: &Sshd) -> Ways {
    Ways {
        host: "mac".into(),
        destination: sshd.destination(),
        port: Some(sshd.port()),
        identity_file: Some(sshd.path("user_key")),
        known_hosts: Some(sshd.path("known_hosts")),
        connect_timeout: Duration::from_secs(10),
        keepalive: None,
        sessions: 8,
        passphrase: None,
    }
}

/// The same over `relay`.
fn over(relay: &Relay, sshd: &Sshd) -> Ways {
    let (direct, relayed) = (sshd.port().to_string(), relay.port().to_string());
    let known = sshd.path("known over the relay");
    fs::write(&known, sshd.known().replace(&direct, &relayed)).unwrap();
    Ways {
        port: Some(relay.port()),
        known_hosts: Some(known),
        ..ways(sshd)
    }
}

fn link_by(place: &TempDir, ways: Ways) -> Link {
    let path = |name: &str| place.path().join(name);
    let berth = "#!/bin/sh\nif [ \"$1\" = beside ]; then shift; exec \"$@\" </dev/null; fi\nexit 1\n";
    fs::write(path("berth"), berth).unwrap();
    fs::set_permissions(path("berth"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::DirBuilder::new().mode(0o700).create(path("s")).unwrap();
    let ssh = OpenSsh {
        program: on_path("ssh"),
        berth: path("berth"),
        configs: Vec::new(),
        known_hosts: path("known_hosts"),
        folder: path("s"),
    };
    Link::new(&ssh, &ways).unwrap()
}

#[tokio::test]
async fn a_job_goes_on_while_the_link_is_cut_and_is_followed_to_its_end_afterwards() {
    let (place, mut sshd) = (tempfile::tempdir().unwrap(), Sshd::start());
    let home = sshd.path("home");
    let way = Arc::new(link(&place, &sshd));
    let mut scene = Scene::new(way.clone(), &home);
    let mut berth = scene.berth();
    let script = "echo x >>~/count; cat; until [ -e ~/go ]; do sleep 0.1; done; echo end";
    let id = scene.jobs.submit(interactive(script, b"before ")).await.unwrap();
    scene.until_printed(&id, "before ").await;
    sshd.stop();
    let job = scene.until(&id, |job| job.phase == Phase::Unreachable).await;
    assert!(job.reason.unwrap().contains("mac"));
    let away = scene.jobs.write(&id, b"lost ".to_vec(), Some(7)).await.unwrap_err();
    assert!(matches!(away, Error::Away { .. }), "{away}");
    fs::write(home.join("go"), "").unwrap();
    sshd.restart();
    scene.until(&id, |job| job.phase == Phase::Running).await;
    assert_eq!(scene.jobs.write(&id, b"after ".to_vec(), Some(7)).await.unwrap(), 13);
    scene.jobs.close(&id).await.unwrap();
    let job = scene.ended(&id).await;
    assert_eq!((job.phase, job.status, job.input), (Phase::Exited, Some(0), 13));
    berth.tells("job", &id).await;
    assert_eq!(scene.printed(&id).await, "before after end\n");
    assert_eq!(fs::read_to_string(home.join("count")).unwrap(), "x\n");
    berth.end().await;
    way.close().await;
}

/// A job that is followed while nothing passes `relay`, until it is told why, and then again: nothing is lost, and nothing
/// is done twice.
async fn nothing_is_lost_over(relay: &Relay, ways: Ways, home: &Path) {
    let place = tempfile::tempdir().unwrap();
    let secrets = [
        ways.destination.clone(),
        "127.0.0.1".into(),
        relay.port().to_string(),
        "ssh says".into(),
    ];
    let way = Arc::new(link_by(&place, ways));
    let mut scene = Scene::new(way.clone(), home);
    let mut berth = scene.berth();
    let script = "echo x >>~/count; cat; until [ -e ~/go ]; do sleep 0.1; done; seq 20000; echo end";
    let id = scene.jobs.submit(interactive(script, b"before ")).await.unwrap();
    scene.until_printed(&id, "before ").await;
    relay.stop();
    let (jobs, written) = (scene.jobs.clone(), id.clone());
    let write = tokio::spawn(async move { jobs.write(&written, b"stuck ".to_vec(), Some(7)).await });
    let job = scene.until(&id, |job| job.phase == Phase::Unreachable).await;
    let why = job.reason.unwrap();
    assert!(why.contains("the host mac"), "{why}");
    assert!(!secrets.iter().any(|secret| why.contains(secret)), "{why}");
    let unknown = tokio::time::timeout(LATEST, write)
        .await
        .expect("it ends")
        .unwrap()
        .unwrap_err();
    assert!(matches!(unknown, Error::Away { .. }), "{unknown}");
    let away = scene.jobs.write(&id, b"lost ".to_vec(), Some(7)).await.unwrap_err();
    assert!(matches!(away, Error::Away { .. }), "{away}");
    fs::write(home.join("go"), "").unwrap();
    relay.pass();
    scene.until(&id, |job| job.phase == Phase::Running).await;
    // What was under way may have come there.
    match scene.jobs.write(&id, b"stuck ".to_vec(), Some(7)).await {
        Ok(13) | Err(Error::Index(JobError::Offset { expected: 7, found: 13 })) => {}
        other => panic!("{other:?}"),
    }
    scene.jobs.close(&id).await.unwrap();
    let job = scene.ended(&id).await;
    assert_eq!((job.phase, job.status, job.input), (Phase::Exited, Some(0), 13));
    berth.tells("job", &id).await;
    let numbers: String = (1..=20_000).map(|number| format!("{number}\n")).collect();
    assert_eq!(scene.printed(&id).await, format!("before stuck {numbers}end\n"));
    assert_eq!(fs::read_to_string(home.join("count")).unwrap(), "x\n");
    berth.end().await;
    way.close().await;
}

#[tokio::test]
async fn a_job_is_followed_again_when_a_way_passes_bytes_that_passed_none_for_longer_than_is_waited() {
    let sshd = Sshd::start();
    let relay = Relay::to(sshd.port()).await;
    // The connection itself outlasts that.
    let ways = Ways {
        keepalive: Some(Duration::from_secs(60)),
        connect_timeout: Duration::from_secs(60),
        ..over(&relay, &sshd)
    };
    nothing_is_lost_over(&relay, ways, &sshd.path("home")).await;
    assert_eq!(relay.taken(), 1, "it is the same connection");
}

#[tokio::test]
async fn a_job_is_followed_again_over_another_way_when_one_passes_no_bytes_any_more() {
    let sshd = Sshd::start();
    let relay = Relay::to(sshd.port()).await;
    let ways = Ways {
        keepalive: Some(Duration::from_secs(1)),
        connect_timeout: Duration::from_secs(2),
        ..over(&relay, &sshd)
    };
    nothing_is_lost_over(&relay, ways, &sshd.path("home")).await;
    assert!(relay.taken() > 1, "the first one is dead");
}

#[tokio::test]
async fn a_host_whose_link_is_cut_touches_no_job_of_another() {
    let (place, mut sshd) = (tempfile::tempdir().unwrap(), Sshd::start());
    let home = sshd.path("home");
    let (mac, linux) = (Arc::new(link(&place, &sshd)), Arc::new(Local::new()));
    fs::create_dir_all(linux.home().join("work/deep")).unwrap();
    let scene = Scene::new(mac.clone(), &home);
    let on = |label: &str, way: Arc<dyn Way>| there(&scene.place, &way, label);
    scene
        .jobs
        .be_in(Folders::on([on("mac", mac.clone()), on("linux", linux.clone())]));
    let mut berth = attend(&scene.jobs, LATEST);
    let submit = async |host: &str, script: &str| {
        let job = NewJob {
            host: host.to_owned(),
            ..new(script)
        };
        scene.jobs.submit(job).await.unwrap()
    };
    let cut = submit("mac", "echo one; until [ -e ~/go ]; do sleep 0.1; done; echo two").await;
    scene.until_printed(&cut, "one\n").await;
    sshd.stop();
    scene.until(&cut, |job| job.phase == Phase::Unreachable).await;
    let waits = submit("mac", "echo x").await;
    let other = submit("linux", "echo x").await;
    assert_eq!(scene.ended(&other).await.phase, Phase::Exited);
    assert_eq!(scene.jobs.get(&waits).await.unwrap().phase, Phase::Queued);
    fs::write(home.join("go"), "").unwrap();
    sshd.restart();
    for id in [&cut, &waits] {
        assert_eq!(scene.ended(id).await.phase, Phase::Exited);
    }
    berth.tells_each("job", &[&cut, &waits, &other]).await;
    assert_eq!(scene.printed(&cut).await, "one\ntwo\n");
    berth.end().await;
    mac.close().await;
}
