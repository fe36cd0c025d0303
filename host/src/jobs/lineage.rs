//! In which job a caller runs, and what is that job's own.

use std::collections::BTreeSet;

use super::{AllJobs, Error, Jobs};
use crate::machine::job::Job;
use crate::peer::{Peer, Seen};
use crate::principal::{Lineage, Principal};
use crate::store::jobs::{JobError, Kin};

impl AllJobs {
    /// `principal` as it may act from where it was `seen`: what runs in a job is limited as that job, also with
    /// `sessions_may_control`; what is in another session as that is. It may block.
    pub fn limit(&self, seen: &Seen, principal: Principal, sessions_may_control: bool) -> Principal {
        let limited = match self.lineage(seen) {
            Some(lineage) => Principal::in_job(lineage),
            None => seen.peer.limit(principal, sessions_may_control),
        };
        limited.raised(seen.depth)
    }

    /// Where the job stands that runs and is known by `token`. It may block.
    ///
    /// # Errors
    /// The jobs cannot be looked at.
    pub fn of_token(&self, token: &str) -> Result<Option<Lineage>, Error> {
        for jobs in self.all() {
            if let Some(id) = jobs.0.index.of_token(token)? {
                return Ok(Some(jobs.lineage(&id)?));
            }
        }
        Ok(None)
    }

    /// Where a process stands that was `seen`: the nearest of its supervisor and its program, which are above it, says that.
    /// Variables alone only limit it, also where they name another job than those.
    pub fn lineage(&self, seen: &Seen) -> Option<Lineage> {
        if seen.peer != Peer::InSession {
            return None;
        }
        let all = self.all();
        let known = |id: &String| Some((all.iter().find(|jobs| jobs.0.index.origin(id).is_ok())?, id.clone()));
        let mut named = seen.jobs.iter().filter_map(known);
        let (jobs, id, is_named) = match above(&all, &seen.processes) {
            Some((jobs, id)) => {
                let is_named = named.any(|(_, named)| named != id);
                (jobs, id, is_named)
            }
            None => named.next().map(|(jobs, id)| (jobs, id, true))?,
        };
        let lineage = jobs.lineage(&id).ok()?;
        Some(Lineage { is_named, ..lineage })
    }
}

/// The job of `all` that runs and has the first one of `processes`, each with the time when it started.
fn above<'j>(all: &'j [Jobs], processes: &[(i32, u64)]) -> Option<(&'j Jobs, String)> {
    let found = all.iter().flat_map(|jobs| {
        let running = jobs.0.index.running().unwrap_or_default().into_iter();
        running.filter_map(move |record| Some((jobs.distance(&record.id, processes)?, jobs, record.id)))
    });
    let (_, jobs, id) = found.min_by_key(|(distance, ..)| *distance)?;
    Some((jobs, id))
}

impl Jobs {
    /// Where the job `id` stands.
    fn lineage(&self, id: &str) -> Result<Lineage, JobError> {
        let origin = self.0.index.origin(id)?;
        let name = self.name(id);
        Ok(Lineage {
            jobs: origin.ancestors.into_iter().chain([name]).collect(),
            depth: origin.depth,
            is_named: false,
        })
    }

    /// What the job is called beyond its backend.
    fn name(&self, id: &str) -> String {
        format!("{}/{id}", self.0.backend)
    }

    /// The place among `processes` of the first one that the job `id` has.
    fn distance(&self, id: &str, processes: &[(i32, u64)]) -> Option<usize> {
        // What runs on a host is seen by nobody here.
        let job = Job::open(&self.folders().here()?.join(id)).ok()?;
        processes
            .iter()
            .position(|(pid, started)| job.has_process(*pid, *started))
    }

    /// How what is called `named`, a job or a session, stands to the job `id`. A session is a job's own if that is one of
    /// its runs, and a descendant only if all its runs are. None where there is nothing of that name.
    ///
    /// # Errors
    /// The index cannot be used.
    pub async fn kin(&self, named: &str, id: &str) -> Result<Option<Kin>, Error> {
        let (named, id, name) = (named.to_owned(), id.to_owned(), self.name(id));
        let kin = self.index(move |index| index.kin(&named, &id, &name)).await?;
        let first = [Kin::Itself, Kin::Other, Kin::Descendant];
        Ok(first.into_iter().find(|first| kin.contains(first)))
    }

    /// The sessions of the job `id` and of those that it started.
    ///
    /// # Errors
    /// The index cannot be used.
    pub async fn sessions(&self, id: &str) -> Result<BTreeSet<String>, Error> {
        let (id, name) = (id.to_owned(), self.name(id));
        self.index(move |index| index.sessions(&id, &name)).await
    }

    /// Jobs that are work of this session.
    ///
    /// # Errors
    /// The index cannot be used.
    pub async fn set_session(&self, ids: Vec<String>, session: &str) -> Result<(), Error> {
        let session = session.to_owned();
        self.index(move |index| index.set_session(&ids, &session)).await
    }
}
