//! What a job is to run, as a backend submitted it: kept until it starts, and judged again then.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::power::Granted;
use crate::capability::Site;
use crate::capability::process::grant::{ENTRY_MARKER, Grant, Lists};
use crate::capability::ssh::Unfound;
use crate::contract::process::Command;
use crate::contract::types::Error;
use crate::jobs::{Directory, Prepare, Prepared, Unprepared};
use crate::text;

/// Characters of a name from a guest that an error shows.
const NAMED: usize = 128;
/// How long a job that has its turn waits for what its backend has on its host.
const FOUND: Duration = Duration::from_mins(1);

/// What a job is to run. Its input is kept apart.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Submitted {
    program: String,
    args: Vec<String>,
    directory: Option<String>,
    env: Vec<(String, String)>,
    timeout_ms: Option<u64>,
}

impl Submitted {
    pub(super) fn new(command: Command, timeout_ms: Option<u64>) -> (Self, Vec<u8>) {
        let submitted = Self {
            program: command.program,
            args: command.args,
            directory: command.directory,
            env: command.env,
            timeout_ms,
        };
        (submitted, command.stdin)
    }
}

impl Site {
    /// The grant that allows this as a job, or why there is none.
    pub(super) async fn allowing(&self, submitted: &Submitted) -> Result<&Grant, Error> {
        let grant = self.granting(submitted)?;
        for named in grant.named_directories(Lists::Job, &submitted.args, &self.programs.headless) {
            let place = self.directories.directory(named)?;
            let held = self.machine.hold(&place).await;
            held.map_err(|failure| self.directories.failed(failure))?;
        }
        Ok(grant)
    }

    fn granting(&self, submitted: &Submitted) -> Result<&Grant, Error> {
        let (backend, programs) = (&self.backend, &self.programs);
        let grant = programs.grants.get(&submitted.program).ok_or_else(|| {
            let program = text::escaped(&submitted.program, NAMED);
            Error::Denied(format!(
                "program `{program}` is not granted; [backends.{backend}.programs.{program}] would grant it"
            ))
        })?;
        grant
            .allows_job(&submitted.args, &programs.headless)
            .map_err(|denial| Error::Denied(format!("[backends.{backend}.programs] {denial}")))?;
        // Otherwise it would start in the root directory, which nobody granted.
        if submitted.directory.is_none() && grant.starts_agent(&submitted.args, &programs.headless) {
            return Err(Error::Denied(format!(
                "an agent of backend `{backend}` starts in a granted directory only, and none is named"
            )));
        }
        match submitted
            .env
            .iter()
            .find(|(name, _)| !programs.guest_env.contains(name))
        {
            Some((name, _)) => Err(Error::Denied(format!(
                "environment variable `{}` is not granted; `guest_env` in [backends.{backend}] would grant it",
                text::escaped(name, NAMED)
            ))),
            None => Ok(grant),
        }
    }

    async fn begins_in(&self, path: &str) -> Result<Directory, Error> {
        let place = self.directories.directory(&self.meant(path.to_owned()))?;
        if let Some(within) = place.of_job() {
            return Ok(Directory::Within(within));
        }
        let opened = place.open().await;
        let opened = opened.map_err(|failure| self.directories.failed(failure))?;
        Ok(Directory::Opened(opened, path.to_owned()))
    }

    async fn prepared(&self, command: &str, entry: Option<&Path>) -> Result<Prepared, Error> {
        let mut submitted: Submitted = serde_json::from_str(command)
            .map_err(|_| Error::Failed("what it is to run was written by another version of berth".into()))?;
        let grant = self.allowing(&submitted).await?;
        let directory = match &submitted.directory {
            Some(path) => Some(self.begins_in(path).await?),
            None => None,
        };
        if let Some(socket) = self.programs.sockets.get(&submitted.program) {
            let looked = socket.look().await;
            looked.map_err(|trouble| Error::Unavailable(format!("`{}` was not run: {trouble}", submitted.program)))?;
        }
        let unreadable = |what: &str| Error::Failed(format!("{what} is not text, which a job needs"));
        let path = grant
            .path
            .to_str()
            .ok_or_else(|| unreadable("the path of its program"))?;
        let mut environment = BTreeMap::new();
        for (name, value) in &self.programs.environment {
            let name = name.to_str().ok_or_else(|| unreadable("the name of a variable"))?;
            let value = value
                .to_str()
                .ok_or_else(|| unreadable(&format!("the variable {name}")))?;
            environment.insert(name.to_owned(), value.to_owned());
        }
        environment.extend(submitted.env);
        let mut places = grant.entry_places(&submitted.args, &self.programs.headless);
        match entry {
            Some(entry) => {
                let entry = entry.to_str().ok_or_else(|| unreadable("the path of its directory"))?;
                for place in &places {
                    submitted.args[*place] = submitted.args[*place].replace(ENTRY_MARKER, entry);
                }
            }
            // The words that would name it are left out.
            None => {
                places.sort_unstable();
                while let Some(place) = places.pop() {
                    submitted.args.remove(place);
                }
            }
        }
        let asked = submitted.timeout_ms.map_or(grant.job_timeout, Duration::from_millis);
        Ok(Prepared {
            argv: [path.to_owned()]
                .into_iter()
                .chain(grant.fixed.iter().cloned())
                .chain(submitted.args)
                .collect(),
            directory,
            environment,
            takes_entry: !places.is_empty(),
            deadline: asked.min(grant.job_timeout),
            output: grant.job_output,
        })
    }
}

impl Prepare for Granted {
    fn prepare<'a>(
        &'a self,
        command: String,
        host: &'a str,
        entry: Option<&'a Path>,
    ) -> BoxFuture<'a, Result<Prepared, Unprepared>> {
        let told = move |error: Error| match error {
            Error::Unavailable(why) | Error::TimedOut(why) if !host.is_empty() => Unprepared::Away(why),
            error => Unprepared::Refused(words(&error)),
        };
        let prepared = async move {
            let found = self.0.sites.on(host, Instant::now() + FOUND).await;
            let site = found.map_err(|unfound| match no_place(&command, &unfound) {
                // The host has answered: it fails as a job on this machine does.
                Some(why) => Unprepared::Refused(why),
                None => told(unfound.into()),
            })?;
            site.prepared(&command, entry).await.map_err(told)
        };
        prepared.boxed()
    }
}

/// Why a job cannot begin where it is to, if that is in a directory which is not there. What else is wrong with directories may
/// concern other jobs, or pass.
fn no_place(command: &str, unfound: &Unfound) -> Option<String> {
    let Unfound::Directory { gone, .. } = unfound else {
        return None;
    };
    let submitted: Submitted = serde_json::from_str(command).ok()?;
    let directory = submitted.directory?;
    let above = |(path, _): &&(PathBuf, String)| Path::new(&directory).starts_with(path);
    gone.iter().find(above).map(|(_, why)| why.clone())
}

/// Why a job that was allowed is not started, for a person.
fn words(error: &Error) -> String {
    match error {
        Error::NotFound(why) | Error::Denied(why) | Error::Unavailable(why) | Error::Failed(why) => why.clone(),
        _ => "it could not be started".into(),
    }
}
