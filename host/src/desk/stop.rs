//! Interrupting what a session is doing, and ending it.

use std::time::Instant;

use super::deeds::{Deed, Effect, Kind, Receipt, effect};
use super::deliver::turn_of;
use super::{Answer, Caller, Desk, ToolError};
use crate::catalog::answers::Ended;
use crate::catalog::arguments::{InterruptSession, TerminateSession};
use crate::contract::Error;
use crate::plugin::Failure;

pub(super) async fn interrupt_session(
    desk: &Desk,
    caller: &Caller,
    wanted: InterruptSession,
) -> Result<Answer, ToolError> {
    let (member, id) = desk.reach(caller).whole_id(&wanted.session_id)?;
    let dropped = wanted.queued && desk.senders.drop_waiting(&wanted.session_id);
    let mut deed = Deed::new(member, id, Kind::Interrupt, Receipt::Confirmed);
    if dropped {
        deed.notes.push("Messages that waited for it were dropped.".into());
    }
    let done = async {
        let _turn = turn_of(caller, member, id).await?;
        match member.watched.backend.interrupt(id).await {
            // To drop what waits was all that could be done where the session itself is at rest.
            Err(Failure {
                error: Error::Refused(why),
                ..
            }) if dropped => Ok(Effect::Done(Some(why))),
            answered => effect(member.name(), answered.map(|()| None)),
        }
    };
    match done.await {
        Ok(Effect::Done(why)) => deed
            .notes
            .extend(why.map(|why| format!("The session itself was not interrupted: {why}."))),
        Ok(Effect::Perhaps(why)) => deed.doubt(&why),
        Err(error) if dropped => deed.doubt(&error.to_string()),
        Err(error) => return Err(error),
    }
    Ok(deed.report(caller, &desk.showing, Instant::now()).await)
}

pub(super) async fn terminate_session(
    desk: &Desk,
    caller: &Caller,
    wanted: TerminateSession,
) -> Result<Answer, ToolError> {
    let (member, id) = desk.reach(caller).whole_id(&wanted.session_id)?;
    let dropped = desk.senders.drop_waiting(&wanted.session_id);
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
    Ok(Answer::of(ended.text(), &ended))
}
