//! Conversations as sessions.

use std::collections::BTreeSet;

use berth_plugin::jobs::{Job, Phase};
use berth_plugin::{Attention, Error, Evidence, Result, Session, SessionPage, SessionQuery, State, Verbs, jobs, time};

use crate::cut::cut;
use crate::kept::conversation::Conversation;
use crate::kept::note::Note;
use crate::kept::state::RunState;
use crate::kept::talk::Talk;
use crate::kept::verdict::Verdict;
use crate::read;
use crate::read::index::{self, Run};
use crate::read::run::{self, Seen};
use crate::setup::Setup;
use crate::shown::{status, talk};

/// Runs of a page that have ended.
const ENDED: u32 = 200;
/// Conversations without a process that are listed.
const TALKS: u32 = 200;
/// Running sessions of a list whose progress is looked up.
const LOOKED_AT: usize = 16;
/// What a cursor begins with that names the last job of a page, past which the next one begins.
const PAST: &str = "past:";
/// Characters of a name and of the words that stand for a session.
const NAME: usize = 60;
const WORDS: usize = 500;

/// A page of the conversations that the query asks for: first all that work and those that worked last, then the older ones.
/// `others` are all sessions of another kind that stand among the first.
pub(crate) fn list(
    setup: &Setup,
    query: &SessionQuery,
    others: impl FnOnce() -> Result<(Vec<Session>, Problems)>,
) -> Result<SessionPage> {
    let is_asked = |state: &RunState| {
        // One that runs may ask something, only begin, or be where nobody can look.
        let more = match state {
            RunState::Running => [State::Waiting, State::Starting, State::Unreachable].as_slice(),
            _ => &[],
        };
        let asked = &query.states;
        asked.is_empty() || asked.contains(&state.of_session()) || more.iter().any(|state| asked.contains(state))
    };
    let states: Vec<RunState> = RunState::ALL.into_iter().filter(is_asked).collect();
    let Some(job) = query.after.as_deref().and_then(|after| after.strip_prefix(PAST)) else {
        let (mut listed, problems) = led(setup)?;
        let part = match states.is_empty() {
            true => index::Part::default(),
            false => index::recent(None, &states, ENDED)?,
        };
        let known: BTreeSet<String> = listed.iter().map(|session| session.id.clone()).collect();
        listed.extend(
            sessions(setup, part.runs)
                .into_iter()
                .filter(|session| !known.contains(&session.id)),
        );
        let (others, more_problems) = others()?;
        listed.extend(others);
        let mut page = SessionPage::of(listed, query);
        page.problems.extend(problems.into_iter().chain(more_problems));
        return Ok(match page.next {
            Some(_) => page,
            None => past(page, part.last),
        });
    };
    let part = index::older(&states, job, query.limit.clamp(1, ENDED))?;
    let whole = SessionQuery {
        after: None,
        ..query.clone()
    };
    Ok(past(SessionPage::of(sessions(setup, part.runs), &whole), part.last))
}

/// What could not be looked at, and why.
pub(crate) type Problems = Vec<(String, Error)>;

/// The conversations that persons lead, and which could not be looked at.
fn led(setup: &Setup) -> Result<(Vec<Session>, Problems)> {
    let (mut sessions, mut problems) = (Vec::new(), Vec::new());
    for id in index::talks(TALKS)? {
        // One that is damaged hides no other.
        match one_led(setup, &id) {
            Ok(session) => sessions.extend(session),
            Err(error) => problems.push((format!("session {id}"), error)),
        }
    }
    Ok((sessions, problems))
}

/// A conversation that a person leads; where what its agent prints cannot be read, as it was last seen.
fn one_led(setup: &Setup, id: &str) -> Result<Option<Session>> {
    match read::talk::look(id) {
        Ok(seen) => Ok(seen.map(|(talk, job)| talk::session(setup, id, &talk, job.as_ref()))),
        Err(error) => match Talk::find(id) {
            Ok(Some(talk)) => Ok(Some(talk::unread(setup, id, &talk, &error))),
            _ => Err(error),
        },
    }
}

fn past(page: SessionPage, job: Option<String>) -> SessionPage {
    SessionPage {
        next: job.map(|job| format!("{PAST}{job}")),
        ..page
    }
}

