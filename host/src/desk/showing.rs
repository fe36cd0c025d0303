//! Sessions and prompts as callers are shown them.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use super::Caller;
use super::prompts::{Last, Shown};
use crate::catalog::answers::{Choice, Prompt, Session};
use crate::contract;

/// Makes the records that callers are shown, and remembers which prompts those were.
pub(crate) struct Showing {
    /// Who was shown which prompt.
    pub(super) shown: Shown,
    /// The hosts that a session's own address may name.
    url_hosts: Vec<String>,
    /// Where a browser would reach this server.
    base_url: String,
}

impl Showing {
    pub(super) fn new(url_hosts: Vec<String>, base_url: String) -> Self {
        Self {
            shown: Shown::default(),
            url_hosts,
            base_url,
        }
    }

    /// The record of `session` of `backend`.
    pub(super) fn session(&self, backend: &str, given: contract::Session) -> Session {
        session(backend, given, &self.url_hosts)
    }

    /// The same for a caller who is shown it: a prompt in it is then one that they have seen.
    pub(super) fn show(&self, caller: &Caller, backend: &str, session: contract::Session) -> Session {
        let session = self.session(backend, session);
        if let Some(prompt) = &session.prompt {
            let last = Last::Shown(prompt.prompt_id.clone());
            self.shown.note(caller, &session.session_id, last);
        }
        session
    }

    /// Where a person can open the session: its own address, or else its place on this server.
    pub(super) fn address(&self, session: &Session) -> String {
        match &session.url {
            Some(url) => url.clone(),
            None => format!("{}/sessions/{}", self.base_url, session.session_id),
        }
    }
}

impl Session {
    /// A session of which no more is known than its id.
    pub(crate) fn unseen(backend: &str, session_id: String) -> Self {
        Self {
            session_id,
            backend: backend.to_owned(),
            name: String::new(),
            agent: String::new(),
            directory: String::new(),
            state: state(contract::State::Unknown),
            evidence: evidence(contract::Evidence::Process),
            since: None,
            summary: None,
            prompt: None,
            url: None,
            created_at: None,
            active_at: None,
            facts: BTreeMap::new(),
        }
    }
}

/// The record of `session` of `backend`. Its address is kept only if it is https on one of `url_hosts`.
pub(crate) fn session(backend: &str, session: contract::Session, url_hosts: &[String]) -> Session {
    let session_id = format!("{backend}/{}", session.id);
    Session {
        prompt: session.prompt.map(|given| prompt(&session_id, given)),
        session_id,
        backend: backend.to_owned(),
        name: session.name,
        agent: session.agent,
        directory: session.directory,
        state: state(session.state),
        evidence: evidence(session.evidence),
        since: session.since.map(time),
        summary: session.summary,
        url: session.url.filter(|url| is_on(url, url_hosts)),
        created_at: Some(time(session.created_at)),
        active_at: session.active_at.map(time),
        facts: session.facts.into_iter().collect(),
    }
}

/// The record of a prompt of the session `session_id`.
pub(crate) fn prompt(session_id: &str, prompt: contract::Prompt) -> Prompt {
    use contract::PromptKind;
    Prompt {
        prompt_id: prompt.id,
        session_id: session_id.to_owned(),
        kind: match prompt.kind {
            PromptKind::Permission => "permission",
            PromptKind::Question => "question",
            PromptKind::Trust => "trust",
            PromptKind::Other => "other",
        },
        question: prompt.question,
        choices: prompt
            .choices
            .into_iter()
            .map(|choice| Choice {
                key: choice.key,
                label: choice.label,
                description: choice.description,
                declines: choice.declines,
            })
            .collect(),
        multiple: prompt.multiple,
        accepts_text: prompt.accepts_text,
        cut: prompt.cut,
        asked_at: prompt.asked_at.map(time),
    }
}

/// The name of a state.
pub(crate) fn state(state: contract::State) -> &'static str {
    use contract::State;
    match state {
        State::Queued => "queued",
        State::Starting => "starting",
        State::Busy => "busy",
        State::Idle => "idle",
        State::Waiting => "waiting",
        State::Done => "done",
        State::Failed => "failed",
        State::Cancelled => "cancelled",
        State::Interrupted => "interrupted",
        State::Unknown => "unknown",
    }
}

/// Every state, as `list_sessions` takes them.
pub(crate) fn states() -> impl Iterator<Item = &'static str> {
    use contract::State;
    let all = [
        State::Queued,
        State::Starting,
        State::Busy,
        State::Idle,
        State::Waiting,
        State::Done,
        State::Failed,
        State::Cancelled,
        State::Interrupted,
        State::Unknown,
    ];
    all.into_iter().map(state)
}

fn evidence(evidence: contract::Evidence) -> &'static str {
    use contract::Evidence;
    match evidence {
        Evidence::Hook => "hook",
        Evidence::Agent => "agent",
        Evidence::Transcript => "transcript",
        Evidence::Screen => "screen",
        Evidence::Process => "process",
    }
}

fn is_on(url: &str, hosts: &[String]) -> bool {
    let uri: Result<http::Uri, _> = url.parse();
    uri.is_ok_and(|uri| {
        uri.scheme_str() == Some("https")
            && uri
                .authority()
                .is_some_and(|authority| hosts.iter().any(|host| host == authority.as_str()))
    })
}

fn time(at: contract::Timestamp) -> String {
    // Years past 9999 have no RFC 3339 form; a plugin that says so means nothing by it.
    let at = UNIX_EPOCH + Duration::from_millis(at.min(253_402_300_799_000));
    humantime::format_rfc3339_seconds(at).to_string()
}
