//! The tools that only look: sessions, logs, status, prompts, projects.

use std::time::{Duration, Instant};

use super::answers::{self, Acted, Backend, Logs, Project, Projects, Prompts, Sessions, answer};
use super::arguments::{CheckPrompts, GetLogs, GetSessionStatus, ListProjects, ListSessions, LogView};
use super::waiting::Rest;
use super::{Answer, Caller, Catalog, Member, ToolError};
use crate::contract::{self, LogQuery, Verbs, View};

/// The most lines that a log is read by.
const MAX_LINES: u32 = 5_000;

impl Catalog {
    pub(crate) async fn list_sessions(&self, caller: &Caller, wanted: ListSessions) -> Result<Answer, ToolError> {
        if let Some(state) = wanted
            .state
            .as_deref()
            .filter(|state| !answers::states().any(|known| known == *state))
        {
            let (state, known) = (state.escape_debug(), answers::states().collect::<Vec<_>>().join(", "));
            return Err(ToolError::refused(format!(
                "there is no state `{state}`; there are: {known}"
            )));
        }
        let (mut sessions, errors) = self.all_sessions(caller, wanted.backend.as_deref()).await?;
        sessions.retain(|(_, session)| {
            wanted
                .state
                .as_deref()
                .is_none_or(|state| state == answers::state(session.state))
        });
        let sessions = sessions
            .into_iter()
            .map(|(backend, session)| self.show(caller, &backend, session))
            .collect();
        let sessions = Sessions { errors, sessions };
        Ok(answer(sessions.text(), &sessions))
    }

    pub(crate) async fn check_prompts(&self, caller: &Caller, wanted: CheckPrompts) -> Result<Answer, ToolError> {
        let (sessions, errors) = self.all_sessions(caller, wanted.backend.as_deref()).await?;
        let prompts = sessions
            .into_iter()
            .filter_map(|(backend, session)| self.show(caller, &backend, session).prompt)
            .collect();
        let prompts = Prompts { errors, prompts };
        Ok(answer(prompts.text(), &prompts))
    }

    pub(crate) async fn get_session_status(
        &self,
        caller: &Caller,
        wanted: GetSessionStatus,
    ) -> Result<Answer, ToolError> {
        let wait = wait(wanted.wait_seconds)?;
        let (member, mut session) = self.readable(caller, &wanted.session_id).await?;
        let mut note = None;
        if !wait.is_zero() {
            caller.enter_wait()?;
            let deadline = Instant::now() + wait;
            match self.settled(caller, member, &session.id, None, deadline).await {
                Rest::Left(left) => return Err(left.into()),
                Rest::Gone => {
                    let (backend, id) = (member.name(), &session.id);
                    return Err(ToolError::new(format!("session {backend}/{id} is gone")));
                }
                Rest::Settled(settled) => session = *settled,
                rest => {
                    note = rest.told();
                    session = self.session(member, &session.id).await?;
                }
            }
        }
        let acted = Acted {
            session: self.show(caller, member.name(), session),
            receipt: None,
            text: None,
            next: None,
            note,
        };
        Ok(answer(acted.text(None), &acted))
    }

    pub(crate) async fn get_logs(&self, caller: &Caller, wanted: GetLogs) -> Result<Answer, ToolError> {
        if !(1..=MAX_LINES).contains(&wanted.lines) {
            return Err(ToolError::refused(format!(
                "lines must be from 1 to {MAX_LINES}, not {}",
                wanted.lines
            )));
        }
        let (member, session) = self.readable(caller, &wanted.session_id).await?;
        let query = LogQuery {
            view: match wanted.view.unwrap_or(LogView::Scrollback) {
                LogView::Screen => View::Screen,
                LogView::Scrollback => View::Scrollback,
                LogView::Transcript => View::Transcript,
            },
            lines: wanted.lines,
            after: wanted.after,
        };
        let page = member
            .watched
            .backend
            .read_log(&session.id, &query)
            .await
            .map_err(|error| ToolError::of(member.name(), error))?;
        let text = if wanted.mobile_format {
            answers::for_phone(&page.text)
        } else {
            page.text
        };
        let logs = Logs {
            text: answers::bounded(text),
            next: page.next,
            more: page.more,
        };
        Ok(answer(logs.text.clone(), &logs))
    }

