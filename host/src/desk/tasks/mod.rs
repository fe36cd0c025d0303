//! Tasks: calls that were answered while their work goes on. A client asks how a task is, answers what its session asks, and
//! cancels it.
//!
//! A task does not carry out anything: it is the call as it was made, kept in the store, and what can be said of it is
//! found out each time from its backend. Only what it came to in the end is kept, since that must not change any more.

mod asks;
mod cancel;
mod now;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::{Instant, SystemTime};

use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::form::Form;
use super::showing::time;
use super::{Caller, Desk, Filled, Generation, ToolAnswer, ToolError, log_line};
use crate::catalog::{Catalog, Request};
use crate::store;
use crate::store::Recorder;
use crate::store::audit::{Entry, Event, Outcome};
use crate::store::tasks::KEPT;
use crate::watch::now;

/// Bytes of the arguments that are kept of a call, and of what it comes to.
const ARGUMENTS: usize = 256 << 10;
const ANSWER: usize = 1 << 20;
/// What a call attaches, which is not kept.
const ATTACHED: &str = "attachments";

/// A task that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub id: String,
    /// When it was begun, as clients are told times.
    pub created: String,
    /// For how many milliseconds from then on it is known.
    pub kept: u64,
}

/// A task as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// What was said when it was begun.
    pub accepted: Accepted,
    /// The tool that was called.
    pub tool: String,
    /// When this was so, as clients are told times.
    pub updated: String,
    /// How it is, in words.
    pub message: Option<String>,
    /// How it is.
    pub now: Now,
}

/// How a task is.
#[derive(Debug, Clone, PartialEq)]
pub enum Now {
    /// Its session is at work, or waits for what is not asked here.
    Working,
    /// Its session asks: a form for each question. The state of each is the name under which its answer comes back.
    Asks(Vec<Form>),
    /// What its tool answers now.
    Answered(Box<ToolAnswer>),
    /// It was cancelled.
    Cancelled,
}

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    text: Option<String>,
    structured: Option<Value>,
    failed: bool,
}

impl Desk {
    /// Makes a task of a call of `caller` whose work goes on, as its `answer` says. Nothing where none goes on, or no task can
    /// be kept: then the answer itself is what there is.
    pub async fn accept(
        &self,
        caller: &Caller,
        name: &str,
        mut given: Map<String, Value>,
        answer: &ToolAnswer,
    ) -> Option<Accepted> {
        let goes_on = answer.goes_on.as_deref().filter(|_| takes(caller))?;
        let generation = self.present();
        given.remove(ATTACHED);
        let arguments = Value::Object(given).to_string();
        let first = kept(answer).filter(|first| first.len().max(arguments.len()) <= ARGUMENTS)?;
        let task = store::tasks::Task {
            id: goes_on.id.clone(),
            principal: caller.principal.id().to_owned(),
            tool: name.to_owned(),
            arguments,
            backend: goes_on.backend.clone(),
            meaning: generation.meaning(&goes_on.backend)?.to_owned(),
            session: goes_on.session.clone(),
            after: goes_on.after.clone(),
            first,
            created: now(),
            ended: None,
            answer: None,
        };
        let accepted = Accepted::of(&task);
        let put = self.in_tasks(move |tasks| tasks.put(&task)).await;
        match put {
            Ok(true) => Some(accepted),
            Ok(false) => None,
            Err(why) => {
                tracing::warn!("a call is answered without a task, which cannot be kept: {why}");
                None
            }
        }
    }

    /// How the task `id` is. What its session asks is put into forms where the caller shows some.
    ///
    /// # Errors
    /// There is no such task for the caller, or it may not call its tool any more.
    pub async fn task(&self, caller: &Caller, id: &str) -> Result<Task, ToolError> {
        let generation = self.present();
        let task = self.known(&generation, caller, id).await?;
        Box::pin(now::now(self, &generation, caller, task)).await
    }

    /// Answers what the session of the task `id` asks: each question under its name; none: its form was closed. What is not
    /// asked any more is passed over.
    ///
    /// # Errors
    /// As for [`Desk::task`]; or an answer was refused, and why.
    pub async fn answer_task(
        &self,
        caller: &Caller,
        recorder: &Recorder,
        id: &str,
        answers: BTreeMap<String, Option<Filled>>,
    ) -> Result<(), ToolError> {
        let generation = self.present();
        let task = self.known(&generation, caller, id).await?;
        let told = |filled: &Filled| json!({"choices": filled.choices, "text": filled.text});
        let told: Map<String, Value> = answers
            .iter()
            .map(|(key, filled)| (key.clone(), filled.as_ref().map(told).unwrap_or_default()))
            .collect();
        let entry = entry(&generation, caller, recorder, "tasks/update", &task, told);
        let work = asks::answer(&generation, caller, &task, answers);
        recorded(recorder, entry, Box::pin(work)).await
    }

    /// Stops the work of the task `id`. It is a success where that is over.
    ///
    /// # Errors
    /// As for [`Desk::task`]; or it cannot be stopped, and why.
    pub async fn cancel_task(&self, caller: &Caller, recorder: &Recorder, id: &str) -> Result<(), ToolError> {
        let generation = self.present();
        let task = self.known(&generation, caller, id).await?;
        let entry = entry(&generation, caller, recorder, "tasks/cancel", &task, Map::new());
        let work = cancel::cancel(self, &generation, caller, task);
        recorded(recorder, entry, Box::pin(work)).await
    }