/// The sessions of which these runs are the newest.
fn sessions(setup: &Setup, mut runs: Vec<Run>) -> Vec<Session> {
    let (mut known, mut looked) = (BTreeSet::new(), 0);
    runs.sort_by_key(|(job, ..)| std::cmp::Reverse(job.queued_at));
    let mut sessions = Vec::with_capacity(runs.len());
    for (job, note, state) in runs {
        let kept = Conversation::find(&note.conversation)
            .ok()
            .flatten()
            .unwrap_or_default();
        // One that waits or works is the newest that is known here; an older one may have a newer one on another page.
        let is_older = state.is_end() && kept.runs.last().is_some_and(|last| last.id != note.run(&job));
        if is_older || !known.insert(note.conversation.clone()) {
            continue;
        }
        let mut session = bare(&job, &note, state);
        if state == RunState::Running && looked < LOOKED_AT {
            looked += 1;
            session = match jobs::get(&job.id).and_then(run::look) {
                Ok(seen) => working(setup, session, &seen),
                Err(_) => session,
            };
        } else if state.is_end() && !kept.runs.is_empty() {
            session = with_facts(session, &kept);
            if let Some(verdict) = kept.verdict(note.run(&job)) {
                session = judged(session, verdict);
            }
        }
        sessions.push(session);
    }
    sessions
}

/// One conversation.
pub(crate) fn get(setup: &Setup, id: &str) -> Result<Session> {
    if let Some(session) = one_led(setup, id)? {
        return Ok(session);
    }
    let (job, kept) = index::known(id)?;
    let seen = run::look(job)?;
    let mut session = with_facts(bare(&seen.job, &seen.note, seen.state), &kept);
    if let Some(verdict) = &seen.verdict {
        session = judged(session, verdict);
    }
    session = working(setup, session, &seen);
    if let Some(sha) = seen.made.as_ref().and_then(|made| made.sha.as_ref()) {
        session = session.fact("commit", sha.id());
    }
    if !seen.said.trim().is_empty() {
        session = session.last_output(last_paragraph(&seen.said));
    }
    let notes = status::notes(&seen);
    match notes.is_empty() {
        true => Ok(session),
        false => Ok(session.fact("note", cut(&notes.join(" "), WORDS - 1))),
    }
}

/// What the index knows of it.
fn bare(job: &Job, note: &Note, state: RunState) -> Session {
    let since = job.finished_at.or(job.started_at).unwrap_or(job.queued_at);
    let first = note.task.lines().next().unwrap_or_default();
    let mut session = Session::new(&note.conversation)
        .name(cut(first, NAME))
        .agent(&note.agent)
        .directory(&note.directory)
        .project(&note.project)
        .task(&note.task)
        .state(state.of_session(), Evidence::Runner)
        .since(since)
        .created_at(job.queued_at)
        .active_at(since)
        .fact("conversation", &note.conversation)
        .fact("job", &job.id);
    if let Some(host) = &note.host {
        session = session.fact("host", host);
    }
    if let Some(plan) = &note.build {
        session = session.fact("branch", plan.branch.name());
    }
    session = session.can(match state.is_end() {
        // A message begins a process of the conversation.
        true => Verbs::SEND,
        false => Verbs::TERMINATE,
    });
    if job.phase == Phase::Unreachable {
        session = session.state(State::Unreachable, Evidence::Runner);
    }
    match (state, &job.reason) {
        (RunState::Queued, _) => session.summary(format!("waits for its turn in project {}", note.project)),
        (_, Some(reason)) => session.summary(cut(reason, WORDS - 1)),
        _ => session,
    }
}

fn with_facts(session: Session, kept: &Conversation) -> Session {
    session
        .fact("turns", kept.turns.to_string())
        .fact("cost-usd", format!("{:.4}", kept.cost))
        .fact("runs", kept.runs.len().to_string())
}

