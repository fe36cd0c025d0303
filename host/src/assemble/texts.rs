//! The texts that a configuration is made of, as found on this machine.

use std::path::{Path, PathBuf};

use super::{config_file, surroundings};
use crate::config::{Accepted, Config, ConfigError, Installation, Layers, SHIPPED, Surroundings, Written};
use crate::store::{self, AcceptedText, DataDirectory};

/// The operator's text, and what was accepted of the shipped one.
#[derive(Debug)]
pub struct Texts<'a> {
    /// The operator's file, if there is one.
    pub file: Option<PathBuf>,
    yours: String,
    accepted: Result<Option<AcceptedText>, store::Error>,
    around: Surroundings<'a>,
}

impl<'a> Texts<'a> {
    /// Reads the operator's file, which is `path` or `berth/config.toml` in the user's configuration directory
    /// (`$XDG_CONFIG_HOME` or `~/.config`), and what was accepted of the shipped configuration.
    ///
    /// # Errors
    /// If `path` names a file that does not exist, the file does not parse, or others could have written it.
    pub fn find(path: Option<&Path>, installation: Installation<'a>) -> Result<Self, ConfigError> {
        let around = surroundings::of_process(installation)?;
        let file = config_file::choose(path, &around.config)?;
        let yours = file.as_deref().map_or(Ok(String::new()), config_file::read)?;
        let mut texts = Self {
            file,
            yours,
            accepted: Ok(None),
            around,
        };
        let (data, _) = texts.places()?;
        texts.accepted = AcceptedText::read(&data);
        Ok(texts)
    }

    /// What they make together. If it cannot be known what was accepted, nothing counts as accepted.
    pub fn layers(&self) -> Layers<'_> {
        let accepted = match &self.accepted {
            Ok(Some(accepted)) => Accepted::As(Written {
                path: &accepted.path,
                text: &accepted.text,
            }),
            Ok(None) if self.file.is_none() => Accepted::Whole,
            Ok(None) | Err(_) => Accepted::Nothing,
        };
        Layers {
            yours: self.file.as_deref().map(|path| Written {
                path,
                text: &self.yours,
            }),
            shipped: SHIPPED,
            accepted,
        }
    }

    /// The configuration that they make together.
    ///
    /// # Errors
    /// The first thing that is wrong with it, or that it cannot be known what was accepted.
    pub fn config(&self) -> Result<Config, ConfigError> {
        match self.damage() {
            Some(damage) => Err(ConfigError::whole(
                "what is accepted of the shipped configuration",
                damage,
            )),
            None => Config::parse(&self.layers(), &self.around),
        }
    }

    /// The operator's text; empty if there is no file.
    pub fn yours(&self) -> &str {
        &self.yours
    }

    /// Where the operator's file is, or would be.
    ///
    /// # Errors
    /// If the path that was asked for cannot be made absolute.
    pub fn place(&self) -> Result<PathBuf, ConfigError> {
        config_file::place(self.file.as_deref(), &self.around.config)
    }

    /// The configuration with `text` as the operator's, and the digest of what would be granted.
    ///
    /// # Errors
    /// If that would not be valid.
    pub fn with(&self, text: &str) -> Result<(Config, [u8; 32]), ConfigError> {
        let place = self.place()?;
        let layers = Layers {
            yours: Some(Written { path: &place, text }),
            ..self.layers()
        };
        Ok((Config::parse(&layers, &self.around)?, layers.grants()?))
    }

    /// Puts `text` in place of the operator's, whole or not at all. Whoever had no file has as much of the shipped
    /// configuration accepted as before.
    ///
    /// # Errors
    /// If the file cannot be written, is not as it was read, or others could replace it.
    pub fn replace(&self, text: &str) -> anyhow::Result<()> {
        let place = self.place()?;
        if self.file.is_some() {
            return Ok(config_file::replace(&place, &self.yours, text)?);
        }
        if self.is_first_start() {
            self.accept()?;
        }
        config_file::write_new(&place, text)?;
        config_file::read(&place)?;
        Ok(())
    }

    /// Why it cannot be known what was accepted.
    pub fn damage(&self) -> Option<&store::Error> {
        self.accepted.as_ref().err()
    }

    /// Whether nothing was ever accepted, and there is no earlier file: then the whole shipped configuration counts.
    pub fn is_first_start(&self) -> bool {
        self.file.is_none() && matches!(self.accepted, Ok(None))
    }

    /// The surroundings for which the configuration is read.
    pub fn around(&self) -> &Surroundings<'a> {
        &self.around
    }

    /// Whether the operator lets sessions do everything.
    ///
    /// # Errors
    /// A text that does not parse.
    pub fn sessions_may_control(&self) -> Result<bool, ConfigError> {
        let table = self.layers().table()?;
        let server = table
            .get("server")
            .and_then(|server| server.get("sessions_may_control"));
        Ok(server.and_then(toml::Value::as_bool) == Some(true))
    }

    /// Keeps the whole shipped configuration as accepted.
    ///
    /// # Errors
    /// If the data directory cannot be used.
    pub fn accept(&self) -> anyhow::Result<()> {
        Ok(accept_shipped(&self.data()?)?)
    }

    /// The data directory.
    ///
    /// # Errors
    /// If it cannot be used.
    pub fn data(&self) -> anyhow::Result<DataDirectory> {
        let (data, cache) = self.places()?;
        Ok(DataDirectory::open(&data, &cache)?)
    }

    /// Only the operator's file says where the data is: what was accepted of the shipped configuration is looked up
    /// there.
    fn places(&self) -> Result<(PathBuf, PathBuf), ConfigError> {
        let yours = Layers {
            accepted: Accepted::Nothing,
            ..self.layers()
        };
        yours.places(&self.around)
    }
}

/// Keeps the whole shipped configuration as accepted in `data`.
///
/// # Errors
/// If it cannot be written there.
pub fn accept_shipped(data: &DataDirectory) -> Result<(), store::Error> {
    data.accept(SHIPPED)
}

/// Writes `text` as the operator's first configuration: to `path`, or where it is looked for. Returns its place.
///
/// # Errors
/// If there is one already, it cannot be written, or others could replace it there.
pub fn write_first(path: Option<&Path>, installation: Installation<'_>, text: &str) -> Result<PathBuf, ConfigError> {
    let around = surroundings::of_process(installation)?;
    let place = config_file::place(path, &around.config)?;
    config_file::write_new(&place, text)?;
    config_file::read(&place)?;
    Ok(place)
}
