//! Starting sessions, each with its first message.

use std::time::{Duration, Instant};

use super::deeds::{Deed, Effect, Kind, Receipt, effect};
use super::deliver::{deliver, message};
use super::settle::{Rest, settled};
use super::{Answer, Caller, Desk, Member, ToolError, look, showing};
use crate::catalog::arguments::CreateSession;
use crate::contract::{NewSession, Session, State, Timestamp, Verbs};
use crate::text::Typed;
use crate::watch::now;

/// How long starting a session may take, its first message included.
const CREATE: Duration = Duration::from_secs(60);
/// How long a new session may take to be ready for its first message.
const READY: Duration = Duration::from_secs(30);
/// Sessions that are named to who cannot be told which one was started.
const CANDIDATES: usize = 5;

pub(super) async fn create_session(desk: &Desk, caller: &Caller, wanted: CreateSession) -> Result<Answer, ToolError> {
    let began = Instant::now();
    let wait = look::wait(wanted.wait_seconds)?;
    let member = desk.reach(caller).member(wanted.backend.as_deref())?;
    let sends_itself = member.watched.backend.description.verbs.contains(Verbs::FIRST_MESSAGE);
    let message = wanted.message.as_deref().map(message).transpose()?;
    let (text, removed) = message.map(|Typed { text, removed }| (text, removed)).unzip();
    let first = text.clone().filter(|_| !sends_itself);
    let wanted = CreateSession {
        message: text,
        ..wanted
    };
    if first.is_some() || !wait.is_zero() {
        caller.enter_wait()?;
    }
    let request = request(wanted, sends_itself);
    // Ready at once, unless nothing may be begun any more.
    caller.while_there(std::future::ready(())).await?;
    let session = start(member, &request, began).await?;
    let mut deed = Deed::new(member, &session.id, Kind::Start, Receipt::Confirmed);
    deed.notes.extend(removed.flatten());
    if let Some(message) = &first {
        let until = began + READY.max(wait);
        first_message(desk, caller, &mut deed, message, until).await;
    }
    deed.session = Some(session);
    Ok(deed.report(caller, &desk.showing, began + wait).await)
}

/// Starts a session.
///
/// # Errors
/// None was started; or one was, perhaps, whose id the backend did not tell: then those are named that it may be.
async fn start(member: &Member, request: &NewSession, began: Instant) -> Result<Session, ToolError> {
    let before = now();
    let backend = &member.watched.backend;
    match effect(member.name(), backend.create_session(request, began + CREATE).await)? {
        Effect::Done(session) => Ok(session),
        Effect::Perhaps(why) => {
            let since = started_since(member, before).await;
            Err(ToolError::new(format!(
                "a session may have been started, and its backend did not say which: {why}; {since}"
            )))
        }
    }
}

/// In words, the sessions that were started since `moment`.
async fn started_since(member: &Member, moment: Timestamp) -> String {
    let Ok(listed) = member.watched.backend.list_sessions().await else {
        return "look with list_sessions before you try again".to_owned();
    };
    let new = listed
        .items
        .iter()
        .filter(|session| session.created_at / 1000 >= moment / 1000);
    let new: Vec<String> = new
        .take(CANDIDATES)
        .map(|session| format!("{}/{}", member.name(), session.id))
        .collect();
    match new.as_slice() {
        [] => "none of those that list_sessions shows is new, so you can try again".to_owned(),
        new => format!("look at what is new before you try again: {}", new.join(", ")),
    }
}

/// Sends a new session its first message once it is ready. The session is there whatever comes of it.
async fn first_message(desk: &Desk, caller: &Caller, deed: &mut Deed<'_>, message: &str, until: Instant) {
    let why = match ready(caller, deed, until).await {
        Ok(State::Idle) => match deliver(&desk.senders, caller, deed, message, until).await {
            Ok(()) => return,
            Err(error) => error.to_string(),
        },
        Ok(State::Waiting) => "the session asks something first".to_owned(),
        Ok(state) => format!("the session is {}", showing::state(state)),
        Err(why) => why,
    };
    deed.receipt = Receipt::NotSent;
    deed.notes.push(format!("The first message was not sent: {why}."));
}

/// The state of a new session once it is at rest, or in words why it could not be waited for.
async fn ready(caller: &Caller, deed: &Deed<'_>, until: Instant) -> Result<State, String> {
    match settled(caller, deed.member, &deed.id, None, until).await {
        Rest::Settled(session) => return Ok(session.state),
        Rest::AtWork => {}
        Rest::Gone => return Err("the session has ended".into()),
        Rest::Unseen(why) => return Err(why),
        Rest::Left(left) => return Err(ToolError::from(left).to_string()),
    }
    let session = deed.member.session(&deed.id).await;
    session.map(|session| session.state).map_err(|error| error.to_string())
}

fn request(wanted: CreateSession, sends_itself: bool) -> NewSession {
    NewSession {
        name: wanted.name,
        project: wanted.project,
        directory: wanted.working_dir,
        agent: wanted.agent,
        message: wanted.message.filter(|_| sends_itself),
        resume: wanted.resume,
        worktree: wanted.worktree,
        options: wanted.options.unwrap_or_default().into_iter().collect(),
    }
}