/// With how its newest run ended.
fn judged(mut session: Session, verdict: &Verdict) -> Session {
    session = session.state(verdict.state.of_session(), Evidence::Runner);
    if !verdict.said.is_empty() {
        session = session.last_output(&verdict.said);
    }
    if let Some(error) = &verdict.error {
        session = session.summary(cut(error, WORDS - 1));
    }
    if !verdict.denied.is_empty() {
        session = session.fact("denied", cut(&verdict.denied.join(", "), WORDS - 1));
    }
    match verdict.limited_until {
        Some(until) => session.attention(Attention::new("limit", "the model's usage limit is reached").until(until)),
        None => session,
    }
}

/// With what it does now.
fn working(setup: &Setup, mut session: Session, seen: &Seen) -> Session {
    let Some(progress) = &seen.progress else {
        return session;
    };
    let asking = read::talk::asking(&seen.job.id).unwrap_or_default();
    if let Some(process) = &asking {
        for prompt in process.live.prompts() {
            session = session.prompt(talk::shown(setup, process, prompt));
        }
    }
    if !progress.has_begun && session.prompts.is_empty() {
        session = session.state(State::Starting, Evidence::Runner);
    }
    if let Some(at) = progress.at {
        session = session.active_at(at);
    }
    if let Some(doing) = progress.waits_for.as_ref().or(progress.tool.as_ref()) {
        session = session.summary(cut(doing, WORDS - 1));
    }
    if !progress.said.is_empty() {
        session = session.last_output(last_paragraph(&progress.said));
    }
    if let Some(until) = progress.waits_until {
        return session.attention(Attention::new("limit", "the model's usage limit is reached").until(until));
    }
    match seen.silent_since(setup) {
        Some(since) => {
            let minutes = time::now().saturating_sub(since) / 60_000;
            let reason = format!("it has not shown a sign of life for {minutes} minutes");
            session.attention(Attention::new("stuck", reason).since(since))
        }
        None => session,
    }
}

