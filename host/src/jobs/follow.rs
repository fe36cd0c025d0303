//! Following a job that a supervisor has, to its end.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::attend::{Attending, turned};
use super::{Error, Jobs, of_job};
use crate::machine::job::{Ended, Folder, How, Job, Lengths, News, Stage};
use crate::store::jobs::{JobRecord, Outcome, Phase};

/// Between two looks at the news of a job: after the first, and at most, while it has more each time.
const SOON: Duration = Duration::from_millis(5);
const BETWEEN: Duration = Duration::from_millis(100);
/// How often it is looked whether its directory is there.
const LOOK: Duration = Duration::from_secs(5);
/// Before somebody is asked again how a job ended who said that it had, and then that it has not.
const UNSETTLED: Duration = Duration::from_secs(2);
/// What a job is taken to keep at the most, in bytes: a host can say any number.
const MOST_KEPT: u64 = 1 << 40;
/// When something that went wrong is tried again.
const AGAIN: Duration = Duration::from_secs(10);

impl Jobs {
    /// Starts the job if no supervisor has it, and follows it to its end. One that `is_new` was never tried.
    pub(super) async fn run(&self, record: JobRecord, mut is_new: bool, with: &Attending) {
        let id = &record.id;
        let _followed = match self.folder_of(&record) {
            Ok(Folder::There(there)) => Some(there.follow(id)),
            _ => None,
        };
        while let Err(error) = self.run_once(&record, is_new, with).await {
            is_new = false;
            match error {
                // What asks the host says so once for all.
                Error::Away { .. } => {
                    let mut reach = self.folder_of(&record).ok().and_then(|folder| folder.reach());
                    let _ = tokio::time::timeout(AGAIN, turned(&mut reach)).await;
                }
                error => {
                    tracing::warn!(backend = self.0.backend, "job {id}: {error}; it is looked at again");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
        with.tell("job", id);
    }

    async fn run_once(&self, record: &JobRecord, is_new: bool, with: &Attending) -> Result<(), Error> {
        let (id, folder) = (&record.id, self.folder_of(record)?);
        let stage = match &folder {
            // It cannot be there yet.
            Folder::There(_) if is_new => Stage::Unclaimed,
            _ => match folder.stage(id).await.map_err(of_job(id)) {
                Err(Error::Directory { cause, .. }) if is_gone(&cause) => Stage::Unclaimed,
                stage => stage?,
            },
        };
        let asked = id.clone();
        let command = self.index(move |index| index.command(&asked)).await?;
        match (stage, command, &folder) {
            (Stage::Unclaimed, Some(_), _) => self.start(&*with.prepare, with.scope.as_ref(), record).await?,
            (Stage::Unclaimed, None, folder) => {
                if let Folder::There(there) = folder {
                    there.ensure_place(id).map_err(of_job(id))?;
                }
                return self.give_up(folder, id).await;
            }
            (Stage::Claimed, Some(_), Folder::There(there)) => {
                let input = there.input(id).await.map_err(of_job(id))?;
                self.hand_over(there, record, input).await?;
            }
            _ => {}
        }
        let asked = id.clone();
        if self.index(move |index| index.get(&asked)).await?.phase != Phase::Running {
            return Ok(());
        }
        with.tell("job", id);
        loop {
            self.listen(&folder, record, with).await?;
            // The supervisor is gone: it has said how the job ended, or was killed.
            match folder.settle(id).await.map_err(of_job(id)) {
                Err(Error::Directory { cause, .. }) if is_gone(&cause) => return self.give_up(&folder, id).await,
                ended => {
                    if let Some(ended) = ended? {
                        return self.finish(&folder, id, ended).await;
                    }
                }
            }
            tokio::time::sleep(UNSETTLED).await;
        }
    }

    /// Ends a job that somebody took the directory of.
    pub(super) async fn give_up(&self, folder: &Folder, id: &str) -> Result<(), Error> {
        let ended = folder.end_marked(id).await.map_err(of_job(id))?;
        let why = "its directory is gone, or not as it was left: nobody knows how it ended";
        let unknown = || Ended::without_status(How::Interrupted, why);
        self.finish(folder, id, ended.unwrap_or_else(unknown)).await
    }

    /// Returns when there is no supervisor any more, or no directory that anybody could follow it by.
    async fn listen(&self, folder: &Folder, record: &JobRecord, with: &Attending) -> Result<(), Error> {
        let printed = || {
            if record.watch {
                with.tell("output", &record.id);
            }
        };
        match folder {
            Folder::Here(path) => self.listen_here(path, record, printed).await,
            Folder::There(there) => {
                there.listen(&record.id, printed).await;
                Ok(())
            }
        }
    }

    async fn listen_here(&self, folder: &Path, record: &JobRecord, printed: impl Fn()) -> Result<(), Error> {
        let broken = |cause| Error::Directory {
            id: record.id.clone(),
            cause,
        };
        let path = folder.join(&record.id);
        let open = |path: PathBuf| Job::open(&path).and_then(|job| News::open(&job));
        let Some(mut news) = blocking(path.clone(), open).await.map_err(broken)? else {
            return Ok(());
        };
        let (mut pause, mut look_at) = (SOON, Instant::now() + LOOK);
        loop {
            let since = Instant::now();
            let told = tokio::time::timeout_at(look_at.into(), news.next()).await;
            if Instant::now() >= look_at {
                match blocking(path.clone(), |path| Job::open(&path)).await {
                    Err(cause) if is_gone(&cause) => return Ok(()),
                    found => drop(found.map_err(broken)?),
                }
                look_at = Instant::now() + LOOK;
            }
            let Ok(told) = told else { continue };
            if !told.map_err(broken)? {
                return Ok(());
            }
            printed();
            // One that prints without a break is looked at seldom, and the end of one that printed a line is seen at once.
            pause = match since.elapsed() < BETWEEN {
                true => (pause * 2).min(BETWEEN),
                false => SOON,
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn finish(&self, folder: &Folder, id: &str, how: Ended) -> Result<(), Error> {
        self.remove_entry(folder, id).await;
        let lengths = folder.last_lengths(id).await;
        let outcome = Outcome {
            status: how.status,
            signal: how.signal,
            // The directory's word is not taken for a time to come, until which it would be kept.
            finished_at: how.finished.min(self.now()),
            input: lengths.input,
            output: lengths.output,
            errors: lengths.errors,
            kept: kept(&lengths),
            ..self.ended(phase(how.how), how.reason)
        };
        let asked = id.to_owned();
        self.index(move |index| index.set_ended(&asked, &outcome))
            .await
            .map(drop)
    }
}

/// Whether a directory is not there, or is not one that berth made.
pub(super) fn is_gone(cause: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, NotADirectory, NotFound};
    matches!(cause.kind(), NotFound | NotADirectory | InvalidData)
}

/// Bytes that a job's directory takes, as far as that can be.
pub(super) fn kept(lengths: &Lengths) -> u64 {
    lengths.kept.min(MOST_KEPT)
}

async fn blocking<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce(PathBuf) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let worked = tokio::task::spawn_blocking(move || work(path)).await;
    worked.unwrap_or_else(|fault| Err(io::Error::other(fault)))
}

pub(super) fn phase(how: How) -> Phase {
    match how {
        How::Exited => Phase::Exited,
        How::Failed => Phase::Failed,
        How::Cancelled => Phase::Cancelled,
        How::TimedOut => Phase::TimedOut,
        How::Interrupted => Phase::Interrupted,
    }
}
