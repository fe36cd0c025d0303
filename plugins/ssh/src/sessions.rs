//! Sessions as callers are told them.

use berth_agents::{Observation, State as Shown};
use berth_plugin::{Attention, Error, Evidence, Result, Session, State, Timestamp, Verbs, ssh, time};

use crate::end::{self, Cause, Ended};
use crate::hosts::{self, Asked, Seen};
use crate::id::Id;
use crate::kept::{self, Kept};
use crate::setup::Setup;
use crate::{address, question, screen};

/// Claude Code ends remote control so long after its start, and this is told so long before.
const LIFE_MS: u64 = 24 * HOUR_MS;
const NEAR_MS: u64 = 2 * HOUR_MS;
/// After this time without anything new on its screen a session counts as idle for long.
const IDLE_MS: u64 = 6 * HOUR_MS;
/// What serves conversations shows something new every second while one of them is at work.
const QUIET_MS: u64 = 10_000;
/// For this time after its start, a session without an address is starting.
const STARTING_MS: u64 = 60_000;
const HOUR_MS: u64 = 3_600_000;

/// What could not be looked at, and why.
type Problems = Vec<(String, Error)>;

/// All sessions of remote control on all hosts, in one round trip to each. A host that is away is a problem, and its sessions are
/// unreachable.
pub(crate) fn all(setup: &Setup) -> Result<(Vec<Session>, Problems)> {
    let (kept, damaged) = kept::all()?;
    if setup.server.is_none() && kept.is_empty() {
        return Ok((Vec::new(), damaged));
    }
    let hosts = ssh::hosts();
    let asked = hosts.iter().map(|host| asked(host, &kept)).collect();
    let (mut sessions, mut problems) = (Vec::new(), damaged);
    for (host, seen) in hosts.iter().zip(hosts::look(asked)) {
        let kept = kept.iter().filter(|kept| kept.host == *host);
        match seen {
            Ok(seen) => sessions.extend(of_host(setup, kept, &seen)),
            Err(error) => {
                sessions.extend(kept.map(|kept| unreachable(setup, kept, &error)));
                problems.push((host.clone(), error));
            }
        }
    }
    for kept in kept.iter().filter(|kept| !hosts.contains(&kept.host)) {
        sessions.push(unreachable(setup, kept, &no_host(&kept.host)));
    }
    Ok((sessions, problems))
}

/// One session.
pub(crate) fn get(setup: &Setup, id: &str) -> Result<Session> {
    let id = Id::parse(id)?;
    let kept = kept::of(&id)?;
    if !ssh::hosts().contains(&id.host) {
        let kept = kept.ok_or_else(crate::id::unknown)?;
        return Ok(unreachable(setup, &kept, &no_host(&id.host)));
    }
    match (hosts::look_at(&id), kept) {
        (Ok(Some(seen)), kept) => Ok(shown(setup, kept.as_ref(), &seen)),
        (Ok(None), Some(kept)) => Ok(gone(setup, &kept)),
        (Ok(None), None) => Err(crate::id::unknown()),
        (Err(error @ Error::Unavailable(_)), Some(kept)) => Ok(unreachable(setup, &kept, &error)),
        (Err(error), _) => Err(error),
    }
}

/// One that was started and cannot be looked at.
pub(crate) fn unseen(setup: &Setup, id: &str, error: &Error) -> Session {
    let kept = Id::parse(id).and_then(|id| kept::of(&id));
    match kept {
        Ok(Some(kept)) => unreachable(setup, &kept, error),
        Ok(None) | Err(_) => Session::new(id)
            .state(State::Unreachable, Evidence::Process)
            .summary(format!("it was started, and cannot be looked at: {error}")),
    }
}

/// What is expected on a host.
pub(crate) fn asked(host: &str, kept: &[Kept]) -> Asked {
    let here = kept.iter().filter(|kept| kept.host == host);
    Asked {
        host: host.to_owned(),
        panes: here.map(|kept| kept.pane.clone()).collect(),
    }
}

/// The sessions of a host that was looked at.
fn of_host<'a>(setup: &Setup, kept: impl Iterator<Item = &'a Kept>, seen: &[Seen]) -> Vec<Session> {
    let kept: Vec<&Kept> = kept.collect();
    let is_seen = |kept: &Kept| seen.iter().any(|seen| seen.id.pane == kept.pane);
    let there = seen.iter().map(|seen| {
        let kept = kept.iter().find(|kept| kept.pane == seen.id.pane);
        shown(setup, kept.copied(), seen)
    });
    let gone = kept.iter().filter(|kept| !is_seen(kept)).map(|kept| gone(setup, kept));
    there.chain(gone).collect()
}

