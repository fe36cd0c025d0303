//! Sessions: which there are, which agent runs in each, and what each is doing.

use berth_agents::{Observation, State as Seen};
use berth_plugin::{Attention, Error, Evidence, Result, Session, SessionPage, SessionQuery, State, Verbs, time};

use crate::answers::{self, Damage};
use crate::look::{self, Look};
use crate::names;
use crate::panes::{self, End, Pane};
use crate::prompts;
use crate::setup::{Entry, Setup};
use crate::told;

/// How many lines above the screen the highest composer is looked for.
const HIGHEST: usize = 5000;
/// For this time after its start, a screen that says nothing yet belongs to an agent that is starting.
const STARTING_MS: u64 = 15_000;
/// What is said of a screen that is not understood.
const UNKNOWN: &str =
    "its screen is not understood: look with get_logs (view = \"screen\"); the answer `dismiss` leaves it";
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

/// The sessions that the query asks for, by two tmux commands. A damaged session does not hide the others.
pub(crate) fn list(setup: &Setup, query: &SessionQuery) -> Result<SessionPage> {
    let found = named(all(setup)?);
    let shown: Vec<_> = found
        .iter()
        .filter(|found| found.is_readable())
        .map(|found| &found.pane)
        .collect();
    let mut looks = look::many(&shown)?.into_iter();
    let (mut sessions, mut problems) = (Vec::with_capacity(found.len()), Vec::new());
    for found in &found {
        let look = if found.is_readable() {
            looks.next().flatten()
        } else {
            None
        };
        // A readable pane without a look vanished while it was listed: its session has ended.
        if look.is_some() || !found.is_readable() {
            let (session, damage) = found.session(look.as_ref());
            problems.extend(damage.map(|damage| (found.id.clone(), Error::Failed(damage.to_string()))));
            sessions.push((found, session));
        }
    }
    told::add(setup, &mut sessions);
    let page = SessionPage::of(
        sessions.into_iter().map(|(_, session)| session).collect::<Vec<_>>(),
        query,
    );
    Ok(SessionPage { problems, ..page })
}

/// One session.
pub(crate) fn get(setup: &Setup, id: &str) -> Result<Session> {
    let [found] = named([find(setup, id)?]);
    let look = if found.is_readable() {
        Some(look::close(&found.pane.id)?)
    } else {
        None
    };
    let (session, _) = found.session(look.as_ref());
    let mut told = [(&found, session)];
    told::add(setup, &mut told);
    let [(_, session)] = told;
    if session.prompts.is_empty() && look.is_some() && answers::of(id).is_err() {
        answers::begin_again(id);
    }
    Ok(session)
}

/// The ids of all sessions.
pub(crate) fn ids(setup: &Setup) -> Result<Vec<String>> {
    Ok(all(setup)?.into_iter().map(|found| found.id).collect())
}

/// Finds a session by its whole id.
pub(crate) fn find<'a>(setup: &'a Setup, id: &str) -> Result<Found<'a>> {
    let found = all(setup)?.into_iter().find(|found| found.id == id);
    found.ok_or_else(|| Error::NotFound("there is no such session: list_sessions shows all sessions".to_owned()))
}

fn all(setup: &Setup) -> Result<Vec<Found<'_>>> {
    Ok(group(setup, panes::list()?))
}

/// The same with the names that people gave.
fn named<'a, T: AsMut<[Found<'a>]>>(mut all: T) -> T {
    let mut names = names::all();
    for found in all.as_mut() {
        if let Some(name) = names.remove(&found.id) {
            found.name = name;
        }
    }
    all
}

