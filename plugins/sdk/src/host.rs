//! The only way from the SDK to its host: the contract's imports in a component, or the harness of [`crate::testing`]
//! if a plugin is built natively, because the imports abort there.

#[cfg(target_arch = "wasm32")]
pub(crate) use crate::contract::{context, files, jobs, log, process, settings, ssh, store};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::imports::{context, files, jobs, log, process, settings, ssh, store};
