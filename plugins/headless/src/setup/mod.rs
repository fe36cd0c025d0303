//! What the operator set for this backend.

pub(crate) mod allowed;
pub(crate) mod projects;
pub(crate) mod schema;

use std::collections::BTreeMap;
use std::time::Duration;

use berth_plugin::settings::Agent;
use berth_plugin::{Error, Result, settings};
use serde::de::IntoDeserializer as _;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use self::schema::settings_of_runs;

/// What the operator set, checked.
pub struct Setup {
    pub(crate) settings: Settings,
    pub(crate) agents: Vec<Agent>,
}

/// `[backends.NAME.settings]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// How long a run may take, if its caller does not say.
    #[serde(deserialize_with = "span")]
    pub(crate) run_timeout: Duration,
    /// The same for a build.
    #[serde(deserialize_with = "span")]
    pub(crate) build_timeout: Duration,
    /// The most that a caller may say.
    #[serde(deserialize_with = "span")]
    pub(crate) most_timeout: Duration,
    /// After what time without a sign of life a person should look.
    #[serde(deserialize_with = "span")]
    pub(crate) silence: Duration,
    /// After what time a question that nobody answered is declined; 0: runs ask nobody.
    #[serde(deserialize_with = "span_or_none")]
    pub(crate) prompt_deadline: Duration,
    /// How long the process of a conversation may have nothing to do before it is ended.
    #[serde(deserialize_with = "span")]
    pub(crate) idle_timeout: Duration,
    /// Turns that one conversation may take, all runs together; 0: any number.
    pub(crate) turns: u64,
    /// What one conversation may cost, all runs together; 0: whatever it costs.
    pub(crate) budget_usd: f64,
    /// The model and the permission mode of runs and builds; none: the agent's own.
    pub(crate) model: Option<String>,
    pub(crate) permission_mode: Option<String>,
    /// What a run may use without being asked, beside what the agent's own settings allow.
    pub(crate) tools: Vec<String>,
    /// The same for a build, in its clone.
    pub(crate) build_tools: Vec<String>,
    /// The folder in which the clones of builds are made; none: builds are off.
    pub(crate) builds: Option<String>,
    pub(crate) projects: BTreeMap<String, Listed>,
    pub(crate) projects_file: Option<String>,
}

/// What a build may do without being asked, where the operator does not say.
pub(crate) const BUILD_TOOLS: [&str; 6] = [
    "Edit(./**)",
    "Write(./**)",
    "Bash(git add:*)",
    "Bash(git commit:*)",
    "Bash(git status:*)",
    "Bash(git diff:*)",
];

/// A project that the operator lists.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listed {
    pub(crate) path: String,
    /// Its own settings, hooks and servers count.
    #[serde(default)]
    pub(crate) trusted: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            run_timeout: Duration::from_secs(30 * 60),
            build_timeout: Duration::from_secs(4 * 3600),
            most_timeout: Duration::from_secs(6 * 3600),
            silence: Duration::from_secs(10 * 60),
            prompt_deadline: Duration::from_secs(12 * 3600),
            idle_timeout: Duration::from_secs(30 * 60),
            turns: 300,
            budget_usd: 20.0,
            model: None,
            permission_mode: None,
            tools: Vec::new(),
            build_tools: BUILD_TOOLS.map(str::to_owned).to_vec(),
            builds: None,
            projects: BTreeMap::new(),
            projects_file: None,
        }
    }
}

impl Setup {
    pub(crate) fn of_host() -> Result<Self> {
        Self::of(settings()?)
    }

    /// That of a backend with settings of its own: `own` are the names of those, and the others are the ones of runs.
    ///
    /// # Errors
    /// `Invalid` if they make no sense; the error names the one that does not.
    pub fn beside(own: &[&str]) -> Result<Self> {
        let given: Map<String, Value> = settings()?;
        let runs = settings_of_runs();
        let is_known = |key: &String| own.contains(&key.as_str()) || runs.contains_key(key);
        if let Some(key) = given.keys().find(|key| !is_known(key)) {
            let all: Vec<_> = own.iter().copied().chain(runs.keys().map(String::as_str)).collect();
            return Err(Error::Invalid(format!(
                "`{key}` is not a setting of this backend: there are {}; fix it in [backends.NAME.settings]",
                all.join(", ")
            )));
        }
        let settings: Settings = settings::without(own)?;
        let most_timeout = settings.most_timeout.max(settings.run_timeout);
        Self::of(Settings {
            most_timeout,
            ..settings
        })
    }

    fn of(settings: Settings) -> Result<Self> {
        settings.check()?;
        Ok(Self {
            settings,
            agents: settings::agents()?,
        })
    }

    /// Whether an agent runs without a terminal, installed or not.
    #[must_use]
    pub fn has_agent(&self) -> bool {
        self.agents.iter().any(|agent| agent.headless.is_some())
    }

