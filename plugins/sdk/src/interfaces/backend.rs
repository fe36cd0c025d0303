//! `session-backend`: what every plugin serves.

use crate::contract::exported::session_backend::exports::berth::backend::session_backend::Guest;
use crate::{Description, Error, LogPage, LogQuery, Result, Session, SessionPage, SessionQuery};

/// The most sessions that a page has.
const PAGE: u32 = 1000;

/// What every plugin serves: sessions that can be looked at.
pub trait Backend {
    /// What this backend is and can. Called at load and after a change of settings; an error (settings that make no
    /// sense) is shown to the operator. It must not run programs: what the backend depends on may be unavailable.
    fn describe() -> Result<Description>;

    /// The sessions that the query asks for; [`SessionPage::of`] makes the page of all of them. Cheap and bounded: the
    /// host calls it every `poll_ms` while a caller waits.
    fn list_sessions(query: SessionQuery) -> Result<SessionPage>;

    /// One session. By default it is looked for in the list.
    fn get_session(id: &str) -> Result<Session> {
        find_in(Self::list_sessions, id)
    }

    /// A part of what a session printed; [`LogPage::of`] makes the page of lines.
    fn read_log(id: &str, query: LogQuery) -> Result<LogPage>;
}

fn find_in(list: impl Fn(SessionQuery) -> Result<SessionPage>, id: &str) -> Result<Session> {
    let mut after = None;
    loop {
        let page = list(SessionQuery {
            states: Vec::new(),
            limit: PAGE,
            after,
        })?;
        if let Some(session) = page.sessions.into_iter().find(|session| session.id == id) {
            return Ok(session);
        }
        match (page.next, page.problems.into_iter().next()) {
            (Some(next), _) => after = Some(next),
            // A session that could not be looked at is not reported as gone.
            (None, Some((what, error))) => {
                return Err(Error::Unavailable(format!(
                    "{id} is not among the sessions that could be looked at; {what}: {error}"
                )));
            }
            (None, None) => return Err(Error::NotFound(format!("there is no session {id} here, or it is gone"))),
        }
    }
}

impl<T: Backend> Guest for T {
    fn describe() -> Result<Description> {
        <T as Backend>::describe()
    }
    fn list_sessions(query: SessionQuery) -> Result<SessionPage> {
        <T as Backend>::list_sessions(query)
    }
    fn get_session(id: String) -> Result<Session> {
        <T as Backend>::get_session(&id)
    }
    fn read_log(id: String, query: LogQuery) -> Result<LogPage> {
        <T as Backend>::read_log(&id, query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paged(query: SessionQuery) -> Result<SessionPage> {
        let all = (0..2500).map(|number| Session::new(format!("s{number:04}"))).collect();
        Ok(SessionPage::of(all, &query))
    }

    #[test]
    fn a_session_is_found_on_whatever_page_it_stands() {
        for id in ["s0000", "s0999", "s1000", "s2499"] {
            assert_eq!(find_in(paged, id).unwrap().id, id);
        }
        assert!(matches!(find_in(paged, "s2500"), Err(Error::NotFound(_))));
    }

    #[test]
    fn a_session_is_not_told_as_gone_where_a_part_could_not_be_looked_at() {
        let partly = |query: SessionQuery| {
            let mut page = SessionPage::of(Vec::new(), &query);
            page.problems.push(("box".into(), Error::TimedOut("after 5 s".into())));
            Ok(page)
        };
        let error = find_in(partly, "s1").unwrap_err();
        assert!(
            matches!(&error, Error::Unavailable(why) if why.contains("box: timed out")),
            "{error}"
        );
    }
}
