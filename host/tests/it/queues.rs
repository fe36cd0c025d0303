//! Queues of jobs: started in their turn, adopted by whoever comes next, and never run twice.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use berth::jobs::{Jobs, Terms};
use berth::machine::job::{Channel, How, Job, Stage, end_what_is_left};
use berth::store::DataDirectory;
use berth::store::jobs::{Filter, NewJob, Phase};
use rustix::io::Errno;
use rustix::process::{Signal, kill_process};

use crate::attended::{Scene, Shell, TERMS, attend, attend_with, new, nowhere};
use crate::berth::PATIENCE;
use crate::jobs::runs;

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
        let (id, queue) = if is_attended {
            ("attended", "a")
        } else {
            ("left-alone", "b")
        };
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

async fn listed(scene: &Scene) -> Vec<String> {
    let all = Filter {
        limit: 10,
        ..Filter::default()
    };
    let listed = scene.jobs.recent(all).await.unwrap();
    listed.into_iter().map(|job| job.id).collect()
}

#[tokio::test]
async fn a_job_that_takes_most_of_the_room_or_says_that_it_does_pushes_out_no_other() {
    let scene = Scene::new();
    let host = scene.host();
    scene.submit("a", "a", "head -c 100000 /dev/zero").await;
    scene.ended("a").await;
    let hole = format!("truncate -s 1T {}", scene.directory("hole").join("x").display());
    scene.submit("hole", "hole", &hole).await;
    assert_eq!(scene.ended("hole").await.status, Some(0));
    assert_eq!(scene.jobs.prune(TERMS).await.unwrap(), 0, "a hole takes no room");
    let large = format!(
        "head -c 3000000 /dev/zero > {}",
        scene.directory("large").join("x").display()
    );
    scene.submit("large", "large", &large).await;
    assert_eq!(scene.ended("large").await.status, Some(0));
    host.end().await;
    let terms = Terms {
        size: 3_000_000,
        ..TERMS
    };
    assert_eq!(scene.jobs.prune(terms).await.unwrap(), 1);
    assert_eq!(listed(&scene).await, ["hole", "a"]);
}

#[tokio::test]
async fn a_job_that_puts_links_in_place_of_its_files_ends_all_the_same_and_its_queue_goes_on() {
    let scene = Scene::new();
    for file in ["news", "exit.draft"] {
        let host = scene.host();
        let link = scene.directory(file).join(file);
        let script = format!("ln -sfn /nowhere {}; echo up; sleep 600", link.display());
        scene.submit(file, "q", &script).await;
        scene.until(file, |job| job.output > 0).await;
        host.kill().await;
        let killed = kill_process(scene.process(file, "pid").unwrap(), Signal::KILL);
        // A host that comes late to the news finds the link, and ends it itself.
        assert!(matches!(killed, Ok(()) | Err(Errno::SRCH)), "{killed:?}");
        let host = scene.host();
        assert_eq!(scene.ended(file).await.phase, Phase::Interrupted, "{file}");
        scene.submit(&format!("after-{file}"), "q", "true").await;
        assert_eq!(scene.ended(&format!("after-{file}")).await.phase, Phase::Exited);
        host.end().await;
    }
}

#[tokio::test]
async fn a_job_whose_directory_is_taken_away_while_it_is_followed_is_interrupted_at_once_if_it_is_cancelled() {
    let scene = Scene::new();
    let host = scene.host();
    for id in ["left", "cancelled"] {
        scene.submit(id, id, "echo up; sleep 600").await;
        scene.until(id, |job| job.output > 0).await;
        let group = scene.process(id, "group").unwrap();
        let away = scene.path(&format!("away-{id}"));
        fs::rename(scene.directory(id), &away).unwrap();
        std::os::unix::fs::symlink(&away, scene.directory(id)).unwrap();
        if id == "cancelled" {
            scene.jobs.cancel(id).await.unwrap();
            assert_eq!(scene.jobs.get(id).await.unwrap().phase, Phase::Interrupted);
        }
        assert_eq!(scene.ended(id).await.phase, Phase::Interrupted);
        assert_eq!(
            runs(group.as_raw_nonzero().get()),
            cfg!(not(target_os = "linux")),
            "{id}"
        );
    }
    host.end().await;
}

