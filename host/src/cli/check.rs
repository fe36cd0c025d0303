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
    let generation = prove(setup, &data).await?;
    let (members, catalog) = (generation.up(), generation.catalog());
    let asked = asked(setup, &members).await;
    let mut start = doctor::start(setup).await;
    start.extend(config::waiting(setup).map(|(what, fix)| Finding::warn("configuration", what, fix)));
    start.retain(|finding| finding.mark != Mark::Ok);
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

/// Starts every backend and merges them, without serving them.
async fn prove(setup: &Setup, data: &DataDirectory) -> anyhow::Result<Arc<Generation>> {
    let backends = assemble::start_backends(setup, data).await?;
    assemble::merge(setup, backends)
}
