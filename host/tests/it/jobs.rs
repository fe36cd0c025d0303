//! Jobs: the real supervisor, and real programs that do what they can to escape it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use berth::machine::job::{Appended, Begun, Channel, Ended, How, Job, Scope, Spec, Stage, Start, end_what_is_left};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::berth::PATIENCE;

/// A place for jobs. What is left of one is ended by its id, wherever it runs: those have ids of their own.
struct Jobs {
    folder: TempDir,
}

impl Jobs {
    fn new() -> Self {
        Self {
            folder: tempfile::Builder::new().prefix("berth-jobs-").tempdir().unwrap(),
        }
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(id)
    }

    /// A job that runs `script` in a shell, as it is made.
    fn make(&self, id: &str, script: &str) -> (Job, Spec) {
        self.make_with(spec(id, script), b"", true)
    }

    fn make_with(&self, spec: Spec, input: &[u8], whole: bool) -> (Job, Spec) {
        (Job::make(&self.path(&spec.id), &spec, input, whole).unwrap(), spec)
    }

    /// The same, running.
    async fn run(&self, id: &str, script: &str) -> Job {
        let (job, spec) = self.make(id, script);
        start(&job, &spec).await;
        job
    }

    /// A job that has run to its end.
    async fn ran(&self, spec: Spec) -> (Job, Ended) {
        let (job, spec) = self.make_with(spec, b"", true);
        start(&job, &spec).await;
        let ended = end_of(&job).await;
        (job, ended)
    }
}

fn berth() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_berth"))
}

fn spec(id: &str, script: &str) -> Spec {
    Spec {
        id: id.to_owned(),
        argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        directory: None,
        variables: vec!["PATH".to_owned(), "BERTH_JOB".to_owned()],
        deadline: Duration::from_secs(60),
        output: 1 << 20,
    }
}

async fn start(job: &Job, spec: &Spec) {
    assert_eq!(start_in(job, spec, None).await, Begun::Claimed);
}

async fn start_in(job: &Job, spec: &Spec, scope: Option<&Scope>) -> Begun {
    let values = ["/usr/local/bin:/usr/bin:/bin".to_owned(), spec.id.clone()];
    let start = Start {
        scope,
        ..starting(job, spec, &values)
    };
    start.begin().await.unwrap()
}

fn starting<'a>(job: &'a Job, spec: &'a Spec, values: &'a [String]) -> Start<'a> {
    Start {
        berth: berth(),
        scope: None,
        job,
        spec,
        directory: None,
        backend: "here",
        values,
    }
}

/// Waits for a condition.
async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn end_of(job: &Job) -> Ended {
    until("the end", || match job.stage().unwrap() {
        Stage::Ended(ended) => Some(ended),
        _ => None,
    })
    .await
}

fn printed(job: &Job, channel: Channel) -> String {
    String::from_utf8(job.output(channel, 0, 1 << 20).unwrap().bytes).unwrap()
}

async fn until_printed(job: &Job, wanted: &str) -> String {
    until(wanted, || {
        Some(printed(job, Channel::Output)).filter(|printed| printed.contains(wanted))
    })
    .await
}

