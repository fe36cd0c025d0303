//! Starting the job whose turn it is.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use futures::future::BoxFuture;

use super::{Error, Jobs, ended, entry, now};
use crate::machine::job::{self, Begun, Job, Scope, Spec};
use crate::peer;
use crate::store::jobs::{Phase, Room};

/// Makes what was submitted into what can be started, by what is granted now.
pub trait Prepare: Send + Sync {
    /// What `command`, as it was submitted, is to run; or why it may not. If it takes an entry for this server, that will
    /// be the file `entry`.
    fn prepare<'a>(&'a self, command: String, entry: &'a Path) -> BoxFuture<'a, Result<Prepared, String>>;
}

/// What can be started.
#[derive(Debug)]
pub struct Prepared {
    /// The program, by an absolute path, and its arguments.
    pub argv: Vec<String>,
    /// Where it starts: an open directory, and its path for people. None: the root directory.
    pub directory: Option<(OwnedFd, String)>,
    /// Its variables.
    pub environment: BTreeMap<String, String>,
    /// Whether it names the file with an entry for this server.
    pub takes_entry: bool,
    /// How long it may take.
    pub deadline: Duration,
    /// Bytes that are kept of each of its outputs.
    pub output: u64,
}

impl Jobs {
    /// Takes the job that is next, if there is room for one: from now on it counts as one that runs.
    pub(super) async fn take_next(&self, room: Room) -> Result<Option<String>, Error> {
        let _turn = self.0.turn.lock().await;
        self.index(move |index| {
            let Some(next) = index.next(room)? else { return Ok(None) };
            index.set_running(&next, now())?;
            Ok(Some(next))
        })
        .await
    }

    /// Starts a job that was taken; a supervisor has it then, or it has ended. It may be tried again by who finds it like
    /// this: of two supervisors only one claims a job.
    pub(super) async fn start(&self, prepare: &dyn Prepare, scope: Option<&Scope>, id: &str) -> Result<(), Error> {
        let asked = id.to_owned();
        let Some(command) = self.index(move |index| index.command(&asked)).await? else {
            return self.fail(id, "nobody knows any more what it is to run").await;
        };
        let prepared = match prepare
            .prepare(command, &self.0.folder.join(id).join(entry::FILE))
            .await
        {
            Ok(prepared) => prepared,
            Err(why) => return self.fail(id, &why).await,
        };
        let mut environment = prepared.environment;
        environment.insert(peer::MARK.to_owned(), self.0.backend.clone());
        environment.insert(job::MARK.to_owned(), id.to_owned());
        let (variables, values): (Vec<_>, Vec<_>) = environment.into_iter().unzip();
        let (directory, path) = prepared.directory.unzip();
        let spec = Spec {
            id: id.to_owned(),
            argv: prepared.argv,
            directory: path,
            variables,
            deadline: prepared.deadline,
            output: prepared.output,
        };
        let job = match self.make(id, spec.clone()).await? {
            Ok(job) => job,
            Err(why) => return self.fail(id, &format!("its directory cannot be made: {why}")).await,
        };
        if prepared.takes_entry
            && let Err(why) = self.write_entry(id, &job).await
        {
            return self
                .fail(id, &format!("its entry for this server cannot be written: {why}"))
                .await;
        }
        let begun = job::begin(&self.0.berth, scope, &job, &spec, directory, &self.0.backend, &values);
        match begun.await {
            Ok(Begun::Claimed) => {
                let asked = id.to_owned();
                self.index(move |index| index.set_claimed(&asked)).await
            }
            Ok(Begun::Refused(why)) => self.fail(id, &format!("its supervisor did not take it: {why}")).await,
            Err(error) => {
                self.fail(id, &format!("its supervisor cannot be started: {error}"))
                    .await
            }
        }
    }

    /// Makes its directory, with the input that it has until then, unless that was done.
    async fn make(&self, id: &str, spec: Spec) -> Result<Result<Job, std::io::Error>, Error> {
        let _turn = self.0.turn.lock().await;
        let (asked, path) = (id.to_owned(), self.0.folder.join(id));
        self.index(move |index| {
            let Some((input, whole)) = index.input(&asked)? else {
                return Ok(Job::open(&path));
            };
            let made = Job::make(&path, &spec, &input, whole);
            if made.is_ok() {
                index.set_made(&asked)?;
            }
            Ok(made)
        })
        .await
    }

    async fn fail(&self, id: &str, why: &str) -> Result<(), Error> {
        let (asked, outcome) = (id.to_owned(), ended(Phase::Failed, Some(why.to_owned())));
        self.index(move |index| index.set_ended(&asked, &outcome))
            .await
            .map(drop)
    }
}
