//! Sessions as callers are told them: what each is doing, and what can be done with it.

use berth_plugin::{Attention, Error, Evidence, Result, Session, SessionPage, SessionQuery, State, Verbs};

use crate::answers::{self, Damage};
use crate::found::{Found, all, find, named};
use crate::look::{self, Look};
use crate::panes::End;
use crate::prompts;
use crate::screens;
use crate::setup::Setup;
use crate::told;

/// What is said of a screen that is not understood.
const UNKNOWN: &str =
    "its screen is not understood: look with get_logs (view = \"screen\"); the answer `dismiss` leaves it";

/// The sessions that the query asks for. A damaged session does not hide the others.
pub(crate) fn list(setup: &Setup, query: &SessionQuery) -> Result<SessionPage> {
    let (found, mut looks) = screens::all(setup)?;
    let found = named(found);
    let (mut sessions, mut problems) = (Vec::with_capacity(found.len()), Vec::new());
    for found in &found {
        let look = looks.remove(&found.pane.id);
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

impl Found<'_> {
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
    use berth_plugin::{Backend as _, Control as _, LogQuery, store, time};

    use super::*;
    use crate::Plugin;
    use crate::fake::{Fake, MENU, everything, two_agents};
    use crate::found::tests::found;
    use berth_panes::testing::pane;

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
            assert_eq!(
                dead.session(Some(&berth_panes::testing::look(screen))).0.state,
                state,
                "{screen}"
            );
        }
    }

    #[test]
    fn sessions_are_listed_each_with_what_can_be_done_with_it() {
        let fake = Fake::new();
        let listed = || {
            let page = Plugin::list_sessions(everything()).unwrap();
            assert_eq!(page.problems, []);
            page.sessions.into_iter().next().unwrap()
        };
        let idle = listed();
        assert_eq!((idle.id.as_str(), idle.agent.as_str()), ("app", "toy"));
        assert_eq!((idle.state, idle.evidence), (State::Idle, Evidence::Screen));
        assert_eq!(
            idle.can,
            Verbs::SEND | Verbs::ATTACH | Verbs::INTERRUPT | Verbs::TERMINATE
        );
        assert_eq!(idle.directory.as_deref(), Some("/p/app"));

        fake.works();
        let busy = listed();
        assert_eq!(
            (busy.state, busy.can),
            (State::Busy, Verbs::INTERRUPT | Verbs::TERMINATE)
        );

        fake.asks(MENU);
        let waiting = listed();
        assert_eq!(
            (waiting.state, waiting.can),
            (State::Waiting, Verbs::RESPOND | Verbs::TERMINATE)
        );
        assert_eq!(waiting.prompts.len(), 1);

        fake.ends();
        let ended = listed();
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
