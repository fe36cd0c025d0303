//! Ownership is handed over: a process that is to stay asks the owner on the socket to give way.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::request::Request;
use crate::mcp;

/// How long the answer may take.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// What an owner answers.
#[derive(Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) gives_way: bool,
}

/// What came of asking.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nobody is there, or not any more.
    Nobody,
    /// The owner ends what it does, and then gives up the data directory.
    GivesWay,
    /// The owner stays.
    Stays,
}

/// Asks the owner behind `socket`.
pub(super) async fn ask(socket: &Path) -> Asked {
    match Request::HandOver.ask(socket, ANSWERS_WITHIN).await {
        Err(_) => Asked::Nobody,
        Ok(Some(answer)) if answer.is_empty() => Asked::Nobody,
        // It gives way already, to this process or to another one.
        Ok(Some(answer)) if mcp::taken(answer.as_bytes()).is_some() => Asked::GivesWay,
        Ok(Some(answer)) => match serde_json::from_str(&answer) {
            Ok(Told { gives_way: true }) => Asked::GivesWay,
            // Also an older berth, which does not know the question.
            _ => Asked::Stays,
        },
        Ok(None) => Asked::Stays,
    }
}
