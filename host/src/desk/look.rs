//! The tools that only look: sessions, logs, status, prompts, projects.

use std::time::{Duration, Instant};

use super::settle::{self, Rest};
use super::{Answer, Caller, Desk, Member, ToolError, find, showing, words};
use crate::catalog::answers::{Acted, Backend, Logs, Project, Projects, Prompts, Sessions};
use crate::catalog::arguments::{
    CheckPrompts, GetLogs, GetSessionStatus, ListProjects, ListSessions, LogView, MAX_WAIT,
};
use crate::contract::{self, LogQuery, Verbs, View};

/// The most lines that a log is read by.
const MAX_LINES: u32 = 5_000;

pub(super) async fn list_sessions(desk: &Desk, caller: &Caller, wanted: ListSessions) -> Result<Answer, ToolError> {
    if let Some(state) = wanted
        .state
        .as_deref()
        .filter(|state| !showing::states().any(|known| known == *state))
    {
        let (state, known) = (state.escape_debug(), showing::states().collect::<Vec<_>>().join(", "));
        return Err(ToolError::refused(format!(
            "there is no state `{state}`; there are: {known}"
        )));
    }
    let (mut sessions, errors) = find::all_sessions(desk.reach(caller), wanted.backend.as_deref()).await?;
    sessions.retain(|(_, session)| {
        wanted
            .state
            .as_deref()
            .is_none_or(|state| state == showing::state(session.state))
    });
    let sessions = sessions
        .into_iter()
        .map(|(backend, session)| desk.showing.show(caller, &backend, session))
        .collect();
    let sessions = Sessions { errors, sessions };
    Ok(Answer::of(sessions.text(), &sessions))
}

pub(super) async fn check_prompts(desk: &Desk, caller: &Caller, wanted: CheckPrompts) -> Result<Answer, ToolError> {
    let (sessions, errors) = find::all_sessions(desk.reach(caller), wanted.backend.as_deref()).await?;
    let prompts = sessions
        .into_iter()
        .filter_map(|(backend, session)| desk.showing.show(caller, &backend, session).prompt)
        .collect();
    let prompts = Prompts { errors, prompts };
    Ok(Answer::of(prompts.text(), &prompts))
}

pub(super) async fn get_session_status(
    desk: &Desk,
    caller: &Caller,
    wanted: GetSessionStatus,
) -> Result<Answer, ToolError> {
    let wait = wait(wanted.wait_seconds)?;
    let (member, mut session) = find::readable(desk.reach(caller), &wanted.session_id).await?;
    let mut note = None;
    if !wait.is_zero() {
        caller.enter_wait()?;
        let deadline = Instant::now() + wait;
        match settle::settled(caller, member, &session.id, None, deadline).await {
            Rest::Left(left) => return Err(left.into()),
            Rest::Gone => {
                let (backend, id) = (member.name(), &session.id);
                return Err(ToolError::new(format!("session {backend}/{id} is gone")));
            }
            Rest::Settled(settled) => session = *settled,
            rest => {
                note = rest.told();
                session = member.session(&session.id).await?;
            }
        }
    }
    let acted = Acted {
        session: desk.showing.show(caller, member.name(), session),
        receipt: None,
        text: None,
        next: None,
        note,
    };
    Ok(Answer::of(acted.text(None), &acted))
}

pub(super) async fn get_logs(desk: &Desk, caller: &Caller, wanted: GetLogs) -> Result<Answer, ToolError> {
    if !(1..=MAX_LINES).contains(&wanted.lines) {
        return Err(ToolError::refused(format!(
            "lines must be from 1 to {MAX_LINES}, not {}",
            wanted.lines
        )));
    }
    let (member, session) = find::readable(desk.reach(caller), &wanted.session_id).await?;
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
    let logs = Logs {
        text: words::of_log(page.text, wanted.mobile_format).await,
        next: page.next,
        more: page.more,
    };
    Ok(Answer::of(logs.text.clone(), &logs))
}

pub(super) async fn list_projects(desk: &Desk, caller: &Caller, wanted: ListProjects) -> Result<Answer, ToolError> {
    let members = desk.reach(caller).some(wanted.backend.as_deref())?;
    let able: Vec<&Member> = members
        .iter()
        .copied()
        .filter(|member| member.watched.backend.description.verbs.contains(Verbs::PROJECTS))
        .collect();
    let (projects, errors) = find::list_all(&able, async |member| member.watched.backend.list_projects().await).await;
    let default = desk.reach(caller).view.default();
    let projects = Projects {
        errors,
        backends: members.iter().map(|member| of_backend(member, default)).collect(),
        projects: projects.into_iter().map(of_project).collect(),
    };
    Ok(Answer::of(projects.text(), &projects))
}

fn of_backend(member: &Member, default: Option<&str>) -> Backend {
    let description = &member.watched.backend.description;
    Backend {
        name: member.name().to_owned(),
        about: description.about.clone(),
        default: default == Some(member.name()),
        verbs: verbs(description.verbs),
        agents: member.agents.clone(),
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
fn verbs(verbs: Verbs) -> Vec<&'static str> {
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
pub(super) fn wait(seconds: Option<u32>) -> Result<Duration, ToolError> {
    match seconds.unwrap_or(0) {
        seconds if seconds <= MAX_WAIT => Ok(Duration::from_secs(seconds.into())),
        seconds => Err(ToolError::refused(format!(
            "wait_seconds may be at most {MAX_WAIT}, not {seconds}; ask again with get_session_status to wait longer"
        ))),
    }
}
