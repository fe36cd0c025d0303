//! One child process: its own group, granted environment, a deadline, an output cap, and the end of its whole tree.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
#[cfg(not(target_os = "linux"))]
use std::os::fd::BorrowedFd;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::peer::{JOB_MARK, MARK};

/// How long what is left in the pipes is read after the program itself has ended.
const DRAIN: Duration = Duration::from_millis(500);

/// What to start.
pub(crate) struct Start<'a> {
    /// Whose program it is.
    pub(crate) backend: &'a str,
    pub(crate) program: &'a Path,
    pub(crate) args: Vec<&'a str>,
    pub(crate) environment: &'a [(OsString, OsString)],
    pub(crate) added: &'a [(String, String)],
    /// An open directory to start in; none: the root directory.
    pub(crate) directory: Option<OwnedFd>,
    pub(crate) stdin: Vec<u8>,
    pub(crate) deadline: Instant,
    /// Bytes kept of both outputs together; a program that prints more is ended.
    pub(crate) output: u64,
    /// What it leaves running continues after it has ended with success.
    pub(crate) lingers: bool,
}

/// What a program that ended by itself leaves.
pub(crate) struct Output {
    /// None where a signal ended it.
    pub(crate) status: Option<i32>,
    /// The number of that signal.
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// It printed more than was kept, and was ended for that.
    pub(crate) truncated: bool,
}

/// How it went.
pub(crate) enum Ended {
    Finished(Output),
    TimedOut(Duration),
}

/// Runs it to its end. However it ends (exit, deadline, too much output, the caller gone), no member of its process
/// group is left, except what lingers.
pub(crate) async fn run(start: Start<'_>) -> io::Result<Ended> {
    let began = Instant::now();
    let (cap, lingers) = (start.output, start.lingers);
    let exit = Exit {
        happened: CancellationToken::new(),
        deadline: start.deadline.into(),
    };
    let mut child = command(&start).spawn()?;
    let group = Group::of(&child);
    let output = finish(&mut child, &group, start.stdin, cap, lingers, &exit).await?;
    Ok(output.map_or_else(|| Ended::TimedOut(began.elapsed()), Ended::Finished))
}

/// Becomes `program` of `backend`, for a command that hands over the operator's terminal. Returns only if it could not,
/// with the reason.
#[allow(clippy::disallowed_methods, reason = "the operator's own command, from config alone")]
pub fn replace_this_process(
    program: &Path,
    args: impl IntoIterator<Item = String>,
    environment: Vec<(OsString, OsString)>,
    backend: &str,
) -> io::Error {
    std::process::Command::new(program)
        .args(args)
        .env_clear()
        .envs(environment)
        // It may start something that outlives it.
        .env(MARK, backend)
        .exec()
}

/// `program` with what the operator has in their own environment. Its standard input ends with this process.
pub(super) fn beside(program: &Path, args: &[&str]) -> Command {
    let mut command = alone(program, None);
    command.args(args);
    command
}

/// What `start` says, while that holds its directory open.
fn command(start: &Start<'_>) -> Command {
    let mut command = alone(start.program, start.directory.as_ref());
    command
        .args(&start.args)
        .env_clear()
        .envs(start.environment.iter().map(|(name, value)| (name, value)))
        .envs(start.added.iter().map(|(name, value)| (name, value)))
        // This is last, so that nothing replaces it.
        .env(MARK, start.backend);
    command
}

/// `program` in the process group of this process, with its outputs and nothing on standard input.
pub(super) fn within(program: &Path, args: &[OsString]) -> Command {
    let mut command = started(program, None);
    command.args(args).stdin(Stdio::null());
    command
}

