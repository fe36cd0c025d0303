//! What of a backend's jobs is the own of a call whose caller runs in one of them.

use std::collections::BTreeSet;

use super::power::{Keeper, SubmittedIds};
use crate::capability::Call;
use crate::contract::types::Error;
use crate::jobs::Jobs;
use crate::principal::Lineage;
use crate::store::jobs::{JobError, Kin, Origin};

/// The job of this backend in which the caller runs.
fn own<'l>(lineage: &'l Lineage, backend: &str) -> Option<&'l str> {
    lineage.job().filter(|(own, _)| *own == backend).map(|(_, id)| id)
}

impl Call {
    /// By what id, and by what name to its descendants, the job is known in which the caller runs.
    pub(super) fn within(&self) -> Option<(String, String)> {
        let lineage = &self.allowance.lineage;
        let id = own(lineage, &self.powers.backend)?;
        Some((id.to_owned(), lineage.name()?.to_owned()))
    }

    /// Whether the caller may see the job `id`: to one that runs in a job there are only that job and its descendants.
    pub(super) async fn sees(&self, jobs: &Jobs, id: &str) -> Result<(), Error> {
        match self.kin(jobs, id).await? {
            Some(Kin::Other) => Err(Error::NotFound(JobError::Unknown(id.to_owned()).to_string())),
            _ => Ok(()),
        }
    }

    /// Whether the caller may change the job `id`: one that runs in a job changes only what it started.
    pub(super) async fn rules(&self, jobs: &Jobs, id: &str) -> Result<(), Error> {
        match self.kin(jobs, id).await? {
            Some(Kin::Itself) => Err(Error::Denied("a run does not change itself".into())),
            Some(Kin::Other) => Err(Error::NotFound(JobError::Unknown(id.to_owned()).to_string())),
            Some(Kin::Descendant) | None => Ok(()),
        }
    }

    async fn kin(&self, jobs: &Jobs, id: &str) -> Result<Option<Kin>, Error> {
        match own(&self.allowance.lineage, &self.powers.backend) {
            None => Ok(None),
            Some(own) => jobs.kin(id, own).await.map_err(super::host::error),
        }
    }

    /// Who starts what this call submits, and whether that is a step of something that was started before.
    ///
    /// # Errors
    /// It would be deeper than runs of this backend go.
    pub(super) fn origin(&self) -> Result<(Origin, bool), Error> {
        let limit = self.powers.jobs.depth();
        let lineage = &self.allowance.lineage;
        if self.allowance.own {
            // Of what nobody knows who started it, nothing is started.
            let origin = Origin {
                depth: limit,
                ancestors: Vec::new(),
            };
            return Ok((origin, true));
        }
        if !lineage.goes_deeper(limit) {
            return Err(Error::Denied(format!(
                "recursion_limit_exceeded: runs of backend `{}` go to depth {limit}; the chain is {lineage}",
                self.powers.backend
            )));
        }
        let origin = Origin {
            depth: lineage.depth + 1,
            ancestors: lineage.jobs.clone(),
        };
        Ok((origin, false))
    }
}

impl Keeper {
    /// The jobs that a call submitted are work of `session`.
    pub(crate) async fn belong_to(&self, submitted: &SubmittedIds, session: &str) {
        let ids = submitted.all();
        if let Some(jobs) = self.any().filter(|_| !ids.is_empty()) {
            // Without it, those that run there do not find their session, and nobody finds more than is theirs.
            if let Err(error) = jobs.set_session(ids, session).await {
                tracing::warn!("whose session {session} is was not noted: {error}");
            }
        }
    }

    /// What of the sessions of `backend` is the own of who stands at `lineage`; none: all of them.
    pub(crate) async fn own_sessions(
        &self,
        backend: &str,
        lineage: &Lineage,
    ) -> Result<Option<BTreeSet<String>>, String> {
        if lineage.job().is_none() {
            return Ok(None);
        }
        let Some((id, jobs)) = own(lineage, backend).zip(self.jobs(backend).ok()) else {
            return Ok(Some(BTreeSet::new()));
        };
        jobs.sessions(id).await.map(Some).map_err(|error| error.to_string())
    }

    /// Whether who stands at `lineage` may name `named` to the plugin of `backend`, in a call that acts or not.
    pub(crate) async fn may_name(
        &self,
        backend: &str,
        lineage: &Lineage,
        named: &str,
        acts: bool,
    ) -> Result<(), String> {
        let Some((id, jobs)) = own(lineage, backend).zip(self.jobs(backend).ok()) else {
            return Ok(());
        };
        match jobs.kin(named, id).await.map_err(|error| error.to_string())? {
            Some(Kin::Other) => Err("it names a run or a session that is not one of yours".into()),
            Some(Kin::Itself) if acts => Err("a run neither sends to itself nor ends itself".into()),
            _ => Ok(()),
        }
    }
}
