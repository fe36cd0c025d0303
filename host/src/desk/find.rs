//! From what a caller named to sessions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;

use super::members::{Reach, Reachable};
use super::{Member, ToolError};
use crate::catalog::answers::BackendError;
use crate::plugin::{LISTED_WITHIN, Listed};
use crate::session::{Error, Session, State, rest_has_ended, rest_is_old};
use crate::text::{NAMED, escaped};
use crate::watch::now;

/// How long a fan-out waits for its slowest backend: a moment longer than a list may take.
const FAN_OUT: Duration = LISTED_WITHIN.saturating_add(Duration::from_secs(1));
/// How long it waits for one that is coming up where others are up already: their answers are worth more.
const BESIDE_OTHERS: Duration = Duration::from_secs(2);
/// Sessions that an error names.
const CANDIDATES: usize = 10;

/// What backends list, `asked` at once, each with its name. One that is not up, fails or hangs is an error, and so is each
/// fault of a list that could be used in part.
pub(super) async fn all_of<'a, T>(
    asked: impl Iterator<Item = (&'a str, impl Future<Output = Result<Listed<T>, ToolError>>)>,
) -> (Vec<(String, T)>, Vec<BackendError>) {
    let asked = join_all(asked.map(async |(backend, list)| (backend, tokio::time::timeout(FAN_OUT, list).await)));
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
            Ok(Err(error)) => fail(error.text, false),
            Err(_) => fail(format!("no answer within {} s", FAN_OUT.as_secs()), false),
        }
    }
    (items, errors)
}

