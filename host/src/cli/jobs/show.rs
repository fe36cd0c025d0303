//! `berth jobs show`: one job, or all that it printed.

use std::io::{self, ErrorKind, IsTerminal as _, Write as _, stdout};
use std::process::ExitCode;

use anyhow::Context as _;
use berth::assemble::Setup;
use berth::jobs::{Channel, Chunk, Jobs};
use berth::owner::{self, Printed};
use berth::text;
use tokio_util::sync::CancellationToken;

use super::follow::{POLL, POLL_OUTPUT, pause};
use super::known::{All, Known};
use super::progress::Progress;
use super::time::shown;
use crate::cli::asks::Asks;
use crate::cli::print;

/// Bytes of output that are read at a time.
const PART: u64 = 64 << 10;

#[derive(clap::Args)]
pub(super) struct Options {
    /// The job's id, or the beginning of one that only it has
    id: String,
    /// Print what it printed, all of it that is kept
    #[arg(long)]
    log: bool,
    /// The same of its standard error
    #[arg(long, conflicts_with = "log")]
    errors: bool,
    /// Go on until it ends or Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// Print the job as one line of JSON
    #[arg(long, conflicts_with_all = ["log", "errors"])]
    json: bool,
}

pub(super) async fn run(setup: &Setup, options: &Options, shutdown: &CancellationToken) -> anyhow::Result<ExitCode> {
    let all = All::open(setup, None)?;
    let (jobs, known) = all.find(&options.id).await?;
    let channel = match (options.log, options.errors) {
        (true, _) => Some(Channel::Output),
        (_, true) => Some(Channel::Errors),
        _ => None,
    };
    match channel {
        Some(channel) => log(setup, jobs, known, channel, options.follow, shutdown).await?,
        None => follow(setup, &all, jobs, known, options, shutdown).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the job, and again whenever it has changed; what it asks stands beside it.
async fn follow(
    setup: &Setup,
    all: &All,
    jobs: &Jobs,
    mut known: Known,
    options: &Options,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let (mut printed, mut is_unreached, mut asks) = (String::new(), false, Asks::default());
    loop {
        let progress = Progress::of(setup, std::slice::from_ref(&known), shutdown).await;
        let told = progress.of_job(&known);
        let shown = match options.json {
            true => text::clean_json(known.json(told)).to_string(),
            false if printed.is_empty() => described(&known, told),
            false => moment(&known, told),
        };
        // Each try to reach its host may say in other words why it is not known.
        let is_same = is_unreached && known.unreached().is_some();
        is_unreached = known.unreached().is_some();
        if shown != printed && !is_same {
            print::line(&shown);
            printed = shown;
        }
        if !options.json {
            let session = progress.session(&known).cloned().unwrap_or_default();
            asks.see(&session).iter().for_each(|line| print::note(line));
        }
        if !options.follow || known.has_ended() || !pause(POLL, shutdown).await {
            return Ok(());
        }
        known = all.again(jobs, known).await?;
    }
}

/// The job in lines.
fn described(known: &Known, progress: Option<&str>) -> String {
    let record = &known.record;
    let mut lines = vec![("job", known.id().to_owned()), ("backend", known.backend.clone())];
    lines.push(("state", moment(known, progress)));
    lines.push(("what", known.what()));
    for (field, place) in [("project", "/project"), ("branch", "/build/branch")] {
        lines.extend(known.noted(place).map(|noted| (field, noted.to_owned())));
    }
    lines.extend(known.session().map(|session| ("session", session)));
    lines.push(("queue", record.queue.clone()));
    lines.extend((!record.host.is_empty()).then(|| ("host", record.host.clone())));
    lines.push(("queued", shown(record.queued_at)));
    lines.extend(record.started_at.map(|at| ("started", shown(at))));
    lines.extend(record.finished_at.map(|at| ("ended", shown(at))));
    let printed = format!("{} bytes, and {} to standard error", record.output, record.errors);
    lines.push(("printed", printed));
    let line = |(name, value): &(&str, String)| format!("{name:<8} {}", print::safe(value));
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// How it is now.
fn moment(known: &Known, progress: Option<&str>) -> String {
    let unreached = known.unreached().map(str::to_owned);
    let more = known.outcome().or(unreached).or(progress.map(str::to_owned));
    let more = more.map(|more| format!(": {}", print::safe(&more))).unwrap_or_default();
    format!("{}{more}", print::safe(known.state()))
}

/// Prints what the job printed, from the first byte that is kept.
async fn log(
    setup: &Setup,
    jobs: &Jobs,
    mut known: Known,
    channel: Channel,
    follow: bool,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let mut output = Output::default();
    let mut place = 0;
    loop {
        // It is asked first: what was printed before its end is then read below.
        known = Known::new(&known.backend, jobs.get(&known.record.id).await?);
        loop {
            let part = part(setup, jobs, &known, channel, place).await?;
            if part.start > place {
                print::note(&format!("[{} bytes before this are gone]", part.start - place));
            }
            place = part.start + part.bytes.len() as u64;
            if part.bytes.is_empty() {
                break;
            }
            if !output.write(&part.bytes)? || shutdown.is_cancelled() {
                return Ok(());
            }
        }
        if !follow || known.has_ended() || !pause(POLL_OUTPUT, shutdown).await {
            output.finish()?;
            return Ok(());
        }
    }
}

/// What the job printed from the byte `place` on. Where it is on a host, the berth that runs is asked.
async fn part(setup: &Setup, jobs: &Jobs, known: &Known, channel: Channel, place: u64) -> anyhow::Result<Chunk> {
    let id = &known.record.id;
    if known.record.host.is_empty() {
        return Ok(jobs.read(id, channel, place, PART).await?);
    }
    let asked = Printed {
        backend: known.backend.clone(),
        id: id.clone(),
        errors: channel == Channel::Errors,
        start: place,
    };
    owner::printed(setup, &asked).await
}

/// Where a job's output goes: as it is, but to a terminal without what controls that.
#[derive(Default)]
struct Output {
    /// The beginning of a line that has no end yet.
    rest: Vec<u8>,
}

impl Output {
    /// False if nobody reads any more.
    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<bool> {
        if !stdout().is_terminal() {
            return put(bytes);
        }
        self.rest.extend_from_slice(bytes);
        let end = match self.rest.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if self.rest.len() as u64 > PART => self.rest.len(),
            None => return Ok(true),
        };
        let lines: Vec<u8> = self.rest.drain(..end).collect();
        put(text::clean(&String::from_utf8_lossy(&lines)).as_bytes())
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        let rest = std::mem::take(&mut self.rest);
        put(text::clean(&String::from_utf8_lossy(&rest)).as_bytes()).map(drop)
    }
}

fn put(bytes: &[u8]) -> anyhow::Result<bool> {
    let mut out = stdout().lock();
    let written: io::Result<()> = out.write_all(bytes).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true).context("the output cannot be printed"),
    }
}
