//! What is done with a conversation that a person leads: begun, given messages and answers, stopped, ended. Each file is
//! one deed; `process` starts what the agent works in, and `change` keeps and writes.

pub(crate) mod answer;
pub(crate) mod asked;
pub(crate) mod begin;
pub(crate) mod change;
pub(crate) mod deliver;
pub(crate) mod end;
mod give;
pub(crate) mod process;
mod receipt;
mod refusal;
#[cfg(test)]
mod tests;
pub(crate) mod took;