/// A session that is there.
fn shown(setup: &Setup, kept: Option<&Kept>, seen: &Seen) -> Session {
    let began = seen.pane.created * 1000;
    let bare = match kept {
        Some(kept) => bare(setup, kept),
        None => Session::new(seen.id.to_string())
            .name(&seen.id.pane)
            .agent(&seen.pane.window_name)
            .directory(&seen.pane.directory)
            .fact("host", &seen.id.host),
    };
    let session = bare
        .created_at(kept.map_or(began, |kept| kept.made_at))
        .active_at(seen.pane.active * 1000)
        .can(Verbs::TERMINATE)
        // What its tmux session there is called, for `berth attach`.
        .fact("attach", &seen.id.pane);
    if let Some(ended) = end::of(seen) {
        return over(session, kept, &ended);
    }
    if let Some(prompt) = question::find(seen) {
        let asks = "it asks something before it begins: answer it, or open its terminal with `berth attach`";
        return session
            .state(State::Starting, Evidence::Screen)
            .summary(asks)
            .prompt(prompt);
    }
    let lines = screen::lines(seen);
    let url = kept.and_then(|kept| kept.url.clone()).or_else(|| found(kept, &lines));
    let conversation = conversation(setup, kept, seen);
    match url {
        None => without_address(session, conversation, began, &lines),
        Some(url) => alive(setup, session.url(url), conversation, seen, &lines),
    }
}

/// What the screen of a conversation shows; one that serves has no such screen.
fn conversation(setup: &Setup, kept: Option<&Kept>, seen: &Seen) -> Option<Observation> {
    let agent = kept.filter(|kept| kept.is_talk()).and_then(|_| setup.screens())?;
    seen.look.as_ref().map(|look| agent.observe(&look.screen))
}

/// The address on the screen, which is kept from then on.
fn found(kept: Option<&Kept>, lines: &[String]) -> Option<String> {
    let url = lines.iter().find_map(|line| address::find(line))?;
    if let Some(kept) = kept {
        // If that cannot be kept, it is found again.
        let _ = kept::change(&kept.id(), |kept| kept.url = Some(url.clone()));
    }
    Some(url)
}

/// One that runs and has no address yet.
fn without_address(session: Session, conversation: Option<Observation>, began: Timestamp, lines: &[String]) -> Session {
    if let Some(prompt) = conversation.and_then(|seen| seen.prompt) {
        let reason = format!(
            "it asks on its own terminal before it begins: {} Run `claude` in that directory once, on that machine, and answer",
            prompt.question
        );
        return session
            .state(State::Starting, Evidence::Screen)
            .summary(&reason)
            .attention(Attention::new("asks", reason));
    }
    if let Some(why) = lines
        .iter()
        .rev()
        .find(|line| line.contains("Remote Control disconnected"))
    {
        let reason = format!("it has no address: {}", why.trim());
        return session
            .state(State::Unknown, Evidence::Screen)
            .summary(&reason)
            .attention(Attention::new("error", reason));
    }
    if time::now().saturating_sub(began) < STARTING_MS {
        return session
            .state(State::Starting, Evidence::Screen)
            .summary("it shows no address yet");
    }
    let reason =
        "it runs and shows no address, so nobody can open it: look with get_logs, or end it and start it again";
    session
        .state(State::Unknown, Evidence::Screen)
        .summary(reason)
        .attention(Attention::new("stuck", reason))
}

/// One that can be opened.
fn alive(setup: &Setup, session: Session, conversation: Option<Observation>, seen: &Seen, lines: &[String]) -> Session {
    let (began, active) = (seen.pane.created * 1000, seen.pane.active * 1000);
    let now = time::now();
    let quiet = now.saturating_sub(active);
    let mut session = session
        .state(State::Idle, Evidence::Screen)
        .summary("open its address to go on with it");
    match conversation.map(|seen| seen.state) {
        Some(Shown::Waiting) => {
            let asks = Attention::new("asks", "the conversation asks something: answer it at its address");
            session = session.state(State::Busy, Evidence::Screen).attention(asks);
        }
        Some(Shown::Busy) => session = session.state(State::Busy, Evidence::Screen),
        Some(Shown::Idle) => {}
        Some(Shown::Unknown) | None if quiet < QUIET_MS => session = session.state(State::Busy, Evidence::Screen),
        Some(Shown::Unknown) | None => {}
    }
    if lines.iter().any(|line| line.to_lowercase().contains("reconnecting")) {
        session = session.summary("its machine has lost claude.ai, and it connects again by itself");
    } else if quiet >= IDLE_MS {
        session = session.summary(format!("nothing happened in it for {} hours", quiet / HOUR_MS));
    }
    let ends = began + LIFE_MS;
    if now + NEAR_MS < ends || session.attention.is_some() {
        return session;
    }
    let then = match setup.settings.restart {
        true => "it is brought back then",
        false => "start it again then",
    };
    let age = now.saturating_sub(began) / HOUR_MS;
    let reason = format!("it has run for {age} hours, and claude.ai ends it after 24: {then}");
    session.attention(Attention {
        until: Some(ends),
        ..Attention::new("expires", reason)
    })
}

