//! `berth trust`: an agent's own question whether it may trust a directory, answered in this terminal.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use berth::assemble::{Granted, Setup};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::attach::{self, Found};
use super::connection::Connection;
use super::start;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The directory, or with a backend on a host also a project of it
    #[arg(default_value = ".", value_name = "DIR")]
    directory: PathBuf,
    /// The agent, such as claude; the first installed one, if left out
    #[arg(long)]
    agent: Option<String>,
    /// Another backend than the default one
    #[arg(long)]
    backend: Option<String>,
}

/// Opens the session that asks this already; otherwise one is started there.
pub(crate) async fn run(setup: &Setup, options: Options, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    attach::ensure_terminal()?;
    let (key, directory) = start::directory(setup, options.backend.as_ref(), &options.directory)?;
    let is_here = |name: &str| setup.backends.get(name).is_none_or(Granted::is_here);
    let backend = options.backend.as_ref().unwrap_or(&setup.default_backend);
    let there = setup.backends.get(backend).filter(|backend| !backend.is_here());
    let sought = Sought::of(key, &directory, there);
    let find = async |connection: &Connection| {
        let waiting = json!({"state": "waiting", "backend": there.map(|_| backend).or(options.backend.as_ref())});
        let waiting = connection.ask("list_sessions", waiting).await?;
        let list = waiting.structured.unwrap_or_default();
        let mut sessions = list["sessions"].as_array().cloned().unwrap_or_default();
        // Another machine may have a directory by the same name.
        sessions.retain(|session| there.is_some() || session["backend"].as_str().is_some_and(is_here));
        if let Some(session) = asking(&sessions, &sought, options.agent.as_deref())? {
            return Ok(Found::of(session));
        }
        let wanted = json!({(key): directory, "agent": options.agent, "backend": options.backend});
        let started = connection.ask("create_session", wanted).await?;
        if started.failed {
            bail!("{}", started.text.trim_end());
        }
        Ok(started.structured.and_then(|answer| Found::of(&answer["session"])))
    };
    let found = Connection::with(setup, &shutdown, find).await?;
    attach::join(setup, &found.context("the answer names no session")?).await
}

/// How the directory is known among those of sessions.
#[derive(Debug, PartialEq, Eq)]
enum Sought {
    /// By its whole path.
    Path(String),
    /// As a project, or a directory in it, whose path ends so.
    Project(String, String),
    /// Which one it is, is known on its machine alone.
    Unknown,
}

impl Sought {
    /// That which is `named` as `key`, on the machine of a backend that is `there`. Where `~` is on a host is not known here,
    /// but which granted directory is meant, if only one is called so.
    fn of(key: &str, named: &str, there: Option<&Granted>) -> Self {
        if key == "project" {
            let project = named.split('/').next().unwrap_or_default();
            return Self::Project(project.to_owned(), format!("/{named}"));
        }
        let (Some(below), Some(backend)) = (named.strip_prefix("~/"), there) else {
            return Self::Path(named.to_owned());
        };
        let granted = || {
            backend
                .written
                .directories
                .iter()
                .filter_map(|granted| granted.to_str())
        };
        let in_one = granted().find_map(|granted| {
            let root = granted.strip_prefix("~/")?.trim_end_matches('/');
            let rest = below.strip_prefix(root)?.strip_prefix('/')?;
            Some((root, rest.split('/').next()?))
        });
        let end = |root: &str| format!("/{root}");
        match in_one {
            Some((root, project))
                if granted()
                    .filter(|granted| granted.trim_end_matches('/').ends_with(&end(root)))
                    .count()
                    == 1 =>
            {
                Self::Project(project.to_owned(), end(below))
            }
            _ => Self::Unknown,
        }
    }

    fn is_that_of(&self, session: &Value) -> bool {
        match self {
            Self::Path(path) => session["directory"] == *path,
            Self::Project(project, end) => {
                let directory = session["directory"].as_str();
                session["project"] == *project && directory.is_some_and(|directory| directory.ends_with(end))
            }
            Self::Unknown => false,
        }
    }
}

/// The one of `sessions` that asks whether this directory is trusted, if there is one.
///
/// # Errors
/// There are several directories of which it may be the name.
fn asking<'a>(sessions: &'a [Value], sought: &Sought, agent: Option<&str>) -> anyhow::Result<Option<&'a Value>> {
    let is_asked = |session: &&Value| {
        let prompts = session["prompts"].as_array();
        sought.is_that_of(session)
            && agent.is_none_or(|agent| session["agent"] == agent)
            && prompts.is_some_and(|prompts| prompts.iter().any(|prompt| prompt["kind"] == "trust"))
    };
    let mut asked = sessions.iter().filter(is_asked);
    let Some(first) = asked.next() else { return Ok(None) };
    match asked.find(|other| other["directory"] != first["directory"]) {
        None => Ok(Some(first)),
        Some(other) => bail!(
            "it may be {} or {} that is meant: write its whole path",
            first["directory"],
            other["directory"]
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn session(id: &str, directory: &str, agent: &str, kind: &str) -> Value {
        let project = directory.rsplit('/').next();
        json!({"session_id": id, "directory": directory, "project": project, "agent": agent, "prompts": [{"kind": kind}]})
    }

    #[test]
    fn a_session_that_asks_for_trust_in_this_directory_is_opened_and_no_other() {
        let sessions = [
            session("local/a", "/p/other", "one", "trust"),
            session("local/b", "/p/app", "one", "permission"),
            session("local/c", "/p/app", "two", "trust"),
            session("local/d", "/p/app", "one", "trust"),
        ];
        let wanted = |directory: &str, agent: Option<&str>| {
            let found = asking(&sessions, &Sought::Path(directory.to_owned()), agent).unwrap();
            found.map(|session| session["session_id"].as_str().unwrap())
        };
        assert_eq!(wanted("/p/app", None), Some("local/c"));
        assert_eq!(wanted("/p/app", Some("one")), Some("local/d"));
        assert_eq!(wanted("/p/app", Some("three")), None);
        assert_eq!(wanted("/p/new", None), None);
    }

    #[test]
    fn a_project_on_a_host_is_found_and_one_of_two_with_its_name_is_not_guessed() {
        let mut sessions = vec![
            session("mac/a", "/home/me/projects/app", "one", "trust"),
            session("mac/b", "/home/me/projects/other", "one", "trust"),
        ];
        let wanted = |sessions: &[Value], sought: &Sought| {
            let found = asking(sessions, sought, None)?;
            anyhow::Ok(found.map(|session| session["session_id"].as_str().unwrap().to_owned()))
        };
        let app = Sought::of("project", "app", None);
        assert_eq!(wanted(&sessions, &app).unwrap().as_deref(), Some("mac/a"));
        assert_eq!(wanted(&sessions, &Sought::of("project", "ap", None)).unwrap(), None);
        assert_eq!(wanted(&sessions, &Sought::Unknown).unwrap(), None);
        sessions.push(session("mac/c", "/srv/app", "one", "trust"));
        let told = wanted(&sessions, &app).unwrap_err().to_string();
        assert!(
            told.contains("/home/me/projects/app") && told.contains("/srv/app"),
            "{told}"
        );
        let from_home = Sought::Project("app".into(), "/projects/app".into());
        assert_eq!(wanted(&sessions, &from_home).unwrap().as_deref(), Some("mac/a"));
    }
}
