//! Jobs that another installation began, and this one has taken over.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{JobError, JobIndex, JobRecord, Phase};

impl JobIndex {
    /// Makes sure that there is a place for a job of another installation, which runs or has ended.
    ///
    /// # Errors
    /// Why there is none, or the file cannot be read.
    pub fn ensure_place(&self, job: &JobRecord) -> Result<(), JobError> {
        let known = known(&self.connection(), job);
        known.map_err(self.broken())?.map(drop)
    }

    /// Takes such a job in as it is. False: it is known, and has not ended as far as that is known, so it stays as it is. One
    /// that was known to have ended goes on.
    ///
    /// # Errors
    /// There is no place for it, or the file cannot be written.
    pub fn take_over(&self, job: &JobRecord) -> Result<bool, JobError> {
        self.change(|transaction| {
            match known(transaction, job)? {
                Err(why) => return Ok(Err(why)),
                Ok(Some(phase)) if !phase.is_end() => return Ok(Ok(false)),
                Ok(Some(_)) => {}
                // Nobody knows what was submitted, so a submission with its key is another one.
                Ok(None) => {
                    let insert = "INSERT INTO job (id, key, content, queue, note, interactive, watch, input, queued_at)
                                  VALUES (?1, ?2, x'', ?3, ?4, ?5, ?6, 0, ?7)";
                    let at = job.queued_at.cast_signed();
                    transaction.execute(
                        insert,
                        params![job.id, job.key, job.queue, job.note, job.interactive, job.watch, at],
                    )?;
                }
            }
            transaction.execute(
                "UPDATE job SET phase = ?2, label = '', reason = ?3, status = ?4, signal = ?5, input = ?6, output = ?7,
                     errors = ?8, kept = ?9, host = ?10, started_at = max(?11, queued_at),
                     finished_at = max(?12, ?11, queued_at)
                 WHERE id = ?1",
                params![
                    job.id,
                    job.phase.name(),
                    job.reason,
                    job.status,
                    job.signal,
                    job.input.cast_signed(),
                    job.output.cast_signed(),
                    job.errors.cast_signed(),
                    job.kept.cast_signed(),
                    job.host,
                    job.started_at.unwrap_or(job.queued_at).cast_signed(),
                    job.finished_at.map(u64::cast_signed)
                ],
            )?;
            Ok(Ok(true))
        })
    }
}

/// How far it is by what is known of it; or why there is no place for it.
fn known(connection: &Connection, job: &JobRecord) -> rusqlite::Result<Result<Option<Phase>, JobError>> {
    let find = |which: &str, value: &str| {
        let select = format!("SELECT {} FROM job WHERE {which} = ?1", super::record::COLUMNS);
        let mut statement = connection.prepare_cached(&select)?;
        statement.query_row([value], JobRecord::of).optional()
    };
    let known = find("id", &job.id)?;
    if known.as_ref().is_some_and(|known| known.host != job.host) {
        return Ok(Err(JobError::Elsewhere(job.id.clone())));
    }
    if let Some(other) = find("key", &job.key)?.filter(|other| other.id != job.id) {
        return Ok(Err(JobError::OtherContent { id: other.id }));
    }
    let runs = find("phase = 'running' AND queue", &job.queue)?;
    if let Some(other) = runs.filter(|other| !job.phase.is_end() && other.id != job.id) {
        return Ok(Err(JobError::Queue {
            queue: job.queue.clone(),
            id: other.id,
        }));
    }
    Ok(Ok(known.map(|known| known.phase)))
}
