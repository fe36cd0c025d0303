//! Stopping the work of a task.

use super::now::{Seen, look};
use crate::desk::deeds::{Effect, effect};
use crate::desk::deliver::turn_of;
use crate::desk::{Caller, Desk, Generation, ToolError, stop};
use crate::store;

/// Takes back the message of a new session where it still waits, and otherwise interrupts the session, or ends it where it
/// cannot be interrupted. What is over stays as it is.
pub(super) async fn cancel(
    desk: &Desk,
    generation: &Generation,
    caller: &Caller,
    task: store::tasks::Task,
) -> Result<(), ToolError> {
    if task.ended.is_some() {
        return Ok(());
    }
    if let Seen::Over(answer) = look(generation, caller, &task).await? {
        desk.end(&task.id, Some(&answer)).await;
        return Ok(());
    }
    let member = generation.reach(caller).member(Some(&task.backend)).await?;
    let session_id = format!("{}/{}", task.backend, task.session);
    if !stop::drop_waiting(generation, &session_id, Some(&task.id)).await? {
        let _turn = turn_of(&generation.lasting, caller, &session_id).await?;
        let session = caller.while_there(member.session(&task.session)).await??;
        let backend = &member.watched.backend;
        let is_queued = session.queue.iter().any(|queued| queued.id == task.id);
        let stopped = if is_queued && session.can.cancel_message {
            effect(member.name(), backend.cancel_message(&task.session, &task.id).await).map(|effect| match effect {
                Effect::Done(()) => None,
                Effect::Perhaps(why) => Some(why),
            })
        } else if session.can.interrupt || session.can.terminate {
            let stopped = match session.can.interrupt {
                true => backend.interrupt(&task.session).await,
                false => backend.terminate(&task.session).await,
            };
            effect(member.name(), stopped).map(|effect| match effect {
                Effect::Done(_) => None,
                Effect::Perhaps(why) => Some(why),
            })
        } else {
            Err(ToolError::refused(format!(
                "{session_id} cannot be interrupted or ended now"
            )))
        };
        if let Some(why) = stopped? {
            // It may go on, so the task shows how it is.
            return Err(ToolError::new(format!("whether it was stopped is not known: {why}")));
        }
    }
    desk.end(&task.id, None).await;
    Ok(())
}
