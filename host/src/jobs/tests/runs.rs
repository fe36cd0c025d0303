//! What a backend does with jobs, when nothing goes wrong.

use sha2::{Digest as _, Sha256};

use super::*;

#[tokio::test]
async fn a_job_runs_to_its_end_and_what_it_printed_is_read_by_offsets() {
    let (mut scene, _) = Scene::local();
    let mut berth = scene.berth();
    let script = "printf '%s|%s|%s|%s|%s\\n' \"$PWD\" \"$SECRET\" \"$KEPT\" \"$HIDDEN\" \"$BERTH_SESSION\"; \
                  echo bad >&2; printf '\\0end'; exit 3";
    let id = scene.submit(script).await;
    berth.tells("job", &id).await;
    let job = scene.ended(&id).await;
    berth.tells("job", &id).await;
    assert_eq!((job.phase, job.status, &*job.host), (Phase::Exited, Some(3), "mac"));
    let printed = scene.printed(&id).await;
    let (first, rest) = printed.split_once('|').unwrap();
    assert!(first.ends_with("/work/deep"), "{printed}");
    assert_eq!(rest, "a 'b'\nc|kept||there\n\0end");
    assert_eq!((job.output, job.errors), (printed.len() as u64, 4));
    let end = scene.jobs.read(&id, Channel::Output, job.output - 3, 2).await.unwrap();
    assert_eq!((end.start, &end.bytes[..]), (job.output - 3, &b"en"[..]));
    let errors = scene.jobs.read(&id, Channel::Errors, 0, 100).await.unwrap();
    assert_eq!(errors.bytes, b"bad\n");
    berth.end().await;
}

#[tokio::test]
async fn output_is_told_as_it_comes() {
    let (mut scene, local) = Scene::local();
    let mut berth = scene.berth();
    let id = scene
        .submit("echo one; until [ -e ~/go ]; do sleep 0.1; done; echo two; sleep 60")
        .await;
    berth.tells("output", &id).await;
    scene.until(&id, |job| job.output == 4).await;
    assert_eq!(scene.printed(&id).await, "one\n");
    fs::write(local.home().join("go"), "").unwrap();
    berth.tells("output", &id).await;
    scene.until_printed(&id, "one\ntwo\n").await;
    scene.jobs.cancel(&id).await.unwrap();
    assert_eq!(scene.ended(&id).await.phase, Phase::Cancelled);
}

#[tokio::test]
async fn input_is_added_where_it_is_expected_from_before_the_start_to_its_end() {
    let (mut scene, _) = Scene::local();
    let id = scene.jobs.submit(interactive("cat", b"first ")).await.unwrap();
    assert_eq!(scene.jobs.write(&id, b"waiting ".to_vec(), Some(6)).await.unwrap(), 14);
    let _berth = scene.berth();
    scene.until_printed(&id, "first waiting ").await;
    assert_eq!(
        scene.jobs.write(&id, b"running \0 ".to_vec(), Some(14)).await.unwrap(),
        24
    );
    let wrong = scene.jobs.write(&id, b"again".to_vec(), Some(14)).await.unwrap_err();
    assert!(
        matches!(
            wrong,
            Error::Index(JobError::Offset {
                expected: 14,
                found: 24
            })
        ),
        "{wrong}"
    );
    assert_eq!(scene.jobs.write(&id, "wö".into(), None).await.unwrap(), 27);
    scene.jobs.close(&id).await.unwrap();
    scene.jobs.close(&id).await.unwrap();
    let job = scene.ended(&id).await;
    assert_eq!((job.phase, job.status, job.input), (Phase::Exited, Some(0), 27));
    assert_eq!(scene.printed(&id).await, "first waiting running \0 wö");
}

#[tokio::test]
async fn much_input_that_waits_arrives_in_parts() {
    let (mut scene, _) = Scene::local();
    let part: Vec<u8> = (0..3 << 20).map(|at: u32| b'a' + (at >> 7) as u8 % 26).collect();
    let id = scene
        .jobs
        .submit(interactive("sha256sum", &part[..1 << 20]))
        .await
        .unwrap();
    let mut all = part[..1 << 20].to_vec();
    for _ in 0..3 {
        scene.jobs.write(&id, part.clone(), None).await.unwrap();
        all.extend_from_slice(&part);
    }
    scene.jobs.close(&id).await.unwrap();
    let _berth = scene.berth();
    let job = scene.ended(&id).await;
    assert_eq!((job.status, job.input), (Some(0), all.len() as u64));
    assert_eq!(
        scene.printed(&id).await,
        format!("{}  -\n", hex::encode(Sha256::digest(&all)))
    );
}

#[tokio::test]
async fn input_that_ended_before_the_start_ends_there_too() {
    let (mut scene, _) = Scene::local();
    let id = scene.jobs.submit(interactive("cat", b"all of it")).await.unwrap();
    scene.jobs.close(&id).await.unwrap();
    let _berth = scene.berth();
    assert_eq!(scene.ended(&id).await.status, Some(0));
    assert_eq!(scene.printed(&id).await, "all of it");
}

#[tokio::test]
async fn a_job_that_takes_too_long_is_ended() {
    let (scene, _) = Scene::local();
    let _berth = attend(&scene.jobs, Duration::from_secs(1));
    let id = scene.submit("sleep 60").await;
    assert_eq!(scene.ended(&id).await.phase, Phase::TimedOut);
}

#[tokio::test]
async fn a_program_that_cannot_start_says_why() {
    let (mut scene, local) = Scene::local();
    fs::remove_dir(local.home().join("work/deep")).unwrap();
    let _berth = scene.berth();
    let id = scene.submit("true").await;
    let job = scene.ended(&id).await;
    assert_eq!(job.phase, Phase::Failed);
    let why = job.reason.unwrap();
    assert!(
        why.contains("the host mac says") && why.contains("~/work/deep"),
        "{why}"
    );
}

#[tokio::test]
async fn what_has_ended_is_removed_there_and_nothing_of_others() {
    let (mut scene, local) = Scene::local();
    let (mut other, _) = (Scene::new(local.clone(), local.home()), ());
    let (_berth, _other_berth) = (scene.berth(), other.berth());
    let (mine, theirs) = (scene.submit("echo mine").await, other.submit("echo theirs").await);
    scene.ended(&mine).await;
    other.ended(&theirs).await;
    let directory = |scene: &Scene, id: &str| {
        let berth = local.home().join(".local/state/berth");
        berth.join(scene.installation()).join("jobs").join(id)
    };
    assert!(directory(&scene, &mine).join("exit").exists());
    assert!(matches!(
        scene.jobs.get(&theirs).await,
        Err(Error::Index(JobError::Unknown(_)))
    ));
    local.set_down(true);
    assert_eq!(scene.jobs.prune_before(u64::MAX >> 2).await.unwrap(), 0, "later");
    local.set_down(false);
    let latest = Instant::now() + LATEST;
    while scene.jobs.prune_before(u64::MAX >> 2).await.unwrap() == 0 {
        assert!(Instant::now() < latest, "it is never removed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(!directory(&scene, &mine).exists());
    assert!(directory(&other, &theirs).join("exit").exists());
}
