//! What a plugin may reach outside: one room for each capability, and what one backend was granted of each.

mod context;
pub mod files;
pub mod jobs;
pub mod log;
pub mod process;
mod settings;
pub mod ssh;
pub mod store;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

pub use self::process::grant::Access;

pub use crate::machine::Machine;

use wasmtime::component::{HasSelf, Linker};

use crate::contract;
use crate::contract::types::Error;
use crate::principal::Lineage;

/// Everything that one backend was granted. Made once at start, shared by all its calls.
#[derive(Debug)]
pub struct Powers {
    /// The backend's name, for errors that name a config line.
    pub backend: String,
    /// Where its programs and directories are.
    pub sites: Sites,
    /// What `settings.get` answers, as JSON text.
    pub settings: String,
    /// Where it keeps what lasts.
    pub keeper: store::Keeper,
    /// Its jobs.
    pub jobs: jobs::Keeper,
    /// How much it may write to the log.
    pub lines: log::Lines,
}

/// Where the programs and directories of a backend are.
#[derive(Debug)]
pub enum Sites {
    /// On one machine as a whole: this one, or a host.
    One(Arc<Site>),
    /// On each of its hosts, and nothing on this machine.
    Hosts(ssh::Hosts),
}

/// A machine as one backend has it: its programs and directories there.
#[derive(Debug)]
pub struct Site {
    /// The backend's name, for errors that name a config line.
    pub backend: String,
    /// Which machine it is.
    pub machine: Machine,
    /// The home directory there, if it is known.
    pub home: Option<String>,
    /// Programs it may run.
    pub programs: process::Programs,
    /// Directories it may see and start programs in.
    pub directories: files::Directories,
    /// The directories and folders as they are written, each with its path there. Only a backend with several hosts names them
    /// so, since it knows none of these paths before.
    pub written: Vec<(PathBuf, PathBuf)>,
}

impl Site {
    /// The path there that `path` means, which may be one as they are written in the configuration.
    pub(crate) fn meant(&self, path: String) -> String {
        let below = |(written, place): &(PathBuf, PathBuf)| {
            let rest = Path::new(&path).strip_prefix(written).ok()?;
            let steps = written.components().count();
            Some((
                steps,
                if rest.as_os_str().is_empty() {
                    place.clone()
                } else {
                    place.join(rest)
                },
            ))
        };
        let nearest = self.written.iter().filter_map(below).max_by_key(|(steps, _)| *steps);
        match nearest {
            Some((_, place)) => place.to_string_lossy().into_owned(),
            None => path,
        }
    }
}

impl Sites {
    /// The labels of its hosts, in the order of its operator. None: it is on one machine as a whole.
    pub(crate) fn hosts(&self) -> Vec<String> {
        match self {
            Self::One(_) => Vec::new(),
            Self::Hosts(hosts) => hosts.labels(),
        }
    }

    /// The one machine that there is, or the one of its hosts that is called `host`.
    ///
    /// # Errors
    /// The host is not granted, or cannot be used now, or that is not known by `until`.
    pub(crate) async fn on(&self, host: &str, until: Instant) -> Result<Arc<Site>, ssh::Unfound> {
        match self {
            Self::One(site) => Ok(site.clone()),
            Self::Hosts(hosts) => Ok(hosts.on(host, until).await?.site.clone()),
        }
    }
}

impl Powers {
    /// The machine that it is on as a whole.
    pub(crate) fn site(&self) -> Result<&Site, Error> {
        match &self.sites {
            Sites::One(site) => Ok(site),
            Sites::Hosts(_) => Err(Error::Denied(format!(
                "backend `{0}` has nothing on this machine, but on each of `hosts` in [backends.{0}]; a plugin that works on \
                 one machine needs `host` there",
                self.backend
            ))),
        }
    }

    /// The home directory of the machine that it is on as a whole, if that is known.
    pub fn home(&self) -> Option<&str> {
        match &self.sites {
            Sites::One(site) => site.home.as_deref(),
            Sites::Hosts(_) => None,
        }
    }

    /// The agents that it may start, the preferred one first. On one machine those that are installed there; of several it is
    /// not known.
    pub fn agents(&self) -> Vec<String> {
        match &self.sites {
            Sites::One(site) => site.programs.agents.iter().map(|agent| agent.name.clone()).collect(),
            Sites::Hosts(hosts) => hosts.agents.clone(),
        }
    }
}

/// What a call has begun to do. It outlives the call, so that a call which was cut off can be told from one that did
/// nothing.
#[derive(Clone, Debug, Default)]
pub struct Acted(Arc<Begun>);

#[derive(Debug, Default)]
struct Begun {
    programs: AtomicBool,
    store: AtomicBool,
}

impl Acted {
    /// Whether a program was started that a reading call may not start.
    pub fn ran(&self) -> bool {
        self.0.programs.load(Ordering::Acquire)
    }

    /// Whether its store was changed: what it kept there may be done later.
    pub fn kept(&self) -> bool {
        self.0.store.load(Ordering::Acquire)
    }

    fn set_ran(&self) {
        self.0.programs.store(true, Ordering::Release);
    }

    /// What it was about to do was refused.
    fn unset_ran(&self) {
        self.0.programs.store(false, Ordering::Release);
    }

    fn set_kept(&self) {
        self.0.store.store(true, Ordering::Release);
    }
}

/// What one call may do, and for whom.
#[derive(Clone, Debug)]
pub struct Allowance {
    /// The argument lists that it may use.
    pub access: Access,
    /// When it must be over.
    pub deadline: Instant,
    /// The host makes it for itself, so it has places of its own: callers cannot delay it.
    pub own: bool,
    /// Where it records that it acts.
    pub acted: Acted,
    /// Where its caller stands in runs that start runs.
    pub lineage: Lineage,
    /// The jobs that it submitted.
    pub submitted: jobs::SubmittedIds,
}

/// The powers as one call has them: narrowed to its allowance and counted.
#[derive(Debug)]
pub struct Call {
    powers: Arc<Powers>,
    allowance: Allowance,
    started: usize,
    printed: u64,
}

impl Call {
    /// The powers of `powers` for one call on `allowance`.
    pub fn new(powers: Arc<Powers>, allowance: Allowance) -> Self {
        Self {
            powers,
            allowance,
            started: 0,
            printed: 0,
        }
    }
}

/// Links every capability of the contract for stores whose data gives a [`Call`].
pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    call: fn(&mut T) -> &mut Call,
) -> wasmtime::Result<()> {
    contract::settings::add_to_linker::<T, HasSelf<Call>>(linker, call)?;
    contract::log::add_to_linker::<T, HasSelf<Call>>(linker, call)?;
    contract::store::add_to_linker::<T, HasSelf<Call>>(linker, call)?;
    contract::context::add_to_linker::<T, HasSelf<Call>>(linker, call)?;
    contract::process::add_to_linker::<T, HasSelf<Call>>(linker, call)?;
    contract::files::add_to_linker::<T, HasSelf<Call>>(linker, call)?;
    contract::ssh::add_to_linker::<T, HasSelf<Call>>(linker, call)?;
    contract::jobs::add_to_linker::<T, HasSelf<Call>>(linker, call)?;
    Ok(())
}
