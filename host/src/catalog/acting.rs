//! The tools that change a session: create, send, interrupt, terminate, respond.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedMutexGuard, watch};

use super::answers::{self, Acted, Ended, answer};
use super::arguments::{CreateSession, InterruptSession, RespondToPrompt, SendMessage, TerminateSession};
use super::prompts::Last;
use super::reading::wait;
use super::{Answer, Caller, Catalog, Member, ToolError, prompts};
use crate::contract::{Delivery, Error, NewSession, Session, State, Verbs};
use crate::store::audit::Outcome;

/// How long starting a session may take, its first message included.
const CREATE: Duration = Duration::from_secs(60);
/// How long a new session may take to be ready for its first message.
const READY: Duration = Duration::from_secs(30);
/// How long a message waits for those before it, where the caller gave no time.
const OTHERS: Duration = Duration::from_secs(30);
/// Bytes of one message.
const MESSAGE: usize = 256 << 10;

impl Catalog {
    pub(crate) async fn create_session(&self, caller: &Caller, wanted: CreateSession) -> Result<Answer, ToolError> {
        let began = Instant::now();
        let wait = wait(wanted.wait_seconds)?;
        let member = self.view(caller).member(wanted.backend.as_deref())?;
        let backend = &member.watched.backend;
        let sends_itself = backend.description.verbs.contains(Verbs::FIRST_MESSAGE);
        if let Some(message) = &wanted.message {
            check_length(message)?;
        }
        let first = wanted.message.clone().filter(|_| !sends_itself);
        let request = request(wanted, sends_itself);
        let session = backend
            .create_session(&request, began + CREATE)
            .await
            .map_err(|error| ToolError::of(member.name(), error))?;
        let sent = match first {
            Some(message) => {
                self.first_message(caller, member, &session.id, &message, began + READY.max(wait))
                    .await
            }
            None if wait.is_zero() => Sent::default(),
            None => {
                self.settled(caller, member, &session.id, None, began + wait).await?;
                Sent::default()
            }
        };
        self.acted(caller, member, &session.id, sent, began + wait).await
    }

    pub(crate) async fn send_message(&self, caller: &Caller, wanted: SendMessage) -> Result<Answer, ToolError> {
        let (member, id) = self.whole_id(caller, &wanted.session_id)?;
        check_length(&wanted.message)?;
        let until = Instant::now() + wait(wanted.wait_seconds)?;
        let delivery = self.deliver(caller, member, id, &wanted.message, until).await?;
        self.acted(caller, member, id, Sent::delivered(delivery), until).await
    }

    pub(crate) async fn interrupt_session(
        &self,
        caller: &Caller,
        wanted: InterruptSession,
    ) -> Result<Answer, ToolError> {
        let (member, id) = self.whole_id(caller, &wanted.session_id)?;
        let dropped = wanted.queued && self.senders.drop_waiting(&wanted.session_id);
        let done = {
            let _turn = turn_of(caller, member, id).await?;
            member.watched.backend.interrupt(id).await
        };
        match done {
            Ok(()) => {}
            // Dropping what waits was wish enough where the session itself is at rest.
            Err(Error::Refused(_)) if dropped => {}
            Err(error) => return Err(ToolError::of(member.name(), error)),
        }
        let acted = Acted {
            session: answers::session(member.name(), self.session(member, id).await?, &self.url_hosts),
            receipt: None,
            text: None,
            next: None,
            note: dropped.then(|| "Messages that waited for it were dropped.".into()),
        };
        Ok(answer(acted.text(), &acted))
    }

    pub(crate) async fn terminate_session(
        &self,
        caller: &Caller,
        wanted: TerminateSession,
    ) -> Result<Answer, ToolError> {
        let (member, id) = self.whole_id(caller, &wanted.session_id)?;
        self.senders.drop_waiting(&wanted.session_id);
        let _turn = turn_of(caller, member, id).await?;
        member
            .watched
            .backend
            .terminate(id)
            .await
            .map_err(|error| ToolError::of(member.name(), error))?;
        let ended = Ended {
            session_id: wanted.session_id,
            ended: true,
        };
        Ok(answer(format!("{} has ended.", ended.session_id), &ended))
    }

