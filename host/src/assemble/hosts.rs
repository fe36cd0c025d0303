//! Hosts, and what this machine has for them: the variables of an `env_file`.

use std::collections::BTreeMap;

use super::env_file::EnvFile;
use crate::config::{self, At, Config, ConfigError};

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
            let found = Self::one(written, &at.key(&name))?;
            Ok((name, found))
        };
        written.into_iter().map(find).collect()
    }

    /// Finds what the table of one host of `config` names.
    ///
    /// # Errors
    /// Its `env_file` cannot be used.
    pub fn of(config: &Config, written: &config::Host) -> Result<Self, ConfigError> {
        Self::one(written.clone(), &config.top.key("hosts").key(&written.name))
    }

    fn one(written: config::Host, at: &At) -> Result<Self, ConfigError> {
        let env_file = written.env_file.as_ref();
        let env_file = env_file.map(|path| EnvFile::find(path, &at.key("env_file")));
        Ok(Self {
            env_file: env_file.transpose()?,
            written,
        })
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
