//! What a form shows of a prompt, and what can be answered in it.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::caller::Filled;
use super::form::Form;
use super::prompts::Response;
use super::showing::time;
use super::words::kind;
use crate::catalog::answers;
use crate::session::{Choice, Effect, Prompt, PromptKind};
use crate::text::{marked, one_line};

/// The choice that closes a prompt without an answer. No key of a prompt looks like this.
const DISMISS: &str = "(dismiss)";

/// What a form shows of a prompt, before it is sealed for anyone.
pub(super) struct Shown {
    body: String,
    /// Until when it can be answered.
    until: Option<String>,
    choices: Vec<(String, String)>,
    several: Option<Vec<String>>,
    text: Option<&'static str>,
}

impl Shown {
    /// `prompt` where `allows` says which responses may be given here; what may not is only told, with `elsewhere`: how a
    /// person answers otherwise. Nothing if no response may be given.
    pub(super) fn of(prompt: &Prompt, allows: impl Fn(&Response) -> bool, elsewhere: &str) -> Option<Self> {
        let taking = |choice: &Choice| Response {
            choices: vec![choice.key.clone()],
            ..Response::default()
        };
        let offered: Vec<&Choice> = prompt.choices.iter().filter(|choice| allows(&taking(choice))).collect();
        let dismisses = prompt.dismissible && allows(&dismissal());
        let words = Response {
            text: Some("words".into()),
            ..Response::default()
        };
        let text = prompt.accepts_text && (allows(&words) || !offered.is_empty());
        if offered.is_empty() && !dismisses && !text {
            return None;
        }
        let mut choices: Vec<(String, String)> = offered
            .iter()
            .map(|choice| (choice.key.clone(), line(choice)))
            .collect();
        if dismisses {
            choices.push((DISMISS.into(), "Close it without an answer".into()));
        }
        let ticked = offered.iter().filter(|choice| choice.ticked);
        Some(Self {
            body: body(prompt, &offered, elsewhere),
            until: prompt.expires_at.map(time),
            several: prompt
                .multiple
                .then(|| ticked.map(|choice| choice.key.clone()).collect()),
            text: text.then_some(match prompt.kind {
                PromptKind::Permission => "With a refusal: what to do instead",
                _ => "An answer in words, alone or with a choice",
            }),
            choices,
        })
    }

    /// The digest of what is asked and can be chosen: a form that shows anything else has another one. Until when that can
    /// be answered does not count: who looks first at a question that was just asked may take it for a moment younger.
    pub(super) fn digest(&self) -> String {
        let mut digest = Sha256::new();
        let mut part = |text: &str| {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        };
        part(&self.body);
        for (key, words) in &self.choices {
            part(key);
            part(words);
        }
        part(self.text.unwrap_or_default());
        part(if self.several.is_some() { "several" } else { "one" });
        hex::encode(digest.finalize())
    }

    /// What was filled in, as a response to the prompt; nothing if the form does not offer that.
    pub(super) fn response(&self, filled: &Filled) -> Option<Response> {
        let is_offered = |key: &String| self.choices.iter().any(|(offered, _)| offered == key);
        let all_offered = filled.choices.iter().all(is_offered) && (filled.text.is_none() || self.text.is_some());
        match filled.choices.as_slice() {
            _ if !all_offered => None,
            [only] if only == DISMISS => filled.text.is_none().then(dismissal),
            choices => Some(Response {
                response: None,
                choices: choices.to_vec(),
                text: filled.text.clone(),
            }),
        }
    }

    /// The form for whoever is asked about `session`; `after` says what else a person must know.
    pub(super) fn form(self, session: &answers::Session, after: &str, state: String) -> Form {
        let mut message = session.session_id.clone();
        for about in [Some(&session.name), Some(&session.agent), session.directory.as_ref()] {
            if let Some(about) = about.filter(|about| !about.is_empty()) {
                let _ = write!(message, " · {}", one_line(about));
            }
        }
        let _ = write!(
            message,
            "\n{}{}\nTo decline or close this form answers nothing: the question stays open.{after}",
            self.body,
            self.until
                .map(|until| format!("\nUnanswered it is declined at {until}."))
                .unwrap_or_default(),
        );
        Form {
            message,
            choices: self.choices,
            several: self.several,
            text: self.text,
            state,
        }
    }
}

fn dismissal() -> Response {
    Response {
        response: Some("dismiss".into()),
        ..Response::default()
    }
}

fn body(prompt: &Prompt, offered: &[&Choice], elsewhere: &str) -> String {
    let mut body = String::new();
    // It stands first, since a client may show only the first lines.
    for foreign in [Some(&prompt.question), prompt.detail.as_ref()].into_iter().flatten() {
        if !foreign.is_empty() {
            let _ = writeln!(body, "{}", marked(foreign, "| "));
        }
    }
    let _ = write!(body, "It asks ({}).", kind(prompt.kind));
    if prompt.cut {
        body.push_str("\nPart of it is not shown here, so it can only be declined here.");
    }
    for choice in &prompt.choices {
        let _ = write!(body, "\n{} — {}", choice.key, line(choice));
        if let Some(description) = &choice.description {
            let _ = write!(body, "\n{}", marked(description, "    | "));
        }
        if !offered.iter().any(|offered| offered.key == choice.key) {
            body.push_str("\n    It cannot be chosen here.");
        }
    }
    if offered.len() < prompt.choices.len() {
        let _ = write!(body, "\nFor the rest, {elsewhere}.");
    }
    body
}

/// A choice in a line, with what it does.
fn line(choice: &Choice) -> String {
    let does = match choice.effect {
        Effect::Accepts => " (allows this one request)",
        Effect::Widens => " (allows more than this one request)",
        Effect::Declines => " (declines)",
        Effect::Neutral => "",
    };
    format!("{}{does}", one_line(&choice.label))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_form_is_the_same_one_whenever_what_it_asks_can_be_answered_and_another_where_it_asks_anything_else() {
        let prompt = |detail: &str, expires_at| Prompt {
            detail: Some(detail.into()),
            expires_at,
            ..Prompt::permission("p1", "May it run this command?", Vec::new())
        };
        let digest = |prompt: &Prompt| Shown::of(prompt, |_| true, "").unwrap().digest();
        let asked = digest(&prompt("touch x", Some(1_800_000_000_000)));
        assert_eq!(digest(&prompt("touch x", Some(1_800_000_002_000))), asked);
        assert_ne!(digest(&prompt("touch y", Some(1_800_000_000_000))), asked);
    }
}