fn last_paragraph(text: &str) -> String {
    cut(text.trim().rsplit("\n\n").next().unwrap_or_default(), WORDS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::jobs::Channel;
    use berth_plugin::{Backend as _, Control as _, Receipt};
    use serde_json::{Value, json};

    use super::*;
    use crate::Plugin;
    use crate::fake::{FIRST, end, host, result, run, upkeep};

    fn all(states: &[State]) -> Vec<Session> {
        let query = SessionQuery {
            states: states.to_vec(),
            limit: 50,
            after: None,
        };
        Plugin::list_sessions(query).unwrap().sessions
    }

    fn line(more: Value) -> String {
        let mut line = json!({"session_id": FIRST});
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        format!("{line}\n")
    }

    #[test]
    fn a_conversation_is_one_session_with_the_state_of_its_newest_run() {
        let host = host();
        let first = run(1, json!({"prompt": "fix the tests\nall of them"}));
        let queued = Plugin::get_session(FIRST).unwrap();
        assert_eq!((queued.state, queued.name.as_str()), (State::Queued, "fix the tests"));
        assert_eq!((queued.project.as_deref(), queued.can), (Some("app"), Verbs::TERMINATE));
        host.start_job(&first);
        assert_eq!(Plugin::get_session(FIRST).unwrap().state, State::Starting);
        host.print_job(
            &first,
            Channel::Output,
            line(json!({"type": "system", "subtype": "init"})),
        );
        assert_eq!(Plugin::get_session(FIRST).unwrap().state, State::Busy);
        end(&host, &first, &result(FIRST, json!({})), 0);
        for _ in 0..2 {
            let done = Plugin::get_session(FIRST).unwrap();
            assert_eq!(
                (done.state, done.last_output.as_deref()),
                (State::Done, Some("it is done"))
            );
            assert_eq!(done.can, Verbs::SEND);
            assert_eq!(all(&[State::Done]).len(), 1);
            upkeep();
        }
        let next = run(2, json!({"sessionId": FIRST}));
        let sessions = all(&[]);
        assert_eq!((sessions.len(), sessions[0].state), (1, State::Queued));
        end(
            &host,
            &next,
            &result(
                FIRST,
                json!({"is_error": true, "api_error_status": 500, "total_cost_usd": 0.75}),
            ),
            1,
        );
        upkeep();
        let failed = &all(&[State::Failed])[0];
        assert!(failed.summary.as_ref().unwrap().contains("500"), "{failed:?}");
        assert!(
            failed.facts.contains(&("cost-usd".into(), "0.7500".into())),
            "{failed:?}"
        );
        assert!(matches!(Plugin::get_session("none"), Err(Error::NotFound(_))));
    }

    #[test]
    fn what_a_person_should_look_at_is_told() {
        let host = host();
        let id = run(1, json!({}));
        host.start_job(&id).print_job(
            &id,
            Channel::Output,
            line(json!({"type": "assistant", "timestamp": "2020-01-01T00:00:00.000Z", "message": {"content": []}})),
        );
        assert_eq!(Plugin::get_session(FIRST).unwrap().attention.unwrap().kind, "stuck");
        host.print_job(&id, Channel::Output, line(json!({"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": 1_795_727_696}})));
        let limit = all(&[])[0].attention.clone().unwrap();
        assert_eq!((limit.kind.as_str(), limit.until), ("limit", Some(1_795_727_696_000)));
    }

    #[test]
    fn a_session_that_is_ended_cancels_all_its_runs_and_none_of_another_one() {
        let host = host();
        let (works, waits, other) = (
            run(1, json!({})),
            run(2, json!({"sessionId": FIRST})),
            run(3, json!({})),
        );
        host.start_job(&works);
        assert_eq!(Plugin::terminate(FIRST), Ok(Receipt::Confirmed));
        upkeep();
        let state = |id: &str| jobs::get(id).unwrap().label;
        assert_eq!(
            (state(&works), state(&waits), state(&other)),
            ("cancelled".into(), "cancelled".into(), String::new())
        );
        assert_eq!(Plugin::terminate(FIRST), Ok(Receipt::Confirmed), "it has ended already");
        assert!(matches!(Plugin::terminate("none"), Err(Error::NotFound(_))));
    }

    /// The sessions of each page of what is asked for.
    fn pages(states: &[State], limit: u32) -> Vec<Vec<Session>> {
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let query = SessionQuery {
                states: states.to_vec(),
                limit,
                after,
            };
            let page = Plugin::list_sessions(query).unwrap();
            pages.push(page.sessions);
            after = page.next;
            if after.is_none() {
                return pages;
            }
        }
    }

    fn done(host: &berth_plugin::testing::Host, id: &str) {
        end(host, id, "", 0);
        jobs::set_label(id, "done").unwrap();
    }

    #[test]
    fn what_ended_is_listed_page_by_page_each_conversation_once_and_no_page_is_long() {
        let host = host();
        for number in 0..450 {
            done(&host, &run(number, json!({})));
        }
        // Its newest run is on the first page, an older one on the last.
        done(&host, &run(450, json!({"sessionId": FIRST})));
        let live = run(451, json!({}));
        for limit in [1_000, 70] {
            let pages = pages(&[], limit);
            assert!(
                pages.iter().all(|page| page.len() <= 201.min(limit as usize)),
                "{limit}"
            );
            let all: Vec<&Session> = pages.iter().flatten().collect();
            let ids: BTreeSet<&str> = all.iter().map(|session| &*session.id).collect();
            assert_eq!((all.len(), ids.len()), (451, 451), "{limit}");
            let job = |at: usize| all[at].facts.iter().find(|(name, _)| name == "job").unwrap().1.clone();
            assert_eq!((job(0), &*all[1].id), (live.clone(), FIRST));
        }
    }

    #[test]
    fn of_the_states_asked_for_a_page_holds_what_is_rare_among_others() {
        let host = host();
        let rare = run(1, json!({}));
        end(&host, &rare, "", 1);
        jobs::set_label(&rare, "failed").unwrap();
        for number in 2..250 {
            done(&host, &run(number, json!({})));
        }
        assert_eq!(pages(&[State::Failed], 50).concat()[0].id, FIRST);
        assert_eq!(pages(&[State::Done], 50).concat().len(), 248);
        assert_eq!(pages(&[State::Idle], 50), [vec![]]);
        // A conversation is what its newest run is.
        done(&host, &run(250, json!({"sessionId": FIRST})));
        assert_eq!(pages(&[State::Failed], 50), [vec![]]);
    }
}
