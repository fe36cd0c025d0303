//! Jobs that wait: submitting them once, what is added to their input, and which of them is next.

use rusqlite::{OptionalExtension as _, Transaction, params};
use sha2::{Digest as _, Sha256};

use super::lineage::{self, Origin};
use super::{JobError, JobIndex};

/// Jobs of a backend that wait.
const MOST: i64 = 10_000;
/// Bytes of what they are to run, and of their input.
const BYTES: i64 = 64 << 20;

/// What is submitted.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// The id that it gets, if it is new.
    pub id: String,
    /// A key of the backend's own making.
    pub key: String,
    /// One job of a queue runs at a time.
    pub queue: String,
    /// The host on which it is to run, by its name in `[hosts]`; nothing: where its backend is.
    pub host: String,
    /// The backend's own record of what it is.
    pub note: String,
    /// Whether input may be added.
    pub interactive: bool,
    /// Whether the backend is told of output.
    pub watch: bool,
    /// What is to run, as text of the caller's own making.
    pub command: String,
    /// The beginning of its input.
    pub input: Vec<u8>,
    /// Who started it, as far as that is known.
    pub origin: Origin,
    /// Nobody asked for it now: if it is a further step of another job, who started that counts. That counts in any case
    /// if it is deeper.
    pub is_step: bool,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// It waits now.
    New,
    /// The job with this id was submitted with its key before.
    Before(String),
}

/// Which jobs have a place to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// At most so many that are not interactive run at once.
    pub runs: u32,
    /// At most so many that are.
    pub interactive: u32,
}

/// On which machines jobs can be started now, by the names of hosts; nothing is this machine, or where the backend is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reached {
    /// Those whose jobs count where there is room for so many.
    pub open: Vec<String>,
    /// Those for which nothing can be started.
    pub away: Vec<String>,
}

impl JobIndex {
    /// Takes a job at this time, in milliseconds since 1970; once for each key.
    ///
    /// # Errors
    /// The key was used for something else, there is no room, or the file cannot be written.
    pub fn submit(&self, job: &NewJob, at: u64) -> Result<Submitted, JobError> {
        let content = content(job);
        self.change(|transaction| {
            let known = transaction
                .query_row("SELECT id, content FROM job WHERE key = ?1", [&job.key], |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?))
                })
                .optional()?;
            if let Some((id, of_that)) = known {
                return Ok(match of_that == content {
                    true => Ok(Submitted::Before(id)),
                    false => Err(JobError::OtherContent { id }),
                });
            }
            if let Some(full) = full(transaction, job.input.len() + job.command.len())? {
                return Ok(Err(full));
            }
            let before = lineage::of_step_before(transaction, &job.key)?;
            let session = before.as_ref().map_or("", |(_, session)| session);
            let deeper = before.as_ref().map(|(origin, _)| origin);
            let origin = deeper
                .filter(|origin| job.is_step || origin.depth > job.origin.depth)
                .unwrap_or(&job.origin);
            transaction.execute(
                "INSERT INTO job (id, key, content, queue, note, interactive, watch, input, queued_at,
                     depth, ancestors, session, host)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
                params![
                    job.id,
                    job.key,
                    content,
                    job.queue,
                    job.note,
                    job.interactive,
                    job.watch,
                    size(job.input.len()),
                    at.cast_signed(),
                    origin.depth,
                    lineage::joined(&origin.ancestors),
                    session,
                    job.host
                ],
            )?;
            transaction.execute(
                "INSERT INTO waiting (number, command, input, whole) VALUES (?1, ?2, ?3, ?4)",
                params![
                    transaction.last_insert_rowid(),
                    job.command,
                    job.input,
                    !job.interactive
                ],
            )?;
            Ok(Ok(Submitted::New))
        })
    }

    /// Adds to the input of a job that has no directory yet, and answers how many bytes that has. None if it has one, or has
    /// ended.
    ///
    /// # Errors
    /// Another number of bytes is there than `expect`, its input has ended, there is no room, or the file cannot be
    /// written.
    pub fn append(&self, id: &str, bytes: &[u8], expect: Option<u64>) -> Result<Option<u64>, JobError> {
        self.change(|transaction| {
            let Some((number, found, whole)) = unmade(transaction, id)? else {
                return Ok(Ok(None));
            };
            if let Some(expected) = expect.filter(|expected| *expected != found) {
                return Ok(Err(JobError::Offset { expected, found }));
            }
            if whole {
                return Ok(Err(JobError::Whole));
            }
            if let Some(full) = full(transaction, bytes.len())? {
                return Ok(Err(full));
            }
            let add = "UPDATE waiting SET input = CAST(input || ?2 AS BLOB) WHERE number = ?1";
            transaction.execute(add, params![number, bytes])?;
            let grown = found + bytes.len() as u64;
            transaction.execute(
                "UPDATE job SET input = ?2 WHERE number = ?1",
                params![number, grown.cast_signed()],
            )?;
            Ok(Ok(Some(grown)))
        })
    }

    /// Ends the input of a job that has no directory yet. False if it has one, or has ended.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn close(&self, id: &str) -> Result<bool, JobError> {
        self.change(|transaction| {
            let Some((number, ..)) = unmade(transaction, id)? else {
                return Ok(Ok(false));
            };
            transaction.execute("UPDATE waiting SET whole = TRUE WHERE number = ?1", [number])?;
            Ok(Ok(true))
        })
    }

    /// The job that is to start next, and the host for which it was submitted: the first one that waits and is not for one
    /// that is away, whose queue is free and for whose kind there is room.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn next(&self, room: Room, reached: &Reached) -> Result<Option<(String, String)>, JobError> {
        let list = |names: &[String]| serde_json::json!(names).to_string();
        let read = || {
            let connection = self.connection();
            let running = "SELECT count(*), coalesce(sum(interactive), 0) FROM job
                           WHERE phase = 'running' AND host IN (SELECT value FROM json_each(?1))";
            let (running, interactive) = connection
                .prepare_cached(running)?
                .query_row([list(&reached.open)], |row| {
                    Ok((row.get::<_, u32>(0)?, row.get::<_, u32>(1)?))
                })?;
            let (runs, talks) = (running - interactive < room.runs, interactive < room.interactive);
            if !runs && !talks {
                return Ok(None);
            }
            // Many may wait in a queue that is taken, so that is seen first.
            let mut statement = connection.prepare_cached(
                "SELECT id, host FROM job
                 WHERE phase = 'queued'
                   AND queue NOT IN (SELECT queue FROM job WHERE phase = 'running')
                   AND iif(interactive, ?2, ?1)
                   AND host NOT IN (SELECT value FROM json_each(?3))
                   AND NOT EXISTS (
                       SELECT 1 FROM job earlier
                       WHERE earlier.queue = job.queue AND earlier.phase = 'queued' AND earlier.number < job.number)
                 ORDER BY number LIMIT 1",
            )?;
            let next = statement.query_row(params![runs, talks, list(&reached.away)], |row| {
                Ok((row.get(0)?, row.get(1)?))
            });
            next.optional()
        };
        read().map_err(self.broken())
    }

    /// What a job is to run, as it was submitted. None once a supervisor has it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn command(&self, id: &str) -> Result<Option<String>, JobError> {
        let select = "SELECT command FROM job JOIN waiting USING (number) WHERE id = ?1";
        let found = self.connection().query_row(select, [id], |row| row.get(0)).optional();
        found.map_err(self.broken())
    }

    /// Its input, and whether that is whole. None if its directory has it, or the job has ended.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn input(&self, id: &str) -> Result<Option<(Vec<u8>, bool)>, JobError> {
        let select = "SELECT waiting.input, whole FROM job JOIN waiting USING (number) WHERE id = ?1 AND NOT made";
        let found = self
            .connection()
            .query_row(select, [id], |row| Ok((row.get(0)?, row.get(1)?)));
        found.optional().map_err(self.broken())
    }

    /// From now on its directory has the input.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_made(&self, id: &str) -> Result<(), JobError> {
        self.change(|transaction| {
            let update =
                "UPDATE waiting SET made = TRUE, input = x'' WHERE number = (SELECT number FROM job WHERE id = ?1)";
            transaction.execute(update, [id]).map(|_| Ok(()))
        })
    }

    /// A supervisor has the job: what it is to run is not needed any more. After a power cut its directory says so.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_claimed(&self, id: &str) -> Result<(), JobError> {
        self.note(|transaction| forget(transaction, id).map(Ok))
    }
}

