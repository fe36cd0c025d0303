//! Starting sessions, each with its first message.

use std::time::{Duration, Instant};

use super::answer::GoesOn;
use super::deeds::{Deed, Effect, effect, soon};
use super::deliver::{deliver, message, words};
use super::receipt::{Kind, Receipt};
use super::settle::{Rest, settled};
use super::{Caller, Generation, Member, ToolAnswer, ToolError, attachments, find, look};
use crate::catalog::answers::{self, Acted};
use crate::catalog::arguments::CreateSession;
use crate::session::{Creation, Message, NewSession, Session, State, Timestamp};
use crate::text::Typed;
use crate::watch::now;
use uuid::Uuid;

/// How long starting a session may take, its first message included.
const CREATE: Duration = Duration::from_secs(60);
/// How long a new session may take to be ready for its first message.
const READY: Duration = Duration::from_secs(30);
/// Sessions that are named to a caller who cannot be told which one was started.
const CANDIDATES: usize = 5;

pub(super) async fn create_session(
    generation: &Generation,
    caller: &Caller,
    wanted: CreateSession,
) -> Result<ToolAnswer, ToolError> {
    let began = Instant::now();
    let (wait, capped) = match caller.takes_tasks && wanted.message.is_some() {
        // Whoever takes a task waits for nothing else.
        true => (Duration::ZERO, None),
        false => look::wait(wanted.wait_seconds),
    };
    let typed = wanted.message.as_deref().map(words).transpose()?;
    let (text, removed) = typed.map(|Typed { text, removed }| (text, removed)).unzip();
    let attached = attachments::read(wanted.attachments.clone())?;
    let message = match text {
        None if !attached.is_empty() => {
            return Err(ToolError::refused("attachments go with a `message`; give one"));
        }
        text => text.map(|text| message(text, attached)),
    };
    let reach = generation.reach(caller);
    let member = reach.member_until(wanted.backend.as_deref(), began + CREATE).await?;
    let creation = member.watched.backend.description.creation;
    possible(&member, creation, &wanted)?;
    let agent = wanted.agent.as_deref().or(member.agents.first().map(String::as_str));
    let options = wanted.options.iter().flatten();
    generation.rules.options(caller, agent.unwrap_or_default(), options)?;
    let (given, first) = match creation.first_message {
        true => (message, None),
        false => (None, message),
    };
    if first.is_some() || !wait.is_zero() {
        caller.enter_wait()?;
    }
    let message_id = given.as_ref().map(|message| message.id.clone());
    let request = request(&member, wanted, given);
    // Ready at once, unless nothing may be begun any more.
    caller.while_there(std::future::ready(())).await?;
    let before = now();
    let started = member
        .watched
        .backend
        .create_session(&request, began + CREATE, caller.principal.lineage().clone())
        .await;
    let session = match effect(member.name(), started)? {
        Effect::Done(session) => session,
        Effect::Perhaps(why) => return Ok(perhaps_started(generation, caller, &member, before, &why).await),
    };
    let mut deed = Deed::new(&member, &session.id, Kind::Start, Receipt::Confirmed);
    if session.state == State::Unknown {
        deed.doubt(session.summary.as_deref().unwrap_or("its state is not known"));
    }
    deed.message_id = message_id;
    deed.notes.extend(removed.flatten().into_iter().chain(capped));
    if let Some(message) = &first {
        let until = began + READY.max(wait);
        first_message(generation, caller, &mut deed, message, until).await;
    }
    deed.session = Some(session);
    let goes_on = goes_on(&deed);
    let answer = deed.report(caller, &generation.lasting, began + wait).await;
    Ok(ToolAnswer { goes_on, ..answer })
}

/// The work on the first message, where that was sent or is kept.
fn goes_on(deed: &Deed<'_>) -> Option<Box<GoesOn>> {
    let id = deed.message_id.clone()?;
    (deed.receipt != Receipt::NotSent).then(|| {
        Box::new(GoesOn {
            id,
            backend: deed.member.name().to_owned(),
            session: deed.id.clone(),
            after: deed.after.clone(),
        })
    })
}

/// The answer where a session was started since `moment`, perhaps, and its backend did not say which: the only one that is
/// new, or none, and in words what to look at.
async fn perhaps_started(
    generation: &Generation,
    caller: &Caller,
    member: &Member,
    moment: Timestamp,
    why: &str,
) -> ToolAnswer {
    let backend = member.name();
    let none_is_recent = |listed: &[Session]| find::none_is_recent(backend, listed);
    let listed = soon(caller, member.watched.backend.list_sessions(&[], &none_is_recent)).await;
    let is_new = |session: &Session| session.created_at.is_some_and(|at| at / 1000 >= moment / 1000);
    // Of a list that lacks some, nobody can tell what is not new, nor which is the only one.
    let whole = listed.and_then(Result::ok).filter(|listed| listed.faults.is_empty());
    let new = whole.map(|mut listed| {
        listed.items.retain(is_new);
        listed.items
    });
    let names = |new: &[Session]| {
        let names = new
            .iter()
            .take(CANDIDATES)
            .map(|session| format!("{backend}/{}", session.id));
        names.collect::<Vec<_>>().join(", ")
    };
    let advice = match new.as_deref() {
        None => "look with list_sessions before you try again".to_owned(),
        Some([]) => "no session that list_sessions shows is new, so you can try again".to_owned(),
        Some([only]) => format!("{backend}/{} is new; it may be this one or another caller's", only.id),
        Some(new) => format!("look at what is new before you try again: {}", names(new)),
    };
    let session = match new.map(<[Session; 1]>::try_from) {
        Some(Ok([only])) => generation.lasting.showing.session(backend, only),
        _ => answers::Session::unseen(backend, String::new()),
    };
    let acted = Acted {
        receipt: Some(Receipt::Unconfirmed.name()),
        ..Acted::seen(
            session,
            Some(format!(
                "A session may have been started, but its backend did not say which: {why}; {advice}."
            )),
        )
    };
    ToolAnswer::of(acted.text(Some(Kind::Start)), &acted)
}

