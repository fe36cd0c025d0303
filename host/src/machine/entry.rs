//! Something in a directory, on whichever machine.

use std::cmp::Reverse;

/// What something in a directory is; a link is `Other`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Other,
}

/// Something in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) size: u64,
    /// Milliseconds since 1970; in whole seconds where the machine tells no more.
    pub(crate) modified: u64,
}

/// Of more than `most` those that were changed last.
pub(super) fn keep_newest(entries: &mut Vec<Entry>, most: usize) {
    if entries.len() > most {
        entries.select_nth_unstable_by_key(most, |entry| Reverse(entry.modified));
        entries.truncate(most);
    }
}
