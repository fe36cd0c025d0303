//! What is written to a process: each byte once, whatever is cut off between two steps.
//!
//! Lines are kept in the store, in order, before they are written. Only what is kept is ever written, and only behind
//! what was written before, so the input of the job is always a beginning of what is kept: its length says how much of
//! that is there already.

use berth_plugin::{Error, Result, jobs};
use serde::{Deserialize, Serialize};

use crate::kept::pieces;

/// The input of a process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Input {
    /// Bytes that are known to be there.
    written: u64,
    /// What is kept and not known to be there as a whole, in order.
    parts: Vec<Part>,
}

/// Lines that are kept together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Part {
    key: String,
    /// Where in the input it begins.
    start: u64,
    length: usize,
}

impl Part {
    /// Forgets what was kept of it.
    pub(crate) fn forget(&self) {
        pieces::remove(&self.key);
    }

    fn end(&self) -> u64 {
        self.start + self.length as u64
    }
}

impl Input {
    /// Whether all of it is known to be there.
    pub(crate) fn is_written(&self) -> bool {
        self.parts.is_empty()
    }

    /// Keeps these lines below `folder`, to be written in their turn. They count once this value is kept.
    pub(crate) fn keep(&mut self, folder: &str, lines: &[u8]) -> Result<Part> {
        let part = Part {
            key: format!("{folder}/{}", pieces::unique()),
            start: self.parts.last().map_or(self.written, Part::end),
            length: lines.len(),
        };
        pieces::put(&part.key, lines)?;
        self.parts.push(part.clone());
        Ok(part)
    }

    /// Writes the first of what is not there, or finds that it is. Answers how many bytes are there; none: nothing is to
    /// be written.
    ///
    /// # Errors
    /// `Refused` if the job takes no input any more.
    pub(crate) fn write(&self, job: &str) -> Result<Option<u64>> {
        let Some(part) = self.parts.first() else {
            return Ok(None);
        };
        let bytes = pieces::get(&part.key, part.length)?;
        let there = usize::try_from(self.written.saturating_sub(part.start)).unwrap_or(usize::MAX);
        let rest = bytes.get(there..).unwrap_or_default();
        match jobs::write(job, rest, Some(self.written)) {
            // Another call was quicker, or this one was cut off behind it.
            Err(Error::Conflict(_)) => {
                let found = jobs::get(job)?.input_bytes;
                match found > self.written {
                    true => Ok(Some(found)),
                    false => Err(Error::Failed(format!(
                        "the input of job {job} has {found} bytes, and {} were written to it",
                        self.written
                    ))),
                }
            }
            written => written.map(Some),
        }
    }

    /// Notes that so many bytes are there. Answers the parts that need not be kept any more.
    pub(crate) fn is_at(&mut self, written: u64) -> Vec<Part> {
        self.written = self.written.max(written);
        let (done, left) = self.parts.drain(..).partition(|part| part.end() <= self.written);
        self.parts = left;
        done
    }

    /// Forgets all that was not written: its process is gone.
    pub(crate) fn drop_rest(&mut self) -> Vec<Part> {
        std::mem::take(&mut self.parts)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::Command;
    use berth_plugin::jobs::Spec;
    use berth_plugin::testing::Host;

    use super::*;

    fn job() -> String {
        jobs::submit(Spec::new("a", "a", Command::new("agent", [""; 0])).interactive()).unwrap()
    }

    fn filled() -> Input {
        let mut input = Input::default();
        input.keep("input/a", b"one\n").unwrap();
        input.keep("input/a", b"two\n").unwrap();
        input
    }

    fn write_all(mut input: Input, job: &str) {
        while let Some(at) = input.write(job).unwrap() {
            input.is_at(at);
        }
        assert!(input.is_written());
    }

    #[test]
    fn all_is_written_in_order_and_forgotten() {
        let host = Host::new();
        let (job, mut input) = (job(), filled());
        while let Some(at) = input.write(&job).unwrap() {
            input.is_at(at).iter().for_each(Part::forget);
        }
        assert_eq!(host.job_input(&job), b"one\ntwo\n");
        assert_eq!(berth_plugin::store::keys("input/").unwrap(), [""; 0]);
    }

    #[test]
    fn what_was_written_before_a_cut_is_not_written_again() {
        let host = Host::new();
        let (job, input) = (job(), filled());
        // Cut off behind the first write: how far it came was not kept.
        input.write(&job).unwrap();
        write_all(input.clone(), &job);
        // And again, with the oldest value that there was.
        write_all(input, &job);
        assert_eq!(host.job_input(&job), b"one\ntwo\n");
    }

    #[test]
    fn two_calls_at_once_write_it_once() {
        let host = Host::new();
        let (job, input) = (job(), filled());
        host.at_once(8, |_| write_all(input.clone(), &job));
        assert_eq!(host.job_input(&job), b"one\ntwo\n");
    }

    #[test]
    fn an_input_that_holds_less_than_was_written_is_told_and_not_written_again_and_again() {
        let _host = Host::new();
        let (job, mut input) = (job(), filled());
        input.is_at(4);
        assert!(matches!(input.write(&job), Err(Error::Failed(_))));
    }
}
