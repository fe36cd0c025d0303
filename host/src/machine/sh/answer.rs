//! What a host has said so far to one request: which commands began and ended, and what they printed.

use std::time::Instant;

use super::fault::{Fault, Refusal};
use super::frames::{Broken, Frames, Piece};
use super::request::Unit;
use crate::machine::child::{Ended, Output};

/// Bytes before the first frame that are kept, to tell what came instead of it.
const SAID: usize = 4096;
/// Bytes before the first frame that are read.
const NOISE: usize = 4 << 20;
/// Shells tell of a signal by its number and one of these.
const SIGNALLED: [i32; 2] = [128, 256];
/// The largest number of a signal.
const SIGNALS: i32 = 64;
/// That of the signal with which a group is ended.
const SIGKILL: i32 = 9;

/// The shell of a session: its process, and what tells it from a later one with that number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shell {
    pub(super) pid: u32,
    pub(super) known_by: String,
}

/// The two streams of a session.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stream {
    Output,
    Errors,
}

pub(super) struct Answer {
    pub(super) shell: Option<Shell>,
    /// What came before the first frame.
    said: Vec<u8>,
    noise: usize,
    output: Side,
    errors: Side,
    heard: Vec<Heard>,
}

/// One stream of it.
struct Side {
    frames: Frames,
    greeted: bool,
    /// The command that prints now.
    current: Option<usize>,
}

/// One command of it.
#[derive(Default)]
struct Heard {
    began: Option<Instant>,
    ended: Option<i32>,
    errors_ended: bool,
    refused: Option<Refusal>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// Bytes that may still be kept.
    room: u64,
    overrun: bool,
}

/// Why a session was ended from here.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stop {
    /// The command that ran had no time or no room left, and nothing runs there any more.
    Ended,
    /// The same, but nobody has said that it ended.
    Unconfirmed,
    /// It ended by itself, before it was done.
    Alone,
}

impl Answer {
    pub(super) fn to(units: &[Unit], nonce: &str) -> Self {
        let heard = |unit: &Unit| Heard {
            room: unit.output,
            ..Heard::default()
        };
        Self {
            shell: None,
            said: Vec::new(),
            noise: 0,
            output: Side::new(nonce),
            errors: Side::new(nonce),
            heard: units.iter().map(heard).collect(),
        }
    }

    /// Where the output and the errors are to be read into, before [`Self::took`].
    pub(super) fn buffers(&mut self) -> (&mut Vec<u8>, &mut Vec<u8>) {
        (self.output.frames.buffer(), self.errors.frames.buffer())
    }

    /// Takes in what was read of `stream`.
    pub(super) fn took(&mut self, stream: Stream) -> Result<(), Broken> {
        let Self {
            shell,
            said,
            noise,
            output,
            errors,
            heard,
        } = self;
        let side = match stream {
            Stream::Output => output,
            Stream::Errors => errors,
        };
        let Side {
            frames,
            greeted,
            current,
        } = side;
        let mut whole = Ok(());
        frames.tell(|piece| match piece {
            Piece::Printed(bytes) if !*greeted => {
                *noise += bytes.len();
                said.extend_from_slice(&bytes[..bytes.len().min(SAID.saturating_sub(said.len()))]);
            }
            Piece::Printed(bytes) => {
                if let Some(heard) = current.and_then(|at| heard.get_mut(at)) {
                    heard.keep(stream, bytes);
                }
            }
            Piece::Frame(line) => {
                let mut words = line.split(' ');
                let understood = match (words.next().unwrap_or_default(), stream) {
                    ("hello", Stream::Output) => {
                        *shell = Shell::of(&mut words);
                        *greeted = true;
                        shell.is_some()
                    }
                    ("hello", Stream::Errors) => {
                        *greeted = true;
                        true
                    }
                    ("begin", _) => begin(&mut words, current, heard),
                    ("end", _) => end(stream, &mut words, current, heard),
                    ("refused", Stream::Output) => refuse(&mut words, *current, heard),
                    _ => false,
                };
                if !understood {
                    whole = Err(Broken);
                }
            }
        })?;
        if *noise > NOISE {
            return Err(Broken);
        }
        whole
    }

    /// What came before its first frame, as text.
    pub(super) fn said(&self) -> String {
        String::from_utf8_lossy(&self.said).into_owned()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.heard.iter().all(Heard::is_complete)
    }

    /// Whether the command that runs has printed more than is kept of it, and can be ended for that: its errors may be heard
    /// before its shell has said which process it is.
    pub(super) fn overran(&self) -> bool {
        self.shell.is_some() && self.current().is_some_and(|at| self.heard[at].overrun)
    }

    /// When the command that runs must have ended, if one does.
    pub(super) fn due(&self, units: &[Unit]) -> Option<Instant> {
        let at = self.current()?;
        Some(self.heard[at].began? + units[at].deadline)
    }

    fn current(&self) -> Option<usize> {
        self.heard.iter().position(|heard| !heard.is_complete())
    }

