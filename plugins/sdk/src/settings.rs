//! What the operator set for this backend.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, Result, host, json};

/// The backend's own settings, `[backends.NAME.settings]`, as a type of the plugin's. With
/// `#[serde(deny_unknown_fields, default)]` on that type, a key that it does not know is an error and a key that is left
/// out has its default.
///
/// ```
/// #[derive(Debug, PartialEq, serde::Deserialize)]
/// #[serde(deny_unknown_fields, default)]
/// struct Settings {
///     columns: u16,
/// }
///
/// impl Default for Settings {
///     fn default() -> Self {
///         Self { columns: 120 }
///     }
/// }
///
/// let host = berth_plugin::testing::Host::new();
/// assert_eq!(berth_plugin::settings(), Ok(Settings { columns: 120 }));
/// host.settings(serde_json::json!({"colums": 80}));
/// let error = berth_plugin::settings::<Settings>().unwrap_err().to_string();
/// assert!(error.contains("unknown field `colums`, expected `columns`"), "{error}");
/// ```
///
/// # Errors
///
/// `Invalid` if the settings do not fit `T`: the error names the key, what is expected and where to fix it.
pub fn settings<T: DeserializeOwned>() -> Result<T> {
    let settings = match whole()?.settings {
        Value::Null => Value::Object(serde_json::Map::new()),
        settings => settings,
    };
    read(settings)
}

/// The same without these keys, which another part of the plugin reads.
///
/// # Errors
///
/// As [`settings`].
pub fn without<T: DeserializeOwned>(keys: &[&str]) -> Result<T> {
    let mut rest: serde_json::Map<String, Value> = settings()?;
    rest.retain(|key, _| !keys.contains(&key.as_str()));
    read(Value::Object(rest))
}

fn read<T: DeserializeOwned>(settings: Value) -> Result<T> {
    json::read(settings).map_err(|why| Error::Invalid(format!("{why}; fix it in [backends.NAME.settings]")))
}

/// The agents that this backend may start, the preferred one first.
///
/// # Errors
///
/// `Failed` if the host's answer is not one of this contract.
pub fn agents() -> Result<Vec<Agent>> {
    Ok(whole()?.agents)
}

/// The folders of which this backend may read files with certain names, as far as the operator granted any; they need
/// not exist. [`files`](crate::files) reads them.
///
/// # Errors
///
/// `Failed` if the host's answer is not one of this contract.
pub fn files() -> Result<Vec<Folder>> {
    Ok(whole()?.files)
}

/// The machine on which this backend lives as a whole; `None` is the host's own, or there is none, as with `hosts`.
///
/// # Errors
///
/// `Failed` if the host's answer is not one of this contract.
pub fn machine() -> Result<Option<String>> {
    Ok(whole()?.host)
}

/// The name of this backend, which stands before `/` in the ids of its sessions as callers know them; `None`: the host is
/// one that does not tell it.
///
/// # Errors
///
/// `Failed` if the host's answer is not one of this contract.
pub fn backend() -> Result<Option<String>> {
    Ok(whole()?.backend)
}

/// An agent that the operator described in `[agents.NAME]`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[non_exhaustive]
pub struct Agent {
    /// The name of its table.
    pub name: String,
    /// The program and its arguments.
    #[serde(default)]
    pub command: Vec<String>,
    /// The options that may be added to the command: arguments in which `<word>` stands for a value.
    #[serde(default)]
    pub options: BTreeMap<String, Vec<String>>,
    /// Its command without a terminal, for jobs. It takes `options` too.
    #[serde(default)]
    pub headless: Option<Vec<String>>,
    /// How that command is spoken with: `stream-json`, or `acp`.
    #[serde(default)]
    pub protocol: Option<String>,
    /// The options that only that command takes.
    #[serde(default)]
    pub headless_options: Option<BTreeMap<String, Vec<String>>>,
    /// Whether the host found its program. Of a backend with `hosts` nobody has looked yet, and this is true.
    #[serde(default)]
    pub installed: bool,
    /// Another agent whose screens it has.
    #[serde(default)]
    pub profile: Option<String>,
    /// What the operator added to the knowledge of its screens.
    #[serde(default)]
    pub signs: Option<Value>,
}

/// A folder of which files may be read: an entry of `files` in `[backends.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Folder {
    /// Its absolute path; of a backend with `hosts` as it is written, which may begin with `~`.
    pub under: String,
    /// The form of the files' names, such as `*.json`.
    pub names: String,
}

/// What the host answers; unknown keys are ignored.
#[derive(Deserialize)]
struct Whole {
    #[serde(default)]
    settings: Value,
    #[serde(default)]
    agents: Vec<Agent>,
    #[serde(default)]
    files: Vec<Folder>,
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    backend: Option<String>,
}

fn whole() -> Result<Whole> {
    json::parse(&host::settings::get())
        .map_err(|why| Error::Failed(format!("the host's settings do not have the contract's form: {why}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::Host;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        size: Size,
        labels: Vec<String>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Size {
        rows: u16,
    }

    #[test]
    fn an_error_names_the_key_and_where_to_fix_it() {
        let host = Host::new();
        for (given, named) in [
            (
                json!({"size": {"rows": "60"}, "labels": []}),
                "`size.rows`: invalid type: string \"60\"",
            ),
            (
                json!({"size": {"rows": 70000}, "labels": []}),
                "`size.rows`: invalid value: integer `70000`",
            ),
            (
                json!({"size": {"rows": 60}, "labels": ["a", 7]}),
                "`labels[1]`: invalid type",
            ),
            (
                json!({"size": {"rows": 60}, "labels": [], "x": 1}),
                "unknown field `x`, expected `size` or `labels`",
            ),
            (json!({"labels": []}), "missing field `size`"),
            (json!(null), "missing field `size`"),
        ] {
            host.settings(given);
            let Err(Error::Invalid(why)) = settings::<Wanted>() else {
                panic!("{named} is not refused");
            };
            assert!(why.contains(named) && why.contains("[backends.NAME.settings]"), "{why}");
        }
    }

    #[test]
    fn a_part_of_a_plugin_reads_its_settings_beside_those_of_another() {
        let host = Host::new();
        host.settings(json!({"size": {"rows": 3}, "labels": [], "other": {"a": 1}}));
        let wanted: Wanted = without(&["other", "more"]).unwrap();
        assert_eq!(wanted.size.rows, 3);
        let error = without::<Wanted>(&[]).unwrap_err().to_string();
        assert!(
            error.contains("unknown field `other`") && error.contains("[backends.NAME.settings]"),
            "{error}"
        );
    }

    #[test]
    fn agents_are_read_and_what_a_later_host_adds_is_passed_over() {
        let host = Host::new();
        host.agents(json!([{"name": "claude", "command": ["env", "claude"], "later": {"a": 1}}]));
        let agents = agents().unwrap();
        assert_eq!((agents[0].name.as_str(), agents[0].command.len()), ("claude", 2));
        assert_eq!(machine(), Ok(None));
    }
}
