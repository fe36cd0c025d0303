//! Jobs that go from one installation on a host to another one.

use super::*;

/// Two installations with jobs on one host.
fn two() -> (Scene, Scene, Arc<Local>) {
    let local = Arc::new(Local::new());
    let scene = || Scene::new(local.clone(), local.home());
    (scene(), scene(), local.clone())
}

impl Scene {
    /// The jobs of this installation, as a command asks for them.
    fn there(&self) -> There {
        There::new(On {
            label: "mac".into(),
            way: self.way.clone(),
            installation: self.installation(),
            keep: Vec::new(),
            paths: Vec::new(),
        })
    }

    /// What it could take over of `other`.
    async fn foreign(&self, other: &Scene) -> Foreign {
        let (ours, theirs) = (self.there(), self.there().of(&other.installation()));
        let all = AllJobs::unattended(data(&self.place));
        all.foreign(&ours, &theirs, &["there"]).await.unwrap()
    }

    async fn take_over(&self, other: &Scene) -> Took {
        let foreign = self.foreign(other).await;
        let (ours, theirs) = (self.there(), self.there().of(&other.installation()));
        self.jobs.take_over(&ours, &theirs, &foreign).await.unwrap()
    }

    /// Makes sure that it tells that `other` has the job.
    async fn tells_taken(&self, id: &str, other: &Scene) {
        let job = self.ended(id).await;
        assert_eq!(job.phase, Phase::Cancelled, "{job:?}");
        let told = format!("the installation {} has taken it over", other.installation());
        assert!(job.reason.as_ref().unwrap().contains(&told), "{job:?}");
    }
}

const WAITS: &str = "echo x >>~/count; echo before; until [ -e ~/go ]; do sleep 0.1; done; echo end; exit 3";

#[tokio::test]
async fn a_job_that_was_taken_over_while_it_ran_is_followed_to_its_end_and_who_had_it_tells_who_has_it() {
    let (mut first, mut second, local) = two();
    let (mut berth, mut taker) = (first.berth(), second.berth());
    let submitted = NewJob {
        note: "{\"task\":\"x\"}".into(),
        queue: "app".into(),
        ..new(WAITS)
    };
    let id = first.jobs.submit(submitted.clone()).await.unwrap();
    first.until_printed(&id, "before\n").await;
    assert_eq!(second.foreign(&first).await.of("there"), (1, 1));
    let took = second.take_over(&first).await;
    assert_eq!((took.open, took.ended, took.left.len()), (1, 0, 0), "{took:?}");

    first.tells_taken(&id, &second).await;
    berth.tells("job", &id).await;
    let away = first
        .jobs
        .read(&id, Channel::Output, 0, 9)
        .await
        .unwrap_err()
        .to_string();
    assert!(away.contains("has taken it over"), "{away}");

    taker.tells("job", &id).await;
    let job = second.until(&id, |job| job.output == 7).await;
    let told = (&job.key, &job.queue, &job.note, job.watch, job.interactive, &*job.host);
    assert_eq!(
        told,
        (&submitted.key, &submitted.queue, &submitted.note, true, false, "mac")
    );
    fs::write(local.home().join("go"), "").unwrap();
    let job = second.ended(&id).await;
    assert_eq!((job.phase, job.status, job.reason), (Phase::Exited, Some(3), None));
    assert_eq!(second.printed(&id).await, "before\nend\n");
    assert_eq!(
        fs::read_to_string(local.home().join("count")).unwrap(),
        "x\n",
        "it ran once"
    );
    taker.tells("job", &id).await;
    berth.end().await;
    taker.end().await;
}

#[tokio::test]
async fn who_is_away_while_its_jobs_are_taken_finds_that_and_starts_nothing_again() {
    let (mut first, mut second, local) = two();
    let berth = first.berth();
    let ended = first.submit("echo done").await;
    first.ended(&ended).await;
    let runs = first.submit(WAITS).await;
    first.until_printed(&runs, "before\n").await;
    first.until_begun(&runs).await;
    berth.kill().await;
    let took = second.take_over(&first).await;
    assert_eq!((took.open, took.ended), (1, 1), "{took:?}");
    let job = second.jobs.get(&ended).await.unwrap();
    assert_eq!(
        (job.phase, job.status, job.output),
        (Phase::Exited, Some(0), 5),
        "also where nobody attends"
    );

    let berth = first.berth();
    first.tells_taken(&runs, &second).await;
    let job = first.jobs.get(&ended).await.unwrap();
    assert_eq!((job.phase, job.status), (Phase::Exited, Some(0)), "its end was known");
    let away = first
        .jobs
        .read(&ended, Channel::Output, 0, 9)
        .await
        .unwrap_err()
        .to_string();
    assert!(away.contains("has taken it over"), "{away}");

    let taker = second.berth();
    assert_eq!(second.printed(&ended).await, "done\n");
    second.jobs.cancel(&runs).await.unwrap();
    assert_eq!(second.ended(&runs).await.phase, Phase::Cancelled);
    assert_eq!(
        fs::read_to_string(local.home().join("count")).unwrap(),
        "x\n",
        "it ran once"
    );
    assert_eq!(second.jobs.prune_before(u64::MAX >> 1).await.unwrap(), 2);
    assert_eq!(first.jobs.prune_before(u64::MAX >> 1).await.unwrap(), 2);
    let left = |scene: &Scene, folder: &str| {
        let place = local
            .home()
            .join(".local/state/berth")
            .join(scene.installation())
            .join(folder);
        fs::read_dir(place).map_or(0, Iterator::count)
    };
    let all = [
        (&first, "jobs"),
        (&first, "taken"),
        (&second, "jobs"),
        (&second, "taken"),
    ];
    assert_eq!(all.map(|(scene, folder)| left(scene, folder)), [0; 4]);
    berth.end().await;
    taker.end().await;
}

