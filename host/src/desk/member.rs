//! A backend that calls are done with.

use std::sync::Arc;

use super::ToolError;
use super::words::of_log;
use crate::session::{LogPage, LogQuery, Session};
use crate::watch::Watched;

/// Lines of new output in an answer.
const LINES: u32 = 400;

/// A backend that is up.
pub struct Member {
    /// It with its loop.
    pub watched: Arc<Watched>,
    /// Names of its agents that are installed, the preferred one first.
    pub agents: Vec<String>,
    /// The home directory on its machine: what `~` means in a path.
    pub home: Option<String>,
    /// Whether it is on this machine as a whole.
    pub is_here: bool,
    /// Whether a trust question may be answered remotely.
    pub remote_trust: bool,
}

impl Member {
    /// `path` with the home directory in the place of a `~` at its beginning.
    pub(crate) fn absolute(&self, path: String) -> String {
        match (path.strip_prefix('~'), &self.home) {
            (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => format!("{home}{rest}"),
            _ => path,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.watched.backend.name
    }

    /// One session as it is now.
    pub(crate) async fn session(&self, id: &str) -> Result<Session, ToolError> {
        let session = self.watched.backend.get_session(id).await;
        session.map_err(|error| ToolError::of(self.name(), error))
    }

    /// Where the session's log ends now, if that can be read.
    pub(crate) async fn cursor(&self, id: &str) -> Option<String> {
        let query = LogQuery {
            view: None,
            lines: 1,
            after: None,
        };
        Some(self.watched.backend.read_log(id, &query).await.ok()?.next)
    }

    /// What the session printed since `after`, if that can be read.
    pub(crate) async fn output_since(&self, id: &str, after: Option<&str>) -> Option<LogPage> {
        let query = LogQuery {
            view: None,
            lines: LINES,
            after: Some(after?.to_owned()),
        };
        let page = self.watched.backend.read_log(id, &query).await.ok()?;
        Some(LogPage {
            text: of_log(page.text, false).await,
            ..page
        })
    }
}