/// `program` as the supervisor of the job `id` of `backend`, in the process group of this process, with a pipe to its
/// standard input. It outlives this process.
pub(super) fn supervisor(program: &Path, directory: Option<&OwnedFd>, backend: &str, id: &str) -> Command {
    let mut command = started(program, directory);
    command
        // Its path may say nothing to who sees it among processes.
        .arg0("berth")
        .env_clear()
        .env(MARK, backend)
        // What leaves its parents within the job becomes a child of this one, which says which job that is.
        .env(JOB_MARK, id)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// `program` as that of a job, in a process group of its own and in the directory of this process, behind three pipes.
#[allow(clippy::disallowed_methods, reason = "the supervisor of a job has no runtime")]
pub(super) fn of_job(
    program: &Path,
    arguments: &[String],
    environment: Vec<(String, String)>,
) -> std::process::Command {
    let mut command = std::process::Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    command
}

/// `program` in a process group of its own, in `directory` or otherwise the root directory, behind three pipes.
fn alone(program: &Path, directory: Option<&OwnedFd>) -> Command {
    let mut command = started(program, directory);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command
}

// The host's one place that starts programs, in `directory`, which stays open until the program has started. Where nothing
// of ours runs between fork and exec, the system does not copy the tables of this process's memory first, which can take
// as long as the program itself.
#[cfg(target_os = "linux")]
#[allow(clippy::disallowed_methods, reason = "see above")]
fn started(program: &Path, directory: Option<&OwnedFd>) -> Command {
    close_descriptors_at_exec();
    let mut command = Command::new(program);
    match directory {
        // Until it runs the program, the child has our descriptors. The link leads to what is open, whatever became of its path.
        Some(directory) => command.current_dir(format!("/proc/self/fd/{}", directory.as_raw_fd())),
        None => command.current_dir("/"),
    };
    command
}

// Here only between fork and exec can a directory be entered by descriptor.
#[cfg(not(target_os = "linux"))]
#[allow(unsafe_code, clippy::disallowed_methods, reason = "see above")]
fn started(program: &Path, directory: Option<&OwnedFd>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if let Some(directory) = directory.map(|directory| directory.as_raw_fd()) {
        // SAFETY: the closure makes one system call that is async-signal-safe and touches no memory of the parent's, and
        // the descriptor is open until the program has started.
        unsafe {
            command.pre_exec(move || Ok(rustix::process::fchdir(BorrowedFd::borrow_raw(directory))?));
        }
    }
    command
}

/// Lets a program inherit only its three standard descriptors: the host marks its own one by one, and here those that this
/// process was started with, or that a library forgot.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "there is no safe name for this call")]
fn close_descriptors_at_exec() {
    let (first, last) = (3 as libc::c_uint, libc::c_uint::MAX);
    // SAFETY: it takes three numbers, and changes a mark that each descriptor of the host's has already.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, libc::CLOSE_RANGE_CLOEXEC) };
}

/// When the program itself has ended, or must end.
struct Exit {
    happened: CancellationToken,
    deadline: tokio::time::Instant,
}

impl Exit {
    /// Comes when what is left in the pipes no longer counts.
    async fn drained(&self) {
        self.happened.cancelled().await;
        let drained = tokio::time::Instant::now() + DRAIN;
        tokio::time::sleep_until(drained.min(self.deadline)).await;
    }
}

/// What it left; nothing if it did not end by itself before its deadline.
async fn finish(
    child: &mut Child,
    group: &Group,
    input: Vec<u8>,
    cap: u64,
    lingers: bool,
    exit: &Exit,
) -> io::Result<Option<Output>> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let leave = async {
        let status = tokio::time::timeout_at(exit.deadline, child.wait()).await;
        match &status {
            Ok(Ok(status)) if lingers && status.success() => group.leave(),
            _ => group.end_for_good(),
        }
        exit.happened.cancel();
        status
    };
    let feed = async {
        let Some(mut stdin) = stdin else { return };
        tokio::select! {
            // A program may end, or close its input, without reading all of it: that is up to the program.
            _ = stdin.write_all(&input) => {}
            () = exit.happened.cancelled() => {}
        }
    };
    let room = Room {
        left: AtomicU64::new(cap),
        overrun: AtomicBool::new(false),
    };
    let (status, (), stdout, stderr) = tokio::join!(
        leave,
        feed,
        capture(stdout, &room, group, exit),
        capture(stderr, &room, group, exit)
    );
    let Ok(status) = status else { return Ok(None) };
    let status = status?;
    Ok(Some(Output {
        status: status.code(),
        signal: status.signal(),
        truncated: room.overrun.into_inner(),
        stdout,
        stderr,
    }))
}

/// What may still be kept of both outputs, in bytes.
struct Room {
    left: AtomicU64,
    /// Whether more was printed.
    overrun: AtomicBool,
}

impl Room {
    /// How many of `wanted` bytes may be kept.
    fn take(&self, wanted: usize) -> usize {
        let left = self.left.load(Ordering::Relaxed);
        let taken = left.min(wanted as u64);
        // Both outputs are read by one task.
        self.left.store(left - taken, Ordering::Relaxed);
        self.overrun.fetch_or(taken < wanted as u64, Ordering::Relaxed);
        usize::try_from(taken).unwrap_or(wanted)
    }
}

/// Reads `pipe` to its end, or while there is room (then the group is ended), or until shortly after the program's
/// exit: a process that has left the group may hold the pipe open for ever.
async fn capture(pipe: Option<impl AsyncRead + Unpin>, room: &Room, group: &Group, exit: &Exit) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut pipe) = pipe else { return kept };
    let read = async {
        loop {
            let before = kept.len();
            kept.reserve(8 << 10);
            // An error of the pipe ends the output as its end does.
            let Ok(read @ 1..) = pipe.read_buf(&mut kept).await else {
                break;
            };
            let taken = room.take(read);
            if taken < read {
                kept.truncate(before + taken);
                group.end();
                break;
            }
        }
    };
    tokio::select! {
        () = read => {}
        () = exit.drained() => {}
    }
    kept
}

