//! The owner's answer to what a session asks.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde_json::{Value, json};

use super::session::{about, form, session_id, unknown};
use super::shown::{Acted, Prompt, Session};
use super::{Owner, Sessions, base, owner};
use crate::admission::Place;
use crate::http::owner::pages;
use crate::http::owner::posted::Posted;
use crate::page;
use crate::principal::Scope;

/// What the button of a choice sends, before its key.
const TAKE: &str = "take.";
/// The name of a box, before the key of its choice.
const PICK: &str = "pick.";

/// Takes an answer, and leads back to the page, which says what came of it.
pub(super) async fn take(
    State(sessions): State<Sessions>,
    asked: Result<Path<(String, String)>, PathRejection>,
    parts: Parts,
    posted: Posted,
) -> Response {
    let base = base(&parts);
    let Some((owner, place)) = owner(&parts) else {
        return pages::stale(&base, parts.uri.path());
    };
    if !owner.principal.may(Scope::Control) {
        let why = "This browser runs in a session that berth started. Nothing was answered: open the page in a browser of \
                   your own.";
        return pages::notice(&base, StatusCode::FORBIDDEN, "From here you can only look", why);
    }
    let Ok(session_id) = session_id(asked) else {
        return unknown(&base, "There is nothing at this address.");
    };
    let given = Given {
        sessions: &sessions,
        owner,
        place,
        posted: &posted,
    };
    match given.to(&session_id).await {
        Ok((session_id, text)) => {
            sessions.outcomes.keep(&owner.cookie, &session_id, text);
            pages::go(&page::path(&session_id))
        }
        Err(Refused::Stale) => pages::stale(&base, parts.uri.path()),
        Err(Refused::Unknown(why)) => unknown(&base, &why),
    }
}

/// A form that was sent.
struct Given<'a> {
    sessions: &'a Sessions,
    owner: &'a Owner,
    place: &'a Place,
    posted: &'a Posted,
}

/// Why nothing was answered.
enum Refused {
    /// The form is not ours, was answered, or is about what is not asked like that any more.
    Stale,
    /// The session cannot be looked at.
    Unknown(String),
}

impl Given<'_> {
    /// Answers the session that is called `named`: its id, and what came of that.
    async fn to(&self, named: &str) -> Result<(String, String), Refused> {
        let status = self.call("get_session_status", json!({"session_id": named})).await;
        let Session {
            session_id, prompts, ..
        } = &status.map_err(Refused::Unknown)?.session;
        // What is answered is what was shown: all of it is covered by the form's token.
        let prompt = prompts
            .iter()
            .find(|prompt| prompt.prompt_id == self.posted.get("prompt"));
        let leaves = self.posted.get("prompt").is_empty() && prompts.is_empty();
        if prompt.is_none() && !leaves {
            return Err(Refused::Stale);
        }
        let (about, now) = (about(session_id, prompt), self.sessions.logins.now());
        let shown = form(&self.owner.cookie, &about).shown(self.posted.get("token"), now);
        let shown = shown.ok_or(Refused::Stale)?;
        let Some(arguments) = self.arguments(session_id, prompt) else {
            return Ok((
                session_id.clone(),
                "Nothing was chosen, so nothing was answered.".to_owned(),
            ));
        };
        if !self.sessions.spent.spend(shown, now) {
            return Err(Refused::Stale);
        }
        let text = match self.call("respond_to_prompt", arguments).await {
            Ok(acted) => in_words(&acted),
            Err(why) => why,
        };
        Ok((session_id.clone(), text))
    }

    async fn call(&self, tool: &'static str, arguments: Value) -> Result<Acted, String> {
        self.sessions
            .tools
            .call(&self.owner.principal, self.place, tool, arguments)
            .await
    }

    /// The answer as the tool takes it; nothing if none was given.
    fn arguments(&self, session_id: &str, prompt: Option<&Prompt>) -> Option<Value> {
        let answer = self.posted.get("answer");
        let text = Some(self.posted.get("text")).filter(|text| !text.trim().is_empty());
        let Some(prompt) = prompt else {
            return (answer == "dismiss").then(|| json!({"session_id": session_id, "response": "dismiss"}));
        };
        let prompt_id = &prompt.prompt_id;
        let parts = |choices: Vec<&str>| {
            (!choices.is_empty() || text.is_some()).then(|| {
                let choices = Some(choices).filter(|choices| !choices.is_empty());
                json!({"session_id": session_id, "prompt_id": prompt_id, "choices": choices, "text": text})
            })
        };
        match answer {
            "dismiss" => Some(json!({"session_id": session_id, "prompt_id": prompt_id, "response": "dismiss"})),
            "picked" => {
                let is_picked = |key: &&str| !self.posted.get(&format!("{PICK}{key}")).is_empty();
                parts(
                    prompt
                        .choices
                        .iter()
                        .map(|choice| choice.key.as_str())
                        .filter(is_picked)
                        .collect(),
                )
            }
            "words" => parts(Vec::new()),
            _ => parts(answer.strip_prefix(TAKE).into_iter().collect()),
        }
    }
}

/// What came of an answer, for the owner.
fn in_words(acted: &Acted) -> String {
    let received = match acted.receipt.as_deref() {
        Some("confirmed") => "Your answer was taken.",
        Some("not_sent") => "Your answer was not given.",
        Some(_) => "Your answer was typed. Whether it was taken was not seen: look at the output.",
        None => "",
    };
    let note = acted.note.as_deref().unwrap_or_default();
    format!("{received} {note}").trim().to_owned()
}
