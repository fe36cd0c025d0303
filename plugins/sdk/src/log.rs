//! Lines for the operator's log, and progress for the client that waits.
//!
//! ```
//! # let host = berth_plugin::testing::Host::new();
//! use berth_plugin::log;
//!
//! let name = "app";
//! log::warn(format_args!("{name} does not answer"));
//! # assert_eq!(host.logged()[0].1, "app does not answer");
//! ```

use std::fmt::Display;

pub use crate::contract::log::Level;
use crate::host;

/// Something went wrong, and the operator has to do something.
pub fn error(message: impl Display) {
    write(Level::Error, message);
}

/// Something is not as it should be.
pub fn warn(message: impl Display) {
    write(Level::Warn, message);
}

/// Something happened that the operator may want to know.
pub fn info(message: impl Display) {
    write(Level::Info, message);
}

/// For the author of the plugin.
pub fn debug(message: impl Display) {
    write(Level::Debug, message);
}

/// A line of this level.
pub fn write(level: Level, message: impl Display) {
    host::log::write(level, &message.to_string());
}

/// Tells the client that waits for this call how far it is: `done` of `total`.
pub fn progress(done: u32, total: Option<u32>, message: impl Display) {
    host::log::progress(done, total, &message.to_string());
}
