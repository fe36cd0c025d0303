//! What a job's supervisor tells.

use std::io;

use rustix::fs::OFlags;
use rustix::io::Errno;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;

use super::place::{Job, NEWS};

/// Bytes of news that are taken at a time. Each says the same.
const TAKEN: usize = 4096;

/// The news of one job.
#[derive(Debug)]
pub struct News(pipe::Receiver);

impl News {
    /// Those of `job`; none if it has no supervisor, or not yet. To be called within a runtime.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(job: &Job) -> io::Result<Option<Self>> {
        let fifo = match job.open_fifo(NEWS, OFlags::RDONLY) {
            // A supervisor that lives has it.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => {
                return Ok(None);
            }
            fifo => fifo?,
        };
        loop {
            // The system tells nobody of an end that came before: so it is asked once.
            match rustix::io::read(&fifo, &mut [0; TAKEN]) {
                Ok(0) => return Ok(None),
                Err(Errno::AGAIN) => return Ok(Some(Self(pipe::Receiver::from_owned_fd(fifo)?))),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits for the next. False: there is no supervisor any more.
    ///
    /// # Errors
    /// What the system says.
    pub async fn next(&mut self) -> io::Result<bool> {
        Ok(self.0.read(&mut [0; TAKEN]).await? > 0)
    }

    /// Waits until a supervisor has told something, also where there is none yet.
    pub(super) async fn first(job: &Job) -> io::Result<()> {
        // Whoever may write itself sees no end.
        let mut held = pipe::Receiver::from_owned_fd(job.open_fifo(NEWS, OFlags::RDWR)?)?;
        held.read(&mut [0; TAKEN]).await.map(drop)
    }
}
