//! `berth check`: checks a configuration without serving it.

mod findings;
mod text;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use berth::assemble::{self, Setup};
use berth::desk::{Generation, Member};
use berth::plugin;
use berth::store::DataDirectory;

use self::findings::Findings;
use super::doctor;
use super::doctor::finding::{Finding, Mark};
use super::{config, print};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Show everything that each backend is granted
    #[arg(long)]
    grants: bool,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(setup: &Setup, options: Options) -> anyhow::Result<ExitCode> {
    let data = DataDirectory::open(&setup.server.data, &setup.server.cache)?;
    let (generation, down) = prove(setup, &data).await?;
    let (members, catalog) = (generation.up(), generation.catalog());
    let asked = asked(setup, &members).await;
    let mut start = doctor::start(setup).await;
    start.extend(config::waiting(setup).map(|(what, fix)| Finding::warn("configuration", what, fix)));
    start.retain(|finding| finding.mark != Mark::Ok);
    start.extend(down);
    let findings = Findings::of(setup, &members, &catalog, &asked, &start);
    if options.json {
        print::line(&serde_json::to_string_pretty(&findings)?);
    } else {
        match options.grants {
            true => text::grants(&findings),
            false => text::brief(&findings),
        }
        start.iter().for_each(Finding::show);
        print::line(&doctor::verdict(&start, "berth check"));
    }
    Ok(match doctor::fails(&start) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// What the plugin of each backend asks for and is not granted, a line each.
async fn asked(setup: &Setup, members: &[Arc<Member>]) -> BTreeMap<String, Vec<String>> {
    let mut asked = BTreeMap::new();
    for member in members {
        let backend = &member.watched.backend;
        let Some(granted) = setup.backends.get(&backend.name) else {
            continue;
        };
        let lines = match backend.manifest().await {
            Ok(manifest) => manifest.map(|manifest| granted.not_granted(&manifest.grants)),
            Err(error) => Some(vec![format!("not known: {}", plugin::in_words(error))]),
        };
        asked.insert(backend.name.clone(), lines.unwrap_or_default());
    }
    asked
}

/// Starts every backend and merges them, without serving them. One on a host may be down, since that may be away: why is
/// answered with the others.
async fn prove(setup: &Setup, data: &DataDirectory) -> anyhow::Result<(Arc<Generation>, Vec<Finding>)> {
    let (mut backends, mut down) = (Vec::new(), Vec::new());
    let started = assemble::start_each(setup, data).await?;
    for (granted, started) in setup.backends.values().zip(started) {
        match started {
            Ok(backend) => backends.push(backend),
            Err(error) if granted.written.host.is_some() => down.push(Finding::error("backends", &error)),
            Err(error) => return Err(error),
        }
    }
    Ok((assemble::merge(setup, backends)?, down))
}
