//! The `files` capability: granted directories by cap-std, with no way out by `..` or links, and further folders of
//! which only files with certain names are shown.
//!
//! It also opens the directories that programs start in, so that the path is looked at once and entered by descriptor.

pub mod grant;
pub(in crate::capability) mod host;
pub(in crate::capability) mod look;
mod power;

pub use self::power::{Directories, Folder};
