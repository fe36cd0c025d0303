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
        let limited = match self.seen(seen) {
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

    /// Where a process stands that was `seen`. Its supervisor and its program, which are above it, count more than what its
    /// variables say.
    fn seen(&self, seen: &Seen) -> Option<Lineage> {
        if seen.peer != Peer::InSession {
            return None;
        }
        let all = self.all();
        let by_process = all.iter().find_map(|jobs| Some((jobs, jobs.above(&seen.processes)?)));
        let named = || {
            let known = |id: &String| all.iter().find(|jobs| jobs.0.index.origin(id).is_ok());
            seen.jobs.iter().find_map(|id| Some((known(id)?, id.clone())))
        };
        let (jobs, id) = by_process.or_else(named)?;
        jobs.lineage(&id).ok()
    }
}

impl Jobs {
    /// Where the job `id` stands.
    fn lineage(&self, id: &str) -> Result<Lineage, JobError> {
        let origin = self.0.index.origin(id)?;
        let name = self.name(id);
        Ok(Lineage {
            jobs: origin.ancestors.into_iter().chain([name]).collect(),
            depth: origin.depth,
        })
    }

    /// What the job is called beyond its backend.
    fn name(&self, id: &str) -> String {
        format!("{}/{id}", self.0.backend)
    }

    /// The job that runs and has one of `processes`, each with the time when it started.
    fn above(&self, processes: &[(i32, u64)]) -> Option<String> {
        let running = self.0.index.running().ok()?;
        let has = |id: &String| {
            let job = Job::open(&self.0.folder.join(id));
            job.is_ok_and(|job| processes.iter().any(|(pid, started)| job.has_process(*pid, *started)))
        };
        running.into_iter().map(|record| record.id).find(has)
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
