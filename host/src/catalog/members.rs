//! The backends of the merge, and which of them a caller may know of.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Terms, ToolError};
use crate::principal::Principal;
use crate::watch::Watched;

/// A backend in the merge.
pub(crate) struct Member {
    pub(crate) watched: Arc<Watched>,
    pub(crate) terms: Terms,
}

impl Member {
    pub(crate) fn name(&self) -> &str {
        &self.watched.backend.name
    }
}

/// Every backend. What is done for a caller reaches them through [`Members::of`] alone, so that nothing about the
/// others can slip into an answer.
pub(crate) struct Members {
    by_name: BTreeMap<String, Member>,
    default: String,
}

impl Members {
    /// `default` is meant where a call names none.
    pub(crate) fn new(by_name: BTreeMap<String, Member>, default: String) -> Self {
        Self { by_name, default }
    }

    /// Every one, for the host itself.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Member> {
        self.by_name.values()
    }

    /// Those that `principal` may know of.
    pub(crate) fn of<'a>(&'a self, principal: &'a Principal) -> View<'a> {
        View {
            members: self,
            principal,
        }
    }
}

/// The backends as one caller sees them: the others do not exist.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    members: &'a Members,
    principal: &'a Principal,
}

impl<'a> View<'a> {
    /// All of them, by name.
    pub(crate) fn all(self) -> impl Iterator<Item = &'a Member> {
        let backends = self.principal.backends();
        self.members.all().filter(|member| backends.holds(member.name()))
    }

    /// Whether there is one called `name`.
    pub(crate) fn holds(self, name: &str) -> bool {
        self.principal.backends().holds(name) && self.members.by_name.contains_key(name)
    }

    /// Whether one called `name` would not exist for the caller, whatever there is.
    pub(crate) fn hides(self, name: &str) -> bool {
        !self.principal.backends().holds(name)
    }

    /// All of them, and there are some.
    pub(crate) fn some(self) -> Result<Vec<&'a Member>, ToolError> {
        let all: Vec<&Member> = self.all().collect();
        match all.is_empty() {
            true => Err(self.no_member(None)),
            false => Ok(all),
        }
    }

    /// The one called `name`, else the default one.
    pub(crate) fn member(self, name: Option<&str>) -> Result<&'a Member, ToolError> {
        let wanted = name.or_else(|| self.default());
        match wanted.filter(|wanted| self.holds(wanted)) {
            Some(wanted) => Ok(&self.members.by_name[wanted]),
            None => Err(self.no_member(name)),
        }
    }

    /// The one that is meant where none is named: the operator's default, else the only one there is.
    pub(crate) fn default(self) -> Option<&'a str> {
        if self.holds(&self.members.default) {
            return Some(&self.members.default);
        }
        let mut all = self.all();
        match (all.next(), all.next()) {
            (Some(only), None) => Some(only.name()),
            _ => None,
        }
    }

    fn no_member(self, name: Option<&str>) -> ToolError {
        let known: Vec<&str> = self.all().map(Member::name).collect();
        let known = known.join(", ");
        ToolError::refused(match name {
            _ if known.is_empty() => "there is no backend for you: what was approved for you is gone".to_owned(),
            Some(name) => format!("there is no backend `{}`; there are: {known}", name.escape_debug()),
            None => format!("say which backend; there are: {known}"),
        })
    }
}
