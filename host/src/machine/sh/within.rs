//! A place that must lie in a granted directory there.

use super::fault::Fault;
use super::quote::word;

/// The directory or file `below` the granted directory `root`.
#[derive(Debug, Clone)]
pub(crate) struct Within {
    /// Its path without links, as it was found: if a link is in its place, nothing is done there.
    pub(crate) root: String,
    pub(crate) below: String,
}

impl Within {
    /// The path of the place.
    pub(super) fn path(&self) -> String {
        let mut path = self.root.trim_end_matches('/').to_owned();
        for step in self.below.split('/').filter(|step| !matches!(*step, "" | ".")) {
            path.push('/');
            path.push_str(step);
        }
        match path.is_empty() {
            true => "/".to_owned(),
            false => path,
        }
    }

    /// The two words that the scripts take.
    pub(super) fn words(&self) -> String {
        format!("{} {}", word(&self.root), word(&self.path()))
    }

    /// Whether its last step is a name.
    pub(super) fn names_a_file(&self) -> bool {
        let mut steps = self.below.split('/').rev();
        steps
            .find(|step| !matches!(*step, "" | "."))
            .is_some_and(|last| last != "..")
    }

    pub(super) fn check(&self) -> Result<(), Fault> {
        whole("a directory", &self.root)?;
        whole("a path", &self.below)?;
        match self.root.starts_with('/') {
            true => Ok(()),
            false => Err(Fault::value("a granted directory", "its path is not absolute")),
        }
    }
}

/// A value with NUL would end there in what the program gets.
pub(super) fn whole(what: &str, value: &str) -> Result<(), Fault> {
    match value.contains('\0') {
        true => Err(Fault::value(what, "it holds the character NUL")),
        false => Ok(()),
    }
}

impl Fault {
    pub(super) fn value(what: impl Into<String>, why: &'static str) -> Self {
        Self::Value { what: what.into(), why }
    }
}
