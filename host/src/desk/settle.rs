//! `wait_seconds`: waiting for a session to come to rest, on the one poll that all waiters of a backend share.

use std::time::{Duration, Instant};

use super::{Caller, Left, Member, answer};
use crate::session::{Session, State};

/// Looks that must agree before a session counts as at rest: one alone may fall into a gap between two steps.
pub(super) const LOOKS: u32 = 2;
/// How long a session that prints nothing, or is not understood, must look so before it is taken as at rest all the same.
pub(super) const SILENCE: Duration = Duration::from_millis(3_300);

/// What waiting for a session came to.
#[derive(Debug)]
pub(crate) enum Rest {
    /// It is at rest, and was seen so.
    Settled(Box<Session>),
    /// It was at work until the end of the wait.
    AtWork,
    /// It no longer exists.
    Gone,
    /// At the end of the wait it could not be looked at, and why.
    Unseen(String),
    /// The caller waits no longer, or berth ends.
    Left(Left),
}

impl Rest {
    /// What to say about it beside the session's record, if anything.
    pub(crate) fn told(&self) -> Option<String> {
        match self {
            // If it is gone, the look at it reports that.
            Self::Settled(_) | Self::Gone => None,
            Self::AtWork => {
                Some("It is still at work; call get_session_status with wait_seconds to wait longer.".into())
            }
            Self::Unseen(why) => Some(format!("Whether it is still at work could not be seen: {why}.")),
            Self::Left(Left::Gone) => Some("The caller did not wait for the outcome.".into()),
            Self::Left(Left::Ending) => {
                Some("berth ended while this call waited; ask get_session_status when it runs again.".into())
            }
        }
    }
}

impl Rest {
    /// The session that was seen at rest.
    pub(crate) fn session(self) -> Option<Session> {
        match self {
            Self::Settled(session) => Some(*session),
            _ => None,
        }
    }
}

/// Waits until the session is at rest and, where `after` is given, its log has moved past that cursor; at the
/// longest until `deadline`. Whoever waits has entered the waits before.
pub(super) async fn settled(
    caller: &Caller,
    member: &Member,
    id: &str,
    after: Option<&str>,
    deadline: Instant,
) -> Rest {
    let began = tokio::time::Instant::now();
    let mut snapshots = member.watched.snapshots();
    // A backend that reports its changes itself is believed.
    let looks = if member.watched.tells_of_changes() { 1 } else { LOOKS };
    let (mut calm, mut calm_since, mut moved) = (0, began, after.is_none());
    let mut unseen = Some(format!("no look at backend `{}` ended in time", member.name()));
    let mut at_rest = None;
    loop {
        let look = tokio::time::timeout_at(deadline.into(), snapshots.changed());
        match caller.while_there(look).await {
            Err(left) => return Rest::Left(left),
            Ok(Err(_)) => {
                let seen = at_rest.map_or(Rest::AtWork, Rest::Settled);
                return unseen.map_or(seen, Rest::Unseen);
            }
            Ok(Ok(_)) => {}
        }
        let snapshot = snapshots.borrow_and_update().clone();
        // A look that began earlier may not show what was just done.
        let Some(snapshot) = snapshot.filter(|snapshot| snapshot.begun >= began) else {
            continue;
        };
        let listed = match &snapshot.sessions {
            Ok(listed) => listed,
            Err(error) => {
                unseen = Some(answer::describe(member.name(), error.clone()));
                continue;
            }
        };
        let Some(session) = listed.items.iter().find(|session| session.id == id) else {
            // It may be one of those that were left out.
            match listed.faults.first() {
                None => return Rest::Gone,
                Some(fault) => unseen = Some(fault.clone()),
            }
            continue;
        };
        unseen = None;
        if at_work(session) {
            (calm, moved, at_rest) = (0, true, None);
            continue;
        }
        if calm == 0 {
            calm_since = snapshot.begun;
        }
        calm += 1;
        at_rest = Some(Box::new(session.clone()));
        if calm >= looks && !moved {
            let page = tokio::time::timeout_at(deadline.into(), member.output_since(id, after));
            match caller.while_there(page).await {
                Err(left) => return Rest::Left(left),
                Ok(page) => moved = matches!(page, Ok(Some(page)) if !page.text.trim().is_empty()),
            }
        }
        let clear = moved && session.state != State::Unknown;
        let silent = snapshot.begun - calm_since >= SILENCE;
        if calm >= looks && (clear || silent) {
            return Rest::Settled(Box::new(session.clone()));
        }
    }
}

pub(super) fn at_work(session: &Session) -> bool {
    matches!(session.state, State::Queued | State::Starting | State::Busy)
}
