//! Answering what a session asks.

use std::time::Instant;

use super::asking::Asking;
use super::caller::{By, Filled, Returned};
use super::deeds::{Deed, Effect, effect};
use super::deliver::turn_of;
use super::forms::{Out, unanswered};
use super::prompts::{self, Last, Response};
use super::receipt::{Kind, Receipt};
use super::{Caller, Generation, Member, ToolAnswer, ToolError, find, groups, look};
use crate::catalog::answers::Acted;
use crate::catalog::arguments::RespondToPrompt;
use crate::session::{self, Answered, Session, State};
use crate::store::audit::Outcome;
use crate::text::{Typed, typed};

const TOOL: &str = "respond_to_prompt";

pub(super) async fn respond_to_prompt(
    generation: &Generation,
    caller: &Caller,
    wanted: RespondToPrompt,
) -> Result<ToolAnswer, ToolError> {
    let (member, id) = find::whole(generation.reach(caller), &wanted.session_id).await?;
    let asking = Asking::new(generation, caller, &member, &wanted.session_id, TOOL);
    let given = match &caller.by {
        By::Form(Some(returned)) => Given::filled(&asking, returned).await?,
        _ => Given::Said {
            prompt_id: wanted.prompt_id,
            response: Response {
                response: wanted.response,
                choices: wanted.choices.unwrap_or_default(),
                text: wanted.text,
            },
        },
    };
    answer(&asking, id, given, wanted.wait_seconds, None).await
}

/// What is answered, and how it was given.
pub(super) enum Given {
    /// By the call itself.
    Said {
        prompt_id: Option<String>,
        response: Response,
    },
    /// In a form.
    Filled { form: Out, filled: Filled },
}

impl Given {
    /// What came back in a form.
    ///
    /// # Errors
    /// The form does not count here, or the person closed it; then it is spent.
    pub(super) async fn filled(asking: &Asking<'_>, returned: &Returned) -> Result<Self, ToolError> {
        let form = asking.back(&returned.state)?;
        match &returned.filled {
            Some(filled) => Ok(Self::Filled {
                form,
                filled: filled.clone(),
            }),
            None => {
                asking.spend(&form).await?;
                Err(unanswered(
                    "the person declined or closed the form, which does not answer anything: the session still asks",
                ))
            }
        }
    }

    /// The prompt that it names.
    fn prompt(&self) -> Option<&str> {
        match self {
            Self::Said { prompt_id, .. } => prompt_id.as_deref(),
            Self::Filled { form, .. } => Some(&form.prompt),
        }
    }

    /// The words in it.
    fn words(&mut self) -> impl Iterator<Item = &mut String> {
        let (one, other) = match self {
            Self::Said { response, .. } => (response.response.as_mut(), response.text.as_mut()),
            Self::Filled { filled, .. } => (None, filled.text.as_mut()),
        };
        one.into_iter().chain(other)
    }
}

/// Gives the session `id` an answer, with a `note` on what was not done. A client that shows forms gets one instead, unless
/// the answer came in one.
pub(super) async fn answer(
    asking: &Asking<'_>,
    id: &str,
    mut given: Given,
    wait_seconds: Option<u32>,
    note: Option<&str>,
) -> Result<ToolAnswer, ToolError> {
    let Asking {
        generation,
        caller,
        member,
        session_id,
        ..
    } = *asking;
    let (wait, capped) = look::wait(wait_seconds);
    let end = Instant::now() + wait;
    if !wait.is_zero() {
        caller.enter_wait()?;
    }
    let mut deed = Deed::new(member, id, Kind::Answer, Receipt::Confirmed);
    deed.notes.extend(capped.into_iter().chain(note.map(str::to_owned)));
    for words in given.words() {
        *words = as_typed(words, &mut deed);
    }
    {
        let _turn = turn_of(&generation.lasting, caller, session_id).await?;
        let session = caller.while_there(member.session(id)).await??;
        let showing = &generation.lasting.showing;
        let before = given.prompt().and_then(|prompt| {
            let is_open = session.prompts.iter().any(|open| open.id == prompt);
            showing.given.told(session_id, prompt).filter(|_| !is_open)
        });
        if let Some(why) = before {
            return Ok(refused(generation, caller, member, session, &why));
        }
        let mut meant = None;
        let answers = if session.prompts.is_empty() {
            vec![leave_of(asking, &session, &given)?]
        } else {
            let found = match &given {
                Given::Said { prompt_id, response } => match asking.form(&session, prompt_id.as_deref(), "") {
                    Some(form) => return Err(form),
                    None => asking.said(&session, prompt_id.as_deref(), response),
                },
                Given::Filled { form, filled } => asking.filled(&session, form, filled),
            };
            let (prompt, answer) = match found {
                Ok(found) => found,
                Err(why) => return Ok(refused(generation, caller, member, session, &why)),
            };
            if let Given::Filled { form, .. } = &given {
                asking.spend(form).await?;
            }
            deed.expects_output = !prompts::declines(prompt, &answer) || has_words(&answer);
            let together = groups::of(&session.prompts, prompt);
            let kept = showing.groups.keep(caller, session_id, &together, prompt, answer);
            meant = Some(prompt);
            match kept {
                Ok(answers) => {
                    // What was kept before may not be allowed any more.
                    if let Err(why) = asking.may_give(&session, &answers) {
                        showing.groups.forget(caller, session_id, prompt);
                        return Ok(refused(generation, caller, member, session.clone(), &why));
                    }
                    answers
                }
                Err(missing) => return Ok(incomplete(generation, caller, member, session.clone(), missing)),
            }
        };
        if !wait.is_zero() {
            deed.after = caller.while_there(member.cursor(id)).await?;
        }
        showing.shown.note(caller, session_id, Last::Answered);
        let answered = member.watched.backend.respond(id, &answers).await;
        if let Some(prompt) = meant {
            showing.groups.forget(caller, session_id, prompt);
        }
        let came = effect(member.name(), answered)?;
        showing.given.note(session_id, &session, &answers);
        match came {
            Effect::Done(delivery) => deed.answered(delivery),
            Effect::Perhaps(why) => deed.doubt(&why),
        }
        deed.session = Some(without(session, &answers));
    }
    Ok(deed.report(caller, &generation.lasting, end).await)
}

/// A dismissal of what an agent shows that its backend does not understand: the answer to a prompt without an id.
fn leave_of(asking: &Asking<'_>, session: &Session, given: &Given) -> Result<Answered, ToolError> {
    let response = match given {
        Given::Said { response, .. } => response,
        Given::Filled { .. } => return Err(unanswered("the question that the form shows is not open any more")),
    };
    let dismisses = |text: &String| text.trim().eq_ignore_ascii_case("dismiss");
    let only = response.choices.is_empty() && response.text.is_none();
    let wanted = only && response.response.as_ref().is_some_and(dismisses);
    if !(wanted && session.state == State::Unknown && session.can.respond) {
        return Err(ToolError::refused(format!(
            "{} does not wait for an answer now; nothing was typed",
            asking.session_id
        )));
    }
    asking.leaves()?;
    Ok(Answered {
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
