//! Sessions: which there are, which agent runs in each, and what each is doing.

use std::path::Path;

use berth_agents::{Observation, State as Seen};
use berth_plugin::types::{Error, Evidence, Session, State, Timestamp};

use crate::answers::Given;
use crate::clock::now;
use crate::drafts;
use crate::look::{self, Look};
use crate::panes::{self, End, Pane};
use crate::prompts;
use crate::setup::{Entry, STATE, Setup};

/// A screen that says nothing yet belongs to an agent that is starting, for so long after its start.
const STARTING_MS: u64 = 15_000;
/// How often ended sessions are forgotten.
const UPKEEP_MS: u64 = 3_600_000;
/// Where the agent of a pane has gone, one of these is in front.
const SHELLS: [&str; 10] = ["sh", "bash", "zsh", "fish", "dash", "ksh", "csh", "tcsh", "login", "nu"];

/// A session and the pane in which its agent runs.
pub(crate) struct Found<'a> {
    pub(crate) id: String,
    pub(crate) pane: Pane,
    pub(crate) agent: Option<&'a Entry>,
}

/// All sessions, by two tmux commands.
pub(crate) fn list(setup: &Setup) -> Result<Vec<Session>, Error> {
    let found = all(setup)?;
    let shown: Vec<_> = found
        .iter()
        .filter(|found| found.is_readable())
        .map(|found| &found.pane)
        .collect();
    let mut looks = look::many(&setup.tmux, &shown)?.into_iter();
    let mut sessions = Vec::with_capacity(found.len());
    for found in &found {
        let look = if found.is_readable() {
            looks.next().flatten()
        } else {
            None
        };
        // A readable pane without a look vanished while it was listed: its session has ended.
        if look.is_some() || !found.is_readable() {
            sessions.push(found.session(setup, look.as_ref()));
        }
    }
    Ok(sessions)
}

/// One session.
pub(crate) fn get(setup: &Setup, id: &str) -> Result<Session, Error> {
    let found = find(setup, id)?;
    let look = if found.is_readable() {
        Some(look::close(&setup.tmux, &found.pane.id)?)
    } else {
        None
    };
    Ok(found.session(setup, look.as_ref()))
}

/// A session that was started and could not be looked at yet.
pub(crate) fn just_started(id: &str, entry: &Entry, directory: String) -> Session {
    Session {
        id: id.to_owned(),
        name: id.to_owned(),
        agent: entry.name.clone(),
        directory,
        state: State::Starting,
        evidence: Evidence::Process,
        since: None,
        summary: None,
        prompt: None,
        url: None,
        created_at: now(),
        active_at: None,
        facts: Vec::new(),
    }
}

/// A session of which tmux did not say whether it was started, and `why`.
pub(crate) fn perhaps_started(id: &str, entry: &Entry, directory: String, why: &str) -> Session {
    Session {
        state: State::Unknown,
        summary: Some(format!("tmux did not say whether it was started: {why}")),
        ..just_started(id, entry, directory)
    }
}

/// Finds a session by its whole id.
pub(crate) fn find<'a>(setup: &'a Setup, id: &str) -> Result<Found<'a>, Error> {
    let found = all(setup)?.into_iter().find(|found| found.id == id);
    found.ok_or_else(|| Error::NotFound("there is no such session: list_sessions shows those there are".to_owned()))
}

/// Removes what is remembered of sessions that have ended.
pub(crate) fn forget_ended(setup: &Setup) -> Result<Option<Timestamp>, Error> {
    let ids: Vec<_> = all(setup)?.into_iter().map(|found| found.id).collect();
    let answers = setup.answers.keep_only(&ids);
    answers
        .and_then(|()| setup.typing.keep_only(&ids))
        .and_then(|()| drafts::tidy(Path::new(STATE)))
        .map_err(|error| Error::Failed(format!("could not tidy /state: {error}")))?;
    Ok(Some(now() + UPKEEP_MS))
}

fn all(setup: &Setup) -> Result<Vec<Found<'_>>, Error> {
    Ok(group(setup, panes::list(&setup.tmux)?))
}

