//! The `process` capability: run a granted program to its end.
//!
//! A guest names a grant and gives arguments; [`grant`] says whether they are allowed, and this machine runs them.

pub mod grant;
mod host;
mod power;
pub(in crate::capability) mod run;
mod socket;

pub use self::power::Programs;
pub use self::socket::{Former, Socket, SocketServer, Trouble};
