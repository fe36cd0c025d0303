//! The contract's side: what a guest may ask of its jobs.

use super::command::Submitted;
use super::power::Granted;
use crate::capability::{Access, Call};
use crate::contract::jobs::{Channel, Chunk, Filter, Host, Job, Phase, Spec};
use crate::contract::types::Error;
use crate::jobs::{self, Jobs};
use crate::machine::job;
use crate::store::jobs::{self as index, JobError, JobRecord, NewJob};

/// Bytes of keys and queues.
const NAME: usize = 256;
/// Bytes of a label.
const LABEL: usize = 128;
/// Bytes of a note.
const NOTE: usize = 64 << 10;
/// Bytes of the beginning of a job's input.
const STDIN: usize = 1 << 20;
/// Bytes that are read or written at a time.
const PART: u64 = 4 << 20;
/// Jobs of one listing.
const LISTED: u32 = 1_000;

impl Host for Call {
    async fn submit(&mut self, spec: Spec) -> wasmtime::Result<Result<String, Error>> {
        Ok(self.submit_job(spec).await)
    }

    async fn get(&mut self, id: String) -> wasmtime::Result<Result<Job, Error>> {
        Ok(self.with_jobs(async |jobs| jobs.get(&id).await.map(Job::from)).await)
    }

    async fn recent(&mut self, filter: Filter) -> wasmtime::Result<Result<Vec<Job>, Error>> {
        let asked = index::Filter {
            queue: filter.queue,
            phases: filter.phases.into_iter().filter_map(known).collect(),
            labels: filter.labels,
            after: filter.after,
            limit: filter.limit.min(LISTED),
        };
        let listed = self.with_jobs(async |jobs| jobs.recent(asked).await).await;
        Ok(listed.map(|jobs| jobs.into_iter().map(Job::from).collect()))
    }

    async fn set_label(&mut self, id: String, label: String) -> wasmtime::Result<Result<(), Error>> {
        if label.len() > LABEL {
            return Ok(Err(Error::Invalid(format!("a label has at most {LABEL} bytes"))));
        }
        self.allowance.acted.set_kept();
        Ok(self.with_jobs(async |jobs| jobs.set_label(&id, &label).await).await)
    }

    async fn cancel(&mut self, id: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.act(async |jobs| jobs.cancel(&id).await).await)
    }

    async fn read(
        &mut self,
        id: String,
        channel: Channel,
        start: u64,
        max: u32,
    ) -> wasmtime::Result<Result<Chunk, Error>> {
        let channel = match channel {
            Channel::Output => job::Channel::Output,
            Channel::Errors => job::Channel::Errors,
        };
        let most = u64::from(max).min(PART);
        let read = self.with_jobs(async |jobs| jobs.read(&id, channel, start, most).await).await;
        Ok(read.map(|job::Chunk { start, bytes }| Chunk { start, bytes }))
    }

    async fn write(
        &mut self,
        id: String,
        bytes: Vec<u8>,
        expect: Option<u64>,
    ) -> wasmtime::Result<Result<u64, Error>> {
        if bytes.len() as u64 > PART {
            return Ok(Err(Error::Invalid(format!("at most {PART} bytes are written at a time"))));
        }
        Ok(self.act(async |jobs| jobs.write(&id, bytes, expect).await).await)
    }

    async fn close(&mut self, id: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.act(async |jobs| jobs.close(&id).await).await)
    }
}

