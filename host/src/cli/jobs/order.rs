//! `berth jobs cancel` and `berth jobs prune`: what changes something.

use std::io::{IsTerminal as _, stdin};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use berth::assemble::Setup;
use berth::owner::{self, Deed};

use super::known::All;
use crate::cli::print;

#[derive(clap::Args)]
pub(super) struct Cancel {
    /// The job's whole id
    id: String,
}

#[derive(clap::Args)]
pub(super) struct Prune {
    /// Jobs that ended longer ago than this, such as 30d or 12h
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    older_than: Duration,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(super) async fn cancel(setup: &Setup, options: &Cancel) -> anyhow::Result<ExitCode> {
    let all = All::open(setup, None)?;
    let (_, known) = all.find(&options.id).await?;
    let written = options.id.rsplit('/').next();
    if written != Some(known.id()) && written != Some(&known.record.id) {
        bail!(
            "there is no job `{}`; did you mean {}?",
            print::safe(&options.id),
            print::safe(known.id())
        );
    }
    let deed = Deed::Cancel {
        backend: known.backend.clone(),
        id: known.record.id.clone(),
    };
    carry_out(setup, deed).await
}

pub(super) async fn prune(setup: &Setup, options: &Prune) -> anyhow::Result<ExitCode> {
    let before = SystemTime::now().checked_sub(options.older_than);
    let before = before.and_then(|before| before.duration_since(UNIX_EPOCH).ok());
    let before = before.context("nothing is that old")?;
    if !options.yes {
        if !stdin().is_terminal() {
            bail!("this cannot be undone; add --yes to remove them");
        }
        let age = humantime::format_duration(options.older_than);
        let asked = format!("Remove every job that ended more than {age} ago, with what it printed?");
        if !print::agrees(&asked)? {
            return Ok(ExitCode::SUCCESS);
        }
    }
    let before = u64::try_from(before.as_millis())?;
    carry_out(setup, Deed::Prune { before }).await
}

async fn carry_out(setup: &Setup, deed: Deed) -> anyhow::Result<ExitCode> {
    let told = owner::order(setup, deed).await?;
    let lines: Vec<String> = told.lines.iter().map(|line| print::safe(line)).collect();
    if !told.done {
        bail!("{}", lines.join("\n"));
    }
    lines.iter().for_each(|line| print::line(line));
    Ok(ExitCode::SUCCESS)
}
