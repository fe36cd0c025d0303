//! `berth tools`: what clients see.

use std::process::ExitCode;
use std::time::Duration;

use berth::assemble::Setup;
use berth::desk::Condition;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::print;

/// How long backends may take to come up.
const COME_UP: Duration = Duration::from_mins(1);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Print the tools with their schemas, as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(setup: &Setup, options: Options, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    let connection = Connection::open(setup, &shutdown).await?;
    if let Some(owner) = connection.owner() {
        let generation = owner.desk.present();
        shutdown.run_until_cancelled(generation.settled(COME_UP)).await;
        for (name, condition) in generation.conditions() {
            match condition {
                Condition::Up(_) => {}
                Condition::ComingUp => print::note(&format!(
                    "Backend {name} is still coming up: its own tools are missing."
                )),
                Condition::Down { why, .. } => {
                    print::note(&format!(
                        "Backend {name} is down, and its own tools are missing: {}",
                        print::safe(&why)
                    ));
                }
            }
        }
    }
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
