//! Starting a job's supervisor.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::news::News;
use super::place::{Job, Stage};
use super::spec::Spec;
use crate::machine::child;

/// The first argument of this binary when it is a supervisor.
pub const NAME: &str = "job";
/// By this variable the system's `systemd-run` finds the user manager.
const RUNTIME: &str = "XDG_RUNTIME_DIR";

/// The binary that this process runs, also if another one, or none, is in its place on the disk: then a supervisor is
/// still of the version that made its job's directory.
///
/// # Errors
/// What the system says.
pub fn this_binary() -> io::Result<PathBuf> {
    match cfg!(target_os = "linux") {
        true => Ok(format!("/proc/{}/exe", std::process::id()).into()),
        false => std::env::current_exe(),
    }
}

/// What puts a supervisor in a scope of its own, so that the end of berth's service is not its end: the system's
/// `systemd-run`, where a user manager runs.
#[derive(Debug, Clone)]
pub struct Scope(pub PathBuf);

/// What became of the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// A supervisor has the job.
    Claimed,
    /// None took it, and none will. Why, as far as that is known.
    Refused(String),
}

/// Whether what failed with `error` succeeds later without anybody's doing: there was no room on the disk, or for one more
/// process, or a process was killed.
pub fn will_pass(error: &io::Error) -> bool {
    const FULL: [Errno; 6] = [
        Errno::NOSPC,
        Errno::DQUOT,
        Errno::AGAIN,
        Errno::NOMEM,
        Errno::MFILE,
        Errno::NFILE,
    ];
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::StorageFull)
        || Errno::from_io_error(error).is_some_and(|errno| FULL.contains(&errno))
}

/// The start of a supervisor.
#[derive(Debug)]
pub struct Start<'a> {
    /// The binary that it is.
    pub berth: &'a Path,
    /// None: it is where this process is, and ends with berth's service if that ends all its processes.
    pub scope: Option<&'a Scope>,
    /// Its job.
    pub job: &'a Job,
    /// What that was made with.
    pub spec: &'a Spec,
    /// Where the program begins; none: in the root directory.
    pub directory: Option<OwnedFd>,
    /// Whose job it is.
    pub backend: &'a str,
    /// The values of the variables that `spec` names, in its order.
    pub values: &'a [String],
}

impl Start<'_> {
    /// Starts it. It outlives this process.
    ///
    /// # Errors
    /// What the system says; then no supervisor has the job.
    pub async fn begin(&self) -> io::Result<Begun> {
        if let Some(scope) = self.scope {
            let why = match self.claimed(self.within(scope)).await {
                Ok(Begun::Claimed) => return Ok(Begun::Claimed),
                Ok(Begun::Refused(why)) => why,
                Err(error) => error.to_string(),
            };
            tracing::warn!("the supervisor of a job gets no scope of its own: {why}");
        }
        self.claimed(self.command(self.berth)).await
    }

    fn command(&self, program: &Path) -> Command {
        child::supervisor(program, self.directory.as_ref(), self.backend, &self.spec.id)
    }

    fn within(&self, Scope(systemd_run): &Scope) -> Command {
        let mut command = self.command(systemd_run);
        command
            .args(["--user", "--scope", "--quiet", "--collect"])
            .arg(format!("--unit=berth-job-{}", self.spec.id))
            .arg("--")
            .arg(self.berth)
            .envs(std::env::var_os(RUNTIME).map(|path| (RUNTIME, path)));
        command
    }

    /// Runs `command` with what a supervisor is told, and waits until one has the job, or this one has ended.
    async fn claimed(&self, mut command: Command) -> io::Result<Begun> {
        // One tells only after its claim.
        let told = News::first(self.job);
        let mut supervisor = command.arg(NAME).arg(self.job.path()).spawn()?;
        if let Some(mut stdin) = supervisor.stdin.take() {
            let mut text = String::new();
            for (name, value) in self.spec.variables.iter().zip(self.values) {
                text.extend([name, "=", value, "\0"]);
            }
            // One that does not read all of it ends, which is seen below.
            let _ = stdin.write_all(text.as_bytes()).await;
        }
        let status = tokio::select! {
            status = supervisor.wait() => status?,
            told = told => return told.map(|()| Begun::Claimed),
        };
        match self.job.stage()? {
            Stage::Unclaimed if status.signal().is_some() => Err(ErrorKind::Interrupted.into()),
            Stage::Unclaimed => Ok(Begun::Refused(format!("it ended at once ({status})"))),
            _ => Ok(Begun::Claimed),
        }
    }
}
