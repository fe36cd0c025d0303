//! What a caller of `ask_claude` is told: the agent's own words first, then the facts of an earlier tool, by its names.

use berth_plugin::{Result, ToolOutput};
use serde_json::{Map, Value, json};

use crate::ask::wait::Seen;
use crate::kept::state::RunState;

/// The answer to a call; `more` is a further note.
pub(super) fn told(seen: &Seen, more: Option<String>) -> Result<ToolOutput> {
    let is_over = seen.state.is_some_and(RunState::is_end);
    let is_error = is_over && seen.state != Some(RunState::Done);
    let mut notes = seen.notes.clone();
    notes.extend(more.clone().filter(|_| !is_over));
    let facts = facts(seen, is_error, &notes);
    let mut text = match is_over {
        true => outcome(seen),
        false => progress(seen),
    };
    if let (Some(more), false) = (more, is_over) {
        text = format!("{text}\n{more}");
    }
    let mut output = ToolOutput::text(format!("{text}\n\n{}", line(&facts))).structured(&Value::Object(facts))?;
    if is_error {
        output = output.failed();
    }
    if !is_over {
        output = output.session(&seen.conversation);
    }
    Ok(match seen.cost {
        Some(cost) => output.fact("cost-usd", format!("{cost:.4}")),
        None => output,
    })
}

fn facts(seen: &Seen, is_error: bool, notes: &[String]) -> Map<String, Value> {
    let is_over = seen.state.is_some_and(RunState::is_end);
    let facts = json!({
        "session_id": seen.conversation,
        // What is begun and cannot be looked at is at work, as far as anyone knows.
        "state": seen.state.unwrap_or(RunState::Running).name(),
        "is_error": is_error,
        "answer": Some(&seen.said).filter(|said| is_over && !said.is_empty()),
        "error": seen.error,
        "cost_usd": seen.cost,
        "duration_ms": seen.duration,
        "turns": seen.turns,
        "host": seen.host,
        "project": seen.project,
        "directory": Some(&seen.directory).filter(|directory| !directory.is_empty()),
        "doing": seen.doing,
        "questions": Some(seen.questions).filter(|questions| *questions > 0),
        "denied": Some(&seen.denied).filter(|denied| !denied.is_empty()),
        "note": Some(notes.join(" ")).filter(|note| !note.is_empty()),
    });
    let facts = facts.as_object().cloned().unwrap_or_default();
    facts.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

/// The facts that go on one line below the text.
fn line(facts: &Map<String, Value>) -> String {
    let shown = ["session_id", "host", "cost_usd", "duration_ms", "turns", "denied"];
    let parts = shown.iter().filter_map(|name| {
        let value = match facts.get(*name)? {
            Value::String(text) => text.clone(),
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "),
            other => other.to_string(),
        };
        Some(format!("{name}: {value}"))
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// What came of it, in words.
fn outcome(seen: &Seen) -> String {
    let said = match seen.said.as_str() {
        "" => "The agent said nothing.",
        said => said,
    };
    let end = match seen.state {
        Some(RunState::Done) | None => return said.to_owned(),
        Some(RunState::Cancelled) => "It was cancelled",
        Some(RunState::Interrupted) => "It was interrupted",
        Some(_) => "The agent failed",
    };
    let end = match &seen.error {
        Some(why) => format!("{end}: {why}"),
        None => format!("{end}."),
    };
    match seen.said.is_empty() || seen.error.as_deref() == Some(&seen.said) {
        true => end,
        false => format!("{end}\n\nIt said:\n{said}"),
    }
}

/// How it goes, and how to learn more, in words.
fn progress(seen: &Seen) -> String {
    let how = match (seen.state, seen.questions) {
        (_, 1..) => {
            "It waits for a person to answer what it asks: check_prompts shows that, respond_to_prompt answers it"
        }
        (Some(RunState::Queued), _) => "It waits for its turn",
        (Some(_), _) => "It is at work",
        (None, _) => "It was begun",
    };
    let doing = seen
        .doing
        .as_ref()
        .map(|doing| format!(" ({doing})"))
        .unwrap_or_default();
    format!(
        "{how}{doing}, and goes on without this call. get_session_status and get_logs with its session_id tell how it goes, and \
         what it answers. A further task with that as resume_session_id waits for this one."
    )
}
