//! A project in which sessions may start.

use crate::{Error, Project, ProjectPage};

impl Project {
    /// A project in this directory, which is absolute.
    #[must_use]
    pub fn new(name: impl Into<String>, directory: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            directory: directory.into(),
            branch: None,
            agents: Vec::new(),
            facts: Vec::new(),
        }
    }

    /// Can be worked in by these agents only.
    #[must_use]
    pub fn agents<T: Into<String>>(mut self, agents: impl IntoIterator<Item = T>) -> Self {
        self.agents = agents.into_iter().map(Into::into).collect();
        self
    }
}

setters!(Project {
    /// The branch that is checked out.
    branch: (some text),
});
facts!(Project);

impl ProjectPage {
    /// All projects that could be looked at.
    #[must_use]
    pub fn of(projects: Vec<Project>) -> Self {
        Self {
            projects,
            problems: Vec::new(),
        }
    }

    /// Adds something that could not be looked at, and why.
    #[must_use]
    pub fn problem(mut self, what: impl Into<String>, error: Error) -> Self {
        self.problems.push((what.into(), error));
        self
    }
}
