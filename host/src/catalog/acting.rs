//! The tools that change a session: create, send, interrupt, terminate, respond.
//!
//! Each looks and waits first, where an error means that nothing was done. From the moment at which a verb may have acted
//! there is only the report on a [`Deed`].

use std::time::{Duration, Instant};

use tokio::sync::OwnedMutexGuard;

use super::answers::{self, Acted, Ended, answer};
use super::arguments::{CreateSession, InterruptSession, RespondToPrompt, SendMessage, TerminateSession};
use super::deeds::{Deed, Effect, Kind, Receipt, effect};
use super::prompts::{self, Last};
use super::reading::wait;
use super::senders::Dropped;
use super::waiting::Rest;
use super::{Answer, Caller, Catalog, Member, ToolError};
use crate::contract::{self, Error, NewSession, Session, State, Verbs};
use crate::plugin::Failure;
use crate::store::audit::Outcome;
use crate::text::{Typed, typed};

/// How long starting a session may take, its first message included.
const CREATE: Duration = Duration::from_secs(60);
/// How long a new session may take to be ready for its first message.
const READY: Duration = Duration::from_secs(30);
/// How long a message waits for those before it, where the caller gave no time.
const OTHERS: Duration = Duration::from_secs(30);
/// Bytes of one message.
const MESSAGE: usize = 256 << 10;
/// Sessions that are named to who cannot be told which one was started.
const CANDIDATES: usize = 5;

impl Catalog {
    pub(crate) async fn create_session(&self, caller: &Caller, wanted: CreateSession) -> Result<Answer, ToolError> {
        let began = Instant::now();
        let wait = wait(wanted.wait_seconds)?;
        let member = self.view(caller).member(wanted.backend.as_deref())?;
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
        let session = self.start(member, &request, began).await?;
        let mut deed = Deed::new(member, &session.id, Kind::Start, Receipt::Confirmed);
        deed.notes.extend(removed.flatten());
        if let Some(message) = &first {
            let until = began + READY.max(wait);
            self.first_message(caller, &mut deed, message, until).await;
        }
        deed.session = Some(session);
        Ok(self.report(caller, deed, began + wait).await)
    }

    pub(crate) async fn send_message(&self, caller: &Caller, wanted: SendMessage) -> Result<Answer, ToolError> {
        let (member, id) = self.whole_id(caller, &wanted.session_id)?;
        let Typed { text, removed } = message(&wanted.message)?;
        let wait = wait(wanted.wait_seconds)?;
        let end = Instant::now() + wait;
        if !wait.is_zero() {
            caller.enter_wait()?;
        }
        let mut deed = Deed::new(member, id, Kind::Message, Receipt::Unconfirmed);
        deed.notes.extend(removed);
        self.deliver(caller, &mut deed, &text, end).await?;
        Ok(self.report(caller, deed, end).await)
    }

    pub(crate) async fn interrupt_session(
        &self,
        caller: &Caller,
        wanted: InterruptSession,
    ) -> Result<Answer, ToolError> {
        let (member, id) = self.whole_id(caller, &wanted.session_id)?;
        let dropped = wanted.queued && self.senders.drop_waiting(&wanted.session_id);
        let mut deed = Deed::new(member, id, Kind::Interrupt, Receipt::Confirmed);
        if dropped {
            deed.notes.push("Messages that waited for it were dropped.".into());
        }
        let done = async {
            let _turn = turn_of(caller, member, id).await?;
            match member.watched.backend.interrupt(id).await {
                // Dropping what waits was wish enough where the session itself is at rest.
                Err(Failure {
                    error: Error::Refused(_),
                    ..
                }) if dropped => Ok(Effect::Done(())),
                answered => effect(member.name(), answered),
            }
        };
        match done.await {
            Ok(Effect::Done(())) => {}
            Ok(Effect::Perhaps(why)) => deed.doubt(&why),
            Err(error) if dropped => deed.doubt(&error.to_string()),
            Err(error) => return Err(error),
        }
        Ok(self.report(caller, deed, Instant::now()).await)
    }

