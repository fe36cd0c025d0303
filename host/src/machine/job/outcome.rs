//! What came of what was asked about a job, on whichever machine.

use std::io;
use std::sync::Arc;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The directory of the job cannot be used.
    #[error(transparent)]
    Directory(#[from] io::Error),
    /// The host cannot be asked, or its answer was lost: how the job stands is not known.
    #[error("{0}")]
    Away(Arc<str>),
}

/// What a job has of input and output. It may be damaged, and then counts as little as there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lengths {
    /// Bytes of its input, where they are known.
    pub input: Option<u64>,
    /// Bytes that it printed.
    pub output: u64,
    /// The same of standard error.
    pub errors: u64,
    /// Bytes that its directory takes.
    pub kept: u64,
}

/// What became of a directory that was to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// Nothing is there any more.
    Gone(String),
    /// Something of it stays, and why. Its job does not run.
    Stays(String, String),
    /// Nothing was removed: its job runs.
    Runs(String),
}