    /// How each command went. Where the session ended before all of them did, the last ones are left out, which
    /// certainly did not begin.
    pub(super) fn outcomes(self, stop: Option<Stop>) -> Vec<Result<Ended, Fault>> {
        let cut = self.current();
        let mut outcomes = Vec::with_capacity(self.heard.len());
        for (at, heard) in self.heard.into_iter().enumerate() {
            outcomes.push(match (heard.is_complete(), heard.began, stop) {
                (true, ..) => heard.outcome(),
                (false, None, Some(Stop::Ended)) => break,
                (false, Some(began), Some(Stop::Ended | Stop::Unconfirmed)) if cut == Some(at) => match heard.overrun {
                    true => heard.outcome(),
                    false => Ok(Ended::TimedOut(began.elapsed())),
                },
                _ => Err(Fault::Lost),
            });
        }
        outcomes
    }
}

impl Side {
    fn new(nonce: &str) -> Self {
        Self {
            frames: Frames::new(nonce),
            greeted: false,
            current: None,
        }
    }
}

/// The number of a command in a frame.
fn number<'a>(words: &mut impl Iterator<Item = &'a str>, heard: &[Heard]) -> Option<usize> {
    words.next()?.parse().ok().filter(|at| *at < heard.len())
}

fn begin<'a>(words: &mut impl Iterator<Item = &'a str>, current: &mut Option<usize>, heard: &mut [Heard]) -> bool {
    *current = number(words, heard);
    let Some(at) = *current else { return false };
    heard[at].began.get_or_insert_with(Instant::now);
    true
}

fn end<'a>(
    stream: Stream,
    words: &mut impl Iterator<Item = &'a str>,
    current: &mut Option<usize>,
    heard: &mut [Heard],
) -> bool {
    let at = number(words, heard).filter(|at| *current == Some(*at));
    let status = words.next().and_then(|status| status.parse().ok());
    let (Some(at), Some(status)) = (at, status) else {
        return false;
    };
    *current = None;
    match stream {
        Stream::Output => heard[at].ended = Some(status),
        Stream::Errors => heard[at].errors_ended = true,
    }
    true
}

fn refuse<'a>(words: &mut impl Iterator<Item = &'a str>, current: Option<usize>, heard: &mut [Heard]) -> bool {
    let refusal = words.next().and_then(Refusal::of);
    let heard = current.and_then(|at| heard.get_mut(at));
    let (Some(refusal), Some(heard)) = (refusal, heard) else {
        return false;
    };
    heard.refused = Some(refusal);
    true
}

impl Heard {
    fn is_complete(&self) -> bool {
        self.ended.is_some() && self.errors_ended
    }

    fn keep(&mut self, stream: Stream, bytes: &[u8]) {
        let kept = usize::try_from(self.room).unwrap_or(usize::MAX).min(bytes.len());
        self.room -= kept as u64;
        self.overrun |= kept < bytes.len();
        match stream {
            Stream::Output => self.stdout.extend_from_slice(&bytes[..kept]),
            Stream::Errors => self.stderr.extend_from_slice(&bytes[..kept]),
        }
    }

    /// What it left. Without a status it was ended for what it printed.
    fn outcome(self) -> Result<Ended, Fault> {
        if let Some(refusal) = self.refused {
            return Err(Fault::Refused(refusal));
        }
        let status = self.ended.filter(|_| !self.overrun || self.errors_ended);
        let signal = |status: i32| {
            let numbers = SIGNALLED.map(|base| status.saturating_sub(base));
            numbers.into_iter().find(|number| (1..=SIGNALS).contains(number))
        };
        let signal = status.map_or(Some(SIGKILL), signal);
        Ok(Ended::Finished(Output {
            status: status.filter(|_| signal.is_none()),
            signal,
            stdout: self.stdout,
            stderr: self.stderr,
            truncated: self.overrun,
        }))
    }
}

impl Shell {
    /// What the first frame says. It is sent back to that host only, as a quoted word.
    fn of<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<Self> {
        let pid = words.next()?.parse().ok().filter(|pid| *pid > 1)?;
        Some(Self {
            pid,
            known_by: words.collect::<Vec<_>>().join(" "),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn errors_beyond_the_cap_end_nothing_before_the_shell_is_known() {
        let unit = Unit {
            script: String::new(),
            stdin: Vec::new(),
            deadline: Duration::from_secs(9),
            output: 2,
            lingers: false,
        };
        let mut answer = Answer::to(&[unit], "nonce");
        answer
            .buffers()
            .1
            .extend_from_slice(b"nonce hello\nnonce begin 0\nmuch too much\n");
        assert!(answer.took(Stream::Errors).is_ok() && !answer.overran());
        answer.buffers().0.extend_from_slice(b"nonce hello 4711 4711 99\n");
        assert!(answer.took(Stream::Output).is_ok() && answer.overran());
    }
}
