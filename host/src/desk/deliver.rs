//! Messages: typed when their turn comes, and once.

use std::time::{Duration, Instant};

use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use super::deeds::{Deed, effect};
use super::lasting::Lasting;
use super::receipt::{Kind, Receipt};
use super::senders::Dropped;
use super::settle::{Rest, settled};
use super::{Caller, Generation, Member, ToolAnswer, ToolError, attachments, find, look};
use crate::catalog::arguments::SendMessage;
use crate::plugin::Failure;
use crate::session::{Attachment, Error, Message, QueuedMessage};
use crate::text::{Typed, typed};
use crate::watch::now;

/// How long a message waits for those before it, where the caller gave no time.
const OTHERS: Duration = Duration::from_secs(30);
/// Bytes of one message.
const MESSAGE: usize = 256 << 10;

pub(super) async fn send_message(
    generation: &Generation,
    caller: &Caller,
    wanted: SendMessage,
) -> Result<ToolAnswer, ToolError> {
    let Typed { text, removed } = words(&wanted.message)?;
    let message = message(text, attachments::read(wanted.attachments)?);
    let (wait, capped) = look::wait(wanted.wait_seconds);
    let end = Instant::now() + wait;
    let (member, id) = find::named(generation.reach(caller), &wanted.session_id).await?;
    if !wait.is_zero() {
        caller.enter_wait()?;
    }
    let mut deed = Deed::new(&member, &id, Kind::Message, Receipt::Unconfirmed);
    deed.notes.extend(removed.into_iter().chain(capped));
    deliver(&generation.lasting, caller, &mut deed, &message, end).await?;
    Ok(deed.report(caller, &generation.lasting, end).await)
}

/// Types a message when its turn comes, and notes in `deed` what became of it. One for a session at work waits, in the
/// order of asking, until `until`.
///
/// # Errors
/// Nothing was typed.
pub(super) async fn deliver(
    lasting: &Lasting,
    caller: &Caller,
    deed: &mut Deed<'_>,
    message: &Message,
    until: Instant,
) -> Result<(), ToolError> {
    let (member, id) = (deed.member, deed.id.clone());
    let session_id = format!("{}/{id}", member.name());
    let line = lasting.senders.line(&session_id);
    deed.message_id = Some(message.id.clone());
    let mut place = line.enter(QueuedMessage {
        id: message.id.clone(),
        text: message.text.clone(),
        at: now(),
    });
    let deadline = until.max(Instant::now() + OTHERS);
    let turn = tokio::time::timeout_at(deadline.into(), line.turn.lock());
    let _turn = place
        .unless_dropped(caller.take_turn(turn))
        .await??
        .map_err(|_| ToolError::new("other messages to this session still wait; nothing was typed"))?;
    loop {
        let turn = place.unless_dropped(turn_of(lasting, caller, &session_id)).await??;
        if !message.attachments.is_empty() {
            let session = place
                .unless_dropped(caller.while_there(member.session(&id)))
                .await???;
            // One that takes no message now is asked again, and says why.
            takes_attachments(member, session.can.attach || !session.can.send)?;
        }
        place.begin();
        let typed = member.watched.backend.send_message(&id, message).await;
        drop(turn);
        match typed {
            Err(Failure { error: Error::Busy, .. }) if Instant::now() < until => {
                place.wait_again();
                let settled = settled(caller, member, &id, None, until);
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

/// The turn of who acts on the session.
pub(super) async fn turn_of(
    lasting: &Lasting,
    caller: &Caller,
    session_id: &str,
) -> Result<OwnedMutexGuard<()>, ToolError> {
    caller.take_turn(lasting.orders.turn(session_id)).await
}

/// What of a message is typed.
pub(super) fn words(given: &str) -> Result<Typed, ToolError> {
    if given.len() > MESSAGE {
        return Err(ToolError::refused(format!(
            "a message may have at most {MESSAGE} bytes, this has {}; put it in a file and name that",
            given.len()
        )));
    }
    Ok(typed(given))
}

/// A message with an id of its own, by which its backend knows it again.
pub(super) fn message(text: String, attachments: Vec<Attachment>) -> Message {
    Message {
        id: Uuid::new_v4().to_string(),
        text,
        attachments,
    }
}

fn takes_attachments(member: &Member, takes: bool) -> Result<(), ToolError> {
    match takes {
        true => Ok(()),
        false => Err(ToolError::refused(format!(
            "sessions of backend `{}` such as this do not take attachments; nothing was typed. Put it in a file where the \
             session works, and name that",
            member.name()
        ))),
    }
}

impl From<Dropped> for ToolError {
    fn from(Dropped: Dropped) -> Self {
        Self::new("the message was dropped before it was typed")
    }
}
