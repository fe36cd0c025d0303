//! What a job printed, read from its end.

use berth_plugin::Result;
use berth_plugin::jobs::{self, Channel, Chunk, Job};

/// Bytes of an ended job's output in which its result is looked for: a line with a long answer fits.
pub(crate) const RESULT: u32 = 4 << 20;
/// Bytes of a running job's output that its progress is read from.
pub(crate) const PROGRESS: u32 = 1 << 20;
/// Bytes of its standard error.
pub(crate) const ERRORS: u32 = 16 << 10;
/// Bytes of an answer that a caller gets.
const ANSWER: usize = 50 << 10;

/// The last bytes that a job printed, at most `most`.
pub(crate) fn end(job: &Job, channel: Channel, most: u32) -> Result<Chunk> {
    let printed = match channel {
        Channel::Output => job.output_bytes,
        Channel::Errors => job.error_bytes,
    };
    jobs::read(&job.id, channel, printed.saturating_sub(u64::from(most)), most)
}

/// The end of a text, as much of it as a caller gets.
pub(crate) fn last_part(text: &str) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(ANSWER))..]
}
