//! How much of a job's input counts.

use std::io;

use super::lines::{Lines, text};

/// How much of the input counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Until {
    pub(super) bytes: u64,
    /// Nothing is added any more.
    pub(super) ended: bool,
}

impl Until {
    pub(super) fn text(self) -> String {
        let more = if self.ended { "no" } else { "yes" };
        text([("bytes", self.bytes.to_string()), ("more", more.to_owned())])
    }

    pub(super) fn parse(bytes: Vec<u8>) -> io::Result<Self> {
        let lines = Lines::parse(bytes)?;
        Ok(Self {
            bytes: lines.needed("bytes")?,
            ended: lines.first("more") == Some("no"),
        })
    }
}