    pub(crate) async fn respond_to_prompt(
        &self,
        caller: &Caller,
        wanted: RespondToPrompt,
    ) -> Result<Answer, ToolError> {
        let (member, id) = self.whole_id(caller, &wanted.session_id)?;
        let until = Instant::now() + wait(wanted.wait_seconds)?;
        let after = {
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
                .and_then(|()| prompts::read(&prompt, &wanted.response, member.terms.remote_trust));
            let response = match response {
                Ok(response) => response,
                Err(why) => return Ok(refused(answers::session(member.name(), session, &self.url_hosts), &why)),
            };
            let after = if Instant::now() < until {
                self.cursor(member, id).await
            } else {
                None
            };
            self.shown.note(caller, &wanted.session_id, Last::Answered);
            let answered = member.watched.backend.respond(id, &prompt.id, &response).await;
            answered.map_err(|error| ToolError::of(member.name(), error))?;
            after
        };
        let sent = Sent {
            after,
            answered: true,
            ..Sent::default()
        };
        self.acted(caller, member, id, sent, until).await
    }

    /// Sends a new session its first message once it is ready. The session is there whatever comes of it.
    async fn first_message(&self, caller: &Caller, member: &Member, id: &str, message: &str, until: Instant) -> Sent {
        let not_sent = |why: String| Sent {
            receipt: Some("not_sent"),
            note: Some(why),
            ..Sent::default()
        };
        match self.ready(caller, member, id, until).await {
            Ok(State::Idle) => match self.deliver(caller, member, id, message, until).await {
                Ok(delivery) => Sent::delivered(delivery),
                Err(error) => not_sent(format!("The first message was not sent: {error}")),
            },
            Ok(State::Waiting) => not_sent("The first message was not sent: the session asks something first.".into()),
            Ok(state) => not_sent(format!(
                "The first message was not sent: the session is {}.",
                answers::state(state)
            )),
            Err(error) => not_sent(format!("The first message was not sent: {error}")),
        }
    }

    async fn ready(&self, caller: &Caller, member: &Member, id: &str, until: Instant) -> Result<State, ToolError> {
        self.settled(caller, member, id, None, until).await?;
        Ok(self.session(member, id).await?.state)
    }

    /// Types a message when its turn comes. One for a session at work waits, in the order of asking, until `until`.
    async fn deliver(
        &self,
        caller: &Caller,
        member: &Member,
        id: &str,
        message: &str,
        until: Instant,
    ) -> Result<Delivery, ToolError> {
        let line = self.senders.line(&format!("{}/{id}", member.name()));
        let mut place = line.enter();
        let deadline = until.max(Instant::now() + OTHERS);
        let turn = tokio::time::timeout_at(deadline.into(), line.turn.lock());
        let _turn = place
            .unless_dropped(caller.while_there(turn))
            .await??
            .map_err(|_| ToolError::new("other messages to this session still wait; nothing was typed"))?;
        loop {
            let typed = {
                let _turn = place.unless_dropped(turn_of(caller, member, id)).await??;
                place.typing(member.watched.backend.send_message(id, message)).await
            };
            match typed {
                Err(Error::Busy) if Instant::now() < until => {}
                other => return other.map_err(|error| ToolError::of(member.name(), error)),
            }
            let settled = self.settled(caller, member, id, None, until);
            place.unless_dropped(settled).await??;
        }
    }

