//! What a plugin may reach outside: one room for each capability, and what one backend was granted of each.

mod context;
pub mod files;
pub mod jobs;
pub mod log;
pub mod process;
mod settings;
pub mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

pub use process::grant::Access;

pub use crate::machine::Machine;

use wasmtime::component::{HasSelf, Linker};

use crate::contract;
use crate::principal::Lineage;

/// Everything that one backend was granted. Made once at start, shared by all its calls.
#[derive(Debug)]
pub struct Powers {
    /// The backend's name, for errors that name a config line.
    pub backend: String,
    /// Where its programs and directories are.
    pub machine: Machine,
    /// The home directory there, if it is known.
    pub home: Option<String>,
    /// What `settings.get` answers, as JSON text.
    pub settings: String,
    /// Programs it may run.
    pub programs: process::Programs,
    /// Directories it may see and start programs in.
    pub directories: files::Directories,
    /// Where it keeps what lasts.
    pub keeper: store::Keeper,
    /// Its jobs.
    pub jobs: jobs::Keeper,
    /// How much it may write to the log.
    pub lines: log::Lines,
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
    contract::jobs::add_to_linker::<T, HasSelf<Call>>(linker, call)?;
    Ok(())
}
