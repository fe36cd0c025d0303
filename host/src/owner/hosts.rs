//! How many sessions are in use on each host, which a process of the operator's asks the owner for; and that the owner tries
//! hosts again, since that process has seen that they can be reached.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::request::Request;
use crate::assemble::Links;

/// How long the answer may take.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// What an owner says of its connections.
#[derive(Debug, Deserialize, Serialize)]
pub struct InUse {
    /// By the name of the host; one to which there is no connection is not among them.
    sessions: BTreeMap<String, usize>,
}

impl InUse {
    pub(super) fn of(links: &Links) -> Self {
        Self {
            sessions: links.sessions_in_use(),
        }
    }

    /// Asks the owner behind `socket`. None: there is none, or it does not answer that.
    pub async fn ask(socket: &Path) -> Option<Self> {
        let answer = Request::Hosts.ask(socket, ANSWERS_WITHIN).await.ok()??;
        serde_json::from_str(&answer).ok()
    }

    /// The sessions in use on `host`. None: there is no connection to it.
    pub fn on(&self, host: &str) -> Option<usize> {
        self.sessions.get(host).copied()
    }
}

/// Has the owner behind `socket`, if there is one, try those hosts again that it could not reach. Where that takes longer, the
/// owner goes on with it.
pub async fn try_hosts(socket: &Path) {
    // Without an owner nothing is to be done, and one that does not know this tries again by itself.
    let _ = Request::TryHosts.ask(socket, ANSWERS_WITHIN).await;
}
