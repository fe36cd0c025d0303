//! Why a request failed, as far as the agent's own report of its end says it.

use serde::{Deserialize, Serialize};

use super::line::Answer;

/// What a person has to do with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum About {
    /// The model's usage limit.
    Limit,
    /// The agent's login.
    Login,
    Error,
}

/// Why a request failed, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) about: About,
    pub(crate) why: String,
}

impl Failure {
    pub(crate) fn new(about: About, why: impl Into<String>) -> Self {
        Self { about, why: why.into() }
    }
}

/// Why it failed; none: the agent reports a success.
pub(crate) fn reported(answer: &Answer) -> Option<Failure> {
    let words = || match (answer.errors.as_slice(), answer.text.trim()) {
        ([], "") => "it said no reason".to_owned(),
        ([], text) => text.to_owned(),
        (errors, _) => errors.join("; "),
    };
    let failure = |why: String| Some(Failure::new(About::Error, why));
    if let Some(reason) = &answer.startup {
        return failure(format!(
            "the agent could not start ({}): {}",
            reason.replace('_', " "),
            words()
        ));
    }
    if let Some(status) = answer.api_status {
        return Some(refused(status, answer.is_limit, &words()));
    }
    match answer.subtype.as_str() {
        "error_max_turns" => failure("it reached the limit of turns".to_owned()),
        "error_max_budget_usd" => failure("it reached the limit of its cost".to_owned()),
        _ if answer.is_aborted => failure("it was interrupted".to_owned()),
        "error_during_execution" => failure(format!("it broke off: {}", words())),
        // It did not ask the API then, so there is no status.
        _ if answer.is_error && words().starts_with("Not logged in") => Some(Failure::new(About::Login, words())),
        _ if answer.is_error => failure(words()),
        subtype if subtype.starts_with("error") => failure(format!("{}: {}", subtype.replace('_', " "), words())),
        _ => None,
    }
}

/// What the model's API answered.
fn refused(status: u64, is_limit: bool, words: &str) -> Failure {
    let (about, why) = match status {
        401 | 403 => (
            About::Login,
            format!("the model's API refuses the agent's login ({status}): log in, then try again"),
        ),
        429 if is_limit => (About::Limit, format!("the model's usage limit is reached: {words}")),
        429 => (
            About::Limit,
            format!("the model's usage limit is reached, or requests come too fast (429): {words}"),
        ),
        529 => (
            About::Error,
            "the model's API is overloaded (529): try again later".to_owned(),
        ),
        status => (About::Error, format!("the model's API answered {status}: {words}")),
    };
    Failure::new(about, why)
}
