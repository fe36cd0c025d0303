//! What goes to an agent, and what it printed as a person reads it.

use serde_json::json;

use super::line::{Event, Line, Part};

/// Bytes of a line that is shown although it is not one of the agent's.
const RAW: usize = 64 << 10;

/// A message to the agent, as a line of its standard input.
#[must_use]
pub fn message(text: &str) -> String {
    let message = json!({"type": "user", "message": {"role": "user", "content": text}});
    format!("{message}\n")
}

/// A line that the agent printed, as a person reads it: what it said, and which tools it called. Nothing for what only
/// programs need. A line that is not one of the agent's stands as it is.
#[must_use]
pub fn printed(line: &[u8]) -> String {
    let Some(read) = Line::read(line) else {
        return match line.len() {
            0..=RAW => String::from_utf8_lossy(line).trim_end().to_owned(),
            _ => "[a line that is too long is not shown]".to_owned(),
        };
    };
    match read.event {
        Event::Said { parts, by_helper, .. } => {
            let shown = |part| match part {
                Part::Text(text) if by_helper => format!("[helper] {text}"),
                Part::Text(text) => text,
                Part::Tool { name, with } => format!("[{name}] {with}").trim_end().to_owned(),
            };
            let shown: Vec<String> = parts.into_iter().map(shown).collect();
            shown.join("\n")
        }
        Event::ToolsFailed(failed) => {
            let failed: Vec<String> = failed.iter().map(|why| format!("[failed] {why}")).collect();
            failed.join("\n")
        }
        Event::Denied { tool, .. } => format!("[denied] {tool}"),
        Event::Retry(why) => format!("[waits] {why}"),
        Event::Limited(_) => "[waits] the model's usage limit is reached".to_owned(),
        Event::Result(answer) => ended(&answer.errors, answer.is_error, &answer.text),
        Event::Begun | Event::Other => String::new(),
    }
}

/// The answer itself was said before; an error was not.
fn ended(errors: &[String], is_error: bool, text: &str) -> String {
    match (errors, is_error) {
        ([], false) => String::new(),
        ([], true) => format!("[error] {text}"),
        (errors, _) => format!("[error] {}", errors.join("; ")),
    }
}
