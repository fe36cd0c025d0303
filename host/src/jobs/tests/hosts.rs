//! Jobs of one backend on several hosts.

use super::*;

/// A backend with the hosts `mac` and `linux`, which have two places together.
struct Two {
    scene: Scene,
    mac: Arc<Local>,
    linux: Arc<Local>,
}

const ROOM: Terms = Terms {
    room: Room {
        runs: 2,
        interactive: 1,
    },
    ..TERMS
};

impl Two {
    fn new() -> Self {
        let (scene, mac) = Scene::local();
        let linux = Arc::new(Local::new());
        fs::create_dir_all(linux.home().join("work/deep")).unwrap();
        let mut two = Self { scene, mac, linux };
        two.again(&["mac", "linux"]);
        two
    }

    /// As another process, or a later one, opens them with these hosts.
    fn again(&mut self, hosts: &[&str]) {
        self.scene.jobs = opened(&self.scene.place);
        self.jobs().be_in(self.folders(hosts));
    }

    fn folders(&self, hosts: &[&str]) -> Folders {
        let there = |label: &&str| {
            let way: Arc<dyn Way> = self.host(label).clone();
            there(&self.scene.place, &way, label)
        };
        Folders::on(hosts.iter().map(there))
    }

    fn host(&self, label: &str) -> &Arc<Local> {
        match label {
            "mac" => &self.mac,
            _ => &self.linux,
        }
    }

    fn jobs(&self) -> &Jobs {
        &self.scene.jobs
    }

    fn berth(&mut self) -> Berth {
        self.again(&["mac", "linux"]);
        attend_in(self.jobs())
    }

    async fn submit(&self, host: &str, script: &str) -> String {
        self.jobs().submit(on(host, script)).await.unwrap()
    }

    /// Lets what waits for it on `host` go on.
    fn go(&self, host: &str) {
        fs::write(self.host(host).home().join("go"), "").unwrap();
    }

    async fn phase(&self, id: &str) -> Phase {
        self.jobs().get(id).await.unwrap().phase
    }
}

fn attend_in(jobs: &Jobs) -> Berth {
    attend_with(jobs, Arc::new(Shell { deadline: LATEST }), ROOM)
}

fn on(host: &str, script: &str) -> NewJob {
    NewJob {
        host: host.to_owned(),
        ..new(script)
    }
}

const WAITS: &str = "echo one; until [ -e ~/go ]; do sleep 0.1; done; echo two";

#[tokio::test]
async fn each_job_runs_on_its_host_and_is_read_written_closed_and_cancelled_there() {
    let mut two = Two::new();
    let mut berth = two.berth();
    let talk = NewJob {
        host: "linux".into(),
        ..interactive("cat; pwd", b"first ")
    };
    let (mac, linux) = (
        two.submit("mac", "pwd; sleep 60").await,
        two.jobs().submit(talk).await.unwrap(),
    );
    two.scene
        .until_printed(&mac, &format!("{}/work/deep\n", two.mac.home().display()))
        .await;
    two.scene.until_printed(&linux, "first ").await;
    assert_eq!(two.jobs().write(&linux, b"more ".to_vec(), Some(6)).await.unwrap(), 11);
    two.jobs().close(&linux).await.unwrap();
    let ended = two.scene.ended(&linux).await;
    assert_eq!((ended.phase, &*ended.host), (Phase::Exited, "linux"));
    let printed = format!("first more {}/work/deep\n", two.linux.home().display());
    assert_eq!(two.scene.printed(&linux).await, printed);
    two.jobs().cancel(&mac).await.unwrap();
    let ended = two.scene.ended(&mac).await;
    assert_eq!((ended.phase, &*ended.host), (Phase::Cancelled, "mac"));
    berth.tells("job", &mac).await;
    let directory = |host: &Local, id: &str| {
        let berth = host.home().join(".local/state/berth").join(two.scene.installation());
        berth.join("jobs").join(id)
    };
    assert!(directory(&two.mac, &mac).exists() && directory(&two.linux, &linux).exists());
    assert!(!directory(&two.linux, &mac).exists() && !directory(&two.mac, &linux).exists());
    assert_eq!(two.jobs().prune_before(u64::MAX >> 2).await.unwrap(), 2);
    assert!(!directory(&two.mac, &mac).exists() && !directory(&two.linux, &linux).exists());
}

#[tokio::test]
async fn one_key_with_another_host_is_a_conflict() {
    let two = Two::new();
    let job = on("mac", "true");
    let id = two.jobs().submit(job.clone()).await.unwrap();
    assert_eq!(two.jobs().submit(job.clone()).await.unwrap(), id);
    for host in ["linux", ""] {
        let other = NewJob {
            host: host.into(),
            ..job.clone()
        };
        let why = two.jobs().submit(other).await.unwrap_err();
        assert!(matches!(why, Error::Index(JobError::OtherContent { .. })), "{why}");
    }
}

