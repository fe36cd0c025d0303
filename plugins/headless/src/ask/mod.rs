//! `ask_claude`: a task for an agent on a host, by the name that users of an earlier tool know. Its caller waits for the answer
//! for a time; what takes longer goes on as a session.

mod answer;
mod place;
#[cfg(test)]
mod tests;
mod wait;

use std::time::Duration;

use berth_plugin::{Error, Result, Tool, ToolCall, ToolOutput, context, settings, ssh};
use serde::Deserialize;
use serde_json::json;

use crate::kept::asked;
use crate::kept::conversation::{Conversation, is_uuid};
use crate::kept::state::RunState;
use crate::kept::talk::Talk;
use crate::run::repeated;
use crate::run::submit::{self, Request};
use crate::setup::Setup;
use crate::setup::allowed::Allowed;
use crate::setup::projects::Place;
use crate::start::request;
use crate::talk;
use wait::Work;

/// How long an answer is waited for where the caller does not say, and at most.
const USUAL: u64 = 45;
const MOST: u64 = 50;

/// What a caller gives.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    task: String,
    context: Option<String>,
    resume_session_id: Option<String>,
    host: Option<String>,
    project: Option<String>,
    wait_seconds: Option<u64>,
}

/// The tool, for a description.
#[must_use]
pub fn tool() -> Tool {
    let text = |about: &str| json!({"type": "string", "description": about});
    let input = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["task"],
        "properties": {
            "task": text("What the agent is to do."),
            "context": text("What it should know first; it reads this before the task."),
            "resume_session_id": text("The conversation to go on with: the `session_id` of an earlier answer. Without it, a new one begins."),
            "host": text("The host to work on. It may be left out if there is one, if only one has the project, or with `resume_session_id`."),
            "project": text("The directory to work in, relative to the granted directories of the host, such as \"app\"; otherwise the first of those."),
            "wait_seconds": {
                "type": "integer", "minimum": 0,
                "description": "How long to wait for the answer: 45 if not given, and at most 50.",
            },
        },
    });
    let output = json!({
        "type": "object",
        "required": ["session_id", "state", "is_error"],
        "properties": {
            "session_id": {"type": "string"},
            "state": {"type": "string", "enum": RunState::ALL.map(RunState::name)},
            "is_error": {"type": "boolean"},
            "answer": {"type": "string"},
            "error": {"type": "string"},
            "cost_usd": {"type": "number"},
            "duration_ms": {"type": "integer"},
            "turns": {"type": "integer"},
        },
    });
    Tool::new(
        "ask_claude",
        "Ask an agent on a host",
        "Gives a coding agent on one of your machines a task, and answers with what it says and the `session_id` of the \
         conversation. What takes longer than `wait_seconds` goes on: get_session_status and get_logs with that id tell how. \
         Tasks of one conversation, and of one project, are done one after the other.",
    )
    .input(&input)
    .output(&output)
}

/// Carries out a call of it. Repeated with its id, it begins nothing and answers how that task is now.
///
/// # Errors
/// Nothing was begun, and why. What goes wrong afterwards is part of the answer.
pub fn call(setup: &Setup, call: &ToolCall) -> Result<ToolOutput> {
    let asked: Asked = call.arguments()?;
    let session = asked.session()?;
    if let Some(work) = known(&call.id, session.as_deref())? {
        return answer::told(&wait::look(&work), None);
    }
    let work = begin(setup, &call.id, &asked, session.as_deref())?;
    let wanted = asked.wait_seconds.unwrap_or(USUAL);
    let capped = (wanted > MOST).then(|| {
        format!(
            "It was waited for {MOST} seconds at most, not {wanted}; get_session_status with wait_seconds waits longer."
        )
    });
    let seen = wait::wait(&work, Duration::from_secs(wanted.min(MOST)));
    answer::told(&seen, capped)
}

/// What an earlier call with this id has begun.
fn known(call: &str, session: Option<&str>) -> Result<Option<Work>> {
    if let Some(sent) = asked::find(call)? {
        return Ok(Some(Work::Message(call.to_owned(), sent)));
    }
    let seen = repeated::find(call, session)?;
    Ok(seen.map(|seen| Work::Run(seen.note.run(&seen.job).to_owned(), Box::new(seen.note))))
}

