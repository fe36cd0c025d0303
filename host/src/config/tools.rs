//! `[tools]`: what is hidden from clients or added for them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::source::At;
use super::{Alias, ConfigError, Tools, values};

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    #[serde(default)]
    hide: Vec<String>,
    #[serde(default)]
    alias: BTreeMap<String, AliasSection>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AliasSection {
    tool: String,
    #[serde(default)]
    arguments: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    names: BTreeMap<String, String>,
}

impl Section {
    /// Checks the table at `at`. Whether the tools exist is known only when plugins are loaded.
    pub(super) fn check(self, at: &At) -> Result<Tools, ConfigError> {
        for (index, name) in self.hide.iter().enumerate() {
            // `backend:tool` hides the own tool of one backend.
            let tool = name.split_once(':').map_or(name.as_str(), |(_, tool)| tool);
            values::tool_name(&at.key("hide").item(index), tool)?;
        }
        for (name, alias) in &self.alias {
            let at = at.key("alias").key(name);
            values::tool_name(&at, name)?;
            values::tool_name(&at.key("tool"), &alias.tool)?;
        }
        let alias = |(name, alias): (String, AliasSection)| {
            (
                name,
                Alias {
                    tool: alias.tool,
                    arguments: alias.arguments,
                    names: alias.names,
                },
            )
        };
        Ok(Tools {
            hide: self.hide,
            alias: self.alias.into_iter().map(alias).collect(),
        })
    }
}
