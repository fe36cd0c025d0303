//! Deeds: what was typed, answered, started or ended, and the report on it, which cannot fail.
//!
//! A caller who is told of an error repeats the call. So once something was done, whatever goes wrong afterwards (the
//! session has ended, berth ends, the backend does not answer) is a note in an answer that has the session's id and the
//! receipt.

use std::time::{Duration, Instant};

use super::lasting::Lasting;
use super::receipt::{Kind, Receipt};
use super::settle::{self, Rest};
use super::{Caller, Member, ToolAnswer, ToolError, answer, reply, words};
use crate::catalog::answers::{Acted, Session};
use crate::plugin::Failure;
use crate::session::{self, Error};

/// What to do about a message that the agent was not seen to take as a whole.
const UNCONFIRMED: &str =
    "It was typed, but the agent was not seen to take all of it: look with get_logs before you send it again.";
/// The fact of a delivery that is told to the caller as it is.
const NOTE: &str = "note";
/// What to do about a message that waits.
const QUEUED: &str = "It waits behind others; interrupt_session with its message_id takes it back.";
/// How long a look after a deed may take.
const LOOK: Duration = Duration::from_secs(5);
/// How long it may still take once berth ends: two of them, and the outcome is recorded before the time to finish is over.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// What a verb that acts came to, where it did not fail with nothing done.
pub(crate) enum Effect<T> {
    /// It was done.
    Done(T),
    /// It had begun, and then came this: it may have been done.
    Perhaps(String),
}

/// What `answered`, the answer of a verb that acts on `backend`, came to.
///
/// # Errors
/// Nothing was done: the verb had not begun to act, or the plugin says `refused`, `busy` or `conflict`, and so also
/// that it undid what it had begun.
pub(crate) fn effect<T>(backend: &str, answered: Result<T, Failure>) -> Result<Effect<T>, ToolError> {
    match answered {
        Ok(answer) => Ok(Effect::Done(answer)),
        Err(Failure {
            error: error @ (Error::Refused(_) | Error::Busy | Error::Conflict(_)),
            ..
        }) => Err(ToolError::of(backend, error)),
        Err(Failure { error, acted: false }) => Err(ToolError::of(backend, error)),
        Err(Failure { error, acted: true }) => Ok(Effect::Perhaps(answer::describe(backend, error))),
    }
}

/// What came of a deed while its caller waited.
#[derive(Default)]
struct Came {
    /// What the session said, and the cursor past it.
    said: Option<(String, Option<String>)>,
    /// The session, if it came to rest, or to the end of what was meant for it.
    settled: Option<session::Session>,
}

/// Something that was done to a session.
pub(crate) struct Deed<'a> {
    pub(crate) member: &'a Member,
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) receipt: Receipt,
    /// The message that was sent.
    pub(crate) message_id: Option<String>,
    /// The log's cursor just before it.
    pub(crate) after: Option<String>,
    /// Something is expected to be printed because of it.
    pub(crate) expects_output: bool,
    /// What to pay attention to.
    pub(crate) notes: Vec<String>,
    /// The session as it was seen last, where it was.
    pub(crate) session: Option<session::Session>,
}

impl<'a> Deed<'a> {
    /// A deed of this kind that was done to the session `id`.
    pub(crate) fn new(member: &'a Member, id: &str, kind: Kind, receipt: Receipt) -> Self {
        Self {
            member,
            id: id.to_owned(),
            kind,
            receipt,
            message_id: None,
            after: None,
            expects_output: true,
            notes: Vec::new(),
            session: None,
        }
    }

    fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    fn session_id(&self) -> String {
        format!("{}/{}", self.member.name(), self.id)
    }
}

impl Deed<'_> {
    /// Notes what became of a message.
    pub(crate) fn delivered(&mut self, effect: Effect<session::Delivery>) {
        match effect {
            Effect::Done(delivery) => {
                self.after = delivery.after;
                let notes = delivery.facts.into_iter().filter(|(fact, _)| fact == NOTE);
                self.notes.extend(notes.map(|(_, note)| note));
                self.receipt = match delivery.receipt {
                    session::Receipt::Confirmed => Receipt::Submitted,
                    session::Receipt::Queued => Receipt::Queued,
                    session::Receipt::Unconfirmed => Receipt::Unconfirmed,
                };
                match self.receipt {
                    Receipt::Unconfirmed => self.note(UNCONFIRMED),
                    Receipt::Queued => self.note(QUEUED),
                    _ => {}
                }
            }
            Effect::Perhaps(why) => {
                self.receipt = Receipt::Unconfirmed;
                self.notes.push(format!(
                    "It may have been typed: look with get_logs before you send it again. ({why}.)"
                ));
            }
        }
    }

    /// Notes what became of an answer or an interrupt.
    pub(crate) fn came_to(&mut self, effect: Effect<session::Receipt>) {
        match effect {
            Effect::Done(session::Receipt::Confirmed) => {}
            Effect::Done(session::Receipt::Queued) => self.receipt = Receipt::Queued,
            Effect::Done(session::Receipt::Unconfirmed) => self.doubt("its backend did not see its effect"),
            Effect::Perhaps(why) => self.doubt(&why),
        }
    }

    /// Notes that it is not known whether it was done, and why.
    pub(crate) fn doubt(&mut self, why: &str) {
        self.receipt = Receipt::Unconfirmed;
        self.notes.push(format!("It was not seen to take effect: {why}."));
    }
}

