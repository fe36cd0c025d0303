//! An agent without a terminal, as Claude Code is with `-p --output-format stream-json`: it prints one JSON object a line.
//!
//! Only its own lines count: what a tool prints stands in a string of one of them. A line that is not understood is passed
//! over, and so is one that is still being written.

pub(crate) mod failure;
pub(crate) mod line;
mod outcome;
mod printed;
mod progress;

pub use outcome::{Ending, Outcome, outcome};
pub use printed::{message, printed};
pub use progress::{Progress, progress};
