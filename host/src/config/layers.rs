//! The texts that make up a configuration: the operator's over the shipped one. There is never a third text that
//! somebody else wrote.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use toml::Spanned;
use toml::de::DeTable;

use super::accepted::counting;
use super::difference::{self, Change};
use super::merge::{lay_over_likes, merge, take_away};
use super::source::{self, At, Sources};
use super::{ConfigError, SHIPPED, Surroundings, secrets};

/// The name of the shipped text in errors.
const SHIPPED_NAME: &str = "the shipped config.toml";

/// The tables that say what is granted.
const GRANTS: [&str; 4] = ["agents", "backends", "hosts", "tools"];

/// What a configuration is made of.
#[derive(Debug, Clone, Copy)]
pub struct Layers<'a> {
    /// The operator's file.
    pub yours: Option<Written<'a>>,
    /// What this binary ships.
    pub shipped: &'a str,
    /// How much of that counts.
    pub accepted: Accepted<'a>,
}

/// A file and its text.
#[derive(Debug, Clone, Copy)]
pub struct Written<'a> {
    /// Its absolute path.
    pub path: &'a Path,
    /// Its text.
    pub text: &'a str,
}

/// How much of the shipped configuration the operator has accepted.
#[derive(Debug, Clone, Copy)]
pub enum Accepted<'a> {
    /// None of it.
    Nothing,
    /// What it has in common with an earlier one, which was accepted as a whole.
    As(Written<'a>),
    /// All of it.
    Whole,
}

impl<'a> Layers<'a> {
    /// The shipped configuration alone.
    pub fn shipped() -> Self {
        Self {
            yours: None,
            shipped: SHIPPED,
            accepted: Accepted::Whole,
        }
    }

    /// The operator's file alone.
    pub fn yours(path: &'a Path, text: &'a str) -> Self {
        Self {
            yours: Some(Written { path, text }),
            shipped: SHIPPED,
            accepted: Accepted::Nothing,
        }
    }

    /// The same as if the whole shipped configuration were accepted.
    pub fn when_accepted(self) -> Self {
        Self {
            accepted: Accepted::Whole,
            ..self
        }
    }

    /// What does not count before it is accepted, as a comparison of what all layers make together now and then.
    ///
    /// # Errors
    /// A text that does not parse.
    pub fn waiting(&self) -> Result<Vec<Change>, ConfigError> {
        match self.accepted {
            Accepted::Whole => Ok(Vec::new()),
            _ => Ok(difference::between(&self.table()?, &self.when_accepted().table()?)),
        }
    }

    /// What all layers make together.
    ///
    /// # Errors
    /// A text that does not parse.
    pub fn table(&self) -> Result<toml::Table, ConfigError> {
        self.read().map(|(table, _)| table)
    }

    /// The same as TOML for people, without secrets.
    ///
    /// # Errors
    /// A text that does not parse.
    pub fn shown(&self) -> Result<String, ConfigError> {
        as_toml(&self.without_secrets()?)
    }

    /// The SHA-256 of what is granted: of the tables that grant something, without secrets, as TOML for people.
    ///
    /// # Errors
    /// A text that does not parse.
    pub fn grants(&self) -> Result<[u8; 32], ConfigError> {
        let mut table = self.without_secrets()?;
        table.retain(|name, _| GRANTS.contains(&name));
        Ok(Sha256::digest(as_toml(&table)?).into())
    }

    fn without_secrets(&self) -> Result<toml::Table, ConfigError> {
        let mut table = self.table()?;
        secrets::hide(&mut table);
        Ok(table)
    }

    /// Where berth keeps its data and its cache, without reading any other key.
    ///
    /// # Errors
    /// A text that does not parse.
    pub fn places(&self, around: &Surroundings<'_>) -> Result<(PathBuf, PathBuf), ConfigError> {
        let table = self.table()?;
        let written = |key: &str| table.get("server")?.get(key)?.as_str();
        let folder = self.folder(around);
        let place = |key: &str, default: &Path| around.place(written(key), default, folder);
        Ok((place("data", &around.data), place("cache", &around.cache)))
    }

    /// Where relative paths start.
    pub(super) fn folder<'f>(&'f self, around: &'f Surroundings<'_>) -> &'f Path {
        let file = self.yours.map(|yours| yours.path);
        file.and_then(Path::parent).unwrap_or(&around.home)
    }

    /// What all layers make together, as a `T`, and its top.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<(T, At), ConfigError> {
        let named = |written: Written<'a>| (written.path.display().to_string(), written.text);
        let accepted = match self.accepted {
            Accepted::As(written) => Some(written),
            Accepted::Nothing | Accepted::Whole => None,
        };
        let shipped = (SHIPPED_NAME.to_owned(), self.shipped);
        let texts = self
            .yours
            .map(named)
            .into_iter()
            .chain([shipped])
            .chain(accepted.map(named));
        let sources = Arc::new(Sources::new(texts));
        source::read(&sources, self.merged(&sources)?)
    }

    fn merged<'s>(&self, sources: &'s Sources) -> Result<DeTable<'s>, ConfigError> {
        let yours = match self.yours {
            Some(_) => sources.parse(0)?,
            None => DeTable::new(),
        };
        let at = usize::from(self.yours.is_some());
        let shipped = match self.accepted {
            Accepted::Nothing => DeTable::new(),
            Accepted::As(_) => counting(sources.parse(at)?, sources.parse(at + 1)?),
            Accepted::Whole => sources.parse(at)?,
        };
        let chooses_default = yours.contains_key("default_backend");
        let mut table = merge(shipped, yours);
        // One that is taken away can still be what another one is like.
        lay_over_likes(&mut table);
        take_away(&mut table);
        if !chooses_default && !has_default(&table) {
            table.remove("default_backend");
        }
        Ok(table)
    }
}

fn as_toml(table: &toml::Table) -> Result<String, ConfigError> {
    toml::to_string_pretty(table).map_err(|error| ConfigError::whole("the configuration as TOML", error))
}

/// Whether the default backend exists. A backend that was removed cannot be the default.
fn has_default(table: &DeTable<'_>) -> bool {
    let default = table.get("default_backend").and_then(|value| value.get_ref().as_str());
    let backends = table.get("backends").map(Spanned::get_ref);
    let backends = backends.and_then(|backends| backends.as_table());
    default.is_some_and(|name| backends.is_some_and(|backends| backends.contains_key(name)))
}

#[cfg(test)]
mod tests;
