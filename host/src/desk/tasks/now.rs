//! How a task is now, as its backend says.

use std::time::{Duration, Instant};

use super::{Accepted, Now, Task, asks, given, meant, read};
use crate::catalog::{OwnCall, Request};
use crate::desk::deeds::Deed;
use crate::desk::receipt::{Kind, Receipt};
use crate::desk::settle::at_work;
use crate::desk::showing::time;
use crate::desk::{By, Caller, Desk, Generation, Member, ToolAnswer, ToolError, answer, own, reply, words};
use crate::session::{Error, Session, State};
use crate::store;
use crate::watch;

/// How long it is looked whether a session that seems to be at rest is so.
const SETTLES: Duration = Duration::from_secs(5);

/// How the task is.
pub(super) async fn now(
    desk: &Desk,
    generation: &Generation,
    caller: &Caller,
    task: store::tasks::Task,
) -> Result<Task, ToolError> {
    let accepted = Accepted::of(&task);
    let told = |message: Option<String>, updated, now| Task {
        accepted: accepted.clone(),
        tool: task.tool.clone(),
        updated: time(updated),
        message,
        now,
    };
    if let Some(ended) = task.ended {
        let now = match &task.answer {
            Some(answer) => Now::Answered(Box::new(read(answer))),
            None => Now::Cancelled,
        };
        return Ok(told(None, ended, now));
    }
    let seen = match look(generation, caller, &task).await {
        Err(error) if caller.ending.is_cancelled() => unseen(&error.to_string()),
        seen => seen?,
    };
    let (message, now) = match seen {
        Seen::Over(answer) => {
            desk.end(&task.id, Some(&answer)).await;
            (None, Now::Answered(answer))
        }
        Seen::Works(message) => (message, Now::Working),
        Seen::Asks(member, session) => {
            let questions = match caller.by != By::Program {
                true => asks::questions(generation, caller, &member, &session, &task).await?,
                false => Vec::new(),
            };
            let message = "its session waits for an answer: check_prompts shows the question, respond_to_prompt or berth answer \
                           answers it";
            match questions.is_empty() {
                true => (Some(message.to_owned()), Now::Working),
                false => {
                    let forms = questions.into_iter().map(|question| question.form).collect();
                    (Some("its session waits for an answer".to_owned()), Now::Asks(forms))
                }
            }
        }
    };
    Ok(told(message, watch::now(), now))
}

/// What was seen of the work of a task.
pub(super) enum Seen {
    /// It goes on, and what it does.
    Works(Option<String>),
    /// Its session asks.
    Asks(std::sync::Arc<Member>, Box<Session>),
    /// It is over, and what the tool answers.
    Over(Box<ToolAnswer>),
}

/// How the work of a task is that was not seen to end.
pub(super) async fn look(
    generation: &Generation,
    caller: &Caller,
    task: &store::tasks::Task,
) -> Result<Seen, ToolError> {
    let catalog = generation.catalog_for(caller, &task.tool, &given(task)).await;
    let request = meant(&catalog, caller, task)?;
    let member = match generation.reach(caller).member(Some(&task.backend)).await {
        Ok(member) => member,
        Err(error) => return Ok(unseen(&error.to_string())),
    };
    // First, so that what the tool answers is not older than the end of its session.
    let session = caller
        .while_there(member.watched.backend.get_session(&task.session))
        .await?;
    let again = match request {
        Request::Own(wanted) => Some(again(generation, caller, wanted, task).await.ok()),
        _ => None,
    };
    let again = match again {
        // An answer that names no session which goes on is the last one.
        Some(Some(answer)) if answer.goes_on.is_none() => return Ok(Seen::Over(Box::new(answer))),
        again => again,
    };
    let session = match session {
        Ok(session) => session,
        Err(Error::NotFound(_)) => return Ok(Seen::Over(Box::new(last(again.flatten(), task, None).await))),
        Err(error) => return Ok(unseen(&answer::describe(member.name(), error))),
    };
    // What is asked or done for a later message is none of this task's.
    if again.is_none() && reply::is_passed(&member, &task.session, &task.id).await {
        return answered(generation, caller, &member, task).await;
    }
    if !session.prompts.is_empty() {
        return Ok(Seen::Asks(member, Box::new(session)));
    }
    if at_work(&session) {
        return Ok(Seen::Works(session.summary));
    }
    match again {
        Some(answer) if session.state.is_end() || session.state == State::Idle => {
            Ok(Seen::Over(Box::new(last(answer, task, Some(session)).await)))
        }
        Some(_) => Ok(Seen::Works(session.summary)),
        None => answered(generation, caller, &member, task).await,
    }
}

async fn again(
    generation: &Generation,
    caller: &Caller,
    mut wanted: OwnCall<'_>,
    task: &store::tasks::Task,
) -> Result<ToolAnswer, ToolError> {
    // It may be another one by default now.
    wanted.backend = &task.backend;
    own::call_again(generation, caller, wanted, &task.id).await
}

/// Whether the first message of a new session is answered: then as its start would have been answered by who waited.
async fn answered(
    generation: &Generation,
    caller: &Caller,
    member: &Member,
    task: &store::tasks::Task,
) -> Result<Seen, ToolError> {
    let lasting = &generation.lasting;
    let session_id = format!("{}/{}", member.name(), task.session);
    let is_kept = lasting
        .outbox
        .queued(&session_id)
        .iter()
        .any(|(message, _)| message.id == task.id);
    if is_kept
        || lasting
            .senders
            .waiting(&session_id)
            .iter()
            .any(|message| message.id == task.id)
    {
        return Ok(Seen::Works(Some(
            "its message waits until the session is ready for it".into(),
        )));
    }
    if let Err(full) = caller.enter_wait() {
        return Ok(unseen(&full.to_string()));
    }
    let mut deed = Deed::new(member, &task.session, Kind::Message, receipt(task));
    deed.message_id = Some(task.id.clone());
    deed.after = task.after.clone();
    let report = deed.report_of_end(caller, lasting, Instant::now() + SETTLES).await;
    Ok(match report {
        Some(answer) => Seen::Over(Box::new(answer)),
        None => Seen::Works(None),
    })
}

/// What was said of the message when it was given.
fn receipt(task: &store::tasks::Task) -> Receipt {
    let first = read(&task.first).structured.unwrap_or_default();
    match first["receipt"].as_str() == Some(Receipt::Unconfirmed.name()) {
        true => Receipt::Unconfirmed,
        // It waits no more.
        false => Receipt::Submitted,
    }
}

/// What an own tool answers once its session is at rest, or gone: what it says now, or otherwise what it said first, with the
/// end of its session.
async fn last(again: Option<ToolAnswer>, task: &store::tasks::Task, session: Option<Session>) -> ToolAnswer {
    if let Some(answer) = again {
        return answer;
    }
    let mut answer = read(&task.first);
    let end = match &session {
        Some(session) => {
            let summary = session.summary.as_deref().map(|summary| format!(": {summary}"));
            format!(
                "Its session is {}{}.",
                session.state.name(),
                summary.unwrap_or_default()
            )
        }
        None => "Its session is gone.".to_owned(),
    };
    let said = session.and_then(|session| session.last_output);
    let said = match said {
        Some(said) => format!("\nIt said last:\n{}", words::of_log(said, true).await),
        None => String::new(),
    };
    let text = answer.text.take().unwrap_or_default();
    answer.text = Some(format!("{text}\n{end}{said}").trim_start().to_owned());
    answer
}

/// It may go on, and why nobody can see that.
fn unseen(why: &str) -> Seen {
    Seen::Works(Some(format!("how it is cannot be seen now: {why}")))
}
