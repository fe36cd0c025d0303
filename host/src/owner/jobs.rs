//! What a person does with jobs at a terminal is done by the owner, and in its place where there is none.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::Claim;
use super::adopt::adopt;
use super::deed::Deed;
use super::reload::{Reloads, Told};
use super::request::Request;
use crate::assemble::{Links, Setup};
use crate::jobs::{AllJobs, Jobs};
use crate::peer::Peer;
use crate::store::audit::{Entry, Event, Outcome};
use crate::store::jobs::Phase;
use crate::store::{DataDirectory, Recorder};

/// How long the owner may take: removing many jobs takes a while, and taking over many on a slow host longer.
const ANSWERS_WITHIN: Duration = Duration::from_mins(5);
const ADOPTS_WITHIN: Duration = Duration::from_mins(30);
/// Who may not.
const IN_SESSION: &str = "this runs in a session or a job that berth started, and what is in one never cancels, removes \
                          or takes over jobs here, whatever it may control; run it in a terminal of your own";

/// Does it, by the owner of the data directory if there is one. Answers what came of it.
///
/// # Errors
/// This process is in a session, or the owner does not answer. Then nothing is known to be done.
pub async fn order(setup: &Setup, deed: Deed) -> anyhow::Result<Told> {
    if Peer::of_this_process() != Peer::Operator {
        bail!(IN_SESSION);
    }
    let socket = DataDirectory::open(&setup.server.data, &setup.server.cache)?.socket_path();
    let within = match &deed {
        Deed::Adopt { .. } => ADOPTS_WITHIN,
        _ => ANSWERS_WITHIN,
    };
    let Ok(asked) = Request::Jobs(deed.clone()).ask(&socket, within).await else {
        return here(setup, &deed).await;
    };
    let answer = asked.context("the berth that runs does not answer; its log may say why")?;
    serde_json::from_str(&answer)
        .context("the berth that runs does not know this question: it is an older one; start it again")
}

/// Does it without an owner: this process is one meanwhile, which starts and follows nothing.
async fn here(setup: &Setup, deed: &Deed) -> anyhow::Result<Told> {
    let Claim { data, lock, mut audit } = Claim::take(setup, "jobs")?;
    audit.try_writing()?;
    let (all, links) = (AllJobs::unattended(data.clone()), Links::new(&data));
    let told = carry_out(&data, &all, &links, ready(setup.clone()), deed).await;
    audit.append(&[entry(deed, &told)])?;
    drop(lock);
    Ok(told)
}

/// What the owner has for that.
#[derive(Clone)]
pub(super) struct Hand {
    data: DataDirectory,
    jobs: Arc<AllJobs>,
    recorder: Recorder,
    links: Arc<Links>,
    reloads: Arc<Reloads>,
}

impl Hand {
    pub(super) fn new(
        data: DataDirectory,
        jobs: Arc<AllJobs>,
        recorder: Recorder,
        links: Arc<Links>,
        reloads: Arc<Reloads>,
    ) -> Self {
        Self {
            data,
            jobs,
            recorder,
            links,
            reloads,
        }
    }

    /// Does it for the process at the other end of the socket.
    pub(super) async fn carry_out(&self, peer: Peer, deed: &Deed) -> Told {
        if peer != Peer::Operator {
            return refused(IN_SESSION);
        }
        if let Err(why) = self.recorder.ready().await {
            return refused(&why.to_string());
        }
        let told = carry_out(&self.data, &self.jobs, &self.links, self.reloads.setup(), deed).await;
        // What is done stays done; the recorder's log says why it could not be recorded.
        let _ = self.recorder.record(entry(deed, &told)).await;
        told
    }
}

fn refused(why: &str) -> Told {
    Told {
        done: false,
        lines: vec![why.to_owned()],
    }
}

async fn carry_out(
    data: &DataDirectory,
    all: &AllJobs,
    links: &Links,
    setup: impl Future<Output = Setup>,
    deed: &Deed,
) -> Told {
    let done = match deed {
        Deed::Cancel { backend, id } => cancel(data, all, backend, id).await.map(|line| vec![line]),
        Deed::Prune { before } => prune(data, all, *before).await,
        Deed::Adopt { host, installation } => adopt(&setup.await, links, data, all, host, installation).await,
    };
    match done {
        Ok(lines) => Told { done: true, lines },
        Err(error) => refused(&format!("{error:#}")),
    }
}

async fn cancel(data: &DataDirectory, all: &AllJobs, backend: &str, id: &str) -> anyhow::Result<String> {
    let jobs = of(data, all, backend)?;
    let before = jobs.get(id).await?.phase;
    if before.is_end() {
        return Ok(format!("job {id} has ended before: {}", before.name()));
    }
    jobs.cancel(id).await?;
    Ok(match jobs.get(id).await?.phase {
        Phase::Running => format!("job {id} is told to end; what has not ended after 5 seconds is killed"),
        after => format!("job {id} has ended: {}", after.name()),
    })
}

/// One backend whose jobs cannot be removed keeps no other one's.
async fn prune(data: &DataDirectory, all: &AllJobs, before: u64) -> anyhow::Result<Vec<String>> {
    let (mut removed, mut faults) = (0, Vec::new());
    for backend in data.backends_with_jobs() {
        let pruned = async {
            let pruned = of(data, all, &backend)?.prune_before(before).await?;
            anyhow::Ok(pruned)
        };
        match pruned.await {
            Ok(count) => removed += count,
            Err(error) => faults.push(format!("backend {backend}: {error:#}")),
        }
    }
    let mut lines = vec![format!("{removed} jobs are removed, with what they printed")];
    lines.append(&mut faults);
    Ok(lines)
}

fn of(data: &DataDirectory, all: &AllJobs, backend: &str) -> anyhow::Result<Jobs> {
    if !data.backends_with_jobs().iter().any(|known| known == backend) {
        bail!("backend {backend} has no jobs");
    }
    Ok(all.of(backend)?)
}

fn entry(deed: &Deed, told: &Told) -> Entry {
    // The system says who it is: anybody could set a name in the environment.
    let by = format!("uid:{}", rustix::process::getuid().as_raw());
    let (event, backend) = match deed {
        Deed::Cancel { backend, .. } => (Event::JobCancelled, backend.clone()),
        Deed::Prune { .. } => (Event::JobsPruned, String::new()),
        Deed::Adopt { .. } => (Event::JobsAdopted, String::new()),
    };
    let what = told.lines.join("; ");
    let what = match deed {
        Deed::Adopt { host, installation } => format!("{installation} on {host}: {what}"),
        _ => what,
    };
    Entry {
        backend,
        outcome: match told.done {
            true => Outcome::Done,
            false => Outcome::Failed,
        },
        ..Entry::at_door(event, by, what)
    }
}