impl Call {
    async fn submit_job(&mut self, spec: Spec) -> Result<String, Error> {
        if spec.host.is_some() {
            return Err(Error::Denied("no other host is granted: leave out `host`".into()));
        }
        for (what, text) in [("a key", &spec.key), ("a queue", &spec.queue)] {
            if !(1..=NAME).contains(&text.len()) {
                return Err(Error::Invalid(format!("{what} has 1 to {NAME} bytes")));
            }
        }
        if spec.note.len() > NOTE || spec.command.stdin.len() > STDIN {
            return Err(Error::Invalid(format!("a note has at most {NOTE} bytes, and the first input {STDIN}")));
        }
        let (submitted, input) = Submitted::new(spec.command, spec.timeout_ms);
        let powers = &self.powers;
        let granted = Granted {
            backend: powers.backend.clone(),
            programs: powers.programs.clone(),
            directories: powers.directories.clone(),
        };
        granted.allowing(&submitted)?;
        let command = serde_json::to_string(&submitted).map_err(|error| Error::Failed(error.to_string()))?;
        let job = NewJob {
            id: uuid::Uuid::new_v4().to_string(),
            key: spec.key,
            queue: spec.queue,
            note: spec.note,
            interactive: spec.interactive,
            watch: spec.watch,
            command,
            input,
        };
        self.act(async |jobs| jobs.submit(job).await).await
    }

    async fn with_jobs<T>(&self, work: impl AsyncFnOnce(&Jobs) -> Result<T, jobs::Error>) -> Result<T, Error> {
        let jobs = self.powers.jobs.jobs(&self.powers.backend)?;
        work(jobs).await.map_err(error)
    }

    /// The same for what only a call may do that acts.
    async fn act<T>(&self, work: impl AsyncFnOnce(&Jobs) -> Result<T, jobs::Error>) -> Result<T, Error> {
        if self.allowance.access != Access::Control {
            return Err(Error::Denied("this call may only read, so it may not change a job".into()));
        }
        self.powers.jobs.jobs(&self.powers.backend)?;
        let acted = &self.allowance.acted;
        let had_acted = acted.ran();
        // Before it is done: the call may be cut off in the middle.
        acted.set_ran();
        let done = self.with_jobs(work).await;
        if !had_acted && done.as_ref().is_err_and(|error| !matches!(error, Error::Failed(_))) {
            acted.unset_ran();
        }
        done
    }
}

fn known(phase: Phase) -> Option<index::Phase> {
    Some(match phase {
        Phase::Queued => index::Phase::Queued,
        Phase::Running => index::Phase::Running,
        Phase::Exited => index::Phase::Exited,
        Phase::Failed => index::Phase::Failed,
        Phase::Cancelled => index::Phase::Cancelled,
        Phase::TimedOut => index::Phase::TimedOut,
        Phase::Interrupted => index::Phase::Interrupted,
        // Every job runs on this machine.
        Phase::Unreachable => return None,
    })
}

impl From<JobRecord> for Job {
    fn from(job: JobRecord) -> Self {
        Self {
            id: job.id,
            key: job.key,
            queue: job.queue,
            note: job.note,
            label: job.label,
            phase: match job.phase {
                index::Phase::Queued => Phase::Queued,
                index::Phase::Running => Phase::Running,
                index::Phase::Exited => Phase::Exited,
                index::Phase::Failed => Phase::Failed,
                index::Phase::Cancelled => Phase::Cancelled,
                index::Phase::TimedOut => Phase::TimedOut,
                index::Phase::Interrupted => Phase::Interrupted,
            },
            reason: job.reason,
            status: job.status,
            signal: job.signal,
            input_bytes: job.input,
            output_bytes: job.output,
            error_bytes: job.errors,
            queued_at: job.queued_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
        }
    }
}

fn error(why: jobs::Error) -> Error {
    let words = why.to_string();
    match why {
        jobs::Error::Index(JobError::Unknown(_)) => Error::NotFound(words),
        jobs::Error::Index(JobError::OtherContent { .. } | JobError::Offset { .. }) => Error::Conflict(words),
        jobs::Error::Index(JobError::Whole) | jobs::Error::Ended(_) => Error::Refused(words),
        jobs::Error::Index(JobError::Full(_)) => Error::Limited((words, None)),
        jobs::Error::Index(JobError::Broken(_)) | jobs::Error::Directory { .. } => Error::Failed(words),
    }
}
