//! Queues of jobs: started in their turn, adopted by whoever comes next, and never run twice.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use berth::jobs::{Happened, Jobs, Prepare, Prepared, Reach, Terms};
use berth::machine::job::{Channel, How, Job, Stage, end_what_is_left};
use berth::store::DataDirectory;
use berth::store::jobs::{Filter, JobRecord, NewJob, Origin, Phase, Room};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::berth::PATIENCE;
use crate::jobs::runs;

const TERMS: Terms = Terms {
    depth: 1,
    room: Room {
        runs: 2,
        interactive: 2,
    },
    keep: Duration::from_hours(24),
    size: 1 << 30,
};

/// A data directory with jobs of one backend.
struct Scene {
    place: TempDir,
    jobs: Jobs,
}

/// Somebody who attends to the jobs.
struct Host {
    over: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    told: mpsc::UnboundedReceiver<Happened>,
}

/// Runs what was submitted in a shell.
struct Shell;

impl Prepare for Shell {
    fn prepare<'a>(&'a self, command: String, _entry: &'a Path) -> BoxFuture<'a, Result<Prepared, String>> {
        async move {
            if command == "denied" {
                return Err("it is not granted any more".into());
            }
            Ok(Prepared {
                takes_entry: false,
                argv: vec!["/bin/sh".into(), "-c".into(), command],
                directory: None,
                environment: BTreeMap::from([("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())]),
                deadline: Duration::from_secs(60),
                output: 1 << 20,
            })
        }
        .boxed()
    }
}

impl Scene {
    fn new() -> Self {
        let place = tempfile::Builder::new().prefix("berth-q-").tempdir().unwrap();
        for folder in ["data", "cache"] {
            fs::DirBuilder::new()
                .mode(0o700)
                .create(place.path().join(folder))
                .unwrap();
        }
        let jobs = open(&place);
        Self { place, jobs }
    }

    /// The jobs as another process opens them.
    fn again(&self) -> Jobs {
        open(&self.place)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn directory(&self, id: &str) -> PathBuf {
        self.path("data/jobs/here").join(id)
    }

    fn host(&self) -> Host {
        attend(&self.jobs, TERMS)
    }

    async fn submit(&self, id: &str, queue: &str, script: &str) {
        self.jobs.submit(new(id, queue, script)).await.unwrap();
    }

    async fn ended(&self, id: &str) -> JobRecord {
        self.until(id, |job| !matches!(job.phase, Phase::Queued | Phase::Running))
            .await
    }

    async fn until(&self, id: &str, is_so: impl Fn(&JobRecord) -> bool) -> JobRecord {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let job = self.jobs.get(id).await.unwrap();
            if is_so(&job) {
                return job;
            }
            assert!(Instant::now() < deadline, "it stays so: {job:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn output(&self, id: &str) -> String {
        let read = self.jobs.read(id, Channel::Output, 0, 1 << 20).await.unwrap();
        String::from_utf8(read.bytes).unwrap()
    }

    /// A process of a job, by its word in the file `pid`.
    fn process(&self, id: &str, word: &str) -> Option<Pid> {
        let text = fs::read_to_string(self.directory(id).join("pid")).ok()?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(word)?.strip_prefix(' '))?;
        Pid::from_raw(line.parse().unwrap())
    }
}

impl Host {
    /// It ends at once, whatever it does.
    async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    async fn end(self) {
        self.over.cancel();
        self.task.await.unwrap();
    }
}

fn open(place: &TempDir) -> Jobs {
    let data = DataDirectory::open(&place.path().join("data"), &place.path().join("cache")).unwrap();
    Jobs::open(&data, "here", env!("CARGO_BIN_EXE_berth").into(), nowhere()).unwrap()
}

/// Where nobody listens: no job here asks for an entry.
fn nowhere() -> Reach {
    Reach::Http("http://127.0.0.1:9".into())
}

fn attend(jobs: &Jobs, terms: Terms) -> Host {
    let (tell, told) = mpsc::unbounded_channel();
    let (jobs, over) = (jobs.clone(), CancellationToken::new());
    let ending = over.clone();
    let task = tokio::spawn(async move { jobs.attend(Arc::new(Shell), None, terms, tell, &ending).await });
    Host { over, task, told }
}

fn new(id: &str, queue: &str, script: &str) -> NewJob {
    NewJob {
        origin: Origin::default(),
        is_step: false,
        id: id.to_owned(),
        key: id.to_owned(),
        queue: queue.to_owned(),
        note: String::new(),
        interactive: false,
        watch: false,
        command: script.to_owned(),
        input: Vec::new(),
    }
}

#[tokio::test]
async fn jobs_of_one_queue_run_one_after_the_other_and_those_of_others_beside_them() {
    let scene = Scene::new();
    let log = scene.path("log");
    let script = |name: &str| {
        format!(
            "echo begin {name} >> {0}; sleep 0.2; echo end {name} >> {0}",
            log.display()
        )
    };
    for (id, queue) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a")] {
        scene.submit(id, queue, &script(id)).await;
    }
    let host = scene.host();
    for id in ["a1", "a2", "a3", "b1"] {
        let job = scene.ended(id).await;
        assert_eq!((job.phase, job.status), (Phase::Exited, Some(0)), "{job:?}");
    }
    let log = fs::read_to_string(&log).unwrap();
    let of_a: Vec<&str> = log.lines().filter(|line| line.contains(" a")).collect();
    assert_eq!(of_a, ["begin a1", "end a1", "begin a2", "end a2", "begin a3", "end a3"]);
    host.end().await;
}

#[tokio::test]
async fn a_job_goes_on_without_a_host_and_the_next_one_adopts_it() {
    let scene = Scene::new();
    let host = scene.host();
    let gate = scene.path("gate");
    scene
        .submit(
            "a",
            "q",
            &format!(
                "echo up; while ! [ -e {} ]; do sleep 0.02; done; exit 5",
                gate.display()
            ),
        )
        .await;
    scene.until("a", |job| job.output > 0).await;
    host.kill().await;
    scene.submit("b", "q", "true").await;
    let mut host = attend(&scene.again(), TERMS);
    scene.until("a", |job| job.phase == Phase::Running).await;
    fs::write(&gate, "").unwrap();
    let job = scene.ended("a").await;
    assert_eq!((job.phase, job.status, job.output), (Phase::Exited, Some(5), 3));
    assert_eq!(scene.ended("b").await.phase, Phase::Exited);
    let mut told = Vec::new();
    while told.len() < 4 {
        told.push(
            tokio::time::timeout(PATIENCE, host.told.recv())
                .await
                .unwrap()
                .unwrap()
                .id,
        );
    }
    assert_eq!(told, ["a", "a", "b", "b"]);
    host.end().await;
}

#[tokio::test]
async fn one_that_ended_while_nobody_looked_has_its_end() {
    let scene = Scene::new();
    let host = scene.host();
    let gate = scene.path("gate");
    scene
        .submit(
            "a",
            "q",
            &format!(
                "echo up; while ! [ -e {} ]; do sleep 0.02; done; exit 6",
                gate.display()
            ),
        )
        .await;
    scene.until("a", |job| job.output > 0).await;
    host.end().await;
    fs::write(&gate, "").unwrap();
    let exit = scene.directory("a").join("exit");
    let deadline = Instant::now() + PATIENCE;
    while !exit.exists() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        scene.jobs.get("a").await.unwrap().phase,
        Phase::Running,
        "nobody has looked"
    );
    let host = scene.host();
    assert_eq!(scene.ended("a").await.status, Some(6));
    host.end().await;
}

#[tokio::test]
async fn one_whose_supervisor_was_killed_is_interrupted_and_nothing_of_it_is_left() {
    let scene = Scene::new();
    for is_attended in [true, false] {
        let (id, queue) = if is_attended { ("a", "a") } else { ("b", "b") };
        let mut host = Some(scene.host());
        scene.submit(id, queue, "echo up; sleep 600").await;
        scene.until(id, |job| job.output > 0).await;
        if !is_attended {
            host.take().unwrap().kill().await;
        }
        let group = scene.process(id, "group").unwrap();
        kill_process(scene.process(id, "pid").unwrap(), Signal::KILL).unwrap();
        let host = host.unwrap_or_else(|| scene.host());
        let job = scene.ended(id).await;
        assert_eq!(job.phase, Phase::Interrupted, "{job:?}");
        assert!(job.reason.unwrap().contains("killed"));
        assert!(!runs(group.as_raw_nonzero().get()));
        host.end().await;
    }
}

#[tokio::test]
async fn after_the_system_was_started_again_a_job_is_interrupted_and_no_process_is_touched() {
    let scene = Scene::new();
    let host = scene.host();
    scene.submit("a", "q", "echo up; sleep 600").await;
    scene.until("a", |job| job.output > 0).await;
    host.kill().await;
    let group = scene.process("a", "group").unwrap();
    kill_process(scene.process("a", "pid").unwrap(), Signal::KILL).unwrap();
    let file = scene.directory("a").join("pid");
    let text = fs::read_to_string(&file).unwrap();
    let other = text.lines().map(|line| {
        if line.starts_with("boot ") {
            "boot another"
        } else {
            line
        }
    });
    fs::write(&file, other.collect::<Vec<_>>().join("\n") + "\n").unwrap();
    let host = scene.host();
    let job = scene.ended("a").await;
    assert_eq!(job.phase, Phase::Interrupted);
    assert!(job.reason.unwrap().contains("started again"));
    rustix::process::test_kill_process_group(group).unwrap();
    rustix::process::kill_process_group(group, Signal::KILL).unwrap();
    host.end().await;
}

#[tokio::test]
async fn a_job_is_cancelled_whether_it_waits_or_runs() {
    let scene = Scene::new();
    scene.submit("early", "q", "echo up").await;
    scene.jobs.cancel("early").await.unwrap();
    assert_eq!(scene.jobs.get("early").await.unwrap().phase, Phase::Cancelled);
    let host = scene.host();
    scene.submit("a", "q", "echo up; sleep 600").await;
    scene.submit("b", "q", "echo up").await;
    scene.until("a", |job| job.output > 0).await;
    scene.jobs.cancel("b").await.unwrap();
    assert_eq!(scene.jobs.get("b").await.unwrap().phase, Phase::Cancelled);
    scene.jobs.cancel("a").await.unwrap();
    assert_eq!(scene.ended("a").await.phase, Phase::Cancelled);
    scene.jobs.cancel("a").await.unwrap();
    assert!(scene.jobs.cancel("nothing").await.is_err());
    assert_eq!(scene.output("b").await, "");
    assert!(!scene.directory("b").exists() && !scene.directory("early").exists());
    host.end().await;
}

#[tokio::test]
async fn input_goes_to_a_job_whether_it_waits_or_runs_and_only_where_it_is_expected() {
    let scene = Scene::new();
    let interactive = NewJob {
        interactive: true,
        watch: true,
        input: b"one\n".to_vec(),
        ..new("a", "q", "cat")
    };
    scene.jobs.submit(interactive).await.unwrap();
    assert_eq!(scene.jobs.write("a", b"two\n".to_vec(), Some(4)).await.unwrap(), 8);
    assert!(scene.jobs.write("a", b"two\n".to_vec(), Some(4)).await.is_err());
    let mut host = scene.host();
    scene.until("a", |job| job.output == 8).await;
    assert_eq!(scene.jobs.write("a", b"three\n".to_vec(), Some(8)).await.unwrap(), 14);
    assert!(scene.jobs.write("a", b"three\n".to_vec(), Some(8)).await.is_err());
    scene.until("a", |job| job.output == 14 && job.input == 14).await;
    loop {
        let told = tokio::time::timeout(PATIENCE, host.told.recv()).await.unwrap().unwrap();
        if told.kind == "output" {
            break;
        }
    }
    scene.jobs.close("a").await.unwrap();
    let job = scene.ended("a").await;
    assert_eq!((job.phase, job.input), (Phase::Exited, 14));
    assert_eq!(scene.output("a").await, "one\ntwo\nthree\n");
    assert!(scene.jobs.write("a", b"late".to_vec(), None).await.is_err());
    scene.jobs.close("a").await.unwrap();
    host.end().await;
}

#[tokio::test]
async fn what_is_not_granted_when_its_turn_comes_fails_with_why() {
    let scene = Scene::new();
    let host = scene.host();
    scene.submit("a", "q", "denied").await;
    let job = scene.ended("a").await;
    assert_eq!(
        (job.phase, job.reason.as_deref()),
        (Phase::Failed, Some("it is not granted any more"))
    );
    assert_eq!(scene.output("a").await, "");
    host.end().await;
}

#[tokio::test]
async fn a_directory_that_berth_does_not_know_is_neither_run_nor_removed() {
    let scene = Scene::new();
    let count = scene.path("count");
    let host = scene.host();
    scene.submit("a", "q", "true").await;
    scene.ended("a").await;
    host.end().await;
    let planted = scene.directory("planted");
    fs::DirBuilder::new().mode(0o700).create(&planted).unwrap();
    let spec = fs::read_to_string(scene.directory("a").join("spec")).unwrap();
    let evil = spec.replace("argv true", &format!("argv touch {}", count.display()));
    fs::write(planted.join("spec"), evil.replace("id a", "id planted")).unwrap();
    let host = attend(
        &scene.jobs,
        Terms {
            keep: Duration::ZERO,
            size: 0,
            ..TERMS
        },
    );
    scene.submit("b", "q", "true").await;
    scene.ended("b").await;
    host.end().await;
    assert!(!count.exists());
    assert!(planted.exists());
}

#[tokio::test]
async fn what_is_too_old_or_too_much_is_removed_the_oldest_first() {
    let scene = Scene::new();
    let host = scene.host();
    for id in ["a", "b", "c"] {
        scene.submit(id, id, "head -c 100000 /dev/zero").await;
        scene.ended(id).await;
    }
    host.end().await;
    let listed = || async {
        let listed = scene
            .jobs
            .recent(Filter {
                limit: 10,
                ..Filter::default()
            })
            .await
            .unwrap();
        listed.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(scene.jobs.prune(TERMS).await.unwrap(), 0);
    assert_eq!(scene.jobs.prune(Terms { size: 250_000, ..TERMS }).await.unwrap(), 1);
    assert_eq!(listed().await, ["c", "b"]);
    assert!(!scene.directory("a").exists() && scene.directory("b").exists());
    assert_eq!(
        scene
            .jobs
            .prune(Terms {
                keep: Duration::ZERO,
                ..TERMS
            })
            .await
            .unwrap(),
        2
    );
    assert_eq!(listed().await, [""; 0]);
    assert!(!scene.directory("c").exists());
}

#[tokio::test]
async fn a_job_whose_directory_was_taken_away_is_interrupted_and_ended_by_its_mark() {
    let scene = Scene::new();
    for (number, id) in ["gone", "link", "open"].into_iter().enumerate() {
        let host = scene.host();
        scene.submit(id, id, "echo up; sleep 600").await;
        scene.until(id, |job| job.output > 0).await;
        host.kill().await;
        let group = scene.process(id, "group").unwrap();
        let directory = scene.directory(id);
        let away = scene.path(&format!("away-{number}"));
        match id {
            "open" => fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap(),
            _ => fs::rename(&directory, &away).unwrap(),
        }
        if id == "link" {
            std::os::unix::fs::symlink(&away, &directory).unwrap();
        }
        let host = scene.host();
        let job = scene.ended(id).await;
        assert_eq!(job.phase, Phase::Interrupted, "{job:?}");
        assert!(job.reason.unwrap().contains("directory"));
        assert_eq!(
            runs(group.as_raw_nonzero().get()),
            cfg!(not(target_os = "linux")),
            "{id}"
        );
        host.end().await;
    }
}

/// Copies a directory as it was written by an earlier version, for this user alone.
fn take_over(from: &Path, to: &Path) {
    fs::DirBuilder::new().mode(0o700).create(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let file = to.join(entry.file_name());
        fs::copy(entry.path(), &file).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn a_directory_of_each_format_that_was_released_is_read() {
    let scene = tempfile::tempdir().unwrap();
    let formats = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/jobs");
    let mut count = 0;
    for format in fs::read_dir(formats).unwrap() {
        let to = scene.path().join("ended");
        take_over(&format.unwrap().path(), &to);
        let job = Job::open(&to).unwrap();
        let Stage::Ended(ended) = job.stage().unwrap() else {
            panic!("it has not ended")
        };
        assert_eq!((ended.how, ended.status, ended.signal), (How::Cancelled, Some(3), None));
        assert_eq!(
            (ended.started, ended.finished),
            (Some(1_700_000_000_000), 1_700_000_005_000)
        );
        assert_eq!(ended.reason.as_deref(), Some("two\nlines, and a \\"));
        assert_eq!(job.started(), Some(1_700_000_000_000));
        assert_eq!(job.input().unwrap(), 6);
        let tail = job.output(Channel::Output, 0, 100).unwrap();
        assert_eq!((tail.start, &*tail.bytes), (8192, &b"last line\n"[..]));
        assert_eq!(job.printed(Channel::Errors).unwrap(), 4);
        // As its supervisor left it, if that is killed.
        fs::remove_file(to.join("exit")).unwrap();
        assert_eq!(end_what_is_left(&job, "0198").unwrap().how, How::Interrupted);
        count += 1;
    }
    assert!(count > 0, "there is no format");
}

#[tokio::test]
async fn a_supervisor_whose_binary_was_replaced_goes_on_and_is_adopted_by_the_next_version() {
    let scene = Scene::new();
    let binary = scene.path("berth");
    fs::copy(env!("CARGO_BIN_EXE_berth"), &binary).unwrap();
    let data = DataDirectory::open(&scene.path("data"), &scene.path("cache")).unwrap();
    let gate = scene.path("gate");
    let script = format!(
        "echo up; while ! [ -e {} ]; do sleep 0.02; done; exit 9",
        gate.display()
    );
    scene.submit("a", "q", &script).await;
    let host = attend(&Jobs::open(&data, "here", binary.clone(), nowhere()).unwrap(), TERMS);
    scene.until("a", |job| job.output > 0).await;
    host.kill().await;
    fs::remove_file(&binary).unwrap();
    fs::write(&binary, "another version").unwrap();
    let host = scene.host();
    fs::write(&gate, "").unwrap();
    assert_eq!(scene.ended("a").await.status, Some(9));
    host.end().await;
}

/// Small random numbers that a failure can repeat.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[tokio::test]
async fn of_a_busy_queue_nothing_is_lost_or_run_twice_whenever_hosts_and_supervisors_are_killed() {
    let scene = Scene::new();
    let runs = scene.path("runs");
    fs::create_dir(&runs).unwrap();
    fs::set_permissions(&runs, fs::Permissions::from_mode(0o700)).unwrap();
    let ids: Vec<String> = (0..40).map(|number| format!("j{number}")).collect();
    for (number, id) in ids.iter().enumerate() {
        let script = format!(
            "echo run >> {}; sleep 0.0{}; echo done",
            runs.join(id).display(),
            number % 7
        );
        scene.submit(id, &format!("q{}", number % 5), &script).await;
    }
    let mut dice = Dice(11);
    for _ in 0..20 {
        let host = attend(&scene.again(), TERMS);
        tokio::time::sleep(Duration::from_millis(dice.roll(150))).await;
        if dice.roll(2) == 0 {
            let victim = &ids[usize::try_from(dice.roll(40)).unwrap()];
            if let Some(supervisor) = scene.process(victim, "pid") {
                // It may have ended.
                let _ = kill_process(supervisor, Signal::KILL);
            }
        }
        host.kill().await;
    }
    let host = scene.host();
    for id in &ids {
        let job = scene.ended(id).await;
        let count = fs::read_to_string(runs.join(id)).unwrap_or_default().lines().count();
        match job.phase {
            Phase::Exited => {
                assert_eq!((job.status, count), (Some(0), 1), "{job:?}");
                assert_eq!(scene.output(id).await, "done\n");
            }
            Phase::Interrupted => assert!(count <= 1, "{job:?}"),
            _ => panic!("{job:?}"),
        }
        for word in ["pid", "group"] {
            if let Some(process) = scene.process(id, word) {
                let environment = fs::read(format!("/proc/{}/environ", process.as_raw_nonzero())).unwrap_or_default();
                let is_left = environment
                    .windows(id.len() + 10)
                    .any(|part| part == format!("BERTH_JOB={id}").as_bytes());
                assert!(!is_left, "{id} has left a process");
            }
        }
    }
    host.end().await;
}
