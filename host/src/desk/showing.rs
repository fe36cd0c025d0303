//! Sessions and prompts as callers are shown them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use super::Caller;
use super::given::GivenAnswers;
use super::groups::Groups;
use super::member::Member;
use super::outbox;
use super::prompts::{Last, Shown};
use crate::age;
use crate::catalog::answers::{Attention, Choice, Given, Prompt, Queued, Session};
use crate::page;
use crate::session::{self, Evidence, PromptKind, State};
use crate::shell::word;
use crate::watch;

/// What addresses answers may name.
pub struct Addresses {
    /// Where a browser would reach this server.
    pub base: String,
    /// The hosts that a session's own address may name.
    pub hosts: Vec<String>,
}

/// Makes the records that callers are shown, and remembers which prompts those were.
pub(crate) struct Showing {
    /// Who was shown which prompt.
    pub(super) shown: Shown,
    /// Who has answered which questions of a group.
    pub(super) groups: Groups,
    /// What prompts were answered with.
    pub(super) given: GivenAnswers,
    addresses: Addresses,
    /// The backends that are up, or were.
    known: Mutex<BTreeMap<String, Known>>,
}

/// What counts of a backend where its sessions are shown. Of one that was not up yet, nothing does.
#[derive(Clone, Copy, Default)]
struct Known {
    /// It is on this machine.
    is_here: bool,
    /// Its questions of trust may be accepted remotely.
    remote_trust: bool,
}

impl Showing {
    pub(super) fn new(addresses: Addresses) -> Self {
        Self {
            shown: Shown::default(),
            groups: Groups::default(),
            given: GivenAnswers::default(),
            addresses,
            known: Mutex::default(),
        }
    }

    /// From now on this is what counts of the backend.
    pub(super) fn know(&self, member: &Member) {
        let known = Known {
            is_here: member.is_here,
            remote_trust: member.remote_trust,
        };
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(member.name().to_owned(), known);
    }

    fn known(&self, backend: &str) -> Known {
        let all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(backend).copied().unwrap_or_default()
    }

    /// The record of `session` of `backend`.
    pub(super) fn session(&self, backend: &str, given: session::Session) -> Session {
        let mut shown = session(backend, given, &self.addresses.hosts);
        let remote_trust = self.known(backend).remote_trust;
        let trusts = shown
            .prompts
            .iter_mut()
            .filter(|prompt| prompt.kind == PromptKind::Trust);
        for prompt in trusts.filter(|_| !remote_trust) {
            prompt.on_terminal_only = true;
        }
        shown
    }

    /// A message that berth keeps for `session`, with what it waits for; `refused` is why the session did not take it last.
    pub(super) fn kept(&self, session: &Session, message: session::QueuedMessage, refused: Option<String>) -> Queued {
        let is_here = self.known(&session.backend).is_here;
        Queued {
            waits: Some(waits(session, is_here, refused)),
            until: Some(time(outbox::until(message.at))),
            ..queued(message)
        }
    }

    /// The same for a caller: with the answers that it has given and that are kept.
    pub(super) fn session_for(&self, caller: &Caller, backend: &str, session: session::Session) -> Session {
        let session_id = format!("{backend}/{}", session.id);
        let given = |prompt| self.groups.given(caller, &session_id, prompt).map(given);
        let given: Vec<Option<Given>> = session.prompts.iter().map(given).collect();
        let mut shown = self.session(backend, session);
        for (prompt, given) in shown.prompts.iter_mut().zip(given) {
            prompt.given = given;
        }
        shown
    }

    /// The same for a caller who is shown it: prompts in it are then ones that they have seen.
    pub(super) fn show(&self, caller: &Caller, backend: &str, session: session::Session) -> Session {
        let session = self.session_for(caller, backend, session);
        if !session.prompts.is_empty() {
            let ids = session.prompts.iter().map(|prompt| prompt.prompt_id.clone());
            let last = Last::Shown(ids.collect());
            self.shown.note(caller, &session.session_id, last);
        }
        session
    }

    /// Where a person can open the session: its own address, or otherwise its page on this server.
    pub(super) fn address(&self, session: &Session) -> String {
        match &session.url {
            Some(url) => url.clone(),
            None => page::url(&self.addresses.base, &session.session_id),
        }
    }

    /// How a person answers a prompt of a session without any client, as the end of a sentence.
    pub(super) fn by_person(&self, session_id: &str, prompt_id: &str) -> String {
        let terminal = format!("a person answers it at the terminal: berth answer {session_id} --prompt {prompt_id}");
        match self.addresses.base.is_empty() {
            true => terminal,
            false => format!(
                "{terminal}; or on its page: {}",
                page::url(&self.addresses.base, session_id)
            ),
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
            directory: None,
            project: None,
            parent: None,
            state: State::Unknown,
            evidence: Evidence::Process,
            since: None,
            since_ago: None,
            summary: None,
            task: None,
            last_output: None,
            prompts: Vec::new(),
            attention: None,
            queue: Vec::new(),
            can: Vec::new(),
            url: None,
            created_at: None,
            created_ago: None,
            active_at: None,
            active_ago: None,
            facts: BTreeMap::new(),
        }
    }
}