#[tokio::test]
async fn nothing_is_asked_of_a_host_before_there_is_a_job_for_it() {
    let mut two = Two::new();
    let _berth = two.berth();
    let id = two.submit("linux", "true").await;
    assert_eq!(two.scene.ended(&id).await.phase, Phase::Exited);
    assert_eq!(two.mac.opened(), 0);
}

#[tokio::test]
async fn a_host_that_is_away_holds_up_its_own_jobs_alone_and_takes_no_room() {
    let mut two = Two::new();
    two.mac.set_down(true);
    let _berth = two.berth();
    let queue = |host: &str, queue: &str| NewJob {
        queue: queue.into(),
        ..on(host, "echo x")
    };
    let mut waiting = Vec::new();
    for name in ["a", "b", "c"] {
        waiting.push(two.jobs().submit(queue("mac", name)).await.unwrap());
    }
    let behind = two.jobs().submit(queue("linux", "a")).await.unwrap();
    for _ in 0..3 {
        let id = two.submit("linux", "echo x").await;
        assert_eq!(two.scene.ended(&id).await.phase, Phase::Exited);
    }
    two.scene.until_away("mac").await;
    for id in [&behind].into_iter().chain(&waiting) {
        assert_eq!(two.phase(id).await, Phase::Queued, "the queue of {behind} is held up");
    }
    two.jobs().cancel(&waiting[2]).await.unwrap();
    assert_eq!(two.phase(&waiting[2]).await, Phase::Cancelled);
    two.mac.set_down(false);
    for id in [&behind].into_iter().chain(&waiting[..2]) {
        assert_eq!(two.scene.ended(id).await.phase, Phase::Exited);
    }
}

