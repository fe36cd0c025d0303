//! `berth send`: a message to a session.

use std::io::read_to_string;
use std::process::ExitCode;

use berth::assemble::Setup;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::answered;
use super::connection::Connection;
use super::named::{self, By};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The session's id, or a name or beginning of one that only it has
    name: String,
    /// The message; - reads it from standard input
    message: String,
    /// Wait up to so many seconds, at most 50, for the result
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u32>,
    /// Print the structured answer
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(setup: &Setup, options: Options, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    let message = match options.message.as_str() {
        "-" => read_to_string(std::io::stdin())?.trim_end().to_owned(),
        message => message.to_owned(),
    };
    let sent = Connection::with(setup, &shutdown, async |connection| {
        let session_id = named::session_id(connection, &options.name, By::Beginning).await?;
        let arguments = json!({"session_id": session_id, "message": message, "wait_seconds": options.wait});
        connection.ask("send_message", arguments).await
    })
    .await?;
    answered::show_with_hint(&sent, options.json)
}
