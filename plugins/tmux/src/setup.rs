//! What the operator set for this backend, and what its verbs work with.

use std::collections::BTreeMap;

use berth_agents::Agent;
use berth_plugin::types::Error;
use serde::Deserialize;
use serde_json::Value;

use crate::answers::Answers;
use crate::tmux::Tmux;
use crate::typing::Typing;

/// Where a backend's own files lie.
pub(crate) const STATE: &str = "/state";

/// Everything that a verb needs of its surroundings.
pub(crate) struct Setup {
    pub(crate) tmux: Tmux,
    pub(crate) agents: Vec<Entry>,
    /// The size of a new session's terminal, in characters.
    pub(crate) columns: u16,
    pub(crate) rows: u16,
    pub(crate) answers: Answers,
    pub(crate) typing: Typing,
}

/// An agent that this backend may start or find.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) command: Vec<String>,
    /// Declared options: arguments in which `<word>` stands for the value.
    pub(crate) options: BTreeMap<String, Vec<String>>,
    pub(crate) installed: bool,
    pub(crate) agent: Agent,
}

impl Setup {
    pub(crate) fn of_host() -> Result<Self, Error> {
        Self::parse(&berth_plugin::settings::get())
    }

    fn parse(text: &str) -> Result<Self, Error> {
        let given: Given = serde_json::from_str(text).map_err(|error| {
            Error::Invalid(format!(
                "the settings of this backend: {error}; it takes `columns` and `rows`"
            ))
        })?;
        let Size { columns, rows } = given.settings.unwrap_or_default();
        within("columns", columns, 40, 500)?;
        within("rows", rows, 20, 200)?;
        let agents = given.agents.into_iter().map(Entry::load).collect::<Result<_, _>>()?;
        Ok(Self {
            tmux: Tmux::of_host(),
            agents,
            columns,
            rows,
            answers: Answers::new(STATE),
            typing: Typing::new(STATE),
        })
    }

    /// The agent of this name.
    pub(crate) fn agent(&self, name: &str) -> Option<&Entry> {
        self.agents.iter().find(|entry| entry.name == name)
    }

    /// The agent that runs as this process.
    pub(crate) fn agent_running_as(&self, process: &str) -> Option<&Entry> {
        self.agents.iter().find(|entry| entry.agent.runs_as(process))
    }
}

impl Entry {
    fn load(given: GivenAgent) -> Result<Self, Error> {
        let profile = given.profile.as_deref().unwrap_or(&given.name);
        let agent = Agent::load(profile, given.signs.as_ref())
            .map_err(|error| Error::Invalid(format!("[agents.{}]: {error}", given.name)))?;
        Ok(Self {
            name: given.name,
            command: given.command,
            options: given.options,
            installed: given.installed,
            agent,
        })
    }
}

fn within(key: &str, value: u16, least: u16, most: u16) -> Result<(), Error> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "settings: `{key} = {value}` must be from {least} to {most}"
    )))
}

#[derive(Deserialize)]
struct Given {
    settings: Option<Size>,
    #[serde(default)]
    agents: Vec<GivenAgent>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Size {
    columns: u16,
    rows: u16,
}

impl Default for Size {
    fn default() -> Self {
        Self { columns: 120, rows: 60 }
    }
}

#[derive(Deserialize)]
struct GivenAgent {
    name: String,
    command: Vec<String>,
    #[serde(default)]
    options: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    installed: bool,
    profile: Option<String>,
    signs: Option<Value>,
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    pub(crate) const TWO_AGENTS: &str = r#"{"settings": {}, "host": null, "agents": [
        {"name": "claude", "command": ["env", "claude"], "installed": false, "profile": null, "signs": null,
         "options": {"resume": ["--resume", "<uuid>"], "model": ["--model=<model>"], "fast": ["--fast"]}},
        {"name": "toy", "command": ["env", "berth", "demo-agent"], "installed": true, "profile": "demo"}]}"#;

    pub(crate) fn two_agents() -> Setup {
        Setup::parse(TWO_AGENTS).unwrap()
    }

    fn refusal(text: &str) -> String {
        match Setup::parse(text) {
            Err(Error::Invalid(why)) => why,
            _ => panic!("{text} is not refused"),
        }
    }

    #[test]
    fn has_sensible_sizes_where_none_are_set() {
        let setup = two_agents();
        assert_eq!((setup.columns, setup.rows), (120, 60));
        assert_eq!(setup.agent_running_as("berth").unwrap().name, "toy");
    }

    #[test]
    fn refuses_an_unknown_setting_by_its_name() {
        let why = refusal(r#"{"settings": {"colums": 3}, "agents": []}"#);
        assert!(why.contains("colums") && why.contains("columns"), "{why}");
    }

    #[test]
    fn refuses_a_terminal_too_small_to_read() {
        assert!(refusal(r#"{"settings": {"rows": 3}, "agents": []}"#).contains("20 to 200"));
    }

    #[test]
    fn refuses_an_agent_of_which_nothing_is_known() {
        let why = refusal(r#"{"agents": [{"name": "x", "command": ["env", "x"]}]}"#);
        assert!(
            why.contains("[agents.x]") && why.contains("claude, demo, shell"),
            "{why}"
        );
    }
}
