//! The integration tests: the real binary over real HTTP and stdio, with plugins that misbehave.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests start berth itself")]

mod access;
mod admission;
mod approval;
mod attacks;
mod audit;
mod bad_input;
mod bad_plugins;
mod berth;
mod cli;
mod connector;
mod damaged;
mod deeds;
mod delivery;
mod demo;
mod demo_stream;
mod desk;
mod doctor;
mod door;
mod endings;
mod foreign;
mod fuzzed_grant;
mod grants;
mod hand_over;
mod headless;
mod isolation;
mod job_calls;
mod jobs;
mod kept;
mod languages;
mod layers;
mod members;
mod mounts;
mod nesting;
mod oauth;
mod own_tools;
mod page;
mod peers;
mod protocol;
mod public;
mod queues;
mod record;
mod released;
mod reload;
mod scopes;
mod sessions;
mod shipped_grant;
mod sockets;
mod terminal;
mod transcripts;
mod woken;