    /// The answer to something done: the session afterwards and, where the caller waits, what came of it.
    async fn acted(
        &self,
        caller: &Caller,
        member: &Member,
        id: &str,
        sent: Sent,
        until: Instant,
    ) -> Result<Answer, ToolError> {
        let mut page = None;
        let mut note = sent.note;
        if Instant::now() < until && sent.receipt != Some("not_sent") {
            let settled = self.settled(caller, member, id, sent.after.as_deref(), until).await?;
            page = self.output_since(member, id, sent.after.as_deref()).await;
            if !settled {
                note.get_or_insert_with(|| {
                    "It is still at work; get_session_status with wait_seconds waits on.".into()
                });
            }
        }
        let session: Session = self.session(member, id).await?;
        let (text, next) = page.map_or((None, sent.after), |page| {
            (Some(answers::for_phone(&page.text)), Some(page.next))
        });
        // To who answered a prompt, the next one does not count as shown by that: a repeated call must not answer it.
        let session = match sent.answered {
            true => answers::session(member.name(), session, &self.url_hosts),
            false => self.show(caller, member.name(), session),
        };
        let acted = Acted {
            session,
            receipt: sent.receipt,
            text,
            next,
            note,
        };
        Ok(answer(acted.text(), &acted))
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
        ..answer(acted.text(), &acted)
    }
}

/// The session's turn, while the caller waits for it.
async fn turn_of(caller: &Caller, member: &Member, id: &str) -> Result<OwnedMutexGuard<()>, ToolError> {
    caller.while_there(member.watched.backend.order(id)).await
}

fn check_length(message: &str) -> Result<(), ToolError> {
    if message.len() > MESSAGE {
        return Err(ToolError::refused(format!(
            "a message may have at most {MESSAGE} bytes, this has {}; put it in a file and name that",
            message.len()
        )));
    }
    Ok(())
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

/// What became of a message so far.
#[derive(Default)]
struct Sent {
    receipt: Option<&'static str>,
    after: Option<String>,
    note: Option<String>,
    /// It was an answer to a prompt.
    answered: bool,
}

impl Sent {
    fn delivered(delivery: Delivery) -> Self {
        Self {
            receipt: Some(answers::receipt(delivery.receipt)),
            after: delivery.after,
            ..Self::default()
        }
    }
}

/// For each session, the messages that wait for it.
#[derive(Default)]
pub(crate) struct Senders(Mutex<HashMap<String, Weak<Line>>>);

/// Those who wait to send to one session.
struct Line {
    turn: tokio::sync::Mutex<()>,
    /// How many wait, without the one whose message is being typed.
    waiting: AtomicUsize,
    /// Changes when all who wait are sent away.
    dropped: watch::Sender<()>,
}

impl Senders {
    fn line(&self, session_id: &str) -> Arc<Line> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|_, line| line.strong_count() > 0);
        if let Some(line) = lines.get(session_id).and_then(Weak::upgrade) {
            return line;
        }
        let line = Arc::new(Line {
            turn: tokio::sync::Mutex::default(),
            waiting: AtomicUsize::new(0),
            dropped: watch::Sender::new(()),
        });
        lines.insert(session_id.to_owned(), Arc::downgrade(&line));
        line
    }

    /// Drops the messages that wait for this session; whether there were any.
    fn drop_waiting(&self, session_id: &str) -> bool {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(line) = lines.get(session_id).and_then(Weak::upgrade) else {
            return false;
        };
        line.dropped.send_replace(());
        line.waiting.load(Ordering::Relaxed) > 0
    }
}

impl Line {
    fn enter(&self) -> Place<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Place {
            line: self,
            dropped: self.dropped.subscribe(),
        }
    }
}

/// One message in a line.
struct Place<'a> {
    line: &'a Line,
    dropped: watch::Receiver<()>,
}

impl Place<'_> {
    /// The outcome of `wait`, unless the message is dropped before.
    async fn unless_dropped<T>(&mut self, wait: impl Future<Output = T>) -> Result<T, ToolError> {
        tokio::select! {
            biased;
            _ = self.dropped.changed() => Err(ToolError::new("the message was dropped before it was typed")),
            outcome = wait => Ok(outcome),
        }
    }

    /// Types it; what is being typed does not wait any more and cannot be dropped.
    async fn typing<T>(&self, typing: impl Future<Output = T>) -> T {
        self.line.waiting.fetch_sub(1, Ordering::Relaxed);
        let typed = typing.await;
        self.line.waiting.fetch_add(1, Ordering::Relaxed);
        typed
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.line.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
