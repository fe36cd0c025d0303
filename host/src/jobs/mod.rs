//! The jobs of a backend: what waits is started in its turn, what runs is followed, and what has ended is kept for a time.
//!
//! A job belongs to nobody's process, so all of this can end and begin again at any moment: with a reload, or with the next
//! berth. What a job is to run and how it ended stands in the index, whether it runs in its directory.

mod attend;
mod entry;
mod folders;
mod follow;
mod lineage;
mod prune;
mod start;
mod take_over;
#[cfg(all(test, target_os = "linux"))]
mod tests;
mod unreached;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Mutex, Notify};

pub use self::attend::Happened;
pub use self::entry::Reach;
pub use self::folders::Folders;
use self::folders::{Places, machine};
pub use self::start::{Directory, Prepare, Prepared, Unprepared};
pub use self::take_over::{Foreign, Took};
pub use self::unreached::{AllUnreached, Unreached};
use crate::machine::job::{self, Appended, Folder, Trouble};
pub use crate::machine::job::{Channel, Chunk};
use crate::store::jobs::{Filter, JobError, JobRecord, NewJob, Outcome, Phase, Room, Submitted};
use crate::store::{self, DataDirectory, JobIndex};

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The index refuses it.
    #[error(transparent)]
    Index(#[from] JobError),
    /// Its directory cannot be used.
    #[error("the directory of job {id}: {cause}")]
    Directory {
        /// The job.
        id: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// It cannot be started now.
    #[error("job {id} cannot be started yet: {cause}")]
    Start {
        /// The job.
        id: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// It is on a host that cannot be asked, so nobody knows how it stands.
    #[error("job {id}: {why}")]
    Away {
        /// The job.
        id: String,
        /// Why not.
        why: Arc<str>,
    },
    /// A host cannot be asked.
    #[error(transparent)]
    Host(#[from] Trouble),
    /// The job has ended.
    #[error("job {0} has ended")]
    Ended(String),
}

/// What went wrong with the job `id`.
fn of_job(id: &str) -> impl FnOnce(Trouble) -> Error {
    let id = id.to_owned();
    |trouble| match trouble {
        Trouble::Directory(cause) => Error::Directory { id, cause },
        Trouble::Away(why) => Error::Away { id, why },
    }
}

/// How much runs, and how long what has ended is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How many run at once.
    pub room: Room,
    /// How deep runs that start runs go: 1 for what a person started, and no further.
    pub depth: u32,
    /// How long one is kept that has ended.
    pub keep: Duration,
    /// Bytes that those may take together; then the oldest go.
    pub size: u64,
}

/// The jobs of all backends, each opened once: those of a backend in two generations are the same ones.
#[derive(Debug)]
pub struct AllJobs {
    data: DataDirectory,
    berth: PathBuf,
    reach: Reach,
    opened: std::sync::Mutex<BTreeMap<String, Jobs>>,
    only_looks: bool,
}

impl AllJobs {
    /// Those that are kept in `data`. Their supervisors are of the binary that this process runs. `reach` is how what runs
    /// reaches this server.
    ///
    /// # Errors
    /// It cannot be found.
    pub fn new(data: DataDirectory, reach: Reach) -> std::io::Result<Self> {
        Ok(Self {
            data,
            berth: job::this_binary()?,
            reach,
            opened: Default::default(),
            only_looks: false,
        })
    }

    /// Those of all backends that have had some. What cannot be opened is left out, and said in the log when its backend
    /// starts.
    fn all(&self) -> Vec<Jobs> {
        let names = self.data.backends_with_jobs().into_iter();
        names.filter_map(|name| self.of(&name).ok()).collect()
    }

    /// Those that are kept in `data`, for a process that starts none and only looks, cancels or removes. It reaches no host: of
    /// what runs there it knows what the index says.
    pub fn unattended(data: DataDirectory) -> Self {
        Self {
            data,
            berth: PathBuf::new(),
            reach: Reach::Http(String::new()),
            opened: Default::default(),
            only_looks: true,
        }
    }

    /// Those of `backend`.
    ///
    /// # Errors
    /// As [`Jobs::open`].
    pub fn of(&self, backend: &str) -> Result<Jobs, store::Error> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(jobs) = opened.get(backend) {
            return Ok(jobs.clone());
        }
        let jobs = Jobs::open(&self.data, backend, self.berth.clone(), self.reach.clone())?;
        jobs.0.only_looks.store(self.only_looks, Ordering::Relaxed);
        opened.insert(backend.to_owned(), jobs.clone());
        Ok(jobs)
    }
}

/// Tells the time. It may be set back, or forward: the order of jobs and their deadlines do not depend on it.
pub type Clock = fn() -> SystemTime;

/// The jobs of one backend. Clones are of the same ones.
#[derive(Debug, Clone)]
pub struct Jobs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    backend: String,
    index: JobIndex,
    places: RwLock<Places>,
    /// This process has a way to no host.
    only_looks: AtomicBool,
    /// The binary of which supervisors are started.
    berth: PathBuf,
    clock: Clock,
    reach: Reach,
    /// Held while a job that waits becomes one that runs, and while either is changed.
    turn: Mutex<()>,
    /// Something may be started.
    due: Notify,
    /// Something runs that was not followed.
    taken: Notify,
}