/// Sends a new session its first message once it is ready. The session is there whatever comes of it.
async fn first_message(
    generation: &Generation,
    caller: &Caller,
    deed: &mut Deed<'_>,
    message: &Message,
    until: Instant,
) {
    deed.kind = Kind::Message;
    let not_sent = match ready(caller, deed, until).await {
        Ok(session) if session.state == State::Idle => {
            match deliver(&generation.lasting, caller, deed, message, until).await {
                Ok(()) => return,
                // It may have asked something only now.
                Err(error) if asks(caller, deed).await => {
                    keep(generation, caller, deed, message, &error.to_string()).await
                }
                Err(error) => Err(error.to_string()),
            }
        }
        Ok(session) if session.state.is_end() => {
            let why = session
                .summary
                .map(|summary| format!(": {summary}"))
                .unwrap_or_default();
            Err(format!("the session is {}{why}", session.state.name()))
        }
        Ok(session) if session.state == State::Waiting => {
            keep(generation, caller, deed, message, "the session asks something first").await
        }
        Ok(session) => {
            let why = format!("the session is {}", session.state.name());
            keep(generation, caller, deed, message, &why).await
        }
        Err(why) => Err(why),
    };
    if let Err(why) = not_sent {
        deed.receipt = Receipt::NotSent;
        deed.notes.push(format!("The first message was not sent: {why}."));
    }
}

/// Whether the session asks something now.
async fn asks(caller: &Caller, deed: &Deed<'_>) -> bool {
    let session = soon(caller, deed.member.session(&deed.id)).await;
    matches!(session, Some(Ok(session)) if session.state == State::Waiting)
}

/// Keeps the first message until the session is ready for it, which it is not because of `why`.
///
/// # Errors
/// It is not kept: why.
async fn keep(
    generation: &Generation,
    caller: &Caller,
    deed: &mut Deed<'_>,
    message: &Message,
    why: &str,
) -> Result<(), String> {
    let backend = deed.member.name();
    let meaning = generation.meaning(backend).unwrap_or_default();
    let session_id = format!("{backend}/{}", deed.id);
    let kept = generation
        .lasting
        .outbox
        .keep(caller, &session_id, meaning, message)
        .await;
    kept.map_err(|error| format!("{why}; and it could not be kept: {error}"))?;
    deed.message_id = Some(message.id.clone());
    deed.receipt = Receipt::Queued;
    deed.notes.push(format!(
        "The first message is kept for up to 24 hours, because {why}: it is sent when the session is ready. \
         interrupt_session with its message_id takes it back."
    ));
    Ok(())
}

/// A new session once it is at rest, or in words why it could not be waited for. One whose screen is not understood yet
/// counts as starting until the end of the wait.
async fn ready(caller: &Caller, deed: &Deed<'_>, until: Instant) -> Result<Session, String> {
    while Instant::now() < until {
        match settled(caller, deed.member, &deed.id, None, until).await {
            Rest::Settled(session) if session.state == State::Unknown => {}
            Rest::Settled(session) => return Ok(*session),
            Rest::AtWork => {}
            Rest::Gone => return Err("the session has ended".into()),
            Rest::Unseen(why) => return Err(why),
            Rest::Left(left) => return Err(ToolError::from(left).to_string()),
        }
    }
    let session = soon(caller, deed.member.session(&deed.id)).await;
    let session = session.ok_or_else(|| format!("backend `{}` did not answer in time", deed.member.name()))?;
    session.map_err(|error| error.to_string())
}

/// Whether the backend takes all parts of `wanted`.
fn possible(member: &Member, creation: Creation, wanted: &CreateSession) -> Result<(), ToolError> {
    let asked = [
        (true, creation.create, "start sessions"),
        (
            wanted.resume.is_some(),
            creation.resume,
            "continue a conversation (`resume`)",
        ),
        (
            wanted.fork == Some(true),
            creation.fork,
            "continue a copy of a conversation (`fork`)",
        ),
        (
            wanted.worktree == Some(true),
            creation.worktree,
            "work in a worktree of its own (`worktree`)",
        ),
    ];
    match asked.iter().find(|(asked, can, _)| *asked && !can) {
        Some((_, _, what)) => Err(ToolError::refused(format!(
            "backend `{}` cannot {what}; list_projects shows what each backend can",
            member.name()
        ))),
        None if wanted.fork == Some(true) && wanted.resume.is_none() => {
            Err(ToolError::refused("`fork` needs `resume`: the conversation to copy"))
        }
        None => Ok(()),
    }
}

fn request(member: &Member, wanted: CreateSession, message: Option<Message>) -> NewSession {
    NewSession {
        id: Uuid::new_v4().to_string(),
        name: wanted.name,
        project: wanted.project.map(|path| member.absolute(path)),
        directory: wanted.working_dir.map(|path| member.absolute(path)),
        agent: wanted.agent,
        message,
        resume: wanted.resume,
        fork: wanted.fork.unwrap_or(false),
        worktree: wanted.worktree,
        options: wanted.options.unwrap_or_default().into_iter().collect(),
    }
}
