//! Jobs that run as a test says, with the rules of the contract.

use super::{Host, lock};
use crate::jobs::{Channel, Chunk, Filter, Job, Phase, Spec};
use crate::{Access, Error, Result, time};

/// The jobs of a host, in the order in which they were submitted.
#[derive(Default)]
pub(super) struct Jobs {
    kept: Vec<Kept>,
}

struct Kept {
    job: Job,
    spec: Spec,
    input: Vec<u8>,
    input_ended: bool,
    outputs: [Printed; 2],
    is_unreadable: bool,
}

/// What was printed, and where what is kept of it begins.
#[derive(Default)]
struct Printed {
    start: u64,
    bytes: Vec<u8>,
}

impl Host {
    /// What was submitted so far.
    #[must_use]
    pub fn submitted(&self) -> Vec<Spec> {
        lock(&self.inside.jobs)
            .kept
            .iter()
            .map(|kept| kept.spec.clone())
            .collect()
    }

    /// Lets a job run.
    ///
    /// # Panics
    ///
    /// If there is none, as all of these.
    pub fn start_job(&self, id: &str) -> &Self {
        self.on_job(id, |kept| {
            kept.job.phase = Phase::Running;
            kept.job.started_at = Some(time::now());
        })
    }

    /// Lets a job print this.
    pub fn print_job(&self, id: &str, channel: Channel, text: impl AsRef<[u8]>) -> &Self {
        self.on_job(id, |kept| kept.outputs[place(channel)].bytes.extend(text.as_ref()))
    }

    /// Forgets what a job printed before the byte `start`.
    pub fn forget_output(&self, id: &str, channel: Channel, start: u64) -> &Self {
        self.on_job(id, |kept| {
            let printed = &mut kept.outputs[place(channel)];
            let gone = usize::try_from(start.saturating_sub(printed.start)).unwrap_or(usize::MAX);
            printed.bytes.drain(..gone.min(printed.bytes.len()));
            printed.start = start;
        })
    }

    /// Lets nothing that a job printed be read any more, as where something else is in the place of its directory.
    pub fn lose_output(&self, id: &str) -> &Self {
        self.on_job(id, |kept| kept.is_unreadable = true)
    }

    /// Lets it be read again.
    pub fn find_output(&self, id: &str) -> &Self {
        self.on_job(id, |kept| kept.is_unreadable = false)
    }

    /// Lets a job end.
    pub fn end_job(&self, id: &str, phase: Phase, status: Option<i32>) -> &Self {
        self.on_job(id, |kept| kept.end(phase, status))
    }

    /// What a job was given as input so far.
    #[must_use]
    pub fn job_input(&self, id: &str) -> Vec<u8> {
        let mut input = Vec::new();
        self.on_job(id, |kept| input.clone_from(&kept.input));
        input
    }

    fn on_job(&self, id: &str, change: impl FnOnce(&mut Kept)) -> &Self {
        match lock(&self.inside.jobs).find(id) {
            Ok(kept) => change(kept),
            Err(error) => panic!("{error}"),
        }
        self
    }
}

impl Jobs {
    pub(super) fn submit(&mut self, spec: Spec, access: Access) -> Result<String> {
        may_act(access)?;
        if let Some(known) = self.kept.iter().find(|kept| kept.spec.key == spec.key) {
            return match known.spec == spec {
                true => Ok(known.job.id.clone()),
                false => Err(Error::Conflict(format!(
                    "`{}` was submitted with other content",
                    spec.key
                ))),
            };
        }
        let id = format!("job-{}", self.kept.len() + 1);
        self.kept.push(Kept {
            job: Job {
                id: id.clone(),
                key: spec.key.clone(),
                host: spec.host.clone(),
                queue: spec.queue.clone(),
                note: spec.note.clone(),
                label: String::new(),
                phase: Phase::Queued,
                reason: None,
                status: None,
                signal: None,
                input_bytes: 0,
                output_bytes: 0,
                error_bytes: 0,
                queued_at: time::now(),
                started_at: None,
                finished_at: None,
                facts: Vec::new(),
            },
            input: spec.command.stdin.clone(),
            input_ended: !spec.interactive,
            outputs: Default::default(),
            is_unreadable: false,
            spec,
        });
        Ok(id)
    }

