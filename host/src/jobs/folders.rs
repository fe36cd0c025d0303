//! On which machines the jobs of a backend are.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::machine::job::{Folder, There};
use crate::store::jobs::Reached;

/// Where the jobs of a backend are. Clones are the same.
#[derive(Debug, Clone)]
pub enum Folders {
    /// All of them in one, on this machine or on a host.
    One(Folder),
    /// On several hosts, by their names: each job on the one for which it was submitted.
    Hosts(Arc<BTreeMap<String, There>>),
}

/// Where they are, and where they are to be.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) now: Folders,
    /// For the next one who attends to them.
    next: Option<Folders>,
    are_attended: bool,
}

impl Places {
    pub(super) fn new(now: Folders) -> Self {
        Self {
            now,
            next: None,
            are_attended: false,
        }
    }

    pub(super) fn be_in(&mut self, folders: Folders) {
        match self.are_attended {
            true => self.next = Some(folders),
            false => (self.now, self.next) = (folders, None),
        }
    }

    /// Where they are, if somebody attends to them.
    pub(super) fn attended(&self) -> Option<&Folders> {
        self.are_attended.then_some(&self.now)
    }

    /// Notes whether somebody attends to them.
    pub(super) fn set_attended(&mut self, are_attended: bool) {
        self.are_attended = are_attended;
        if let Some(next) = self.next.take_if(|_| are_attended) {
            self.now = next;
        }
    }
}

impl Folders {
    /// On each of these hosts.
    pub fn on(hosts: impl IntoIterator<Item = There>) -> Self {
        let by_name = hosts.into_iter().map(|there| (there.label().to_owned(), there));
        Self::Hosts(Arc::new(by_name.collect()))
    }

    /// Where the jobs are that were begun on `host`; nothing: on this machine.
    pub(super) fn of(&self, host: &str) -> Option<Folder> {
        match self {
            Self::One(folder) => (folder.host() == host).then(|| folder.clone()),
            Self::Hosts(hosts) => hosts.get(host).cloned().map(Folder::There),
        }
    }

    /// Where a job begins that was submitted for `host`; nothing: for where its backend is.
    pub(super) fn for_waiting(&self, host: &str) -> Option<Folder> {
        match self {
            Self::One(folder) if host.is_empty() => Some(folder.clone()),
            _ => self.of(host),
        }
    }

    pub(super) fn all(&self) -> Vec<Folder> {
        match self {
            Self::One(folder) => vec![folder.clone()],
            Self::Hosts(hosts) => hosts.values().cloned().map(Folder::There).collect(),
        }
    }

    /// The directory of those on this machine.
    pub(super) fn here(&self) -> Option<PathBuf> {
        match self {
            Self::One(Folder::Here(path)) => Some(path.clone()),
            _ => None,
        }
    }

    pub(super) fn hosts(&self) -> Vec<There> {
        let there = |folder| match folder {
            Folder::There(there) => Some(there),
            Folder::Here(_) => None,
        };
        self.all().into_iter().filter_map(there).collect()
    }

    /// Which machines can be asked now, as far as that is known.
    pub(super) fn reached(&self) -> Reached {
        let (away, open): (Vec<_>, Vec<_>) = self.all().into_iter().partition(|folder| folder.away().is_some());
        let names = |folders: Vec<Folder>| folders.iter().map(|folder| folder.host().to_owned()).collect();
        Reached {
            open: names(open),
            away: names(away),
        }
    }

    /// Why a job that was submitted for `host` has no place to begin.
    pub(super) fn no_place(&self, host: &str) -> String {
        match host {
            "" => format!("it names no host, and its backend is on {} now", self.machines()),
            host => format!(
                "it is for the host {host}, and its backend is on {} now",
                self.machines()
            ),
        }
    }

    /// Why a job that was begun on `host` cannot be reached.
    pub(super) fn elsewhere(&self, host: &str) -> String {
        format!(
            "it was started on {}, and its backend is on {} now: give that its former `{}` to reach it",
            machine(host),
            self.machines(),
            match self {
                Self::One(_) => "host",
                Self::Hosts(_) => "hosts",
            }
        )
    }

    /// For people.
    fn machines(&self) -> String {
        match self {
            Self::One(folder) => machine(folder.host()),
            Self::Hosts(hosts) => {
                let names: Vec<&str> = hosts.keys().map(String::as_str).collect();
                format!("the hosts {}", names.join(", "))
            }
        }
    }
}

/// What `host` is called in a sentence.
pub(super) fn machine(host: &str) -> String {
    match host {
        "" => "this machine".to_owned(),
        host => format!("the host {host}"),
    }
}
