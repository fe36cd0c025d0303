//! What was opened for a backend's jobs.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use crate::capability::files::Directories;
use crate::capability::process::Programs;
use crate::contract::types::Error;
use crate::jobs::{Happened, Jobs, Terms};
use crate::machine::job::Scope;

/// The jobs of one backend, if it has any, and on what terms they run.
#[derive(Debug, Clone)]
pub struct Keeper(Option<(Jobs, Terms, Option<Scope>)>);

/// By what a job is judged when it starts.
#[derive(Debug, Clone)]
pub(super) struct Granted {
    pub(super) backend: String,
    pub(super) programs: Programs,
    pub(super) directories: Directories,
}

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

    pub(super) fn jobs(&self, backend: &str) -> Result<&Jobs, Error> {
        let jobs = self.0.as_ref().map(|(jobs, ..)| jobs);
        jobs.ok_or_else(|| {
            Error::Denied(format!(
                "backend `{backend}` may run no jobs; `job` in [backends.{backend}.programs.NAME] would allow some"
            ))
        })
    }

    /// Attends to the jobs of `backend` until `over`, with what it is granted. What happens is told to `told`.
    pub(crate) async fn attend(
        &self,
        backend: &str,
        programs: &Programs,
        directories: &Directories,
        told: UnboundedSender<Happened>,
        over: &CancellationToken,
    ) {
        let Some((jobs, terms, scope)) = &self.0 else { return };
        let granted = Granted {
            backend: backend.to_owned(),
            programs: programs.clone(),
            directories: directories.clone(),
        };
        jobs.attend(Arc::new(granted), scope.clone(), *terms, told, over).await;
    }
}
