//! What a call comes to: an answer as text and as data, or an error in words.

use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use super::form::Form;
use crate::catalog::Mistake;
use crate::plugin;
use crate::session::{Content, Error};
use crate::store::audit::Outcome;

/// What a tool answers: a text for people and the same as data.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolAnswer {
    /// Short enough for a phone. None: the JSON of `structured`.
    pub text: Option<String>,
    /// What the tool's output schema describes.
    pub structured: Option<Value>,
    /// Pictures, sounds and links of an own tool, beside the text.
    pub further: Vec<Content>,
    /// Whether it did what it was asked. An own tool may say that it failed, and a refusal may show more than why.
    pub outcome: Outcome,
    /// The work that goes on, if some does.
    pub(super) goes_on: Option<Box<GoesOn>>,
}

/// Work that goes on after its call was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GoesOn {
    /// The id of the call, or of the message, by which its backend knows it: a UUID.
    pub(super) id: String,
    pub(super) backend: String,
    /// The session that works on it, as its backend calls it.
    pub(super) session: String,
    /// The cursor of the session's log just before.
    pub(super) after: Option<String>,
}

impl ToolAnswer {
    /// One whose text and data say the same.
    pub(crate) fn of(text: String, structured: &impl Serialize) -> Self {
        Self {
            text: Some(text),
            structured: serde_json::to_value(structured).ok(),
            further: Vec::new(),
            outcome: Outcome::Done,
            goes_on: None,
        }
    }
}

/// A tool that could not do what was asked. The text says why and what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text}")]
pub struct ToolError {
    pub(super) text: String,
    /// As what it is recorded.
    pub(super) outcome: Outcome,
    /// What the person is asked instead.
    pub(super) form: Option<Box<Form>>,
    /// The same as data, where a program has a use for it.
    pub(super) structured: Option<Value>,
}

impl ToolError {
    /// It was tried, and failed.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            outcome: Outcome::Failed,
            form: None,
            structured: None,
        }
    }

    /// It was not allowed, or made no sense, so nothing was tried.
    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Refused,
            ..Self::new(text)
        }
    }

    /// Nothing was done: the person is asked first.
    pub(super) fn asked(form: Form) -> Self {
        Self {
            outcome: Outcome::Asked,
            form: Some(Box::new(form)),
            ..Self::new("the person is asked first")
        }
    }

    /// The same as data.
    pub fn structured(&self) -> Option<&Value> {
        self.structured.as_ref()
    }

    /// The form to show in place of an error.
    pub fn form(&self) -> Option<&Form> {
        self.form.as_deref()
    }

    /// What `error` of `backend` means to a caller.
    pub(crate) fn of(backend: &str, error: Error) -> Self {
        match error {
            Error::Denied(_)
            | Error::Invalid(_)
            | Error::Refused(_)
            | Error::Conflict(_)
            | Error::Limited { .. }
            | Error::Unsupported => Self::refused(describe(backend, error)),
            _ => Self::new(describe(backend, error)),
        }
    }
}

impl From<Mistake> for ToolError {
    fn from(mistake: Mistake) -> Self {
        Self {
            structured: mistake.data.clone(),
            ..Self::refused(mistake.to_string())
        }
    }
}

/// `error` of `backend` in words for a caller, who has tools to go on with.
pub(crate) fn describe(backend: &str, error: Error) -> String {
    match error {
        Error::Unsupported => format!("backend `{backend}` cannot do this; list_projects shows what each backend can"),
        Error::Busy => {
            "the session is at work and nothing was typed: give wait_seconds to send it when the session is done, \
             or interrupt_session first"
                .into()
        }
        error => plugin::in_words(error),
    }
}
