//! Requests to real shells of this machine, each in a session of its own behind three pipes, as a server of SSH starts
//! them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod ended;
mod files;
mod find;
mod run;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tempfile::TempDir;

use super::*;
use crate::machine::child::{Ended, Output};

/// The shells that are `/bin/sh` somewhere.
const SHELLS: [&[&str]; 4] = [&["dash"], &["bash"], &["bash", "--posix"], &["busybox", "sh"]];

/// No test takes as long; one that would hang ends.
const LONG: Duration = Duration::from_secs(100);

/// The way to a shell of this machine.
struct Local {
    shell: &'static [&'static str],
    environment: Vec<(OsString, OsString)>,
    /// What the login shell does before.
    login: String,
    opened: AtomicUsize,
    places: Arc<Places>,
    /// The process of each session.
    sessions: Mutex<Vec<u32>>,
}

impl Local {
    fn to(shell: &'static [&'static str]) -> Self {
        let environment = [("PATH", std::env::var_os("PATH").unwrap()), ("HOME", "/root".into())];
        Self {
            shell,
            environment: environment.map(|(name, value)| (name.into(), value)).into(),
            login: String::new(),
            opened: AtomicUsize::new(0),
            places: Arc::new(Places::default()),
            sessions: Mutex::default(),
        }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    fn after(mut self, login: &str) -> Self {
        self.login = login.to_owned();
        self
    }

    fn way(self) -> (Arc<Self>, Arc<dyn Way>) {
        let local = Arc::new(self);
        (local.clone(), local)
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }

    /// The processes of the group of the first session.
    fn left(&self) -> Vec<u32> {
        let group = self.sessions.lock().unwrap()[0];
        processes()
            .into_iter()
            .filter(|process| process.group == group && !process.is_zombie)
            .map(|process| process.pid)
            .collect()
    }
}

/// Counts what is done with places.
#[derive(Default)]
struct Places {
    held: AtomicUsize,
    given_up: AtomicUsize,
    /// None is left for sessions that are given up.
    is_full: AtomicBool,
}

impl Places {
    fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    fn given_up(&self) -> usize {
        self.given_up.load(Ordering::Relaxed)
    }
}

struct Held(Arc<Places>);

impl Held {
    fn of(places: &Arc<Places>) -> Self {
        places.held.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(places))
    }
}

impl SessionPlace for Held {
    fn give_up(&mut self) -> bool {
        self.0.given_up.fetch_add(1, Ordering::Relaxed);
        !self.0.is_full.load(Ordering::Relaxed)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Way for Local {
    #[allow(clippy::disallowed_methods, reason = "a test stands for the server")]
    async fn open(&self, _: Instant) -> Result<Channel, Unopened> {
        let mut command = tokio::process::Command::new("setsid");
        command
            .args(["/bin/sh", "-c", &format!("{}\nexec \"$@\"", self.login), "sh"])
            .args(self.shell)
            .arg("-s")
            .env_clear()
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| -> Unopened { Arc::new(error) })?;
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.sessions.lock().unwrap().push(child.id().unwrap());
        let channel = Channel {
            stdin: Box::new(child.stdin.take().unwrap()),
            stdout: Box::new(child.stdout.take().unwrap()),
            stderr: Box::new(child.stderr.take().unwrap()),
            place: Box::new(Held::of(&self.places)),
        };
        tokio::spawn(async move { child.wait().await });
        Ok(channel)
    }

    async fn open_to_kill(&self, deadline: Instant) -> Result<Channel, Unopened> {
        self.open(deadline).await
    }
}

struct Process {
    pid: u32,
    group: u32,
    is_zombie: bool,
}

/// Those of this machine.
fn processes() -> Vec<Process> {
    let read = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        Some(Process {
            pid,
            group: fields[2].parse().ok()?,
            is_zombie: fields[0] == "Z",
        })
    };
    let entries = std::fs::read_dir("/proc").unwrap();
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(read)
        .collect()
}

/// Waits until `is_so`.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn around() -> Around {
    Around {
        environment: vec!["PATH".into(), "HOME".into()],
        path: Vec::new(),
        variables: Vec::new(),
        backend: "there".into(),
    }
}

/// `program` with `args`, with enough time and room.
fn program(program: &str, args: &[&str]) -> Run {
    Run {
        program: program.to_owned(),
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        env: Vec::new(),
        directory: None,
        held: Vec::new(),
        stdin: Vec::new(),
        deadline: LONG,
        output: 32 << 20,
        lingers: false,
        socket: None,
    }
}

/// A script for the usual shell.
fn script(text: &str) -> Run {
    program("sh", &["-c", text])
}

async fn all(way: &Arc<dyn Way>, around: &Around, runs: Vec<Run>) -> Vec<Result<Ended, Fault>> {
    super::run(way, around, Instant::now() + LONG, runs).await
}

#[track_caller]
fn finished(outcome: Result<Ended, Fault>) -> Output {
    match outcome {
        Ok(Ended::Finished(output)) => output,
        Ok(Ended::TimedOut(after)) => panic!("it did not end within {after:?}"),
        Err(fault) => panic!("{fault:?}"),
    }
}

#[track_caller]
fn text(outcome: Result<Ended, Fault>) -> String {
    let output = finished(outcome);
    assert_eq!(
        (output.status, output.truncated),
        (Some(0), false),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn refusal<T>(outcome: Result<T, Fault>) -> Refusal {
    match outcome {
        Err(Fault::Refused(refusal)) => refusal,
        Err(fault) => panic!("{fault:?}"),
        Ok(_) => panic!("it was done"),
    }
}

/// A folder, by its path without links.
fn folder() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().canonicalize().unwrap();
    (folder, path)
}

fn within(root: &Path, below: &str) -> Within {
    Within {
        root: root.to_str().unwrap().to_owned(),
        below: below.to_owned(),
    }
}
