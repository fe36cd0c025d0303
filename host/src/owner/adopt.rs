//! Taking over the jobs of another installation on a host, for a person at a terminal.

use anyhow::{Context as _, bail};

use crate::assemble::{self, Links, Setup};
use crate::jobs::{AllJobs, Took};
use crate::store::DataDirectory;

/// Jobs that stay and are named.
const NAMED: usize = 10;

/// Takes over what `installation` has on `host` of the backends that are there. Answers what came of it, a line each.
///
/// # Errors
/// Nothing is known to be taken over.
pub(super) async fn adopt(
    setup: &Setup,
    links: &Links,
    data: &DataDirectory,
    all: &AllJobs,
    host: &str,
    installation: &str,
) -> anyhow::Result<Vec<String>> {
    let known = setup.hosts.get(host);
    let known =
        known.with_context(|| format!("there is no host {host} in the configuration that counts now: berth reload"))?;
    let ours = assemble::jobs_on(known, links, data).await?;
    if installation == ours.installation() {
        bail!("{installation} is not another installation: name one that `berth hosts adopt {host}` lists");
    }
    let theirs = ours.of(installation);
    let backends: Vec<&str> = setup.on(host).map(|backend| &*backend.written.name).collect();
    let foreign = all.foreign(&ours, &theirs, &backends).await?;
    let (mut lines, mut faults) = (Vec::new(), Vec::new());
    for backend in foreign.backends() {
        let taken = async { anyhow::Ok(all.of(backend)?.take_over(&ours, &theirs, &foreign).await?) };
        match taken.await {
            Ok(took) => lines.extend(told(backend, &took)),
            Err(error) => faults.push(format!(
                "backend {backend}: {error:#}; run this again: what is taken over stays so"
            )),
        }
    }
    if lines.is_empty() && !faults.is_empty() {
        bail!(faults.join("\n"));
    }
    lines.append(&mut faults);
    match lines.is_empty() {
        true => bail!("the installation {installation} has no jobs on {host} that can be taken over"),
        false => Ok(lines),
    }
}

fn told(backend: &str, took: &Took) -> Vec<String> {
    let all = took.open + took.ended;
    let mut lines = vec![format!(
        "backend {backend}: {all} {} taken over, {} of which {} not ended",
        if all == 1 { "job is" } else { "jobs are" },
        took.open,
        if took.open == 1 { "has" } else { "have" },
    )];
    let left = took.left.iter().take(NAMED);
    lines.extend(left.map(|(id, why)| format!("job {id} is not taken over: {why}")));
    let more = took.left.len().saturating_sub(NAMED);
    if more > 0 {
        lines.push(format!("and {more} more are not"));
    }
    lines
}