/// One that has ended.
fn over(session: Session, kept: Option<&Kept>, ended: &Ended) -> Session {
    let session = match kept.and_then(|kept| kept.ended_at) {
        Some(at) => session.since(at),
        None => session,
    };
    if kept.is_some_and(|kept| kept.stopped) {
        let session = session.state(State::Cancelled, Evidence::Process);
        return session.summary("a person ended it");
    }
    let session = session.state(ended.state, Evidence::Screen).summary(&ended.why);
    match ended.attention {
        Some(kind) => session.attention(Attention::new(kind, &ended.why)),
        None => session,
    }
}

/// One whose tmux session is gone.
fn gone(setup: &Setup, kept: &Kept) -> Session {
    let session = bare(setup, kept).can(Verbs::TERMINATE);
    let ended = Ended {
        state: State::Interrupted,
        why: "it is not there any more: that machine was restarted, or its tmux session was ended".to_owned(),
        attention: None,
        cause: Cause::Passing,
    };
    Session {
        evidence: Evidence::Process,
        ..over(session, Some(kept), &ended)
    }
}

/// One whose host does not answer.
fn unreachable(setup: &Setup, kept: &Kept, error: &Error) -> Session {
    let session = bare(setup, kept)
        .state(State::Unreachable, Evidence::Process)
        .fact("attach", &kept.pane);
    let session = session.summary(format!("{} cannot be asked: {error}", kept.host));
    match &kept.url {
        Some(url) => session.url(url),
        None => session,
    }
}

/// What is kept of it.
fn bare(setup: &Setup, kept: &Kept) -> Session {
    let session = Session::new(kept.id().to_string())
        .name(&kept.name)
        .agent(setup.agent(kept.is_talk()).map_or("claude", |agent| &agent.name))
        .directory(&kept.directory)
        .created_at(kept.made_at)
        .fact("host", &kept.host);
    Session {
        project: kept.project.clone(),
        task: kept.task.clone(),
        ..session
    }
}

