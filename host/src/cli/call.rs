//! `berth call`: one tool, as a client would call it.

use std::process::ExitCode;

use anyhow::Context;
use berth::assemble::Setup;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::answered;
use super::connection::Connection;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The tool, such as list_sessions
    tool: String,
    /// Its arguments, as a JSON object
    #[arg(default_value = "{}", value_name = "JSON")]
    arguments: String,
    /// Print the structured answer
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(setup: &Setup, options: Options, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    let arguments = read(&options.arguments)?;
    let call = async |connection: &Connection| connection.call(&options.tool, arguments).await;
    answered::show(&Connection::with(setup, &shutdown, call).await?, options.json)
}

fn read(text: &str) -> anyhow::Result<Map<String, Value>> {
    serde_json::from_str(text).with_context(|| {
        format!("the arguments are not a JSON object: {text}; write them like '{{\"session_id\": \"local/x\"}}'")
    })
}
