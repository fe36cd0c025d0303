//! Taking over the jobs that another installation has on a host.
//!
//! A job goes there from one installation to the other in one step, and only then stands in the index here. Whatever is
//! interrupted in between is found again, since the other one keeps that it was taken.

use std::collections::{BTreeMap, BTreeSet};

use super::{AllJobs, Error, Jobs};
use crate::machine::job::{Ended, Found, There};
use crate::store::jobs::{JobError, JobRecord, Phase};

/// Why one is not taken over of which nothing is told.
const UNTOLD: &str = "nothing there says what it is: an older berth began it";

/// The jobs of another installation on a host, by their backends.
#[derive(Debug, Default)]
pub struct Foreign {
    /// Those that can be taken over.
    pub jobs: BTreeMap<String, Vec<Found>>,
    /// Those that were taken before, when that was interrupted: they are this installation's already.
    pub taken: BTreeMap<String, Vec<Found>>,
    /// How many belong to a backend that is not on that host here.
    pub elsewhere: BTreeMap<String, usize>,
    /// How many say nothing of what they are.
    pub untold: usize,
}

impl Foreign {
    /// How many can be taken over, and how many of these have not ended.
    pub fn of(&self, backend: &str) -> (usize, usize) {
        let both = [&self.jobs, &self.taken].into_iter();
        let all: Vec<&Found> = both.filter_map(|jobs| jobs.get(backend)).flatten().collect();
        (all.len(), all.iter().filter(|found| found.ended.is_none()).count())
    }

    /// The backends whose jobs can be taken over.
    pub fn backends(&self) -> BTreeSet<&str> {
        self.jobs.keys().chain(self.taken.keys()).map(String::as_str).collect()
    }

    fn sort(&mut self, found: Vec<Found>, backends: &[&str], is_taken: bool) {
        for one in found {
            let backend = match &one.about {
                // Its id is a name of ours as well.
                Some(about) if uuid::Uuid::try_parse(&one.id).is_ok_and(|id| id.to_string() == one.id) => {
                    &about.backend
                }
                _ => {
                    self.untold += 1;
                    continue;
                }
            };
            match (backends.contains(&&**backend), is_taken) {
                (false, _) => *self.elsewhere.entry(backend.clone()).or_default() += 1,
                (true, false) => self.jobs.entry(backend.clone()).or_default().push(one),
                (true, true) => self.taken.entry(backend.clone()).or_default().push(one),
            }
        }
    }
}

/// What was taken over.
#[derive(Debug, Default)]
pub struct Took {
    /// How many that run.
    pub open: usize,
    /// How many that have ended.
    pub ended: usize,
    /// Those that were not, each with why.
    pub left: Vec<(String, String)>,
}

impl AllJobs {
    /// The jobs of `theirs`, and those that `ours` has taken from it without knowing them. `backends` are those of ours on that
    /// host.
    ///
    /// # Errors
    /// The host cannot be asked, or an index not be used.
    pub async fn foreign(&self, ours: &There, theirs: &There, backends: &[&str]) -> Result<Foreign, Error> {
        let mut foreign = Foreign::default();
        foreign.sort(theirs.found(&theirs.ids().await?, false).await?, backends, false);
        let taken = theirs.taken_by(ours.installation()).await?;
        let known = self.known(&taken).await?;
        let unknown: Vec<String> = taken.into_iter().filter(|id| !known.contains(id)).collect();
        foreign.sort(ours.found(&unknown, false).await?, backends, true);
        Ok(foreign)
    }

    /// Those of `ids` that stand in an index.
    async fn known(&self, ids: &[String]) -> Result<BTreeSet<String>, Error> {
        let mut known = BTreeSet::new();
        for jobs in self.all() {
            let asked = ids.to_vec();
            let here = jobs.index(move |index| {
                let is_here = |id: &String| match index.get(id) {
                    Ok(_) => Ok(true),
                    Err(JobError::Unknown(_)) => Ok(false),
                    Err(error) => Err(error),
                };
                asked
                    .into_iter()
                    .filter_map(|id| is_here(&id).map(|here| here.then_some(id)).transpose())
                    .collect()
            });
            let here: Vec<String> = here.await?;
            known.extend(here);
        }
        Ok(known)
    }
}