/// The record of `session` of `backend`. Its address is kept only if it is https on one of `url_hosts`.
pub(crate) fn session(backend: &str, session: session::Session, url_hosts: &[String]) -> Session {
    let session_id = format!("{backend}/{}", session.id);
    let prompts = session.prompts.into_iter().map(|given| prompt(&session_id, given));
    Session {
        prompts: prompts.collect(),
        session_id,
        backend: backend.to_owned(),
        name: session.name,
        agent: session.agent,
        directory: session.directory,
        project: session.project,
        parent: session.parent.map(|parent| format!("{backend}/{parent}")),
        state: session.state,
        evidence: session.evidence,
        since: session.since.map(time),
        since_ago: session.since.map(ago),
        summary: session.summary,
        task: session.task,
        last_output: session.last_output,
        attention: session.attention.map(|attention| Attention {
            kind: attention.kind,
            reason: attention.reason,
            since: attention.since.map(time),
            since_ago: attention.since.map(ago),
            until: attention.until.map(time),
        }),
        queue: session.queue.into_iter().map(queued).collect(),
        can: session.can.names(),
        url: session.url.filter(|url| is_on(url, url_hosts)),
        created_at: session.created_at.map(time),
        created_ago: session.created_at.map(ago),
        active_at: session.active_at.map(time),
        active_ago: session.active_at.map(ago),
        facts: session.facts.into_iter().collect(),
    }
}

/// The record of a prompt of the session `session_id`.
pub(crate) fn prompt(session_id: &str, prompt: session::Prompt) -> Prompt {
    let choice = |choice: session::Choice| Choice {
        key: choice.key,
        label: choice.label,
        description: choice.description,
        effect: choice.effect,
        ticked: choice.ticked,
    };
    Prompt {
        prompt_id: prompt.id,
        session_id: session_id.to_owned(),
        kind: prompt.kind,
        question: prompt.question,
        detail: prompt.detail,
        choices: prompt.choices.into_iter().map(choice).collect(),
        multiple: prompt.multiple,
        accepts_text: prompt.accepts_text,
        text_schema: prompt.text_schema.and_then(|schema| object(&schema)),
        dismissible: prompt.dismissible,
        cut: prompt.cut,
        on_terminal_only: prompt.on_terminal_only,
        group: prompt.group,
        required: prompt.required,
        given: None,
        asked_at: prompt.asked_at.map(time),
        asked_ago: prompt.asked_at.map(ago),
        expires_at: prompt.expires_at.map(time),
        facts: prompt.facts.into_iter().collect(),
    }
}

pub(super) fn queued(message: session::QueuedMessage) -> Queued {
    Queued {
        message_id: message.id,
        text: message.text,
        at: time(message.at),
        ago: ago(message.at),
        waits: None,
        until: None,
    }
}

/// What a message waits for that is kept for `session`, which is on this machine or not.
fn waits(session: &Session, is_here: bool, refused: Option<String>) -> String {
    let attach = format!("`berth attach {}`", session.session_id);
    // One that is cut cannot be accepted from elsewhere either.
    let terminal = session
        .prompts
        .iter()
        .find(|prompt| prompt.on_terminal_only || prompt.cut);
    match (terminal, refused) {
        (Some(prompt), _) if prompt.kind == PromptKind::Trust => {
            // A directory of another machine is found there alone.
            let directory = session.directory.as_deref().filter(|_| is_here);
            let trust = directory.map(|directory| format!(" or `berth trust {}`", word(directory)));
            let trust = trust.unwrap_or_default();
            format!("waits until the folder is trusted; answer at the terminal with {attach}{trust}")
        }
        (Some(_), _) => format!("waits until that question is answered at the terminal, with {attach}"),
        (None, _) if !session.prompts.is_empty() => "waits until the question is answered".to_owned(),
        (None, Some(why)) => format!("is tried again, because it was refused: {why}"),
        (None, None) => "waits until the session is ready for it".to_owned(),
    }
}

fn given(answer: session::Answer) -> Given {
    match answer {
        session::Answer::Dismiss => Given {
            choices: Vec::new(),
            text: None,
            dismiss: true,
        },
        session::Answer::Reply(reply) => Given {
            choices: reply.choices,
            text: reply.text,
            dismiss: false,
        },
    }
}

fn object(text: &str) -> Option<serde_json::Map<String, Value>> {
    serde_json::from_str(text).ok()
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

/// A time as callers are told it.
pub(super) fn time(at: session::Timestamp) -> String {
    // Years past 9999 have no RFC 3339 form; a plugin that says so means nothing by it.
    let at = UNIX_EPOCH + Duration::from_millis(at.min(253_402_300_799_000));
    humantime::format_rfc3339_seconds(at).to_string()
}

/// How long ago that was, beside the time itself: who reads an answer need not know what time it is. What lies ahead, by
/// another machine's clock, is now.
pub(super) fn ago(at: session::Timestamp) -> String {
    age::ago(Duration::from_millis(watch::now().saturating_sub(at)))
}
