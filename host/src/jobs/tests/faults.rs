//! A host that cannot be asked, and answers that are lost.

use super::*;

#[tokio::test]
async fn while_its_host_is_away_a_job_is_unreachable_and_goes_on() {
    let (mut scene, local) = Scene::local();
    let mut berth = scene.berth();
    let id = scene
        .submit("echo one; until [ -e ~/go ]; do sleep 0.1; done; echo two")
        .await;
    scene.until_printed(&id, "one\n").await;
    scene.until_begun(&id).await;
    local.set_down(true);
    let job = scene.until(&id, |job| job.phase == Phase::Unreachable).await;
    assert_eq!(job.reason.as_deref(), Some("the host mac is asleep; wake it"));
    let of_phase = async |phase| {
        let filter = Filter {
            phases: vec![phase],
            limit: 10,
            ..Filter::default()
        };
        scene.jobs.recent(filter).await.unwrap().len()
    };
    assert_eq!(
        (of_phase(Phase::Unreachable).await, of_phase(Phase::Running).await),
        (1, 0)
    );
    let refused = [
        scene.jobs.read(&id, Channel::Output, 0, 10).await.unwrap_err(),
        scene.jobs.cancel(&id).await.unwrap_err(),
    ];
    for refused in refused {
        assert!(
            matches!(&refused, Error::Away { why, .. } if why.contains("wake it")),
            "{refused}"
        );
    }
    let waits = scene.submit("echo three").await;
    assert_eq!(scene.jobs.get(&waits).await.unwrap().phase, Phase::Queued);
    fs::write(local.home().join("go"), "").unwrap();
    local.set_down(false);
    assert_eq!(scene.ended(&id).await.phase, Phase::Exited);
    berth.tells("job", &id).await;
    assert_eq!(scene.printed(&id).await, "one\ntwo\n");
    assert_eq!(scene.ended(&waits).await.phase, Phase::Exited);
}

#[tokio::test]
async fn a_generation_that_never_takes_over_changes_nothing_for_what_runs() {
    let (mut scene, local) = Scene::local();
    let mut berth = scene.berth();
    let id = scene
        .submit("echo one; until [ -e ~/go ]; do sleep 0.1; done; echo two")
        .await;
    scene.until_printed(&id, "one\n").await;
    // It comes up aside, with another way there, and is given up.
    let aside = |label: &str| {
        Folders::One(Folder::There(There::new(On {
            label: label.into(),
            way: scene.way.clone(),
            installation: scene.installation(),
            keep: Vec::new(),
            paths: Vec::new(),
        })))
    };
    scene.jobs.be_in(aside("mac"));
    scene.jobs.be_in(aside("box"));
    fs::write(local.home().join("go"), "").unwrap();
    assert_eq!(scene.ended(&id).await.phase, Phase::Exited);
    berth.tells("job", &id).await;
    assert_eq!(scene.printed(&id).await, "one\ntwo\n");
    // The next one who attends is where it was told to be.
    scene.jobs.be_in(aside("other"));
    berth.end().await;
    let _next = attend(&scene.jobs, Duration::from_secs(60));
    let later = scene.submit("true").await;
    assert_eq!(scene.ended(&later).await.host, "other");
}

#[tokio::test]
async fn a_host_that_is_away_from_the_beginning_is_waited_for() {
    let (mut scene, local) = Scene::local();
    local.set_down(true);
    let _berth = scene.berth();
    let (id, other) = (scene.submit("echo x").await, scene.submit("echo y").await);
    scene.until_away("mac").await;
    assert_eq!(scene.jobs.get(&id).await.unwrap().phase, Phase::Queued);
    scene.jobs.cancel(&other).await.unwrap();
    assert_eq!(scene.jobs.get(&other).await.unwrap().phase, Phase::Cancelled);
    local.set_down(false);
    assert_eq!(scene.ended(&id).await.phase, Phase::Exited);
}

#[tokio::test]
async fn input_whose_answer_is_lost_is_added_once() {
    let (mut scene, local) = Scene::local();
    let berth = scene.berth();
    let id = scene.jobs.submit(interactive("echo up; cat", b"")).await.unwrap();
    scene.until_printed(&id, "up\n").await;
    scene.until_begun(&id).await;
    // Nobody else asks meanwhile.
    berth.end().await;
    scene.again();
    let mut text = String::new();
    for number in 0..6 {
        let (bytes, before) = (format!("{number} ").into_bytes(), local.opened());
        text.push_str(&format!("{number} "));
        // What says which shell this is comes, and not much after it.
        local.cut(90);
        let written = scene.jobs.write(&id, bytes, Some(2 * number)).await.unwrap();
        assert_eq!(written, text.len() as u64);
        assert!(local.opened() >= before + 2, "it was asked again");
    }
    let wrong = scene.jobs.write(&id, b"0 ".to_vec(), Some(0)).await.unwrap_err();
    assert!(
        matches!(wrong, Error::Index(JobError::Offset { found: 12, .. })),
        "{wrong}"
    );
    let berth = scene.berth();
    scene.jobs.close(&id).await.unwrap();
    scene.ended(&id).await;
    assert_eq!(scene.printed(&id).await, format!("up\n{text}"));
    berth.end().await;
}