    /// The task `id`, if it is one of this caller's, about a backend that it may know of.
    async fn known(&self, generation: &Generation, caller: &Caller, id: &str) -> Result<store::tasks::Task, ToolError> {
        let own = id.to_owned();
        let found = self.in_tasks(move |tasks| tasks.get(&own, now())).await;
        let found = found.map_err(|why| ToolError::new(format!("the tasks cannot be read: {why}")))?;
        let is_own = |task: &store::tasks::Task| {
            takes(caller)
                && task.principal == caller.principal.id()
                && generation.reach(caller).view.holds(&task.backend)
                && generation.meaning(&task.backend) == Some(&task.meaning)
        };
        // Who asks for another's is told the same as who asks for none.
        found
            .filter(is_own)
            .ok_or_else(|| ToolError::refused("there is no such task"))
    }

    /// Notes that the work of a task is over, and what its tool answers then.
    async fn end(&self, id: &str, answer: Option<&ToolAnswer>) {
        let answer = match answer.map(kept) {
            // It is found out again each time.
            Some(kept) if kept.as_ref().is_none_or(|kept| kept.len() > ANSWER) => return,
            answer => answer.flatten(),
        };
        let own = id.to_owned();
        let noted = self
            .in_tasks(move |tasks| tasks.end(&own, now(), answer.as_deref()))
            .await;
        if let Err(why) = noted {
            tracing::warn!("the end of task {id} cannot be kept: {why}");
        }
    }

    async fn in_tasks<T: Send + 'static>(
        &self,
        work: impl FnOnce(&store::Tasks) -> Result<T, store::Error> + Send + 'static,
    ) -> Result<T, String> {
        let tasks = self.lasting.tasks.clone();
        match tokio::task::spawn_blocking(move || work(&tasks)).await {
            Ok(done) => done.map_err(|error| error.to_string()),
            Err(fault) => Err(fault.to_string()),
        }
    }
}

impl Accepted {
    fn of(task: &store::tasks::Task) -> Self {
        Self {
            id: task.id.clone(),
            created: time(task.created),
            kept: u64::try_from(KEPT.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Whether there are tasks for the caller at all: what runs in a job of berth's own is answered by its tools alone.
fn takes(caller: &Caller) -> bool {
    let lineage = caller.principal.lineage();
    lineage.depth == 0 && lineage.jobs.is_empty()
}

/// What the call of a task means now.
///
/// # Errors
/// The caller may not make it any more.
fn meant<'a>(catalog: &'a Catalog, caller: &Caller, task: &store::tasks::Task) -> Result<Request<'a>, ToolError> {
    Ok(catalog.read(&caller.principal, &task.tool, given(task))?)
}

/// The arguments of the call of a task.
fn given(task: &store::tasks::Task) -> Map<String, Value> {
    serde_json::from_str(&task.arguments).unwrap_or_default()
}

/// An answer as it is kept; nothing if it has parts that are not.
fn kept(answer: &ToolAnswer) -> Option<String> {
    let kept = Kept {
        text: answer.text.clone(),
        structured: answer.structured.clone(),
        failed: answer.outcome != Outcome::Done,
    };
    serde_json::to_string(&kept).ok().filter(|_| answer.further.is_empty())
}

/// An answer that was kept.
fn read(kept: &str) -> ToolAnswer {
    let kept: Option<Kept> = serde_json::from_str(kept).ok();
    let (text, structured, failed) = kept.map_or((None, None, true), |kept| (kept.text, kept.structured, kept.failed));
    ToolAnswer {
        text,
        structured,
        further: Vec::new(),
        outcome: if failed { Outcome::Failed } else { Outcome::Done },
        goes_on: None,
    }
}

fn entry(
    generation: &Generation,
    caller: &Caller,
    recorder: &Recorder,
    method: &str,
    task: &store::tasks::Task,
    mut told: Map<String, Value>,
) -> Entry {
    told.insert("taskId".into(), task.id.clone().into());
    let (digest, text) = recorder.arguments(&told);
    Entry {
        at: SystemTime::now(),
        event: Event::Call,
        principal: caller.principal.id().to_owned(),
        tool: method.to_owned(),
        backend: task.backend.clone(),
        session: format!("{}/{}", task.backend, task.session),
        arguments: Some(digest),
        outcome: Outcome::Done,
        duration: None,
        cost: None,
        text,
        grants: Some(generation.grants()),
    }
}

/// Does `work`, which acts: it stands in the record before it begins, and with its outcome before it is answered.
async fn recorded(
    recorder: &Recorder,
    mut entry: Entry,
    work: impl Future<Output = Result<(), ToolError>>,
) -> Result<(), ToolError> {
    let began = Instant::now();
    let intention = match recorder.intend(&entry).await {
        Ok(intention) => intention,
        Err(why) => {
            entry.outcome = Outcome::Refused;
            log_line::write(recorder, &entry, None);
            return Err(super::recording::undone(why));
        }
    };
    let acted = intention.seq;
    let ended = AssertUnwindSafe(work).catch_unwind().await;
    entry.duration = Some(began.elapsed());
    entry.outcome = match &ended {
        Ok(Ok(())) => Outcome::Done,
        Ok(Err(error)) => error.outcome,
        Err(_) => Outcome::Fault,
    };
    // What cannot be written now is written as soon as that works.
    let seq = recorder.conclude(intention, entry.clone()).await.unwrap_or(acted);
    log_line::write(recorder, &entry, Some(seq));
    ended.unwrap_or_else(|fault| resume_unwind(fault))
}
