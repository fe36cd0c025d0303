//! `wait_seconds`: waiting for a session to come to rest, on the one poll that all waiters of a backend share.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::answers::bounded;
use super::{Caller, Catalog, Member, ToolError};
use crate::contract::{LogPage, LogQuery, Session, State, View};

/// Calls of one caller that may wait at once.
const WAITING: usize = 32;
/// Looks that must agree before a session counts as at rest: one alone may fall into a gap between two steps.
const LOOKS: u32 = 2;
/// Looks after which a session that prints nothing, or is not understood, is taken as at rest all the same.
const LOOKS_IN_SILENCE: u32 = 12;
/// Lines of new output in an answer.
const LINES: u32 = 400;

impl Catalog {
    /// Waits until the session is at rest and, where `after` is given, its log has moved past that cursor.
    /// False: it still was not at `deadline`. An error: it is gone, or the caller waits too often at once.
    pub(crate) async fn settled(
        &self,
        caller: &Caller,
        member: &Member,
        id: &str,
        after: Option<&str>,
        deadline: Instant,
    ) -> Result<bool, ToolError> {
        let _waiting = self.waiters.enter(caller)?;
        let mut snapshots = member.watched.snapshots();
        let (mut calm, mut moved) = (0, after.is_none());
        while let Some(changed) = self.next_look(caller, snapshots.changed(), deadline).await? {
            changed.map_err(|_| ToolError::new("berth is shutting down"))?;
            let snapshot = snapshots.borrow_and_update().clone();
            let Some(Ok(sessions)) = snapshot.as_deref() else {
                continue;
            };
            let session = sessions
                .iter()
                .find(|session| session.id == id)
                .ok_or_else(|| gone(member, id))?;
            if at_work(session) {
                (calm, moved) = (0, true);
                continue;
            }
            calm += 1;
            let patient = !moved || session.state == State::Unknown;
            if calm >= LOOKS && !moved {
                moved = self
                    .output_since(member, id, after)
                    .await
                    .is_some_and(|page| !page.text.trim().is_empty());
            }
            if calm >= if patient && !moved { LOOKS_IN_SILENCE } else { LOOKS } {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The end of `look`, or nothing at `deadline`.
    async fn next_look<T>(
        &self,
        caller: &Caller,
        look: impl Future<Output = T>,
        deadline: Instant,
    ) -> Result<Option<T>, ToolError> {
        tokio::select! {
            looked = tokio::time::timeout_at(deadline.into(), look) => Ok(looked.ok()),
            () = caller.gone.cancelled() => Err(ToolError::new("the caller is gone")),
        }
    }

    /// Where the session's log ends now, if that can be read.
    pub(crate) async fn cursor(&self, member: &Member, id: &str) -> Option<String> {
        let query = LogQuery {
            view: View::Scrollback,
            lines: 1,
            after: None,
        };
        Some(member.watched.backend.read_log(id, &query).await.ok()?.next)
    }

    /// What the session printed since `after`, if that can be read.
    pub(crate) async fn output_since(&self, member: &Member, id: &str, after: Option<&str>) -> Option<LogPage> {
        let query = LogQuery {
            view: View::Scrollback,
            lines: LINES,
            after: Some(after?.to_owned()),
        };
        let page = member.watched.backend.read_log(id, &query).await.ok()?;
        Some(LogPage {
            text: bounded(page.text),
            ..page
        })
    }
}

fn at_work(session: &Session) -> bool {
    matches!(session.state, State::Queued | State::Starting | State::Busy)
}

fn gone(member: &Member, id: &str) -> ToolError {
    ToolError::new(format!("session {}/{id} is gone", member.name()))
}

/// How many calls of each caller wait now.
#[derive(Default)]
pub(crate) struct Waiters(Mutex<HashMap<String, usize>>);

impl Waiters {
    fn enter(&self, caller: &Caller) -> Result<Waiting<'_>, ToolError> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.entry(caller.principal.id().to_owned()).or_default();
        if *count >= WAITING {
            return Err(ToolError::new(format!(
                "{WAITING} of your calls already wait; ask again without wait_seconds, or when one of them has ended"
            )));
        }
        *count += 1;
        Ok(Waiting {
            waiters: self,
            principal: caller.principal.id().to_owned(),
        })
    }
}

struct Waiting<'a> {
    waiters: &'a Waiters,
    principal: String,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waiting = self.waiters.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = waiting.get_mut(&self.principal) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.principal);
            }
        }
    }
}
