//! Sends what waits in the outbox: each message once its session is seen at rest, and never a second time.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures::future::join_all;

use super::deeds::{Effect, effect};
use super::outbox::{self, Seen};
use super::{Desk, Generation, Member, log_line};
use crate::plugin::{Failure, Listed};
use crate::session::{self, Error, Session, State};
use crate::store::audit::{Entry, Event, Outcome};
use crate::store::outbox::Letter;
use crate::store::{AccessRecords, Recorder};
use crate::watch::{Snapshot, now};

/// How often the sessions are looked at for which messages wait.
const EVERY: Duration = Duration::from_secs(1);
/// How long one look may take.
const LOOK: Duration = Duration::from_secs(15);
/// The tool that such a message counts as a call of.
const TOOL: &str = "send_message";
/// What is known of a message that was not seen to be taken.
const UNCONFIRMED: &str = "was typed when the session became ready, and was not seen to be taken";

impl Desk {
    /// Sends what waits until berth ends. What it sends is in `recorder` like a call of whoever sent it, if they still have
    /// `access`.
    pub async fn send_what_waits(&self, recorder: &Recorder, access: &Arc<AccessRecords>) {
        let outbox = &self.lasting.outbox;
        outbox.tidy().await;
        let waits = async || {
            tokio::time::sleep(EVERY).await;
            outbox.something_waits().await;
        };
        while self.ending.run_until_cancelled(waits()).await.is_some() {
            let generation = self.present();
            let sending = Sending {
                desk: self,
                generation: &generation,
                recorder,
                access,
            };
            sending.round().await;
            outbox.tidy().await;
        }
    }
}

/// One round of looks, and what is sent because of them.
struct Sending<'a> {
    desk: &'a Desk,
    generation: &'a Generation,
    recorder: &'a Recorder,
    access: &'a Arc<AccessRecords>,
}

