//! The contract's side: what a guest may ask of its jobs.

use std::time::Instant;

use tokio::time::timeout;

use super::command::Submitted;
use crate::capability::{Access, Call, Sites};
use crate::contract::jobs::{Channel, Chunk, Filter, Host, Job, Phase, Spec};
use crate::contract::types::Error;
use crate::jobs::{self, Jobs};
use crate::machine::job::{self, About};
use crate::store::jobs::{self as index, JobError, JobRecord, NewJob};

/// Bytes of keys and queues, and of a note.
const NAME: usize = About::NAME;
const NOTE: usize = About::NOTE;
/// Bytes of a label.
const LABEL: usize = 128;
/// Bytes of the beginning of a job's input.
const STDIN: usize = 1 << 20;
/// Bytes that are read or written at a time.
const PART: u64 = 4 << 20;
/// Jobs of one listing.
const LISTED: u32 = 1_000;

impl Host for Call {
    async fn submit(&mut self, spec: Spec) -> wasmtime::Result<Result<String, Error>> {
        Ok(async {
            let job = self.new_job(spec).await?;
            let id = self.act(self.acting()?.submit(job)).await?;
            self.allowance.submitted.add(&id);
            Ok(id)
        }
        .await)
    }

    async fn get(&mut self, id: String) -> wasmtime::Result<Result<Job, Error>> {
        Ok(async {
            let jobs = self.jobs()?;
            self.sees(jobs, &id).await?;
            Ok(self.told(self.for_a_part(jobs.get(&id)).await?))
        }
        .await)
    }

    async fn recent(&mut self, filter: Filter) -> wasmtime::Result<Result<Vec<Job>, Error>> {
        Ok(async {
            let phases: Vec<_> = filter.phases.into_iter().map(known).collect();
            let asked = index::Filter {
                queue: filter.queue,
                phases,
                labels: filter.labels,
                after: filter.after,
                within: self.within(),
                limit: filter.limit.min(LISTED),
            };
            let listed = self.jobs()?.recent(asked).await.map_err(error)?;
            Ok(listed.into_iter().map(|job| self.told(job)).collect())
        }
        .await)
    }

    async fn set_label(&mut self, id: String, label: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(async {
            if label.len() > LABEL {
                return Err(Error::Invalid(format!("a label has at most {LABEL} bytes")));
            }
            self.sees(self.jobs()?, &id).await?;
            self.allowance.acted.set_kept();
            self.jobs()?.set_label(&id, &label).await.map_err(error)
        }
        .await)
    }

    async fn cancel(&mut self, id: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(async {
            let jobs = self.acting()?;
            self.rules(jobs, &id).await?;
            self.act(jobs.cancel(&id)).await
        }
        .await)
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
        Ok(async {
            self.sees(self.jobs()?, &id).await?;
            let read = self.for_a_part(self.jobs()?.read(&id, channel, start, most)).await?;
            Ok(Chunk {
                start: read.start,
                bytes: read.bytes,
            })
        }
        .await)
    }

    async fn write(&mut self, id: String, bytes: Vec<u8>, expect: Option<u64>) -> wasmtime::Result<Result<u64, Error>> {
        Ok(async {
            if bytes.len() as u64 > PART {
                return Err(Error::Invalid(format!("at most {PART} bytes are written at a time")));
            }
            let jobs = self.acting()?;
            self.rules(jobs, &id).await?;
            self.act(jobs.write(&id, bytes, expect)).await
        }
        .await)
    }

    async fn close(&mut self, id: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(async {
            let jobs = self.acting()?;
            self.rules(jobs, &id).await?;
            self.act(jobs.close(&id)).await
        }
        .await)
    }
}

impl Call {
    /// What is submitted, if it is allowed.
    async fn new_job(&self, spec: Spec) -> Result<NewJob, Error> {
        let host = host_of(spec.host, &self.powers.sites.hosts(), &self.powers.backend)?;
        for (what, text) in [("a key", &spec.key), ("a queue", &spec.queue)] {
            if !(1..=NAME).contains(&text.len()) {
                return Err(Error::Invalid(format!("{what} has 1 to {NAME} bytes")));
            }
        }
        if spec.note.len() > NOTE || spec.command.stdin.len() > STDIN {
            return Err(Error::Invalid(format!(
                "a note has at most {NOTE} bytes, and the first input {STDIN}"
            )));
        }
        let (origin, is_step) = self.origin()?;
        let (submitted, input) = Submitted::new(spec.command, spec.timeout_ms);
        let site = self.powers.sites.on(&host, self.until()).await?;
        site.allowing(&submitted).await?;
        Ok(NewJob {
            id: uuid::Uuid::new_v4().to_string(),
            key: spec.key,
            queue: spec.queue,
            host,
            note: spec.note,
            interactive: spec.interactive,
            watch: spec.watch,
            command: serde_json::to_string(&submitted).map_err(|error| Error::Failed(error.to_string()))?,
            input,
            origin,
            is_step,
        })
    }