#[tokio::test]
async fn what_runs_on_a_host_that_is_away_is_unreachable_while_others_take_its_room() {
    let mut two = Two::new();
    let mut berth = two.berth();
    let mut there = Vec::new();
    for _ in 0..2 {
        let id = two.submit("mac", WAITS).await;
        two.scene.until_printed(&id, "one\n").await;
        two.scene.until_begun(&id).await;
        there.push(id);
    }
    let waits = two.submit("linux", "echo x").await;
    two.mac.set_down(true);
    assert_eq!(two.scene.ended(&waits).await.phase, Phase::Exited, "there is room now");
    for id in &there {
        let job = two.scene.until(id, |job| job.phase == Phase::Unreachable).await;
        assert_eq!(job.reason.as_deref(), Some("the host mac is asleep; wake it"));
        let refused = [
            two.jobs().read(id, Channel::Output, 0, 10).await.unwrap_err(),
            two.jobs().cancel(id).await.unwrap_err(),
        ];
        for why in refused {
            assert!(
                matches!(&why, Error::Away { why, .. } if why.contains("wake it")),
                "{why}"
            );
        }
    }
    let runs = two.submit("linux", WAITS).await;
    two.scene.until_printed(&runs, "one\n").await;
    let page = async |phase, limit| {
        let filter = Filter {
            phases: vec![phase],
            limit,
            ..Filter::default()
        };
        let listed = two.jobs().recent(filter).await.unwrap();
        listed.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(page(Phase::Running, 2).await, std::slice::from_ref(&runs));
    assert_eq!(
        page(Phase::Unreachable, 1).await,
        [there[1].clone()],
        "also behind others"
    );
    two.mac.set_down(false);
    for host in ["mac", "linux"] {
        two.go(host);
    }
    for id in there.iter().chain([&runs]) {
        assert_eq!(two.scene.ended(id).await.phase, Phase::Exited);
        assert_eq!(two.scene.printed(id).await, "one\ntwo\n");
    }
    berth.tells_each("job", &[&there[0], &there[1], &runs]).await;
}

#[tokio::test]
async fn room_is_that_of_all_hosts_together() {
    let mut two = Two::new();
    let _berth = two.berth();
    let (mac, linux) = (two.submit("mac", WAITS).await, two.submit("linux", WAITS).await);
    for id in [&mac, &linux] {
        two.scene.until_printed(id, "one\n").await;
    }
    let third = two.submit("linux", "echo x").await;
    let talk = NewJob {
        host: "linux".into(),
        ..interactive("echo talk", b"")
    };
    let talk = two.jobs().submit(talk).await.unwrap();
    assert_eq!(
        two.scene.ended(&talk).await.phase,
        Phase::Exited,
        "it has places of its own"
    );
    assert_eq!(two.phase(&third).await, Phase::Queued);
    two.go("mac");
    assert_eq!(two.scene.ended(&third).await.phase, Phase::Exited);
    two.go("linux");
    two.scene.ended(&linux).await;
}

#[tokio::test]
async fn one_of_a_queue_runs_at_a_time_also_over_hosts() {
    let mut two = Two::new();
    let _berth = two.berth();
    let mut ids = Vec::new();
    for host in ["mac", "linux", "mac"] {
        let job = NewJob {
            queue: "one".into(),
            ..on(host, WAITS)
        };
        ids.push(two.jobs().submit(job).await.unwrap());
    }
    two.scene.until_printed(&ids[0], "one\n").await;
    assert_eq!(two.phase(&ids[1]).await, Phase::Queued);
    two.go("mac");
    two.scene.until_printed(&ids[1], "one\n").await;
    assert_eq!(two.phase(&ids[2]).await, Phase::Queued);
    two.go("linux");
    let mut ended = Vec::new();
    for id in &ids {
        ended.push(two.scene.ended(id).await.finished_at);
    }
    assert!(ended.is_sorted(), "{ended:?}");
}

#[tokio::test]
async fn jobs_on_both_hosts_are_adopted_by_the_next_berth_also_while_one_is_away() {
    let mut two = Two::new();
    let berth = two.berth();
    let (mac, linux) = (two.submit("mac", WAITS).await, two.submit("linux", WAITS).await);
    for id in [&mac, &linux] {
        two.scene.until_printed(id, "one\n").await;
        two.scene.until_begun(id).await;
    }
    berth.kill().await;
    two.mac.set_down(true);
    let mut berth = two.berth();
    two.go("linux");
    assert_eq!(two.scene.ended(&linux).await.phase, Phase::Exited);
    two.scene.until(&mac, |job| job.phase == Phase::Unreachable).await;
    two.go("mac");
    two.mac.set_down(false);
    assert_eq!(two.scene.ended(&mac).await.phase, Phase::Exited);
    berth.tells_each("job", &[&mac, &linux]).await;
    for id in [&mac, &linux] {
        assert_eq!(two.scene.printed(id).await, "one\ntwo\n");
    }
}

#[tokio::test]
async fn what_was_begun_on_a_host_that_is_not_granted_any_more_is_unreachable_and_what_waits_for_it_fails() {
    let mut two = Two::new();
    let berth = two.berth();
    let mut runs = Vec::new();
    for _ in 0..2 {
        let id = two.submit("mac", WAITS).await;
        two.scene.until_printed(&id, "one\n").await;
        two.scene.until_begun(&id).await;
        runs.push(id);
    }
    let waits = two.submit("mac", "echo x").await;
    berth.end().await;
    two.again(&["linux"]);
    let mut berth = attend_in(two.jobs());
    let job = two.scene.ended(&waits).await;
    assert_eq!(job.phase, Phase::Failed);
    assert!(job.reason.unwrap().contains("for the host mac"));
    berth.tells("job", &waits).await;
    assert!(two.scene.printed(&waits).await.is_empty());
    let job = two.jobs().get(&runs[0]).await.unwrap();
    assert_eq!(job.phase, Phase::Unreachable);
    let why = job.reason.unwrap();
    assert!(
        why.contains("on the host mac") && why.contains("former `hosts`"),
        "{why}"
    );
    let other = two.submit("linux", "echo x").await;
    assert_eq!(two.scene.ended(&other).await.phase, Phase::Exited, "they take no room");
    berth.end().await;
    two.go("mac");
    let _berth = two.berth();
    for id in &runs {
        assert_eq!(two.scene.ended(id).await.phase, Phase::Exited);
    }
}

#[tokio::test]
async fn a_job_that_names_no_host_begins_on_none_of_several() {
    let mut two = Two::new();
    let _berth = two.berth();
    let id = two.submit("", "echo x").await;
    let job = two.scene.ended(&id).await;
    assert_eq!(job.phase, Phase::Failed);
    assert!(job.reason.unwrap().contains("names no host"));
}

#[tokio::test]
async fn other_hosts_count_for_the_next_one_who_attends() {
    let mut two = Two::new();
    let berth = two.berth();
    let id = two.submit("mac", WAITS).await;
    two.scene.until_printed(&id, "one\n").await;
    // As a reload does, which may fail.
    two.jobs().be_in(two.folders(&["linux"]));
    let other = two.submit("mac", "echo x").await;
    assert_eq!(two.scene.ended(&other).await.phase, Phase::Exited);
    two.go("mac");
    assert_eq!(two.scene.ended(&id).await.phase, Phase::Exited);
    berth.end().await;
    let _next = attend_in(two.jobs());
    let waits = two.submit("mac", "echo x").await;
    assert_eq!(
        two.scene.ended(&waits).await.phase,
        Phase::Failed,
        "mac is none of them"
    );
}

#[tokio::test]
async fn what_is_old_is_removed_where_it_can_be_and_later_elsewhere() {
    let mut two = Two::new();
    let _berth = two.berth();
    let (mac, linux) = (two.submit("mac", "echo x").await, two.submit("linux", "echo x").await);
    for id in [&mac, &linux] {
        two.scene.ended(id).await;
    }
    two.mac.set_down(true);
    assert_eq!(two.jobs().prune_before(u64::MAX >> 2).await.unwrap(), 1);
    assert!(two.jobs().get(&linux).await.is_err() && two.jobs().get(&mac).await.is_ok());
    two.mac.set_down(false);
    let latest = Instant::now() + LATEST;
    while two.jobs().prune_before(u64::MAX >> 2).await.unwrap() == 0 {
        assert!(Instant::now() < latest, "it is never removed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