/// What a small file of a job says.
fn facts(job: &Job, name: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(job.path().join(name)).unwrap();
    let facts = text.lines().map(|line| line.split_once(' ').unwrap());
    facts.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn pid(job: &Job, key: &str) -> i32 {
    facts(job, "pid")[key].parse().unwrap()
}

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// Whether a process runs, and not only waits for somebody to take note of its end.
pub(crate) fn runs(pid: i32) -> bool {
    let state = std::process::Command::new("ps")
        .args(["-o", "stat=", "-p", &pid.to_string()])
        .output()
        .unwrap();
    let state = String::from_utf8(state.stdout).unwrap();
    !state.trim().is_empty() && !state.trim().starts_with('Z')
}

async fn until_gone(pid: i32) {
    until("the end of a process", || (!runs(pid)).then_some(())).await;
}

#[tokio::test]
async fn a_job_prints_to_two_files_and_says_how_it_ended() {
    let jobs = Jobs::new();
    let (job, ended) = jobs.ran(spec("a", "echo out; echo err >&2; exit 7")).await;
    assert_eq!((ended.how, ended.status, ended.signal), (How::Exited, Some(7), None));
    assert_eq!(printed(&job, Channel::Output), "out\n");
    assert_eq!(printed(&job, Channel::Errors), "err\n");
    let (_, ended) = jobs.ran(spec("b", "kill -9 $$")).await;
    assert_eq!((ended.how, ended.status, ended.signal), (How::Exited, None, Some(9)));
    assert!(ended.started.unwrap() <= ended.finished);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_a_failure_that_names_it() {
    let jobs = Jobs::new();
    let nothing = Spec {
        argv: vec!["/no/such/program".into()],
        ..spec("a", "")
    };
    let (_, ended) = jobs.ran(nothing).await;
    assert_eq!(ended.how, How::Failed);
    assert!(ended.reason.unwrap().contains("/no/such/program"));
}

#[tokio::test]
async fn it_starts_where_it_is_told_to_with_the_variables_that_it_is_given_and_no_value_is_in_a_file() {
    let jobs = Jobs::new();
    let elsewhere = TempDir::new().unwrap();
    let spec = Spec {
        variables: vec!["SECRET".into(), "EMPTY".into()],
        ..spec("a", "pwd; /usr/bin/env | /usr/bin/sort")
    };
    let (job, spec) = jobs.make_with(spec, b"", true);
    let directory = fs::File::open(elsewhere.path()).unwrap().into();
    let values = ["line one\nline two=".to_owned(), String::new()];
    let start = Start {
        directory: Some(directory),
        ..starting(&job, &spec, &values)
    };
    assert_eq!(start.begin().await.unwrap(), Begun::Claimed);
    end_of(&job).await;
    let printed = printed(&job, Channel::Output);
    let there = elsewhere.path().canonicalize().unwrap();
    assert!(printed.starts_with(there.to_str().unwrap()), "{printed}");
    assert!(
        printed.contains("SECRET=line one\nline two=") || printed.contains("SECRET=line one\n"),
        "{printed}"
    );
    assert!(printed.contains("\nEMPTY=\n"), "{printed}");
    assert!(!printed.contains("HOME="), "{printed}");
    for entry in fs::read_dir(job.path()).unwrap() {
        let entry = entry.unwrap();
        let is_file = entry.file_type().unwrap().is_file();
        if is_file && !entry.file_name().to_str().unwrap().starts_with("out.") {
            assert!(
                !fs::read_to_string(entry.path()).unwrap().contains("line one"),
                "{entry:?}"
            );
        }
    }
}

#[tokio::test]
async fn its_files_belong_to_this_user_alone_and_another_directory_is_refused() {
    let jobs = Jobs::new();
    let (job, _) = jobs.ran(spec("a", "echo")).await;
    for path in fs::read_dir(job.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .chain([job.path().to_owned()])
    {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
    symlink(jobs.path("a"), jobs.path("link")).unwrap();
    assert!(Job::open(&jobs.path("link")).is_err());
    fs::set_permissions(jobs.path("a"), fs::Permissions::from_mode(0o750)).unwrap();
    assert!(Job::open(&jobs.path("a")).is_err());
}

#[tokio::test]
async fn a_job_that_was_claimed_never_starts_again() {
    let jobs = Jobs::new();
    let count = jobs.path("count");
    let (job, spec) = jobs.make("a", &format!("echo run >> {}; cat", count.display()));
    let (first, second) = tokio::join!(start_in(&job, &spec, None), start_in(&job, &spec, None));
    assert_eq!((first, second), (Begun::Claimed, Begun::Claimed));
    end_of(&job).await;
    assert_eq!(start_in(&job, &spec, None).await, Begun::Claimed);
    assert_eq!(fs::read_to_string(&count).unwrap(), "run\n");
    assert!(Job::make(&jobs.path("a"), &spec, b"", true).is_err(), "it is made once");
}

#[tokio::test]
async fn one_whose_variables_did_not_arrive_whole_is_not_taken() {
    let jobs = Jobs::new();
    let (job, spec) = jobs.make("a", "true");
    let begun = starting(&job, &spec, &["only one".into()]).begin().await;
    assert!(matches!(begun.unwrap(), Begun::Refused(_)));
    assert_eq!(job.stage().unwrap(), Stage::Unclaimed);
    start(&job, &spec).await;
}

#[tokio::test]
async fn input_is_appended_once_where_it_is_expected_and_reaches_the_program_whole() {
    let jobs = Jobs::new();
    let (job, spec) = jobs.make_with(spec("a", "cat"), b"first\n", false);
    assert_eq!(job.append(b"second\n", Some(6)).unwrap(), Appended::Now(13));
    start(&job, &spec).await;
    until_printed(&job, "first\nsecond\n").await;
    assert_eq!(job.append(b"again", Some(6)).unwrap(), Appended::Conflict(13));
    let long = vec![b'x'; 3 << 20];
    let then = 13 + long.len() as u64;
    assert_eq!(job.append(&long, Some(13)).unwrap(), Appended::Now(then));
    // What somebody who was killed began to write does not count.
    let mut file = fs::OpenOptions::new().append(true).open(job.path().join("in")).unwrap();
    std::io::Write::write_all(&mut file, b"half").unwrap();
    assert_eq!(job.append(b"end", None).unwrap(), Appended::Now(then + 3));
    job.close().unwrap();
    assert_eq!(job.append(b"late", None).unwrap(), Appended::Ended);
    assert_eq!(end_of(&job).await.status, Some(0));
    assert_eq!(job.input().unwrap(), then + 3);
    assert_eq!(job.printed(Channel::Output).unwrap(), then + 3);
    let tail = job.output(Channel::Output, then - 2, 100).unwrap();
    assert_eq!((tail.start, &*tail.bytes), (then - 2, &b"xxend"[..]));
}

#[tokio::test]
async fn of_a_program_that_prints_without_end_the_last_is_kept_and_offsets_stay() {
    let jobs = Jobs::new();
    let (job, ended) = jobs
        .ran(Spec {
            output: 4 << 20,
            ..spec("a", "head -c 2000000000 /dev/zero; printf end; printf e >&2")
        })
        .await;
    assert_eq!((ended.how, ended.status), (How::Exited, Some(0)));
    assert_eq!(job.printed(Channel::Output).unwrap(), 2_000_000_003);
    let kept: u64 = fs::read_dir(job.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name().to_str().unwrap().starts_with("out."))
        .map(|entry| entry.metadata().unwrap().len())
        .sum();
    assert!(kept <= (4 << 20) + (512 << 10) + (32 << 10), "{kept}");
    let tail = job.output(Channel::Output, 2_000_000_000, 10).unwrap();
    assert_eq!((tail.start, &*tail.bytes), (2_000_000_000, &b"end"[..]));
    let first = job.output(Channel::Output, 0, 10).unwrap();
    assert!(first.start > 1_995_000_000, "{}", first.start);
    assert_eq!(job.output(Channel::Output, 2_100_000_000, 10).unwrap().bytes, b"");
}

#[tokio::test]
async fn a_job_whose_output_cannot_be_kept_fails_with_that_reason_and_is_ended() {
    let jobs = Jobs::new();
    for (id, name, script) in [
        ("a", "out.0", "echo out; sleep 600"),
        ("b", "err.0", "echo err >&2; sleep 600"),
    ] {
        let (job, spec) = jobs.make(id, script);
        fs::write(job.path().join(name), "in the way").unwrap();
        start(&job, &spec).await;
        let ended = end_of(&job).await;
        assert_eq!((ended.how, ended.signal), (How::Failed, Some(15)), "{ended:?}");
        assert!(ended.reason.unwrap().contains("could not be kept"));
    }
}

#[tokio::test]
async fn what_forks_and_detaches_ends_with_its_job() {
    let jobs = Jobs::new();
    let pids = jobs.path("pids");
    let script = format!(
        "setsid sh -c 'echo $$ >> {0}; exec sleep 600' & (setsid sh -c 'trap \"\" TERM HUP; echo $$ >> {0}; sleep 600' &) & \
         (env -i setsid /bin/sh -c 'echo $$ >> {0}; exec /bin/sleep 600' &); \
         while [ $(wc -l < {0} || echo 0) -lt 3 ]; do sleep 0.05; done; echo done",
        pids.display()
    );
    let (job, ended) = jobs.ran(spec("a", &script)).await;
    assert_eq!((ended.how, ended.status), (How::Exited, Some(0)));
    assert_eq!(printed(&job, Channel::Output), "done\n");
    for pid in fs::read_to_string(&pids).unwrap().lines() {
        assert!(!runs(pid.parse().unwrap()), "{pid} runs");
    }
}

#[tokio::test]
async fn a_job_that_is_cancelled_ends_with_its_group_and_what_does_not_end_is_killed() {
    let jobs = Jobs::new();
    let polite = jobs
        .run(
            "a",
            "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done",
        )
        .await;
    until_printed(&polite, "up").await;
    polite.cancel().unwrap();
    let ended = end_of(&polite).await;
    assert_eq!((ended.how, ended.status), (How::Cancelled, Some(3)));
    assert_eq!(printed(&polite, Channel::Output), "up\nbye\n");
    let stubborn = jobs
        .run("b", "trap '' TERM; (sleep 600) & echo up; while :; do sleep 0.05; done")
        .await;
    until_printed(&stubborn, "up").await;
    stubborn.cancel().unwrap();
    let ended = end_of(&stubborn).await;
    assert_eq!((ended.how, ended.signal), (How::Cancelled, Some(9)));
    let (early, spec) = jobs.make("c", "echo up");
    early.cancel().unwrap();
    start(&early, &spec).await;
    assert_eq!(end_of(&early).await.how, How::Cancelled);
    assert_eq!(printed(&early, Channel::Output), "");
}

#[tokio::test]
async fn a_job_whose_time_is_over_is_ended() {
    let jobs = Jobs::new();
    let (_, ended) = jobs
        .ran(Spec {
            deadline: Duration::from_millis(200),
            ..spec("a", "sleep 600")
        })
        .await;
    assert_eq!((ended.how, ended.signal), (How::TimedOut, Some(15)));
}

#[tokio::test]
async fn a_supervisor_that_is_told_to_end_ends_its_job_and_says_so() {
    let jobs = Jobs::new();
    let job = jobs.run("a", "echo up; sleep 600").await;
    until_printed(&job, "up").await;
    signal(pid(&job, "pid"), Signal::TERM);
    let ended = end_of(&job).await;
    assert_eq!(ended.how, How::Interrupted);
    until_gone(pid(&job, "pid")).await;
    assert!(!runs(pid(&job, "group")));
}

#[tokio::test]
async fn of_a_job_whose_supervisor_was_killed_all_that_is_left_is_ended_and_nothing_else() {
    let jobs = Jobs::new();
    let pids = jobs.path("pids");
    let script = format!(
        "setsid sh -c 'echo $$ >> {0}; sleep 600' & env -i /bin/sh -c 'echo $$ >> {0}; sleep 600' & echo up; sleep 600",
        pids.display()
    );
    let job = jobs.run("orphan", &script).await;
    let other = jobs.run("b", "echo up; cat; sleep 600").await;
    until_printed(&job, "up").await;
    until_printed(&other, "up").await;
    until("both", || {
        Some(fs::read_to_string(&pids).ok()?.lines().count() == 2).filter(|both| *both)
    })
    .await;
    let (supervisor, group) = (pid(&job, "pid"), pid(&job, "group"));
    signal(supervisor, Signal::KILL);
    until_gone(supervisor).await;
    assert!(runs(group));
    assert_eq!(job.stage().unwrap(), Stage::Claimed);
    let (opened, id) = (Job::open(job.path()).unwrap(), "orphan");
    let ended = tokio::task::spawn_blocking(move || end_what_is_left(&opened, id))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ended.how, How::Interrupted);
    assert_eq!(end_of(&job).await, ended);
    assert!(!runs(group));
    for pid in fs::read_to_string(&pids).unwrap().lines() {
        assert!(!runs(pid.parse().unwrap()), "{pid} runs");
    }
    assert!(runs(pid(&other, "group")));
    other.cancel().unwrap();
    end_of(&other).await;
}

#[tokio::test]
async fn what_others_wrote_into_a_directory_ends_no_process_of_theirs() {
    let jobs = Jobs::new();
    let (job, _) = jobs.make("foreign", "true");
    let mut bystander = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    fs::write(job.path().join("claim"), "").unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    for text in [
        format!(
            "format 1\npid {0}\nstart 1\nboot {1}\nnamespace 1\nat 1\ngroup {0}\ngroup-start 1\n",
            bystander.id(),
            boot.trim()
        ),
        "format 1\npid 1\nstart 1\n".to_owned(),
        "x".repeat(1 << 20),
    ] {
        fs::write(job.path().join("pid"), text).unwrap();
        let _ = fs::remove_file(job.path().join("exit"));
        assert_eq!(end_what_is_left(&job, "foreign").unwrap().how, How::Interrupted);
        assert_eq!(bystander.try_wait().unwrap(), None);
    }
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_process_that_a_job_names_as_its_own_and_that_is_not_one_is_not_ended() {
    use std::os::unix::fs::MetadataExt as _;
    let jobs = Jobs::new();
    let (job, _) = jobs.make("liar", "true");
    fs::write(job.path().join("claim"), "").unwrap();
    let mut bystander = std::process::Command::new("setsid")
        .args(["sleep", "600"])
        .spawn()
        .unwrap();
    let pid = bystander.id();
    // From its state on: the session is the fourth, and its start the twentieth.
    let stat = until("its session", || {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<String> = text
            .rsplit(") ")
            .next()?
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        (fields[3] == pid.to_string()).then_some(fields)
    })
    .await;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let namespace = fs::metadata("/proc/self/ns/pid").unwrap().ino();
    let text = format!(
        "format 1\npid {pid}\nstart {0}\nboot {1}\nnamespace {namespace}\nat 1\ngroup {pid}\ngroup-start {0}\n",
        stat[19],
        boot.trim()
    );
    fs::write(job.path().join("pid"), text).unwrap();
    let ended = end_what_is_left(&job, "liar").unwrap();
    assert!(ended.reason.unwrap().contains("was killed"), "it is of this start");
    assert_eq!(bystander.try_wait().unwrap(), None);
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[tokio::test]
async fn a_directory_that_is_removed_takes_nothing_with_it_that_a_link_leads_to() {
    let jobs = Jobs::new();
    let (job, _) = jobs.ran(spec("a", "echo")).await;
    fs::create_dir(jobs.path("outside")).unwrap();
    fs::write(jobs.path("outside/kept"), "").unwrap();
    symlink(jobs.path("outside"), job.path().join("link")).unwrap();
    symlink(jobs.path("outside/kept"), job.path().join("out.999")).unwrap();
    job.remove().unwrap();
    assert!(jobs.path("outside/kept").exists());
    assert!(!jobs.path("a").exists());
    let (job, _) = jobs.ran(spec("b", "echo")).await;
    fs::create_dir(job.path().join("folder")).unwrap();
    assert!(job.remove().is_err());
    assert!(jobs.path("b/folder").exists());
}

#[tokio::test]
async fn a_supervisor_gets_a_scope_of_its_own_where_there_is_one_and_otherwise_runs_without() {
    let jobs = Jobs::new();
    let (said, systemd_run) = (jobs.path("said"), jobs.path("systemd-run"));
    let stand_in = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" > {}\nwhile [ \"$1\" != -- ]; do shift; done; shift\nexec \"$@\"\n",
        said.display()
    );
    fs::write(&systemd_run, stand_in).unwrap();
    fs::set_permissions(&systemd_run, fs::Permissions::from_mode(0o700)).unwrap();
    let (job, spec) = jobs.make("a", "echo up");
    let begun = start_in(&job, &spec, Some(&Scope(systemd_run.clone()))).await;
    assert_eq!(begun, Begun::Claimed);
    end_of(&job).await;
    let said = fs::read_to_string(&said).unwrap();
    assert!(said.starts_with("--user\n--scope\n"), "{said}");
    assert!(said.contains("--unit=berth-job-a\n--\n"), "{said}");
    fs::write(&systemd_run, "#!/bin/sh\nexit 1\n").unwrap();
    for (id, scope) in [("b", systemd_run), ("c", jobs.path("no systemd-run"))] {
        let (job, spec) = jobs.make(id, "echo up");
        assert_eq!(start_in(&job, &spec, Some(&Scope(scope))).await, Begun::Claimed);
        assert_eq!(end_of(&job).await.how, How::Exited);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_supervisor_is_one_thread_and_holds_little() {
    let jobs = Jobs::new();
    let job = jobs
        .run("a", "head -c 30000000 /dev/zero; echo up >&2; sleep 600")
        .await;
    until("its output", || {
        Some(printed(&job, Channel::Errors)).filter(|printed| printed.contains("up"))
    })
    .await;
    let supervisor = pid(&job, "pid");
    let of = |file: &str| fs::read_to_string(format!("/proc/{supervisor}/{file}")).unwrap();
    assert!(of("status").contains("\nThreads:\t1\n"));
    let size = |line: &str| line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap();
    // What it allocates: a build for tests has larger tables of its own than a release.
    let heap: u64 = {
        let maps = of("smaps");
        let mut own = false;
        let mut sum = 0;
        for line in maps.lines() {
            let is_head = line
                .split_whitespace()
                .next()
                .is_some_and(|range| range.contains('-') && !range.ends_with(':'));
            if is_head {
                own = !line.contains('/');
            } else if own && line.starts_with("Private_Dirty:") {
                sum += size(line);
            }
        }
        sum
    };
    assert!(heap <= 700, "{heap} KB");
    job.cancel().unwrap();
    end_of(&job).await;
}
