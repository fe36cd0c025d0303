//! `wit/backend.wit` as Rust: the one `bindgen!` of the host, re-exported by name.

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "generated from the contract, which holds the documentation"
)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "backend",
        imports: { default: async | trappable },
        exports: { default: async },
        additional_derives: [PartialEq],
    });
}

/// The contract as it is written, for the check at load.
pub(crate) const TEXT: &str = include_str!("../../wit/backend.wit");
/// The world of it that has what every plugin exports.
pub(crate) const WORLD: &str = "backend";

pub(crate) use bindings::BackendPre;
pub(crate) use bindings::berth::backend::{files, process, settings};

/// The records that cross the boundary between host and plugin.
pub use bindings::berth::backend::types::{
    Access, Answer, Choice, Delivery, Description, Error, Evidence, LogPage, LogQuery, NewSession, Project, Prompt,
    PromptKind, Receipt, Session, State, Timestamp, Tool, ToolOutput, Verbs, View,
};
