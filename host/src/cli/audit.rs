//! `berth audit`: what was done and by whom, and whether the record of it is still what was written.

use std::io::{self, IsTerminal as _, Write as _, stdin, stdout};
use std::ops::{ControlFlow, RangeInclusive};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, anyhow, bail};
use berth::assemble::Setup;
use berth::jobs::AllJobs;
use berth::peer::Seen;
use berth::store::DataDirectory;
use berth::store::audit::{Audit, Filter, Head, Outcome, Recorded, Removed, View};
use berth::text;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio_util::sync::CancellationToken;

use super::print;

/// How often new entries are looked for.
const POLL: Duration = Duration::from_millis(200);
/// What a table shows of an entry, and its width when rows come one by one.
const COLUMNS: [(&str, usize); 7] = [
    ("when", 24),
    ("who", 24),
    ("what", 20),
    ("where", 28),
    ("outcome", 9),
    ("took", 9),
    ("details", 0),
];

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    show: Show,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Compute the record's seals again, and print where it ends
    Verify {
        /// A head that was kept: the record must still hold that entry as it was
        #[arg(long, value_name = "SEQ:SEAL")]
        expect: Option<Head>,
    },
    /// Remove the oldest entries, and leave one in their place that records this
    Prune {
        /// Entries that began before: 90d, 2026-01-31, or "2026-01-31 08:00:00" (UTC)
        #[arg(long, value_name = "AGE|DATE", value_parser = moment)]
        before: SystemTime,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(clap::Args)]
struct Show {
    /// Only entries that began since: 2h, 30d, 2026-01-31, or "2026-01-31 08:00:00" (UTC)
    #[arg(long, value_name = "AGE|DATE", value_parser = moment)]
    since: Option<SystemTime>,
    /// Only entries of callers whose name begins with this, such as app:Claude
    #[arg(long, value_name = "WHO")]
    principal: Option<String>,
    /// Only calls of this tool, or this event, such as login-failed
    #[arg(long)]
    tool: Option<String>,
    /// Only calls to this backend
    #[arg(long)]
    backend: Option<String>,
    /// Only entries with this outcome: ok, failed, refused, gone, fault, cut-off, under-way or asked
    #[arg(long)]
    outcome: Option<Outcome>,
    /// How many entries, the newest; 0 for all
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: u32,
    /// Continue with new entries, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Print each entry as one line of JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(setup: &Setup, options: Options, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    let data = DataDirectory::open(&setup.server.data, &setup.server.cache)?;
    if AllJobs::unattended(data.clone())
        .lineage(&Seen::of_this_process())
        .is_some()
    {
        bail!("this runs in a job, and what is in one sees itself alone: run it in a terminal of your own");
    }
    let audit = data.audit(setup.audit.sync)?.with_grants(setup.grants());
    match options.command {
        Some(Command::Verify { expect }) => {
            let head = audit.verify(expect)?;
            print::line(&format!("{} entries, head {head}", head.seq));
            if let Some(at) = audit.follows_missing()? {
                print::line(&format!(
                    "it was begun at {at}, since the record before it was missing: what was done before is not known here"
                ));
            }
            if let Some(gone) = audit.pruned()? {
                print::line(&format!("of them pruned: {}", described(&gone)));
            }
        }
        Some(Command::Prune { before, yes }) => prune(audit, before, yes)?,
        None => options.show.run(&audit, shutdown).await?,
    }
    Ok(ExitCode::SUCCESS)
}

impl Options {
    /// Whether it changes the record.
    pub(crate) fn prunes(&self) -> bool {
        matches!(self.command, Some(Command::Prune { .. }))
    }
}

fn prune(mut audit: Audit, before: SystemTime, yes: bool) -> anyhow::Result<()> {
    let Some(plan) = audit.plan_pruning(before)? else {
        print::line("nothing is removed: the oldest entry began later, or its call has not ended");
        return Ok(());
    };
    print::line(&format!("to be removed: {}", described(&plan.removed)));
    if !yes && !is_confirmed()? {
        return Ok(());
    }
    // The system says who it is: anybody could set a name in the environment.
    let by = format!("uid:{}", rustix::process::getuid().as_raw());
    audit.prune(&plan, &by)?;
    print::line(&format!("removed; the record ends with {} now", audit.head()?));
    Ok(())
}

fn described(removed: &Removed) -> String {
    let Removed {
        entries,
        from,
        to,
        head,
    } = removed;
    format!("{entries} entries from {from} to {to}, the last with the head {head}")
}

fn is_confirmed() -> anyhow::Result<bool> {
    if !stdin().is_terminal() {
        bail!("this cannot be undone; add --yes to remove them");
    }
    print::note("This cannot be undone. Remove them? [y/N]");
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}

