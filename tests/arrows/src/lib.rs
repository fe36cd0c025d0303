//! The check that the rooms of the house depend on each other one way, as ARCHITECTURE.md says: over every name of another
//! room in `host/src`, and over the files of each folder, which must make no circle. It reads text, so it needs no build.
#![cfg(test)]

mod allowed;
mod arrows;
mod circles;
mod names;
mod source;
mod tests;
