//! The scripts as they are, in the shells that hosts have, behind pipes.

#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "a test's own shells and processes")]

mod forged;
mod taken;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::super::about::About;
use super::super::ended::{Ended, How};
use super::super::input::Appended;
use super::super::output::Channel;
use super::super::place::Stage;
use super::super::spec::Spec;
use super::request::{checksum, digest, supervisor};
use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

/// Programs that hosts have as `/bin/sh`.
#[cfg(target_os = "linux")]
const SHELLS: [&str; 3] = ["dash", "bash", "busybox"];
#[cfg(not(target_os = "linux"))]
const SHELLS: [&str; 3] = ["dash", "bash", "zsh"];

/// A host of one shell, with a home of its own.
struct Host {
    home: tempfile::TempDir,
    shell: String,
}

fn hosts() -> Vec<Host> {
    SHELLS.into_iter().map(Host::new).collect()
}

impl Host {
    fn new(program: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let places = ["/bin", "/usr/bin"].map(|place| Path::new(place).join(program));
        let program = places.iter().find(|place| place.exists());
        let shell = home.path().join("sh");
        symlink(program.expect("make test installs dash, bash and busybox"), &shell).unwrap();
        let host = Self {
            shell: shell.to_str().unwrap().to_owned(),
            home,
        };
        let mut request = host.request();
        request.install();
        assert_eq!(host.ask(&request), [Answer::Installed]);
        host
    }

    fn request(&self) -> Request {
        Request::new(&self.shell, "this-one").unwrap()
    }

    fn run(&self, request: &Request) -> Output {
        let mut shell = Command::new(&self.shell)
            .arg("-s")
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", self.home.path())
            .env("LC_CTYPE", "C.UTF-8")
            .env("KEPT", "kept")
            .env("HIDDEN", "hidden")
            .env("job", "of the login")
            .current_dir(self.home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = shell.stdin.take().unwrap();
        let script = request.script();
        let writer = thread::spawn(move || stdin.write_all(script.as_bytes()));
        let output = shell.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        output
    }

    fn ask(&self, request: &Request) -> Vec<Answer> {
        let output = self.run(request);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let answers = request.answers(&output.stdout);
        let items = answers.unwrap_or_else(|fault| panic!("{}: {fault:?}: {said}", self.shell));
        assert_eq!(said, "", "{}", self.shell);
        items.into_iter().map(|item| item.answer).collect()
    }

    fn one(&self, write: impl FnOnce(&mut Request)) -> Answer {
        let mut request = self.request();
        write(&mut request);
        let mut answers = self.ask(&request);
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers.remove(0)
    }

    fn start(&self, begin: &Begin<'_>) -> Answer {
        self.one(|request| request.start(begin).unwrap())
    }

    /// Starts a script with `input`, to which more can be added if it is not whole.
    fn start_script(&self, script: &str, input: &[u8], whole: bool) -> String {
        let spec = spec(&["/bin/sh", "-c", script]);
        self.claimed(&Begin {
            input,
            whole,
            ..begin(&spec)
        });
        spec.id
    }

    fn claimed(&self, begin: &Begin<'_>) {
        assert_eq!(self.start(begin), Answer::Claimed, "{}", self.shell);
    }

    fn status(&self, id: &str) -> Status {
        match self.one(|request| request.status(id).unwrap()) {
            Answer::Status(status) => status,
            other => panic!("{other:?}"),
        }
    }

    fn settle(&self, id: &str) -> Answer {
        self.one(|request| request.settle(id).unwrap())
    }

    fn append(&self, id: &str, bytes: &[u8], expect: Option<u64>) -> Answer {
        self.one(|request| request.append(id, bytes, expect).unwrap())
    }

    fn read(&self, id: &str, channel: Channel, start: u64, most: u64) -> (u64, Vec<u8>) {
        match self.one(|request| request.output(id, channel, start, most).unwrap()) {
            Answer::Output(chunk, _) => (chunk.start, chunk.bytes),
            other => panic!("{other:?}"),
        }
    }

    fn printed(&self, id: &str) -> Vec<u8> {
        self.read(id, Channel::Output, 0, u64::MAX).1
    }

    fn wait_for(&self, id: &str, text: &str) {
        until(|| self.printed(id) == text.as_bytes());
    }

    fn ended(&self, id: &str) -> Ended {
        let mut ended = None;
        until(|| {
            ended = match self.status(id).stage {
                Some(Stage::Ended(ended)) => Some(ended),
                _ => None,
            };
            ended.is_some()
        });
        ended.unwrap()
    }

    /// The supervisor and the leader of the group, once both are known.
    fn processes(&self, id: &str) -> (i32, i32) {
        let file = self.jobs().join(id).join("pid");
        until(|| fs::read_to_string(&file).is_ok_and(|text| text.contains("group-start")));
        let text = fs::read_to_string(file).unwrap();
        let number = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key));
            line.unwrap().trim().parse().unwrap()
        };
        (number("pid "), number("group "))
    }

    fn place(&self) -> PathBuf {
        self.home.path().join(".local/state/berth/this-one")
    }

    fn jobs(&self) -> PathBuf {
        self.place().join("jobs")
    }

    /// The supervisor itself, of a directory that others filled, with `values` as its standard input.
    fn supervise(&self, id: &str, values: &[u8]) -> String {
        let script = self.place().join("supervisors").join(digest(&supervisor()) + ".sh");
        let mut child = Command::new("setsid")
            .arg(&self.shell)
            .arg(script)
            .args(["supervise", &self.shell])
            .arg(self.jobs().join(id))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .current_dir(self.home.path())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(values).unwrap();
        String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned()
    }

    fn directory(&self, files: &[(&str, Vec<u8>)]) -> String {
        let id = new_id();
        let directory = self.jobs().join(&id);
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
        for (name, bytes) in files {
            let text = String::from_utf8_lossy(bytes).replace("ID", &id);
            let bytes = if bytes.contains(&0xff) {
                bytes.clone()
            } else {
                text.into_bytes()
            };
            fs::write(directory.join(name), bytes).unwrap();
        }
        id
    }
}