impl Show {
    async fn run(self, audit: &Audit, shutdown: CancellationToken) -> anyhow::Result<()> {
        let filter = Filter {
            since: self.since,
            principal: self.principal.clone(),
            what: self.tool.clone(),
            backend: self.backend.clone(),
            outcome: self.outcome,
            // A call that is under way would be shown a second time when it ends.
            ended: self.follow,
        };
        let (mut end, mut open) = {
            let view = audit.view()?;
            let beginning = match self.limit {
                0 => i64::MIN,
                limit => view.beginning_of_last(limit, &filter)?,
            };
            (view.end, self.first(&view, &filter, beginning..=view.end)?)
        };
        while self.follow && open && is_read() {
            if shutdown.run_until_cancelled(tokio::time::sleep(POLL)).await.is_none() {
                break;
            }
            let view = audit.view()?;
            open = self.lines(&view, &filter, end.saturating_add(1)..=view.end)?;
            end = end.max(view.end);
        }
        Ok(())
    }

    /// Prints what there is already; as a table for a person.
    fn first(&self, view: &View<'_>, filter: &Filter, range: RangeInclusive<i64>) -> anyhow::Result<bool> {
        if self.json || self.follow || !stdout().is_terminal() {
            return self.lines(view, filter, range);
        }
        let mut rows = Vec::new();
        view.visit(filter, range, |entry| {
            rows.push(row(&entry));
            ControlFlow::Continue(())
        })?;
        print::table(&COLUMNS.map(|(name, _)| name), &rows);
        Ok(true)
    }

    /// Prints a line for each entry, and answers whether somebody still reads them.
    fn lines(&self, view: &View<'_>, filter: &Filter, range: RangeInclusive<i64>) -> anyhow::Result<bool> {
        let mut written = Ok(());
        view.visit(filter, range, |entry| {
            written = self.line(entry);
            match written {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        })?;
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            written => written.map(|()| true).context("the entries cannot be printed"),
        }
    }

    fn line(&self, entry: Recorded) -> io::Result<()> {
        let line = if self.json {
            text::clean_json(serde_json::to_value(entry)?).to_string()
        } else if stdout().is_terminal() {
            let fields = row(&entry).into_iter().zip(COLUMNS);
            fields
                .map(|(field, (_, width))| format!("{:width$}  ", print::safe(&field)))
                .collect()
        } else {
            row(&entry)
                .iter()
                .map(|field| print::safe(field))
                .collect::<Vec<_>>()
                .join("\t")
        };
        let mut out = stdout().lock();
        writeln!(out, "{}", line.trim_end_matches(' '))?;
        out.flush()
    }
}

/// Whether what we print can still reach anybody: a pipe reports that its reader has ended before anything is written
/// to it.
pub(super) fn is_read() -> bool {
    let out = stdout();
    let mut seen = [PollFd::new(&out, PollFlags::empty())];
    // An error tells nothing about the reader.
    let _ = poll(&mut seen, Some(&Timespec::default()));
    !seen[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

fn row(entry: &Recorded) -> Vec<String> {
    let or = |text: &String, other: &String| if text.is_empty() { other.clone() } else { text.clone() };
    vec![
        entry.at.clone(),
        entry.principal.clone(),
        or(&entry.tool, &entry.event),
        or(&entry.session, &entry.backend),
        // In words, for people.
        entry.outcome.replace('-', " "),
        entry.duration_ms.map_or(String::new(), |time| format!("{time} ms")),
        entry.cost_usd.map_or(String::new(), |cost| format!("${cost:.2} ")) + &entry.text,
    ]
}

/// Reads an age, which is counted back from now, or a date.
fn moment(text: &str) -> anyhow::Result<SystemTime> {
    if let Ok(age) = humantime::parse_duration(text) {
        return SystemTime::now().checked_sub(age).context("that is too long ago");
    }
    humantime::parse_rfc3339_weak(text)
        .or_else(|_| humantime::parse_rfc3339_weak(&format!("{text} 00:00:00")))
        .map_err(|_| anyhow!("write an age such as 2h or 30d, or a date such as 2026-01-31"))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_moment_is_an_age_or_a_date() {
        let at = |text| moment(text).ok()?.duration_since(UNIX_EPOCH).ok();
        let noon = Duration::from_secs(1_769_860_800);
        assert_eq!(at("2026-01-31"), Some(noon - Duration::from_secs(12 * 3600)));
        assert_eq!(at("2026-01-31 12:00:00"), Some(noon));
        assert_eq!(at("2026-01-31T12:00:00Z"), Some(noon));
        let hours = Duration::from_secs(7200);
        let (before, since, after) = (SystemTime::now(), moment("2h").unwrap(), SystemTime::now());
        assert!((before - hours..=after - hours).contains(&since), "{since:?}");
        for wrong in ["", "yesterday", "31.1.2026", "2026-13-01"] {
            let error = moment(wrong).unwrap_err().to_string();
            assert!(error.contains("such as 2h"), "{wrong}: {error}");
        }
    }
}
