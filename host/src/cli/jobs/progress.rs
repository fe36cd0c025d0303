//! How far a running job is, as the berth that runs tells of its session: turns, the last tool, cost.

use std::collections::BTreeMap;

use berth::assemble::Setup;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::known::Known;
use crate::cli::connection::Connection;
use crate::cli::ls::what;

/// The most sessions that are asked for.
const MOST: u32 = 500;

/// The sessions of jobs as they are now, by their ids.
#[derive(Default)]
pub(super) struct Progress(BTreeMap<String, Value>);

impl Progress {
    /// Asks for the sessions of `jobs` that run. Where no berth runs, or it does not say, nothing is known.
    pub(super) async fn of(setup: &Setup, jobs: &[Known], shutdown: &CancellationToken) -> Self {
        if !jobs.iter().any(|known| known.runs() && known.session().is_some()) {
            return Self::default();
        }
        let Ok(Some(connection)) = Connection::to_running(setup, shutdown).await else {
            return Self::default();
        };
        let listed = connection.ask("list_sessions", json!({ "limit": MOST })).await;
        connection.close().await;
        let answer = listed.ok().and_then(|listed| listed.structured).unwrap_or_default();
        let sessions = answer["sessions"].as_array().cloned().unwrap_or_default();
        let by_id = |session: Value| Some((session["session_id"].as_str()?.to_owned(), session));
        Self(sessions.into_iter().filter_map(by_id).collect())
    }

    /// That of one job.
    pub(super) fn of_job(&self, known: &Known) -> Option<&str> {
        Some(what(self.session(known)?)).filter(|told| !told.is_empty())
    }

    /// The session of one job that runs.
    pub(super) fn session(&self, known: &Known) -> Option<&Value> {
        if !known.runs() {
            return None;
        }
        self.0.get(&known.session()?)
    }
}