#[tokio::test]
async fn input_that_a_job_locks_is_told_as_in_use_and_keeps_no_other_waiting() {
    let scene = Scene::new();
    let interactive = NewJob {
        interactive: true,
        ..new("a", "q", "echo up; sleep 600")
    };
    scene.jobs.submit(interactive).await.unwrap();
    let host = scene.host();
    scene.until("a", |job| job.output > 0).await;
    let input = fs::File::open(scene.directory("a").join("in")).unwrap();
    rustix::fs::flock(&input, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let write = tokio::time::timeout(PATIENCE, scene.jobs.write("a", b"x".to_vec(), None));
    let others = async {
        scene.submit("b", "b", "true").await;
        assert_eq!(scene.ended("b").await.phase, Phase::Exited);
    };
    let (written, ()) = tokio::join!(write, others);
    let error = written.expect("it waits for the lock").unwrap_err().to_string();
    assert!(error.contains("in use"), "{error}");
    drop(input);
    assert_eq!(scene.jobs.write("a", b"x".to_vec(), Some(0)).await.unwrap(), 1);
    scene.jobs.cancel("a").await.unwrap();
    scene.ended("a").await;
    host.end().await;
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

/// Milliseconds that the clock of the next test shows.
static CLOCK: AtomicU64 = AtomicU64::new(2_000_000_000_000);

fn clock() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(CLOCK.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_clock_that_is_set_back_changes_no_order_ends_nothing_early_and_no_job_ends_before_it_began() {
    let scene = Scene::new();
    let jobs = scene.by(clock);
    let gate = scene.path("gate");
    let waits = format!("echo up; while ! [ -e {} ]; do sleep 0.02; done", gate.display());
    for (id, script) in [("a", &*waits), ("b", "true")] {
        jobs.submit(new(id, "q", script)).await.unwrap();
    }
    let host = attend(&jobs, TERMS);
    scene.until("a", |job| job.output > 0).await;
    // Years back: what began is in the time to come.
    CLOCK.store(1_000_000_000_000, Ordering::Relaxed);
    jobs.submit(new("c", "q", "true")).await.unwrap();
    assert_eq!(jobs.prune(TERMS).await.unwrap(), 0);
    assert_eq!(
        scene.jobs.get("a").await.unwrap().phase,
        Phase::Running,
        "its time is not over"
    );
    fs::write(&gate, "").unwrap();
    let mut order = Vec::new();
    for id in ["a", "b", "c"] {
        let job = scene.ended(id).await;
        assert_eq!((job.phase, job.status), (Phase::Exited, Some(0)), "{job:?}");
        let (started, finished) = (job.started_at.unwrap(), job.finished_at.unwrap());
        assert!(job.queued_at <= started && started <= finished, "{job:?}");
        order.push(
            fs::metadata(scene.directory(id).join("claim"))
                .unwrap()
                .modified()
                .unwrap(),
        );
    }
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(jobs.prune(TERMS).await.unwrap(), 0, "none is old");
    CLOCK.store(2_000_200_000_000, Ordering::Relaxed);
    assert_eq!(jobs.prune(TERMS).await.unwrap(), 3, "all are older than a day");
    host.end().await;
}

/// A binary that is killed when it is started first, and then is berth's.
fn killed_at_first(scene: &Scene) -> PathBuf {
    let (binary, tried) = (scene.path("berth"), scene.path("tried"));
    let script = format!(
        "#!/bin/sh\n[ -e {0} ] || {{ : > {0}; kill -9 $$; }}\nexec {1} \"$@\"\n",
        tried.display(),
        env!("CARGO_BIN_EXE_berth")
    );
    fs::write(&binary, script).unwrap();
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o700)).unwrap();
    binary
}

#[tokio::test]
async fn a_supervisor_that_is_killed_before_it_took_its_job_loses_nothing() {
    let scene = Scene::new();
    let data = DataDirectory::open(&scene.path("data"), &scene.path("cache")).unwrap();
    let jobs = Jobs::open(&data, "here", killed_at_first(&scene), nowhere()).unwrap();
    scene.submit("a", "q", "echo up").await;
    let host = attend(&jobs, TERMS);
    let job = scene.ended("a").await;
    assert_eq!((job.phase, job.status), (Phase::Exited, Some(0)), "{job:?}");
    assert!(scene.path("tried").exists());
    host.end().await;
}

#[tokio::test]
async fn a_job_that_nobody_took_starts_with_what_is_granted_then_and_all_of_its_input() {
    let scene = Scene::new();
    let data = DataDirectory::open(&scene.path("data"), &scene.path("cache")).unwrap();
    let jobs = Jobs::open(&data, "here", killed_at_first(&scene), nowhere()).unwrap();
    let interactive = NewJob {
        interactive: true,
        input: b"one\n".to_vec(),
        ..new("a", "q", "echo ${MORE:+more}; cat")
    };
    scene.jobs.submit(interactive).await.unwrap();
    let host = attend(&jobs, TERMS);
    let deadline = Instant::now() + PATIENCE;
    while !scene.path("tried").exists() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    host.kill().await;
    assert_eq!(scene.jobs.write("a", b"two\n".to_vec(), Some(4)).await.unwrap(), 8);
    let shell = Shell {
        output: 1 << 20,
        variables: &["MORE"],
    };
    let host = attend_with(shell, &scene.jobs, TERMS);
    scene.until("a", |job| job.output == 13).await;
    scene.jobs.close("a").await.unwrap();
    assert_eq!(scene.ended("a").await.phase, Phase::Exited);
    assert_eq!(scene.output("a").await, "more\none\ntwo\n");
    host.end().await;
}

#[tokio::test]
async fn a_job_that_says_itself_when_it_ended_is_not_kept_longer_for_that() {
    let scene = Scene::new();
    let exit = scene.directory("a").join("exit");
    let lie = "format 1\\nhow exited\\nstatus 0\\nfinished 9007199254740991\\n";
    let script = format!("printf '{lie}' > {}", exit.display());
    scene.submit("a", "q", &script).await;
    let host = scene.host();
    let job = scene.ended("a").await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    assert!(u128::from(job.finished_at.unwrap()) <= now, "{job:?}");
    host.end().await;
}
