//! A conversation that a person leads, as a session.

use berth_agents::live::{self, Activity, Kind, MessageState};
use berth_plugin::jobs::{Job, Phase};
use berth_plugin::{Attention, Choice, Effect, Error, Evidence, Prompt, PromptKind, Session, State, Verbs, time};

use crate::cut::cut;
use crate::kept::message;
use crate::kept::process::{Ending, Process};
use crate::kept::talk::{Fate, Talk};
use crate::kept::unread::Unread;
use crate::read::beside;
use crate::setup::Setup;

/// Characters of the words that stand for a session.
const WORDS: usize = 500;

/// The session of a conversation with this id; `job` is that of its process.
pub(crate) fn session(setup: &Setup, id: &str, talk: &Talk, job: Option<&Job>) -> Session {
    let process = &talk.process;
    let facts = process.live.facts();
    let mut session = Session::new(id)
        .name(talk.title())
        .agent(&talk.agent)
        .directory(&talk.directory)
        .project(&talk.project)
        .state(state(process, job), Evidence::Agent)
        .created_at(talk.created_at)
        .can(verbs(talk));
    if !talk.task.is_empty() {
        session = session.task(&talk.task);
    }
    let since = match &process.ended {
        Some(ended) => Some(ended.at),
        None => facts.since,
    };
    session = session
        .since(since.unwrap_or(talk.created_at))
        .active_at(since.unwrap_or(talk.created_at));
    session = session.fact("conversation", talk.own_id.as_deref().unwrap_or(id));
    if let Some(job) = &process.job {
        session = session.fact("job", job);
    }
    if let Some(host) = &talk.host {
        session = session.fact("host", host);
    }
    let mut options = talk.options.clone();
    for option in process.live.options() {
        options.extend(option.value.map(|value| (option.name, value)));
    }
    for (name, value) in options {
        session = session.fact(name, value);
    }
    if let Some(cost) = facts.cost {
        session = session.fact("cost-usd", format!("{cost:.4}"));
    }
    if let Some(turns) = facts.turns {
        session = session.fact("turns", turns.to_string());
    }
    if let Some(percent) = facts.context_percent {
        session = session.fact("context-percent", percent.to_string());
    }
    if let Some(said) = facts.said.filter(|said| !said.trim().is_empty()) {
        session = session.last_output(cut(said.trim().rsplit("\n\n").next().unwrap_or_default(), WORDS));
    }
    let queue = message::waiting(&process.live).filter(|_| process.ending != Some(Ending::Person));
    for message in queue {
        session = session.queued(&message.id, cut(&message.text, WORDS), message.at);
    }
    if process.is_open() {
        for prompt in process.live.prompts() {
            session = session.prompt(shown(setup, process, prompt));
        }
    }
    if let Some(words) = beside::words(talk.host.as_deref(), &talk.directory, id).filter(|_| process.is_open()) {
        session = session.fact("note", words);
    }
    session = told(session, talk, job, facts.waits_for.as_deref().or(facts.tool.as_deref()));
    match session.attention {
        Some(_) => session,
        None => failed(session, facts.failed, facts.limited_until),
    }
}

/// The same where what its process prints cannot be read: as it was last seen, with why, and what to do.
pub(crate) fn unread(setup: &Setup, id: &str, talk: &Talk, error: &Error) -> Session {
    let session = session(setup, id, talk, None);
    if talk.process.ending == Some(Ending::Person) {
        return session;
    }
    if let Error::Unavailable(why) = error {
        let words = format!("it goes on where it is, and is followed again from there: {why}");
        return session
            .state(State::Unreachable, Evidence::Runner)
            .summary(cut(&words, WORDS - 1));
    }
    let unread = talk.process.unread.as_ref();
    let again = match unread.map(Unread::next) {
        Some(Some(next)) => format!("That is tried again at {}, and with each message", time::iso(next)),
        Some(None) => "That was tried in vain for long, and is tried again with a message".to_owned(),
        None => "That is tried again, and with each message".to_owned(),
    };
    let reason = cut(
        &format!(
            "what its agent prints cannot be read: {error}. {again}. If it stays so, end the session: a message then brings it \
             back in a new process"
        ),
        WORDS - 1,
    );
    let attention = Attention::new("error", &reason);
    let mut session = session
        .state(State::Unreachable, Evidence::Runner)
        .summary(reason)
        .can(Verbs::SEND | Verbs::TERMINATE)
        .attention(match unread {
            Some(unread) => attention.since(unread.since),
            None => attention,
        });
    session.prompts.clear();
    session
}

/// With why its last message failed, and until when the model's usage limit holds.
fn failed(session: Session, failed: Option<berth_agents::Attention>, limited_until: Option<u64>) -> Session {
    let (kind, reason) = match (failed, limited_until.filter(|until| *until > time::now())) {
        (Some(failed), _) => (failed.kind, failed.reason),
        (None, Some(_)) => ("limit", "the model's usage limit is reached".to_owned()),
        (None, None) => return session,
    };
    let attention = Attention::new(kind, cut(&reason, WORDS - 1));
    session.attention(match limited_until {
        Some(until) if kind == "limit" => attention.until(until),
        _ => attention,
    })
}

fn state(process: &Process, job: Option<&Job>) -> State {
    if process.ending == Some(Ending::Person) {
        return State::Cancelled;
    }
    if process.ended.is_some() || process.ending.is_some() {
        return State::Idle;
    }
    if job.is_none_or(|job| job.phase == Phase::Queued) {
        return State::Queued;
    }
    match process.live.state() {
        Activity::Starting => State::Starting,
        Activity::Idle => State::Idle,
        Activity::Busy => State::Busy,
        Activity::Waiting => State::Waiting,
        Activity::Ended => State::Idle,
    }
}

