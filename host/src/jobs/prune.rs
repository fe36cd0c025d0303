//! Removing what has ended long ago, or takes too much room.

use std::sync::Arc;

use super::{Error, Jobs, Terms};
use crate::machine::job::{Folder, Removed, Trouble};
use crate::store::jobs::JobRecord;

/// Jobs that are removed at a time.
const PART: u32 = 100;

impl Jobs {
    /// Removes jobs that have ended and are older than is kept. While the rest takes too much room on one machine, those go
    /// that take more than half of it, so that one cannot push out all others, and then the oldest. Answers how many. What
    /// lies in a directory and is not a job's own stays, with its directory.
    ///
    /// # Errors
    /// The index cannot be used.
    pub async fn prune(&self, terms: Terms) -> Result<usize, Error> {
        let mut removed = 0;
        for folder in self.folders().all() {
            removed += self.prune_in(&folder, terms).await?;
        }
        Ok(removed)
    }

    async fn prune_in(&self, folder: &Folder, terms: Terms) -> Result<usize, Error> {
        let host = Arc::<str>::from(folder.host());
        let kept = || {
            let host = host.clone();
            self.index(move |index| index.kept(&host))
        };
        let keep = u64::try_from(terms.keep.as_millis()).unwrap_or(u64::MAX);
        let mut removed = self.prune_before_in(folder, self.now().saturating_sub(keep)).await?;
        while kept().await? > terms.size {
            let half = terms.size / 2;
            let asked = host.clone();
            let next = self.index(move |index| {
                let large = index.larger_than(half, &asked, PART)?;
                match large.is_empty() {
                    true => index.ended_before(i64::MAX.unsigned_abs(), &asked, PART),
                    false => Ok(large),
                }
            });
            let next = next.await?;
            let mut over = kept().await?.saturating_sub(terms.size);
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
            match self.remove(folder, too_much).await? {
                // Those that stay would be found again at once.
                0 => break,
                some => removed += some,
            }
        }
        Ok(removed)
    }

    /// Removes jobs that ended before `old`, in milliseconds since 1970. Answers how many.
    ///
    /// # Errors
    /// The index cannot be used.
    pub async fn prune_before(&self, old: u64) -> Result<usize, Error> {
        let mut removed = 0;
        for folder in self.folders().all() {
            removed += self.prune_before_in(&folder, old).await?;
        }
        Ok(removed)
    }

    async fn prune_before_in(&self, folder: &Folder, old: u64) -> Result<usize, Error> {
        let mut removed = 0;
        loop {
            let host = folder.host().to_owned();
            let part = self.index(move |index| index.ended_before(old, &host, PART));
            let part = part.await?;
            let count = part.len();
            let gone = self.remove(folder, part).await?;
            removed += gone;
            if count < PART as usize || gone < count {
                return Ok(removed);
            }
        }
    }

    /// Removes these, and answers how many are gone. What is on a host that cannot be reached is left for later.
    async fn remove(&self, folder: &Folder, jobs: Vec<JobRecord>) -> Result<usize, Error> {
        if jobs.is_empty() {
            return self.index(|index| index.scrub()).await.map(|()| 0);
        }
        let (folder, backend) = (folder.clone(), self.0.backend.clone());
        let removed = match folder.remove(jobs.into_iter().map(|record| record.id).collect()).await {
            Err(Trouble::Away(why)) => {
                tracing::debug!(backend, "what jobs have left there is removed later: {why}");
                return Ok(0);
            }
            Err(Trouble::Directory(why)) => {
                tracing::warn!(backend, "what jobs have left in {folder} is not removed: {why}");
                return Ok(0);
            }
            Ok(removed) => removed,
        };
        self.index(move |index| {
            let mut gone = 0;
            for one in removed {
                let id = match one {
                    Removed::Gone(id) => id,
                    Removed::Stays(id, why) => {
                        tracing::warn!(backend, "{id} in {folder} cannot be removed, and stays: {why}");
                        id
                    }
                    Removed::Runs(id) => {
                        tracing::warn!(backend, "{id} in {folder} has not ended there, and stays");
                        continue;
                    }
                };
                index.forget(&id)?;
                gone += 1;
            }
            index.scrub()?;
            Ok(gone)
        })
        .await
    }
}