/// One pane a session: the oldest whose agent is known, else the oldest.
fn group(setup: &Setup, mut panes: Vec<Pane>) -> Vec<Found<'_>> {
    panes.sort_by_key(Pane::number);
    let mut found: Vec<Found> = Vec::new();
    for pane in panes {
        let agent = agent_of(setup, &pane);
        match found.iter_mut().find(|found| found.pane.session == pane.session) {
            None => found.push(Found {
                id: id_of(&pane),
                pane,
                agent,
            }),
            Some(known) if known.agent.is_none() && agent.is_some() => (known.pane, known.agent) = (pane, agent),
            Some(_) => {}
        }
    }
    found
}

/// A session that berth made has its agent's name as its window's; one made by hand is known by its process.
fn agent_of<'a>(setup: &'a Setup, pane: &Pane) -> Option<&'a Entry> {
    setup
        .agent(&pane.window_name)
        .or_else(|| setup.agent_running_as(&pane.process))
}

/// The beginning of an id of a session whose name can be none.
const NUMBERED: &str = "tmux-";

/// A session's name, where that can stand for it; else tmux's own number.
fn id_of(pane: &Pane) -> String {
    let name = &pane.session_name;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let reserved = name
        .strip_prefix(NUMBERED)
        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    if (1..=64).contains(&name.len()) && name.chars().all(plain) && !reserved {
        return name.clone();
    }
    format!("{NUMBERED}{}", pane.session.trim_start_matches('$'))
}

impl<'a> Found<'a> {
    fn is_readable(&self) -> bool {
        self.pane.end.is_none() && self.agent.is_some() && self.is_there(&self.pane.process)
    }

    /// Whether the agent is what runs in front, and not a shell it was started from.
    fn is_there(&self, process: &str) -> bool {
        let shell = SHELLS.contains(&process.trim_start_matches('-'));
        self.agent
            .is_some_and(|entry| entry.agent.runs_as(process) || (self.pane.has_command && !shell))
    }

