//! `berth stop`: the end of a session.

use std::process::ExitCode;

use berth::assemble::Setup;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::answered;
use super::connection::Connection;
use super::named::{self, By};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The session's id or name
    name: String,
    /// Print the structured answer
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(setup: &Setup, options: Options, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    let ended = Connection::with(setup, &shutdown, async |connection| {
        let session_id = named::session_id(connection, &options.name, By::Whole).await?;
        let arguments = json!({"session_id": session_id});
        connection.ask("terminate_session", arguments).await
    })
    .await?;
    answered::show(&ended, options.json)
}
