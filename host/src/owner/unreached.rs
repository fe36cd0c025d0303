//! Of which jobs on hosts it is not known how they stand: a process of the operator's asks the owner, which alone reaches hosts.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use super::request::Request;
use crate::jobs::{AllJobs, AllUnreached};
use crate::principal::Principal;

/// How long the answer may take: nothing is asked for it.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// Asks the owner behind `socket` for those jobs.
///
/// # Errors
/// Why that is not known of any job on a host.
pub async fn unreached(socket: &Path) -> Result<AllUnreached, String> {
    let answer = match Request::Unreached.ask(socket, ANSWERS_WITHIN).await {
        Ok(Some(answer)) => answer,
        Ok(None) => return Err("the berth that runs does not answer; its log may say why".into()),
        Err(cause) => return Err(unasked(&cause)),
    };
    serde_json::from_str(&answer)
        .map_err(|_| "the berth that runs does not say: it is an older one, or has ended".into())
}

/// Why no berth that serves was asked.
fn unasked(cause: &io::Error) -> String {
    match cause.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            "only a berth that serves reaches it, and none does: start one with `berth serve`".into()
        }
        _ => format!("the berth that serves, which alone reaches it, cannot be asked: {cause}"),
    }
}

/// The answer for `principal`. What is in a job sees that one alone.
pub(super) async fn answer(all: &AllJobs, principal: &Principal) -> AllUnreached {
    let mut unreached = all.unreached().await;
    if let Some((own, own_id)) = principal.lineage().job() {
        unreached.retain(|backend, _| backend == own);
        for of_backend in unreached.values_mut().flatten() {
            of_backend.retain(|id, _| id == own_id);
        }
    }
    unreached
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn only_where_no_berth_is_at_the_socket_it_is_said_that_none_serves() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join("left");
        drop(std::os::unix::net::UnixListener::bind(&left).unwrap());
        for socket in [folder.path().join("none"), left] {
            let why = unreached(&socket).await.unwrap_err();
            assert!(why.contains("start one with `berth serve`"), "{why}");
        }
        // No system takes a path of a socket that is so long.
        let why = unreached(&folder.path().join("x".repeat(200))).await.unwrap_err();
        assert!(
            why.contains("cannot be asked: ") && !why.contains("`berth serve`"),
            "{why}"
        );
    }
}
