//! What was opened for a backend's jobs.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use crate::capability::Powers;
use crate::contract::types::Error;
use crate::jobs::{Happened, Jobs, Terms};
use crate::machine::job::Scope;

/// The jobs of one backend, if it has any, and on what terms they run.
#[derive(Debug, Clone)]
pub struct Keeper(Option<(Jobs, Terms, Option<Scope>)>);

/// The ids of jobs that one call submitted.
#[derive(Debug, Clone, Default)]
pub struct SubmittedIds(Arc<Mutex<Vec<String>>>);

impl SubmittedIds {
    pub(super) fn add(&self, id: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(id.to_owned());
    }

    pub(super) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// By what a job is judged when it starts: what its backend is granted then.
pub(super) struct Granted(pub(super) Arc<Powers>);

impl Keeper {
    /// One for `jobs`.
    pub fn new(jobs: Jobs, terms: Terms, scope: Option<Scope>) -> Self {
        Self(Some((jobs, terms, scope)))
    }

    /// One for a backend that has no jobs, or a plugin that is only looked at.
    pub fn none() -> Self {
        Self(None)
    }

    /// Whether there can be jobs.
    pub fn is_some(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn any(&self) -> Option<&Jobs> {
        self.0.as_ref().map(|(jobs, ..)| jobs)
    }

    pub(super) fn jobs(&self, backend: &str) -> Result<&Jobs, Error> {
        self.any().ok_or_else(|| {
            Error::Denied(format!(
                "backend `{backend}` may run no jobs; `job` in [backends.{backend}.programs.NAME] would allow some"
            ))
        })
    }

    /// How deep runs that start runs go.
    pub(super) fn depth(&self) -> u32 {
        self.0.as_ref().map_or(1, |(_, terms, _)| terms.depth)
    }

    /// Attends to the jobs of the backend with `powers`, of which this is one, until `over`. What happens is told to `told`.
    pub(crate) async fn attend(&self, powers: &Arc<Powers>, told: UnboundedSender<Happened>, over: &CancellationToken) {
        if let Some((jobs, terms, scope)) = &self.0 {
            let granted = Arc::new(Granted(powers.clone()));
            jobs.attend(granted, scope.clone(), *terms, told, over).await;
        }
    }
}
