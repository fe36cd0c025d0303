//! What is shown: sessions, their log and turns, and runs as callers of the tools know them. Nothing is done here.

pub(crate) mod asked;
pub(crate) mod changes;
mod commit;
pub(crate) mod list;
pub(crate) mod log;
pub(crate) mod options;
pub(crate) mod sessions;
pub(crate) mod status;
pub(crate) mod talk;
pub(crate) mod turns;
