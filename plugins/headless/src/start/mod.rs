//! How an agent is started: its command, what is left of its limits, what it reads first, and the job of that.

pub(crate) mod command;
pub(crate) mod limits;
pub(crate) mod request;
pub(crate) mod submit;