fn verbs(talk: &Talk) -> Verbs {
    let process = &talk.process;
    let live = &process.live;
    let mut can = Verbs::empty();
    if !talk.is_lost() {
        can |= Verbs::SEND | Verbs::SET_OPTION;
        if live.takes_attachments() {
            can |= Verbs::ATTACH;
        }
    }
    let gives_back = live.can_take_back().is_ok() || process.ended.is_some();
    if message::waiting(live).next().is_some() && process.ending != Some(Ending::Person) && gives_back {
        can |= Verbs::CANCEL_MESSAGE;
    }
    let is_active = matches!(live.state(), Activity::Busy | Activity::Waiting | Activity::Starting);
    if process.is_open() && is_active && live.can_interrupt().is_ok() {
        can |= Verbs::INTERRUPT;
    }
    match process.ending {
        Some(Ending::Person) => can,
        _ => can | Verbs::TERMINATE,
    }
}

/// With one line on what it does, or why it does nothing, and why a person should look.
fn told(session: Session, talk: &Talk, job: Option<&Job>, doing: Option<&str>) -> Session {
    let process = &talk.process;
    if let Some(why) = &process.trouble {
        let reason = format!("its process could not be started: {why}");
        return session
            .summary(cut(&reason, WORDS - 1))
            .attention(Attention::new("error", cut(&reason, WORDS - 1)));
    }
    if process.ending == Some(Ending::Person) {
        return session.summary(match talk.is_lost() {
            true => "it was ended, and this agent cannot go on with it",
            false => "it was ended; a message brings it back",
        });
    }
    if let Some(ended) = &process.ended {
        let Some(why) = &ended.why else {
            return session;
        };
        let mut reason = format!(
            "its process died: {why}. {}",
            match talk.is_lost() {
                true =>
                    "The conversation is lost with it, since this agent cannot load one again: create a new session",
                false => "The next message brings it back",
            }
        );
        if doubtful(talk) {
            reason = format!("{reason}; it is not known whether what it was last asked was carried out");
        }
        let reason = cut(&reason, WORDS - 1);
        return session
            .summary(&reason)
            .attention(Attention::new("error", reason).since(ended.at));
    }
    if job.is_none_or(|job| job.phase == Phase::Queued) {
        return session.summary("waits for a place, since as many agents work as may");
    }
    if let Some(answered) = process
        .live
        .prompts()
        .iter()
        .find_map(|prompt| answered(process, prompt))
    {
        return session.summary(cut(
            &format!("it is told what was answered once all of its questions are; so far {answered}"),
            WORDS - 1,
        ));
    }
    match doing {
        Some(doing) if process.live.state() != Activity::Idle => session.summary(cut(doing, WORDS - 1)),
        _ => session,
    }
}

/// Whether an agent's process ended while it worked on a message.
fn doubtful(talk: &Talk) -> bool {
    let is_started = |message: &live::Message| message.state == MessageState::Started;
    talk.process.live.messages().any(is_started) || talk.earlier.last().is_some_and(|(_, fate)| *fate == Fate::Doubtful)
}

/// What other questions of the same request were answered with, if any were.
fn answered(process: &Process, prompt: &live::Prompt) -> Option<String> {
    let answered = process.live.answered_with(prompt);
    let answered: Vec<String> = answered
        .map(|(prompt, words)| format!("{:?} with {words:?}", prompt.question))
        .collect();
    (!answered.is_empty()).then(|| answered.join(", "))
}

/// A prompt as the contract has it. Its id begins with the number of its process.
///
/// There is no group: each question of a request is answered in a call of its own, and what was answered is kept here.
pub(crate) fn shown(setup: &Setup, process: &Process, prompt: &live::Prompt) -> Prompt {
    let kind = match prompt.kind {
        Kind::Permission => PromptKind::Permission,
        Kind::Question => PromptKind::Question,
        Kind::Plan => PromptKind::Plan,
        Kind::Other => PromptKind::Other,
    };
    let mut shown = Prompt::new(
        format!("{}.{}", process.number, prompt.id),
        kind,
        cut(&prompt.question, WORDS - 1),
    );
    shown.detail.clone_from(&prompt.detail);
    for choice in &prompt.choices {
        let mut one = Choice::new(&choice.key, cut(&choice.label, WORDS - 1), effect(choice.effect));
        one.description.clone_from(&choice.description);
        one.ticked = choice.ticked;
        shown = shown.choice(one);
    }
    shown.multiple = prompt.multiple;
    shown.accepts_text = prompt.accepts_text;
    shown.dismissible = prompt.dismissible;
    shown.cut = prompt.cut;
    if let Some(answered) = answered(process, prompt) {
        shown = shown.fact("answered", cut(&answered, WORDS - 1));
    }
    if let Some(tool) = &prompt.tool {
        shown = shown.fact("tool", tool);
    }
    shown
        .asked_at(prompt.at)
        .expires_at(setup.settings.declined_at(prompt.at))
}

fn effect(effect: live::Effect) -> Effect {
    match effect {
        live::Effect::Accepts => Effect::Accepts,
        live::Effect::Widens => Effect::Widens,
        live::Effect::Declines => Effect::Declines,
        live::Effect::Neutral => Effect::Neutral,
    }
}