fn until(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "this has not come true");
        thread::sleep(Duration::from_millis(20));
    }
}

fn new_id() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{:08x}-0000-4000-8000-{next:012x}", std::process::id())
}

fn spec(argv: &[&str]) -> Spec {
    Spec {
        id: new_id(),
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        directory: None,
        variables: Vec::new(),
        deadline: Duration::from_mins(10),
        output: 1 << 30,
    }
}

/// What is left with each.
static ABOUT: About = About {
    backend: String::new(),
    key: String::new(),
    queue: String::new(),
    note: String::new(),
    interactive: false,
    watch: false,
    queued_at: 0,
};

fn begin(spec: &Spec) -> Begin<'_> {
    Begin {
        spec,
        about: &ABOUT,
        input: b"",
        whole: true,
        directory: None,
        keep: &[],
        paths: &[],
        values: &[],
    }
}

/// Bytes of every value, which repeat late.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..length).map(next).collect()
}

fn send(signal: &str, target: &str) {
    let sent = Command::new("/bin/kill").args(["-s", signal, "--", target]).status();
    assert!(sent.unwrap().success());
}

/// The processes that live and have `word` in their arguments.
fn running(word: &str) -> Vec<String> {
    let listed = Command::new("ps")
        .args(["-A", "-ww", "-o", "stat=", "-o", "args="])
        .output();
    let listed = String::from_utf8_lossy(&listed.unwrap().stdout).into_owned();
    let lives = |line: &&str| line.contains(word) && !line.trim_start().starts_with('Z');
    listed.lines().filter(lives).map(str::to_owned).collect()
}

/// All that the supervisor of a job started has its id in its arguments, or is in one of its two groups.
fn nothing_is_left_of(id: &str) {
    until(|| running(id).is_empty());
}

fn a_process() -> Child {
    Command::new("sleep").arg("1000").process_group(0).spawn().unwrap()
}

#[test]
fn a_job_that_ten_start_at_once_runs_once() {
    for host in hosts() {
        let count = host.home.path().join("count");
        let script = format!("echo x >>{}; cat", count.display());
        let spec = spec(&["/bin/sh", "-c", &script]);
        thread::scope(|scope| {
            for _ in 0..10 {
                scope.spawn(|| {
                    host.claimed(&Begin {
                        input: b"once",
                        ..begin(&spec)
                    });
                });
            }
        });
        let ended = host.ended(&spec.id);
        assert_eq!((ended.how, ended.status, ended.signal), (How::Exited, Some(0), None));
        host.claimed(&begin(&spec));
        assert_eq!(fs::read_to_string(count).unwrap(), "x\n");
        assert_eq!(host.printed(&spec.id), b"once");
        nothing_is_left_of(&spec.id);
    }
}

#[test]
fn a_script_that_is_missing_or_cut_off_is_asked_for() {
    for host in hosts() {
        let script = host.place().join("supervisors").join(digest(&supervisor()) + ".sh");
        let job = spec(&["/bin/sh", "-c", "exit 3"]);
        fs::write(&script, &supervisor()[..100]).unwrap();
        assert_eq!(host.start(&begin(&job)), Answer::Wanted);
        fs::remove_file(&script).unwrap();
        assert_eq!(host.start(&begin(&job)), Answer::Wanted);
        assert_eq!(host.status(&job.id).stage, Some(Stage::Unclaimed));
        assert_eq!(host.one(Request::install), Answer::Installed);
        host.claimed(&begin(&job));
        assert_eq!(host.ended(&job.id).status, Some(3));
    }
}

#[test]
fn a_checksum_is_that_of_cksum() {
    for bytes in [&b""[..], b"a", &noise(70_000)] {
        let mut child = Command::new("cksum")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        let output = child.wait_with_output().unwrap().stdout;
        assert_eq!(checksum(bytes), String::from_utf8_lossy(&output).trim());
    }
}

