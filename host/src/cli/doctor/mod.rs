//! `berth doctor`: what is wrong with this installation, and how to fix each thing.

mod clock;
mod finding;
mod front;
mod places;
mod plugins;
mod public;

use std::process::ExitCode;

use berth::assemble::Setup;
use berth::store::DataDirectory;

use self::finding::{Finding, Mark};
use super::{config, print};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

/// Fails if a finding says that something would fail.
pub(crate) async fn run(setup: anyhow::Result<Setup>, options: Options) -> anyhow::Result<ExitCode> {
    // The client of the questions to the public address uses it; if one is set already, that one is just as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let findings = match setup {
        Ok(setup) => examine(&setup).await,
        Err(error) => vec![Finding::error("configuration", &error)],
    };
    if options.json {
        print::line(&serde_json::to_string_pretty(&findings)?);
    } else {
        findings.iter().for_each(Finding::show);
    }
    Ok(match findings.iter().any(|finding| finding.mark == Mark::Fail) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

async fn examine(setup: &Setup) -> Vec<Finding> {
    let file = setup.file.as_ref().map_or("the shipped one is valid".into(), |file| {
        format!("{} is valid", file.display())
    });
    let mut findings = vec![Finding::ok("configuration", file)];
    findings.extend(config::waiting(setup).map(|(what, fix)| Finding::warn("configuration", what, fix)));
    match DataDirectory::open(&setup.server.data, &setup.server.cache) {
        Ok(data) => {
            findings.extend(places::examine(setup, &data).await);
            findings.extend(plugins::examine(setup, &data).await);
        }
        Err(error) => findings.push(Finding::error("data directory", &error.into())),
    }
    let (front, runs) = front::examine(setup).await;
    findings.extend(front);
    match &setup.server.public_url {
        Some(base) => findings.extend(public::examine(base, runs).await),
        None => findings.push(clock::plausible()),
    }
    findings
}