    pub(super) fn get(&mut self, id: &str) -> Result<Job> {
        self.find(id).map(|kept| kept.now())
    }

    pub(super) fn recent(&self, filter: &Filter) -> Result<Vec<Job>> {
        let before = match &filter.after {
            Some(after) => self
                .kept
                .iter()
                .position(|kept| kept.job.id == *after)
                .ok_or_else(|| missing(after))?,
            None => self.kept.len(),
        };
        let is_asked = |job: &Job| {
            filter.queue.as_ref().is_none_or(|queue| *queue == job.queue)
                && (filter.phases.is_empty() || filter.phases.contains(&job.phase))
                && (filter.labels.is_empty() || filter.labels.contains(&job.label))
        };
        let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX).min(1_000);
        let newest = self.kept[..before].iter().rev().filter(|kept| is_asked(&kept.job));
        Ok(newest.take(limit).map(Kept::now).collect())
    }

    pub(super) fn set_label(&mut self, id: &str, label: &str) -> Result<()> {
        self.find(id).map(|kept| label.clone_into(&mut kept.job.label))
    }

    /// A job that runs ends at once here.
    pub(super) fn cancel(&mut self, id: &str, access: Access) -> Result<()> {
        may_act(access)?;
        let kept = self.find(id)?;
        if !kept.has_ended() {
            kept.end(Phase::Cancelled, None);
        }
        Ok(())
    }

    pub(super) fn read(&mut self, id: &str, channel: Channel, start: u64, max: u32) -> Result<Chunk> {
        let kept = self.find(id)?;
        if kept.is_unreadable {
            return Err(Error::Failed(format!("the directory of job `{id}` cannot be read")));
        }
        let printed = &kept.outputs[place(channel)];
        let from = usize::try_from(start.saturating_sub(printed.start)).unwrap_or(usize::MAX);
        let from = from.min(printed.bytes.len());
        let to = printed
            .bytes
            .len()
            .min(from.saturating_add(usize::try_from(max).unwrap_or(usize::MAX)));
        Ok(Chunk {
            start: printed.start + from as u64,
            bytes: printed.bytes[from..to].to_vec(),
        })
    }

    pub(super) fn write(&mut self, id: &str, bytes: &[u8], expect: Option<u64>, access: Access) -> Result<u64> {
        may_act(access)?;
        let kept = self.find(id)?;
        let found = kept.input.len() as u64;
        if expect.is_some_and(|expect| expect != found) {
            return Err(Error::Conflict(format!("its input has {found} bytes")));
        }
        if kept.input_ended || kept.has_ended() {
            return Err(Error::Refused("its input has ended".to_owned()));
        }
        kept.input.extend(bytes);
        Ok(kept.input.len() as u64)
    }

    pub(super) fn close(&mut self, id: &str, access: Access) -> Result<()> {
        may_act(access)?;
        self.find(id).map(|kept| kept.input_ended = true)
    }

    fn find(&mut self, id: &str) -> Result<&mut Kept> {
        let found = self.kept.iter_mut().find(|kept| kept.job.id == id);
        found.ok_or_else(|| missing(id))
    }
}

impl Kept {
    fn now(&self) -> Job {
        let length = |printed: &Printed| printed.start + printed.bytes.len() as u64;
        Job {
            input_bytes: self.input.len() as u64,
            output_bytes: length(&self.outputs[0]),
            error_bytes: length(&self.outputs[1]),
            ..self.job.clone()
        }
    }

