//! From what a caller named to backends and sessions.

use std::time::Duration;

use futures::future::join_all;

use super::answers::{self, BackendError};
use super::prompts::Last;
use super::{Caller, Catalog, Member, ToolError, View};
use crate::contract::{self, Error};
use crate::plugin::Listed;

/// How long a fan-out waits for its slowest backend.
const FAN_OUT: Duration = Duration::from_secs(15);
/// Sessions that an error names.
const CANDIDATES: usize = 10;

impl Catalog {
    /// The backend called `name`, or all that the caller knows of.
    pub(crate) fn members<'a>(&'a self, caller: &'a Caller, name: Option<&str>) -> Result<Vec<&'a Member>, ToolError> {
        let view = self.view(caller);
        match name {
            Some(name) => Ok(vec![view.member(Some(name))?]),
            None => view.some(),
        }
    }

    /// The backends as the caller sees them.
    pub(crate) fn view<'a>(&'a self, caller: &'a Caller) -> View<'a> {
        self.members.of(&caller.principal)
    }

    /// Lists what all of `members` have, asked at once. One that fails or hangs is an error, and so is each fault of a
    /// list that could be used in part.
    pub(crate) async fn list_all<T>(
        &self,
        members: &[&Member],
        list: impl AsyncFn(&Member) -> Result<Listed<T>, Error>,
    ) -> (Vec<(String, T)>, Vec<BackendError>) {
        let asked = join_all(members.iter().map(async |member| {
            let answer = tokio::time::timeout(FAN_OUT, list(member)).await;
            (member.name(), answer)
        }));
        let (mut items, mut errors) = (Vec::new(), Vec::new());
        for (backend, answer) in asked.await {
            let mut fail = |error, in_part| {
                errors.push(BackendError {
                    backend: backend.to_owned(),
                    error,
                    in_part,
                });
            };
            match answer {
                Ok(Ok(listed)) => {
                    listed.faults.into_iter().for_each(|fault| fail(fault, true));
                    items.extend(listed.items.into_iter().map(|item| (backend.to_owned(), item)));
                }
                Ok(Err(error)) => fail(super::describe(backend, error), false),
                Err(_) => fail(format!("no answer within {} s", FAN_OUT.as_secs()), false),
            }
        }
        (items, errors)
    }

    /// The backend and the id within it of a session named by its whole id, as all that acts on one takes it.
    pub(crate) fn whole_id<'a>(
        &'a self,
        caller: &'a Caller,
        session_id: &'a str,
    ) -> Result<(&'a Member, &'a str), ToolError> {
        match session_id.split_once('/') {
            Some((backend, id)) if !id.is_empty() => Ok((self.view(caller).member(Some(backend))?, id)),
            _ => Err(ToolError::refused(format!(
                "`{}` is no whole session id; write `backend/id` as list_sessions shows it",
                session_id.escape_debug()
            ))),
        }
    }

    /// The same for reading, where a name or a prefix that only one session has will do.
    pub(crate) async fn any_id<'a>(
        &'a self,
        caller: &'a Caller,
        given: &str,
    ) -> Result<(&'a Member, String), ToolError> {
        let (members, wanted) = match given.split_once('/') {
            Some((backend, id)) if self.view(caller).holds(backend) => (self.members(caller, Some(backend))?, id),
            _ => (self.members(caller, None)?, given),
        };
        let (sessions, errors) = self
            .list_all(&members, async |member| member.watched.backend.list_sessions().await)
            .await;
        let (backend, id) = pick(given, wanted, &sessions, &errors)?;
        Ok((self.view(caller).member(Some(&backend))?, id))
    }

    /// The record of a session, as `principal` is shown it: a prompt in it is then one that they have seen.
    pub(crate) fn show(&self, caller: &Caller, backend: &str, session: contract::Session) -> answers::Session {
        let session = answers::session(backend, session, &self.url_hosts);
        if let Some(prompt) = &session.prompt {
            let last = Last::Shown(prompt.prompt_id.clone());
            self.shown.note(caller, &session.session_id, last);
        }
        session
    }
}

/// The one session that `wanted` names: by id, else by name, else by a prefix of either.
fn pick(
    given: &str,
    wanted: &str,
    sessions: &[(String, contract::Session)],
    errors: &[BackendError],
) -> Result<(String, String), ToolError> {
    let tests: [&dyn Fn(&contract::Session) -> bool; 3] = [
        &|session| session.id == wanted,
        &|session| session.name == wanted,
        &|session| !wanted.is_empty() && (session.id.starts_with(wanted) || session.name.starts_with(wanted)),
    ];
    for test in tests {
        let found: Vec<_> = sessions.iter().filter(|(_, session)| test(session)).collect();
        match found.as_slice() {
            [] => {}
            [(backend, session)] => return Ok((backend.clone(), session.id.clone())),
            several => {
                return Err(ambiguous(
                    given,
                    several
                        .iter()
                        .map(|(backend, session)| format!("{backend}/{}", session.id)),
                ));
            }
        }
    }
    Err(unknown(given, sessions, errors))
}

fn ambiguous(given: &str, ids: impl Iterator<Item = String>) -> ToolError {
    let ids: Vec<String> = ids.take(CANDIDATES).collect();
    ToolError::new(format!(
        "`{}` fits several sessions: {}; use a whole id",
        given.escape_debug(),
        ids.join(", ")
    ))
}

fn unknown(given: &str, sessions: &[(String, contract::Session)], errors: &[BackendError]) -> ToolError {
    let ids: Vec<String> = sessions
        .iter()
        .take(CANDIDATES)
        .map(|(backend, session)| format!("{backend}/{}", session.id))
        .collect();
    let given = given.escape_debug();
    let there_are = match ids.is_empty() {
        true => "there are none; create_session starts one".to_owned(),
        false => format!("there are: {}", ids.join(", ")),
    };
    if errors.is_empty() {
        return ToolError::new(format!("there is no session `{given}`; {there_are}"));
    }
    // It may be one of those that are not known.
    let known = if ids.is_empty() {
        String::new()
    } else {
        format!("; of those known {there_are}")
    };
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    ToolError::new(format!(
        "{}; so it is not known whether there is a session `{given}`{known}",
        errors.join("; ")
    ))
}
