//! `berth check`: proves a configuration without serving it.

mod findings;
mod text;

use std::process::ExitCode;

use berth::assemble::{self, Setup};
use berth::desk::Desk;
use berth::store::DataDirectory;

use self::findings::Findings;
use super::{config, print};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(setup: &Setup, options: Options) -> anyhow::Result<ExitCode> {
    let data = DataDirectory::open(&setup.server.data, &setup.server.cache)?;
    let desk = prove(setup, &data).await?;
    let findings = Findings::of(setup, &desk);
    if options.json {
        print::line(&serde_json::to_string_pretty(&findings)?);
    } else {
        text::show(&findings);
        if let Some((what, fix)) = config::waiting(setup) {
            print::note(&format!("\nWaiting: {what}; {fix}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Starts every backend and merges them, without serving them.
pub(super) async fn prove(setup: &Setup, data: &DataDirectory) -> anyhow::Result<Desk> {
    let backends = assemble::start_backends(setup, data).await?;
    assemble::merge(setup, backends, String::new())
}
