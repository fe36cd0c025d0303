//! `berth doctor`: what is wrong with this installation, and how to fix each thing.

mod answer;
mod clock;
pub(super) mod finding;
mod front;
mod git;
mod hosts;
mod places;
mod plugins;
mod public;
mod service;
mod trial;
mod trust;
mod variables;

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
        print::line(&verdict(&findings, "berth doctor"));
    }
    Ok(match fails(&findings) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// Whether something would fail.
pub(crate) fn fails(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.mark == Mark::Fail)
}

/// How it is on the whole, and what to do next; `again` is the command that has found this.
pub(crate) fn verdict(findings: &[Finding], again: &str) -> String {
    let count = |mark| findings.iter().filter(|finding| finding.mark == mark).count();
    match (count(Mark::Fail), count(Mark::Warn)) {
        (0, 0) => "\nAll is well. If berth does not run yet: berth serve".to_owned(),
        (0, warnings) => format!("\nIt works, with {warnings} to look at. If berth does not run yet: berth serve"),
        _ => format!("\nIt would not work: fix what is marked with `fail`, then {again} again"),
    }
}

/// What a start tries, beside the configuration and the plugins.
pub(crate) async fn start(setup: &Setup) -> Vec<Finding> {
    // As in `run`.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut findings = trial::examine(setup).await;
    findings.extend(variables::examine(setup));
    findings.extend(front::examine(setup).await.0);
    findings
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
            findings.extend(trial::examine(setup).await);
            findings.extend(git::examine(setup).await);
            findings.extend(hosts::examine(setup, &data).await);
            findings.extend(variables::examine(setup));
            findings.extend(service::examine(setup, &data).await);
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
