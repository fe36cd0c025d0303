//! Sessions that never change: `calm-1` is idle, `calm-2` too, `asks-1` waits for an answer, and `dead-1` is over.
//!
//! What is typed into one goes to the file `/state/typed`, so that a test can see that nothing was.

use std::io::Write as _;

use berth_plugin::types::{
    Answer, Choice, Delivery, Error, Evidence, LogPage, Prompt, PromptKind, Receipt, Session, State,
};

/// The id of the prompt of `asks-1`.
const PROMPT: &str = "prompt-1";

/// The sessions.
pub(crate) fn all() -> Vec<Session> {
    vec![
        session("calm-1", State::Idle),
        session("calm-2", State::Idle),
        Session {
            prompt: Some(prompt()),
            ..session("asks-1", State::Waiting)
        },
        session("dead-1", State::Done),
    ]
}

/// A session whose every text is hostile to whoever shows it.
pub(crate) fn foreign() -> Session {
    let hostile = |text: &str| format!("{text}\u{1b}[31m\u{1b}]0;title\u{7}\u{9b}\u{202e}\u{200b}\u{e0041}\r");
    Session {
        name: hostile("name"),
        agent: hostile("agent"),
        directory: hostile("/directory"),
        summary: Some(hostile("summary")),
        prompt: Some(Prompt {
            question: hostile("question"),
            ..prompt()
        }),
        url: Some("https://evil.example/code".into()),
        facts: vec![(hostile("fact"), hostile("value"))],
        ..session("foreign-1", State::Waiting)
    }
}

/// The session `id`.
pub(crate) fn find(id: &str) -> Result<Session, Error> {
    let found = all().into_iter().find(|session| session.id == id);
    found.ok_or_else(|| Error::NotFound(format!("there is no session {id:?}; list_sessions shows all")))
}

/// What `id` printed.
pub(crate) fn log(id: &str) -> Result<LogPage, Error> {
    find(id)?;
    Ok(LogPage {
        text: format!("{id} says hello"),
        next: "1".into(),
        more: false,
    })
}

/// Types a message, where the session can take one.
pub(crate) fn send(id: &str, message: &str) -> Result<Delivery, Error> {
    match find(id)?.state {
        State::Waiting => Err(Error::Refused("it waits for an answer: use respond_to_prompt".into())),
        State::Done => Err(Error::Refused("it has ended: create another one".into())),
        _ => {
            typed(id, message);
            Ok(Delivery {
                receipt: Receipt::Submitted,
                after: None,
            })
        }
    }
}

/// Answers the prompt, where it is the present one.
pub(crate) fn respond(id: &str, prompt: &str, answer: &Answer) -> Result<(), Error> {
    if find(id)?.prompt.is_none_or(|present| present.id != prompt) {
        return Err(Error::Refused("that prompt is gone: look at the session again".into()));
    }
    typed(id, &format!("{answer:?}"));
    Ok(())
}

fn session(id: &str, state: State) -> Session {
    Session {
        id: id.into(),
        name: id.into(),
        agent: "none".into(),
        directory: "/".into(),
        state,
        evidence: Evidence::Agent,
        since: None,
        summary: None,
        prompt: None,
        url: None,
        created_at: 1_700_000_000_000,
        active_at: None,
        facts: Vec::new(),
    }
}

fn prompt() -> Prompt {
    let choice = |key: &str, label: &str, declines| Choice {
        key: key.into(),
        label: label.into(),
        description: None,
        declines,
    };
    Prompt {
        id: PROMPT.into(),
        kind: PromptKind::Permission,
        question: "May I?".into(),
        choices: vec![choice("1", "Yes", false), choice("2", "No", true)],
        multiple: false,
        accepts_text: false,
        cut: false,
        asked_at: None,
    }
}

fn typed(id: &str, text: &str) {
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open("/state/typed")
        .expect("/state");
    writeln!(file, "{id}: {text}").expect("/state");
}
