//! `berth start`: a session, here or in another directory.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use berth::assemble::Setup;
use berth::{peer, shell};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::attach::{self, Found};
use super::connection::Connection;
use super::{answered, print};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where to start it
    #[arg(default_value = ".", value_name = "DIR")]
    directory: PathBuf,
    /// The agent, such as claude; the first installed one, if left out
    #[arg(long)]
    agent: Option<String>,
    /// A name for it
    #[arg(long)]
    name: Option<String>,
    /// Another backend than the default one
    #[arg(long)]
    backend: Option<String>,
    /// A first message, sent once the agent is ready for it
    #[arg(long, short)]
    message: Option<String>,
    /// Wait up to so many seconds, at most 50, for the answer, or until the agent is ready
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u32>,
    /// Open it in this terminal
    #[arg(long, conflicts_with = "json")]
    attach: bool,
    /// Print the structured answer
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(setup: &Setup, options: Options, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    if options.attach {
        // Before a session is started that could not be opened.
        peer::ensure_outside_sessions(setup.server.sessions_may_control)?;
        attach::ensure_terminal()?;
    }
    let directory = options.directory.canonicalize();
    let directory = directory.with_context(|| format!("{} cannot be found", options.directory.display()))?;
    let arguments = json!({
        "working_dir": directory.to_str().context("the directory's name is not UTF-8, and cannot be sent")?,
        "agent": options.agent,
        "name": options.name,
        "backend": options.backend,
        "message": options.message,
        "wait_seconds": options.wait,
    });
    let create = async |connection: &Connection| connection.ask("create_session", arguments).await;
    let started = Connection::of_person(setup, &shutdown, create).await?;
    let shown = answered::show_with_hint(&started, options.json)?;
    let found = started.structured.and_then(|answer| Found::of(&answer["session"]));
    match found {
        Some(found) if options.attach => attach::join(setup, &found).await,
        Some(found) if !options.json => {
            let id = shell::word(&found.session_id);
            print::note(&format!("To open it here: berth attach {id}"));
            Ok(shown)
        }
        _ => Ok(shown),
    }
}
