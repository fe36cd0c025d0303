//! A generation: all that comes from one reading of the configuration. A call takes the present one when it begins, and
//! finishes on it, also where a reload has replaced it meanwhile.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tokio::time::timeout_at;

use super::lasting::Lasting;
use super::members::{COMES_UP, Members, Reach};
use super::rules::{Confirm, Rules};
use super::seats::Condition;
use super::{Caller, Member};
use crate::catalog::{Backends, Catalog, CollisionError, Offer, answers};
use crate::session;
use crate::store::audit::Grants;
use crate::watch::{Span, now};

/// How long a generation counts as starting: backends whose plugins are compiled already take less to come up.
const START: Duration = Duration::from_millis(500);

/// The backends of one configuration, how each of them is, and what calls mean with them.
pub struct Generation {
    began: Instant,
    backends: Arc<Backends>,
    members: Members,
    /// What those bring that are up, merged.
    catalog: RwLock<Arc<Catalog>>,
    /// Held by who makes the next one.
    merging: Mutex<()>,
    /// The digest of what is granted.
    grants: Grants,
    /// What callers may do about prompts and options.
    pub(super) rules: Rules,
    /// When its backends do what goes on between calls.
    span: Span,
    pub(super) lasting: Arc<Lasting>,
}

impl Generation {
    /// One for the backends of `catalog`, which are all coming up: see [`Generation::raise`] and [`Generation::lower`].
    pub(super) fn new(catalog: Catalog, grants: Grants, rules: Rules, span: Span, lasting: Arc<Lasting>) -> Arc<Self> {
        let backends = catalog.backends().clone();
        Arc::new(Self {
            began: Instant::now(),
            members: Members::new(backends.names()),
            backends,
            catalog: RwLock::new(Arc::new(catalog)),
            merging: Mutex::default(),
            grants,
            rules,
            span,
            lasting,
        })
    }

    /// A backend is up: from now on calls are done with `member`, and its own tools are among the others.
    ///
    /// # Errors
    /// What it offers cannot stand beside the rest, and it is not taken.
    pub fn raise(&self, member: Member, offer: Offer) -> Result<(), CollisionError> {
        let _merging = self.merging.lock().unwrap_or_else(PoisonError::into_inner);
        let catalog = Arc::new(self.catalog().with(offer)?);
        *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = catalog;
        // What comes up aside may never count.
        if self.span.has_begun() {
            self.lasting.showing.know(&member);
        }
        // Last, so that who waited for it finds its tools.
        self.members.take(member);
        self.lasting.tools_may_differ();
        Ok(())
    }

    /// The backend called `name` could not start, why, and whether only since its host is away. Answers why in one line,
    /// where it is news.
    pub fn lower(&self, name: &str, why: &str, is_away: bool) -> Option<Arc<str>> {
        self.members.lower(name, why, is_away, now())
    }

    /// What calls mean now. It is replaced when a backend comes up.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every backend by name, and how it is.
    pub fn conditions(&self) -> impl Iterator<Item = (&str, Condition)> {
        self.members.conditions()
    }

    /// The backends that are up, by name.
    pub fn up(&self) -> Vec<Arc<Member>> {
        let up = |(_, condition)| match condition {
            Condition::Up(member) => Some(member),
            _ => None,
        };
        self.conditions().filter_map(up).collect()
    }

    /// What the names of its backends mean.
    pub(super) fn meanings(&self) -> BTreeMap<String, String> {
        let meaning = |name: &str| Some((name.to_owned(), self.meaning(name)?.to_owned()));
        self.backends.names().filter_map(meaning).collect()
    }

    /// What the name of a backend means; nothing where there is none of that name.
    pub fn meaning(&self, name: &str) -> Option<&str> {
        self.backends.meaning(name)
    }

    /// The digest of what is granted.
    pub fn grants(&self) -> Grants {
        self.grants
    }

    /// How a person is asked before a client's answer counts.
    pub fn confirm(&self) -> Confirm {
        self.rules.confirm
    }

    /// When its backends do what goes on between calls.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// Whether no backend is coming up.
    pub fn is_settled(&self) -> bool {
        self.members.are_settled()
    }

    /// Waits until no backend is coming up, for `most` at the longest.
    pub async fn settled(&self, most: Duration) {
        let _ = tokio::time::timeout(most, self.members.settled()).await;
    }

    /// The same for those called `names`.
    pub async fn settled_of(&self, names: impl IntoIterator<Item = impl AsRef<str>>, most: Duration) {
        let _ = tokio::time::timeout(most, self.members.settled_of(names)).await;
    }

    /// Whether it was made just now.
    pub fn is_starting(&self) -> bool {
        self.began.elapsed() < START
    }

    /// Waits until no backend is coming up, but no longer than it is starting.
    pub async fn started(&self) {
        let _ = timeout_at((self.began + START).into(), self.members.settled()).await;
    }

    /// What calls mean, for a call of the tool `name`: while that depends on backends that are coming up, it waits for them.
    pub(super) async fn catalog_for(&self, caller: &Caller, name: &str, given: &Map<String, Value>) -> Arc<Catalog> {
        let deadline = Instant::now() + COMES_UP;
        loop {
            let catalog = self.catalog();
            let names = catalog.depends_on(&caller.principal, name, given);
            if names.is_empty() {
                return catalog;
            }
            if !self.reach(caller).one_settles(&names, deadline).await {
                // One may have come up since.
                return self.catalog();
            }
        }
    }

    /// The backends that the caller may know of.
    pub(super) fn reach<'a>(&'a self, caller: &'a Caller) -> Reach<'a> {
        self.members.within(self.backends.of(&caller.principal), caller)
    }

    /// A session as the caller is shown it, with the messages that its backend keeps and then those that wait here.
    pub(super) fn show(&self, caller: &Caller, backend: &str, session: session::Session) -> answers::Session {
        self.lasting.show(caller, backend, session)
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        self.span.leave();
    }
}