/// The groups that are not finally ended.
static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Ends everything that berth has started and that has not ended, for a process that is about to end without waiting
/// for it.
pub fn end_programs() {
    groups().iter().for_each(|group| signal(*group, Signal::KILL));
}

fn groups() -> MutexGuard<'static, BTreeSet<i32>> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The child's process group, ended at the latest when this is dropped. 0: finally ended.
pub(super) struct Group(AtomicI32);

impl Group {
    pub(super) fn of(child: &Child) -> Self {
        let group = child.id().map_or(0, u32::cast_signed);
        groups().insert(group);
        Self(AtomicI32::new(group))
    }

    /// Asks its processes to end.
    pub(super) fn ask_to_end(&self) {
        signal(self.0.load(Ordering::Relaxed), Signal::TERM);
    }

    fn end(&self) {
        signal(self.0.load(Ordering::Relaxed), Signal::KILL);
    }

    /// This is the last possible time: when the child is reaped and its group is empty, another group may get the
    /// number.
    fn end_for_good(&self) {
        let group = self.0.swap(0, Ordering::Relaxed);
        signal(group, Signal::KILL);
        groups().remove(&group);
    }

    /// Lets what is left of it continue, whatever happens to berth.
    fn leave(&self) {
        groups().remove(&self.0.swap(0, Ordering::Relaxed));
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end_for_good();
    }
}

fn signal(group: i32, signal: Signal) {
    if let Some(group) = Pid::from_raw(group) {
        // This fails only if nothing is left of it.
        let _ = rustix::process::kill_process_group(group, signal);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_program_inherits_only_its_three_standard_descriptors() {
        let _unmarked = rustix::io::dup(std::io::stdin()).unwrap();
        let start = Start {
            backend: "here",
            program: Path::new("/bin/sh"),
            args: vec!["-c", "cd /proc/self/fd && echo *"],
            environment: &[],
            added: &[],
            directory: None,
            stdin: Vec::new(),
            deadline: Instant::now() + Duration::from_secs(10),
            output: 1000,
            lingers: false,
        };
        let Ended::Finished(output) = run(start).await.unwrap() else {
            panic!("it did not end")
        };
        // 3 is the listing's own.
        let inherited: Vec<&str> = std::str::from_utf8(&output.stdout)
            .unwrap()
            .split_whitespace()
            .collect();
        assert_eq!(inherited, ["0", "1", "2", "3"]);
    }

    /// What a shell's script does that may print `output` bytes.
    async fn ran(script: &str, output: u64) -> Output {
        let start = Start {
            backend: "here",
            program: Path::new("/bin/sh"),
            args: vec!["-c", script],
            environment: &[],
            added: &[],
            directory: None,
            stdin: Vec::new(),
            deadline: Instant::now() + Duration::from_secs(30),
            output,
            lingers: false,
        };
        match run(start).await.unwrap() {
            Ended::Finished(output) => output,
            Ended::TimedOut(after) => panic!("it did not end within {after:?}"),
        }
    }

    #[tokio::test]
    async fn the_cap_counts_both_outputs_together() {
        let said = ran("printf 12345; printf 67890 >&2", 10).await;
        assert_eq!(
            (said.stdout.as_slice(), said.stderr.as_slice()),
            (&b"12345"[..], &b"67890"[..])
        );
        assert!(!said.truncated);
        for script in [
            "printf 12345; printf 678901 >&2; sleep 60",
            "printf 12345678901; sleep 60",
            "printf 12345678901 >&2; sleep 60",
            "yes; sleep 60",
            "yes >&2 & yes; sleep 60",
        ] {
            let said = ran(script, 10).await;
            assert!(said.truncated, "{script}");
            assert_eq!(said.stdout.len() + said.stderr.len(), 10, "{script}");
        }
        let long = ran("head -c 3000000 /dev/zero", 4 << 20).await;
        assert_eq!((long.stdout.len(), long.truncated), (3_000_000, false));
        assert!(ran("printf 1", 0).await.truncated);
    }

    #[tokio::test]
    async fn a_program_bears_the_mark_whatever_else_is_in_its_environment() {
        let environment = [(OsString::from(MARK), OsString::from("inherited"))];
        let added = [(MARK.to_owned(), "added".to_owned())];
        let start = Start {
            backend: "here",
            program: Path::new("/usr/bin/env"),
            args: Vec::new(),
            environment: &environment,
            added: &added,
            directory: None,
            stdin: Vec::new(),
            deadline: Instant::now() + Duration::from_secs(10),
            output: 1000,
            lingers: false,
        };
        let Ended::Finished(output) = run(start).await.unwrap() else {
            panic!("it did not end")
        };
        assert_eq!(output.stdout, b"BERTH_SESSION=here\n");
    }
}