#[test]
fn ten_megabytes_of_input_arrive_once_and_output_is_exact() {
    let bytes = noise(10_000_000);
    for host in hosts() {
        let cat = spec(&["/bin/cat"]);
        host.claimed(&Begin {
            input: &bytes,
            ..begin(&cat)
        });
        host.ended(&cat.id);
        assert!(host.printed(&cat.id) == bytes, "{}", host.shell);
        let middle = host.read(&cat.id, Channel::Output, 5_000_001, 70_000);
        assert!(middle == (5_000_001, bytes[5_000_001..5_070_001].to_vec()));
        let status = host.status(&cat.id);
        assert_eq!(
            (status.input, status.sent, status.is_closed),
            (10_000_000, 10_000_000, true)
        );
    }
}

#[test]
fn input_is_added_where_the_caller_knows_its_end_or_not_at_all() {
    for host in hosts() {
        let id = host.start_script("cat", b"a", false);
        assert_eq!(
            host.append(&id, b"no", Some(0)),
            Answer::Appended(Appended::Conflict(1))
        );
        assert_eq!(
            host.append(&id, b"\0\\n'\n", Some(1)),
            Answer::Appended(Appended::Now(6))
        );
        let mut answers = Vec::new();
        thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| host.append(&id, b"x", Some(6))))
                .collect();
            answers.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
        });
        let added = answers
            .iter()
            .filter(|answer| **answer == Answer::Appended(Appended::Now(7)));
        assert_eq!(added.count(), 1, "{answers:?}");
        let conflict = Answer::Appended(Appended::Conflict(7));
        assert_eq!(
            answers.iter().filter(|answer| **answer == conflict).count(),
            7,
            "{answers:?}"
        );
        let close = |request: &mut Request| request.close(&id).unwrap();
        assert_eq!(host.one(close), Answer::Closed(7));
        assert_eq!(host.one(close), Answer::Closed(7));
        assert_eq!(host.append(&id, b"no", None), Answer::Appended(Appended::Ended));
        host.ended(&id);
        assert_eq!(host.printed(&id), b"a\0\\n'\nx");
    }
}

#[test]
fn a_hangup_and_the_end_of_who_started_it_end_no_job() {
    for host in hosts() {
        let id = host.start_script("trap 'echo hup' HUP; echo up; read a; echo $a", b"", false);
        host.wait_for(&id, "up\n");
        let (supervisor, _) = host.processes(&id);
        send("HUP", &supervisor.to_string());
        send("HUP", &format!("-{supervisor}"));
        assert_eq!(host.append(&id, b"on\n", Some(0)), Answer::Appended(Appended::Now(3)));
        assert_eq!(host.ended(&id).status, Some(0));
        assert_eq!(host.printed(&id), b"up\non\n");
        nothing_is_left_of(&id);
    }
}

#[test]
fn the_newest_output_is_kept_at_its_place() {
    let whole: String = (0..60_000).map(|line| format!("{line}\n")).collect();
    for host in hosts() {
        let seq = Spec {
            output: 100_000,
            ..spec(&["/bin/sh", "-c", "seq 0 59999; echo error >&2"])
        };
        host.claimed(&begin(&seq));
        host.ended(&seq.id);
        let (start, bytes) = host.read(&seq.id, Channel::Output, 0, u64::MAX);
        assert!(start > 0 && bytes == whole.as_bytes()[usize::try_from(start).unwrap()..]);
        assert!((50_000..=100_000).contains(&bytes.len()), "{}", bytes.len());
        let status = host.status(&seq.id);
        let end = whole.len() as u64;
        assert_eq!(status.output, Kept { start, end });
        assert_eq!(status.errors, Kept { start: 0, end: 6 });
        assert_eq!(host.read(&seq.id, Channel::Errors, 2, 3), (2, b"ror".to_vec()));
        assert_eq!(host.read(&seq.id, Channel::Output, end + 5, 9), (end, vec![]));
    }
}

#[test]
fn a_job_whose_time_is_over_ends() {
    for host in hosts() {
        let job = Spec {
            deadline: Duration::from_millis(1),
            ..spec(&["/bin/sh", "-c", "sleep 1000 & sleep 1000"])
        };
        host.claimed(&begin(&job));
        let ended = host.ended(&job.id);
        assert_eq!((ended.how, ended.signal), (How::TimedOut, Some(15)));
        nothing_is_left_of(&job.id);
    }
}

#[test]
fn what_ignores_a_cancel_is_killed() {
    for host in hosts() {
        let id = host.start_script("trap '' TERM; echo up; sleep 1000 & sleep 1000", b"", true);
        host.wait_for(&id, "up\n");
        let (_, leader) = host.processes(&id);
        assert_eq!(host.one(|request| request.cancel(&id).unwrap()), Answer::Cancelled);
        let ended = host.ended(&id);
        assert_eq!((ended.how, ended.signal), (How::Cancelled, Some(9)));
        nothing_is_left_of(&id);
        assert!(!group_lives(leader));
    }
}

