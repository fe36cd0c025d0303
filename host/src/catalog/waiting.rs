//! `wait_seconds`: waiting for a session to come to rest, on the one poll that all waiters of a backend share.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::answers::bounded;
use super::{Caller, Catalog, Member, ToolError};
use crate::contract::{LogPage, LogQuery, Session, State, View};

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
        let began = tokio::time::Instant::now();
        let mut snapshots = member.watched.snapshots();
        let (mut calm, mut moved) = (0, after.is_none());
        loop {
            let look = tokio::time::timeout_at(deadline.into(), snapshots.changed());
            if caller.while_there(look).await?.is_err() {
                return Ok(false);
            }
            let snapshot = snapshots.borrow_and_update().clone();
            // A look that began earlier may not show what was just done.
            let Some(snapshot) = snapshot.filter(|snapshot| snapshot.begun >= began) else {
                continue;
            };
            let Ok(sessions) = &snapshot.sessions else { continue };
            let session = sessions
                .iter()
                .find(|session| session.id == id)
                .ok_or_else(|| gone(member, id))?;
            if at_work(session) {
                (calm, moved) = (0, true);
                continue;
            }
            calm += 1;
            if calm >= LOOKS && !moved {
                let page = self.output_since(member, id, after).await;
                moved = page.is_some_and(|page| !page.text.trim().is_empty());
            }
            let clear = moved && session.state != State::Unknown;
            if calm >= if clear { LOOKS } else { LOOKS_IN_SILENCE } {
                return Ok(true);
            }
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
pub(crate) struct Waiters {
    most: usize,
    now: Mutex<HashMap<String, usize>>,
}

impl Waiters {
    /// Lets `most` calls of one caller wait at once.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            now: Mutex::default(),
        }
    }

    fn enter(&self, caller: &Caller) -> Result<Waiting<'_>, ToolError> {
        let mut waiting = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.entry(caller.principal.id().to_owned()).or_default();
        if *count >= self.most {
            return Err(ToolError::new(format!(
                "{} of your calls already wait; ask again without wait_seconds, or when one of them has ended",
                self.most
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
        let mut waiting = self.waiters.now.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = waiting.get_mut(&self.principal) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.principal);
            }
        }
    }
}
