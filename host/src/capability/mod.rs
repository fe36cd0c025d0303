//! What a plugin may reach of the outside: one file a capability, and what one backend was granted of each.

pub mod files;
pub mod process;
mod settings;

use std::sync::Arc;
use std::time::Instant;

pub use process::grant::Access;

use wasmtime::component::{HasSelf, Linker};

use crate::contract;

/// Everything that one backend was granted. Made once at start, shared by all its calls.
#[derive(Debug)]
pub struct Powers {
    /// The backend's name, for errors that name a config line.
    pub backend: String,
    /// What `settings.get` answers, as JSON text.
    pub settings: String,
    /// Programs it may run.
    pub programs: process::Programs,
    /// Directories it may see and start programs in.
    pub directories: files::Directories,
}

/// The powers as one call has them: narrowed to the verb's access and counted.
#[derive(Debug)]
pub struct Call {
    powers: Arc<Powers>,
    access: Access,
    deadline: Instant,
    started: usize,
    printed: u64,
}

impl Call {
    /// The powers of `powers` for one call that must be over at `deadline`.
    pub fn new(powers: Arc<Powers>, access: Access, deadline: Instant) -> Self {
        Self {
            powers,
            access,
            deadline,
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
    contract::process::add_to_linker::<T, HasSelf<Call>>(linker, call)?;
    contract::files::add_to_linker::<T, HasSelf<Call>>(linker, call)?;
    Ok(())
}