/// Whether any process that is not a zombie is in this group.
fn group_lives(group: i32) -> bool {
    let listed = Command::new("ps").args(["-A", "-o", "pgid=", "-o", "stat="]).output();
    let listed = String::from_utf8_lossy(&listed.unwrap().stdout).into_owned();
    let of_group = |line: &str| {
        let mut words = line.split_whitespace();
        words.next() == Some(&group.to_string()) && !words.next().is_some_and(|state| state.starts_with('Z'))
    };
    listed.lines().any(of_group)
}

#[test]
fn what_is_cancelled_has_time_to_clean_up_also_after_its_parent() {
    for host in hosts() {
        let script = "(trap 'sleep 1; echo clean; exit' TERM; echo up; while :; do sleep 0.1; done) & \
                      trap 'exit 3' TERM; while :; do sleep 0.1; done";
        let id = host.start_script(script, b"", true);
        host.wait_for(&id, "up\n");
        host.one(|request| request.cancel(&id).unwrap());
        let ended = host.ended(&id);
        assert_eq!((ended.how, ended.status), (How::Cancelled, Some(3)));
        assert_eq!(host.printed(&id), b"up\nclean\n");
    }
}

#[test]
fn a_job_ends_with_its_group_and_on_linux_with_what_left_it() {
    for host in hosts() {
        let mark = format!("{}", 1_000_000_000 + std::process::id());
        let left = if cfg!(target_os = "linux") { "setsid" } else { "" };
        let script = format!("sleep {mark}1 & {left} sh -c 'echo up >&2; exec sleep {mark}2' & read a; exit 4");
        let id = host.start_script(&script, b"", false);
        until(|| host.read(&id, Channel::Errors, 0, 9).1 == b"up\n");
        host.append(&id, b"\n", None);
        assert_eq!(host.ended(&id).status, Some(4));
        nothing_is_left_of(&mark);
        nothing_is_left_of(&id);
    }
}

#[test]
fn a_supervisor_that_is_told_to_end_says_that_its_job_was_interrupted() {
    for host in hosts() {
        for of_group in [false, true] {
            let id = host.start_script("echo up; exec sleep 1000", b"", true);
            host.wait_for(&id, "up\n");
            let (supervisor, leader) = host.processes(&id);
            send(
                "TERM",
                &if of_group {
                    format!("-{supervisor}")
                } else {
                    supervisor.to_string()
                },
            );
            let ended = host.ended(&id);
            assert_eq!((ended.how, ended.signal), (How::Interrupted, Some(15)));
            nothing_is_left_of(&id);
            assert!(!group_lives(leader));
        }
    }
}

#[test]
fn what_a_killed_supervisor_left_is_ended_before_its_job_is_interrupted() {
    for host in hosts() {
        let id = host.start_script("sleep 1000 & echo up; sleep 1000", b"", false);
        host.wait_for(&id, "up\n");
        assert_eq!(host.status(&id).standing, Standing::Lives);
        let Answer::Status(still) = host.settle(&id) else {
            panic!()
        };
        assert_eq!((still.stage, still.standing), (Some(Stage::Claimed), Standing::Lives));
        let (supervisor, leader) = host.processes(&id);
        send("KILL", &supervisor.to_string());
        until(|| host.status(&id).standing == Standing::Gone);
        assert!(group_lives(leader));
        let Answer::Status(Status {
            stage: Some(Stage::Ended(ended)),
            ..
        }) = host.settle(&id)
        else {
            panic!()
        };
        assert_eq!(ended.how, How::Interrupted);
        nothing_is_left_of(&id);
        assert!(!group_lives(leader) && !group_lives(supervisor));
        assert_eq!(host.ended(&id), ended);
        host.settle(&id);
        assert_eq!(host.ended(&id), ended);
    }
}

#[test]
fn a_group_that_kills_itself_has_ended() {
    for host in hosts() {
        for (script, signal) in [("kill -9 0", 9), ("kill -15 0", 15)] {
            let id = host.start_script(script, b"", true);
            let ended = host.ended(&id);
            assert_eq!((ended.how, ended.signal), (How::Exited, Some(signal)), "{}", host.shell);
            nothing_is_left_of(&id);
        }
    }
}

#[test]
fn a_program_that_is_not_there_says_so() {
    for host in hosts() {
        let missing = spec(&["/nowhere/program"]);
        host.claimed(&begin(&missing));
        let ended = host.ended(&missing.id);
        assert_eq!(ended.how, How::Failed);
        assert!(ended.reason.unwrap().contains("/nowhere/program"));
        nothing_is_left_of(&missing.id);
    }
}

