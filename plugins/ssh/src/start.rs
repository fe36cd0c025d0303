//! Starting a session, and waiting for its address.

use std::thread;
use std::time::{Duration, Instant};

use berth_panes::done::Note;
use berth_plugin::{Error, Evidence, NewSession, Result, Session, State, context, time};
use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::kept::{self, Kept, Restarts};
use crate::launch::{self, Begins};
use crate::place::{self, HOST, Place};
use crate::setup::{OWN, Setup};
use crate::{hosts, sessions, surroundings};

/// Characters of a name, which claude.ai shows.
const NAME_MAX: usize = 41;
/// Characters of what is kept of a first message.
const TASK_MAX: usize = 500;
/// How often its screen is looked at.
const EVERY: Duration = Duration::from_millis(500);
/// What a call needs after its last look.
const REST: Duration = Duration::from_secs(4);

/// What a request started.
#[derive(Serialize, Deserialize)]
struct Started {
    id: String,
    /// Variables that may switch remote control off.
    perhaps: Vec<String>,
}

/// Starts a session and answers it with its address, or with why it has none. A repeated request does not start another.
pub(crate) fn create(setup: &Setup, request: &NewSession) -> Result<Session> {
    let note = Note::of_start(&request.id);
    if let Some(started) = note.earlier::<Started>()? {
        return addressed(setup, &started);
    }
    let options = options(setup, request)?;
    let name = name(request)?;
    let Place {
        host,
        directory,
        project,
    } = place::of(request)?;
    let id = Id::of_start(&host, &name, &request.id);
    let message = request.message.as_ref().map(|message| message.text.as_str());
    let kept = Kept {
        host,
        pane: id.pane.clone(),
        name,
        directory,
        project: Some(project),
        task: message.map(|text| text.chars().take(TASK_MAX).collect()),
        worktree: request.worktree == Some(true),
        options,
        made_at: time::now(),
        url: None,
        ended_at: None,
        stopped: false,
        restarts: Restarts::default(),
    };
    let command = launch::command(setup, &kept, &Begins::New(message))?;
    let started = Started {
        id: id.to_string(),
        perhaps: surroundings::check(&kept.host, setup.agent(kept.is_talk())?)?,
    };
    note.begin(&started)?;
    if let Err(error) = kept::add(&kept) {
        note.forget();
        return Err(Error::Refused(format!("{error}; nothing was started")));
    }
    if let Err(error) = launched(&id, launch::start(setup, &kept, command, false)) {
        kept::forget(&id);
        note.forget();
        return Err(error);
    }
    addressed(setup, &started)
}

/// What came of a start: an error means that there is no session.
fn launched(id: &Id, start: Result<()>) -> Result<()> {
    match start {
        // It may be there: it is shown as it is found, now or later.
        Err(Error::Unavailable(_)) => Ok(()),
        Err(Error::TimedOut(why) | Error::Failed(why)) => match hosts::look_at(id) {
            Ok(None) => Err(Error::Refused(format!("{why}; no session was started"))),
            Ok(Some(_)) | Err(_) => Ok(()),
        },
        start => start,
    }
}

/// The session, once its address or something else that matters shows, or the time is up.
fn addressed(setup: &Setup, started: &Started) -> Result<Session> {
    let most = Duration::from_secs(setup.settings.address_seconds.into());
    let until = Instant::now() + most.min(context::remaining().saturating_sub(REST));
    loop {
        let session = match sessions::get(setup, &started.id) {
            Err(Error::NotFound(_)) => return Ok(over(&started.id)),
            // It was started, and whoever learns only of an error does not know its id.
            Err(error) => sessions::unseen(setup, &started.id, &error),
            Ok(session) => session,
        };
        let is_settled = session.url.is_some() || !session.prompts.is_empty() || session.state.is_end();
        if is_settled || session.state == State::Unreachable || Instant::now() >= until {
            return Ok(explained(session, &started.perhaps));
        }
        thread::sleep(EVERY);
    }
}

/// One that was started and has been removed since.
fn over(id: &str) -> Session {
    let session = Session::new(id).state(State::Ended, Evidence::Process);
    session.summary("it was started, and has been ended and removed since")
}

/// A session without an address is told with what may be the reason.
fn explained(session: Session, perhaps: &[String]) -> Session {
    if session.url.is_some() || perhaps.is_empty() {
        return session;
    }
    let why = session.summary.clone().unwrap_or_default();
    let note = format!(
        "{} set there, with which some versions of Claude Code switch remote control off",
        surroundings::are(perhaps)
    );
    session.summary(format!("{why}; {note}"))
}

