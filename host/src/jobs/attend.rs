//! What goes on with a backend's jobs while it is served: adoption of those that run, and the start of those that wait.

use std::collections::HashSet;
use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::start::Prepare;
use super::{Error, Jobs, Terms};
use crate::machine::job::{Reach, Scope, There};
use crate::store::jobs::{JobError, JobRecord};

/// Between two rounds of pruning.
const PRUNE: Duration = Duration::from_hours(1);
/// When something that went wrong is tried again.
const AGAIN: Duration = Duration::from_secs(10);
/// Names of directories that a warning has.
const NAMED: usize = 5;

/// Something happened with a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// `job`: it started or ended. `output`: it printed something.
    pub kind: &'static str,
    /// The job.
    pub id: String,
}

/// With what jobs are attended.
pub(super) struct Attending {
    pub(super) prepare: Arc<dyn Prepare>,
    pub(super) scope: Option<Scope>,
    told: UnboundedSender<Happened>,
}

impl Attending {
    pub(super) fn tell(&self, kind: &'static str, id: &str) {
        // Nobody may listen.
        let _ = self.told.send(Happened {
            kind,
            id: id.to_owned(),
        });
    }
}

/// The jobs that are followed, each by one task.
#[derive(Default)]
struct Running {
    ids: HashSet<String>,
    tasks: JoinSet<String>,
}

impl Running {
    /// Returns when one of them has ended.
    async fn ended(&mut self) {
        match self.tasks.join_next().await {
            None => pending().await,
            Some(Ok(id)) => drop(self.ids.remove(&id)),
            Some(Err(_)) => {}
        }
    }
}

/// Somebody attends to these jobs for as long as this is there.
struct Attended<'a>(&'a Jobs);

impl<'a> Attended<'a> {
    fn begin(jobs: &'a Jobs) -> Self {
        jobs.places().set_attended(true);
        Self(jobs)
    }
}

impl Drop for Attended<'_> {
    fn drop(&mut self) {
        self.0.places().set_attended(false);
    }
}

impl Jobs {
    /// Adopts what runs, and starts what waits in its turn, until `over`. Then nothing new is started, and what runs goes on
    /// by itself. What happens is told to `told`. Only one of these may be at work for the jobs of a backend.
    pub async fn attend(
        &self,
        prepare: Arc<dyn Prepare>,
        scope: Option<Scope>,
        terms: Terms,
        told: UnboundedSender<Happened>,
        over: &CancellationToken,
    ) {
        let with = Arc::new(Attending { prepare, scope, told });
        let _attended = Attended::begin(self);
        let hosts = self.folders().hosts();
        let asked = join_all(hosts.iter().map(There::attend));
        // A host that takes long to answer delays nothing of others.
        let attended = async { tokio::join!(self.attend_with(&with, terms), self.prune_at_times(terms), asked) };
        over.run_until_cancelled(attended).await;
    }

    async fn attend_with(&self, with: &Arc<Attending>, terms: Terms) {
        let mut running = Running::default();
        let mut reach: Vec<_> = self.folders().hosts().iter().map(|there| Some(there.reach())).collect();
        if let Some(folder) = self.folders().here() {
            self.report_unknown(folder).await;
        }
        self.adopt_all(with, &mut running).await;
        loop {
            let again = match self.start_waiting(with, terms, &mut running).await {
                Ok(()) => None,
                Err(error) => {
                    self.warn(&error);
                    Some(AGAIN)
                }
            };
            tokio::select! {
                () = self.0.due.notified() => {}
                () = self.0.taken.notified() => self.adopt_all(with, &mut running).await,
                () = running.ended() => {}
                () = one_turned(&mut reach) => {}
                () = sleep(again.unwrap_or_default()), if again.is_some() => {}
            }
        }
    }

    async fn prune_at_times(&self, terms: Terms) {
        loop {
            if let Err(error) = self.prune(terms).await {
                self.warn(&error);
            }
            sleep(PRUNE).await;
        }
    }

    async fn adopt_all(&self, with: &Arc<Attending>, running: &mut Running) {
        while let Err(error) = self.adopt(with, running).await {
            self.warn(&error);
            sleep(AGAIN).await;
        }
    }

    /// Follows what runs and is not followed.
    async fn adopt(&self, with: &Arc<Attending>, running: &mut Running) -> Result<(), Error> {
        let folders = self.folders();
        let all = self.index(|index| index.running()).await?.into_iter();
        // What runs elsewhere goes on by itself, and is followed when its backend is there again.
        for record in all.filter(|record| folders.of(&record.host).is_some()) {
            self.spawn(record, false, with, running);
        }
        Ok(())
    }

    async fn start_waiting(&self, with: &Arc<Attending>, terms: Terms, running: &mut Running) -> Result<(), Error> {
        // On a host that cannot be asked nothing can start, and what waits can still be cancelled.
        while let Some(record) = self.take_next(terms.room).await? {
            match record.phase.is_end() {
                true => with.tell("job", &record.id),
                false => self.spawn(record, true, with, running),
            }
        }
        Ok(())
    }

    fn spawn(&self, record: JobRecord, is_new: bool, with: &Arc<Attending>, running: &mut Running) {
        let (jobs, with, id) = (self.clone(), with.clone(), record.id.clone());
        if running.ids.insert(id.clone()) {
            running.tasks.spawn(async move {
                jobs.run(record, is_new, &with).await;
                id
            });
        }
    }

    /// Whatever the index does not know was put there by others. It is never run.
    async fn report_unknown(&self, folder: PathBuf) {
        let shown = folder.display().to_string();
        let unknown = self.index(move |index| {
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_file()));
            let names = directories.map(|entry| entry.file_name().to_string_lossy().into_owned());
            Ok(names
                .filter(|name| matches!(index.get(name), Err(JobError::Unknown(_))))
                .collect::<Vec<_>>())
        });
        match unknown.await {
            Ok(unknown) if !unknown.is_empty() => tracing::warn!(
                backend = self.0.backend,
                "{} of the directories in {shown} belong to no job that berth knows, and are left alone, such as {:?}",
                unknown.len(),
                &unknown[..unknown.len().min(NAMED)]
            ),
            Ok(_) => {}
            Err(error) => self.warn(&error),
        }
    }

    pub(super) fn warn(&self, error: &Error) {
        tracing::warn!(backend = self.0.backend, "jobs: {error}");
    }
}

/// Waits until one of these hosts cannot be asked any more, or again.
async fn one_turned(reach: &mut [Option<Reach>]) {
    let mut turning: FuturesUnordered<_> = reach.iter_mut().map(turned).collect();
    if turning.next().await.is_none() {
        pending().await
    }
}

/// Waits until a host cannot be asked any more, or again.
pub(super) async fn turned(reach: &mut Option<Reach>) {
    match reach {
        None => pending().await,
        Some(told) => {
            if told.changed().await.is_err() {
                *reach = None;
                pending::<()>().await;
            }
        }
    }
}
