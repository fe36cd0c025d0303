//! What is kept: with each job, and in the store. Nothing here starts, writes to or reads a process.

pub(crate) mod asked;
pub(crate) mod bounds;
pub(crate) mod built;
pub(crate) mod conversation;
pub(crate) mod host;
pub(crate) mod input;
pub(crate) mod message;
pub(crate) mod note;
mod pieces;
pub(crate) mod process;
pub(crate) mod said;
pub(crate) mod state;
pub(crate) mod talk;
pub(crate) mod unread;
pub(crate) mod verdict;
