//! The page of one session: what it does, what it printed last, and a form for each question that it asks.

use askama::Template;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde_json::json;

use super::shown::{Acted, Choice, Effect, Given, Logs, Prompt, Session};
use super::{Owner, Sessions, ask_to_log_in, base, owner};
use crate::http::host_origin::Base;
use crate::http::owner::form::Form;
use crate::http::owner::pages::{self, STYLE};
use crate::page;
use crate::principal::Scope;

/// Lines of output.
const LINES: u32 = 120;
/// The most choices that are ticked in one form, which has other fields too.
const TICKED: usize = 50;

#[derive(Template)]
#[template(path = "session.html")]
struct SessionPage<'a> {
    host: &'a str,
    session: &'a Session,
    path: &'a str,
    age: Option<String>,
    /// What came of the last answer.
    told: Option<String>,
    /// Whether the visitor may answer.
    acts: bool,
    questions: Vec<Question<'a>>,
    /// A token for the form that presses Escape, where that is possible.
    leave: Option<String>,
    output: Result<String, String>,
    /// Whether it is loaded again by itself.
    refreshes: bool,
}

/// A question with what can be answered from here.
struct Question<'a> {
    prompt: &'a Prompt,
    token: String,
    /// Why it can only be declined.
    only_declined: Option<&'a str>,
    choices: Vec<&'a Choice>,
    /// The choices are ticked, and sent by one button.
    ticked: bool,
    /// Words can be given.
    words: bool,
    /// Why it is not answered here at all.
    elsewhere: Option<&'a str>,
    /// The answer that is kept.
    given: Option<String>,
}

/// Shows it to the owner, who logs in first.
pub(super) async fn show(
    State(sessions): State<Sessions>,
    asked: Result<Path<(String, String)>, PathRejection>,
    parts: Parts,
) -> Response {
    let base = base(&parts);
    let Some((owner, place)) = owner(&parts) else {
        return ask_to_log_in(&sessions, &parts, &base).await;
    };
    let Ok(session_id) = session_id(asked) else {
        return unknown(&base, "There is nothing at this address.");
    };
    let status = sessions.tools.call::<Acted>(
        &owner.principal,
        place,
        "get_session_status",
        json!({"session_id": session_id}),
    );
    let wanted = json!({"session_id": session_id, "lines": LINES, "mobile_format": true});
    let logs = sessions.tools.call::<Logs>(&owner.principal, place, "get_logs", wanted);
    match futures::join!(status, logs) {
        (Ok(seen), logs) => page(&sessions, &base, owner, &seen.session, logs.map(|logs| logs.text)),
        (Err(why), _) => unknown(&base, &why),
    }
}

/// The id of the session that a path names: `backend/id`.
pub(super) fn session_id(asked: Result<Path<(String, String)>, PathRejection>) -> Result<String, PathRejection> {
    asked.map(|Path((backend, id))| format!("{backend}/{id}"))
}

/// The form about `prompt` of `session_id`, as it is shown to the login by `cookie`; without a prompt, the one that presses
/// Escape.
pub(super) fn about(session_id: &str, prompt: Option<&Prompt>) -> String {
    match prompt {
        Some(prompt) => format!("{session_id}\n{}\n{}", prompt.prompt_id, prompt.as_decided()),
        None => session_id.to_owned(),
    }
}

/// The form about this for the login by this cookie.
pub(super) fn form<'a>(cookie: &'a str, about: &'a str) -> Form<'a> {
    Form {
        purpose: "answer",
        cookie,
        query: about,
    }
}

fn page(
    sessions: &Sessions,
    base: &Base,
    owner: &Owner,
    session: &Session,
    output: Result<String, String>,
) -> Response {
    let now = sessions.logins.now();
    let acts = owner.principal.may(Scope::Control);
    let token = |prompt: Option<&Prompt>| form(&owner.cookie, &about(&session.session_id, prompt)).token(now);
    let questions: Vec<Question<'_>> = session
        .prompts
        .iter()
        .map(|prompt| Question::of(prompt, &token))
        .collect();
    // A page that looks again could put another question under a finger that is on its way.
    let asks = acts && (!questions.is_empty() || session.can_be_left());
    let refreshes = !asks && !session.is_over();
    let page = SessionPage {
        host: pages::host(base),
        session,
        path: &page::path(&session.session_id),
        age: session.age(),
        told: sessions.outcomes.told(&owner.cookie, &session.session_id),
        acts,
        questions,
        leave: (acts && session.can_be_left()).then(|| token(None)),
        output,
        refreshes,
    };
    let shown = pages::page(StatusCode::OK, &page, None);
    if refreshes { pages::refreshed(shown) } else { shown }
}

impl<'a> Question<'a> {
    fn of(prompt: &'a Prompt, token: &impl Fn(Option<&Prompt>) -> String) -> Self {
        let only_declined = prompt.only_declined();
        let offered = |choice: &&Choice| only_declined.is_none() || choice.effect == Effect::Declines;
        let choices: Vec<&Choice> = prompt.choices.iter().filter(offered).collect();
        let whole = only_declined.is_none();
        let too_many = prompt.multiple && prompt.choices.len() > TICKED;
        let has_schema = prompt.text_schema.is_some() && prompt.choices.is_empty();
        Self {
            prompt,
            token: token(Some(prompt)),
            only_declined,
            ticked: whole && prompt.multiple && !choices.is_empty(),
            words: whole && prompt.accepts_text && prompt.text_schema.is_none(),
            elsewhere: match (too_many, has_schema) {
                (true, _) => Some("It has more choices than this page takes. Answer it in an app, or at its terminal."),
                (_, true) => Some("It wants an answer in a form of its own. Answer it in an app, or at its terminal."),
                _ => None,
            },
            given: prompt.given.as_ref().map(|given| in_words(prompt, given)),
            choices,
        }
    }

    /// Whether there is anything to press.
    fn is_answered_here(&self) -> bool {
        self.elsewhere.is_none() && (!self.choices.is_empty() || self.words || self.prompt.dismissible)
    }
}

/// An answer that is kept, in words.
fn in_words(prompt: &Prompt, given: &Given) -> String {
    if given.dismiss {
        return "closed without an answer".to_owned();
    }
    let taken = prompt
        .choices
        .iter()
        .filter(|choice| given.choices.contains(&choice.key));
    let labels = taken.map(|choice| choice.label.as_str());
    labels.chain(given.text.as_deref()).collect::<Vec<_>>().join(", ")
}

/// The page where there is nothing to show, with the reason.
pub(super) fn unknown(base: &Base, why: &str) -> Response {
    pages::notice_with_way(
        base,
        StatusCode::NOT_FOUND,
        "This session cannot be shown",
        why,
        ("/", "All sessions"),
    )
}