    fn told(&self, job: JobRecord) -> Job {
        let has_hosts = !self.powers.sites.hosts().is_empty();
        Job {
            id: job.id,
            key: job.key,
            host: has_hosts.then_some(job.host),
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
                index::Phase::Unreachable => Phase::Unreachable,
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
            facts: Vec::new(),
        }
    }

    fn jobs(&self) -> Result<&Jobs, Error> {
        self.powers.jobs.jobs(&self.powers.backend)
    }

    /// The same for a call that may act.
    fn acting(&self) -> Result<&Jobs, Error> {
        match self.allowance.access {
            Access::Control => self.jobs(),
            Access::Read => Err(Error::Denied(
                "this call may only read, so it may not change a job".into(),
            )),
        }
    }

    /// Where there are several hosts, waits for a part of the call's time: one that does not answer leaves the rest to jobs on
    /// others.
    async fn for_a_part<T>(&self, work: impl Future<Output = Result<T, jobs::Error>>) -> Result<T, Error> {
        if let Sites::One(_) = self.powers.sites {
            return work.await.map_err(error);
        }
        let part = self.allowance.deadline.saturating_duration_since(Instant::now()) / 4;
        let slow = |_| Error::Unavailable(format!("where the job is, nothing was answered within {part:.0?}"));
        timeout(part, work).await.map_err(slow)?.map_err(error)
    }

    /// Does `work`, which changes a job.
    async fn act<T>(&self, work: impl Future<Output = Result<T, jobs::Error>>) -> Result<T, Error> {
        let acted = &self.allowance.acted;
        let had_acted = acted.ran();
        // Before it is done: the call may be cut off in the middle.
        acted.set_ran();
        let done = work.await.map_err(error);
        if !had_acted && done.as_ref().is_err_and(|error| !matches!(error, Error::Failed(_))) {
            acted.unset_ran();
        }
        done
    }
}

/// The host on which a job of `backend` is to run, which has these `hosts`, or none: where it is. Whether the one that is named
/// is granted is seen where it is looked for.
fn host_of(named: Option<String>, hosts: &[String], backend: &str) -> Result<String, Error> {
    match (named, hosts) {
        (None, []) => Ok(String::new()),
        (Some(_), []) => Err(Error::Denied(format!(
            "no other host is granted: leave out `host`; `hosts` in [backends.{backend}] would grant some"
        ))),
        (Some(host), _) => Ok(host),
        (None, hosts) => Err(Error::Denied(format!(
            "backend `{backend}` has nothing on this machine: name one of its `hosts` as `host`: {}",
            hosts.join(", ")
        ))),
    }
}

fn known(phase: Phase) -> index::Phase {
    match phase {
        Phase::Queued => index::Phase::Queued,
        Phase::Running => index::Phase::Running,
        Phase::Exited => index::Phase::Exited,
        Phase::Failed => index::Phase::Failed,
        Phase::Cancelled => index::Phase::Cancelled,
        Phase::TimedOut => index::Phase::TimedOut,
        Phase::Interrupted => index::Phase::Interrupted,
        Phase::Unreachable => index::Phase::Unreachable,
    }
}

pub(super) fn error(why: jobs::Error) -> Error {
    let words = why.to_string();
    match why {
        jobs::Error::Index(JobError::Unknown(_)) => Error::NotFound(words),
        jobs::Error::Index(
            JobError::OtherContent { .. } | JobError::Offset { .. } | JobError::Elsewhere(_) | JobError::Queue { .. },
        ) => Error::Conflict(words),
        jobs::Error::Index(JobError::Whole) | jobs::Error::Ended(_) => Error::Refused(words),
        jobs::Error::Index(JobError::Full(_)) => Error::Limited((words, None)),
        jobs::Error::Away { .. } | jobs::Error::Host(_) => Error::Unavailable(words),
        jobs::Error::Index(JobError::Broken(_)) | jobs::Error::Directory { .. } | jobs::Error::Start { .. } => {
            Error::Failed(words)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_names_a_host_where_its_backend_has_several_and_none_where_there_are_none() {
        let hosts = ["linux".to_owned(), "mac".to_owned()];
        let of = |named: Option<&str>, hosts| match host_of(named.map(str::to_owned), hosts, "remote") {
            Ok(host) => host,
            Err(Error::Denied(why)) => {
                assert!(why.contains("`hosts`"), "{why}");
                "denied".to_owned()
            }
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(of(None, &[]), "");
        assert_eq!(of(Some("mac"), &hosts), "mac");
        assert_eq!(of(Some("mac"), &[]), "denied");
        assert_eq!(of(None, &hosts), "denied");
    }
}
