//! What the operator set for this backend.

use std::collections::BTreeMap;

use berth_agents::{Agent, ProfileError};
use berth_plugin::{Error, Result, settings};
use serde::Deserialize;

/// What the operator set, checked and loaded.
pub(crate) struct Setup {
    pub(crate) agents: Vec<Entry>,
    pub(crate) size: Size,
    /// Folders of which files may be read.
    pub(crate) folders: Vec<String>,
}

/// `[backends.NAME.settings]`: the size of a new session's terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Size {
    pub(crate) columns: u16,
    pub(crate) rows: u16,
}

impl Default for Size {
    fn default() -> Self {
        Self { columns: 120, rows: 60 }
    }
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
    pub(crate) fn of_host() -> Result<Self> {
        let size: Size = settings()?;
        within("columns", size.columns, 40, 500)?;
        within("rows", size.rows, 20, 200)?;
        let agents = settings::agents()?.into_iter().map(Entry::load);
        Ok(Self {
            agents: agents.collect::<Result<_>>()?,
            size,
            folders: settings::files()?.into_iter().map(|folder| folder.under).collect(),
        })
    }

    /// Checks what is otherwise only used when it is needed.
    ///
    /// # Errors
    /// A pattern of an agent cannot be used.
    pub(crate) fn check(&self) -> Result<()> {
        let check = |entry: &Entry| entry.agent.check().map_err(|error| fault(&entry.name, &error));
        self.agents.iter().try_for_each(check)
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
    fn load(given: settings::Agent) -> Result<Self> {
        let profile = given.profile.as_deref().unwrap_or(&given.name);
        let agent = Agent::load(profile, given.signs.as_ref()).map_err(|error| fault(&given.name, &error))?;
        Ok(Self {
            name: given.name,
            command: given.command,
            options: given.options,
            installed: given.installed,
            agent,
        })
    }
}

fn fault(agent: &str, error: &ProfileError) -> Error {
    Error::Invalid(format!("[agents.{agent}]: {error}"))
}

fn within(key: &str, value: u16, least: u16, most: u16) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "settings: `{key} = {value}` must be from {least} to {most}"
    )))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::testing::Host;
    use serde_json::{Value, json};

    use super::*;
    use crate::fake;

    fn refusal(settings: Value, agents: Value) -> String {
        let host = Host::new();
        host.settings(settings).agents(agents);
        match Setup::of_host() {
            Err(Error::Invalid(why)) => why,
            _ => panic!("it is not refused"),
        }
    }

    #[test]
    fn has_sensible_sizes_where_none_are_set() {
        let _host = fake::host();
        let setup = Setup::of_host().unwrap();
        assert_eq!((setup.size.columns, setup.size.rows), (120, 60));
        assert_eq!(setup.agent_running_as("berth").unwrap().name, "toy");
    }

    #[test]
    fn refuses_an_unknown_setting_by_its_name() {
        let why = refusal(json!({"colums": 3}), json!([]));
        assert!(why.contains("colums") && why.contains("columns"), "{why}");
    }

    #[test]
    fn refuses_a_terminal_too_small_to_read() {
        assert!(refusal(json!({"rows": 3}), json!([])).contains("20 to 200"));
    }

    #[test]
    fn refuses_an_agent_of_which_nothing_is_known() {
        let why = refusal(json!({}), json!([{"name": "x", "command": ["env", "x"]}]));
        assert!(
            why.contains("[agents.x]") && why.contains("claude, demo, shell"),
            "{why}"
        );
    }

    #[test]
    fn names_the_agent_whose_pattern_cannot_be_used() {
        let host = Host::new();
        host.agents(json!([{"name": "claude", "command": ["env", "claude"], "signs": {"rule": "("}}]));
        let Err(Error::Invalid(why)) = Setup::of_host().unwrap().check() else {
            panic!("it is not refused")
        };
        assert!(why.contains("[agents.claude]") && why.contains("\"(\""), "{why}");
    }
}
