//! The backends as the merge knows them, and which of them a caller may know of.

use std::collections::BTreeMap;

use super::Mistake;
use crate::principal::{Meaning, Principal};
use crate::{session, text};

/// What one backend that is up brings to the merge.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The backend's name.
    pub backend: String,
    /// Where its plugin is from, for errors.
    pub origin: String,
    /// Digest of its plugin: backends of one plugin share its own tools.
    pub digest: String,
    /// Its own tools, as the plugin described them.
    pub tools: Vec<session::Tool>,
    /// Own tools of which the operator says that they only read.
    pub read_tools: Vec<String>,
}

/// The names of all backends that are configured, whether they are up or not. What is told to a caller goes through
/// `Backends::of` alone, so that nothing about the others can slip into an answer.
#[derive(Debug)]
pub struct Backends {
    names: BTreeMap<String, Meaning>,
    default: String,
    /// How deep runs that start runs go, by the backends that have some.
    depths: BTreeMap<String, u32>,
}

impl Backends {
    /// Those of these names, with what each means. `default` is meant where a call names none.
    pub fn new(names: impl IntoIterator<Item = (String, Meaning)>, default: String) -> Self {
        Self {
            names: names.into_iter().collect(),
            default,
            depths: BTreeMap::new(),
        }
    }

    /// The same, with how deep runs of the backends go that may have some.
    #[must_use]
    pub fn with_depths(self, depths: BTreeMap<String, u32>) -> Self {
        Self { depths, ..self }
    }

    /// How deep runs of the backend `name` go; nothing where it has none.
    pub(crate) fn depth(&self, name: &str) -> Option<u32> {
        self.depths.get(name).copied()
    }

    /// All names, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// Whether there is one called `name`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// What `name` means; nothing where there is none of that name.
    pub(crate) fn meaning(&self, name: &str) -> Option<&str> {
        self.names.get(name).map(String::as_str)
    }

    /// Those that `principal` may know of.
    pub(crate) fn of<'a>(&'a self, principal: &'a Principal) -> View<'a> {
        View {
            backends: self,
            principal,
        }
    }
}

/// The names of the backends as one caller sees them: the others do not exist.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    backends: &'a Backends,
    principal: &'a Principal,
}

impl<'a> View<'a> {
    /// All of them, in order.
    pub(crate) fn all(self) -> impl Iterator<Item = &'a str> {
        self.backends.names().filter(move |name| !self.hides(name))
    }

    /// Whether there is one called `name`.
    pub(crate) fn holds(self, name: &str) -> bool {
        !self.hides(name) && self.backends.has(name)
    }

    /// Whether one called `name` would not exist for the caller, whatever there is.
    pub(crate) fn hides(self, name: &str) -> bool {
        let known = self.principal.backends();
        // What runs in a job looks at its own.
        if let Some((own, _)) = self.principal.lineage().job() {
            return name != own;
        }
        match self.backends.meaning(name) {
            Some(meaning) => !known.holds(name, meaning),
            None => !known.name(name),
        }
    }

    /// All of them, and there are some.
    pub(crate) fn some(self) -> Result<Vec<&'a str>, Mistake> {
        let all: Vec<&str> = self.all().collect();
        match all.is_empty() {
            true => Err(self.no_backend(None)),
            false => Ok(all),
        }
    }

    /// The one called `name`, otherwise the default one.
    pub(crate) fn backend(self, name: Option<&str>) -> Result<&'a str, Mistake> {
        let wanted = name.or_else(|| self.default());
        let found = wanted.filter(|wanted| self.holds(wanted));
        match found.and_then(|wanted| self.backends.names.get_key_value(wanted)) {
            Some((name, _)) => Ok(name),
            None => Err(self.no_backend(name)),
        }
    }

    /// The one that is meant where none is named: the operator's default, otherwise the only one.
    pub(crate) fn default(self) -> Option<&'a str> {
        if self.holds(&self.backends.default) {
            return Some(&self.backends.default);
        }
        let mut all = self.all();
        match (all.next(), all.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
    }

    fn no_backend(self, name: Option<&str>) -> Mistake {
        let known: Vec<&str> = self.all().collect();
        let known = known.join(", ");
        Mistake::new(match name {
            _ if known.is_empty() => {
                "there is no backend for you: the ones that were approved for you are gone".to_owned()
            }
            Some(name) => format!(
                "there is no backend `{}`; there are: {known}",
                text::escaped(name, text::NAMED)
            ),
            None => format!("say which backend; there are: {known}"),
        })
    }
}