#[test]
fn a_job_that_is_cancelled_before_its_start_does_not_run() {
    for host in hosts() {
        let job = spec(&["/bin/sh", "-c", "echo ran"]);
        let mut request = host.request();
        let name = host.place().join("supervisors").join(digest(&supervisor()) + ".sh");
        let aside = name.with_extension("aside");
        fs::rename(&name, &aside).unwrap();
        request.start(&begin(&job)).unwrap();
        request.cancel(&job.id).unwrap();
        assert_eq!(host.ask(&request), [Answer::Wanted, Answer::Cancelled]);
        fs::rename(aside, name).unwrap();
        host.claimed(&begin(&job));
        assert_eq!(host.ended(&job.id).how, How::Cancelled);
        assert_eq!(host.printed(&job.id), b"");
    }
}

#[test]
fn output_that_cannot_be_kept_fails_the_job() {
    for host in hosts() {
        // A file of a supervisor may have 64 blocks of 512 or 1024 bytes. The shell's own limit is that of all it starts.
        let limited = Host {
            shell: host.home.path().join("limited").to_str().unwrap().to_owned(),
            home: host.home,
        };
        let text = format!("#!/bin/sh\nulimit -f 256\nexec {} \"$@\"\n", host.shell);
        fs::write(&limited.shell, text).unwrap();
        fs::set_permissions(&limited.shell, fs::Permissions::from_mode(0o700)).unwrap();
        let job = spec(&["/bin/sh", "-c", "yes & sleep 1000"]);
        limited.claimed(&begin(&job));
        let ended = limited.ended(&job.id);
        assert_eq!(ended.how, How::Failed, "{ended:?}");
        assert!(ended.reason.unwrap().starts_with("what it printed could not be kept: "));
        nothing_is_left_of(&job.id);
    }
}

