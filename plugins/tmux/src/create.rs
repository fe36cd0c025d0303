//! Starting an agent in a new session.

use berth_plugin::{Error, Evidence, NewSession, Result, Session, State, Verbs, time};
use serde::{Deserialize, Serialize};

use crate::done::Note;
use crate::setup::{Entry, Setup};
use crate::tmux::{self, Reply, words};
use crate::{arguments, digest, names, projects, sessions};

/// The options of an agent that have places of their own in a request.
pub(crate) const RESUME: &str = "resume";
pub(crate) const FORK: &str = "fork";
/// How much of a name is kept in a session's id, in characters.
const NAME_MAX: usize = 41;
/// Characters at the end of an id that identify the request, so that no id is used twice.
const REQUEST: usize = 6;

/// What a request starts.
#[derive(Serialize, Deserialize)]
struct Started {
    id: String,
    agent: String,
    directory: String,
}

/// Starts a session and returns its state right after. A repeated request does not start another one.
pub(crate) fn create(setup: &Setup, request: &NewSession) -> Result<Session> {
    let note = Note::of_start(&request.id);
    if let Some(started) = note.earlier::<Started>()? {
        return match sessions::get(setup, &started.id) {
            Err(Error::NotFound(_)) => Ok(perhaps(&started, "it was not found")),
            session => session,
        };
    }
    let entry = agent(setup, request.agent.as_deref())?;
    let options = options(entry, request)?;
    let directory = projects::start_directory(request)?;
    let title = request.name.as_deref().unwrap_or(&directory);
    let started = Started {
        id: format!("{}-{}", slug(title), digest::word(&request.id, REQUEST)),
        agent: entry.name.clone(),
        directory,
    };
    note.begin(&started)?;
    if let Some(name) = request.name.as_deref().filter(|name| !name.trim().is_empty()) {
        names::note(&started.id, name.trim());
    }
    let session = start(setup, entry, &started, options);
    if session.is_err() {
        note.forget();
    }
    session
}

/// Starts it. An error means that there is no session.
fn start(setup: &Setup, entry: &Entry, started: &Started, options: Vec<String>) -> Result<Session> {
    let Started { id, agent, directory } = started;
    let (columns, rows) = (setup.size.columns.to_string(), setup.size.rows.to_string());
    let mut args = words(&[
        "new-session",
        "-d",
        "-s",
        id,
        "-n",
        agent,
        "-x",
        &columns,
        "-y",
        &rows,
        "--",
    ]);
    args.extend(entry.command.iter().cloned());
    args.extend(options);
    let ran = tmux::run(tmux::command(args).directory(directory)).and_then(Reply::whole);
    match (ran, sessions::get(setup, id)) {
        (_, Ok(session)) => Ok(session),
        // The session exists, whatever a look at it says.
        (Ok(_), Err(_)) => Ok(bare(started).state(State::Starting, Evidence::Process)),
        (Err(error), Err(Error::NotFound(_))) => Err(not_started(error)),
        // It can be found by this id.
        (Err(Error::TimedOut(why) | Error::Failed(why)), Err(_)) => Ok(perhaps(started, &why)),
        (Err(error), Err(_)) => Err(error),
    }
}

/// A session that was started and could not be looked at yet.
fn bare(started: &Started) -> Session {
    Session::new(&started.id)
        .agent(&started.agent)
        .directory(&started.directory)
        .created_at(time::now())
        .can(Verbs::TERMINATE)
}

/// A session of which it is not known whether it was started, and `why`.
fn perhaps(started: &Started, why: &str) -> Session {
    bare(started).summary(format!("tmux did not say whether it was started: {why}"))
}

/// A session that does not exist after its start failed.
fn not_started(error: Error) -> Error {
    match error {
        Error::TimedOut(why) | Error::Failed(why) => Error::Refused(format!("{why}; no session was started")),
        other => other,
    }
}

/// The agent asked for, or the first that is installed.
fn agent<'a>(setup: &'a Setup, wanted: Option<&str>) -> Result<&'a Entry> {
    let mut installed = setup.agents.iter().filter(|entry| entry.installed);
    let found = match wanted {
        None => installed.next(),
        Some(name) => installed.find(|entry| entry.name == name),
    };
    found.ok_or_else(|| {
        let names: Vec<_> = setup
            .agents
            .iter()
            .filter(|entry| entry.installed)
            .map(|entry| entry.name.as_str())
            .collect();
        match (wanted, names.as_slice()) {
            (_, []) => {
                Error::Invalid("no agent of this backend is installed: install one that `agents` names".to_owned())
            }
            (Some(name), _) if setup.agent(name).is_some() => Error::Invalid(format!(
                "agent {name:?} is not installed: use one of {}",
                names.join(", ")
            )),
            (name, _) => Error::Invalid(format!(
                "there is no agent {:?}: use one of {}",
                name.unwrap_or_default(),
                names.join(", ")
            )),
        }
    })
}

/// The arguments for the options asked for, `resume` and `fork` among them.
fn options(entry: &Entry, request: &NewSession) -> Result<Vec<String>> {
    let resume = request.resume.iter().map(|value| (RESUME, value.as_str()));
    let fork = request.fork.then_some((FORK, "true"));
    let named = request
        .options
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let mut asked: Vec<(&str, &str)> = Vec::new();
    for (name, value) in resume.chain(fork).chain(named) {
        if asked.iter().any(|(known, _)| *known == name) {
            return Err(Error::Invalid(format!("option `{name}` is given twice")));
        }
        asked.push((name, value));
    }
    let arguments = asked
        .into_iter()
        .map(|(name, value)| arguments::option(&entry.name, &entry.options, name, value));
    Ok(arguments.collect::<Result<Vec<_>>>()?.concat())
}