/// One pane for each session: the oldest whose agent is known, otherwise the oldest.
fn group(setup: &Setup, mut panes: Vec<Pane>) -> Vec<Found<'_>> {
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
    fn is_readable(&self) -> bool {
        match self.pane.end {
            None => self.is_there(&self.pane.process),
            Some(End::Unknown) => self.agent.is_some(),
            Some(_) => false,
        }
    }

    /// Whether the agent is what runs in front, and not a shell it was started from.
    fn is_there(&self, process: &str) -> bool {
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
    fn in_front(&self, entry: &Entry, process: &str) -> String {
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
    fn may_still_start(&self) -> bool {
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

    /// The session as it looks, and what is damaged of it.
    fn session(&self, look: Option<&Look>) -> (Session, Option<Damage>) {
        let session = self.bare();
        let Some((entry, look)) = self.agent.zip(look) else {
            return (session, None);
        };
        if self.pane.end.is_some() {
            let (state, summary) = match entry.agent.has_taken_leave(&look.screen) {
                true => (State::Done, "it ended, and took its leave"),
                false => (
                    State::Failed,
                    "it ended without taking its leave, and tmux did not see how",
                ),
            };
            return (session.state(state, Evidence::Process).summary(summary), None);
        }
        let seen = self.observe(entry, look);
        let state = self.state(entry, &seen);
        let last_output = (state != State::Unknown)
            .then(|| entry.agent.said(&look.screen, &seen))
            .flatten();
        let mut session = Session {
            summary: seen.background.clone().or(seen.summary),
            attention: seen.attention.map(|seen| Attention::new(seen.kind, seen.reason)),
            last_output,
            ..session
                .state(state, Evidence::Screen)
                .can(can(state, seen.background.is_some(), entry.agent.encloses()))
        };
        if state == State::Unknown && entry.agent.dismiss_key().is_some() {
            session.can |= Verbs::RESPOND;
            session = session.summary(UNKNOWN);
        }
        let Some(prompt) = seen.prompt else {
            return (session, None);
        };
        let given = answers::of(&self.id);
        let id = prompts::id(&self.pane, look.history, given.as_ref().ok(), &prompt);
        let shown = prompts::shown(id, prompt);
        let Err(damage) = given else {
            return (session.prompt(shown), None);
        };
        session = session
            .summary(damage.to_string())
            .fact("problem", damage.to_string())
            .prompt(prompts::out_of_reach(shown, &damage));
        session.can.remove(Verbs::RESPOND);
        (session, Some(damage))
    }

    /// What is known without its screen.
    fn bare(&self) -> Session {
        let pane = &self.pane;
        let mut session = Session::new(&self.id)
            .name(&self.name)
            .directory(&pane.directory)
            .created_at(pane.created * 1000)
            .active_at(pane.active * 1000)
            .can(Verbs::TERMINATE)
            .fact("size", format!("{}x{}", pane.columns, pane.rows));
        // What tmux calls it, for `berth attach`.
        if self.id != pane.session_name {
            session = session.fact("attach", &pane.session);
        }
        if pane.attached {
            session = session.fact("attached", "a person");
        }
        if let Some(End::Status(status)) = pane.end {
            session = session.fact("exit-status", status.to_string());
        }
        session = match self.agent {
            Some(entry) => session.agent(&entry.name),
            None if pane.process.is_empty() => session,
            None => session.agent(&pane.process),
        };
        let (state, summary) = self.end();
        session.state(state, Evidence::Process).summary(summary)
    }

    fn end(&self) -> (State, String) {
        match (&self.pane.end, self.agent) {
            (Some(End::Status(0)), _) => (State::Done, "it ended".to_owned()),
            (Some(End::Status(status)), _) => (State::Failed, format!("it ended with status {status}")),
            (Some(End::Signal(signal)), _) => (State::Failed, format!("it was ended by signal {signal}")),
            (Some(End::Unknown), _) => (State::Failed, "it ended, and tmux did not see how".to_owned()),
            (None, Some(entry)) if self.may_still_start() => (
                State::Starting,
                format!(
                    "`{}` is in front of it and has not become {} yet",
                    self.pane.process, entry.name
                ),
            ),
            (None, Some(entry)) => (State::Unknown, self.in_front(entry, &self.pane.process)),
            (None, None) => (State::Unknown, "no known agent runs in it".to_owned()),
        }
    }
}

/// What can be done with an agent that is seen in this state. While something works in the background it takes messages.
fn can(state: State, background: bool, encloses: bool) -> Verbs {
    let send = match encloses {
        true => Verbs::SEND | Verbs::ATTACH,
        false => Verbs::SEND,
    };
    let more = match state {
        State::Busy if background => send,
        State::Idle => send | Verbs::INTERRUPT,
        State::Busy => Verbs::INTERRUPT,
        State::Waiting => Verbs::RESPOND,
        _ => Verbs::empty(),
    };
    more | Verbs::TERMINATE
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::{Backend as _, Control as _, LogQuery, store};

    use super::*;
    use crate::Plugin;
    use crate::fake::{Fake, MENU, everything, two_agents};
    use crate::panes::tests::pane;

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
        let session = by_hand.session(None).0;
        assert_eq!((session.state, session.evidence), (State::Unknown, Evidence::Process));
    }

    #[test]
    fn what_is_in_front_instead_of_the_agent_is_named_with_the_line_that_makes_it_known() {
        let fake = Fake::new();
        let message = || berth_plugin::Message {
            id: "1".to_owned(),
            text: "hello".to_owned(),
            attachments: Vec::new(),
        };
        fake.runs("sh");
        fake.was_made(time::now() / 1000);
        let session = Plugin::get_session("app").unwrap();
        assert_eq!(session.state, State::Starting);
        assert_eq!(Plugin::send_message("app", message()), Err(Error::Busy));
        fake.was_made(1_700_000_000);
        let session = Plugin::get_session("app").unwrap();
        assert_eq!(session.state, State::Unknown);
        let line = "[agents.toy] signs = { processes = [\"berth\", \"sh\"] }";
        let summary = session.summary.unwrap();
        assert!(
            summary.contains("`sh` is in front") && summary.contains(line),
            "{summary}"
        );
        let why = Plugin::send_message("app", message()).unwrap_err().to_string();
        assert!(why.contains(line) && why.contains("nothing was typed"), "{why}");
    }

    #[test]
    fn a_composer_higher_than_the_screen_is_looked_at_as_a_whole() {
        let fake = Fake::new();
        fake.drafts(&"a line that a person wrote\n".repeat(70));
        assert_eq!(Plugin::get_session("app").unwrap().state, State::Idle);
        assert_eq!(
            Plugin::list_sessions(everything()).unwrap().sessions[0].state,
            State::Idle
        );
    }

    #[test]
    fn a_dead_pane_is_done_or_failed_only_where_its_status_says_so() {
        let setup = two_agents();
        let mut dead = pane("%1", "a", "toy", "");
        for (end, state) in [
            (End::Status(0), State::Done),
            (End::Status(3), State::Failed),
            (End::Signal("15".to_owned()), State::Failed),
            (End::Unknown, State::Failed),
        ] {
            dead.end = Some(end);
            assert_eq!(found(&setup, dead.clone()).session(None).0.state, state);
        }
        let mut dead = pane("%1", "a", "claude", "");
        dead.end = Some(End::Unknown);
        let dead = found(&setup, dead);
        assert!(dead.is_readable());
        for (screen, state) in [
            (
                "Resume this session with:\nclaude --resume 3db46121-361b-4f93-b0ff-a8a6351debdb\n",
                State::Done,
            ),
            ("❯ hello\n", State::Failed),
        ] {
            assert_eq!(dead.session(Some(&look::tests::of(screen))).0.state, state, "{screen}");
        }
    }

    #[test]
    fn sessions_are_listed_by_two_commands_each_with_what_can_be_done_with_it() {
        let fake = Fake::new();
        let listed = |fake: &Fake| {
            let before = fake.host.commands().len();
            let page = Plugin::list_sessions(everything()).unwrap();
            assert_eq!(page.problems, []);
            assert!(fake.host.commands().len() - before <= 2);
            page.sessions.into_iter().next().unwrap()
        };
        let idle = listed(&fake);
        assert_eq!((idle.id.as_str(), idle.agent.as_str()), ("app", "toy"));
        assert_eq!((idle.state, idle.evidence), (State::Idle, Evidence::Screen));
        assert_eq!(
            idle.can,
            Verbs::SEND | Verbs::ATTACH | Verbs::INTERRUPT | Verbs::TERMINATE
        );
        assert_eq!(idle.directory.as_deref(), Some("/p/app"));

        fake.works();
        let busy = listed(&fake);
        assert_eq!(
            (busy.state, busy.can),
            (State::Busy, Verbs::INTERRUPT | Verbs::TERMINATE)
        );

        fake.asks(MENU);
        let waiting = listed(&fake);
        assert_eq!(
            (waiting.state, waiting.can),
            (State::Waiting, Verbs::RESPOND | Verbs::TERMINATE)
        );
        assert_eq!(waiting.prompts.len(), 1);

        fake.ends();
        let ended = listed(&fake);
        assert_eq!((ended.state, ended.can), (State::Done, Verbs::TERMINATE));
        assert!(ended.prompts.is_empty());
    }

    #[test]
    fn what_only_looks_needs_only_what_is_granted_to_calls_that_may_only_read() {
        let fake = Fake::new();
        fake.asks(MENU);
        fake.host.read_only();
        assert_eq!(Plugin::list_sessions(everything()).unwrap().sessions.len(), 1);
        assert_eq!(Plugin::get_session("app").unwrap().prompts.len(), 1);
        for view in ["scrollback", "screen"] {
            let query = LogQuery {
                view: Some(view.to_owned()),
                lines: 9,
                after: Some("1-00000000".to_owned()),
            };
            Plugin::read_log("app", query).unwrap();
        }
    }

    #[test]
    fn a_damaged_record_is_a_problem_of_its_session_until_no_question_is_open() {
        let fake = Fake::new();
        store::raw::put("answers-app", b"{", None).unwrap();
        fake.asks(MENU);
        let page = Plugin::list_sessions(everything()).unwrap();
        let (what, problem) = &page.problems[0];
        assert_eq!((what.as_str(), page.sessions.len()), ("app", 1));
        assert!(problem.to_string().contains("is damaged"), "{problem}");
        let prompt = &page.sessions[0].prompts[0];
        assert!(prompt.question.contains("is damaged") && prompt.detail.as_deref().unwrap().contains("touch x"));
        assert!(prompt.cut && !prompt.dismissible && prompt.choices.is_empty());
        let before = prompt.id.clone();
        // A person answers on the terminal, and the next question comes.
        fake.rests();
        Plugin::get_session("app").unwrap();
        fake.asks(MENU);
        let session = Plugin::get_session("app").unwrap();
        assert_eq!(session.prompts[0].choices.len(), 3);
        assert_ne!(session.prompts[0].id, before);
    }

    #[test]
    fn a_session_that_is_not_there_is_told_so_and_a_tmux_that_fails_too() {
        let fake = Fake::new();
        assert!(matches!(Plugin::get_session("other"), Err(Error::NotFound(_))));
        fake.fails("lost server");
        for error in [
            Plugin::get_session("app").unwrap_err(),
            Plugin::list_sessions(everything()).unwrap_err(),
        ] {
            assert!(
                matches!(&error, Error::Failed(why) if why.contains("lost server")),
                "{error}"
            );
        }
        fake.fails("no server running on /x");
        assert_eq!(Plugin::list_sessions(everything()).unwrap().sessions, []);
    }
}
