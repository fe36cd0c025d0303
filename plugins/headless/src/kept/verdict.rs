//! How a run ended, as it is kept.

use berth_plugin::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cut::cut;
use crate::kept::state::RunState;

/// Characters that are kept of why it failed, and of what it said.
pub(crate) const ERROR: usize = 1_000;
pub(crate) const SAID: usize = 300;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) state: RunState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// The beginning of the answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) said: String,
    /// Of this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) turns: Option<u64>,
    /// Of the whole conversation, in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cost: Option<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) denied: Vec<String>,
    /// Until when the model's usage limit holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) limited_until: Option<Timestamp>,
    /// The agent had begun.
    #[serde(default)]
    pub(crate) has_begun: bool,
}

impl Verdict {
    /// That of a run whose agent was never at work.
    pub(crate) fn before_it_began(state: RunState, why: String) -> Self {
        Self {
            state,
            error: Some(cut(&why, ERROR)),
            said: String::new(),
            turns: None,
            cost: None,
            denied: Vec::new(),
            limited_until: None,
            has_begun: false,
        }
    }

    /// The same as a failure.
    pub(crate) fn failed(self, why: &str) -> Self {
        Self {
            state: RunState::Failed,
            error: Some(cut(why, ERROR)),
            ..self
        }
    }
}
