//! `berth hosts adopt`: the jobs that another installation has on a host, shown to a person and taken over if they say so.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use berth::assemble::{Host, Links, Setup, jobs_on};
use berth::config::Installation;
use berth::jobs::{AllJobs, Foreign};
use berth::machine::job::There;
use berth::machine::job::sh::{self, is_installation};
use berth::owner::{self, Deed};
use berth::store::DataDirectory;

use crate::cli::print;

#[derive(clap::Args)]
pub(super) struct Adopt {
    /// The host, by its name in [hosts]
    name: String,
    /// The installation whose jobs there are taken over; without it, those that have jobs there are listed
    id: Option<String>,
}

pub(super) async fn run(
    options: &Adopt,
    path: Option<&Path>,
    installation: Installation<'_>,
) -> anyhow::Result<ExitCode> {
    super::ensure_person("berth hosts adopt", super::WHOSE)?;
    let setup = Setup::load(path, &installation)?;
    let host = setup.hosts.get(&options.name);
    let host = host.with_context(|| super::no_host(&options.name, setup.hosts.keys()))?;
    let data = DataDirectory::open(&setup.server.data, &setup.server.cache)?;
    if let Some(id) = &options.id {
        ensure_other(id, &data, host)?;
    }
    let ours = jobs_on(host, &Links::new(&data), &data).await?;
    let others = ours.others().await?;
    let Some(id) = &options.id else {
        return Ok(list(host, &others));
    };
    let foreign = look(&setup, &data, &ours, host, id).await?;
    if foreign.backends().is_empty() && foreign.elsewhere.is_empty() && foreign.untold == 0 {
        bail!(
            "nothing of the installation {id} is on {}; {}",
            host.written.name,
            there_are(&others)
        );
    }
    show(host, id, &foreign);
    if foreign.backends().is_empty() {
        bail!("there is nothing that can be taken over, and everything stays as it is");
    }
    if !print::agrees("Take these over?")? {
        bail!("nothing was taken over, and everything stays as it is");
    }
    let deed = Deed::Adopt {
        host: host.written.name.clone(),
        installation: id.clone(),
    };
    let told = owner::order(&setup, deed).await?;
    let lines: Vec<String> = told.lines.iter().map(|line| print::safe(line)).collect();
    if !told.done {
        bail!("{}", lines.join("\n"));
    }
    lines.iter().for_each(|line| print::line(line));
    Ok(ExitCode::SUCCESS)
}

/// Makes sure that `id` can be what another installation is called.
fn ensure_other(id: &str, data: &DataDirectory, host: &Host) -> anyhow::Result<()> {
    let name = &host.written.name;
    if !is_installation(id) {
        bail!(
            "`{}` is not what an installation is called: that is 16 of 0-9 and a-f, as in the file `installation` of its data \
             directory; `berth hosts adopt {name}` lists those that have jobs there",
            print::safe(id)
        );
    }
    if data.installation()? == id {
        bail!("{id} is this installation, whose jobs need not be taken over; `berth jobs` lists them");
    }
    Ok(())
}

async fn look(setup: &Setup, data: &DataDirectory, ours: &There, host: &Host, id: &str) -> anyhow::Result<Foreign> {
    let backends: Vec<&str> = setup
        .on(&host.written.name)
        .map(|backend| &*backend.written.name)
        .collect();
    let all = AllJobs::unattended(data.clone());
    Ok(all.foreign(ours, &ours.of(id), &backends).await?)
}

fn list(host: &Host, others: &[sh::Installation]) -> ExitCode {
    let name = &host.written.name;
    match others.is_empty() {
        true => print::note(&format!("No other installation has jobs on {name}.")),
        false => {
            let row = |other: &sh::Installation| vec![other.id.clone(), other.jobs.to_string(), other.open.to_string()];
            let rows: Vec<_> = others.iter().map(row).collect();
            print::table(&["installation", "jobs", "not ended"], &rows);
            print::note(&format!(
                "To take over the jobs of one: berth hosts adopt {name} INSTALLATION"
            ));
        }
    }
    ExitCode::SUCCESS
}

/// The installations that have jobs there, in words.
fn there_are(others: &[sh::Installation]) -> String {
    let told = |other: &sh::Installation| format!("{} ({} jobs, {} not ended)", other.id, other.jobs, other.open);
    match others {
        [] => "no other installation has jobs there".to_owned(),
        others => format!("there are: {}", others.iter().map(told).collect::<Vec<_>>().join(", ")),
    }
}

/// What a person decides about.
fn show(host: &Host, id: &str, foreign: &Foreign) {
    let name = &host.written.name;
    print::line(&format!(
        "The installation {id} has these jobs on {name} ({}):\n",
        host.written.machine()
    ));
    let rows: Vec<Vec<String>> = foreign
        .backends()
        .into_iter()
        .map(|backend| {
            let (all, open) = foreign.of(backend);
            vec![backend.to_owned(), all.to_string(), open.to_string()]
        })
        .collect();
    if !rows.is_empty() {
        print::table(&["backend", "jobs", "not ended"], &rows);
        print::line("");
    }
    for (backend, count) in &foreign.elsewhere {
        print::line(&format!(
            "{count} of the backend {} stay there: no backend of that name is on {name} here. To take them over, add one first.",
            print::safe(backend)
        ));
    }
    if foreign.untold > 0 {
        print::line(&format!(
            "{} stay there: nothing says what they are, since an older berth began them.",
            foreign.untold
        ));
    }
    if !foreign.backends().is_empty() {
        print::line(
            "That installation has them no longer then, and tells each as cancelled, since this one has taken it over. What \
             waits there to be begun, its sessions, and what it asked or allowed stay with it.\n",
        );
    }
}
