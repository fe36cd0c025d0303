//! `berth jobs`: a line for each job.

use std::collections::BTreeMap;
use std::process::ExitCode;

use berth::age;
use berth::assemble::Setup;
use berth::text::short_line;
use tokio_util::sync::CancellationToken;

use super::follow::{POLL, pause};
use super::known::{All, Known};
use super::progress::Progress;
use super::time::shown;
use crate::cli::print;

/// Characters of what a job is for, or does.
const SHOWN: usize = 120;

#[derive(clap::Args)]
pub(super) struct List {
    /// Only jobs in this state, such as queued, running or failed
    #[arg(long)]
    state: Option<String>,
    /// Only jobs of this backend
    #[arg(long)]
    backend: Option<String>,
    /// How many, the newest
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Go on with what changes, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// Print each job as one line of JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(setup: &Setup, options: &List, shutdown: &CancellationToken) -> anyhow::Result<ExitCode> {
    if options.follow {
        return follow(setup, options, shutdown).await;
    }
    let jobs = newest(setup, options).await?;
    let progress = Progress::of(setup, &jobs, shutdown).await;
    if options.json {
        for known in &jobs {
            print::line(&json(known, &progress));
        }
    } else if jobs.is_empty() {
        print::note("There are no such jobs.");
    } else {
        let rows: Vec<Vec<String>> = jobs.iter().map(|known| row(known, &progress)).collect();
        print::rows(&["job", "backend", "state", "age", "queue", "what"], &rows);
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints each job when it has changed.
async fn follow(setup: &Setup, options: &List, shutdown: &CancellationToken) -> anyhow::Result<ExitCode> {
    let mut printed: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let jobs = newest(setup, options).await?;
        let progress = Progress::of(setup, &jobs, shutdown).await;
        // The newest comes last, as in a log.
        for known in jobs.iter().rev() {
            let seen = match known.unreached() {
                // Each try to reach the host may say it in other words.
                Some(_) => known.state().to_owned(),
                None => format!("{}\t{}", known.state(), said(known, &progress)),
            };
            if printed.insert(known.record.id.clone(), seen.clone()).as_ref() != Some(&seen) {
                match options.json {
                    true => print::line(&json(known, &progress)),
                    false => print::line(&fields(known, &progress)),
                }
            }
        }
        printed.retain(|id, _| jobs.iter().any(|known| known.record.id == *id));
        if !pause(POLL, shutdown).await {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

async fn newest(setup: &Setup, options: &List) -> anyhow::Result<Vec<Known>> {
    let all = All::open(setup, options.backend.as_deref())?;
    all.newest(options.state.as_deref(), options.limit).await
}

fn json(known: &Known, progress: &Progress) -> String {
    berth::text::clean_json(known.json(progress.of_job(known))).to_string()
}

fn fields(known: &Known, progress: &Progress) -> String {
    let time = shown(known.since());
    let said = said(known, progress);
    let fields = [
        &time,
        known.id(),
        &known.backend,
        known.state(),
        &known.record.queue,
        &said,
    ];
    fields.map(print::safe).join("  ")
}

fn row(known: &Known, progress: &Progress) -> Vec<String> {
    vec![
        known.id().to_owned(),
        known.backend.clone(),
        known.state().to_owned(),
        age(known.since()),
        known.record.queue.clone(),
        said(known, progress),
    ]
}

/// What it is for, with what it does, why that is not known, or how it ended.
fn said(known: &Known, progress: &Progress) -> String {
    let what = match progress.of_job(known) {
        Some(told) => format!("{} — {}", short_line(&known.what(), SHOWN), told),
        None => known.what(),
    };
    if let Some(why) = known.unreached() {
        return format!("{} — {}", short_line(&what, SHOWN), short_line(why, 3 * SHOWN));
    }
    match &known.record.reason {
        Some(reason) if known.has_ended() => short_line(&format!("{reason} — {what}"), SHOWN),
        _ => short_line(&what, 2 * SHOWN),
    }
}

/// How long ago a time was, in milliseconds since 1970.
fn age(at: u64) -> String {
    age::since(&shown(at)).unwrap_or_default()
}
