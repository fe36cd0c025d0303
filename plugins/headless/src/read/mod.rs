//! What agents printed, read over what is kept: how things are now. Nothing is changed here.

pub(crate) mod asked;
pub(crate) mod beside;
pub(crate) mod clone;
mod ending;
pub(crate) mod index;
pub(crate) mod judge;
pub(crate) mod output;
pub(crate) mod run;
pub(crate) mod talk;
