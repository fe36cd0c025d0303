//! Where the jobs of a backend are, and what is asked about them there.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ended::Ended;
use super::input::Appended;
use super::left::{end_marked, end_what_is_left};
use super::outcome::{Lengths, Removed, Trouble};
use super::output::{Channel, Chunk};
use super::place::{Job, Stage};
use super::there::{Reach, There};

/// Where they are.
#[derive(Debug, Clone)]
pub enum Folder {
    /// In directories of this one, on this machine.
    Here(PathBuf),
    /// On a host.
    There(There),
}

impl Folder {
    /// The host, by its name in `[hosts]`; nothing: this machine.
    pub fn host(&self) -> &str {
        match self {
            Self::Here(_) => "",
            Self::There(there) => there.label(),
        }
    }

    /// Why it cannot be reached now, as far as that is known.
    pub fn away(&self) -> Option<Arc<str>> {
        match self {
            Self::There(there) => there.away(),
            Self::Here(_) => None,
        }
    }

    /// Why nobody can tell how a job there stands that was begun, as far as that is known.
    pub fn away_of(&self, id: &str) -> Option<Arc<str>> {
        match self {
            Self::There(there) => there.away_of(id),
            Self::Here(_) => None,
        }
    }

    /// Whether it can be reached: its host was asked not long ago, and answered.
    pub fn is_ready(&self) -> bool {
        match self {
            Self::Here(_) => true,
            Self::There(there) => there.is_known() && there.away().is_none(),
        }
    }

    /// Lets its host be asked, if somebody [attends](There::attend), so that it is known whether it can be.
    pub fn stir(&self) {
        if let Self::There(there) = self {
            there.stir();
        }
    }

    /// What changes whenever its host cannot be asked any more, or again; none on this machine.
    pub fn reach(&self) -> Option<Reach> {
        match self {
            Self::There(there) => Some(there.reach()),
            Self::Here(_) => None,
        }
    }

    /// How far a job is. On a host this waits until somebody [attends](There::attend) and the host can be asked.
    ///
    /// # Errors
    /// There is no such job, or its directory cannot be used.
    pub async fn stage(&self, id: &str) -> Result<Stage, Trouble> {
        match self {
            Self::Here(path) => here(path, id, |job| job.stage()).await,
            Self::There(there) => there.stage(id).await,
        }
    }

    /// Asks for a job's end: TERM to its group, and KILL after 5 seconds. One that `may_still_come` finds that when it does.
    ///
    /// # Errors
    /// There is no such job, or it cannot be asked.
    pub async fn cancel(&self, id: &str, may_still_come: bool) -> Result<(), Trouble> {
        match self {
            Self::Here(path) => here(path, id, |job| job.cancel()).await,
            Self::There(there) => there.cancel(id, may_still_come).await,
        }
    }

    /// Adds `bytes` to a job's input, all or none, if it has `expect` bytes now.
    ///
    /// # Errors
    /// There is no such job, or it cannot be asked.
    pub async fn append(&self, id: &str, bytes: Arc<Vec<u8>>, expect: Option<u64>) -> Result<Appended, Trouble> {
        match self {
            Self::Here(path) => here(path, id, move |job| job.append(&bytes, expect)).await,
            Self::There(there) => there.append(id, &bytes, expect).await,
        }
    }

    /// Ends a job's input.
    ///
    /// # Errors
    /// There is no such job, or it cannot be asked.
    pub async fn close(&self, id: &str) -> Result<(), Trouble> {
        match self {
            Self::Here(path) => here(path, id, |job| job.close()).await,
            Self::There(there) => there.close(id).await,
        }
    }

    /// At most `most` bytes of what a job printed, from the byte `start` on or the first later one that is still kept.
    ///
    /// # Errors
    /// There is no such job, or it cannot be asked.
    pub async fn output(&self, id: &str, channel: Channel, start: u64, most: u64) -> Result<Chunk, Trouble> {
        match self {
            Self::Here(path) => here(path, id, move |job| job.output(channel, start, most)).await,
            Self::There(there) => there.output(id, channel, start, most).await,
        }
    }

    /// What a job that runs has of input and output.
    ///
    /// # Errors
    /// There is no such job, or it cannot be asked.
    pub async fn lengths(&self, id: &str) -> Result<Lengths, Trouble> {
        let lengths = |job: &Job| {
            Ok(Lengths {
                input: Some(job.input()?),
                output: job.printed(Channel::Output)?,
                errors: job.printed(Channel::Errors)?,
                kept: 0,
            })
        };
        match self {
            Self::Here(path) => here(path, id, lengths).await,
            Self::There(there) => there.lengths(id).await,
        }
    }

    /// The same of one that has ended, as far as that can be told.
    pub async fn last_lengths(&self, id: &str) -> Lengths {
        let lengths = |job: &Job| {
            Ok(Lengths {
                input: job.input().ok(),
                output: job.printed(Channel::Output).unwrap_or_default(),
                errors: job.printed(Channel::Errors).unwrap_or_default(),
                kept: job.size().unwrap_or_default(),
            })
        };
        match self {
            Self::Here(path) => here(path, id, lengths).await.unwrap_or_default(),
            Self::There(there) => there.last_lengths(id),
        }
    }

    /// How a job ended whose supervisor is gone; what that left is ended first. None: there is a supervisor.
    ///
    /// # Errors
    /// There is no such job, it cannot be asked, or something of it does not end.
    pub async fn settle(&self, id: &str) -> Result<Option<Ended>, Trouble> {
        let asked = id.to_owned();
        match self {
            Self::Here(path) => here(path, id, move |job| end_what_is_left(job, &asked).map(Some)).await,
            Self::There(there) => there.settle(id).await,
        }
    }

    /// Ends what bears the mark of a job whose directory cannot be used. Answers how it ended, if that is known after all.
    ///
    /// # Errors
    /// It cannot be asked, or something of it does not end.
    pub async fn end_marked(&self, id: &str) -> Result<Option<Ended>, Trouble> {
        let asked = id.to_owned();
        match self {
            Self::Here(_) => Ok(blocking(move || end_marked(&asked)).await.map(|()| None)?),
            Self::There(there) => there.end_marked(id).await,
        }
    }

    /// Removes the directories of jobs that have ended. Answers for each of them whether it is gone, or why not.
    ///
    /// # Errors
    /// They cannot be asked; none is known to be gone.
    pub async fn remove(&self, ids: Vec<String>) -> Result<Vec<Removed>, Trouble> {
        match self {
            Self::Here(path) => {
                let path = path.clone();
                Ok(blocking(move || {
                    let remove = |id: String| match Job::open(&path.join(&id)).and_then(Job::remove) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => Removed::Stays(id, error.to_string()),
                        _ => Removed::Gone(id),
                    };
                    Ok(ids.into_iter().map(remove).collect())
                })
                .await?)
            }
            Self::There(there) => there.remove(&ids).await,
        }
    }
}

impl std::fmt::Display for Folder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Here(path) => path.display().fmt(formatter),
            Self::There(there) => there.fmt(formatter),
        }
    }
}

/// What `work` makes of the directory of the job `id`.
async fn here<T: Send + 'static>(
    folder: &Path,
    id: &str,
    work: impl FnOnce(&Job) -> io::Result<T> + Send + 'static,
) -> Result<T, Trouble> {
    let path = folder.join(id);
    Ok(blocking(move || work(&Job::open(&path)?)).await?)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let worked = tokio::task::spawn_blocking(work).await;
    worked.unwrap_or_else(|fault| Err(io::Error::other(fault)))
}