impl Jobs {
    /// Those of `backend`. `berth` is the binary of which supervisors are started, and `reach` how what runs reaches this
    /// server.
    ///
    /// # Errors
    /// If their index cannot be opened.
    pub fn open(data: &DataDirectory, backend: &str, berth: PathBuf, reach: Reach) -> Result<Self, store::Error> {
        Self::open_by(SystemTime::now, data, backend, berth, reach)
    }

    /// The same by another clock than the system's.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_by(
        clock: Clock,
        data: &DataDirectory,
        backend: &str,
        berth: PathBuf,
        reach: Reach,
    ) -> Result<Self, store::Error> {
        Ok(Self(Arc::new(Shared {
            backend: backend.to_owned(),
            index: data.job_index(backend)?,
            places: RwLock::new(Places::new(Folders::One(Folder::Here(data.jobs_path(backend)?)))),
            only_looks: AtomicBool::new(false),
            berth,
            clock,
            reach,
            turn: Mutex::default(),
            due: Notify::new(),
            taken: Notify::new(),
        })))
    }

    /// From now on they are in `folders`; while somebody attends to them, for the next one who does: a generation that comes up
    /// aside may never take over. The index stays on this machine.
    pub fn be_in(&self, folders: Folders) {
        self.places().be_in(folders);
    }

    fn folders(&self) -> Folders {
        let places = self.0.places.read().unwrap_or_else(PoisonError::into_inner);
        places.now.clone()
    }

    /// Where they are, if somebody attends to them.
    fn attended(&self) -> Option<Folders> {
        let places = self.0.places.read().unwrap_or_else(PoisonError::into_inner);
        places.attended().cloned()
    }

    fn places(&self) -> RwLockWriteGuard<'_, Places> {
        self.0.places.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a job, once for each key. Answers its id.
    ///
    /// # Errors
    /// As [`JobIndex::submit`].
    pub async fn submit(&self, job: NewJob) -> Result<String, Error> {
        let (id, at) = (job.id.clone(), self.now());
        let submitted = self.index(move |index| index.submit(&job, at)).await?;
        self.0.due.notify_one();
        Ok(match submitted {
            Submitted::New => id,
            Submitted::Before(known) => known,
        })
    }

    /// A job as it is now.
    ///
    /// # Errors
    /// There is none of that id.
    pub async fn get(&self, id: &str) -> Result<JobRecord, Error> {
        let asked = id.to_owned();
        let record = self.index(move |index| index.get(&asked)).await?;
        match record.phase {
            Phase::Running => Ok(self.with_lengths(record).await),
            _ => Ok(record),
        }
    }

    /// The jobs that `filter` asks for, the newest first. The lengths of those that run are those at their start.
    ///
    /// # Errors
    /// As [`JobIndex::recent`].
    pub async fn recent(&self, filter: Filter) -> Result<Vec<JobRecord>, Error> {
        let folders = self.folders();
        let (is_asked, limit) = (filter.phases.clone(), filter.limit as usize);
        let mut filter = filter;
        for phase in filter.phases.iter_mut().filter(|phase| **phase == Phase::Unreachable) {
            *phase = Phase::Running;
        }
        let mut found = Vec::new();
        loop {
            let asked = filter.clone();
            let part = self.index(move |index| index.recent(&asked)).await?;
            let is_last = part.len() < limit;
            filter.after = part.last().map(|record| record.id.clone()).or(filter.after);
            let told = part.into_iter().map(|record| match self.away(&folders, &record) {
                Some(why) if record.phase == Phase::Running => unreachable(record, &why),
                _ => record,
            });
            found.extend(told.filter(|record| is_asked.is_empty() || is_asked.contains(&record.phase)));
            // Some of a part may be told in another phase than was asked for.
            if is_last || found.len() >= limit {
                found.truncate(limit);
                return Ok(found);
            }
        }
    }

    /// The ids that begin with `beginning`, at most two of them: enough to tell whether it names one job.
    ///
    /// # Errors
    /// The index cannot be read.
    pub async fn beginning_with(&self, beginning: &str) -> Result<Vec<String>, Error> {
        let beginning = beginning.to_owned();
        self.index(move |index| index.beginning_with(&beginning)).await
    }

    /// Sets what the backend says of a job.
    ///
    /// # Errors
    /// There is none of that id.
    pub async fn set_label(&self, id: &str, label: &str) -> Result<(), Error> {
        let (id, label) = (id.to_owned(), label.to_owned());
        self.index(move |index| index.set_label(&id, &label)).await
    }

    /// Cancels a job: at once if it waits, otherwise it is asked to end. One that has ended is a success.
    ///
    /// # Errors
    /// There is none of that id, or its directory cannot be used.
    pub async fn cancel(&self, id: &str) -> Result<(), Error> {
        let turn = self.0.turn.lock().await;
        let asked = id.to_owned();
        let found = self.index(move |index| Ok((index.get(&asked)?, index.command(&asked)?.is_some())));
        let (record, is_unclaimed) = found.await?;
        match record.phase {
            Phase::Queued => self.cancel_at_once(id).await,
            Phase::Running => {
                let folder = self.folder_of(&record)?;
                let is_here = matches!(folder, Folder::Here(_));
                // A start may be on its way to a host, and finds that it is cancelled.
                let turn = is_here.then_some(turn);
                match folder.cancel(id, is_unclaimed).await.map_err(of_job(id)) {
                    // It has its turn, but no directory yet, and gets none any more.
                    Err(Error::Directory { cause, .. })
                        if is_here && is_unclaimed && cause.kind() == ErrorKind::NotFound =>
                    {
                        self.cancel_at_once(id).await
                    }
                    // Nobody reads there any more that it is to end.
                    Err(Error::Directory { cause, .. }) if follow::is_gone(&cause) => {
                        drop(turn);
                        self.give_up(&folder, id).await
                    }
                    cancelled => cancelled,
                }
            }
            _ => Ok(()),
        }
    }

    async fn cancel_at_once(&self, id: &str) -> Result<(), Error> {
        let (id, outcome) = (id.to_owned(), self.ended(Phase::Cancelled, None));
        self.index(move |index| index.set_ended(&id, &outcome)).await?;
        self.0.due.notify_one();
        Ok(())
    }

    /// Adds to the input of a job, all of it or nothing. Answers how many bytes that has now.
    ///
    /// # Errors
    /// Another number of bytes is there than `expect`, the input or the job has ended, or there is no room.
    pub async fn write(&self, id: &str, bytes: Vec<u8>, expect: Option<u64>) -> Result<u64, Error> {
        let turn = self.0.turn.lock().await;
        let (asked, bytes) = (id.to_owned(), Arc::new(bytes));
        let added = bytes.clone();
        let waiting = self.index(move |index| index.append(&asked, &added, expect)).await?;
        if let Some(length) = waiting {
            return Ok(length);
        }
        // It has its directory, where each takes turns by a lock that others can hold too.
        drop(turn);
        let folder = self.ensure_running(id).await?;
        match folder.append(id, bytes, expect).await.map_err(of_job(id))? {
            Appended::Now(length) => Ok(length),
            Appended::Conflict(found) => Err(JobError::Offset {
                expected: expect.unwrap_or_default(),
                found,
            }
            .into()),
            Appended::Ended => Err(JobError::Whole.into()),
            Appended::TooMuch => Err(JobError::Full("a job takes at most 1 GiB of input").into()),
        }
    }

    /// Ends the input of a job. One whose input has ended is a success.
    ///
    /// # Errors
    /// There is none of that id, or its directory cannot be used.
    pub async fn close(&self, id: &str) -> Result<(), Error> {
        let turn = self.0.turn.lock().await;
        let asked = id.to_owned();
        if self.index(move |index| index.close(&asked)).await? {
            return Ok(());
        }
        drop(turn);
        match self.ensure_running(id).await {
            Err(Error::Ended(_)) => Ok(()),
            Err(error) => Err(error),
            Ok(folder) => folder.close(id).await.map_err(of_job(id)),
        }
    }

    /// At most `most` bytes of what a job printed, from the byte `start` on or the first one after it that is kept.
    ///
    /// # Errors
    /// There is no job of that id, or its directory cannot be used.
    pub async fn read(&self, id: &str, channel: Channel, start: u64, most: u64) -> Result<Chunk, Error> {
        let asked = id.to_owned();
        let record = self.index(move |index| index.get(&asked)).await?;
        let nothing = || Chunk {
            start: 0,
            bytes: Vec::new(),
        };
        let printed = match channel {
            Channel::Output => record.output,
            Channel::Errors => record.errors,
        };
        if record.started_at.is_none() || (!record.host.is_empty() && record.phase.is_end() && printed == 0) {
            return Ok(nothing());
        }
        let folder = self.folder_of(&record)?;
        match folder.output(id, channel, start, most).await {
            // It ended, or will, without having been started.
            Err(Trouble::Directory(cause)) if cause.kind() == ErrorKind::NotFound => Ok(nothing()),
            Err(Trouble::Away(_)) if self.is_to_come(&folder, id).await => Ok(nothing()),
            read => read.map_err(of_job(id)),
        }
    }

    /// Whether a job that has its turn was not started yet, on a host that answers, as far as is known: so there may be nothing
    /// of any job yet.
    async fn is_to_come(&self, folder: &Folder, id: &str) -> bool {
        let asked = id.to_owned();
        let command = self.index(move |index| index.command(&asked)).await;
        folder.away().is_none() && command.is_ok_and(|command| command.is_some())
    }

    async fn ensure_running(&self, id: &str) -> Result<Folder, Error> {
        let asked = id.to_owned();
        let record = self.index(move |index| index.get(&asked)).await?;
        match record.phase {
            Phase::Running => self.folder_of(&record),
            _ => Err(Error::Ended(id.to_owned())),
        }
    }

    /// Where a job that was started is.
    fn folder_of(&self, record: &JobRecord) -> Result<Folder, Error> {
        let folders = self.folders();
        let elsewhere = || of_job(&record.id)(Trouble::Away(self.elsewhere(&folders, record)));
        folders.of(&record.host).ok_or_else(elsewhere)
    }

    /// Why nobody can say how a job that was started stands, as far as that is known without asking.
    fn away(&self, folders: &Folders, record: &JobRecord) -> Option<Arc<str>> {
        match folders.of(&record.host) {
            Some(folder) => folder.away_of(&record.id),
            // The berth that runs keeps the index as it is there.
            None if self.0.only_looks.load(Ordering::Relaxed) => None,
            None => Some(self.elsewhere(folders, record)),
        }
    }

    /// That a job that was started is not where this process looks.
    fn elsewhere(&self, folders: &Folders, record: &JobRecord) -> Arc<str> {
        let why = match self.0.only_looks.load(Ordering::Relaxed) {
            true => format!(
                "it is on {}, which only a berth that serves reaches, and none does: start one with `berth serve`, and ask again",
                machine(&record.host)
            ),
            false => folders.elsewhere(&record.host),
        };
        why.into()
    }

    /// The record with what its directory knows better. One that has ended meanwhile, or not begun, has none.
    async fn with_lengths(&self, record: JobRecord) -> JobRecord {
        let folders = self.folders();
        let Some(folder) = folders.of(&record.host) else {
            return match self.away(&folders, &record) {
                Some(why) => unreachable(record, &why),
                None => record,
            };
        };
        match folder.lengths(&record.id).await {
            Ok(lengths) => JobRecord {
                // Some of it may not be there yet.
                input: lengths.input.unwrap_or_default().max(record.input),
                output: lengths.output,
                errors: lengths.errors,
                ..record
            },
            Err(Trouble::Away(why)) if !self.is_to_come(&folder, &record.id).await => unreachable(record, &why),
            Err(_) => record,
        }
    }

    /// An end of which nothing more is known.
    fn ended(&self, phase: Phase, reason: Option<String>) -> Outcome {
        Outcome {
            phase,
            reason,
            status: None,
            signal: None,
            finished_at: self.now(),
            input: None,
            output: 0,
            errors: 0,
            kept: 0,
        }
    }

    /// Milliseconds since 1970.
    fn now(&self) -> u64 {
        let since = (self.0.clock)().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or_default()
    }

    /// What `work` makes of the index, where blocking is allowed.
    async fn index<T: Send + 'static>(
        &self,
        work: impl FnOnce(&JobIndex) -> Result<T, JobError> + Send + 'static,
    ) -> Result<T, Error> {
        let shared = self.0.clone();
        let worked = tokio::task::spawn_blocking(move || work(&shared.index)).await;
        Ok(worked.unwrap_or(Err(JobError::Full("berth ends")))?)
    }
}

/// One that runs as far as is known.
fn unreachable(record: JobRecord, why: &str) -> JobRecord {
    JobRecord {
        phase: Phase::Unreachable,
        reason: Some(why.to_owned()),
        ..record
    }
}