    pub(crate) async fn terminate_session(
        &self,
        caller: &Caller,
        wanted: TerminateSession,
    ) -> Result<Answer, ToolError> {
        let (member, id) = self.whole_id(caller, &wanted.session_id)?;
        let dropped = self.senders.drop_waiting(&wanted.session_id);
        let done = async {
            let _turn = turn_of(caller, member, id).await?;
            effect(member.name(), member.watched.backend.terminate(id).await)
        };
        let doubt = match done.await {
            Ok(Effect::Done(())) => None,
            Ok(Effect::Perhaps(why)) => Some(why),
            Err(error) if dropped => Some(format!("messages that waited for it were dropped, then: {error}")),
            Err(error) => return Err(error),
        };
        let ended = Ended {
            session_id: wanted.session_id,
            ended: doubt.is_none(),
            receipt: match doubt {
                None => Receipt::Confirmed.name(),
                Some(_) => Receipt::Unconfirmed.name(),
            },
            note: doubt.map(|why| format!("Whether it has ended is not known: {why}.")),
        };
        Ok(answer(ended.text(), &ended))
    }

    pub(crate) async fn respond_to_prompt(
        &self,
        caller: &Caller,
        wanted: RespondToPrompt,
    ) -> Result<Answer, ToolError> {
        let (member, id) = self.whole_id(caller, &wanted.session_id)?;
        let wait = wait(wanted.wait_seconds)?;
        let end = Instant::now() + wait;
        if !wait.is_zero() {
            caller.enter_wait()?;
        }
        let mut deed = Deed::new(member, id, Kind::Answer, Receipt::Confirmed);
        let Typed { text, removed } = typed(&wanted.response);
        deed.notes.extend(removed);
        {
            let _turn = turn_of(caller, member, id).await?;
            let session = self.session(member, id).await?;
            let Some(prompt) = session.prompt.clone() else {
                return Err(ToolError::refused(format!(
                    "{} waits for no answer now; nothing was typed",
                    wanted.session_id
                )));
            };
            let last = self.shown.last(caller, &wanted.session_id);
            let response = prompts::is_meant(&prompt, wanted.prompt_id.as_deref(), last.as_ref())
                .map_err(str::to_owned)
                .and_then(|()| prompts::read(&prompt, &text, member.terms.remote_trust));
            let response = match response {
                Ok(response) => response,
                Err(why) => return Ok(refused(answers::session(member.name(), session, &self.url_hosts), &why)),
            };
            if !wait.is_zero() {
                deed.after = self.cursor(member, id).await;
            }
            self.shown.note(caller, &wanted.session_id, Last::Answered);
            let answered = member.watched.backend.respond(id, &prompt.id, &response).await;
            if let Effect::Perhaps(why) = effect(member.name(), answered)? {
                deed.doubt(&why);
            }
            deed.session = Some(Session {
                prompt: None,
                ..session
            });
        }
        Ok(self.report(caller, deed, end).await)
    }

    /// Starts a session.
    ///
    /// # Errors
    /// None was started; or one was, perhaps, whose id the backend did not tell: then those are named that it may be.
    async fn start(&self, member: &Member, request: &NewSession, began: Instant) -> Result<Session, ToolError> {
        let before = crate::watch::now();
        let backend = &member.watched.backend;
        match effect(member.name(), backend.create_session(request, began + CREATE).await)? {
            Effect::Done(session) => Ok(session),
            Effect::Perhaps(why) => {
                let since = self.started_since(member, before).await;
                Err(ToolError::new(format!(
                    "a session may have been started, and its backend did not say which: {why}; {since}"
                )))
            }
        }
    }

