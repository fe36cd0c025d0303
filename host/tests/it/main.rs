//! The integration tests: the real binary over real HTTP and stdio, with plugins that misbehave.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests start berth itself")]

mod bad_input;
mod bad_plugins;
mod berth;
mod cli;
mod delivery;
mod demo;
mod fuzzed_grant;
mod grants;
mod isolation;
mod own_tools;
mod protocol;
mod sessions;
mod shipped_grant;