impl Jobs {
    /// Takes over those of `foreign` that are this backend's. What has not ended is followed from now on, as soon as somebody
    /// attends to the jobs.
    ///
    /// # Errors
    /// The host cannot be asked, or the index not be used. What is done can be done again.
    pub async fn take_over(&self, ours: &There, theirs: &There, foreign: &Foreign) -> Result<Took, Error> {
        let backend = &self.0.backend;
        // Nothing is started in a queue meanwhile.
        let _turn = self.0.turn.lock().await;
        let mut took = Took::default();
        let mut ids = Vec::new();
        let mut queues = BTreeSet::new();
        for found in foreign.jobs.get(backend).into_iter().flatten() {
            match self.fits(found, ours.label(), &mut queues).await {
                Ok(()) => ids.push(found.id.clone()),
                Err(Error::Index(why)) if !matches!(why, JobError::Broken(_)) => {
                    took.left.push((found.id.clone(), why.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        let taken = foreign.taken.get(backend).into_iter().flatten();
        let mut ours_now: Vec<String> = taken.map(|found| found.id.clone()).collect();
        for (id, given) in theirs.give(&ids, ours.installation()).await? {
            match given {
                Ok(()) => ours_now.push(id),
                Err(why) => took
                    .left
                    .push((id, format!("the host {} says: \"{why}\"", ours.label()))),
            }
        }
        let mut all = ours.found(&ours_now, true).await?;
        all.sort_by_key(|found| found.about.as_ref().map(|about| about.queued_at));
        for found in all {
            self.take_in(&found, ours.label(), &mut took).await?;
        }
        self.0.taken.notify_one();
        Ok(took)
    }

    /// Makes sure that the index has a place for it, beside those with the `queues` of others that run.
    async fn fits(&self, found: &Found, host: &str, queues: &mut BTreeSet<String>) -> Result<(), Error> {
        let Some(record) = self.record(found, host) else {
            return Err(JobError::Full(UNTOLD).into());
        };
        let queue = (!record.phase.is_end()).then(|| record.queue.clone());
        if queue.as_ref().is_some_and(|queue| queues.contains(queue)) {
            return Err(JobError::Full(
                "another job of its queue runs, and is taken over first: do this again when that has ended",
            )
            .into());
        }
        self.index(move |index| index.ensure_place(&record)).await?;
        queues.extend(queue);
        Ok(())
    }

    /// Lets the index have one that is this installation's now.
    async fn take_in(&self, found: &Found, host: &str, took: &mut Took) -> Result<(), Error> {
        let Some(record) = self.record(found, host) else {
            took.left.push((found.id.clone(), UNTOLD.to_owned()));
            return Ok(());
        };
        let is_end = record.phase.is_end();
        match self.index(move |index| index.take_over(&record)).await {
            Ok(_) if is_end => took.ended += 1,
            Ok(_) => took.open += 1,
            Err(Error::Index(why)) if !matches!(why, JobError::Broken(_)) => {
                took.left.push((found.id.clone(), why.to_string()));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// What the index is to have of it; none where that is not told. The host's word is not taken for a time to come, nor for more
    /// bytes than can be.
    fn record(&self, found: &Found, host: &str) -> Option<JobRecord> {
        let about = found.about.as_ref().filter(|about| about.backend == self.0.backend)?;
        let (now, ended) = (self.now(), found.ended.as_ref());
        let lengths = found.lengths;
        Some(JobRecord {
            id: found.id.clone(),
            key: about.key.clone(),
            queue: about.queue.clone(),
            note: about.note.clone(),
            label: String::new(),
            interactive: about.interactive,
            watch: about.watch,
            phase: ended.map_or(Phase::Running, |ended| super::follow::phase(ended.how)),
            reason: ended.and_then(|ended| ended.reason.clone()),
            status: ended.and_then(|ended| ended.status),
            signal: ended.and_then(|ended| ended.signal),
            input: lengths.input.unwrap_or_default(),
            output: lengths.output,
            errors: lengths.errors,
            queued_at: about.queued_at.min(now),
            started_at: Some(found.started.unwrap_or(about.queued_at).min(now)),
            finished_at: ended.map(|ended: &Ended| ended.finished.min(now)),
            kept: super::follow::kept(&lengths),
            host: host.to_owned(),
        })
    }
}