    /// In words, the sessions that were started since `moment`.
    async fn started_since(&self, member: &Member, moment: contract::Timestamp) -> String {
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
    async fn first_message(&self, caller: &Caller, deed: &mut Deed<'_>, message: &str, until: Instant) {
        let why = match self.ready(caller, deed, until).await {
            Ok(State::Idle) => match self.deliver(caller, deed, message, until).await {
                Ok(()) => return,
                Err(error) => error.to_string(),
            },
            Ok(State::Waiting) => "the session asks something first".to_owned(),
            Ok(state) => format!("the session is {}", answers::state(state)),
            Err(why) => why,
        };
        deed.receipt = Receipt::NotSent;
        deed.notes.push(format!("The first message was not sent: {why}."));
    }

    /// The state of a new session once it is at rest, or in words why it could not be waited for.
    async fn ready(&self, caller: &Caller, deed: &Deed<'_>, until: Instant) -> Result<State, String> {
        let (member, id) = (deed.member, deed.id.as_str());
        match self.settled(caller, member, id, None, until).await {
            Rest::Settled(session) => return Ok(session.state),
            Rest::AtWork => {}
            Rest::Gone => return Err("the session has ended".into()),
            Rest::Unseen(why) => return Err(why),
            Rest::Left(left) => return Err(ToolError::from(left).to_string()),
        }
        let session = self.session(member, id).await;
        session.map(|session| session.state).map_err(|error| error.to_string())
    }

    /// Types a message when its turn comes, and notes in `deed` what became of it. One for a session at work waits, in
    /// the order of asking, until `until`.
    ///
    /// # Errors
    /// Nothing was typed.
    async fn deliver(
        &self,
        caller: &Caller,
        deed: &mut Deed<'_>,
        message: &str,
        until: Instant,
    ) -> Result<(), ToolError> {
        let (member, id) = (deed.member, deed.id.clone());
        let line = self.senders.line(&format!("{}/{id}", member.name()));
        let mut place = line.enter();
        let deadline = until.max(Instant::now() + OTHERS);
        let turn = tokio::time::timeout_at(deadline.into(), line.turn.lock());
        let _turn = place
            .unless_dropped(caller.while_there(turn))
            .await??
            .map_err(|_| ToolError::new("other messages to this session still wait; nothing was typed"))?;
        loop {
            let turn = place.unless_dropped(turn_of(caller, member, &id)).await??;
            place.begin();
            let typed = member.watched.backend.send_message(&id, message).await;
            drop(turn);
            match typed {
                Err(Failure { error: Error::Busy, .. }) if Instant::now() < until => {
                    place.wait_again();
                    let settled = self.settled(caller, member, &id, None, until);
                    if let Rest::Left(left) = place.unless_dropped(settled).await? {
                        return Err(left.into());
                    }
                }
                typed => {
                    deed.delivered(effect(member.name(), typed)?);
                    return Ok(());
                }
            }
        }
    }
}

impl From<Dropped> for ToolError {
    fn from(Dropped: Dropped) -> Self {
        Self::new("the message was dropped before it was typed")
    }
}

/// A response that was not given, with the session as it is: what it asks stands in its own field.
fn refused(session: answers::Session, why: &str) -> Answer {
    let acted = Acted {
        session,
        receipt: None,
        text: None,
        next: None,
        note: Some(format!("Refused: {why}. Nothing was typed.")),
    };
    Answer {
        outcome: Outcome::Refused,
        ..answer(acted.text(None), &acted)
    }
}

/// The session's turn, while the caller waits for it.
async fn turn_of(caller: &Caller, member: &Member, id: &str) -> Result<OwnedMutexGuard<()>, ToolError> {
    Ok(caller.while_there(member.watched.backend.order(id)).await?)
}

/// What of a message is typed.
fn message(given: &str) -> Result<Typed, ToolError> {
    if given.len() > MESSAGE {
        return Err(ToolError::refused(format!(
            "a message may have at most {MESSAGE} bytes, this has {}; put it in a file and name that",
            given.len()
        )));
    }
    Ok(typed(given))
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
