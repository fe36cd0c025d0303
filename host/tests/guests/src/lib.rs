//! The test plugins, built.

/// The path of a component whose own tools are misdeeds: `misbehaving/src/misdeeds.rs` says which.
pub const MISBEHAVING: &str = env!("MISBEHAVING");

/// The path of the smallest component: its own tool `noop` does nothing.
pub const NOOP: &str = env!("NOOP");