/// The file of a process that goes between its opening and its reading cannot be read, and bash then leaves what was read before.
#[test]
fn a_process_that_goes_while_it_is_looked_at_is_none() {
    for host in hosts() {
        let script = format!(
            "{}\nline=before\nread() {{ return 1; }}\nlook_at $$ && echo found || echo none\n",
            include_str!("facts.sh")
        );
        let mut child = Command::new(&host.shell)
            .args(["-c", &script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ended = None;
        let deadline = Instant::now() + PATIENCE;
        while ended.is_none() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
            ended = child.try_wait().unwrap();
        }
        child.kill().unwrap();
        let printed = child.wait_with_output().unwrap().stdout;
        assert_eq!(printed, b"none\n", "{}", host.shell);
    }
}

#[test]
fn arguments_and_variables_arrive_whole_and_values_are_in_no_file() {
    let odd = "a\nb\\c\\n'\"$(touch PWN)`touch PWN`\t\u{7f}ü*\n";
    for host in hosts() {
        let script = "for word; do printf '%s\\0' \"$word\"; done; cat /proc/self/environ 2>/dev/null || env -0";
        let names = ["ODD", "SECRET", "LC_ALL", "line", "job", "id", "PS4", "EMPTY"];
        let values = [odd, "zz", "C", "", "7", "8", "$(touch PWN)", ""].map(str::to_owned);
        let job = Spec {
            variables: names.map(str::to_owned).to_vec(),
            ..spec(&["/bin/sh", "-c", script, "-", odd, "", "-n", "$HOME", "*"])
        };
        host.claimed(&Begin {
            keep: &["HOME".into(), "KE*".into()],
            paths: &["/first/of all".into(), "~/bin".into(), "~".into()],
            values: &values,
            ..begin(&job)
        });
        assert_eq!(host.ended(&job.id).status, Some(0));
        let printed = String::from_utf8(host.printed(&job.id)).unwrap();
        let parts: Vec<&str> = printed.split_terminator('\0').collect();
        assert_eq!(parts[..5], [odd, "", "-n", "$HOME", "*"], "{}", host.shell);
        let at_home = host.home.path().display();
        let paths = format!("PATH=/first/of all:{at_home}/bin:{at_home}:");
        let of_shells = ["PWD=", "OLDPWD=", "SHLVL=", "_="];
        let found: BTreeSet<String> = parts[5..]
            .iter()
            .filter(|variable| !of_shells.iter().any(|name| variable.starts_with(name)))
            .filter(|variable| !variable.starts_with(&paths))
            .map(|&variable| variable.to_owned())
            .collect();
        let given = names.iter().zip(&values).map(|(name, value)| format!("{name}={value}"));
        let kept = ["KEPT=kept".to_owned(), format!("BERTH_JOB={}", job.id)];
        let home = format!("HOME={}", host.home.path().display());
        let expected: BTreeSet<String> = given.chain(kept).chain([home]).collect();
        assert_eq!(found, expected, "{}", host.shell);
        for file in fs::read_dir(host.jobs().join(&job.id)).unwrap() {
            let file = file.unwrap();
            let is_output = file.file_name().to_string_lossy().starts_with("out.");
            let text = String::from_utf8_lossy(&fs::read(file.path()).unwrap()).into_owned();
            assert!(is_output || !text.contains("zz"), "{file:?}");
        }
        assert!(!host.home.path().join("PWN").exists());

        // What a shell itself reads is nothing to the supervisor's, and whole for the program.
        let job = Spec {
            variables: ["IFS", "PATH", "ENV"].map(str::to_owned).to_vec(),
            ..spec(&["/usr/bin/env"])
        };
        host.claimed(&Begin {
            values: &["zz".into(), "/nowhere".into(), "$(touch PWN)".into()],
            ..begin(&job)
        });
        host.ended(&job.id);
        let printed = String::from_utf8(host.printed(&job.id)).unwrap();
        for variable in ["IFS=zz", "PATH=/nowhere", "ENV=$(touch PWN)"] {
            assert!(
                printed.lines().any(|line| line == variable),
                "{}: {printed}",
                host.shell
            );
        }
    }
}

#[test]
fn a_program_has_no_signal_ignored() {
    for host in hosts() {
        let script = "for signal in HUP INT QUIT TERM; do sh -c \"kill -$signal \\$\\$; echo ignored $signal\"; done";
        let id = host.start_script(script, b"", true);
        host.ended(&id);
        assert_eq!(String::from_utf8_lossy(&host.printed(&id)), "", "{}", host.shell);
    }
}

#[test]
fn a_program_begins_only_where_it_was_granted() {
    for host in hosts() {
        let root = host.home.path().join("root");
        fs::create_dir_all(root.join("in ner\n")).unwrap();
        symlink("/tmp", root.join("out")).unwrap();
        fs::write(root.join("file"), "").unwrap();
        let real = fs::canonicalize(&root).unwrap();
        let started_in = |root: &str, below: &str| {
            let job = spec(&["/bin/pwd"]);
            let directory = Within {
                root: root.to_owned(),
                below: below.to_owned(),
            };
            let answer = host.start(&Begin {
                directory: Some(&directory),
                ..begin(&job)
            });
            match answer {
                Answer::Claimed => {
                    host.ended(&job.id);
                    Ok(String::from_utf8(host.printed(&job.id)).unwrap())
                }
                Answer::Refused(why) => Err(why),
                other => panic!("{other:?}"),
            }
        };
        let inner = format!("{}/in ner\n\n", real.display());
        assert_eq!(started_in("~/root", "in ner\n"), Ok(inner.clone()), "{}", host.shell);
        assert_eq!(started_in(real.to_str().unwrap(), "in ner\n"), Ok(inner));
        let link = real.with_file_name("link");
        symlink(&real, &link).unwrap();
        assert!(
            started_in(link.to_str().unwrap(), "").is_err(),
            "a link is in its place"
        );
        assert_eq!(started_in("~/root", ""), Ok(format!("{}\n", real.display())));
        assert_eq!(started_in("/", "usr"), Ok("/usr\n".to_owned()), "{}", host.shell);
        for below in ["out", "..", "missing", "file", "../root2"] {
            assert!(started_in("~/root", below).is_err(), "{below}");
        }
    }
}

#[test]
fn a_spec_that_others_wrote_is_refused_and_nothing_of_it_is_run() {
    let specs: [&[u8]; 9] = [
        b"",
        b"format 1\n; touch PWN\n",
        b"format 2\nid ID\nargv /bin/true\ndeadline 5\noutput 5\n",
        b"format 1\nid ID\nargv /bin/true\ndeadline 1+a[$(touch PWN)]\noutput 5\n",
        b"format 1\nid ID\nargv /bin/true\\c\ndeadline 5\noutput 5\n",
        b"format 1\nid ID\nargv /bin/tr\0ue\ndeadline 5\noutput 5\n",
        b"format 1\nid ID\nargv /bin/true\ndeadline 010\noutput 5\n",
        b"format 1\nid ID\nargv /bin/true\ndeadline 5\noutput 5",
        b"format 1\nid another\nargv /bin/true\ndeadline 5\noutput 5\n",
    ];
    for host in hosts() {
        for spec in specs {
            let id = host.directory(&[("spec", spec.to_vec())]);
            let said = host.supervise(&id, b"end\n");
            assert!(said.starts_with("refused "), "{}: {spec:?}: {said}", host.shell);
            assert_eq!(host.status(&id).stage, Some(Stage::Unclaimed));
        }
        let fine = b"format 1\nid ID\nargv /bin/true\nvariable A\ndeadline 5\noutput 5\nargv `touch PWN`\n";
        for values in [
            &b"A=1\n"[..],
            b"",
            b"A=\\c\nend\n",
            b"B=1\nend\n",
            b"A=1\nB=2\nend\n",
            b"end\n",
        ] {
            let id = host.directory(&[("spec", fine.to_vec())]);
            let said = host.supervise(&id, values);
            assert!(said.starts_with("refused "), "{}: {values:?}: {said}", host.shell);
        }
        let id = host.directory(&[("spec", fine.to_vec())]);
        assert_eq!(host.supervise(&id, b"A=$(touch PWN)\nend\n"), "claimed\n");
        host.ended(&id);
        let names = |place: PathBuf| fs::read_dir(place).unwrap().map(|file| file.unwrap().file_name());
        assert!(
            !names(host.home.path().to_owned())
                .chain(names(host.jobs()))
                .any(|name| name == "PWN")
        );
    }
}

#[test]
fn a_number_that_another_process_got_is_not_believed() {
    for host in hosts() {
        let live = host.start_script("echo up; exec sleep 1000", b"", true);
        host.wait_for(&live, "up\n");
        host.processes(&live);
        let claim = fs::read_to_string(host.jobs().join(&live).join("claim")).unwrap();
        let of_start: String = claim
            .lines()
            .filter(|line| line.starts_with("boot") || line.starts_with("namespace"))
            .flat_map(|line| [line, "\n"])
            .collect();
        let mut other = a_process();
        let pid = other.id();
        for pid in [
            pid.to_string(),
            "0".into(),
            "1".into(),
            "-1".into(),
            "1 1".into(),
            "$(id)".into(),
        ] {
            let claim = format!("format 1\npid {pid}\nstart 5\n{of_start}");
            let had = format!("format 1\nat 5\nhelper {pid}\nhelper-start 5\ngroup {pid}\ngroup-start 5\n");
            let id = host.directory(&[("claim", claim.into_bytes()), ("pid", had.into_bytes())]);
            assert_eq!(host.status(&id).standing, Standing::Gone, "{pid}");
            host.settle(&id);
            assert_eq!(host.ended(&id).how, How::Interrupted);
        }
        assert_eq!(other.try_wait().unwrap(), None);
        assert_eq!(host.status(&live).standing, Standing::Lives);
        other.kill().unwrap();
        other.wait().unwrap();
        host.one(|request| request.cancel(&live).unwrap());
        host.ended(&live);
    }
}

#[test]
fn a_job_of_an_earlier_start_of_the_system_is_interrupted_and_nothing_is_ended_for_it() {
    for host in hosts() {
        let id = host.start_script("echo up; exec sleep 1000", b"", true);
        host.wait_for(&id, "up\n");
        let (supervisor, leader) = host.processes(&id);
        send("KILL", &supervisor.to_string());
        let rewrite = |name: &str| {
            let file = host.jobs().join(&id).join(name);
            let text = fs::read_to_string(&file).unwrap();
            let text = text.lines().map(|line| match line.split_once(' ') {
                Some(("boot", _)) => "boot another\n".to_owned(),
                _ => format!("{line}\n"),
            });
            fs::write(&file, text.collect::<String>()).unwrap();
        };
        rewrite("claim");
        rewrite("pid");
        host.settle(&id);
        let ended = host.ended(&id);
        assert_eq!(ended.how, How::Interrupted);
        assert!(ended.reason.unwrap().contains("started again"));
        assert!(group_lives(leader));
        send("KILL", &format!("-{leader}"));
        send("KILL", &format!("-{supervisor}"));
        nothing_is_left_of(&id);
    }
}

#[test]
fn an_installation_sees_no_jobs_of_another() {
    for host in hosts() {
        let id = host.start_script("exit 0", b"", true);
        host.ended(&id);
        let mut other = Request::new(&host.shell, "another").unwrap();
        other.list();
        other.status(&id).unwrap();
        other.remove(&id).unwrap();
        other.append(&id, b"x", None).unwrap();
        other.cancel(&id).unwrap();
        let answers = host.ask(&other);
        assert_eq!(answers[0], Answer::Jobs(vec![]));
        assert!(matches!(&answers[1], Answer::Status(Status { stage: None, .. })));
        assert_eq!(answers[2], Answer::Removed);
        assert!(matches!(&answers[3..], [Answer::Failed(_), Answer::Failed(_)]));
        assert!(!host.home.path().join(".local/state/berth/another").exists());
        assert_eq!(host.one(Request::list), Answer::Jobs(vec![id]));
    }
}

#[test]
fn a_job_is_removed_with_its_files_when_it_has_ended_and_no_link_is_followed() {
    for host in hosts() {
        let id = host.start_script("read a", b"", false);
        let remove = |id: &str| host.one(|request| request.remove(id).unwrap());
        assert_eq!(remove(&id), Answer::Running);
        host.append(&id, b"\n", None);
        host.ended(&id);
        let others = host.home.path().join("others");
        fs::create_dir(&others).unwrap();
        fs::write(others.join("file"), "").unwrap();
        symlink(&others, host.jobs().join(&id).join("link")).unwrap();
        symlink(&others, host.jobs().join("linked")).unwrap();
        nothing_is_left_of(&id);
        assert_eq!(remove(&id), Answer::Removed);
        assert_eq!(remove(&id), Answer::Removed);
        assert!(matches!(remove("linked"), Answer::Failed(_)));
        let kept = host.directory(&[("exit", b"format 1\nhow exited\nfinished 5\n".to_vec())]);
        fs::create_dir(host.jobs().join(&kept).join("directory")).unwrap();
        assert!(matches!(remove(&kept), Answer::Failed(_)));
        assert!(others.join("file").exists());
        assert_eq!(host.one(Request::list), Answer::Jobs(vec![kept]));
    }
}

#[test]
fn a_place_that_others_may_enter_is_refused() {
    for host in hosts() {
        fs::set_permissions(host.jobs(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut request = host.request();
        request.list();
        let output = host.run(&request);
        let Err(Fault::Refused(why)) = request.answers(&output.stdout) else {
            panic!()
        };
        assert!(why.contains("does not belong to this user alone"), "{why}");
    }
}

#[test]
fn many_jobs_are_asked_for_in_one_request() {
    for host in hosts() {
        let jobs: Vec<Spec> = (0..8)
            .map(|status| spec(&["/bin/sh", "-c", &format!("exit {status}")]))
            .collect();
        let mut request = host.request();
        for job in &jobs {
            request.start(&begin(job)).unwrap();
        }
        assert_eq!(host.ask(&request), vec![Answer::Claimed; 8]);
        for job in &jobs {
            host.ended(&job.id);
        }
        let mut request = host.request();
        for job in &jobs {
            request.status(&job.id).unwrap();
        }
        let statuses = host.ask(&request).into_iter().map(|answer| match answer {
            Answer::Status(Status {
                stage: Some(Stage::Ended(ended)),
                ..
            }) => ended.status,
            other => panic!("{other:?}"),
        });
        assert_eq!(statuses.collect::<Vec<_>>(), (0..8).map(Some).collect::<Vec<_>>());
    }
}

#[test]
fn what_cannot_be_sent_is_refused_before_anything_is() {
    let request = || Request::new("/bin/sh", "this-one").unwrap();
    for name in ["", "a/b", "..", "-rf", "a b", "a\nb", &"a".repeat(65)] {
        assert!(matches!(request().status(name), Err(Unfit::Name(_))), "{name}");
        assert!(Request::new("/bin/sh", name).is_err(), "{name}");
    }
    let refused = |change: &dyn Fn(&mut Spec), values: &[&str]| {
        let mut job = spec(&["/bin/true"]);
        change(&mut job);
        let mut request = request();
        let before = request.script();
        let values: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
        let error = request.start(&Begin {
            values: &values,
            ..begin(&job)
        });
        assert_eq!(request.script(), before);
        error.unwrap_err()
    };
    assert_eq!(
        refused(&|job| job.argv.push("a\0".into()), &[]),
        Unfit::Nul("an argument")
    );
    assert!(matches!(
        refused(&|job| job.argv = vec!["true".into()], &[]),
        Unfit::Program(_)
    ));
    assert!(matches!(
        refused(&|job| job.variables = vec!["A=".into()], &["x"]),
        Unfit::Variable(_)
    ));
    assert!(matches!(
        refused(&|job| job.variables = vec!["UID".into()], &["x"]),
        Unfit::Variable(_)
    ));
    assert_eq!(
        refused(&|job| job.variables = vec!["A".into()], &["\0"]),
        Unfit::Nul("a variable")
    );
    assert!(matches!(
        refused(&|job| job.variables = vec!["A".into()], &[]),
        Unfit::Values { .. }
    ));
}

#[test]
fn an_answer_that_is_cut_off_or_foreign_is_none() {
    let mut request = Request::new("/bin/sh", "this-one").unwrap();
    request.status("a").unwrap();
    let script = request.script();
    let nonce = script
        .lines()
        .rev()
        .nth(2)
        .unwrap()
        .split('\'')
        .nth(1)
        .unwrap()
        .to_owned();
    let read = |text: &str| request.answers(text.replace("NONCE", &nonce).as_bytes());
    for cut_off in [
        "",
        "Welcome!\n",
        "\nNONCE answer a\nclaimed\n",
        "\nNONCE answer a\nclaimed\n\nNONCE ove",
    ] {
        assert!(read(cut_off).is_err(), "{cut_off}");
    }
    for strange in [
        "\nNONCE answer a\nnow x\n\nNONCE over -\n",
        "\nNONCE what a\n\n\nNONCE over -\n",
    ] {
        assert!(matches!(read(strange), Err(Fault::Strange(_))), "{strange}");
    }
    let removed = "\nNONCE answer a\nremoved\n";
    for other in [
        "",
        "\nNONCE answer -\nremoved\n",
        "\nNONCE answer b\nremoved\n",
        &removed.repeat(2),
    ] {
        assert_eq!(
            read(&format!("{other}\nNONCE over -\n")),
            Err(Fault::Unasked),
            "{other}"
        );
    }
    let said = "error no \u{1b}[2J\"room\"\u{202e}\u{200b}";
    let items = read(&format!(
        "Welcome!\n0123 over -\n\nNONCE answer a\n{said}\n\nNONCE over -\n"
    ))
    .unwrap();
    let answer = Answer::Failed("no \\u{1b}[2J\\\"room\\\"\\u{202e}\\u{200b}".to_owned());
    assert_eq!(
        items,
        [Item {
            id: Some("a".into()),
            answer
        }]
    );
}
