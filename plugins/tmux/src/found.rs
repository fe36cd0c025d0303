//! Which sessions there are: each with its pane, and the agent that runs in it.

use berth_agents::{Observation, State as Seen};
use berth_plugin::{Error, Result, State, time};

use crate::look::{self, Look};
use crate::names;
use crate::panes::{self, End, Pane};
use crate::setup::{Entry, Setup};

/// How many lines above the screen the highest composer is looked for.
const HIGHEST: usize = 5000;
/// For this time after its start, a screen that says nothing yet belongs to an agent that is starting.
const STARTING_MS: u64 = 15_000;
/// If the agent of a pane has gone, one of these is in front.
const SHELLS: [&str; 10] = ["sh", "bash", "zsh", "fish", "dash", "ksh", "csh", "tcsh", "login", "nu"];

/// A session and the pane in which its agent runs.
pub(crate) struct Found<'a> {
    pub(crate) id: String,
    /// As a person gave it; otherwise as tmux has it.
    pub(crate) name: String,
    pub(crate) pane: Pane,
    pub(crate) agent: Option<&'a Entry>,
}

/// Finds a session by its whole id.
pub(crate) fn find<'a>(setup: &'a Setup, id: &str) -> Result<Found<'a>> {
    let found = all(setup)?.into_iter().find(|found| found.id == id);
    found.ok_or_else(|| Error::NotFound("there is no such session: list_sessions shows all sessions".to_owned()))
}

pub(crate) fn all(setup: &Setup) -> Result<Vec<Found<'_>>> {
    Ok(group(setup, panes::list()?))
}

/// The same with the names that people gave.
pub(crate) fn named<'a, T: AsMut<[Found<'a>]>>(mut all: T) -> T {
    let mut names = names::all();
    for found in all.as_mut() {
        if let Some(name) = names.remove(&found.id) {
            found.name = name;
        }
    }
    all
}

/// One pane for each session: the oldest whose agent is known, otherwise the oldest.
pub(crate) fn group(setup: &Setup, mut panes: Vec<Pane>) -> Vec<Found<'_>> {
    panes.sort_by_key(Pane::number);
    let mut found: Vec<Found> = Vec::new();
    for pane in panes {
        let agent = agent_of(setup, &pane);
        match found.iter_mut().find(|found| found.pane.session == pane.session) {
            None => found.push(Found {
                id: id_of(&pane),
                name: pane.session_name.clone(),
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

/// The beginning of the id of a session whose name is not a valid id.
const NUMBERED: &str = "tmux-";

/// A session's name, if that is a valid id; otherwise tmux's own number.
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
    /// Whether its screen says more than tmux does: what a living agent does, or how one ended whose status tmux missed.
    pub(crate) fn is_readable(&self) -> bool {
        match self.pane.end {
            None => self.is_there(&self.pane.process),
            Some(End::Unknown) => self.agent.is_some(),
            Some(_) => false,
        }
    }

    /// Whether the agent is what runs in front, and not a shell it was started from.
    pub(crate) fn is_there(&self, process: &str) -> bool {
        let shell = SHELLS.contains(&process.trim_start_matches('-'));
        self.agent
            .is_some_and(|entry| entry.agent.runs_as(process) || (self.pane.has_command && !shell))
    }

    /// The agent, if one is known and alive.
    ///
    /// # Errors
    /// Nothing may be typed here: it would run in a shell, or nobody would read it.
    pub(crate) fn living(&self, look: &Look) -> Result<&'a Entry> {
        let entry = self.known()?;
        if !look.dead && self.is_there(&look.process) {
            return Ok(entry);
        }
        if !look.dead && self.may_still_start() {
            return Err(Error::Busy);
        }
        let why = match look.dead {
            true => format!("{} no longer runs in this session", entry.name),
            false => self.in_front(entry, &look.process),
        };
        Err(Error::Refused(format!(
            "{why}, so nothing was typed: end it with terminate_session, or create a new one"
        )))
    }

    /// What runs in front instead of the agent, and what to write where that runs it.
    pub(crate) fn in_front(&self, entry: &Entry, process: &str) -> String {
        let (agent, process) = (&entry.name, process.trim_start_matches('-'));
        if !self.pane.has_command {
            return format!("{agent} no longer runs in it, but {process}");
        }
        let mut processes = entry.agent.processes().to_vec();
        processes.push(process.to_owned());
        format!(
            "`{process}` is in front of it and not {agent} (where that is a script which runs {agent} without `exec`, make \
             it known in config.toml: [agents.{agent}] signs = {{ processes = {processes:?} }})"
        )
    }

    /// Whether what is in front may yet become the agent: a script that starts it.
    pub(crate) fn may_still_start(&self) -> bool {
        self.pane.has_command && self.age() < STARTING_MS
    }

    /// How long ago it was started, in milliseconds.
    fn age(&self) -> u64 {
        time::now().saturating_sub(self.pane.created * 1000)
    }

    pub(crate) fn known(&self) -> Result<&'a Entry> {
        self.agent.ok_or_else(|| {
            Error::Refused(
                "no known agent runs in this session, so nothing was typed: attach to it, or create a new one"
                    .to_owned(),
            )
        })
    }

    /// What an agent is doing, with the time after its start in which it still loses keys. Where something works in the
    /// background it is busy, although its composer takes text.
    pub(crate) fn state(&self, entry: &Entry, seen: &Observation) -> State {
        let age = self.age();
        match seen.state {
            Seen::Busy => State::Busy,
            Seen::Waiting => State::Waiting,
            Seen::Idle if age < entry.agent.ready_ms() => State::Starting,
            Seen::Idle if seen.background.is_some() => State::Busy,
            Seen::Idle => State::Idle,
            Seen::Unknown if age < STARTING_MS => State::Starting,
            Seen::Unknown => State::Unknown,
        }
    }

    /// What the agent shows. A composer that is higher than the screen is looked at as a whole.
    pub(crate) fn observe(&self, entry: &Entry, look: &Look) -> Observation {
        let seen = entry.agent.observe(&look.screen);
        match seen.beheaded.then(|| look::deep(&self.pane.id, HIGHEST)) {
            Some(Ok(whole)) => entry.agent.observe(&whole.screen),
            // Then nothing is known of it.
            Some(Err(_)) | None => seen,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::fake::two_agents;
    use berth_panes::testing::pane;

    /// The session of this pane.
    pub(crate) fn found<'a>(setup: &'a Setup, pane: Pane) -> Found<'a> {
        group(setup, vec![pane]).remove(0)
    }

    fn ids(panes: Vec<Pane>) -> Vec<String> {
        group(&two_agents(), panes).into_iter().map(|found| found.id).collect()
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
}
