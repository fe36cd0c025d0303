//! Answering what a session asks.

use std::time::Instant;

use super::deeds::{Deed, Effect, Kind, Receipt, effect};
use super::deliver::turn_of;
use super::prompts::{self, Last};
use super::{Answer, Caller, Desk, ToolError, look};
use crate::catalog::answers::{self, Acted};
use crate::catalog::arguments::RespondToPrompt;
use crate::contract::Session;
use crate::store::audit::Outcome;
use crate::text::{Typed, typed};

pub(super) async fn respond_to_prompt(
    desk: &Desk,
    caller: &Caller,
    wanted: RespondToPrompt,
) -> Result<Answer, ToolError> {
    let (member, id) = desk.reach(caller).whole_id(&wanted.session_id)?;
    let wait = look::wait(wanted.wait_seconds)?;
    let end = Instant::now() + wait;
    if !wait.is_zero() {
        caller.enter_wait()?;
    }
    let mut deed = Deed::new(member, id, Kind::Answer, Receipt::Confirmed);
    let Typed { text, removed } = typed(&wanted.response);
    deed.notes.extend(removed);
    {
        let _turn = turn_of(caller, member, id).await?;
        let session = caller.while_there(member.session(id)).await??;
        let Some(prompt) = session.prompt.clone() else {
            return Err(ToolError::refused(format!(
                "{} waits for no answer now; nothing was typed",
                wanted.session_id
            )));
        };
        let shown = &desk.showing.shown;
        let last = shown.last(caller, &wanted.session_id);
        let response = prompts::is_meant(&prompt, wanted.prompt_id.as_deref(), last.as_ref())
            .map_err(str::to_owned)
            .and_then(|()| prompts::read(&prompt, &text, member.remote_trust));
        let response = match response {
            Ok(response) => response,
            Err(why) => return Ok(refused(desk.showing.session(member.name(), session), &why)),
        };
        if !wait.is_zero() {
            deed.after = caller.while_there(member.cursor(id)).await?;
        }
        shown.note(caller, &wanted.session_id, Last::Answered);
        let answered = member.watched.backend.respond(id, &prompt.id, &response).await;
        if let Effect::Perhaps(why) = effect(member.name(), answered)? {
            deed.doubt(&why);
        }
        deed.session = Some(Session {
            prompt: None,
            ..session
        });
    }
    Ok(deed.report(caller, &desk.showing, end).await)
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
        ..Answer::of(acted.text(None), &acted)
    }
}
