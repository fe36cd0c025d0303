//! What is kept with each job: which run of which conversation it is.

use berth_plugin::jobs::Job;
use berth_plugin::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::cut::cut;
use crate::kept::built::Plan;

/// Characters of a prompt that are kept as the task.
const TASK: usize = 500;
/// Characters of it that stand for a name.
const NAME: usize = 60;

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Run,
    Build,
    /// A process of a conversation that a person leads.
    Conversation,
}

/// The note of a job. What a later version adds is passed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) kind: Kind,
    /// The label of the host on which it is; none: where the backend lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<String>,
    pub(crate) project: String,
    pub(crate) directory: String,
    pub(crate) agent: String,
    pub(crate) conversation: String,
    /// The beginning of the request.
    pub(crate) task: String,
    /// The project's own settings count.
    #[serde(default)]
    pub(crate) trusted: bool,
    /// The tools that were asked for and are not allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) left_out: Vec<String>,
    /// How long it may take, in milliseconds.
    #[serde(default)]
    pub(crate) timeout_ms: u64,
    /// The id of its request, where the agent asks a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) asks: Option<String>,
    /// What a build works on; its `directory` is the clone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) build: Option<Plan>,
}

impl Note {
    /// The note of this job.
    ///
    /// # Errors
    /// `Failed` if it is not one of this version.
    pub(crate) fn of(job: &Job) -> Result<Self> {
        serde_json::from_str(&job.note)
            .map_err(|error| Error::Failed(format!("the note of job {} cannot be read: {error}", job.id)))
    }

    /// The id of the run of this job: that of its first one.
    pub(crate) fn run<'a>(&'a self, job: &'a Job) -> &'a str {
        let first = self.build.as_ref().and_then(|plan| plan.run.as_ref());
        first.map_or(&job.id, |first| &first.id)
    }

    /// Whether its job is a step, after which the run goes on in another one.
    pub(crate) fn is_step(&self) -> bool {
        self.build.as_ref().is_some_and(|plan| plan.run.is_none())
    }

    /// The queue of its project: one run works there at a time. Projects of two hosts may have the same name.
    pub(crate) fn queue(&self) -> String {
        match &self.host {
            Some(host) => format!("{host}/{}", self.project),
            None => self.project.clone(),
        }
    }

    pub(crate) fn text(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| Error::Failed(format!("the run's note cannot be written: {error}")))
    }
}

/// What of a prompt is kept as the task.
pub(crate) fn task(prompt: &str) -> String {
    cut(prompt.trim(), TASK)
}

/// What of a prompt stands for a name.
pub(crate) fn name(prompt: &str) -> String {
    cut(prompt.trim().lines().next().unwrap_or_default(), NAME)
}
