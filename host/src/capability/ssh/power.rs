//! The hosts of one backend. What it has on one is looked for when that is first asked for, and kept for as long as the
//! connection to it lasts.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::timeout_at;
use tokio_util::task::AbortOnDropHandle;

use crate::capability::Site;
use crate::contract::types::Error;
use crate::text;

/// Characters of a label from a guest that an error shows.
const NAMED: usize = 128;

/// Looks for what one backend has on one host.
#[async_trait]
pub trait Locate: Send + Sync {
    /// What it has there now.
    async fn locate(&self) -> Result<Site, Unfound>;

    /// The number of the connection that is used now, which no other one has. None: there is none.
    async fn connection(&self) -> Option<u64>;
}

/// Why a backend has nothing on a host, in words for clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfound {
    /// That host is not granted.
    Denied(String),
    /// The host cannot be used now, or that is not known.
    Away(String),
    /// The host answered, and a granted directory is not there, or cannot be used.
    Directory {
        /// The first fault.
        why: String,
        /// The paths at which no directory is, each with why.
        gone: Vec<(PathBuf, String)>,
    },
}

impl From<Unfound> for Error {
    fn from(unfound: Unfound) -> Self {
        match unfound {
            Unfound::Denied(why) => Self::Denied(why),
            Unfound::Away(why) | Unfound::Directory { why, .. } => Self::Unavailable(why),
        }
    }
}

/// The hosts of one backend, in the order of its operator. None is connected to before it is asked for.
#[derive(Debug)]
pub struct Hosts {
    backend: String,
    hosts: Vec<Host>,
    /// The agents that the backend may start, the preferred one first. Which of them are installed, each host says.
    pub agents: Vec<String>,
}

impl Hosts {
    /// Those of `backend`, each with its label and how it is looked at.
    pub fn new(backend: &str, agents: Vec<String>, hosts: Vec<(String, Arc<dyn Locate>)>) -> Self {
        let host = |(label, locate)| Host {
            label,
            locate,
            attempt: Mutex::default(),
        };
        Self {
            backend: backend.to_owned(),
            hosts: hosts.into_iter().map(host).collect(),
            agents,
        }
    }

    pub(crate) fn labels(&self) -> Vec<String> {
        self.hosts.iter().map(|host| host.label.clone()).collect()
    }

    /// What is on the host called `label`.
    ///
    /// # Errors
    /// It is not granted, or cannot be used now, or that is not known by `until`.
    pub(crate) async fn on(&self, label: &str, until: Instant) -> Result<Arc<Found>, Unfound> {
        let host = self.hosts.iter().find(|host| host.label == label).ok_or_else(|| {
            Unfound::Denied(format!(
                "host `{}` is not granted; `hosts` in [backends.{}] would grant it",
                text::escaped(label, NAMED),
                self.backend
            ))
        })?;
        host.found(until).await
    }
}

/// What was found on a host.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) site: Arc<Site>,
    /// The connection over which it was found.
    connection: Option<u64>,
}

struct Host {
    label: String,
    locate: Arc<dyn Locate>,
    /// The last look at it.
    attempt: Mutex<Option<Arc<Attempt>>>,
}

/// A look at a host, which all wait for who ask in the meantime. It goes on when nobody waits any longer.
struct Attempt {
    came: watch::Receiver<Came>,
    /// It ends with the hosts that it belongs to.
    _task: AbortOnDropHandle<()>,
}

/// What came of it, if it is over.
type Came = Option<Result<Arc<Found>, Unfound>>;

impl Host {
    async fn found(&self, until: Instant) -> Result<Arc<Found>, Unfound> {
        let last = self.last().clone();
        let spent = match last {
            Some(last) if self.is_spent(&last).await => Some(last),
            _ => None,
        };
        let mut came = self.after(spent).came.clone();
        let over = timeout_at(until.into(), came.wait_for(Option::is_some)).await;
        let came = match over {
            Ok(Ok(came)) => came.clone(),
            Ok(Err(_)) => Some(Err(Unfound::Away(format!(
                "the look at the host {} was broken off",
                self.label
            )))),
            Err(_) => None,
        };
        came.unwrap_or_else(|| {
            Err(Unfound::Away(format!(
                "the host {} did not answer in time; `berth hosts`, on berth's own machine, says why and what to do",
                self.label
            )))
        })
    }

    /// Whether it failed, or what it found may not be so any more.
    async fn is_spent(&self, attempt: &Attempt) -> bool {
        let came = attempt.came.borrow().clone();
        match came {
            None => false,
            Some(Err(_)) => true,
            Some(Ok(found)) => found.connection.is_none() || self.locate.connection().await != found.connection,
        }
    }

    /// The present attempt, which is another one than `spent`.
    fn after(&self, spent: Option<Arc<Attempt>>) -> Arc<Attempt> {
        let mut last = self.last();
        match &*last {
            Some(other) if spent.is_none_or(|spent| !Arc::ptr_eq(&spent, other)) => other.clone(),
            _ => last.insert(Arc::new(Attempt::begin(self.locate.clone()))).clone(),
        }
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<Arc<Attempt>>> {
        self.attempt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    fn begin(locate: Arc<dyn Locate>) -> Self {
        let (tell, came) = watch::channel(None);
        let task = tokio::spawn(async move {
            let located = locate.locate().await;
            let found = match located {
                Ok(site) => Ok(Arc::new(Found {
                    site: Arc::new(site),
                    connection: locate.connection().await,
                })),
                Err(why) => Err(why),
            };
            tell.send_replace(Some(found));
        });
        Self {
            came,
            _task: AbortOnDropHandle::new(task),
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Host({:?})", self.label)
    }
}