/// A name as a session's id begins with it: `[A-Za-z0-9][A-Za-z0-9_-]*`.
fn slug(title: &str) -> String {
    let last = title.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let mut slug = String::new();
    for character in last.chars() {
        if character.is_ascii_alphanumeric() || character == '_' {
            slug.push(character);
        } else if !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug: String = slug.trim_start_matches(['-', '_']).chars().take(NAME_MAX).collect();
    match slug.trim_end_matches('-') {
        "" => "session".to_owned(),
        slug => slug.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::Control as _;

    use super::*;
    use crate::Plugin;
    use crate::fake::{Fake, request, two_agents};

    fn built(given: &[(&str, &str)], resume: Option<&str>) -> Result<Vec<String>> {
        let given = given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let request = NewSession {
            resume: resume.map(str::to_owned),
            options: given.collect(),
            ..request("1")
        };
        options(two_agents().agent("claude").unwrap(), &request)
    }

    #[test]
    fn a_name_becomes_a_plain_id() {
        for (title, id) in [
            ("My App!", "My-App"),
            ("/home/me/projects/berth/", "berth"),
            ("--x", "x"),
            ("#(touch x)", "touch-x"),
            ("日本", "session"),
            ("a\nb", "a-b"),
        ] {
            assert_eq!(slug(title), id);
        }
        assert_eq!(slug(&"x".repeat(99)).len(), NAME_MAX);
    }

    #[test]
    fn declared_options_are_filled_in() {
        assert_eq!(
            built(&[("model", "opus")], Some("abc")).unwrap(),
            ["--resume", "abc", "--model=opus"]
        );
        assert_eq!(built(&[("fast", "true")], None).unwrap(), ["--fast"]);
    }

    #[test]
    fn refuses_options_that_are_unknown_doubled_or_flags() {
        for (options, resume, word) in [
            (&[("settings", "x")][..], None, "model, resume"),
            (&[("model", "--settings=x")], None, "begin with"),
            (&[("model", "a\nb")], None, "must not"),
            (&[("resume", "a")], Some("b"), "twice"),
            (&[("fast", "x")], None, "takes no value"),
        ] {
            match built(options, resume) {
                Err(Error::Invalid(why)) => assert!(why.contains(word), "{why}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn names_the_agents_there_are() {
        let setup = two_agents();
        assert_eq!(agent(&setup, None).map(|entry| entry.name.as_str()).ok(), Some("toy"));
        for (wanted, words) in [
            ("claude", "not installed: use one of toy"),
            ("x", "no agent \"x\": use one of toy"),
        ] {
            match agent(&setup, Some(wanted)) {
                Err(Error::Invalid(why)) => assert!(why.contains(words), "{why}"),
                _ => panic!("{wanted} is not refused"),
            }
        }
    }

    #[test]
    fn a_session_is_started_once_however_often_the_request_comes() {
        let fake = Fake::new();
        let named = NewSession {
            name: Some("My App!".to_owned()),
            ..request("a")
        };
        let session = Plugin::create_session(named.clone()).unwrap();
        assert!(session.id.starts_with("My-App-"), "{}", session.id);
        assert_eq!(session.agent, "toy");
        assert_eq!(session.directory.as_deref(), fake.host.directory().to_str());
        assert_eq!(Plugin::create_session(named).unwrap().id, session.id);
        assert_eq!(fake.count("new-session"), 1);
        assert_ne!(Plugin::create_session(request("b")).unwrap().id, session.id);
        assert_eq!(fake.count("new-session"), 2);
    }

    #[test]
    fn a_start_that_was_cut_off_is_answered_and_not_repeated() {
        let fake = Fake::new();
        let started = Started {
            id: "cut-off".to_owned(),
            agent: "toy".to_owned(),
            directory: "/p".to_owned(),
        };
        Note::of_start("a").begin(&started).unwrap();
        let session = Plugin::create_session(request("a")).unwrap();
        assert_eq!((session.id.as_str(), session.state), ("cut-off", State::Unknown));
        assert_eq!(fake.count("new-session"), 0);
    }

    #[test]
    fn a_start_that_failed_is_an_error_and_can_be_tried_again() {
        let fake = Fake::new();
        fake.breaks("new-session", "out of memory");
        let refused = Plugin::create_session(request("a"));
        assert!(
            matches!(&refused, Err(Error::Refused(why)) if why.contains("no session was started")),
            "{refused:?}"
        );
        fake.works_again();
        assert!(Plugin::create_session(request("a")).is_ok());
    }

    #[test]
    fn a_start_of_which_tmux_says_nothing_has_a_name_by_which_it_can_be_looked_for() {
        let fake = Fake::new();
        fake.hangs_after("new-session");
        let session = Plugin::create_session(request("a")).unwrap();
        assert_eq!(session.state, State::Unknown);
        assert!(session.summary.unwrap().contains("did not say whether"));
        fake.works_again();
        assert_eq!(Plugin::create_session(request("a")).unwrap().id, session.id);
        assert_eq!(fake.count("new-session"), 1);
    }
}