impl Deed<'_> {
    /// The answer to a deed: the session afterwards and, where the caller waits until a moment, what came of it.
    pub(crate) async fn report(mut self, caller: &Caller, lasting: &Lasting, until: Instant) -> ToolAnswer {
        let came = match Instant::now() < until && self.receipt != Receipt::NotSent {
            true => self.wait(caller, until).await,
            false => Came::default(),
        };
        self.tell(caller, lasting, came).await
    }

    /// The same once what was done has come to its end; nothing where that is not seen until this moment.
    pub(crate) async fn report_of_end(
        mut self,
        caller: &Caller,
        lasting: &Lasting,
        until: Instant,
    ) -> Option<ToolAnswer> {
        let came = self.wait(caller, until).await;
        match came.settled {
            Some(_) => Some(self.tell(caller, lasting, came).await),
            None => None,
        }
    }

    /// Waits for what comes of it, and notes what there is to say about the wait.
    async fn wait(&mut self, caller: &Caller, until: Instant) -> Came {
        if let Some((rest, said)) = self.reply(caller, until).await {
            self.notes.extend(rest.told());
            if said.is_some() && matches!(rest, Rest::Settled(_)) && self.receipt == Receipt::Queued {
                self.receipt = Receipt::Submitted;
                self.notes.retain(|note| note != QUEUED);
            }
            let next = soon(caller, self.member.cursor(&self.id)).await.flatten();
            return Came {
                said: said.map(|said| (said, next)),
                settled: rest.session(),
            };
        }
        let after = self.after.as_deref().filter(|_| self.expects_output);
        let rest = settle::settled(caller, self.member, &self.id, after, until).await;
        self.notes.extend(rest.told());
        let mut page = None;
        if !matches!(rest, Rest::Gone | Rest::Left(_)) {
            let output = self.member.output_since(&self.id, self.after.as_deref());
            page = soon(caller, output).await.flatten();
        }
        Came {
            said: page.map(|page| (page.text, Some(page.next))),
            settled: rest.session(),
        }
    }

    /// What answers the message that was sent, where the turns of its backend say that.
    async fn reply(&self, caller: &Caller, until: Instant) -> Option<(Rest, Option<String>)> {
        let is_sent = matches!(self.kind, Kind::Start | Kind::Message) && self.receipt != Receipt::Unconfirmed;
        let message = self.message_id.as_deref().filter(|_| is_sent)?;
        reply::reply(caller, self.member, &self.id, message, until).await
    }

    async fn tell(mut self, caller: &Caller, lasting: &Lasting, came: Came) -> ToolAnswer {
        let session = match came.settled {
            Some(session) => self.shown_after(caller, lasting, session),
            None => self.seen_after(caller, lasting).await,
        };
        let (text, next) = match came.said {
            Some((text, next)) => (Some(words::of_log(text, true).await), next),
            None => (None, self.after),
        };
        let acted = Acted {
            session,
            receipt: Some(self.receipt.name()),
            message_id: self.message_id,
            text,
            next,
            note: (!self.notes.is_empty()).then(|| self.notes.join(" ")),
        };
        ToolAnswer::of(acted.text(Some(self.kind)), &acted)
    }

    /// The record of `session` in the answer to a deed. To whoever answered a prompt, the next one does not count as shown by
    /// that: a repeated call must not answer it.
    fn shown_after(&self, caller: &Caller, lasting: &Lasting, session: session::Session) -> Session {
        let backend = self.member.name();
        match self.kind {
            Kind::Answer | Kind::Interrupt | Kind::Cancel => lasting.session(backend, session),
            Kind::Start | Kind::Message => lasting.show(caller, backend, session),
        }
    }

    /// The session's record after a deed: as it is now, or otherwise what is known of it, and a note why more is not
    /// known.
    async fn seen_after(&mut self, caller: &Caller, lasting: &Lasting) -> Session {
        let (backend, session_id) = (self.member.name(), self.session_id());
        let why = match soon(caller, self.member.watched.backend.get_session(&self.id)).await {
            Some(Ok(session)) => return self.shown_after(caller, lasting, session),
            Some(Err(Error::NotFound(_))) => "it has ended, or no longer exists".to_owned(),
            Some(Err(error)) => answer::describe(backend, error),
            None => format!("backend `{backend}` did not answer in time"),
        };
        self.note(format!("The present state of the session could not be seen: {why}."));
        match self.session.take() {
            Some(session) => lasting.session(backend, session),
            None => Session::unseen(backend, session_id),
        }
    }
}

/// What a look after a deed shows, where that comes soon: it is worth less than the answer.
pub(crate) async fn soon<T>(caller: &Caller, look: impl Future<Output = T>) -> Option<T> {
    let patience = async {
        if tokio::time::timeout(LOOK, caller.ending.cancelled()).await.is_ok() {
            tokio::time::sleep(LAST_LOOK).await;
        }
    };
    tokio::select! {
        biased;
        seen = look => Some(seen),
        () = patience => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn came(error: Error, acted: bool) -> Option<bool> {
        match effect::<()>("local", Err(Failure { error, acted })) {
            Ok(Effect::Done(())) => Some(true),
            Ok(Effect::Perhaps(_)) => Some(false),
            Err(_) => None,
        }
    }

    #[test]
    fn what_had_begun_and_broke_off_is_never_told_as_an_error() {
        let why = || "why".to_owned();
        for error in [
            Error::TimedOut(why()),
            Error::Failed(why()),
            Error::NotFound(why()),
            Error::Denied(why()),
            Error::Invalid(why()),
            Error::Unsupported,
        ] {
            assert_eq!(came(error.clone(), true), Some(false), "{error:?}");
            assert_eq!(came(error.clone(), false), None, "{error:?}");
        }
    }

    #[test]
    fn a_refusal_says_that_nothing_was_done() {
        let why = || "why".to_owned();
        for error in [Error::Refused(why()), Error::Conflict(why()), Error::Busy] {
            assert_eq!(came(error.clone(), true), None, "{error:?}");
        }
    }
}