#[tokio::test]
async fn a_job_whose_start_was_lost_runs_once_and_one_that_is_cancelled_meanwhile_does_not_run() {
    let (mut scene, local) = Scene::local();
    let count = |id: &str| fs::read_to_string(local.home().join(id)).unwrap_or_default();
    for after in [0, 60, 90, 110, 130, 150, 200] {
        local.cut(after);
        let berth = scene.berth();
        let id = scene.submit("echo x >>~/$BERTH_JOB").await;
        assert_eq!(scene.ended(&id).await.phase, Phase::Exited, "{after}");
        assert_eq!(count(&id), "x\n", "{after}");
        berth.end().await;
    }
    // Nobody knows here whether a start has come there.
    let id = scene.submit("echo x >>~/$BERTH_JOB").await;
    let taken = scene.jobs.take_next(TERMS.room).await.unwrap();
    assert_eq!(taken.map(|job| job.id).as_ref(), Some(&id));
    scene.jobs.cancel(&id).await.unwrap();
    let _berth = scene.berth();
    assert_eq!(scene.ended(&id).await.phase, Phase::Cancelled);
    assert_eq!(count(&id), "");
}

#[tokio::test]
async fn all_of_a_host_that_ends_is_told_as_interrupted() {
    let (mut scene, local) = Scene::local();
    let _berth = scene.berth();
    let id = scene.submit("echo x; sleep 1000").await;
    scene.until_printed(&id, "x\n").await;
    let directory = local.home().join(".local/state/berth").join(scene.installation());
    let pid = fs::read_to_string(directory.join("jobs").join(&id).join("pid")).unwrap();
    for process in ["pid ", "group "] {
        let number = pid.lines().find_map(|line| line.strip_prefix(process)).unwrap();
        let number = rustix::process::Pid::from_raw(number.parse().unwrap()).unwrap();
        rustix::process::kill_process_group(number, rustix::process::Signal::KILL).unwrap();
    }
    let job = scene.ended(&id).await;
    assert_eq!(job.phase, Phase::Interrupted, "{job:?}");
    assert_eq!(scene.printed(&id).await, "x\n");
}

#[tokio::test]
async fn a_host_that_has_nothing_of_this_installation_is_not_taken_for_the_former_one() {
    let (mut scene, local) = Scene::local();
    let _berth = scene.berth();
    let id = scene.submit("echo x; until [ -e ~/go ]; do sleep 0.1; done").await;
    scene.until_printed(&id, "x\n").await;
    scene.until_begun(&id).await;
    let state = local.home().join(".local");
    fs::rename(&state, local.home().join("away")).unwrap();
    let job = scene.until(&id, |job| job.phase == Phase::Unreachable).await;
    assert!(job.reason.unwrap().contains("nothing of this installation"));
    let why = scene.jobs.read(&id, Channel::Output, 0, 9).await.unwrap_err();
    assert!(matches!(why, Error::Away { .. }), "{why}");
    fs::rename(local.home().join("away"), &state).unwrap();
    fs::write(local.home().join("go"), "").unwrap();
    assert_eq!(scene.ended(&id).await.phase, Phase::Exited);
    // Nobody has to wait for that.
    let id = scene.submit("echo x; sleep 60").await;
    scene.until_printed(&id, "x\n").await;
    scene.until_begun(&id).await;
    fs::rename(&state, local.home().join("away")).unwrap();
    scene.until(&id, |job| job.phase == Phase::Unreachable).await;
    scene.jobs.cancel(&id).await.unwrap();
    assert_eq!(scene.ended(&id).await.phase, Phase::Interrupted);
}

#[tokio::test]
async fn what_was_started_on_a_host_is_not_looked_for_where_its_backend_is_now() {
    let (mut scene, local) = Scene::local();
    let berth = scene.berth();
    let (ended, runs) = (scene.submit("echo x").await, scene.submit("sleep 60").await);
    scene.ended(&ended).await;
    scene.until(&runs, |job| job.phase == Phase::Running).await;
    berth.end().await;
    let other = Arc::new(Local::new());
    let way: Arc<dyn Way> = other.clone();
    scene.jobs = open(&scene.place, &way, "studio");
    let berth = attend(&scene.jobs, LATEST);
    let job = scene.jobs.get(&runs).await.unwrap();
    assert_eq!(job.phase, Phase::Unreachable);
    assert!(job.reason.unwrap().contains("started on the host mac"));
    assert!(matches!(
        scene.jobs.read(&ended, Channel::Output, 0, 9).await,
        Err(Error::Away { .. })
    ));
    assert_eq!(scene.jobs.prune_before(u64::MAX >> 2).await.unwrap(), 0);
    berth.end().await;
    let _berth = scene.berth();
    assert_eq!(scene.printed(&ended).await, "x\n");
    scene.until(&runs, |job| job.phase == Phase::Running).await;
    scene.jobs.cancel(&runs).await.unwrap();
    scene.ended(&runs).await;
    assert!(
        other.home().join(".local").symlink_metadata().is_err(),
        "nothing was put there"
    );
    drop(local);
}
