//! berth: a remote control for coding-agent sessions.
//!
//! Sandboxed WebAssembly plugins, one per backend, behind one MCP server. ARCHITECTURE.md is the map.

pub mod admission;
pub mod age;
pub mod assemble;
pub mod capability;
pub mod catalog;
pub mod config;
mod contract;
pub mod desk;
pub mod http;
pub mod jobs;
pub mod machine;
pub mod mcp;
mod network;
pub mod owner;
pub mod page;
pub mod peer;
pub mod plugin;
pub mod principal;
mod schema;
pub mod session;
pub mod shell;
pub mod store;
pub mod text;
pub mod watch;
