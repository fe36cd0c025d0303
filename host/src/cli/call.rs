//! `berth call`: one tool, as a client would call it.

use std::process::ExitCode;

use anyhow::{Context, bail};
use berth::assemble::Setup;
use berth::mcp::{self, Called, Client};
use berth::owner::{Owner, Ownership};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::print;

/// Bytes between this process and the server in it.
const BUFFER: usize = 64 << 10;

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
    let connection = Connection::open(setup, &shutdown).await?;
    let called = connection.call(&options.tool, arguments, &shutdown).await;
    connection.close().await;
    let called = called?;
    match called.structured {
        None if options.json => print::line(&serde_json::to_string_pretty(&json!({"error": called.text}))?),
        Some(structured) if options.json => print::line(&serde_json::to_string_pretty(&structured)?),
        _ if called.failed => bail!("{}", called.text),
        _ => print::line(called.text.trim_end()),
    }
    Ok(if called.failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn read(text: &str) -> anyhow::Result<Map<String, Value>> {
    serde_json::from_str(text).with_context(|| {
        format!("the arguments are not a JSON object: {text}; write them like '{{\"session_id\": \"local/x\"}}'")
    })
}

/// A client of the process that owns the data directory, or of an owner within this one.
pub(crate) struct Connection {
    pub(crate) client: Client,
    owner: Option<Box<Owner>>,
}

impl Connection {
    pub(crate) async fn open(setup: &Setup, shutdown: &CancellationToken) -> anyhow::Result<Self> {
        let owner = match Ownership::find(setup, "call", shutdown).await? {
            Ownership::Ours(owner) => owner,
            Ownership::Theirs(stream) => {
                return Ok(Self {
                    client: Client::connect(stream).await?,
                    owner: None,
                });
            }
        };
        let (here, there) = tokio::io::duplex(BUFFER);
        let (read, write) = tokio::io::split(there);
        tokio::spawn(mcp::serve_stream(owner.own_server(), read, write, shutdown.clone()));
        Ok(Self {
            client: Client::connect(here).await?,
            owner: Some(owner),
        })
    }

    /// The owner within this process; none: it is another one.
    pub(crate) fn owner(&self) -> Option<&Owner> {
        self.owner.as_deref()
    }

    /// Calls a tool. Where another process is the owner, the end of this one ends the waiting.
    async fn call(
        &self,
        tool: &str,
        arguments: Map<String, Value>,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Called> {
        let call = self.client.call(tool, arguments);
        if self.owner.is_some() {
            return call.await;
        }
        let called = shutdown.run_until_cancelled(call).await;
        called.context("left before the answer came; what has begun continues: berth audit shows its outcome")?
    }

    /// Ends the owner within this process, if there is one.
    pub(crate) async fn close(self) {
        drop(self.client);
        if let Some(owner) = self.owner {
            owner.end().await;
        }
    }
}