    /// The agent, where one is known and alive.
    ///
    /// # Errors
    /// Nothing may be typed here: it would run in a shell, or nobody would read it.
    pub(crate) fn living(&self, look: &Look) -> Result<&'a Entry, Error> {
        let entry = self.known()?;
        if look.dead || !self.is_there(&look.process) {
            return Err(Error::Refused(format!(
                "{} does not run in this session any more, so nothing was typed: end it with terminate_session, or create a new one",
                entry.name
            )));
        }
        Ok(entry)
    }

    pub(crate) fn known(&self) -> Result<&'a Entry, Error> {
        self.agent.ok_or_else(|| {
            Error::Refused(
                "no known agent runs in this session, so nothing was typed: attach to it, or create a new one"
                    .to_owned(),
            )
        })
    }

    /// What an agent is doing, with the time after its start in which it still loses keys.
    pub(crate) fn state(&self, entry: &Entry, seen: &Observation) -> State {
        let age = now().saturating_sub(self.pane.created * 1000);
        match seen.state {
            Seen::Busy => State::Busy,
            Seen::Waiting => State::Waiting,
            Seen::Idle if age < entry.agent.ready_ms() => State::Starting,
            Seen::Idle => State::Idle,
            Seen::Unknown if age < STARTING_MS => State::Starting,
            Seen::Unknown => State::Unknown,
        }
    }

    /// The session as it looks. What is damaged of one is said in it, so that it hides none of the others.
    fn session(&self, setup: &Setup, look: Option<&Look>) -> Session {
        let mut session = self.bare();
        let Some((entry, look)) = self.agent.zip(look) else {
            return session;
        };
        let seen = entry.agent.observe(&look.screen);
        session.evidence = Evidence::Screen;
        session.state = self.state(entry, &seen);
        session.summary = seen.summary;
        if let Some(prompt) = seen.prompt {
            let given = setup.answers.of(&self.id);
            let known = given.as_ref().ok();
            let id = prompts::id(&self.pane, look.history, known.unwrap_or(&Given::default()), &prompt);
            let mut shown = prompts::shown(id, prompt);
            if let Err(damage) = given {
                session.summary = Some(damage.to_string());
                session.facts.push(("problem".to_owned(), damage.to_string()));
                shown = prompts::out_of_reach(shown, &damage);
            }
            session.prompt = Some(shown);
        }
        session
    }

    /// What is known without its screen.
    fn bare(&self) -> Session {
        let pane = &self.pane;
        let (state, summary) = self.end();
        let mut facts = vec![("size".to_owned(), format!("{}x{}", pane.columns, pane.rows))];
        // What tmux calls it, for `berth attach`.
        if self.id != pane.session_name {
            facts.push(("attach".to_owned(), pane.session.clone()));
        }
        if pane.attached {
            facts.push(("attached".to_owned(), "a person".to_owned()));
        }
        if let Some(End::Status(status)) = pane.end {
            facts.push(("exit-status".to_owned(), status.to_string()));
        }
        Session {
            id: self.id.clone(),
            name: pane.session_name.clone(),
            agent: self.agent.map(|entry| entry.name.clone()).unwrap_or_default(),
            directory: pane.directory.clone(),
            state,
            evidence: Evidence::Process,
            since: None,
            summary,
            prompt: None,
            url: None,
            created_at: pane.created * 1000,
            active_at: Some(pane.active * 1000),
            facts,
        }
    }

    fn end(&self) -> (State, Option<String>) {
        match (&self.pane.end, self.agent) {
            (Some(End::Status(0)), _) => (State::Done, Some("it ended".to_owned())),
            (Some(End::Status(status)), _) => (State::Failed, Some(format!("it ended with status {status}"))),
            (Some(End::Signal(signal)), _) => (State::Failed, Some(format!("it was ended by signal {signal}"))),
            (Some(End::Unknown), _) => (State::Unknown, Some("it ended, and tmux does not know how".to_owned())),
            (None, Some(entry)) => (
                State::Unknown,
                Some(format!("{} does not run in it any more", entry.name)),
            ),
            (None, None) => (State::Unknown, Some("no known agent runs in it".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::panes::tests::pane;
    use crate::setup::tests::two_agents;

    fn ids(panes: Vec<Pane>) -> Vec<String> {
        group(&two_agents(), panes).into_iter().map(|found| found.id).collect()
    }

    fn found<'a>(setup: &'a Setup, pane: Pane) -> Found<'a> {
        group(setup, vec![pane]).remove(0)
    }

    #[test]
    fn a_session_goes_by_its_name_or_by_a_number() {
        for (name, id) in [
            ("my-app-x1y2z", "my-app-x1y2z"),
            ("two words", "tmux-7"),
            ("tmux-1", "tmux-7"),
            ("#(x)", "tmux-7"),
        ] {
            assert_eq!(ids(vec![pane("%1", name, "claude", "claude")]), [id]);
        }
    }

    #[test]
    fn of_several_panes_the_oldest_with_an_agent_counts() {
        let setup = two_agents();
        let panes = vec![
            pane("%12", "a", "zsh", "claude"),
            pane("%9", "a", "zsh", "claude"),
            pane("%3", "a", "zsh", "zsh"),
        ];
        let found = group(&setup, panes);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].pane.id, "%9");
    }

    #[test]
    fn an_agent_is_known_by_its_window_and_by_its_process() {
        let setup = two_agents();
        let name = |window, process| {
            found(&setup, pane("%1", "a", window, process))
                .agent
                .map(|entry| entry.name.clone())
        };
        assert_eq!(name("toy", "anything").as_deref(), Some("toy"));
        assert_eq!(name("zsh", "claude").as_deref(), Some("claude"));
        assert_eq!(name("zsh", "zsh"), None);
    }

    #[test]
    fn an_agent_that_left_its_shell_behind_is_not_there() {
        let setup = two_agents();
        let mut by_hand = pane("%1", "a", "claude", "zsh");
        by_hand.has_command = false;
        let by_hand = found(&setup, by_hand);
        assert!(!by_hand.is_readable() && !by_hand.is_there("-bash") && !by_hand.is_there("vim"));
        assert!(by_hand.is_there("claude"));
        let started = found(&setup, pane("%1", "a", "claude", "node"));
        assert!(started.is_there("node") && !started.is_there("bash"));
        let session = by_hand.session(&setup, None);
        assert_eq!((session.state, session.evidence), (State::Unknown, Evidence::Process));
    }

    #[test]
    fn a_dead_pane_is_done_or_failed_only_where_its_status_says_so() {
        let setup = two_agents();
        let mut dead = pane("%1", "a", "toy", "");
        for (end, state) in [
            (End::Status(0), State::Done),
            (End::Status(3), State::Failed),
            (End::Unknown, State::Unknown),
        ] {
            dead.end = Some(end);
            assert_eq!(found(&setup, dead.clone()).session(&setup, None).state, state);
        }
    }
}
