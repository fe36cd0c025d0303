//! Of which jobs on hosts it is not known how they stand: a process of the operator's asks the owner, which alone reaches hosts.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::request::Request;
use crate::jobs::{AllJobs, Unreached};
use crate::principal::Principal;

/// How long the answer may take: nothing is asked for it.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// Asks the owner behind `socket` for those jobs, each by its backend and id, as `BACKEND/ID`.
///
/// # Errors
/// Why that is not known of any job on a host.
pub async fn unreached(socket: &Path) -> Result<BTreeMap<String, Unreached>, &'static str> {
    let answer = match Request::Unreached.ask(socket, ANSWERS_WITHIN).await {
        Ok(Some(answer)) => answer,
        Ok(None) => return Err("the berth that runs does not answer; its log may say why"),
        Err(_) => return Err("only a berth that serves reaches it, and none does: start one with `berth serve`"),
    };
    serde_json::from_str(&answer).map_err(|_| "the berth that runs does not say: it is an older one, or has ended")
}

/// The answer for `principal`. What is in a job sees that one alone.
pub(super) async fn answer(all: &AllJobs, principal: &Principal) -> BTreeMap<String, Unreached> {
    let mut unreached = all.unreached().await;
    if let Some(own) = principal.lineage().jobs.last() {
        unreached.retain(|job, _| job == own);
    }
    unreached
}
