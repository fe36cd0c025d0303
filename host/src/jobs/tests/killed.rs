//! A berth that is killed while jobs run, and links that are cut, at any moment.

use std::collections::HashSet;

use super::*;

/// What differs from one run of these tests to the next only in time is not chance.
fn below(limit: u64) -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes) % limit
}

#[tokio::test]
async fn a_job_that_runs_while_berth_is_killed_is_adopted_and_ends_once() {
    let (mut scene, local) = Scene::local();
    let mut berth = scene.berth();
    let job = interactive(
        "echo x >>~/count; cat; until [ -e ~/go ]; do sleep 0.1; done; echo end",
        b"before ",
    );
    let id = scene.jobs.submit(job).await.unwrap();
    scene.until_printed(&id, "before ").await;
    berth.tells("job", &id).await;
    berth.kill().await;
    fs::write(local.home().join("go"), "").unwrap();
    let mut berth = scene.berth();
    berth.tells("job", &id).await;
    assert_eq!(scene.jobs.write(&id, b"after ".to_vec(), Some(7)).await.unwrap(), 13);
    scene.jobs.close(&id).await.unwrap();
    let job = scene.ended(&id).await;
    berth.tells("job", &id).await;
    assert_eq!((job.phase, job.status, job.input), (Phase::Exited, Some(0), 13));
    assert_eq!(scene.printed(&id).await, "before after end\n");
    assert_eq!(fs::read_to_string(local.home().join("count")).unwrap(), "x\n");
}

#[tokio::test]
async fn thirty_jobs_that_run_are_adopted_in_a_few_round_trips() {
    let (mut scene, local) = Scene::local();
    let berth = scene.berth();
    let mut ids = Vec::new();
    for _ in 0..30 {
        ids.push(scene.submit("until [ -e ~/go ]; do sleep 1; done; echo end").await);
    }
    for id in &ids {
        scene.until_begun(id).await;
    }
    berth.kill().await;
    let before = local.opened();
    let mut berth = scene.berth();
    let mut waiting: HashSet<&str> = ids.iter().map(String::as_str).collect();
    while !waiting.is_empty() {
        let told = tokio::time::timeout(LATEST, berth.told.recv()).await;
        waiting.remove(&*told.expect("all are adopted").expect("it attends").id);
    }
    // Each question is about all of them, and a few are asked while they are taken in.
    let round_trips = local.opened() - before;
    assert!(round_trips < 10, "{round_trips} round trips");
    fs::write(local.home().join("go"), "").unwrap();
    for id in &ids {
        assert_eq!(scene.ended(id).await.phase, Phase::Exited);
        assert_eq!(scene.printed(id).await, "end\n");
    }
}

#[tokio::test]
async fn a_job_never_runs_twice_whenever_berth_is_killed_and_answers_are_cut() {
    for round in 0..30 {
        let (mut scene, local) = Scene::local();
        let mut job = interactive("echo x >>~/count; cat", b"1");
        job.interactive = round % 2 == 0;
        let kept = job.clone();
        let id = scene.jobs.submit(job).await.unwrap();
        let mut input = "1".to_owned();
        for more in 2..5 {
            local.cut(below(600));
            local.cut(below(600));
            let berth = scene.berth();
            assert_eq!(scene.jobs.submit(kept.clone()).await.unwrap(), id);
            tokio::time::sleep(Duration::from_millis(below(120))).await;
            if round % 2 == 0 {
                let more = more.to_string();
                let mut is_known = false;
                let mut tries = 0;
                while !is_known {
                    let written = scene
                        .jobs
                        .write(&id, more.clone().into_bytes(), Some(input.len() as u64));
                    is_known = match written.await {
                        Ok(_) => true,
                        // The first time it was added, and nobody could tell.
                        Err(Error::Index(JobError::Offset { found, .. })) if tries > 0 => {
                            assert_eq!(found, (input.len() + more.len()) as u64);
                            true
                        }
                        Err(Error::Away { .. }) => false,
                        other => panic!("{other:?}"),
                    };
                    tries += 1;
                }
                input.push_str(&more);
            }
            berth.kill().await;
        }
        let _berth = scene.berth();
        if round % 2 == 0 {
            scene
                .until(&id, |job| {
                    job.phase == Phase::Running && job.input >= input.len() as u64
                })
                .await;
            scene.jobs.close(&id).await.unwrap();
        }
        let job = scene.ended(&id).await;
        assert_eq!((job.phase, job.status), (Phase::Exited, Some(0)), "{job:?}");
        assert_eq!(fs::read_to_string(local.home().join("count")).unwrap(), "x\n");
        assert_eq!(scene.printed(&id).await, input);
    }
}
