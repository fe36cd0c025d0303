//! Removing what has ended long ago, or takes too much room.

use super::{Error, Jobs, Terms};
use crate::machine::job::Job;
use crate::store::jobs::JobRecord;

/// Jobs that are removed at a time.
const PART: u32 = 100;

impl Jobs {
    /// Removes jobs that have ended and are older than is kept. While the rest takes too much room, those go that take more
    /// than half of it, so that one cannot push out all others, and then the oldest. Answers how many. What lies in a
    /// directory and is not a job's own stays, with its directory.
    ///
    /// # Errors
    /// The index cannot be used.
    pub async fn prune(&self, terms: Terms) -> Result<usize, Error> {
        let keep = u64::try_from(terms.keep.as_millis()).unwrap_or(u64::MAX);
        let mut removed = self.prune_before(self.now().saturating_sub(keep)).await?;
        while self.index(|index| index.kept()).await? > terms.size {
            let half = terms.size / 2;
            let large = self.index(move |index| index.larger_than(half, PART)).await?;
            let next = match large.is_empty() {
                true => {
                    self.index(|index| index.ended_before(i64::MAX.unsigned_abs(), PART))
                        .await?
                }
                false => large,
            };
            let mut over = self.index(|index| index.kept()).await?.saturating_sub(terms.size);
            let too_much: Vec<JobRecord> = next
                .into_iter()
                .take_while(|job| {
                    let is_over = over > 0;
                    over = over.saturating_sub(job.kept);
                    is_over
                })
                .collect();
            if too_much.is_empty() {
                break;
            }
            removed += too_much.len();
            self.remove(too_much).await?;
        }
        Ok(removed)
    }

    /// Removes jobs that ended before `old`, in milliseconds since 1970. Answers how many.
    ///
    /// # Errors
    /// The index cannot be used.
    pub async fn prune_before(&self, old: u64) -> Result<usize, Error> {
        let mut removed = 0;
        loop {
            let part = self.index(move |index| index.ended_before(old, PART)).await?;
            let is_last = part.len() < PART as usize;
            removed += part.len();
            self.remove(part).await?;
            if is_last {
                return Ok(removed);
            }
        }
    }

    async fn remove(&self, jobs: Vec<JobRecord>) -> Result<(), Error> {
        let (folder, backend) = (self.0.folder.clone(), self.0.backend.clone());
        self.index(move |index| {
            for record in jobs {
                let path = folder.join(&record.id);
                match Job::open(&path).and_then(Job::remove) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        tracing::warn!(backend, "{} cannot be removed, and stays: {error}", path.display());
                    }
                    _ => {}
                }
                index.forget(&record.id)?;
            }
            index.scrub()
        })
        .await
    }
}
