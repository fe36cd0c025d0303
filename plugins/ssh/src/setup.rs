//! What the operator set for this backend.

use berth_agents::Agent as Known;
use berth_plugin::settings::Agent;
use berth_plugin::{Error, Result, settings};
use serde::Deserialize;

/// The options of the agents that this plugin gives itself. Callers choose among the others.
pub(crate) const NAME: &str = "name";
pub(crate) const SPAWN: &str = "spawn";
pub(crate) const MESSAGE: &str = "message";
pub(crate) const WORKTREE: &str = "worktree";
pub(crate) const CONTINUE: &str = "continue";
/// All of them.
pub(crate) const OWN: [&str; 5] = [NAME, SPAWN, MESSAGE, WORKTREE, CONTINUE];
/// Whose screens a conversation has, if the operator says nothing else.
const PROFILE: &str = "claude";

/// What the operator set, checked.
pub(crate) struct Setup {
    /// The agent that serves conversations, which has the option `spawn`; none: there is no remote control.
    pub(crate) server: Option<Agent>,
    /// The agent that begins one with a message, which has the option `message`.
    pub(crate) talk: Option<Agent>,
    pub(crate) settings: Settings,
    /// The agents and settings of what `ask_claude` begins.
    pub(crate) runs: berth_headless::Setup,
}

/// The settings that are not those of runs.
const SETTINGS: [&str; 6] = [
    "columns",
    "rows",
    "address_seconds",
    "restart",
    "restarts",
    "keep_ended_hours",
];

/// Those of `[backends.NAME.settings]` that are about remote control.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// The size of a new session's terminal, in characters.
    pub(crate) columns: u16,
    pub(crate) rows: u16,
    /// How long a start waits for the address.
    pub(crate) address_seconds: u16,
    /// Whether sessions that ended with their login or their connection are brought back.
    pub(crate) restart: bool,
    /// How often one after another.
    pub(crate) restarts: u16,
    /// How long what has ended is shown.
    pub(crate) keep_ended_hours: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            columns: 200,
            rows: 50,
            address_seconds: 20,
            restart: false,
            restarts: 6,
            keep_ended_hours: 24,
        }
    }
}

impl Setup {
    pub(crate) fn of_host() -> Result<Self> {
        let runs = berth_headless::Setup::beside(&SETTINGS)?;
        let settings: Settings = settings()?;
        settings.check()?;
        let agents = settings::agents()?;
        let having = |option: &str| agents.iter().find(|agent| agent.options.contains_key(option)).cloned();
        let server = having(SPAWN);
        if server.is_none() && !runs.has_agent() {
            return Err(Error::Invalid(
                "no agent of this backend can do anything: name \"remote-control\" in `agents` of [backends.NAME] for remote \
                 control, and one with a `headless` command, such as \"claude\", for ask_claude"
                    .to_owned(),
            ));
        }
        Ok(Self {
            talk: server.is_some().then(|| having(MESSAGE)).flatten(),
            server,
            settings,
            runs,
        })
    }

    /// The agent of a session of remote control: of one that began with a message, or of one that serves.
    ///
    /// # Errors
    /// `Invalid` if this backend has no remote control.
    pub(crate) fn agent(&self, is_talk: bool) -> Result<&Agent> {
        let talk = self.talk.as_ref().filter(|_| is_talk);
        talk.or(self.server.as_ref()).ok_or_else(|| {
            Error::Invalid(
                "no agent of this backend has the option `spawn`, so none serves remote control: name \"remote-control\" in \
                 `agents` of [backends.NAME]"
                    .to_owned(),
            )
        })
    }

    /// How the screens of a conversation are read.
    pub(crate) fn screens(&self) -> Option<Known> {
        let talk = self.talk.as_ref()?;
        Known::load(talk.profile.as_deref().unwrap_or(PROFILE), talk.signs.as_ref()).ok()
    }
}

impl Settings {
    fn check(&self) -> Result<()> {
        within("columns", self.columns, 120, 500)?;
        within("rows", self.rows, 20, 200)?;
        within("address_seconds", self.address_seconds, 1, 60)?;
        within("restarts", self.restarts, 1, 100)?;
        within("keep_ended_hours", self.keep_ended_hours, 1, 720)
    }
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
    use serde_json::json;

    use super::*;
    use crate::fake;

    #[test]
    fn settings_have_their_bounds_and_an_error_names_the_key() {
        let fake = fake::Fake::new();
        assert_eq!(Setup::of_host().unwrap().settings, Settings::default());
        for (settings, word) in [
            (json!({"columns": 80}), "`columns = 80` must be from 120"),
            (json!({"address_seconds": 0}), "address_seconds"),
            (json!({"restart": 1}), "restart"),
            (
                json!({"colums": 1}),
                "`colums` is not a setting of this backend: there are columns, ",
            ),
            (json!({"builds": "~/x"}), "builds"),
            (json!({"run_timeout": "soon"}), "soon"),
        ] {
            fake.host.settings(settings);
            let Err(Error::Invalid(why)) = Setup::of_host() else {
                panic!("{word} is not refused")
            };
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn one_of_both_kinds_of_agents_is_enough_and_without_any_the_error_names_them() {
        let host = Host::new();
        host.agents(json!([{"name": "sh", "command": ["env", "sh"]}]));
        let Err(Error::Invalid(why)) = Setup::of_host() else {
            panic!("it is not refused")
        };
        assert!(
            why.contains("\"remote-control\" in `agents`") && why.contains("`headless`"),
            "{why}"
        );
        host.agents(json!([{"name": "claude", "command": ["env", "claude"], "headless": ["env", "claude", "-p"]}]));
        let setup = Setup::of_host().unwrap();
        let Err(Error::Invalid(why)) = setup.agent(false) else {
            panic!("it serves nothing")
        };
        assert!(why.contains("\"remote-control\" in `agents`"), "{why}");
        host.agents(json!([{"name": "rc", "command": ["env", "claude"], "options": {"spawn": ["--spawn=<spawn>"]}}]));
        assert_eq!(Setup::of_host().unwrap().agent(true).unwrap().name, "rc");
    }
}
