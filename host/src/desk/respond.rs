//! Answering what a session asks.

use std::time::Instant;

use super::deeds::{Deed, Effect, effect};
use super::deliver::turn_of;
use super::prompts::{self, Last, Response};
use super::receipt::{Kind, Receipt};
use super::{Caller, Generation, Member, ToolAnswer, ToolError, find, groups, look};
use crate::catalog::answers::Acted;
use crate::catalog::arguments::RespondToPrompt;
use crate::session::{self, Answered, Session, State};
use crate::store::audit::Outcome;
use crate::text::{Typed, typed};

pub(super) async fn respond_to_prompt(
    generation: &Generation,
    caller: &Caller,
    wanted: RespondToPrompt,
) -> Result<ToolAnswer, ToolError> {
    let (wait, capped) = look::wait(wanted.wait_seconds);
    let end = Instant::now() + wait;
    let (member, id) = find::whole(generation.reach(caller), &wanted.session_id).await?;
    if !wait.is_zero() {
        caller.enter_wait()?;
    }
    let mut deed = Deed::new(&member, id, Kind::Answer, Receipt::Confirmed);
    deed.notes.extend(capped);
    let response = Response {
        response: wanted.response.map(|text| as_typed(&text, &mut deed)),
        choices: wanted.choices.unwrap_or_default(),
        text: wanted.text.map(|text| as_typed(&text, &mut deed)),
    };
    {
        let _turn = turn_of(&generation.lasting, caller, &wanted.session_id).await?;
        let session = caller.while_there(member.session(id)).await??;
        let showing = &generation.lasting.showing;
        let shown = &showing.shown;
        let mut meant = None;
        let answers = if session.prompts.is_empty() {
            vec![leave_of(&session, &response).ok_or_else(|| {
                ToolError::refused(format!(
                    "{} does not wait for an answer now; nothing was typed",
                    wanted.session_id
                ))
            })?]
        } else {
            let last = shown.last(caller, &wanted.session_id);
            let found = prompts::meant(&session.prompts, wanted.prompt_id.as_deref(), last.as_ref())
                .map_err(str::to_owned)
                .and_then(|prompt| Ok((prompt, prompts::read(prompt, &response, member.remote_trust)?)));
            let (prompt, answer) = match found {
                Ok(found) => found,
                Err(why) => return Ok(refused(generation, caller, &member, session, &why)),
            };
            deed.expects_output = !prompts::declines(prompt, &answer) || has_words(&answer);
            let together = groups::of(&session.prompts, prompt);
            let groups = &showing.groups;
            let kept = groups.keep(caller, &wanted.session_id, &together, prompt, answer);
            meant = Some(prompt);
            match kept {
                Ok(answers) => answers,
                Err(missing) => return Ok(incomplete(generation, caller, &member, session.clone(), missing)),
            }
        };
        if !wait.is_zero() {
            deed.after = caller.while_there(member.cursor(id)).await?;
        }
        shown.note(caller, &wanted.session_id, Last::Answered);
        let answered = member.watched.backend.respond(id, &answers).await;
        if let Some(prompt) = meant {
            showing.groups.forget(caller, &wanted.session_id, prompt);
        }
        match effect(member.name(), answered)? {
            Effect::Done(delivery) => deed.answered(delivery),
            Effect::Perhaps(why) => deed.doubt(&why),
        }
        deed.session = Some(without(session, &answers));
    }
    Ok(deed.report(caller, &generation.lasting, end).await)
}

/// A dismissal of what an agent shows that its backend does not understand: the answer to a prompt without an id.
fn leave_of(session: &Session, response: &Response) -> Option<Answered> {
    let dismisses = |text: &String| text.trim().eq_ignore_ascii_case("dismiss");
    let only = response.choices.is_empty() && response.text.is_none();
    let wanted = only && response.response.as_ref().is_some_and(dismisses);
    (wanted && session.state == State::Unknown && session.can.respond).then(|| Answered {
        prompt: String::new(),
        answer: session::Answer::Dismiss,
    })
}

fn has_words(answer: &session::Answer) -> bool {
    matches!(answer, session::Answer::Reply(reply) if reply.text.is_some())
}

/// What of the caller's words is typed; what is not is a note.
fn as_typed(given: &str, deed: &mut Deed<'_>) -> String {
    let Typed { text, removed } = typed(given);
    deed.notes.extend(removed);
    text
}

/// The session without the prompts that were answered.
fn without(mut session: Session, answers: &[Answered]) -> Session {
    session
        .prompts
        .retain(|prompt| !answers.iter().any(|answered| answered.prompt == prompt.id));
    if session.prompts.is_empty() && session.state == State::Waiting {
        session.state = State::Unknown;
    }
    session
}

/// A response that was not given, with the session as it is: what it asks stands in its own field.
fn refused(generation: &Generation, caller: &Caller, member: &Member, session: Session, why: &str) -> ToolAnswer {
    let session = generation.lasting.showing.session_for(caller, member.name(), session);
    let acted = Acted::seen(session, Some(format!("Refused: {why}. Nothing was typed.")));
    ToolAnswer {
        outcome: Outcome::Refused,
        ..ToolAnswer::of(acted.text(None), &acted)
    }
}

/// An answer that is kept until its group is complete.
fn incomplete(
    generation: &Generation,
    caller: &Caller,
    member: &Member,
    session: Session,
    missing: usize,
) -> ToolAnswer {
    let session = generation.lasting.showing.session_for(caller, member.name(), session);
    let questions = if missing == 1 { "question" } else { "questions" };
    let note = format!(
        "Your answer is kept, and the session has not received anything yet: {missing} further {questions} of the same group \
         must be answered first, each by its prompt_id. An answer can be changed until then."
    );
    let acted = Acted::seen(session, Some(note));
    ToolAnswer::of(acted.text(None), &acted)
}

impl Deed<'_> {
    /// Notes what became of an answer.
    fn answered(&mut self, delivery: session::Delivery) {
        self.after = self.after.take().or(delivery.after);
        self.came_to(Effect::Done(delivery.receipt));
    }
}
