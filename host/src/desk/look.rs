//! The tools that only look: sessions, logs, status, prompts, projects.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::pages::{self, Page};
use super::settle::{self, Rest};
use super::{Caller, Condition, Generation, Member, ToolAnswer, ToolError, find, members, transcript, words};
use crate::catalog::answers::{Acted, Backend, Logs, NewOption, Project, Projects, Prompts, Sessions, ToLookAt};
use crate::catalog::arguments::{
    CheckPrompts, GetLogs, GetSessionStatus, ListProjects, ListSessions, MAX_LINES, MAX_SESSIONS, MAX_WAIT, States,
};
use crate::plugin::{Interface, Listed};
use crate::session::{self, Error, LogPage, LogQuery, Session};
use crate::text::{ANSWER, NAMED, escaped, short_line};
use crate::watch::now;

/// Characters of a note.
const NOTE: usize = 400;

pub(super) async fn list_sessions(
    generation: &Generation,
    caller: &Caller,
    wanted: ListSessions,
) -> Result<ToolAnswer, ToolError> {
    within("limit", wanted.limit, MAX_SESSIONS)?;
    let after = wanted.after.as_deref().map(pages::read).transpose()?;
    let is_asked = wanted.state.is_some();
    let states = wanted.state.map_or_else(Vec::new, |States(states)| states);
    let enough = |backend: &str, listed: &[Session]| {
        pages::fill(backend, listed, wanted.limit, after.as_ref())
            || (!is_asked && find::none_is_recent(backend, listed))
    };
    let reach = generation.reach(caller);
    let (mut sessions, errors) = find::all_sessions(reach, wanted.backend.as_deref(), &states, &enough).await?;
    if !is_asked {
        let now = now();
        sessions.retain(|(_, session)| session.is_recent(now));
    }
    let Page { sessions, next } = pages::of(sessions, wanted.limit, after.as_ref());
    let sessions = sessions
        .into_iter()
        .map(|(backend, session)| generation.show(caller, &backend, session))
        .collect();
    let sessions = Sessions { errors, sessions, next };
    Ok(ToolAnswer::of(sessions.text(), &sessions))
}

pub(super) async fn check_prompts(
    generation: &Generation,
    caller: &Caller,
    wanted: CheckPrompts,
) -> Result<ToolAnswer, ToolError> {
    let (sessions, errors) = find::open_sessions(generation.reach(caller), wanted.backend.as_deref()).await?;
    let (mut prompts, mut attention, mut names) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (backend, session) in sessions {
        let session = generation.show(caller, &backend, session);
        names.insert(session.session_id.clone(), session.name);
        match session.attention {
            Some(reason) if session.prompts.is_empty() => attention.push(ToLookAt {
                session_id: session.session_id,
                attention: reason,
            }),
            _ => prompts.extend(session.prompts),
        }
    }
    let prompts = Prompts {
        errors,
        prompts,
        attention,
        names,
    };
    Ok(ToolAnswer::of(prompts.text(), &prompts))
}

