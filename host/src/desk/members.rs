//! The backends that calls are done with. A caller reaches only those that it may know of.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ToolError;
use super::words::of_log;
use crate::catalog::View;
use crate::session::{LogPage, LogQuery, Session};
use crate::text::{NAMED, escaped};
use crate::watch::Watched;

/// Lines of new output in an answer.
const LINES: u32 = 400;

/// A backend that calls are done with.
pub struct Member {
    /// It with its loop.
    pub watched: Arc<Watched>,
    /// Names of its agents that are installed, the preferred one first.
    pub agents: Vec<String>,
    /// Whether a trust question may be answered from afar.
    pub remote_trust: bool,
}

impl Member {
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

/// Every backend. What is done for a caller reaches them through [`Members::within`] alone, so that nothing about the
/// others can slip into an answer.
pub(crate) struct Members(BTreeMap<String, Member>);

impl Members {
    pub(crate) fn new(members: Vec<Member>) -> Self {
        let named = |member: Member| (member.name().to_owned(), member);
        Self(members.into_iter().map(named).collect())
    }

    /// Every one, for the host itself.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Member> {
        self.0.values()
    }

    /// Those that are in `view`.
    pub(crate) fn within<'a>(&'a self, view: View<'a>) -> Reach<'a> {
        Reach { members: self, view }
    }
}

/// The backends that one caller may know of: the others do not exist.
#[derive(Clone, Copy)]
pub(crate) struct Reach<'a> {
    members: &'a Members,
    /// Their names.
    pub(crate) view: View<'a>,
}

impl<'a> Reach<'a> {
    /// The one called `name`, else the default one.
    pub(crate) fn member(self, name: Option<&str>) -> Result<&'a Member, ToolError> {
        Ok(&self.members.0[self.view.backend(name)?])
    }

    /// The one called `name`, or all of them.
    pub(crate) fn some(self, name: Option<&str>) -> Result<Vec<&'a Member>, ToolError> {
        match name {
            Some(name) => Ok(vec![self.member(Some(name))?]),
            None => Ok(self
                .view
                .some()?
                .into_iter()
                .map(|name| &self.members.0[name])
                .collect()),
        }
    }

    /// The backend and the id within it of a session named by its whole id, as all that acts on one takes it.
    pub(crate) fn whole_id(self, session_id: &str) -> Result<(&'a Member, &str), ToolError> {
        match session_id.split_once('/') {
            Some((backend, id)) if !id.is_empty() => Ok((self.member(Some(backend))?, id)),
            _ => Err(ToolError::refused(format!(
                "`{}` is no whole session id; write `backend/id` as list_sessions shows it",
                escaped(session_id, NAMED)
            ))),
        }
    }
}