/// Until when those of `backends` are waited for that are coming up.
pub(super) fn come_up_until(backends: &[Reachable<'_>]) -> Instant {
    let is_one_up = backends.iter().any(|backend| backend.is_up());
    Instant::now() + if is_one_up { BESIDE_OTHERS } else { FAN_OUT }
}

/// Whether what a backend has listed so far is enough for who asks, so that it is asked for no further page.
pub(super) type Enough<'a> = &'a (dyn Fn(&str, &[Session]) -> bool + Sync);

/// The sessions of one backend, or of all that can be reached, in one of `states` (none of these: all): `enough` of them.
pub(super) async fn all_sessions(
    reach: Reach<'_>,
    backend: Option<&str>,
    states: &[State],
    enough: Enough<'_>,
) -> Result<(Vec<(String, Session)>, Vec<BackendError>), ToolError> {
    Ok(sessions_of(&reach.some(backend)?, states, enough).await)
}

/// All that have not ended, or not long ago, and of the older ones those that come with them.
pub(super) async fn recent_sessions(
    reach: Reach<'_>,
    backend: Option<&str>,
) -> Result<(Vec<(String, Session)>, Vec<BackendError>), ToolError> {
    all_sessions(reach, backend, &[], &none_is_recent).await
}

/// All that have not ended, and of the others those that come with them.
pub(super) async fn open_sessions(
    reach: Reach<'_>,
    backend: Option<&str>,
) -> Result<(Vec<(String, Session)>, Vec<BackendError>), ToolError> {
    all_sessions(reach, backend, &[], &|_, listed| rest_has_ended(listed)).await
}

/// Whether what follows `listed` has ended long ago.
pub(super) fn none_is_recent(_: &str, listed: &[Session]) -> bool {
    rest_is_old(listed, now())
}

async fn sessions_of(
    backends: &[Reachable<'_>],
    states: &[State],
    enough: Enough<'_>,
) -> (Vec<(String, Session)>, Vec<BackendError>) {
    let until = come_up_until(backends);
    all_of(
        backends
            .iter()
            .map(|backend| (backend.name(), list(*backend, states, enough, until))),
    )
    .await
}

async fn list(
    backend: Reachable<'_>,
    states: &[State],
    enough: Enough<'_>,
    until: Instant,
) -> Result<Listed<Session>, ToolError> {
    let member = backend.member_until(until).await?;
    let own = backend.own_sessions(&member).await?;
    let enough = |listed: &[Session]| match &own {
        None => enough(member.name(), listed),
        Some(own) => own.iter().all(|id| listed.iter().any(|session| session.id == *id)) || none_is_recent("", listed),
    };
    let listed = member.watched.backend.list_sessions(states, &enough).await;
    let mut listed = listed.map_err(|error| ToolError::of(member.name(), error))?;
    if let Some(own) = own {
        listed.items.retain(|session| own.contains(&session.id));
    }
    Ok(listed)
}

/// A session named for reading: by its whole id, which is asked for directly, or by less, which is looked up.
pub(super) async fn readable(reach: Reach<'_>, given: &str) -> Result<(Arc<Member>, Session), ToolError> {
    let mut fault = None;
    if let Some((backend, id)) = given.split_once('/')
        && !id.is_empty()
        && reach.view.holds(backend)
    {
        let member = reach.member(Some(backend)).await?;
        reach.ensure_own(&member, id).await?;
        match member.watched.backend.get_session(id).await {
            Ok(session) => return Ok((member, session)),
            Err(Error::NotFound(_)) => {}
            Err(error) => fault = Some(ToolError::of(member.name(), error)),
        }
    }
    match (any_id(reach, given).await, fault) {
        (Ok((member, id)), _) => {
            let session = member.session(&id).await?;
            Ok((member, session))
        }
        // What could not be looked at is not reported as missing.
        (Err(unknown), fault) => Err(fault.unwrap_or(unknown)),
    }
}

/// A session named for a message or an interrupt: by its whole id, or by an id or name that only one session has. While
/// not all sessions are known, nobody can tell whether only one has it, and the other could get what was not for it.
pub(super) async fn named(reach: Reach<'_>, given: &str) -> Result<(Arc<Member>, String), ToolError> {
    if given.contains('/') {
        let (member, id) = reach.whole_id(given).await?;
        return Ok((member, id.to_owned()));
    }
    let (sessions, errors) = open_sessions(reach, None).await?;
    // A prefix, or an id before a name, would let a backend take what is meant for a session of another one.
    let (backend, id) = pick_by(&[&|session| is_called(session, given)], given, &sessions, &errors)?;
    if !errors.is_empty() {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        return Err(ToolError::refused(format!(
            "{}; so it is not known whether only one session has the name `{}`: use the whole id, such as {backend}/{id}",
            errors.join("; "),
            escaped(given, NAMED)
        )));
    }
    Ok((reach.member(Some(&backend)).await?, id))
}

/// A session named for what cannot be undone: by its whole id. With less, the error has the ids that may be meant.
pub(super) async fn whole<'a>(reach: Reach<'_>, given: &'a str) -> Result<(Arc<Member>, &'a str), ToolError> {
    let refused = match reach.whole_id(given).await {
        Err(refused) if !given.contains('/') && !given.trim().is_empty() => refused,
        found => return found,
    };
    let (sessions, _) = recent_sessions(reach, None).await?;
    let may_be = sessions.iter().filter(|(_, session)| fits(session, given));
    let ids: Vec<String> = may_be
        .take(CANDIDATES)
        .map(|(backend, session)| format!("{backend}/{}", session.id))
        .collect();
    match ids.is_empty() {
        true => Err(refused),
        false => Err(ToolError::refused(format!(
            "{refused}: did you mean {}?",
            ids.join(" or ")
        ))),
    }
}

/// The backend of a session and the id within it, where a name or a prefix that only one session has is enough.
pub(super) async fn any_id(reach: Reach<'_>, given: &str) -> Result<(Arc<Member>, String), ToolError> {
    let (backends, wanted) = match given.split_once('/') {
        Some((backend, id)) if reach.view.holds(backend) => (reach.some(Some(backend))?, id),
        _ => (reach.some(None)?, given),
    };
    let (sessions, errors) = sessions_of(&backends, &[], &none_is_recent).await;
    let (backend, id) = pick(given, wanted, &sessions, &errors)?;
    Ok((reach.member(Some(&backend)).await?, id))
}

/// The one session that `wanted` names: by id or name, otherwise by a prefix of either.
fn pick(
    given: &str,
    wanted: &str,
    sessions: &[(String, Session)],
    errors: &[BackendError],
) -> Result<(String, String), ToolError> {
    pick_by(
        &[&|session| is_called(session, wanted), &|session| fits(session, wanted)],
        given,
        sessions,
        errors,
    )
}

/// The one session that the first of `tests` finds which finds any.
fn pick_by(
    tests: &[&dyn Fn(&Session) -> bool],
    given: &str,
    sessions: &[(String, Session)],
    errors: &[BackendError],
) -> Result<(String, String), ToolError> {
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

/// Whether `wanted` is its id or name.
fn is_called(session: &Session, wanted: &str) -> bool {
    session.id == wanted || session.name == wanted
}

/// Whether `wanted` is the beginning of its id or name.
fn fits(session: &Session, wanted: &str) -> bool {
    !wanted.is_empty() && (session.id.starts_with(wanted) || session.name.starts_with(wanted))
}

fn ambiguous(given: &str, ids: impl Iterator<Item = String>) -> ToolError {
    let ids: Vec<String> = ids.take(CANDIDATES).collect();
    ToolError::new(format!(
        "`{}` matches several sessions: {}; use a whole id",
        escaped(given, NAMED),
        ids.join(", ")
    ))
}

fn unknown(given: &str, sessions: &[(String, Session)], errors: &[BackendError]) -> ToolError {
    let ids: Vec<String> = sessions
        .iter()
        .take(CANDIDATES)
        .map(|(backend, session)| format!("{backend}/{}", session.id))
        .collect();
    let given = escaped(given, NAMED);
    let there_are = match ids.is_empty() {
        true => "there are no sessions; create_session starts one".to_owned(),
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
