//! Interrupting what a session is doing, taking back a message that waits for it, and ending it.

use std::time::Instant;

use super::deeds::{Deed, Effect, effect, soon};
use super::deliver::turn_of;
use super::receipt::{Kind, Receipt};
use super::{Caller, Generation, ToolAnswer, ToolError, find};
use crate::catalog::answers::Ended;
use crate::catalog::arguments::{InterruptSession, TerminateSession};
use crate::plugin::Failure;
use crate::session::{self, Error, State};
use crate::text::{NAMED, escaped};

pub(super) async fn interrupt_session(
    generation: &Generation,
    caller: &Caller,
    wanted: InterruptSession,
) -> Result<ToolAnswer, ToolError> {
    let (member, id) = find::named(generation.reach(caller), &wanted.session_id).await?;
    let session_id = format!("{}/{id}", member.name());
    if let Some(message) = &wanted.message_id {
        return cancel_message(generation, caller, &session_id, message).await;
    }
    let dropped = wanted.queued && drop_waiting(generation, &session_id, None).await?;
    let mut deed = Deed::new(&member, &id, Kind::Interrupt, Receipt::Confirmed);
    if dropped {
        deed.notes.push("Messages that waited for it were dropped.".into());
    }
    let mut rested = false;
    let done = async {
        let _turn = turn_of(&generation.lasting, caller, &session_id).await?;
        let before = soon(caller, member.watched.backend.get_session(&id)).await;
        rested = matches!(before, Some(Ok(session)) if session.state == State::Idle);
        match member.watched.backend.interrupt(&id).await {
            // If the session itself is at rest, only the messages that wait can be dropped.
            Err(Failure {
                error: Error::Refused(why),
                ..
            }) if dropped => Ok((Effect::Done(session::Receipt::Confirmed), Some(why))),
            answered => effect(member.name(), answered).map(|effect| (effect, None)),
        }
    };
    match done.await {
        Ok((effect, why)) => {
            deed.came_to(effect);
            if rested {
                deed.notes.push("It was idle: there was nothing to interrupt.".into());
            }
            deed.notes
                .extend(why.map(|why| format!("The session itself was not interrupted: {why}.")));
        }
        Err(error) if dropped => deed.doubt(&error.to_string()),
        Err(error) => return Err(error),
    }
    Ok(deed.report(caller, &generation.lasting, Instant::now()).await)
}

/// Drops the messages that wait here for this session, or only the one with the id `message`; whether there were any.
///
/// # Errors
/// Nothing was done with the session; messages that are kept still are.
pub(super) async fn drop_waiting(
    generation: &Generation,
    session_id: &str,
    message: Option<&str>,
) -> Result<bool, ToolError> {
    let lasting = &generation.lasting;
    let kept = lasting.outbox.take_back(session_id, message).await;
    let kept =
        kept.map_err(|why| ToolError::refused(format!("a message that waits could not be taken back: {why}")))?;
    Ok(lasting.senders.drop_waiting(session_id, message) || kept)
}

/// Takes back one message: one that waits here, or one that the backend keeps.
async fn cancel_message(
    generation: &Generation,
    caller: &Caller,
    session_id: &str,
    message: &str,
) -> Result<ToolAnswer, ToolError> {
    let (member, id) = generation.reach(caller).whole_id(session_id).await?;
    let mut deed = Deed::new(&member, id, Kind::Cancel, Receipt::Confirmed);
    deed.message_id = Some(message.to_owned());
    if !drop_waiting(generation, session_id, Some(message)).await? {
        let _turn = turn_of(&generation.lasting, caller, session_id).await?;
        let cancelled = member.watched.backend.cancel_message(id, message).await;
        match cancelled {
            Err(Failure {
                error: Error::Unsupported | Error::NotFound(_),
                ..
            }) => {
                return Err(ToolError::refused(format!(
                    "no message `{}` waits for {session_id}: it was typed already, or never existed",
                    escaped(message, NAMED)
                )));
            }
            answered => match effect(member.name(), answered)? {
                Effect::Done(()) => {}
                Effect::Perhaps(why) => deed.doubt(&why),
            },
        }
    }
    Ok(deed.report(caller, &generation.lasting, Instant::now()).await)
}

pub(super) async fn terminate_session(
    generation: &Generation,
    caller: &Caller,
    wanted: TerminateSession,
) -> Result<ToolAnswer, ToolError> {
    let (member, id) = find::whole(generation.reach(caller), &wanted.session_id).await?;
    // One that cannot be taken back now goes when the session is seen to be gone.
    let dropped = drop_waiting(generation, &wanted.session_id, None)
        .await
        .unwrap_or(false);
    let done = async {
        let _turn = turn_of(&generation.lasting, caller, &wanted.session_id).await?;
        effect(member.name(), member.watched.backend.terminate(id).await)
    };
    let doubt = match done.await {
        Ok(Effect::Done(session::Receipt::Confirmed)) => None,
        Ok(Effect::Done(_)) => Some("its backend did not see it end".to_owned()),
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
        note: match doubt {
            None => dropped.then(|| "Messages that waited for it were dropped.".to_owned()),
            Some(why) => Some(format!("Whether it has ended is not known: {why}.")),
        },
    };
    Ok(ToolAnswer::of(ended.text(), &ended))
}