/// The name that claude.ai shows: the one asked for, or the project's.
fn name(request: &NewSession) -> Result<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if let Some(name) = &request.name {
        if !(1..=NAME_MAX).contains(&name.len()) || name.starts_with('-') || !name.chars().all(is_plain) {
            return Err(Error::Invalid(format!(
                "the name {name:?} must have 1 to {NAME_MAX} of A-Z a-z 0-9 _ -, and not begin with `-`"
            )));
        }
        return Ok(name.clone());
    }
    let path = request.project.as_ref().or(request.directory.as_ref());
    let last = path
        .and_then(|path| path.trim_end_matches('/').rsplit('/').next())
        .unwrap_or_default();
    let plain: String = last
        .chars()
        .map(|c| if is_plain(c) { c } else { '-' })
        .take(NAME_MAX)
        .collect();
    match plain.trim_matches('-') {
        "" => Ok("session".to_owned()),
        plain => Ok(plain.to_owned()),
    }
}

/// The options that a caller may choose, without the host.
fn options(setup: &Setup, request: &NewSession) -> Result<Vec<(String, String)>> {
    if request.resume.is_some() || request.fork {
        return Err(Error::Unsupported);
    }
    if request
        .message
        .as_ref()
        .is_some_and(|message| !message.attachments.is_empty())
    {
        return Err(Error::Invalid(
            "a first message takes no attachments: add them at the session's address".to_owned(),
        ));
    }
    if request.message.is_some() && setup.talk.is_none() {
        return Err(Error::Invalid(
            "no agent of this backend begins with a message: start it without, and write it at the session's address"
                .to_owned(),
        ));
    }
    let (server, agent) = (setup.agent(false)?, setup.agent(request.message.is_some())?);
    let wanted = request.agent.as_ref();
    if wanted.is_some_and(|name| *name != server.name && *name != agent.name) {
        return Err(Error::Invalid(format!(
            "leave `agent` out: create_session starts {}, and ask_claude gives others a task",
            server.name
        )));
    }
    let chosen = request.options.iter().filter(|(name, _)| name != HOST);
    let mut options: Vec<(String, String)> = Vec::new();
    for (name, value) in chosen {
        if OWN.contains(&name.as_str()) || options.iter().any(|(known, _)| known == name) {
            return Err(Error::Invalid(format!(
                "option `{name}` is given twice, or not by its own argument"
            )));
        }
        options.push((name.clone(), value.clone()));
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::{Control as _, Message, Receipt, store};

    use super::*;
    use crate::Plugin;
    use crate::fake::{ENABLE, Fake, URL, request};

    fn asking(id: &str) -> NewSession {
        NewSession {
            project: Some("app".to_owned()),
            ..request(id)
        }
    }

    fn with_project() -> Fake {
        let fake = Fake::new();
        fake.host.file_on("mac", "app/.git/HEAD", "ref: refs/heads/main\n");
        fake
    }

    #[test]
    fn a_session_starts_once_however_often_the_request_comes_and_is_answered_with_its_address() {
        let fake = with_project();
        let named = NewSession {
            name: Some("my_app".to_owned()),
            ..asking("a")
        };
        let session = Plugin::create_session(named.clone()).unwrap();
        assert_eq!(session.url.as_deref(), Some(URL));
        assert!(session.id.starts_with("mac:my_app-"), "{}", session.id);
        assert_eq!(
            (session.name.as_str(), session.project.as_deref()),
            ("my_app", Some("app"))
        );
        assert_eq!(Plugin::create_session(named.clone()).unwrap().id, session.id);
        assert_eq!(
            fake.on("mac").started(),
            [["remote-control", "--name=my_app", "--spawn=same-dir"]]
        );
        assert_eq!(fake.on("linux").started(), [[""; 0]; 0]);
        assert_eq!(Plugin::terminate(&session.id), Ok(Receipt::Confirmed));
        assert_eq!(Plugin::create_session(named).unwrap().state, State::Ended);
        assert_eq!(fake.on("mac").started().len(), 1);
    }

    #[test]
    fn with_a_message_a_conversation_begins_and_without_one_it_serves() {
        let fake = with_project();
        let message = Message {
            id: "m".to_owned(),
            text: "- fix it".to_owned(),
            attachments: Vec::new(),
        };
        let session = Plugin::create_session(NewSession {
            message: Some(message),
            worktree: Some(true),
            ..asking("a")
        });
        assert_eq!(session.unwrap().task.as_deref(), Some("- fix it"));
        assert_eq!(
            fake.on("mac").started(),
            [["--remote-control=app", "--worktree=app", "--", " - fix it"]]
        );
    }

    #[test]
    fn one_that_ends_at_once_is_answered_with_why_and_one_that_asks_with_its_question() {
        let fake = with_project();
        fake.on("mac")
            .will_end("Error: Workspace not trusted. Please run `claude` in /p/app first", 1);
        let session = Plugin::create_session(asking("a")).unwrap();
        assert_eq!(session.state, State::Failed);
        assert!(session.summary.unwrap().contains("run `claude` there once"));
        assert_eq!(session.attention.unwrap().kind, "error");
        fake.on("mac").will_show(ENABLE);
        let session = Plugin::create_session(asking("b")).unwrap();
        assert_eq!((session.state, session.prompts.len()), (State::Waiting, 1));
    }

    #[test]
    fn one_without_an_address_is_told_with_what_may_be_the_reason() {
        let fake = with_project();
        fake.host.ends_in(Duration::from_secs(3));
        fake.on("mac").sets(&["DO_NOT_TRACK"]);
        fake.on("mac").will_show("connecting");
        let session = Plugin::create_session(asking("a")).unwrap();
        assert_eq!((session.state, session.url), (State::Starting, None));
        assert!(session.summary.unwrap().contains("DO_NOT_TRACK is set there"));
    }

    #[test]
    fn what_is_wrong_is_refused_and_nothing_is_started_or_kept() {
        let fake = with_project();
        for (wrong, word) in [
            (
                NewSession {
                    name: Some("a b".to_owned()),
                    ..asking("a")
                },
                "1 to 41",
            ),
            (
                NewSession {
                    name: Some("x".repeat(42)),
                    ..asking("a")
                },
                "1 to 41",
            ),
            (
                NewSession {
                    name: Some(String::new()),
                    ..asking("a")
                },
                "1 to 41",
            ),
            (request("a"), "which project"),
            (
                NewSession {
                    options: vec![("x".to_owned(), "y".to_owned())],
                    ..asking("a")
                },
                "no option `x`",
            ),
            (
                NewSession {
                    options: vec![("name".to_owned(), "y".to_owned())],
                    ..asking("a")
                },
                "own argument",
            ),
            (
                NewSession {
                    agent: Some("codex".to_owned()),
                    ..asking("a")
                },
                "leave `agent` out",
            ),
        ] {
            match Plugin::create_session(wrong) {
                Err(Error::Invalid(why)) => assert!(why.contains(word), "{why}"),
                other => panic!("{word}: {other:?}"),
            }
        }
        fake.on("mac").sets(&["ANTHROPIC_BASE_URL"]);
        assert!(matches!(Plugin::create_session(asking("a")), Err(Error::Refused(_))));
        assert_eq!(fake.on("mac").started(), [[""; 0]; 0]);
        assert_eq!(store::keys("").unwrap(), [""; 0]);
    }

    #[test]
    fn a_start_that_failed_can_be_tried_again_and_one_that_may_have_happened_is_not() {
        let fake = with_project();
        fake.on("mac").breaks("out of memory");
        assert!(
            matches!(Plugin::create_session(asking("a")), Err(Error::Refused(why)) if why.contains("no session was"))
        );
        assert_eq!(store::keys("").unwrap(), [""; 0]);
        for (request, error) in [
            ("b", Error::Unavailable("the link was lost".to_owned())),
            ("c", Error::Failed("the answer was cut".to_owned())),
            ("d", Error::TimedOut("the answer is late".to_owned())),
        ] {
            fake.on("mac").works();
            let before = fake.on("mac").started().len();
            fake.on("mac").fails_after_a_start(error.clone());
            let session = Plugin::create_session(asking(request)).unwrap();
            assert_eq!(session.state, State::Unreachable);
            assert!(session.summary.unwrap().contains(&error.to_string()));
            fake.on("mac").works();
            let again = Plugin::create_session(asking(request)).unwrap();
            assert_eq!((again.id, again.url.as_deref()), (session.id, Some(URL)));
            assert_eq!(fake.on("mac").started().len(), before + 1);
        }
    }

    #[test]
    fn a_session_without_a_name_has_that_of_its_project() {
        for (project, called) in [
            ("web/my app/", "my-app"),
            ("日本", "session"),
            ("x".repeat(60).as_str(), "x".repeat(41).as_str()),
        ] {
            let request = NewSession {
                project: Some(project.to_owned()),
                ..request("a")
            };
            assert_eq!(name(&request).as_deref(), Ok(called));
        }
    }
}
