//! What whoever calls may do about what an agent may do.

use std::collections::BTreeMap;

use super::caller::{By, Caller};
use super::{ToolError, prompts};
use crate::session::{Answer, Effect, Prompt};
use crate::text::{NAMED, escaped};

/// Options that let an agent do more without asking, whatever agent it is, unless the operator says which of their values
/// do not: a contract's known name, and how it is called where it is an agent's argument.
const WIDENING: [&str; 2] = ["mode", "permission_mode"];

/// How a person is asked before a client's answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirm {
    /// By a form where the client can show one; otherwise the client is told to ask.
    Client,
    /// Only by a form, or at the terminal.
    Person,
    /// Nobody asks.
    None,
}

/// What the operator lets callers do.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How a person is asked.
    pub confirm: Confirm,
    /// The effects that a client may choose.
    pub remote_effects: Vec<Effect>,
    /// By agent and option: the values that do not let the agent do more without asking.
    pub narrow: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

impl Rules {
    /// Whether what the call itself says answers nothing, since a person must.
    pub(super) fn wants_person(&self, caller: &Caller) -> bool {
        self.confirm == Confirm::Person && caller.by != By::Person
    }

    /// Whether a prompt is shown in a form instead of being answered by this call.
    pub(super) fn shows_form(&self, caller: &Caller) -> bool {
        self.confirm != Confirm::None && caller.by == By::Form(None)
    }

    /// Checks that the caller may give this answer.
    ///
    /// # Errors
    /// In words why not.
    pub(super) fn answer(&self, caller: &Caller, prompt: &Prompt, answer: &Answer) -> Result<(), String> {
        let effects = prompts::effects(prompt, answer);
        match effects.into_iter().find(|effect| !self.may(caller, *effect)) {
            None => Ok(()),
            Some(effect) => Err(format!(
                "that {}, which is not left to clients (`remote_effects` in [prompts])",
                match effect {
                    Effect::Accepts => "accepts the request",
                    Effect::Widens => "allows more than this one request",
                    Effect::Declines => "declines the request",
                    Effect::Neutral => "answers the question",
                }
            )),
        }
    }

    /// Checks that the caller may give `agent` these options.
    ///
    /// # Errors
    /// Names the first that lets it do more without asking.
    pub(super) fn options<'a>(
        &self,
        caller: &Caller,
        agent: &str,
        options: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Result<(), ToolError> {
        let mut widening = options
            .into_iter()
            .filter(|(name, value)| self.widens(agent, name, value));
        match widening.next() {
            Some((name, value)) if !self.may(caller, Effect::Widens) => Err(ToolError::refused(format!(
                "`{} = {}` lets the agent do more without asking, which is not left to clients (`remote_effects` in \
                 [prompts], and `widens_unless` of the agent); nothing was done. Leave it out, and the person can change it \
                 in the session (berth attach)",
                escaped(name, NAMED),
                escaped(value, NAMED)
            ))),
            _ => Ok(()),
        }
    }

    /// Whether the caller may do what has this effect.
    pub(super) fn may(&self, caller: &Caller, effect: Effect) -> bool {
        caller.by == By::Person || self.remote_effects.contains(&effect)
    }

    fn widens(&self, agent: &str, option: &str, value: &str) -> bool {
        match self.narrow.get(agent).and_then(|options| options.get(option)) {
            Some(narrow) => !narrow.iter().any(|known| known == value),
            None => WIDENING.contains(&option.to_lowercase().replace('-', "_").as_str()),
        }
    }
}
