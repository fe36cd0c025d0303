//! Hosts, and what this machine has for them: the variables of an `env_file`.

use std::collections::BTreeMap;

use super::env_file::EnvFile;
use crate::config::{self, At, ConfigError};

/// The variable of an `env_file` that is not for programs: it opens the key of this user.
const PASSPHRASE: &str = "SSH_KEY_PASSPHRASE";

/// A host: what is written about it, and what was found of that.
#[derive(Debug, Clone)]
pub struct Host {
    /// Its table.
    pub written: config::Host,
    /// What its `env_file` holds.
    pub env_file: Option<EnvFile>,
}

impl Host {
    /// Finds what the tables at `at` name.
    pub(super) fn find(
        written: BTreeMap<String, config::Host>,
        at: &At,
    ) -> Result<BTreeMap<String, Self>, ConfigError> {
        let find = |(name, written): (String, config::Host)| {
            let at = at.key(&name).key("env_file");
            let env_file = written.env_file.as_ref().map(|path| EnvFile::find(path, &at));
            let env_file = env_file.transpose()?;
            Ok((name, Self { written, env_file }))
        };
        written.into_iter().map(find).collect()
    }

    /// What opens the key of this user, a secret that only ssh gets.
    pub fn passphrase(&self) -> Option<&str> {
        let mut found = self.env_file.iter().flat_map(|file| &file.variables);
        found.find_map(|(name, value)| (name == PASSPHRASE).then_some(value.as_str()))
    }

    /// Variables that programs on this host get, such as secrets.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.env_file.iter().flat_map(|file| &file.variables);
        let all = all.map(|(name, value)| (name.as_str(), value.as_str()));
        all.filter(|(name, _)| *name != PASSPHRASE)
    }
}