    fn has_ended(&self) -> bool {
        !matches!(self.job.phase, Phase::Queued | Phase::Running)
    }

    fn end(&mut self, phase: Phase, status: Option<i32>) {
        self.job.phase = phase;
        self.job.status = status;
        self.job.finished_at = Some(time::now());
    }
}

fn place(channel: Channel) -> usize {
    match channel {
        Channel::Output => 0,
        Channel::Errors => 1,
    }
}

fn missing(id: &str) -> Error {
    Error::NotFound(format!("there is no job `{id}`"))
}

fn may_act(access: Access) -> Result<()> {
    match access {
        Access::Control => Ok(()),
        Access::Read => Err(Error::Denied(
            "this call may only read, so it may not change a job".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use crate::jobs::{self, Channel, Filter, Phase, Spec};
    use crate::testing::Host;
    use crate::{Command, Error};

    fn spec(key: &str) -> Spec {
        Spec::new(key, "app", Command::new("make", ["all"]))
    }

    #[test]
    fn one_key_is_one_job_and_another_spec_is_a_conflict() {
        let host = Host::new();
        let id = jobs::submit(spec("a")).unwrap();
        assert_eq!(jobs::submit(spec("a")), Ok(id));
        assert!(matches!(jobs::submit(spec("a").note("other")), Err(Error::Conflict(_))));
        assert_eq!(host.submitted(), [spec("a")]);
        host.read_only();
        assert!(matches!(jobs::submit(spec("b")), Err(Error::Denied(_))));
    }

    #[test]
    fn a_job_does_what_the_test_says_and_its_output_has_absolute_offsets() {
        let host = Host::new();
        let id = jobs::submit(spec("a").interactive()).unwrap();
        assert_eq!(jobs::write(&id, b"one", Some(0)), Ok(3));
        assert!(matches!(jobs::write(&id, b"one", Some(0)), Err(Error::Conflict(_))));
        host.start_job(&id).print_job(&id, Channel::Output, "hello world");
        host.forget_output(&id, Channel::Output, 6);
        let chunk = jobs::read(&id, Channel::Output, 0, 3).unwrap();
        assert_eq!((chunk.start, &*chunk.bytes), (6, &b"wor"[..]));
        assert_eq!(jobs::read(&id, Channel::Output, 11, 3).unwrap().bytes, b"");
        jobs::close(&id).unwrap();
        assert!(matches!(jobs::write(&id, b"two", None), Err(Error::Refused(_))));
        host.end_job(&id, Phase::Exited, Some(3));
        let job = jobs::get(&id).unwrap();
        assert_eq!((job.phase, job.status), (Phase::Exited, Some(3)));
        assert_eq!((job.input_bytes, job.output_bytes), (3, 11));
        assert_eq!(host.job_input(&id), b"one");
    }

    #[test]
    fn listings_are_pages_by_label_and_phase() {
        let host = Host::new();
        let ids: Vec<String> = (0..4).map(|n| jobs::submit(spec(&n.to_string())).unwrap()).collect();
        jobs::set_label(&ids[1], "failed").unwrap();
        host.start_job(&ids[3]);
        jobs::cancel(&ids[0]).unwrap();
        let listed = |filter: Filter| -> Vec<String> {
            let jobs = jobs::recent(&filter).unwrap();
            jobs.into_iter().map(|job| job.id).collect()
        };
        assert_eq!(listed(Filter::newest(2)), ["job-4", "job-3"]);
        let after = Filter {
            after: Some("job-3".into()),
            ..Filter::newest(9)
        };
        assert_eq!(listed(after), ["job-2", "job-1"]);
        let failed = Filter {
            labels: vec!["failed".into()],
            ..Filter::newest(9)
        };
        assert_eq!(listed(failed), ["job-2"]);
        let ended = Filter {
            phases: vec![Phase::Cancelled],
            ..Filter::newest(9)
        };
        assert_eq!(listed(ended), ["job-1"]);
    }
}
