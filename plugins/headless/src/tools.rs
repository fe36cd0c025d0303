//! The tools that only this backend has, by the names that users of an earlier tool know. Each answers JSON, as text and as
//! data.

use berth_plugin::{Error, Result, Tool, ToolCall, ToolOutput};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::kept::asked::{self, Asked};
use crate::kept::state::RunState;
use crate::read::{beside, index};
use crate::run::submit::Submitted;
use crate::run::{cancel, repeated, submit};
use crate::setup::{Setup, projects};
use crate::shown::{list, status};
use crate::{build, read, shown, talk};

/// What names a run.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    job_id: String,
}

/// What names the conversation with which a run goes on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Continued {
    #[serde(default)]
    session_id: Option<String>,
}

/// Carries out a call.
pub(crate) fn call(setup: &Setup, call: &ToolCall) -> Result<ToolOutput> {
    if let Some(sent) = asked::find(&call.id)? {
        // A repeated call answers how it goes.
        return told_of(&sent, &call.id, Vec::new());
    }
    let starts = matches!(call.name.as_str(), "claude_run" | "claude_build");
    if starts && let Some(seen) = repeated::find(&call.id, call.arguments::<Continued>()?.session_id.as_deref())? {
        let goes_on = (!seen.state.is_end()).then_some(seen.note.conversation.as_str());
        return answer(&Value::Object(status::status(&seen, setup)), goes_on);
    }
    match call.name.as_str() {
        "claude_run" => run(setup, call),
        "claude_build" => submitted(&build::submit(setup, &call.id, &call.arguments()?)?),
        "claude_job_status" => {
            let id = call.arguments::<Named>()?.job_id;
            if let Some(asked) = asked::find(&id)? {
                return told_of(&asked, &id, Vec::new());
            }
            let seen = read::run::find(&id)?;
            answer(
                &Value::Object(status::status(&seen, setup)),
                Some(&seen.note.conversation),
            )
        }
        "claude_list_jobs" => answer(&list::list(&call.arguments()?)?, None),
        "claude_cancel_job" => cancelled(&call.arguments::<Named>()?.job_id),
        "claude_list_projects" => answer(&projects::told(setup), None),
        other => Err(Error::Invalid(format!("this backend has no tool {other}"))),
    }
}

/// A run of its own, or a message to the conversation that a person leads.
fn run(setup: &Setup, call: &ToolCall) -> Result<ToolOutput> {
    let asked: submit::Asked = call.arguments()?;
    let Some(conversation) = asked.talk()? else {
        return submitted(&submit::run(setup, &call.id, &asked)?);
    };
    talk::asked::send(setup, &call.id, &conversation, &asked.project, &asked.prompt)?;
    let Some(sent) = asked::find(&call.id)? else {
        return Err(Error::Failed("the request is not kept any more".to_owned()));
    };
    let mut notes = vec!["It is a message to a conversation that a person leads.".to_owned()];
    if asked.has_bounds() {
        notes.push("`allowedTools` and `timeoutMs` do not count there.".to_owned());
    }
    told_of(&sent, &call.id, notes)
}

/// How a request goes that is a message. Its session is named while the work goes on there.
fn told_of(sent: &Asked, id: &str, mut notes: Vec<String>) -> Result<ToolOutput> {
    let mut told = shown::asked::status(sent, id)?;
    notes.extend(told.get("note").and_then(Value::as_str).map(str::to_owned));
    if !notes.is_empty() {
        told.insert("note".to_owned(), json!(notes.join(" ")));
    }
    let goes_on = told.get("state").and_then(Value::as_str).and_then(RunState::named);
    let session = goes_on
        .filter(|state| !state.is_end())
        .map(|_| sent.conversation.as_str());
    answer(&Value::Object(told), session)
}

/// What is answered for a run that was submitted.
fn submitted(run: &Submitted) -> Result<ToolOutput> {
    // It may run already, or have ended.
    let state = berth_plugin::jobs::get(&run.id).map_or(RunState::Queued, |job| index::state(&job));
    let mut told = Map::new();
    told.insert("jobId".to_owned(), json!(run.id));
    told.insert("state".to_owned(), json!(state.name()));
    told.insert("kind".to_owned(), json!(run.note.kind));
    told.insert("project".to_owned(), json!(run.note.project));
    told.insert("sessionId".to_owned(), json!(run.note.conversation));
    let mut notes = status::start_notes(&run.note);
    notes.extend(beside::words(
        run.note.host.as_deref(),
        &run.note.directory,
        &run.note.conversation,
    ));
    if !notes.is_empty() {
        told.insert("note".to_owned(), json!(notes.join(" ")));
    }
    answer(&Value::Object(told), Some(&run.note.conversation))
}

fn cancelled(id: &str) -> Result<ToolOutput> {
    let state = match asked::find(id)? {
        Some(sent) => talk::asked::cancel(&sent, id)?,
        None => cancel::run(id)?,
    };
    answer(&json!({"ok": true, "jobId": id, "state": state.name()}), None)
}

