//! `berth ls`: the sessions, a line each.

use std::process::ExitCode;

use berth::age;
use berth::assemble::Setup;
use berth::text::short_line;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::{answered, print};

/// The most sessions of one list.
const MOST: u32 = 500;
/// Characters of what a session does.
const SHOWN: usize = 120;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only sessions in this state, such as waiting, idle or busy
    #[arg(long)]
    state: Option<String>,
    /// Only sessions of this backend
    #[arg(long)]
    backend: Option<String>,
    /// Print the structured answer
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(setup: &Setup, options: Options, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    let arguments = json!({"state": options.state, "backend": options.backend, "limit": MOST});
    let list = async |connection: &Connection| connection.ask("list_sessions", arguments).await;
    let listed = Connection::with(setup, &shutdown, list).await?;
    let answer = listed.structured.as_ref().unwrap_or(&Value::Null);
    let sessions = answer["sessions"].as_array().map_or(&[][..], Vec::as_slice);
    if options.json || listed.failed || sessions.is_empty() {
        return answered::show(&listed, options.json);
    }
    // What is not known comes first.
    for error in answer["errors"].as_array().into_iter().flatten() {
        let text = |field: &str| error[field].as_str().unwrap_or_default();
        print::note(&print::safe(&format!("Backend {}: {}", text("backend"), text("error"))));
    }
    let rows: Vec<Vec<String>> = sessions.iter().map(row).collect();
    print::rows(&["session", "state", "age", "agent", "project", "what"], &rows);
    if answer["next"].is_string() {
        print::note(&format!(
            "These are the newest {MOST}; --state or --backend lists fewer."
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn row(session: &Value) -> Vec<String> {
    let text = |field: &str| session[field].as_str().unwrap_or_default().to_owned();
    let times = ["since", "active_at", "created_at"];
    let age = times
        .into_iter()
        .find_map(|time| session[time].as_str().and_then(age::since));
    vec![
        text("session_id"),
        text("state"),
        age.unwrap_or_default(),
        text("agent"),
        place(session),
        short_line(what(session), SHOWN),
    ]
}

/// The project, or the last part of the directory.
fn place(session: &Value) -> String {
    let directory = || session["directory"].as_str()?.rsplit('/').next();
    session["project"]
        .as_str()
        .or_else(directory)
        .unwrap_or_default()
        .to_owned()
}

/// What a person wants to know first: what it asks, why to look at it, or what it does.
pub(super) fn what(session: &Value) -> &str {
    let asked = &session["prompts"][0];
    [
        &asked["detail"],
        &asked["question"],
        &session["attention"]["reason"],
        &session["summary"],
        &session["task"],
        &session["last_output"],
    ]
    .into_iter()
    .find_map(|said| said.as_str().filter(|said| !said.is_empty()))
    .unwrap_or_default()
}