pub(super) async fn get_session_status(
    generation: &Generation,
    caller: &Caller,
    wanted: GetSessionStatus,
) -> Result<ToolAnswer, ToolError> {
    let (wait, capped) = wait(wanted.wait_seconds);
    let (member, mut session) = find::readable(generation.reach(caller), &wanted.session_id).await?;
    let mut note = None;
    // One that has ended may be too old for the lists that a wait looks at.
    if !wait.is_zero() && !session.state.is_end() {
        caller.enter_wait()?;
        let deadline = Instant::now() + wait;
        match settle::settled(caller, &member, &session.id, None, deadline).await {
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
    let notes: Vec<String> = note.into_iter().chain(capped).collect();
    let note = (!notes.is_empty()).then(|| notes.join(" "));
    let acted = Acted::seen(generation.show(caller, member.name(), session), note);
    Ok(ToolAnswer::of(acted.text(None), &acted))
}

pub(super) async fn get_logs(
    generation: &Generation,
    caller: &Caller,
    wanted: GetLogs,
) -> Result<ToolAnswer, ToolError> {
    within("lines", wanted.lines, MAX_LINES)?;
    let (member, session) = find::readable(generation.reach(caller), &wanted.session_id).await?;
    let logs = match wanted.view.as_deref() {
        Some(transcript::VIEW) if transcript::is_kept(&member) => {
            let since = wanted.since.as_deref().map(transcript::moment).transpose()?;
            match transcript::read(&member, &session.id, &wanted, since).await {
                Ok(logs) => logs,
                Err(error) => instead(&member, &session.id, &wanted, error).await?,
            }
        }
        view => {
            has_view(&member, view)?;
            if wanted.since.is_some() {
                return Err(ToolError::refused(
                    "`since` is only for the view `transcript`; `after` takes the `next` of an earlier answer",
                ));
            }
            log(&member, &session.id, &wanted).await?
        }
    };
    let logs = Logs {
        text: words::of_log(logs.text, wanted.mobile_format).await,
        ..logs
    };
    Ok(ToolAnswer::of(logs.text(), &logs))
}

/// A page of a log. One that follows a cursor is made shorter until it fits into one answer: what was cut from it would
/// be read by nobody.
async fn log(member: &Member, id: &str, wanted: &GetLogs) -> Result<Logs, ToolError> {
    let mut query = LogQuery {
        view: wanted.view.clone(),
        lines: wanted.lines,
        after: wanted.after.clone(),
    };
    loop {
        let page = member.watched.backend.read_log(id, &query).await;
        let page = page.map_err(|error| ToolError::of(member.name(), error))?;
        if wanted.after.is_none() || query.lines == 1 || page.text.chars().nth(ANSWER).is_none() {
            return Ok(logs(page));
        }
        query.lines /= 2;
    }
}

/// What is shown where there is no transcript, with the reason: the end of the usual view, since no cursor of the one
/// leads into the other.
async fn instead(member: &Member, id: &str, wanted: &GetLogs, error: Error) -> Result<Logs, ToolError> {
    let why = match error {
        Error::Unsupported => "its agent keeps none that this backend can read".to_owned(),
        error => ToolError::of(member.name(), error).text,
    };
    let query = LogQuery {
        view: None,
        lines: wanted.lines,
        after: None,
    };
    let page = member.watched.backend.read_log(id, &query).await;
    let page = page.map_err(|error| ToolError::of(member.name(), error))?;
    let note = format!("There is no transcript of this session ({why}), so this is its usual view.");
    Ok(Logs {
        gap: wanted.after.is_some(),
        note: Some(short_line(&note, NOTE)),
        ..logs(page)
    })
}

fn logs(page: LogPage) -> Logs {
    Logs {
        text: page.text,
        next: Some(page.next),
        more: page.more,
        gap: page.gap,
        note: None,
    }
}

/// Whether the backend shows logs in this view.
fn has_view(member: &Member, view: Option<&str>) -> Result<(), ToolError> {
    let views = views(member);
    match view {
        Some(view) if !views.iter().any(|known| known == view) => Err(ToolError::refused(format!(
            "sessions of backend `{}` do not have the view `{}`; there are: {}",
            member.name(),
            escaped(view, NAMED),
            views.join(", ")
        ))),
        _ => Ok(()),
    }
}

/// The views that sessions of the backend have, the usual one first.
fn views(member: &Member) -> Vec<String> {
    let described = member.watched.backend.description.views.iter().cloned();
    let transcript = transcript::is_kept(member).then(|| transcript::VIEW.to_owned());
    described.chain(transcript).collect()
}

pub(super) async fn list_projects(
    generation: &Generation,
    caller: &Caller,
    wanted: ListProjects,
) -> Result<ToolAnswer, ToolError> {
    let backends = generation.reach(caller).some(wanted.backend.as_deref())?;
    let until = find::come_up_until(&backends);
    let asked = backends
        .iter()
        .map(|backend| (backend.name(), projects_of(*backend, until)));
    let (projects, errors) = find::all_of(asked).await;
    let default = generation.reach(caller).view.default();
    let projects = Projects {
        errors,
        backends: backends.iter().map(|backend| of_backend(*backend, default)).collect(),
        projects: projects.into_iter().map(of_project).collect(),
    };
    Ok(ToolAnswer::of(projects.text(), &projects))
}

/// The projects of a backend. That it does not support them is the same as not exporting them.
async fn projects_of(backend: members::Reachable<'_>, until: Instant) -> Result<Listed<session::Project>, ToolError> {
    let member = backend.member_until(until).await?;
    let backend = &member.watched.backend;
    if !backend.has(Interface::Projects) {
        return Ok(Listed::default());
    }
    match backend.list_projects().await {
        Err(Error::Unsupported) => Ok(Listed::default()),
        listed => listed.map_err(|error| ToolError::of(member.name(), error)),
    }
}

fn of_backend(backend: members::Reachable<'_>, default: Option<&str>) -> Backend {
    let is_default = default == Some(backend.name());
    let about = match backend.condition() {
        Condition::Up(member) => return of_member(&member, is_default),
        Condition::ComingUp => "It is coming up: what it can do is not known yet.".to_owned(),
        Condition::Down { why, .. } => format!("It is down: {why}"),
    };
    Backend {
        name: backend.name().to_owned(),
        about,
        default: is_default,
        verbs: Vec::new(),
        agents: Vec::new(),
        views: Vec::new(),
        options: Vec::new(),
    }
}

fn of_member(member: &Member, default: bool) -> Backend {
    let description = &member.watched.backend.description;
    let option = |option: &session::OptionSpec| NewOption {
        name: option.name.clone(),
        about: option.about.clone(),
        agent: option.agent.clone(),
        values: option.values.clone(),
        initial: option.initial.clone(),
    };
    Backend {
        name: member.name().to_owned(),
        about: description.about.clone(),
        default,
        verbs: verbs(member),
        agents: member.agents.clone(),
        views: views(member),
        options: description.options.iter().map(option).collect(),
    }
}

fn of_project((backend, project): (String, session::Project)) -> Project {
    Project {
        backend,
        name: project.name,
        directory: project.directory,
        branch: project.branch,
        agents: project.agents,
        facts: project.facts.into_iter().collect(),
    }
}

/// The names of what a backend can do at all.
fn verbs(member: &Member) -> Vec<&'static str> {
    let backend = &member.watched.backend;
    let creation = backend.description.creation;
    let control = backend.has(Interface::Control);
    let names = [
        (creation.create, "create"),
        (creation.first_message, "first-message"),
        (creation.resume, "resume"),
        (creation.fork, "fork"),
        (creation.worktree, "worktree"),
        (control, "send"),
        (control, "interrupt"),
        (control, "terminate"),
        (control, "respond"),
        (backend.has(Interface::Options), "set"),
        (backend.has(Interface::Transcripts), "transcript"),
        (backend.has(Interface::Changes), "changes"),
        (backend.has(Interface::Projects), "projects"),
    ];
    names
        .into_iter()
        .filter(|(possible, _)| *possible)
        .map(|(_, name)| name)
        .collect()
}

/// Whether a number that is called `name` is from 1 to `most`.
fn within(name: &str, number: u32, most: u32) -> Result<(), ToolError> {
    match (1..=most).contains(&number) {
        true => Ok(()),
        false => Err(ToolError::refused(format!(
            "{name} must be from 1 to {most}, not {number}"
        ))),
    }
}

/// `wait_seconds` as a time, at most [`MAX_WAIT`], and a note where that is less than was asked for.
pub(super) fn wait(seconds: Option<u32>) -> (Duration, Option<String>) {
    let asked = seconds.unwrap_or(0);
    let note = (asked > MAX_WAIT).then(|| {
        format!("It was waited for {MAX_WAIT} seconds at most, not {asked}; get_session_status with wait_seconds waits longer.")
    });
    (Duration::from_secs(asked.min(MAX_WAIT).into()), note)
}
