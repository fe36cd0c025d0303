//! Following a job that a supervisor has, to its end.

use std::io;
use std::time::{Duration, Instant};

use super::attend::Attending;
use super::{Error, Jobs, entry};
use crate::machine::job::{Channel, Ended, How, Job, News, Stage, end_marked, end_what_is_left};
use crate::store::jobs::{JobRecord, Outcome, Phase};

/// Between two looks at the news of a job: after the first, and at most, while it has more each time.
const SOON: Duration = Duration::from_millis(5);
const BETWEEN: Duration = Duration::from_millis(100);
/// How often it is looked whether its directory is there.
const LOOK: Duration = Duration::from_secs(5);
/// When something that went wrong is tried again.
const AGAIN: Duration = Duration::from_secs(10);

impl Jobs {
    /// Starts the job if no supervisor has it, and follows it to its end.
    pub(super) async fn run(&self, record: JobRecord, with: &Attending) {
        let id = &record.id;
        while let Err(error) = self.run_once(&record, with).await {
            tracing::warn!(backend = self.0.backend, "job {id}: {error}; it is looked at again");
            tokio::time::sleep(AGAIN).await;
        }
        with.tell("job", id);
    }

    async fn run_once(&self, record: &JobRecord, with: &Attending) -> Result<(), Error> {
        let id = &record.id;
        let stage = match self.directory(id, |job| job.stage()).await {
            Err(Error::Directory { cause, .. }) if is_gone(&cause) => Stage::Unclaimed,
            stage => stage?,
        };
        let asked = id.clone();
        let command = self.index(move |index| index.command(&asked)).await?;
        match (stage, command) {
            (Stage::Unclaimed, Some(_)) => self.start(&*with.prepare, with.scope.as_ref(), id).await?,
            (Stage::Unclaimed, None) => return self.give_up(id).await,
            _ => {}
        }
        let asked = id.clone();
        if self.index(move |index| index.get(&asked)).await?.phase != Phase::Running {
            return Ok(());
        }
        with.tell("job", id);
        self.listen(record, with).await?;
        // The supervisor is gone: it has said how the job ended, or was killed.
        let asked = id.clone();
        match self.directory(id, move |job| end_what_is_left(job, &asked)).await {
            Err(Error::Directory { cause, .. }) if is_gone(&cause) => self.give_up(id).await,
            ended => self.finish(id, ended?).await,
        }
    }

    /// Ends a job that somebody took the directory of.
    pub(super) async fn give_up(&self, id: &str) -> Result<(), Error> {
        let (asked, named) = (id.to_owned(), id.to_owned());
        let ended = tokio::task::spawn_blocking(move || end_marked(&asked)).await;
        let ended = ended.unwrap_or_else(|fault| Err(io::Error::other(fault)));
        ended.map_err(|cause| Error::Directory { id: named, cause })?;
        let why = "its directory is gone, or not as it was left: nobody knows how it ended";
        self.finish(id, Ended::without_status(How::Interrupted, why)).await
    }

    /// Returns when there is no supervisor any more, or no directory that anybody could follow it by.
    async fn listen(&self, record: &JobRecord, with: &Attending) -> Result<(), Error> {
        let broken = |cause| Error::Directory {
            id: record.id.clone(),
            cause,
        };
        let Some(mut news) = self.directory(&record.id, News::open).await? else {
            return Ok(());
        };
        let (mut pause, mut look_at) = (SOON, Instant::now() + LOOK);
        loop {
            let since = Instant::now();
            let told = tokio::time::timeout_at(look_at.into(), news.next()).await;
            if Instant::now() >= look_at {
                match self.directory(&record.id, |_| Ok(())).await {
                    Err(Error::Directory { cause, .. }) if is_gone(&cause) => return Ok(()),
                    found => found?,
                }
                look_at = Instant::now() + LOOK;
            }
            let Ok(told) = told else { continue };
            if !told.map_err(broken)? {
                return Ok(());
            }
            if record.watch {
                with.tell("output", &record.id);
            }
            // One that prints without a break is looked at seldom, and the end of one that printed a line is seen at once.
            pause = match since.elapsed() < BETWEEN {
                true => (pause * 2).min(BETWEEN),
                false => SOON,
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn finish(&self, id: &str, how: Ended) -> Result<(), Error> {
        // Without its directory there is none.
        let _ = self.directory(id, |job| job.remove_file(entry::FILE)).await;
        let lengths = self.directory(id, |job| Ok(Lengths::of(job))).await.unwrap_or_default();
        let outcome = Outcome {
            status: how.status,
            signal: how.signal,
            // The directory's word is not taken for a time to come, until which it would be kept.
            finished_at: how.finished.min(self.now()),
            input: lengths.input,
            output: lengths.output,
            errors: lengths.errors,
            kept: lengths.kept,
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

/// What a directory says of lengths. It may be damaged, and the job has ended all the same.
#[derive(Default)]
struct Lengths {
    input: Option<u64>,
    output: u64,
    errors: u64,
    kept: u64,
}

impl Lengths {
    fn of(job: &Job) -> Self {
        Self {
            input: job.input().ok(),
            output: job.printed(Channel::Output).unwrap_or_default(),
            errors: job.printed(Channel::Errors).unwrap_or_default(),
            kept: job.size().unwrap_or_default(),
        }
    }
}

fn phase(how: How) -> Phase {
    match how {
        How::Exited => Phase::Exited,
        How::Failed => Phase::Failed,
        How::Cancelled => Phase::Cancelled,
        How::TimedOut => Phase::TimedOut,
        How::Interrupted => Phase::Interrupted,
    }
}
