//! `berth tools`: what clients see.

use std::process::ExitCode;

use berth::assemble::Setup;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::call::Connection;
use super::print;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Print the tools with their schemas, as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(setup: &Setup, options: Options, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    let connection = Connection::open(setup, &shutdown).await?;
    let tools = connection.client.tools().await;
    connection.close().await;
    let tools = tools?;
    if options.json {
        print::line(&serde_json::to_string_pretty(&tools)?);
    } else {
        print::table(
            &["tool", "", "what it does"],
            &tools.iter().map(row).collect::<Vec<_>>(),
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn row(tool: &Value) -> Vec<String> {
    let text = |field: &str| tool[field].as_str().unwrap_or_default().to_owned();
    let access = match tool["annotations"]["readOnlyHint"].as_bool() {
        Some(true) => "reads",
        _ => "acts",
    };
    vec![text("name"), access.into(), text("description")]
}