    pub(crate) async fn list_projects(&self, caller: &Caller, wanted: ListProjects) -> Result<Answer, ToolError> {
        let members = self.members(caller, wanted.backend.as_deref())?;
        let able: Vec<&Member> = members
            .iter()
            .copied()
            .filter(|member| member.watched.backend.description.verbs.contains(Verbs::PROJECTS))
            .collect();
        let (projects, errors) = self
            .list_all(&able, async |member| member.watched.backend.list_projects().await)
            .await;
        let default = self.view(caller).default();
        let projects = Projects {
            errors,
            backends: members.iter().map(|member| of_backend(member, default)).collect(),
            projects: projects.into_iter().map(of_project).collect(),
        };
        Ok(answer(projects.text(), &projects))
    }

    /// All sessions of one backend, or of all.
    pub(crate) async fn all_sessions(
        &self,
        caller: &Caller,
        backend: Option<&str>,
    ) -> Result<(Vec<(String, contract::Session)>, Vec<answers::BackendError>), ToolError> {
        let members = self.members(caller, backend)?;
        Ok(self
            .list_all(&members, async |member| member.watched.backend.list_sessions().await)
            .await)
    }

    /// One session as it is now.
    pub(crate) async fn session(&self, member: &Member, id: &str) -> Result<contract::Session, ToolError> {
        let session = member.watched.backend.get_session(id).await;
        session.map_err(|error| ToolError::of(member.name(), error))
    }

    /// A session named for reading: by its whole id, which is asked for directly, or by less, which is looked up.
    async fn readable<'a>(
        &'a self,
        caller: &'a Caller,
        given: &'a str,
    ) -> Result<(&'a Member, contract::Session), ToolError> {
        if let Ok((member, id)) = self.whole_id(caller, given)
            && let Ok(session) = member.watched.backend.get_session(id).await
        {
            return Ok((member, session));
        }
        let (member, id) = self.any_id(caller, given).await?;
        Ok((member, self.session(member, &id).await?))
    }
}

fn of_backend(member: &Member, default: Option<&str>) -> Backend {
    let description = &member.watched.backend.description;
    Backend {
        name: member.name().to_owned(),
        about: description.about.clone(),
        default: default == Some(member.name()),
        verbs: verbs(description.verbs),
        agents: member.terms.agents.clone(),
    }
}

fn of_project((backend, project): (String, contract::Project)) -> Project {
    Project {
        backend,
        name: project.name,
        directory: project.directory,
        branch: project.branch,
    }
}

/// The names of verbs.
pub(crate) fn verbs(verbs: Verbs) -> Vec<&'static str> {
    let names = [
        (Verbs::CREATE, "create"),
        (Verbs::FIRST_MESSAGE, "first-message"),
        (Verbs::SEND, "send"),
        (Verbs::INTERRUPT, "interrupt"),
        (Verbs::TERMINATE, "terminate"),
        (Verbs::RESPOND, "respond"),
        (Verbs::PROJECTS, "projects"),
    ];
    names
        .into_iter()
        .filter(|(verb, _)| verbs.contains(*verb))
        .map(|(_, name)| name)
        .collect()
}

/// `wait_seconds` as a time.
pub(crate) fn wait(seconds: Option<u32>) -> Result<Duration, ToolError> {
    let most = super::arguments::MAX_WAIT;
    match seconds.unwrap_or(0) {
        seconds if seconds <= most => Ok(Duration::from_secs(seconds.into())),
        seconds => Err(ToolError::refused(format!(
            "wait_seconds may be at most {most}, not {seconds}; ask again with get_session_status to wait longer"
        ))),
    }
}
