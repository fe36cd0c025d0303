//! The index of one backend's jobs: which there are, in what order, and how each of them is. What runs, and what it
//! printed, is in a directory of each job.
//!
//! The methods block; they are called where blocking is allowed. What they changed outlives this process, and a power cut
//! unless they say otherwise.

mod lineage;
mod listing;
mod record;
mod taken;
#[cfg(test)]
mod tests;
mod waiting;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

pub use self::lineage::{Kin, Origin};
pub use self::listing::Filter;
pub use self::record::{JobRecord, Outcome, Phase};
pub use self::waiting::{NewJob, Reached, Room, Submitted};

use super::database::{self, JOBS};
use super::{Error, files};

/// Why something was not done. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// There is no such job.
    #[error("there is no job {0:?}")]
    Unknown(String),
    /// The key belongs to a job that was submitted with other content.
    #[error("job {id} was submitted with this key and other content")]
    OtherContent {
        /// That job.
        id: String,
    },
    /// Its input is not as the caller knows it.
    #[error("its input has {found} bytes, and not {expected}")]
    Offset {
        /// The bytes that were expected.
        expected: u64,
        /// Those that are there.
        found: u64,
    },
    /// Its input has ended.
    #[error("its input has ended")]
    Whole,
    /// A job of this id is known as one that is elsewhere.
    #[error("a job {0:?} is known here, and is on another machine")]
    Elsewhere(String),
    /// Another job of its queue runs.
    #[error("another job of its queue {queue:?} runs: {id}; when that has ended, do this again")]
    Queue {
        /// The queue.
        queue: String,
        /// That job.
        id: String,
    },
    /// There is no room for more.
    #[error("{0}")]
    Full(&'static str),
    /// The file could not be used.
    #[error(transparent)]
    Broken(#[from] Error),
}

/// The index of one backend's jobs.
#[derive(Debug)]
pub struct JobIndex {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl JobIndex {
    /// The one in `folder`, which is made if need be.
    pub(super) fn open(folder: &Path) -> Result<Self, Error> {
        files::own_directory(folder)?;
        let path = folder.join("index.db");
        let connection = database::open(&path, &JOBS, true)?;
        // What was forgotten is written over: notes and inputs are what people wrote.
        connection
            .pragma_update(None, "secure_delete", true)
            .map_err(Error::database(&path))?;
        match JOBS.altered(&connection, &path)? {
            Some(altered) => Err(Error::Altered(altered)),
            None => Ok(Self {
                path,
                connection: Mutex::new(connection),
            }),
        }
    }

    /// The job called `id`.
    ///
    /// # Errors
    /// There is none, or the file cannot be read.
    pub fn get(&self, id: &str) -> Result<JobRecord, JobError> {
        let select = format!("SELECT {} FROM job WHERE id = ?1", record::COLUMNS);
        let connection = self.connection();
        let found = connection
            .prepare_cached(&select)
            .and_then(|mut statement| statement.query_row([id], JobRecord::of).optional());
        found
            .map_err(self.broken())?
            .ok_or_else(|| JobError::Unknown(id.to_owned()))
    }

    /// Sets what the backend says of a job, to find it by.
    ///
    /// # Errors
    /// There is none, or the file cannot be written.
    pub fn set_label(&self, id: &str, label: &str) -> Result<(), JobError> {
        self.change(|transaction| {
            match transaction.execute("UPDATE job SET label = ?2 WHERE id = ?1", [id, label])? {
                0 => Ok(Err(JobError::Unknown(id.to_owned()))),
                _ => Ok(Ok(())),
            }
        })
    }

    /// The job runs from now on, on `host` or, if that is empty, here. False if it does not wait any more. After a power cut
    /// it may wait again: then its directory says whether a supervisor had it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_running(&self, id: &str, host: &str, at: u64) -> Result<bool, JobError> {
        self.note(|transaction| {
            // The clock may have been set back.
            let update = "UPDATE job SET phase = 'running', host = ?3, started_at = max(?2, queued_at)
                          WHERE id = ?1 AND phase = 'queued'";
            Ok(Ok(transaction.execute(update, params![id, at.cast_signed(), host])? > 0))
        })
    }

    /// The job has ended. Its first end stays: false if it had ended.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_ended(&self, id: &str, outcome: &Outcome) -> Result<bool, JobError> {
        self.change(|transaction| {
            let changed = transaction.execute(
                "UPDATE job SET phase = ?2, reason = ?3, status = ?4, signal = ?5,
                     finished_at = max(?6, coalesce(started_at, queued_at)),
                     input = coalesce(?7, input), output = ?8, errors = ?9, kept = ?10
                 WHERE id = ?1 AND phase IN ('queued', 'running')",
                params![
                    id,
                    outcome.phase.name(),
                    outcome.reason,
                    outcome.status,
                    outcome.signal,
                    outcome.finished_at.cast_signed(),
                    outcome.input.map(u64::cast_signed),
                    outcome.output.cast_signed(),
                    outcome.errors.cast_signed(),
                    outcome.kept.cast_signed()
                ],
            )?;
            waiting::forget(transaction, id)?;
            Ok(Ok(changed > 0))
        })
    }

    /// Those that run, in the order in which they were submitted.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn running(&self) -> Result<Vec<JobRecord>, JobError> {
        self.all("WHERE phase = 'running' ORDER BY number", params![])
    }

    /// At most `limit` of those on `host`, and of those that never ran, that ended at `before` or earlier, the oldest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn ended_before(&self, before: u64, host: &str, limit: u32) -> Result<Vec<JobRecord>, JobError> {
        let which = "WHERE phase NOT IN ('queued', 'running') AND finished_at <= ?1
                       AND (host = ?2 OR started_at IS NULL)
                     ORDER BY number LIMIT ?3";
        self.all(which, params![before.cast_signed(), host, limit])
    }

    /// At most `limit` of those on `host` that have ended and take more than so many bytes, the largest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn larger_than(&self, bytes: u64, host: &str, limit: u32) -> Result<Vec<JobRecord>, JobError> {
        let which = "WHERE phase NOT IN ('queued', 'running') AND kept > ?1 AND host = ?2
                     ORDER BY kept DESC, number LIMIT ?3";
        self.all(which, params![bytes.cast_signed(), host, limit])
    }

    /// Bytes that the directories of those on `host` take that have ended.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn kept(&self, host: &str) -> Result<u64, JobError> {
        // Unlike `sum`, `total` has no number that is too large, whatever a host said of its jobs.
        let sum = "SELECT CAST(total(kept) AS INTEGER) FROM job
                   WHERE phase NOT IN ('queued', 'running') AND host = ?1";
        let kept = self.connection().query_row(sum, [host], |row| row.get::<_, i64>(0));
        Ok(kept.map_err(self.broken())?.unsigned_abs())
    }

    /// Forgets a job that has ended.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn forget(&self, id: &str) -> Result<(), JobError> {
        self.change(|transaction| {
            let remove = "DELETE FROM job WHERE id = ?1 AND phase NOT IN ('queued', 'running')";
            transaction.execute(remove, [id]).map(|_| Ok(()))
        })
    }

    /// Takes what was forgotten out of the files, as far as nobody reads them now.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn scrub(&self) -> Result<(), JobError> {
        let connection = self.connection();
        let truncated = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        truncated.map_err(self.broken())
    }

    fn all(&self, which: &str, parameters: impl rusqlite::Params) -> Result<Vec<JobRecord>, JobError> {
        let read = || {
            let connection = self.connection();
            let mut statement = connection.prepare_cached(&format!("SELECT {} FROM job {which}", record::COLUMNS))?;
            let rows = statement.query_map(parameters, JobRecord::of)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(self.broken())
    }

    /// All of `work` or, if it does not succeed, nothing.
    fn change<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<Result<T, JobError>>,
    ) -> Result<T, JobError> {
        self.change_in("full", work)
    }

    /// The same for what is found out again after a power cut, so that nobody waits for the disk.
    fn note<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<Result<T, JobError>>,
    ) -> Result<T, JobError> {
        self.change_in("normal", work)
    }

    fn change_in<T>(
        &self,
        synchronous: &str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<Result<T, JobError>>,
    ) -> Result<T, JobError> {
        let mut connection = self.connection();
        let done = || -> rusqlite::Result<Result<T, JobError>> {
            connection.pragma_update(None, "synchronous", synchronous)?;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            match done {
                Ok(_) => transaction.commit()?,
                Err(_) => transaction.rollback()?,
            }
            Ok(done)
        };
        done().map_err(self.broken())?
    }

    fn broken(&self) -> impl FnOnce(rusqlite::Error) -> JobError {
        let path = self.path.clone();
        move |error| JobError::Broken(Error::database(&path)(error))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
