//! All backends that are configured. A caller reaches only those that it may know of.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::select_all;
use tokio::time::timeout_at;

use super::member::Member;
use super::seats::{Condition, Seat, Seats};
use super::{Caller, ToolError};
use crate::catalog::View;
use crate::session::Timestamp;
use crate::text::{NAMED, escaped};

/// How long a call waits for a backend that is coming up.
pub(super) const COMES_UP: Duration = Duration::from_secs(30);

/// Every backend, whether it is up or not. What is done for a caller reaches them only through [`Members::within`], so
/// that nothing about the others can get into an answer.
pub(crate) struct Members(Seats);

impl Members {
    /// Those called `names`, which are all coming up.
    pub(crate) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        Self(
            names
                .map(|name| (name.to_owned(), Seat::new(name.to_owned())))
                .collect(),
        )
    }

    /// Every one with its name, for the host itself.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = (&str, Condition)> {
        self.0.values().map(|seat| (seat.name(), seat.condition()))
    }

    /// Whether none is coming up.
    pub(crate) fn are_settled(&self) -> bool {
        !self.0.values().any(Seat::is_coming_up)
    }

    /// Waits until none is coming up.
    pub(crate) async fn settled(&self) {
        for seat in self.0.values() {
            seat.settled().await;
        }
    }

    /// The same for those called `names`.
    pub(crate) async fn settled_of(&self, names: impl IntoIterator<Item = impl AsRef<str>>) {
        for name in names {
            if let Some(seat) = self.0.get(name.as_ref()) {
                seat.settled().await;
            }
        }
    }

    /// The backend `member` is up.
    pub(crate) fn take(&self, member: Member) {
        if let Some(seat) = self.0.get(member.name()) {
            seat.take(member);
        }
    }

    /// The backend called `name` could not start at the time `now`. Answers why in one line, where that is news.
    pub(crate) fn lower(&self, name: &str, why: &str, is_away: bool, now: Timestamp) -> Option<Arc<str>> {
        self.0.get(name)?.lower(why, is_away, now)
    }

    /// Those that `caller` may know of, who sees `view`.
    pub(crate) fn within<'a>(&'a self, view: View<'a>, caller: &'a Caller) -> Reach<'a> {
        Reach {
            members: self,
            view,
            caller,
        }
    }
}

/// The backends that one caller may know of: the others do not exist. Who asks for one waits while it is coming up.
#[derive(Clone, Copy)]
pub(crate) struct Reach<'a> {
    members: &'a Members,
    /// Their names.
    pub(crate) view: View<'a>,
    caller: &'a Caller,
}

impl<'a> Reach<'a> {
    /// The one called `name`, otherwise the default one.
    pub(crate) async fn member(self, name: Option<&str>) -> Result<Arc<Member>, ToolError> {
        self.member_until(name, Instant::now() + COMES_UP).await
    }

    /// The same for who waits until `deadline`.
    pub(crate) async fn member_until(self, name: Option<&str>, deadline: Instant) -> Result<Arc<Member>, ToolError> {
        let seat = &self.members.0[self.view.backend(name)?];
        seat.member(self.caller, deadline).await
    }

    /// The one called `name`, or all of them, whether they are up or not.
    pub(crate) fn some(self, name: Option<&str>) -> Result<Vec<Reachable<'a>>, ToolError> {
        let names = match name {
            Some(name) => vec![self.view.backend(Some(name))?],
            None => self.view.some()?,
        };
        let backend = |name| Reachable {
            seat: &self.members.0[name],
            caller: self.caller,
        };
        Ok(names.into_iter().map(backend).collect())
    }

    /// The backend and the id within it of a session named by its whole id, as every tool that acts takes it.
    pub(crate) async fn whole_id(self, session_id: &str) -> Result<(Arc<Member>, &str), ToolError> {
        match session_id.split_once('/') {
            Some((backend, id)) if !id.is_empty() => {
                let member = self.member(Some(backend)).await?;
                self.ensure_own(&member, id).await?;
                Ok((member, id))
            }
            _ => Err(ToolError::refused(format!(
                "`{}` is not a whole session id; write `backend/id` as list_sessions shows it",
                escaped(session_id, NAMED)
            ))),
        }
    }

    /// What of the sessions of `member` there is for the caller; none: all of them. For what runs in a job there are its own
    /// alone.
    pub(crate) async fn own_sessions(self, member: &Member) -> Result<Option<BTreeSet<String>>, ToolError> {
        own_sessions(self.caller, member).await
    }

    /// Whether there is the session `id` of `member` for the caller.
    pub(crate) async fn ensure_own(self, member: &Member, id: &str) -> Result<(), ToolError> {
        match self.own_sessions(member).await? {
            Some(own) if !own.contains(id) => Err(ToolError::refused(format!(
                "there is no session `{}/{}`",
                member.name(),
                escaped(id, NAMED)
            ))),
            _ => Ok(()),
        }
    }

    /// Waits until one of `names` that is coming up is up or down, at the longest until `deadline`. Answers whether one is
    /// now.
    pub(crate) async fn one_settles(self, names: &[&str], deadline: Instant) -> bool {
        let seats = names.iter().filter_map(|name| self.members.0.get(*name));
        let coming = seats.filter(|seat| seat.is_coming_up());
        let settled: Vec<_> = coming.map(|seat| Box::pin(seat.settled())).collect();
        if settled.is_empty() {
            return false;
        }
        let first = self
            .caller
            .take_turn(timeout_at(deadline.into(), select_all(settled)))
            .await;
        matches!(first, Ok(Ok(_)))
    }
}

async fn own_sessions(caller: &Caller, member: &Member) -> Result<Option<BTreeSet<String>>, ToolError> {
    let own = member.watched.backend.own_sessions(caller.principal.lineage()).await;
    own.map_err(ToolError::new)
}

/// A backend that one caller may know of.
#[derive(Clone, Copy)]
pub(crate) struct Reachable<'a> {
    seat: &'a Seat,
    caller: &'a Caller,
}

impl<'a> Reachable<'a> {
    /// What of the sessions of `member`, which is this one, there is for the caller; none: all of them.
    pub(crate) async fn own_sessions(self, member: &Member) -> Result<Option<BTreeSet<String>>, ToolError> {
        own_sessions(self.caller, member).await
    }

    /// Its name.
    pub(crate) fn name(self) -> &'a str {
        self.seat.name()
    }

    /// How it is now.
    pub(crate) fn condition(self) -> Condition {
        self.seat.condition()
    }

    /// Whether it is up now.
    pub(crate) fn is_up(self) -> bool {
        self.seat.is_up()
    }

    /// It, once it is up; see [`Reach::member`].
    pub(crate) async fn member_until(self, deadline: Instant) -> Result<Arc<Member>, ToolError> {
        self.seat.member(self.caller, deadline).await
    }
}
