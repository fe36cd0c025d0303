//! The `files` capability: granted directories by cap-std, with no way out by `..` or links.
//!
//! It also opens the directories that programs start in, so that the path is looked at once and entered by descriptor.

mod host;
mod power;

pub use self::power::Directories;