    /// The agent of this name, or the first one, of those that are installed and run without a terminal.
    pub(crate) fn agent(&self, name: Option<&str>) -> Result<&Agent> {
        let mut usable = self
            .agents
            .iter()
            .filter(|agent| agent.installed && agent.headless.is_some());
        let found = match name {
            None => usable.next(),
            Some(name) => usable.find(|agent| agent.name == name),
        };
        found.ok_or_else(|| {
            Error::Refused(match name {
                Some(name) => self.lacks(name),
                None => {
                    "no agent that runs without a terminal is installed: install one of those that `agents` names, \
                         with `headless` in its [agents.NAME] table"
                        .to_owned()
                }
            })
        })
    }

    /// Why this agent cannot be started.
    fn lacks(&self, name: &str) -> String {
        match self.agents.iter().find(|agent| agent.name == name) {
            Some(agent) if agent.headless.is_some() => {
                format!("agent {name} is not installed: install it, or name another agent of this backend")
            }
            Some(_) => format!(
                "agent {name} has no `headless` command in its [agents.{name}] table: add one, or name another agent"
            ),
            None => format!(
                "agent {name} is not one of this backend any more: add it to `agents` again, or begin a new session"
            ),
        }
    }
}

impl Settings {
    /// The options with which a run begins.
    pub(crate) fn options(&self) -> BTreeMap<String, String> {
        let options = [("model", &self.model), ("mode", &self.permission_mode)];
        let set = options
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
        set.collect()
    }

    /// When a prompt is declined that nobody answered.
    pub(crate) fn declined_at(&self, asked_at: u64) -> u64 {
        asked_at.saturating_add(millis(self.prompt_deadline))
    }

    /// When a process is ended that has nothing to do.
    pub(crate) fn ended_at(&self, idle_since: u64) -> u64 {
        idle_since.saturating_add(millis(self.idle_timeout))
    }

    fn check(&self) -> Result<()> {
        let fault = if !(self.budget_usd.is_finite() && self.budget_usd >= 0.0) {
            "`budget_usd` must be an amount of US dollars, or 0 for no limit".to_owned()
        } else if self.run_timeout.max(self.build_timeout) > self.most_timeout {
            "`run_timeout` and `build_timeout` must not be longer than `most_timeout`".to_owned()
        } else if let Some(item) = self
            .tools
            .iter()
            .chain(&self.build_tools)
            .find(|item| !allowed::is_item(item))
        {
            format!(
                "there is {item:?} in `tools` or `build_tools`, which is not a tool such as \"Read\" or \"Bash(git add:*)\""
            )
        } else {
            return Ok(());
        };
        Err(Error::Invalid(format!("settings: {fault}")))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A time, or "0s".
fn span_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.as_str() {
        "0s" => Ok(Duration::ZERO),
        _ => span(text.into_deserializer()),
    }
}

/// A time such as "30m": a number of seconds, minutes, hours or days.
fn span<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = || de::Error::custom(format!("{text:?} is not a time such as \"30s\", \"10m\" or \"6h\""));
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u32 = number.trim_end().parse().map_err(|_| wrong())?;
    match number {
        0 => Err(wrong()),
        number => Ok(Duration::from_secs(u64::from(number) * seconds)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::testing::Host;
    use serde_json::json;

    use super::*;

    fn setup(settings: Value) -> Result<Setup> {
        let host = Host::new();
        host.settings(settings);
        Setup::of_host()
    }

    #[test]
    fn has_limits_where_none_are_set() {
        let settings = setup(json!({})).unwrap_or_else(|error| panic!("{error}")).settings;
        assert_eq!((settings.turns, settings.budget_usd), (300, 20.0));
        assert_eq!(settings.run_timeout, Duration::from_secs(1800));
        assert_eq!(settings.most_timeout, Duration::from_secs(21_600));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_name() {
        for (settings, named) in [
            (json!({"run_timeout": "7h"}), "most_timeout"),
            (json!({"run_timeout": "30"}), "run_timeout"),
            (json!({"silence": "0m"}), "silence"),
            (json!({"prompt_deadline": "0"}), "prompt_deadline"),
            (json!({"idle_timeout": "x"}), "idle_timeout"),
            (json!({"silence": "é"}), "silence"),
            (json!({"budget_usd": -1}), "budget_usd"),
            (json!({"tools": ["--x"]}), "--x"),
            (json!({"turn": 3}), "turn"),
            (json!({"projects": {"a": {"path": "/a", "trust": true}}}), "trust"),
        ] {
            let Err(Error::Invalid(why)) = setup(settings) else {
                panic!("{named} is not refused")
            };
            assert!(why.contains(named), "{why}");
        }
    }

    #[test]
    fn the_agent_is_one_that_is_installed_and_runs_without_a_terminal() {
        let host = Host::new();
        host.agents(json!([
            {"name": "shell", "command": ["env", "sh"], "installed": true},
            {"name": "away", "headless": ["env", "away"]},
            {"name": "claude", "headless": ["env", "claude"], "installed": true},
        ]));
        let setup = Setup::of_host().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(setup.agent(None).unwrap().name, "claude");
        for (name, words) in [
            ("shell", "`headless`"),
            ("away", "is not installed"),
            ("none", "`agents`"),
        ] {
            let why = setup.agent(Some(name)).unwrap_err().to_string();
            assert!(why.contains(words) && why.contains(name), "{why}");
        }
    }
}