pub(super) fn forget(transaction: &Transaction<'_>, id: &str) -> rusqlite::Result<()> {
    let remove = "DELETE FROM waiting WHERE number = (SELECT number FROM job WHERE id = ?1)";
    transaction.execute(remove, [id]).map(drop)
}

/// Number, bytes of the input and whether that is whole, of a job that has no directory yet.
fn unmade(transaction: &Transaction<'_>, id: &str) -> rusqlite::Result<Option<(i64, u64, bool)>> {
    let select = "SELECT number, job.input, whole FROM job JOIN waiting USING (number) WHERE id = ?1 AND NOT made";
    let mut statement = transaction.prepare_cached(select)?;
    let found = statement.query_row([id], |row| {
        Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs(), row.get(2)?))
    });
    found.optional()
}

fn full(transaction: &Transaction<'_>, more: usize) -> rusqlite::Result<Option<JobError>> {
    let select = "SELECT count(*), coalesce(sum(length(input) + length(command)), 0) FROM waiting";
    let mut statement = transaction.prepare_cached(select)?;
    let (count, bytes) = statement.query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    Ok(if count >= MOST {
        Some(JobError::Full(
            "10,000 jobs of this backend wait: cancel some, or submit it later",
        ))
    } else if bytes.saturating_add(size(more)) > BYTES {
        Some(JobError::Full("jobs that wait hold at most 64 MiB: submit it later"))
    } else {
        None
    })
}

/// What tells apart two submissions with one key.
fn content(job: &NewJob) -> Vec<u8> {
    let mut digest = Sha256::new();
    let kind = [u8::from(job.interactive), u8::from(job.watch)];
    for part in [
        job.queue.as_bytes(),
        job.note.as_bytes(),
        job.command.as_bytes(),
        &job.input,
        &kind,
    ] {
        digest.update(part.len().to_le_bytes());
        digest.update(part);
    }
    // What names no host is what it was before jobs could name one.
    digest.update(job.host.as_bytes());
    digest.finalize().to_vec()
}

fn size(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
