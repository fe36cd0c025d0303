//! Hosts that do something else than they are asked for, and jobs that disturb what is asked about others.

use super::*;

#[tokio::test]
async fn output_that_was_not_asked_for_is_refused() {
    let (mut scene, local) = Scene::local();
    let berth = scene.berth();
    let id = scene.submit("printf 0123456789").await;
    scene.ended(&id).await;
    berth.end().await;
    let read = async || scene.jobs.read(&id, Channel::Output, 4, 3).await;
    assert_eq!(read().await.unwrap().bytes, b"456");
    for lie in [
        "s/printf 'start %s/printf 'start 0%.0s/",
        "s/| head -c \"$length\"/| cat/",
    ] {
        local.lie(lie);
        let refused = read().await.unwrap_err().to_string();
        assert!(refused.contains("something else than was asked"), "{lie}: {refused}");
    }
    local.lie("");
    assert_eq!(read().await.unwrap().bytes, b"456");
}

#[tokio::test]
async fn handing_over_input_ends_whatever_a_host_says_of_it() {
    let (mut scene, local) = Scene::local();
    let id = scene.jobs.submit(interactive("cat", b"input")).await.unwrap();
    // A job has its turn once its host has answered.
    let _ = scene.jobs.folders().all()[0].lengths(&id).await;
    let record = scene.jobs.take_next(TERMS.room).await.unwrap().unwrap();
    assert_eq!(record.id, id);
    // It has one byte and none in turns.
    local.lie("s,echo \"in $bytes $closed\",echo x >>~/asked; echo in $(( $(wc -l <~/asked) / 2 % 2 )) open,");
    let shell = Shell { deadline: LATEST };
    let started = scene.jobs.start(&shell, None, &record);
    let started = tokio::time::timeout(LATEST, started).await.expect("it ends");
    let why = started.unwrap_err().to_string();
    assert!(why.contains("does not have that"), "{why}");
    local.lie("");
    let _berth = scene.berth();
    scene.until_printed(&id, "input").await;
    scene.jobs.close(&id).await.unwrap();
    assert_eq!(scene.ended(&id).await.phase, Phase::Exited);
}

#[tokio::test]
async fn what_a_host_says_that_a_job_keeps_is_bounded_and_what_is_too_much_is_removed() {
    let (mut scene, local) = Scene::local();
    local.lie("s/echo \"$name $last $size\"/echo \"$name $last 999999999999999\"/");
    let berth = scene.berth();
    let id = scene.submit("echo x").await;
    let job = scene.ended(&id).await;
    assert_eq!((job.output, job.kept), (999_999_999_999_999, 1 << 40));
    let latest = Instant::now() + LATEST;
    while scene.jobs.prune(TERMS).await.unwrap() == 0 {
        assert!(Instant::now() < latest, "it is never removed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(scene.jobs.get(&id).await.is_err());
    berth.end().await;
}

#[tokio::test]
async fn a_job_that_is_too_slow_to_ask_for_hides_no_other_and_can_be_cancelled() {
    let (mut scene, local) = Scene::local();
    let _berth = scene.berth();
    let slow = scene.submit("echo up; exec sleep 1000").await;
    let other = scene.submit("until [ -e ~/go ]; do sleep 0.1; done").await;
    scene.until_printed(&slow, "up\n").await;
    scene.until_begun(&slow).await;
    scene.until_begun(&other).await;
    local.lie(&format!("s/^status '{slow}'/sleep 1000/"));
    fs::write(local.home().join("go"), "").unwrap();
    let job = scene.until(&other, |job| job.phase != Phase::Running).await;
    assert_eq!(job.phase, Phase::Exited, "{job:?}");
    assert_eq!(scene.jobs.get(&slow).await.unwrap().phase, Phase::Running);
    scene.jobs.cancel(&slow).await.unwrap();
    let exit = local.home().join(".local/state/berth").join(scene.installation());
    let exit = exit.join("jobs").join(&slow).join("exit");
    let latest = Instant::now() + LATEST;
    while !exit.exists() {
        assert!(Instant::now() < latest, "it is not cancelled");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_host_whose_sessions_are_all_in_use_is_not_away() {
    let (mut scene, local) = Scene::local();
    let _berth = scene.berth();
    let id = scene.submit("echo up; exec sleep 1000").await;
    scene.until_printed(&id, "up\n").await;
    scene.until_begun(&id).await;
    local.set_full(true);
    let why = scene.jobs.read(&id, Channel::Output, 0, 9).await.unwrap_err();
    assert!(why.to_string().contains("its turn did not come"), "{why}");
    // By now whoever attends has been told the same.
    assert!(scene.jobs.read(&id, Channel::Output, 0, 9).await.is_err());
    assert_eq!(scene.jobs.get(&id).await.unwrap().phase, Phase::Running);
    local.set_full(false);
    scene.jobs.cancel(&id).await.unwrap();
    assert_eq!(scene.ended(&id).await.phase, Phase::Cancelled);
}

#[tokio::test]
async fn a_job_on_another_machine_by_the_name_of_its_host_is_unreachable_until_that_is_back() {
    let (mut scene, local) = Scene::local();
    let _berth = scene.berth();
    let id = scene.submit("echo up; until [ -e ~/go ]; do sleep 0.1; done").await;
    scene.until_printed(&id, "up\n").await;
    scene.until_begun(&id).await;
    local.lie("s/uname -n/echo other/; s/<\\/proc\\/sys\\/kernel\\/random\\/boot_id/<\\/proc\\/version/");
    let job = scene.until(&id, |job| job.phase == Phase::Unreachable).await;
    assert!(job.reason.unwrap().contains("another machine now than"));
    let filter = Filter {
        phases: vec![Phase::Unreachable],
        limit: 10,
        ..Filter::default()
    };
    assert_eq!(scene.jobs.recent(filter).await.unwrap().len(), 1);
    local.lie("");
    fs::write(local.home().join("go"), "").unwrap();
    assert_eq!(scene.ended(&id).await.phase, Phase::Exited);
}
