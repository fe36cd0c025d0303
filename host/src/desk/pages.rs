//! Lists of sessions in one order, page by page. A page is found by where it begins in that order, so nothing is kept
//! between two calls, and what ends or begins meanwhile moves no page.

use super::ToolError;
use crate::session::{Session, Timestamp, rest_has_ended};
use crate::text::{NAMED, escaped};

/// A place in the order: those that have not ended first, of both kinds the newest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    ended: bool,
    /// The time of its start, counted down.
    age: u64,
    session_id: String,
}

impl Position {
    fn of(backend: &str, session: &Session) -> Self {
        Self {
            ended: session.state.is_end(),
            age: Timestamp::MAX - session.created_at.unwrap_or(0),
            session_id: format!("{backend}/{}", session.id),
        }
    }

    /// As a caller gives it back.
    fn cursor(&self) -> String {
        let kind = if self.ended { "ended" } else { "open" };
        format!("{kind}:{}:{}", Timestamp::MAX - self.age, self.session_id)
    }
}

/// One page.
pub(super) struct Page {
    pub(super) sessions: Vec<(String, Session)>,
    /// Where the next one begins.
    pub(super) next: Option<String>,
}

/// The first `limit` of `sessions` behind `after`, each with its backend.
pub(super) fn of(sessions: Vec<(String, Session)>, limit: u32, after: Option<&Position>) -> Page {
    let placed = sessions
        .into_iter()
        .map(|(backend, session)| (Position::of(&backend, &session), backend, session));
    let mut placed: Vec<_> = placed
        .filter(|(place, _, _)| after.is_none_or(|after| place > after))
        .collect();
    placed.sort_unstable_by(|(one, _, _), (other, _, _)| one.cmp(other));
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_more = placed.len() > limit;
    placed.truncate(limit);
    let last = placed.last().filter(|_| is_more);
    Page {
        next: last.map(|(place, _, _)| place.cursor()),
        sessions: placed
            .into_iter()
            .map(|(_, backend, session)| (backend, session))
            .collect(),
    }
}

/// The place that a caller gives back.
pub(super) fn read(cursor: &str) -> Result<Position, ToolError> {
    let place = || {
        let (kind, rest) = cursor.split_once(':')?;
        let (created, session_id) = rest.split_once(':')?;
        Some(Position {
            ended: match kind {
                "open" => false,
                "ended" => true,
                _ => return None,
            },
            age: Timestamp::MAX - created.parse::<Timestamp>().ok()?,
            session_id: session_id.to_owned(),
        })
    };
    place().ok_or_else(|| {
        ToolError::refused(format!(
            "after: `{}` is not the `next` of a list of sessions",
            escaped(cursor, NAMED)
        ))
    })
}

/// Whether the first `limit` behind `after`, and one more, are among what `backend` has listed so far, and none that has
/// not ended follows.
pub(super) fn fill(backend: &str, listed: &[Session], limit: u32, after: Option<&Position>) -> bool {
    let is_behind = |session: &&Session| after.is_none_or(|after| Position::of(backend, session) > *after);
    let behind = listed.iter().filter(is_behind).count();
    rest_has_ended(listed) && u32::try_from(behind).unwrap_or(u32::MAX) > limit
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::session::{Evidence, State, Verbs};

    fn session(id: &str, state: State, created_at: Option<Timestamp>) -> (String, Session) {
        let session = Session {
            id: id.into(),
            name: String::new(),
            agent: String::new(),
            directory: None,
            project: None,
            parent: None,
            state,
            evidence: Evidence::Agent,
            since: None,
            summary: None,
            task: None,
            last_output: None,
            prompts: Vec::new(),
            attention: None,
            queue: Vec::new(),
            can: Verbs::default(),
            url: None,
            created_at,
            active_at: None,
            facts: Vec::new(),
        };
        ("one".into(), session)
    }

    fn ids(page: &Page) -> Vec<&str> {
        page.sessions.iter().map(|(_, session)| &*session.id).collect()
    }

    #[test]
    fn pages_follow_each_other_though_sessions_begin_and_end_meanwhile() {
        let mut all = vec![
            session("ended", State::Done, Some(9)),
            session("old", State::Idle, Some(1)),
            session("new", State::Busy, Some(5)),
            session("same", State::Busy, Some(5)),
            session("timeless", State::Idle, None),
        ];
        let first = of(all.clone(), 2, None);
        assert_eq!(ids(&first), ["new", "same"]);
        let after = read(&first.next.unwrap()).unwrap();
        all.push(session("newest", State::Busy, Some(7)));
        all.remove(2);
        let second = of(all.clone(), 2, Some(&after));
        assert_eq!(ids(&second), ["old", "timeless"]);
        let after = read(&second.next.unwrap()).unwrap();
        let last = of(all, 2, Some(&after));
        assert_eq!((ids(&last), &last.next), (vec!["ended"], &None));
    }

    #[test]
    fn a_list_fills_a_page_with_one_more_behind_where_it_begins() {
        let all: Vec<Session> = (0..4)
            .map(|at| session(&at.to_string(), State::Done, Some(9 - at)).1)
            .collect();
        let after = Position::of("one", &all[0]);
        for (limit, after, is_full) in [
            (3, None, true),
            (4, None, false),
            (2, Some(&after), true),
            (3, Some(&after), false),
        ] {
            assert_eq!(fill("one", &all, limit, after), is_full, "{limit} {after:?}");
        }
        // More like it may follow.
        let (_, idle) = session("4", State::Idle, Some(5));
        assert!(!fill("one", &[all.clone(), vec![idle.clone()]].concat(), 3, None));
        // Where one stands behind those that have ended, others may.
        assert!(!fill("one", &[&all[..1], &[idle], &all[1..]].concat(), 3, None));
    }

    #[test]
    fn what_is_no_cursor_of_a_list_is_refused() {
        for cursor in ["", "open", "open:1", "open:x:one/a", "other:1:one/a", "open:-1:one/a"] {
            assert!(read(cursor).is_err(), "{cursor:?}");
        }
    }

    #[test]
    fn what_ended_long_ago_is_listed_only_where_it_is_asked_for() {
        let day = 24 * 60 * 60 * 1000;
        for (state, ended_at, is_listed) in [
            (State::Done, Some(0), false),
            (State::Done, Some(day), true),
            (State::Done, None, true),
            (State::Idle, Some(0), true),
        ] {
            let (_, mut session) = session("a", state, Some(0));
            session.since = ended_at;
            if ended_at.is_none() {
                session.created_at = None;
            }
            assert_eq!(session.is_recent(2 * day - 1), is_listed, "{state:?} {ended_at:?}");
        }
    }
}
