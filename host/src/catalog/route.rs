//! From what a caller named to backends and sessions.

use std::time::Duration;

use futures::future::join_all;

use super::answers::{self, BackendError};
use super::prompts::Last;
use super::{Caller, Catalog, Member, ToolError, View};
use crate::contract::{self, Error};

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

    /// Asks all of `members` at once. One that fails or hangs is a line of errors.
    pub(crate) async fn ask_all<T>(
        &self,
        members: &[&Member],
        ask: impl AsyncFn(&Member) -> Result<T, Error>,
    ) -> (Vec<(String, T)>, Vec<BackendError>) {
        let asked = join_all(members.iter().map(async |member| {
            let answer = tokio::time::timeout(FAN_OUT, ask(member)).await;
            (member.name().to_owned(), answer)
        }));
        let (mut answers, mut errors) = (Vec::new(), Vec::new());
        for (backend, answer) in asked.await {
            match answer {
                Ok(Ok(answer)) => answers.push((backend, answer)),
                Ok(Err(error)) => errors.push(BackendError {
                    error: super::describe(&backend, error),
                    backend,
                }),
                Err(_) => errors.push(BackendError {
                    error: format!("no answer within {} s", FAN_OUT.as_secs()),
                    backend,
                }),
            }
        }
        (answers, errors)
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
        let (lists, errors) = self
            .ask_all(&members, async |member| member.watched.backend.list_sessions().await)
            .await;
        let sessions: Vec<(&str, &contract::Session)> = lists
            .iter()
            .flat_map(|(backend, sessions)| sessions.iter().map(move |session| (backend.as_str(), session)))
            .collect();
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
    sessions: &[(&str, &contract::Session)],
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
            [(backend, session)] => return Ok(((*backend).to_owned(), session.id.clone())),
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

fn unknown(given: &str, sessions: &[(&str, &contract::Session)], errors: &[BackendError]) -> ToolError {
    let ids: Vec<String> = sessions
        .iter()
        .take(CANDIDATES)
        .map(|(backend, session)| format!("{backend}/{}", session.id))
        .collect();
    let there_are = match (ids.is_empty(), errors.is_empty()) {
        (false, _) => format!("there are: {}", ids.join(", ")),
        (true, true) => "there are none; create_session starts one".into(),
        (true, false) => errors
            .iter()
            .map(|e| format!("backend {} did not answer: {}", e.backend, e.error))
            .collect::<Vec<_>>()
            .join("; "),
    };
    ToolError::new(format!("there is no session `{}`; {there_are}", given.escape_debug()))
}
