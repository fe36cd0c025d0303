//! Standard input of a job: a file that grows, of which so many bytes count.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::FileExt as _;
use std::process::ChildStdin;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;

use super::lines::bad;
use super::place::{INPUT, Job, SENT, UNTIL};
use super::until::Until;

/// Bytes that are sent on at a time.
const PART: u64 = 64 << 10;
/// Bytes of all input of a job.
const MOST: u64 = 1 << 30;

/// How long somebody else may change the input, and how often that is looked at.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(10);

/// What became of bytes for the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// They were added; so many bytes are there now.
    Now(u64),
    /// Nothing was added: so many bytes were there, and not those that were expected.
    Conflict(u64),
    /// Nothing was added: the input has ended.
    Ended,
    /// Nothing was added: it would be more than a job takes.
    TooMuch,
}

impl Job {
    /// Adds `bytes` to its input, all or none, if it has `expect` bytes now. They are on the disk when this returns.
    ///
    /// # Errors
    /// What the system says; then nothing was added.
    pub fn append(&self, bytes: &[u8], expect: Option<u64>) -> io::Result<Appended> {
        self.change_input(|input, until| {
            if expect.is_some_and(|expected| expected != until.bytes) {
                return Ok(Err(Appended::Conflict(until.bytes)));
            }
            if until.ended {
                return Ok(Err(Appended::Ended));
            }
            let bytes_then = until.bytes + bytes.len() as u64;
            if bytes_then > MOST {
                return Ok(Err(Appended::TooMuch));
            }
            // What somebody who was killed began to add does not count, and is written over.
            input.write_all_at(bytes, until.bytes)?;
            input.sync_data()?;
            Ok(Ok(Until {
                bytes: bytes_then,
                ended: false,
            }))
        })
    }

    /// Ends its input. It is a success if it has ended.
    ///
    /// # Errors
    /// What the system says.
    pub fn close(&self) -> io::Result<()> {
        self.change_input(|_, until| Ok(Ok(Until { ended: true, ..until })))
            .map(drop)
    }

    /// Bytes of its input.
    ///
    /// # Errors
    /// What the system says.
    pub fn input(&self) -> io::Result<u64> {
        Ok(self.until()?.bytes)
    }

    /// One at a time. Any program can hold the lock on the file, so it is not waited for without end.
    fn change_input(
        &self,
        change: impl FnOnce(&File, Until) -> io::Result<Result<Until, Appended>>,
    ) -> io::Result<Appended> {
        let input = File::from(self.open_at(INPUT, OFlags::WRONLY)?);
        lock(&input)?;
        match change(&input, self.until()?)? {
            Ok(until) => {
                self.replace(UNTIL, until.text().as_bytes())?;
                self.sync()?;
                self.ring();
                Ok(Appended::Now(until.bytes))
            }
            Err(refused) => Ok(refused),
        }
    }
}

fn lock(input: &File) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match rustix::fs::flock(input, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::AGAIN) if Instant::now() < deadline => std::thread::sleep(PAUSE),
            Err(Errno::AGAIN) => {
                let why = "its input is in use: another program holds a lock on the file `in`; try again";
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, why));
            }
            locked => return Ok(locked?),
        }
    }
}

/// Gives a program its input as that comes.
pub(super) struct Feed<'j> {
    job: &'j Job,
    file: File,
    record: File,
    until: Until,
    sent: u64,
    /// What was read and not yet taken.
    part: Vec<u8>,
    /// None when the program's input has ended, or the program closed it.
    pipe: Option<ChildStdin>,
}

impl<'j> Feed<'j> {
    pub(super) fn new(job: &'j Job, pipe: Option<ChildStdin>) -> io::Result<Self> {
        if let Some(pipe) = &pipe {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        Ok(Self {
            job,
            file: File::from(job.open_at(INPUT, OFlags::RDONLY)?),
            record: File::from(job.open_at(SENT, OFlags::WRONLY | OFlags::CREATE)?),
            until: job.until()?,
            sent: 0,
            part: Vec::new(),
            pipe,
        })
    }

    /// Looks whether there is more. What is not as berth writes it is left as it was.
    pub(super) fn look(&mut self) {
        if let Ok(until) = self.job.until()
            && until.bytes >= self.until.bytes
        {
            self.until = until;
        }
    }

    /// The pipe, while there is something to send or to end.
    pub(super) fn wants(&self) -> Option<BorrowedFd<'_>> {
        let is_due = self.sent < self.until.bytes || self.until.ended;
        self.pipe.as_ref().filter(|_| is_due).map(|pipe| pipe.as_fd())
    }

    /// Sends what the pipe takes now.
    pub(super) fn advance(&mut self) {
        if self.send().is_err() {
            // The program does not read on: that is up to the program.
            self.pipe = None;
        }
    }

    fn send(&mut self) -> io::Result<()> {
        let Some(pipe) = &self.pipe else { return Ok(()) };
        let left = self.until.bytes - self.sent;
        if self.part.is_empty() && left > 0 {
            self.file.seek(SeekFrom::Start(self.sent))?;
            (&self.file).take(left.min(PART)).read_to_end(&mut self.part)?;
            if self.part.is_empty() {
                return Err(bad("it is shorter than it was"));
            }
        }
        if !self.part.is_empty() {
            match rustix::io::write(pipe, &self.part) {
                Ok(taken) => {
                    self.part.drain(..taken);
                    self.sent += taken as u64;
                    // Only for who looks at it.
                    let _ = self.record.write_all_at(format!("{:020}\n", self.sent).as_bytes(), 0);
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if self.until.ended && self.sent == self.until.bytes {
            self.pipe = None;
        }
        Ok(())
    }
}
