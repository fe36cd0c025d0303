//! `[prompts]`: who approves what sessions ask for.

use serde::{Deserialize, Serialize};

use crate::session::Effect;

/// The table, which needs no checking.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Prompts {
    /// How a person is asked before a client's answer counts.
    #[serde(default)]
    pub confirm: Confirm,
    /// The effects that a client may choose.
    #[serde(default = "without_widening")]
    pub remote_effects: Vec<Effect>,
}

/// How a person is asked before a client's answer counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confirm {
    /// By a form where the client can show one; otherwise the client is told to ask.
    #[default]
    Client,
    /// Only by a form, or at the terminal: what a client says without a form counts for nothing.
    Person,
    /// Nobody asks.
    None,
}

impl Confirm {
    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Person => "person",
            Self::None => "none",
        }
    }
}

impl Default for Prompts {
    fn default() -> Self {
        Self {
            confirm: Confirm::default(),
            remote_effects: without_widening(),
        }
    }
}

fn without_widening() -> Vec<Effect> {
    vec![Effect::Accepts, Effect::Declines, Effect::Neutral]
}
