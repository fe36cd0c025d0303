//! `berth status`: one session.

use std::process::ExitCode;

use berth::assemble::Setup;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::answered;
use super::connection::Connection;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The session's id, or a name or beginning of one that only it has
    name: String,
    /// Wait up to so many seconds, at most 50, until it is no longer at work
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u32>,
    /// Print the structured answer
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(setup: &Setup, options: Options, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    let arguments = json!({"session_id": options.name, "wait_seconds": options.wait});
    let look = async |connection: &Connection| connection.ask("get_session_status", arguments).await;
    let seen = Connection::with(setup, &shutdown, look).await?;
    answered::show_with_hint(&seen, options.json)
}
