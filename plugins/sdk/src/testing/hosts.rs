//! Granted hosts, each with a directory of its own.

use super::files::Directory;
use crate::{Error, Result};

/// The granted hosts, in the order of the operator.
#[derive(Default)]
pub(super) struct Hosts(Vec<Granted>);

struct Granted {
    label: String,
    directory: Directory,
    /// Why it cannot be reached.
    away: Option<String>,
}

impl Hosts {
    pub(super) fn grant(&mut self, label: String) {
        self.0.push(Granted {
            label,
            directory: Directory::new(),
            away: None,
        });
    }

    pub(super) fn labels(&self) -> Vec<String> {
        self.0.iter().map(|host| host.label.clone()).collect()
    }

    /// Lets it be away for this reason, or there again.
    pub(super) fn set_away(&mut self, label: &str, away: Option<String>) {
        match self.0.iter_mut().find(|host| host.label == label) {
            Some(host) => host.away = away,
            None => panic!("there is no host {label:?}: add it with host.hosts([…])"),
        }
    }

    /// Whether it is granted.
    pub(super) fn granted(&self, label: &str) -> Result<()> {
        self.find(label).map(drop)
    }

    /// Its directory, if it can be reached.
    pub(super) fn directory(&self, label: &str) -> Result<&Directory> {
        let host = self.find(label)?;
        match &host.away {
            Some(why) => Err(Error::Unavailable(why.clone())),
            None => Ok(&host.directory),
        }
    }

    fn find(&self, label: &str) -> Result<&Granted> {
        let host = self.0.iter().find(|host| host.label == label);
        host.ok_or_else(|| Error::Denied(format!("host `{label}` is not among `hosts` of [backends.NAME]")))
    }
}
