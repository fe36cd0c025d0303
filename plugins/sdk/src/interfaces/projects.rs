//! `projects`: where sessions may start.

use crate::contract::exported::projects::exports::berth::backend::projects::Guest;
use crate::named::{Named, tag};
use crate::{Backend, ProjectPage, Result};

/// The projects in which sessions may start.
pub trait Projects: Backend + Named<tag::Projects> {
    /// All projects, and what could not be looked at.
    fn list_projects() -> Result<ProjectPage>;
}

impl<T: Projects> Guest for T {
    fn list_projects() -> Result<ProjectPage> {
        <T as Projects>::list_projects()
    }
}