#[tokio::test]
async fn what_was_interrupted_between_the_host_and_the_index_is_completed_when_it_is_repeated() {
    let (mut first, mut second, local) = two();
    let berth = first.berth();
    let id = first.submit(WAITS).await;
    first.until_printed(&id, "before\n").await;
    let theirs = second.there().of(&first.installation());
    let given = theirs
        .give(std::slice::from_ref(&id), &second.installation())
        .await
        .unwrap();
    assert_eq!(given, [(id.clone(), Ok(()))]);
    first.tells_taken(&id, &second).await;
    let taker = second.berth();
    let foreign = second.foreign(&first).await;
    assert!(foreign.jobs.is_empty(), "{foreign:?}");
    assert_eq!(foreign.of("there"), (1, 1));
    assert_eq!(second.take_over(&first).await.open, 1);
    assert_eq!(second.foreign(&first).await.of("there"), (0, 0), "it is known");
    fs::write(local.home().join("go"), "").unwrap();
    let job = second.ended(&id).await;
    assert_eq!((job.phase, job.status), (Phase::Exited, Some(3)));
    assert_eq!(second.foreign(&first).await.of("there"), (0, 0), "it is known");
    berth.end().await;
    taker.end().await;
}

#[tokio::test]
async fn an_answer_that_is_lost_changes_nothing_about_what_is_taken() {
    let (mut first, mut second, local) = two();
    let berth = first.berth();
    let id = first.submit(WAITS).await;
    first.until_printed(&id, "before\n").await;
    berth.kill().await;
    let foreign = second.foreign(&first).await;
    local.cut(100);
    let (ours, theirs) = (second.there(), second.there().of(&first.installation()));
    let took = second.jobs.take_over(&ours, &theirs, &foreign).await.unwrap();
    assert_eq!((took.open, took.left.len()), (1, 0), "{took:?}");
    let taker = second.berth();
    second.jobs.cancel(&id).await.unwrap();
    assert_eq!(second.ended(&id).await.phase, Phase::Cancelled);
    taker.end().await;
}

#[tokio::test]
async fn a_job_whose_supervisor_was_killed_is_taken_over_as_one_that_was_interrupted() {
    let (mut first, second, local) = two();
    let berth = first.berth();
    let id = first.submit(WAITS).await;
    first.until_printed(&id, "before\n").await;
    first.until_begun(&id).await;
    berth.kill().await;
    let folder = local.home().join(".local/state/berth").join(first.installation());
    let pid = fs::read_to_string(folder.join("jobs").join(&id).join("pid")).unwrap();
    let pid = pid.lines().find_map(|line| line.strip_prefix("pid ")).unwrap();
    let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let took = second.take_over(&first).await;
    assert_eq!((took.open, took.ended), (0, 1), "{took:?}");
    assert_eq!(second.jobs.get(&id).await.unwrap().phase, Phase::Interrupted);
}

#[tokio::test]
async fn a_job_whose_queue_is_taken_here_stays_until_that_is_free() {
    let (mut first, mut second, local) = two();
    let (berth, taker) = (first.berth(), second.berth());
    let queued = |script: &str| NewJob {
        queue: "app".into(),
        ..new(script)
    };
    let id = first.jobs.submit(queued(WAITS)).await.unwrap();
    first.until_printed(&id, "before\n").await;
    let own = second
        .jobs
        .submit(queued("until [ -e ~/own ]; do sleep 0.1; done"))
        .await
        .unwrap();
    second.until(&own, |job| job.phase == Phase::Running).await;
    let took = second.take_over(&first).await;
    assert_eq!(took.open, 0);
    assert!(took.left[0].1.contains("another job of its queue"), "{took:?}");
    assert_eq!(
        first.jobs.get(&id).await.unwrap().phase,
        Phase::Running,
        "nothing was done to it"
    );
    fs::write(local.home().join("own"), "").unwrap();
    second.ended(&own).await;
    assert_eq!(second.take_over(&first).await.open, 1);
    fs::write(local.home().join("go"), "").unwrap();
    assert_eq!(second.ended(&id).await.status, Some(3));
    berth.end().await;
    taker.end().await;
}

#[tokio::test]
async fn only_what_says_that_it_is_a_job_of_a_backend_here_is_taken_over() {
    let (mut first, second, local) = two();
    let berth = first.berth();
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(first.submit("exit 0").await);
        first.ended(&ids[ids.len() - 1]).await;
    }
    berth.end().await;
    let jobs = local
        .home()
        .join(".local/state/berth")
        .join(first.installation())
        .join("jobs");
    fs::remove_file(jobs.join(&ids[0]).join("about")).unwrap();
    let about = jobs.join(&ids[1]).join("about");
    let other = fs::read_to_string(&about)
        .unwrap()
        .replace("backend there", "backend ../other");
    fs::write(&about, other).unwrap();
    fs::rename(jobs.join(&ids[2]), jobs.join("not-a-name-of-ours")).unwrap();
    let foreign = second.foreign(&first).await;
    assert_eq!((foreign.of("there"), foreign.untold), ((0, 0), 2));
    assert_eq!(foreign.elsewhere, [("../other".to_owned(), 1)].into());
    let took = second.take_over(&first).await;
    assert_eq!((took.open, took.ended), (0, 0));
    assert!(jobs.join(&ids[1]).exists());
}
