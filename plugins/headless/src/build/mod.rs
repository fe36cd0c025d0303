//! `claude_build`: work in a clone of a project, and a branch as its result.
//!
//! A build is two jobs in the queue of its project, one after the other: git makes the clone, and the agent works in it.
//! Its run has the id of the first. What comes between and after them is done by `upkeep`, and each step can be done
//! again after whatever was cut off.

mod clone;
mod made;
mod stages;
mod submit;
#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "they run the real git")]
mod tests;
mod words;

pub(crate) use stages::{begun, ended};
pub(crate) use submit::submit;
