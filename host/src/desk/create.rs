//! Starting sessions, each with its first message.

use std::time::{Duration, Instant};

use super::deeds::{Deed, Effect, Kind, Receipt, effect, soon};
use super::deliver::{deliver, message};
use super::settle::{Rest, settled};
use super::{Answer, Caller, Desk, Member, ToolError, look, showing};
use crate::catalog::answers::{self, Acted};
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
    let before = now();
    let started = member.watched.backend.create_session(&request, began + CREATE).await;
    let session = match effect(member.name(), started)? {
        Effect::Done(session) => session,
        Effect::Perhaps(why) => return Ok(perhaps_started(desk, caller, member, before, &why).await),
    };
    let mut deed = Deed::new(member, &session.id, Kind::Start, Receipt::Confirmed);
    if session.state == State::Unknown {
        deed.doubt(session.summary.as_deref().unwrap_or("its state is not known"));
    }
    deed.notes.extend(removed.flatten());
    if let Some(message) = &first {
        let until = began + READY.max(wait);
        first_message(desk, caller, &mut deed, message, until).await;
    }
    deed.session = Some(session);
    Ok(deed.report(caller, &desk.showing, began + wait).await)
}

/// The answer where a session was started since `moment`, perhaps, and its backend did not say which: the only one that is
/// new, or none, and in words what to look at.
async fn perhaps_started(desk: &Desk, caller: &Caller, member: &Member, moment: Timestamp, why: &str) -> Answer {
    let backend = member.name();
    let listed = soon(caller, member.watched.backend.list_sessions()).await;
    let is_new = |session: &Session| session.created_at / 1000 >= moment / 1000;
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
        Some([]) => "none of those that list_sessions shows is new, so you can try again".to_owned(),
        Some([only]) => format!("{backend}/{} is new, and may be it or another caller's", only.id),
        Some(new) => format!("look at what is new before you try again: {}", names(new)),
    };
    let session = match new.map(<[Session; 1]>::try_from) {
        Some(Ok([only])) => desk.showing.session(backend, only),
        _ => answers::Session::unseen(backend, String::new()),
    };
    let acted = Acted {
        session,
        receipt: Some(Receipt::Unconfirmed.name()),
        text: None,
        next: None,
        note: Some(format!(
            "A session may have been started, and its backend did not say which: {why}; {advice}."
        )),
    };
    Answer::of(acted.text(Some(Kind::Start)), &acted)
}

/// Sends a new session its first message once it is ready. The session is there whatever comes of it.
async fn first_message(desk: &Desk, caller: &Caller, deed: &mut Deed<'_>, message: &str, until: Instant) {
    deed.kind = Kind::Message;
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
    let session = soon(caller, deed.member.session(&deed.id)).await;
    let session = session.ok_or_else(|| format!("backend `{}` did not answer in time", deed.member.name()))?;
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
