//! What is kept of a build: what it works on, and what came of it.

use berth_plugin::files;
use berth_plugin::git::{self, Branch, Commit};
use serde::{Deserialize, Serialize};

/// What a build works on, as it is kept with its jobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The id of the call, a UUID: it names the clone.
    pub(crate) call: String,
    /// The project's directory.
    pub(crate) project: String,
    /// The folder of clones.
    pub(crate) folder: String,
    pub(crate) branch: Branch,
    pub(crate) base: Commit,
    /// In the agent's job: the run, and when that was submitted and began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<First>,
}

impl Plan {
    /// The clone's directory.
    pub(crate) fn directory(&self) -> String {
        format!("{}/{}", self.folder, self.name())
    }

    /// Its name in the folder of clones.
    pub(crate) fn name(&self) -> String {
        git::clone_name(&self.call)
    }

    /// Whether the clone is there.
    pub(crate) fn is_there(&self) -> bool {
        files::entries(&self.directory()).is_ok()
    }
}

/// The first job of a build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct First {
    pub(crate) id: String,
    pub(crate) queued_at: u64,
    pub(crate) started_at: Option<u64>,
}

/// What came of a build.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Made {
    /// The last commit of the branch, if the build made any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sha: Option<Commit>,
    /// Where that is in the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<String>,
    pub(crate) commits: u32,
    pub(crate) added: u64,
    pub(crate) removed: u64,
    /// How many files differ, and the first of them.
    pub(crate) changed: usize,
    pub(crate) files: Vec<File>,
    /// What is not committed.
    pub(crate) leftovers: Vec<String>,
    /// How the tests went, as the agent says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tests: Option<String>,
    /// What is not known, or was not possible, in sentences.
    pub(crate) problems: Vec<String>,
    /// The clone has nothing that is not kept elsewhere.
    pub(crate) is_spent: bool,
}

/// A file that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) added: u32,
    pub(crate) removed: u32,
}
