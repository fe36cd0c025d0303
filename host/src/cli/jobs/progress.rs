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

/// What sessions of a backend do now, by their ids.
#[derive(Default)]
pub(super) struct Progress(BTreeMap<String, String>);

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
        let told = |session: &Value| Some((session["session_id"].as_str()?.to_owned(), what(session).to_owned()));
        Self(sessions.iter().filter_map(told).collect())
    }

    /// That of one job.
    pub(super) fn of_job(&self, known: &Known) -> Option<&str> {
        if !known.runs() {
            return None;
        }
        let told = self.0.get(&known.session()?)?;
        (!told.is_empty()).then_some(told)
    }
}
