//! The contract with plugins as Rust: the one `bindgen!` of the host, re-exported by name.
//!
//! Of the functions that plugins export it serves the types only: which of them a plugin has is looked at once at load,
//! and each is called by its name.

#[allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "generated from the contract, which holds the documentation"
)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../plugins/sdk/wit",
        world: "reader",
        imports: { default: async | trappable },
        exports: { default: async },
        additional_derives: [PartialEq],
    });
}

/// The contract as it is written, for the check at load.
pub(crate) const TEXT: &str = include_str!("../../plugins/sdk/wit/backend.wit");
/// The world of it that has what every plugin exports.
pub(crate) const WORLD: &str = "reader";

pub(crate) use bindings::berth::backend::{context, files, jobs, log, process, settings, ssh, store, types};