impl Sending<'_> {
    async fn round(&self) {
        let waiting = self.desk.lasting.outbox.waiting();
        let (late, in_time): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|(letter, _)| outbox::too_late(letter, now()).is_some());
        for (letter, _) in late {
            let why = outbox::too_late(&letter, now()).unwrap_or_default();
            self.give_up(&letter, why).await;
        }
        let up = self.generation.up();
        join_all(up.iter().map(async |member| {
            let own: Vec<_> = in_time
                .iter()
                .filter(|(letter, _)| self.is_of(letter, member))
                .collect();
            if own.is_empty() {
                return;
            }
            let Some(snapshot) = self.look(member).await else {
                return;
            };
            let Ok(listed) = &snapshot.sessions else { return };
            // A look that began before cannot show a session that was made then.
            for (letter, _) in own.into_iter().filter(|(_, since)| *since <= snapshot.begun) {
                self.judge(member, letter, listed).await;
            }
        }))
        .await;
    }

    /// Whether the message is for a session of this backend, which means what it meant.
    fn is_of(&self, letter: &Letter, member: &Member) -> bool {
        let backend = letter.session.split_once('/').map(|(backend, _)| backend);
        backend == Some(member.name()) && self.generation.meaning(member.name()) == Some(&letter.meaning)
    }

    async fn look(&self, member: &Member) -> Option<Arc<Snapshot>> {
        let mut snapshots = member.watched.snapshots();
        let changed = tokio::time::timeout(LOOK, snapshots.changed());
        self.desk.ending.run_until_cancelled(changed).await?.ok()?.ok()?;
        snapshots.borrow_and_update().clone()
    }

    async fn judge(&self, member: &Member, letter: &Letter, listed: &Listed<Session>) {
        let id = local(letter);
        match listed.items.iter().find(|session| session.id == id) {
            Some(session) if session.state.is_end() => self.drop_of_ended(letter).await,
            Some(session) => {
                let seen = match session.state {
                    State::Idle => Seen::AtRest,
                    _ => Seen::AtWork,
                };
                if self.desk.lasting.outbox.seen(&letter.id, seen) {
                    self.send(member, letter).await;
                }
            }
            None if listed.faults.is_empty() => self.drop_of_ended(letter).await,
            // It may be one of those that were left out.
            None => {}
        }
    }

    async fn drop_of_ended(&self, letter: &Letter) {
        if self.desk.lasting.outbox.remove(&letter.id).await.is_ok() {
            self.record(
                letter,
                Outcome::Gone,
                "the session ended before its message could be sent",
            )
            .await;
        }
    }

    async fn give_up(&self, letter: &Letter, why: &str) {
        self.desk.lasting.outbox.give_up(&letter.id, why).await;
        self.record(letter, Outcome::Failed, why).await;
    }

    /// Types the message, if nothing speaks against it now.
    async fn send(&self, member: &Member, letter: &Letter) {
        let lasting = &self.desk.lasting;
        let turn = lasting.orders.turn(&letter.session);
        let Some(_turn) = self.desk.ending.run_until_cancelled(turn).await else {
            return;
        };
        // Either may have changed while others had their turn.
        if !std::ptr::eq(Arc::as_ptr(&self.desk.present()), self.generation) {
            return;
        }
        match self.has_access(letter).await {
            Some(true) => {}
            Some(false) => {
                let why = "was not sent, because whoever gave it has no access any more";
                return self.give_up(letter, why).await;
            }
            None => return,
        }
        let began = Instant::now();
        let mut entry = self.entry(letter, "kept until the session was ready");
        // What cannot be recorded is not done; it is tried again.
        let Ok(intention) = self.recorder.intend(&entry).await else {
            return;
        };
        entry.outcome = match lasting.outbox.begin(&letter.id).await {
            Ok(Some(message)) => {
                let typed = member.watched.backend.send_message(local(letter), &message).await;
                self.came_to(member, letter, typed).await
            }
            Ok(None) => Outcome::Gone,
            Err(why) => {
                tracing::warn!(
                    session = letter.session,
                    "a message that waits could not be noted as typed: {why}"
                );
                Outcome::Refused
            }
        };
        entry.duration = Some(began.elapsed());
        let seq = self.recorder.conclude(intention, entry.clone()).await.ok();
        log_line::write(self.recorder, &entry, seq);
    }

    async fn came_to(&self, member: &Member, letter: &Letter, typed: Result<session::Delivery, Failure>) -> Outcome {
        let outbox = &self.desk.lasting.outbox;
        let may_pass = matches!(
            &typed,
            Err(Failure {
                error: Error::Busy | Error::Refused(_) | Error::Unavailable(_) | Error::Limited { .. },
                ..
            })
        );
        match effect(member.name(), typed) {
            Ok(Effect::Done(delivery)) if delivery.receipt == session::Receipt::Unconfirmed => {
                outbox.give_up(&letter.id, UNCONFIRMED).await;
                Outcome::Done
            }
            Ok(Effect::Done(_)) => {
                outbox.sent(&letter.id).await;
                Outcome::Done
            }
            Ok(Effect::Perhaps(why)) => {
                outbox
                    .give_up(&letter.id, &format!("may have been typed ({why})"))
                    .await;
                Outcome::Failed
            }
            Err(error) if may_pass || letter.began.is_some() => {
                outbox.not_typed(letter, &error.to_string()).await;
                Outcome::Refused
            }
            Err(error) => {
                outbox.give_up(&letter.id, &format!("was not sent ({error})")).await;
                Outcome::Refused
            }
        }
    }

    /// Whether whoever sent it still has access; nothing where that cannot be found out now.
    async fn has_access(&self, letter: &Letter) -> Option<bool> {
        let (access, principal) = (self.access.clone(), letter.principal.clone());
        let found = tokio::task::spawn_blocking(move || access.has_access(&principal, SystemTime::now())).await;
        found.ok()?.ok()
    }

    /// Records what became of a message without a call of its backend.
    async fn record(&self, letter: &Letter, outcome: Outcome, why: &str) {
        let entry = Entry {
            outcome,
            ..self.entry(letter, why)
        };
        let seq = self.recorder.record(entry.clone()).await.ok();
        log_line::write(self.recorder, &entry, seq);
    }

    fn entry(&self, letter: &Letter, detail: &str) -> Entry {
        let backend = letter.session.split_once('/').map_or("", |(backend, _)| backend);
        Entry {
            at: SystemTime::now(),
            event: Event::Call,
            principal: letter.principal.clone(),
            tool: TOOL.to_owned(),
            backend: backend.to_owned(),
            session: letter.session.clone(),
            arguments: None,
            outcome: Outcome::Done,
            duration: None,
            cost: None,
            text: format!("message {}: {detail}", letter.id),
            grants: Some(self.generation.grants()),
        }
    }
}

/// The id of its session within its backend.
fn local(letter: &Letter) -> &str {
    letter.session.split_once('/').map_or("", |(_, id)| id)
}
