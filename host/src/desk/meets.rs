//! A message that meets a prompt: nothing is typed, and where the client shows forms, its person is asked what the session
//! asks.

use super::asking::Asking;
use super::caller::By;
use super::respond::{self, Given};
use super::{Caller, Generation, ToolAnswer, ToolError, deliver, find};
use crate::catalog::arguments::SendMessage;
use crate::store::audit::Outcome;

const TOOL: &str = "send_message";
/// What the person who reads the form must know.
const BESIDE: &str =
    " It answers only the question: the message that met it is not sent by this, and can be sent again afterwards.";
/// What the caller must know afterwards.
const NOT_SENT: &str = "The message was not sent: it met a question, which is answered now. Send it again.";

pub(super) async fn send_message(
    generation: &Generation,
    caller: &Caller,
    wanted: SendMessage,
) -> Result<ToolAnswer, ToolError> {
    let (named, wait_seconds) = (wanted.session_id.clone(), wanted.wait_seconds);
    if let By::Form(Some(returned)) = &caller.by {
        let (member, id) = find::named(generation.reach(caller), &named).await?;
        let session_id = format!("{}/{id}", member.name());
        let asking = Asking::new(generation, caller, &member, &session_id, TOOL);
        let given = Given::filled(&asking, returned).await?;
        return respond::answer(&asking, &id, given, wait_seconds, Some(NOT_SENT)).await;
    }
    match Box::pin(deliver::send_message(generation, caller, wanted)).await {
        Err(error) if error.outcome == Outcome::Refused => {
            Err(instead(generation, caller, &named).await.unwrap_or(error))
        }
        sent => sent,
    }
}

/// The form for what the session asks, where a message to it was refused.
async fn instead(generation: &Generation, caller: &Caller, named: &str) -> Option<ToolError> {
    if caller.by != By::Form(None) {
        return None;
    }
    let (member, id) = find::named(generation.reach(caller), named).await.ok()?;
    let session = caller.while_there(member.session(&id)).await.ok()?.ok()?;
    let session_id = format!("{}/{id}", member.name());
    Asking::new(generation, caller, &member, &session_id, TOOL).form(&session, None, BESIDE)
}
