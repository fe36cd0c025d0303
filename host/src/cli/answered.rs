//! What a tool answered, printed.

use std::process::ExitCode;

use anyhow::bail;
use berth::mcp::Called;
use berth::shell;
use serde_json::{Value, json};

use super::print;

/// Prints it for people, or with `as_json` its data. Fails if the tool did.
pub(crate) fn show(called: &Called, as_json: bool) -> anyhow::Result<ExitCode> {
    match &called.structured {
        None if as_json => print::line(&serde_json::to_string_pretty(&json!({"error": called.text}))?),
        Some(structured) if as_json => print::line(&serde_json::to_string_pretty(structured)?),
        _ if called.failed => bail!("{}", called.text.trim_end()),
        _ => print::line(called.text.trim_end()),
    }
    Ok(match called.failed {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// The same for an answer about one session: a person is also told the command that answers what it asks.
pub(crate) fn show_with_hint(called: &Called, as_json: bool) -> anyhow::Result<ExitCode> {
    let shown = show(called, as_json);
    if !as_json && let Some(command) = command(&called.structured) {
        print::note(&format!("To answer it: {command}"));
    }
    shown
}

/// The line to paste that answers the first question of the session in an answer.
fn command(answer: &Option<Value>) -> Option<String> {
    let session = &answer.as_ref()?["session"];
    let id = shell::word(session["session_id"].as_str()?);
    let prompt = shell::word(session["prompts"][0]["prompt_id"].as_str()?);
    Some(format!("berth answer {id} --prompt {prompt} yes"))
}
