//! For whom a request speaks, and what that principal may do.

mod lineage;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use thiserror::Error;

pub use self::lineage::Lineage;

/// The id of the operator; an app's id always has a kind before it.
const LOCAL: &str = "local";
/// The id of the owner, a person in a browser.
const OWNER: &str = "owner";

/// A power that a caller has. Control includes reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// `sessions:read`: the tools that change nothing.
    Read,
    /// `sessions:control`: every tool.
    Control,
}

impl Scope {
    /// Every scope, the smallest first.
    pub const ALL: [Self; 2] = [Self::Read, Self::Control];

    /// Its name in OAuth.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "sessions:read",
            Self::Control => "sessions:control",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A name that is not a scope.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no scope {0:?}; there are: sessions:read, sessions:control")]
pub struct UnknownScope(String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let named = Self::ALL.into_iter().find(|scope| scope.name() == text);
        named.ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

/// It is in the extensions of the request of a caller that could get a larger scope, and records whether the call was
/// refused because that is missing: the front door then says where to get it.
#[derive(Clone, Debug, Default)]
pub struct StepUp(Arc<OnceLock<String>>);

impl StepUp {
    /// Notes that the call was refused because of a missing scope, and in what words.
    pub fn note(&self, why: String) {
        // A request makes one call.
        let _ = self.0.set(why);
    }

    /// Those words, if it was refused.
    pub fn refused(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

/// What the name of a backend means: its plugin, and the machine. It is compared, and people may read it.
pub type Meaning = String;

/// The backends that a caller may know of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Backends {
    /// Every one, those that are added later too.
    All,
    /// Only these, by name, and each only while it means what it meant when that was approved.
    Only(BTreeMap<String, Meaning>),
}

impl fmt::Display for Backends {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => formatter.write_str("all"),
            Self::Only(names) => formatter.write_str(&names.keys().map(String::as_str).collect::<Vec<_>>().join(", ")),
        }
    }
}

impl Backends {
    /// Whether `backend`, which means `meaning` now, is one of them.
    pub fn holds(&self, backend: &str, meaning: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(approved) => approved.get(backend).is_some_and(|approved| approved == meaning),
        }
    }

    /// Whether one of this name is one of them, if it means the same.
    pub fn name(&self, backend: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(approved) => approved.contains_key(backend),
        }
    }
}

/// The caller a request was admitted as. Cheap to clone; the front door puts it into the request's extensions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal(Arc<Described>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Described {
    id: String,
    scope: Scope,
    backends: Backends,
    /// It runs in one of berth's own sessions, so no approval gives it more.
    in_session: bool,
    /// Where it stands in runs that start runs.
    lineage: Lineage,
}

impl Principal {
    /// A caller known as `id`, with the highest scope it has and the backends it may know of.
    pub fn new(id: impl Into<String>, scope: Scope, backends: Backends) -> Self {
        Self(Arc::new(Described {
            id: id.into(),
            scope,
            backends,
            in_session: false,
            lineage: Lineage::default(),
        }))
    }

    /// The operator of this machine: holder of the local token, or a process of the same user on an open door.
    pub fn local() -> Self {
        Self::new(LOCAL, Scope::Control, Backends::All)
    }

    /// The owner in a browser, logged in on a page of berth's own: a person, and no program answers for them.
    pub fn owner() -> Self {
        Self::new(OWNER, Scope::Control, Backends::All)
    }

    /// Whether it is the operator, outside of every session.
    pub fn is_operator(&self) -> bool {
        self.0.id == LOCAL
    }

    /// The same caller, who may only look. It has a name of its own, so that what it has seen counts only for it.
    #[must_use]
    pub fn only_reading(&self) -> Self {
        Self(Arc::new(Described {
            id: format!("{} in a session", self.0.id),
            scope: Scope::Read,
            backends: self.0.backends.clone(),
            in_session: true,
            lineage: self.0.lineage.clone(),
        }))
    }

    /// What runs in a job, whoever it says it is: it looks at what is its own, and is named by the job,
    /// with a word more where only a variable says so.
    pub fn in_job(lineage: Lineage) -> Self {
        let name = lineage.name().unwrap_or_default();
        Self(Arc::new(Described {
            id: match lineage.is_named {
                true => format!("job {name} by a variable"),
                false => format!("job {name}"),
            },
            scope: Scope::Read,
            backends: Backends::All,
            in_session: true,
            lineage,
        }))
    }

    /// The same caller, at least so deep in runs that start runs.
    #[must_use]
    pub fn raised(&self, depth: u32) -> Self {
        if depth <= self.0.lineage.depth {
            return self.clone();
        }
        let mut described = Described::clone(&self.0);
        described.lineage = described.lineage.raised(depth);
        Self(Arc::new(described))
    }

    /// Where it stands in runs that start runs.
    pub fn lineage(&self) -> &Lineage {
        &self.0.lineage
    }

    /// A short, stable name for logs and for what is kept per caller.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Whether it may use what needs `scope`.
    pub fn may(&self, scope: Scope) -> bool {
        scope <= self.0.scope
    }

    /// Whether it could be given more than it has, by the owner's approval.
    pub fn may_ask_for_more(&self) -> bool {
        !self.may(Scope::Control) && !self.0.in_session
    }

    /// Why it may not call `tool`, which needs `scope`, and what to do.
    pub fn refusal(&self, tool: &str, scope: Scope) -> String {
        if let Some(job) = self.0.lineage.name() {
            return format!(
                "`{tool}` is not for what runs in a job ({job}): it neither answers, interrupts, sends to nor ends what \
                 runs; ask the person to do it from outside"
            );
        }
        if self.0.in_session {
            return format!(
                "`{tool}` is not for what runs in a session that berth started, so that no agent answers its own \
                 questions; ask the person to do it from outside (the operator's `sessions_may_control` would allow it)"
            );
        }
        format!("`{tool}` needs {scope}, which was not approved; ask the owner to approve it, by connecting again")
    }

    /// The backends it may know of.
    pub fn backends(&self) -> &Backends {
        &self.0.backends
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn whoever_may_control_may_read_and_not_the_other_way_round() {
        let local = Principal::local();
        assert!(local.may(Scope::Read) && local.may(Scope::Control));
        let reader = local.only_reading();
        assert!(reader.may(Scope::Read) && !reader.may(Scope::Control));
        assert_ne!(reader.id(), local.id());
    }

    #[test]
    fn scopes_have_the_names_that_they_are_read_by() {
        for scope in Scope::ALL {
            assert_eq!(scope.name().parse(), Ok(scope));
        }
        let unknown = "sessions:all".parse::<Scope>().unwrap_err().to_string();
        assert!(unknown.contains("sessions:read, sessions:control"), "{unknown}");
    }

    #[test]
    fn some_backends_hold_only_themselves() {
        let some = Backends::Only([("here".to_owned(), "one plugin".to_owned())].into());
        assert!(some.holds("here", "one plugin") && !some.holds("there", "one plugin"));
        assert!(!some.holds("here", "another plugin") && some.name("here"));
        assert!(Backends::All.holds("there", "another plugin"));
    }
}