fn answer(told: &Value, session: Option<&str>) -> Result<ToolOutput> {
    let mut output = ToolOutput::text(told.to_string()).structured(told)?;
    if let Some(session) = session {
        output = output.session(session);
    }
    if let Some(cost) = told["cost_usd"].as_f64() {
        output = output.fact("cost-usd", format!("{cost:.4}"));
    }
    Ok(output)
}

/// All of them.
pub(crate) fn all() -> Vec<Tool> {
    let text = |about: &str| json!({"type": "string", "description": about});
    let job = || text("The run, as `jobId` of an earlier answer says.");
    vec![
        Tool::new(
            "claude_run",
            "Run an agent",
            "Gives a coding agent one request in a project, without a terminal, and answers at once with the `jobId` of the \
             run. It waits for its turn, since one run works in a project at a time; `claude_job_status` tells how it goes. \
             With `sessionId` the request goes on with that conversation; if a person leads that, it is a message there.",
        )
        .input(&object(
            json!({
                "project": text("A project, as `claude_list_projects` names it."),
                "prompt": text("What the agent is to do."),
                "sessionId": text("The conversation to go on with, as an earlier answer says; without it, a new one begins."),
                "allowedTools": {
                    "type": "array", "items": {"type": "string"},
                    "description": "Tools that it may use without being asked, such as \"Read\" or \"Bash(git add:*)\". Never more than the operator allows.",
                },
                "timeoutMs": {
                    "type": "integer", "minimum": 1,
                    "description": "How long it may take, in milliseconds; usually 30 minutes, and at most 6 hours.",
                },
            }),
            &["project", "prompt"],
        ))
        .output(&told(&["jobId", "state"])),
        Tool::new(
            "claude_build",
            "Build on a branch",
            "Gives a coding agent a task in a clone of a project, and answers at once with the `jobId` of the build. What the \
             agent commits becomes the branch in the project, also if it fails or is cancelled; `claude_job_status` has the \
             commit, the diffstat and what was left.",
        )
        .input(&object(
            json!({
                "project": text("A project, as `claude_list_projects` names it. It must be a git repository."),
                "spec": text("What is to be built."),
                "branch": text("The branch for the work. One that is there already goes on, if nothing else was committed to it."),
                "baseBranch": text("Where the branch begins; otherwise where it is already, or where the project is."),
                "runTests": {
                    "type": "boolean",
                    "description": "Ask the agent to run the tests and to say how they went.",
                },
                "timeoutMs": {
                    "type": "integer", "minimum": 1,
                    "description": "How long the agent may take, in milliseconds; usually 4 hours, and at most 6.",
                },
            }),
            &["project", "spec", "branch"],
        ))
        .output(&told(&["jobId", "state"])),
        Tool::new(
            "claude_job_status",
            "Status of a run",
            "Tells how a run goes, or how it ended: its state, the end of its output, what it cost, what was denied, and why \
             it failed.",
        )
        .input(&object(json!({"jobId": job()}), &["jobId"]))
        .output(&told(&["jobId", "state"]))
        .reads(),
        Tool::new(
            "claude_list_jobs",
            "List runs",
            "Lists runs, the newest first, without their output.",
        )
        .input(&object(
            json!({
                "project": text("Only those of this project."),
                "state": {
                    "type": "string", "enum": RunState::ALL.map(RunState::name),
                    "description": "Only those in this state.",
                },
                "limit": {"type": "integer", "minimum": 1, "maximum": 500, "description": "At most so many; usually 50."},
            }),
            &[],
        ))
        .output(&json!({"type": "object", "required": ["jobs"], "properties": {"jobs": {"type": "array", "items": told(&["jobId", "state"])}}}))
        .reads(),
        Tool::new(
            "claude_cancel_job",
            "Cancel a run",
            "Cancels a run: at once where it waits; one that works is told to end, and killed after 5 seconds.",
        )
        .input(&object(json!({"jobId": job()}), &["jobId"]))
        .output(&told(&["ok", "state"]))
        .repeatable()
        .stays_here(),
        Tool::new(
            "claude_list_projects",
            "List projects",
            "Lists the projects in which an agent can run, and what of the list could not be read.",
        )
        .input(&object(json!({}), &[]))
        .output(&json!({"type": "object", "required": ["projects"], "properties": {"projects": {"type": "array", "items": {"type": "object"}}}}))
        .reads()
        .stays_here(),
    ]
}

fn object(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "additionalProperties": false, "properties": properties, "required": required})
}

/// What is told of a run; there may be more.
fn told(required: &[&str]) -> Value {
    json!({
        "type": "object",
        "required": required,
        "properties": {
            "ok": {"type": "boolean"},
            "jobId": {"type": "string"},
            "state": {"type": "string", "enum": RunState::ALL.map(RunState::name)},
            "sessionId": {"type": "string"},
            "output": {"type": "string"},
            "error": {"type": "string"},
        },
    })
}
