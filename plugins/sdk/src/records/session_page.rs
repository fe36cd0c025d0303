//! A page of sessions.

use std::cmp::Reverse;

use crate::{Error, Session, SessionPage, SessionQuery};

/// The most sessions that a page has.
const MOST: usize = 1000;

impl SessionPage {
    /// The page that the query asks for, from the list of all sessions: those in its states, first those that have not
    /// ended, and in both groups the newest first.
    #[must_use]
    pub fn of(sessions: Vec<Session>, query: &SessionQuery) -> Self {
        let after = query.after.as_deref().and_then(Place::read);
        let is_asked = |session: &Session| query.states.is_empty() || query.states.contains(&session.state);
        let mut sessions: Vec<_> = sessions
            .into_iter()
            .filter(is_asked)
            .filter(|session| after.as_ref().is_none_or(|after| Place::of(session) > *after))
            .collect();
        sessions.sort_by_cached_key(Place::of);
        let limit = usize::try_from(query.limit).map_or(MOST, |limit| limit.clamp(1, MOST));
        let more = sessions.len() > limit;
        sessions.truncate(limit);
        let next = sessions.last().filter(|_| more).map(|last| Place::of(last).text());
        Self {
            sessions,
            problems: Vec::new(),
            next,
        }
    }

    /// Adds something that could not be looked at, and why.
    #[must_use]
    pub fn problem(mut self, what: impl Into<String>, error: Error) -> Self {
        self.problems.push((what.into(), error));
        self
    }
}

/// The place of a session in the order of a list. It is a cursor too, so that no other session is lost when one goes.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    has_ended: bool,
    created: Reverse<u64>,
    id: String,
}

impl Place {
    fn of(session: &Session) -> Self {
        Self {
            has_ended: session.state.is_end(),
            created: Reverse(session.created_at.unwrap_or_default()),
            id: session.id.clone(),
        }
    }

    fn text(&self) -> String {
        format!("{}:{}:{}", u8::from(self.has_ended), self.created.0, self.id)
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        Some(Self {
            has_ended: parts.next()? == "1",
            created: Reverse(parts.next()?.parse().ok()?),
            id: parts.next()?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Evidence, State};

    fn session(id: &str, state: State, created: u64) -> Session {
        Session::new(id).state(state, Evidence::Process).created_at(created)
    }

    fn some() -> Vec<Session> {
        vec![
            session("old:done", State::Done, 1),
            session("new-done", State::Done, 9),
            session("old", State::Busy, 2),
            session("b", State::Idle, 5),
            session("a", State::Idle, 5),
        ]
    }

    fn query(states: &[State], limit: u32, after: Option<String>) -> SessionQuery {
        SessionQuery {
            states: states.to_vec(),
            limit,
            after,
        }
    }

    fn ids(page: &SessionPage) -> Vec<&str> {
        page.sessions.iter().map(|session| session.id.as_str()).collect()
    }

    #[test]
    fn those_that_have_not_ended_come_first_and_then_the_newest() {
        let page = SessionPage::of(some(), &query(&[], 50, None));
        assert_eq!(ids(&page), ["a", "b", "old", "new-done", "old:done"]);
        assert_eq!(page.next, None);
    }

    #[test]
    fn only_the_states_asked_for_are_there() {
        let page = SessionPage::of(some(), &query(&[State::Busy, State::Done], 50, None));
        assert_eq!(ids(&page), ["old", "new-done", "old:done"]);
    }

    #[test]
    fn pages_hold_each_session_once_also_when_the_last_one_of_a_page_is_gone() {
        let first = SessionPage::of(some(), &query(&[], 2, None));
        assert_eq!(ids(&first), ["a", "b"]);
        let left: Vec<_> = some().into_iter().filter(|session| session.id != "b").collect();
        let second = SessionPage::of(left, &query(&[], 2, first.next));
        assert_eq!(ids(&second), ["old", "new-done"]);
        let third = SessionPage::of(some(), &query(&[], 2, second.next));
        assert_eq!((ids(&third), third.next.as_deref()), (vec!["old:done"], None));
    }

    #[test]
    fn a_page_is_never_larger_than_the_contract_allows_and_always_goes_on() {
        let many: Vec<_> = (0..1500).map(|n| Session::new(format!("s{n}"))).collect();
        assert_eq!(
            SessionPage::of(many.clone(), &query(&[], u32::MAX, None))
                .sessions
                .len(),
            MOST
        );
        assert_eq!(SessionPage::of(many, &query(&[], 0, None)).sessions.len(), 1);
    }
}