fn no_host(host: &str) -> Error {
    Error::Denied(format!("host `{host}` is not among `hosts` of this backend any more"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::{Backend as _, testing};

    use super::*;
    use crate::Plugin;
    use crate::fake::{Fake, URL, everything, serving};
    use crate::kept::tests::kept;

    fn one(id: &str) -> Session {
        Plugin::get_session(id).unwrap()
    }

    #[test]
    fn twelve_sessions_on_three_hosts_are_listed_with_one_host_down() {
        let fake = Fake::new();
        for host in ["mac", "linux", "box"] {
            for number in 0..4 {
                let pane = format!("app-{number}");
                fake.on(host).has(&pane, &serving());
                kept::add(&kept(host, &pane)).unwrap();
            }
        }
        fake.host.is_away("box", "box does not answer");
        let page = Plugin::list_sessions(everything()).unwrap();
        assert_eq!(page.sessions.len(), 12);
        let is = |state: State| page.sessions.iter().filter(|session| session.state == state).count();
        assert_eq!((is(State::Idle), is(State::Unreachable)), (8, 4));
        assert_eq!(
            page.problems,
            [("box".to_owned(), Error::Unavailable("box does not answer".to_owned()))]
        );
        let is_told = |session: &Session| {
            let (host, pane) = session.id.split_once(':').unwrap();
            let facts = [("host", host), ("attach", pane)].map(|(name, value)| (name.to_owned(), value.to_owned()));
            facts.iter().all(|fact| session.facts.contains(fact))
        };
        assert!(page.sessions.iter().all(is_told), "where a person opens each: {page:?}");
        let up = page.sessions.iter().filter(|session| session.state == State::Idle);
        assert!(up.into_iter().all(|session| session.url.as_deref() == Some(URL)));
        assert_eq!((fake.runs("mac"), fake.runs("linux")), (1, 1), "one round trip to each");
    }

    #[test]
    fn an_address_that_scrolled_away_is_still_known_also_while_the_host_is_away() {
        let fake = Fake::new();
        fake.on("mac").has("a-1", &serving());
        kept::add(&kept("mac", "a-1")).unwrap();
        assert_eq!(one("mac:a-1").url.as_deref(), Some(URL));
        fake.on("mac").shows("a-1", "something else");
        assert_eq!(one("mac:a-1").url.as_deref(), Some(URL));
        fake.host.is_away("mac", "asleep");
        let session = one("mac:a-1");
        assert_eq!((session.state, session.url.as_deref()), (State::Unreachable, Some(URL)));
        assert!(session.summary.unwrap().contains("asleep"));
    }

    #[test]
    fn one_that_is_old_or_idle_for_long_is_told_as_such() {
        let fake = Fake::new();
        fake.on("mac").has("a-1", &serving());
        kept::add(&kept("mac", "a-1")).unwrap();
        assert_eq!(one("mac:a-1").attention, None);
        fake.on("mac").is_aged("a-1", 23, 7);
        let session = one("mac:a-1");
        let attention = session.attention.unwrap();
        assert_eq!(attention.kind, "expires");
        assert!(
            attention.reason.contains("23 hours") && attention.reason.contains("start it again"),
            "{attention:?}"
        );
        assert!(attention.until.is_some() && session.summary.unwrap().contains("for 7 hours"));
        fake.host.settings(serde_json::json!({"restart": true}));
        assert!(one("mac:a-1").attention.unwrap().reason.contains("brought back"));
    }

    #[test]
    fn one_that_shows_something_new_all_the_time_is_busy_and_one_without_an_address_is_not_ready() {
        let fake = Fake::new();
        fake.on("mac").has("a-1", &serving());
        fake.on("mac").is_aged("a-1", 3, 0);
        kept::add(&kept("mac", "a-1")).unwrap();
        assert_eq!(one("mac:a-1").state, State::Busy);
        fake.on("mac").has("b-2", "nothing");
        assert_eq!(one("mac:b-2").state, State::Starting);
        fake.on("mac").is_aged("b-2", 1, 1);
        let stuck = one("mac:b-2");
        assert_eq!(
            (stuck.state, stuck.attention.unwrap().kind.as_str()),
            (State::Unknown, "stuck")
        );
        fake.on("mac").shows(
            "b-2",
            "● Remote Control disconnected — Session creation failed — run /remote-control to reconnect",
        );
        assert!(one("mac:b-2").summary.unwrap().contains("Session creation failed"));
    }

    #[test]
    fn a_conversation_tells_what_it_does_and_that_it_asks() {
        const DIALOGS: [&str; 2] = [
            include_str!("../../agents/tests/dialogs/permission-bash.txt"),
            include_str!("../../agents/tests/dialogs/trust.txt"),
        ];
        let fake = Fake::new();
        let mut talk = kept("mac", "a-1");
        talk.task = Some("fix it".to_owned());
        kept::add(&talk).unwrap();
        let [permission, trust] = DIALOGS;
        fake.on("mac").has("a-1", trust);
        let session = one("mac:a-1");
        let attention = session.attention.unwrap();
        assert_eq!((session.state, attention.kind.as_str()), (State::Starting, "asks"));
        assert!(
            attention.reason.contains("Run `claude` in that directory once"),
            "{attention:?}"
        );
        fake.on("mac").shows("a-1", &serving());
        assert_eq!(one("mac:a-1").attention, None);
        fake.on("mac").shows("a-1", permission);
        let session = one("mac:a-1");
        assert_eq!(
            (session.state, session.attention.unwrap().kind.as_str()),
            (State::Busy, "asks")
        );
    }

    #[test]
    fn one_that_went_is_interrupted_and_one_that_a_person_ended_is_cancelled() {
        let fake = Fake::new();
        kept::add(&kept("mac", "a-1")).unwrap();
        let session = one("mac:a-1");
        assert_eq!(
            (session.state, session.evidence),
            (State::Interrupted, Evidence::Process)
        );
        fake.on("mac").has("a-1", "bye");
        fake.on("mac").ended("a-1", 0);
        assert_eq!(one("mac:a-1").state, State::Done);
        kept::change(&kept("mac", "a-1").id(), |kept| kept.stopped = true).unwrap();
        assert_eq!(one("mac:a-1").state, State::Cancelled);
        assert!(matches!(Plugin::get_session("mac:none-1"), Err(Error::NotFound(_))));
    }

    #[test]
    fn only_reading_is_needed_to_look() {
        let fake = Fake::new();
        fake.on("mac").has("a-1", &serving());
        let _: &testing::Host = fake.host.read_only();
        assert_eq!(one("mac:a-1").url.as_deref(), Some(URL));
        assert_eq!(one("mac:a-1").name, "a-1", "its record is lost");
    }
}
