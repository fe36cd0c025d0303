//! Starting a job's supervisor.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use tokio::io::AsyncWriteExt as _;

use super::news::News;
use super::place::{Job, Stage};
use super::spec::Spec;
use crate::machine::child;

/// The first argument of this binary when it is a supervisor.
pub const NAME: &str = "job";

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

/// Starts a supervisor, of this `berth`, for a job that was made with `spec`. It begins in `directory`, otherwise in the
/// root directory, and is told the values of all variables. It outlives this process. `backend` is whose job it is.
///
/// # Errors
/// What the system says; then no supervisor has the job.
pub async fn begin(
    berth: &Path,
    scope: Option<&Scope>,
    job: &Job,
    spec: &Spec,
    directory: Option<OwnedFd>,
    backend: &str,
    values: &[String],
) -> io::Result<Begun> {
    let again = directory.as_ref().map(OwnedFd::try_clone).transpose()?;
    if scope.is_some() {
        match begin_once(berth, scope, job, spec, again, backend, values).await? {
            Begun::Claimed => return Ok(Begun::Claimed),
            Begun::Refused(why) => tracing::warn!("a job's supervisor gets no scope of its own: {why}"),
        }
    }
    begin_once(berth, None, job, spec, directory, backend, values).await
}

async fn begin_once(
    berth: &Path,
    scope: Option<&Scope>,
    job: &Job,
    spec: &Spec,
    directory: Option<OwnedFd>,
    backend: &str,
    values: &[String],
) -> io::Result<Begun> {
    // One tells only after its claim.
    let told = News::first(job);
    let mut command = match scope {
        Some(Scope(systemd_run)) => {
            let mut command = child::supervisor(systemd_run, directory.as_ref(), backend);
            command.args(["--user", "--scope", "--quiet", "--collect"]);
            command
                .arg(format!("--unit=berth-job-{}", spec.id))
                .arg("--")
                .arg(berth);
            command.envs(std::env::var_os("XDG_RUNTIME_DIR").map(|path| (OsString::from("XDG_RUNTIME_DIR"), path)));
            command
        }
        None => child::supervisor(berth, directory.as_ref(), backend),
    };
    let mut supervisor = { command.arg(NAME).arg(job.path()) }.spawn()?;
    if let Some(mut stdin) = supervisor.stdin.take() {
        let mut text = String::new();
        for (name, value) in spec.variables.iter().zip(values) {
            text.extend([name, "=", value, "\0"]);
        }
        // One that does not read all of it ends, which is seen below.
        let _ = stdin.write_all(text.as_bytes()).await;
    }
    let status = tokio::select! {
        status = supervisor.wait() => status?,
        told = told => return told.map(|()| Begun::Claimed),
    };
    match job.stage()? {
        Stage::Unclaimed => Ok(Begun::Refused(format!("it ended at once ({status})"))),
        _ => Ok(Begun::Claimed),
    }
}