/// Begins what is asked for: a run, or a message where a person leads the conversation.
fn begin(setup: &Setup, call: &str, asked: &Asked, session: Option<&str>) -> Result<Work> {
    if !context::may_act() {
        return Err(Error::NotFound(
            "it is not known any more what became of this task".to_owned(),
        ));
    }
    let prompt = asked.prompt()?;
    if let Some(id) = session
        && let Some(led) = Talk::find(id)?
    {
        return message(setup, call, asked, id, led, &prompt);
    }
    let (host, place) = match session.map(Conversation::find).transpose()?.flatten() {
        Some(kept) if kept.host.is_some() => goes_on(setup, asked, session.unwrap_or_default(), &kept)?,
        _ => place::find(setup, &hosts(asked)?, given(&asked.project))?,
    };
    let request = Request {
        place,
        prompt: &prompt,
        task: &asked.task,
        session,
        allowed: Allowed {
            tools: setup.settings.tools.clone(),
            left_out: Vec::new(),
        },
        timeout: setup.settings.run_timeout,
    };
    let run = ssh::on(&host, || submit::begin(setup, call, request))?;
    Ok(Work::Run(run.id, Box::new(run.note)))
}

fn message(setup: &Setup, call: &str, asked: &Asked, id: &str, led: Talk, prompt: &str) -> Result<Work> {
    let kept = Conversation {
        host: led.host,
        project: led.project,
        directory: led.directory,
        ..Conversation::default()
    };
    goes_on(setup, asked, id, &kept)?;
    talk::asked::send(setup, call, id, &kept.project, prompt)?;
    let sent = asked::find(call)?.ok_or_else(|| Error::Failed("the task is not kept any more".to_owned()))?;
    Ok(Work::Message(call.to_owned(), sent))
}

/// The hosts that may be meant.
fn hosts(asked: &Asked) -> Result<Vec<String>> {
    let hosts = ssh::hosts();
    match given(&asked.host) {
        _ if hosts.is_empty() => Ok(hosts),
        Some(host) if hosts.iter().any(|known| known == host) => Ok(vec![host.to_owned()]),
        Some(host) => Err(Error::Invalid(format!(
            "there is no host {host:?} here: there are {}",
            hosts.join(", ")
        ))),
        None if hosts.len() > 1 && given(&asked.project).is_none() => Err(Error::Invalid(format!(
            "say on which `host`, or in which `project`: the hosts are {}",
            hosts.join(", ")
        ))),
        None => Ok(hosts),
    }
}

/// Where a conversation goes on: where it is, which is what the caller names if anything.
fn goes_on(setup: &Setup, asked: &Asked, id: &str, kept: &Conversation) -> Result<(String, Place)> {
    let host = kept.host.clone().unwrap_or_default();
    if given(&asked.host).is_some_and(|named| named != host) {
        return Err(Error::Invalid(format!(
            "conversation {id} is on host {host}: leave `host` out, or start afresh without `resume_session_id`"
        )));
    }
    let project = given(&asked.project).unwrap_or(&kept.directory);
    let (host, place) = place::find(setup, &[host], Some(project))?;
    if place.directory != kept.directory {
        return Err(Error::Invalid(format!(
            "conversation {id} works in {}, and not in {}: leave `project` out, or start afresh without `resume_session_id`",
            kept.directory, place.directory
        )));
    }
    // In the queue of its project, whatever that is called now, so that nothing else of it runs meanwhile.
    let name = kept.project.clone();
    Ok((host, Place { name, ..place }))
}

impl Asked {
    /// What the agent reads.
    fn prompt(&self) -> Result<String> {
        request::check("task", &self.task)?;
        let prompt = match given(&self.context) {
            Some(context) => format!("{context}\n\n{}", self.task),
            None => self.task.clone(),
        };
        request::check("context", &prompt)?;
        Ok(prompt)
    }

    /// The id of the conversation with which it goes on, with this backend before it or without.
    fn session(&self) -> Result<Option<String>> {
        let Some(written) = given(&self.resume_session_id) else {
            return Ok(None);
        };
        let id = own_id(written)?.to_ascii_lowercase();
        match is_uuid(&id) {
            true => Ok(Some(id)),
            false => Err(Error::Invalid(format!(
                "`resume_session_id` {written:?} is not the id of such a conversation: give the `session_id` of an earlier \
                 answer, a UUID, or leave it out to start afresh"
            ))),
        }
    }
}

/// The id without the backend before it, which must be this one: another one may have a session of the same id.
fn own_id(written: &str) -> Result<&str> {
    let Some((named, id)) = written.split_once('/') else {
        return Ok(written);
    };
    let own = settings::backend()?;
    if own.as_deref() == Some(named) {
        return Ok(id);
    }
    Err(Error::Invalid(match own {
        Some(own) => format!(
            "`resume_session_id` {written:?} is a session of the backend {named:?}, and this is {own:?}: give the `session_id` \
             of an earlier answer of this one, or leave it out to start afresh"
        ),
        None => format!(
            "`resume_session_id` {written:?} names a backend, and this berth does not tell which one this is: give the id \
             alone, the part after `{named}/`"
        ),
    }))
}

/// An argument that is not empty.
fn given(argument: &Option<String>) -> Option<&str> {
    argument.as_deref().map(str::trim).filter(|text| !text.is_empty())
}
