//! The jobs that the data directory knows, as a person names and reads them.

use std::path::PathBuf;

use anyhow::bail;
use berth::assemble::Setup;
use berth::jobs::{AllJobs, Jobs};
use berth::peer::Seen;
use berth::store::DataDirectory;
use berth::store::jobs::{Filter, JobRecord, Phase};
use serde_json::{Value, json};

use super::reached::Reached;
use super::time::shown;
use crate::cli::print;

/// What a job can be, beside what its backend says of it.
const PHASES: [Phase; 8] = [
    Phase::Queued,
    Phase::Running,
    Phase::Unreachable,
    Phase::Exited,
    Phase::Failed,
    Phase::Cancelled,
    Phase::TimedOut,
    Phase::Interrupted,
];

/// The label of a job that is a step of a run, which goes on in another job.
const STEP: &str = "stage";
/// Newer jobs of a queue among which that other one is looked for, and of those that run, the ones that can be asked.
const LATER: u32 = 1_000;

/// The jobs of the backends that have some.
pub(super) struct All {
    opened: Vec<(String, Jobs)>,
    /// By which the berth that runs is asked.
    socket: PathBuf,
    /// The job in which this process runs. If there is one, it sees only that.
    own: Option<String>,
}

impl All {
    /// Those of every backend, or of the one that is named.
    pub(super) fn open(setup: &Setup, backend: Option<&str>) -> anyhow::Result<Self> {
        let data = DataDirectory::open(&setup.server.data, &setup.server.cache)?;
        let all = AllJobs::unattended(data.clone());
        let mut names = data.backends_with_jobs();
        names.retain(|name| backend.is_none_or(|wanted| wanted == name));
        let opened = names.into_iter().map(|name| Ok((name.clone(), all.of(&name)?)));
        Ok(Self {
            opened: opened.collect::<anyhow::Result<_>>()?,
            socket: data.socket_path(),
            own: all
                .lineage(&Seen::of_this_process())
                .and_then(|lineage| Some(lineage.job()?.1.to_owned())),
        })
    }

    /// The newest, at most `limit`; with `state` those in this phase, or of which their backend says this. Without it,
    /// steps of runs that go on in other jobs are left out.
    pub(super) async fn newest(&self, state: Option<&str>, limit: u32) -> anyhow::Result<Vec<Known>> {
        let mut records = Vec::new();
        for (backend, jobs) in &self.opened {
            for filter in filters(state, limit) {
                records.extend(jobs.recent(filter).await?.into_iter().map(|record| (backend, record)));
            }
        }
        records.retain(|(_, record)| self.may_see(&record.id));
        let reached = Reached::of(&self.socket, records.iter().map(|(_, record)| record)).await;
        let told = records.into_iter();
        let told = told.map(|(backend, record)| Known::new(backend, reached.told(backend, record)));
        let mut found: Vec<Known> = told.collect();
        found.retain(|known| state.map_or(known.state() != STEP, |state| known.state() == state));
        found.sort_by(|a, b| (b.record.queued_at, &b.record.id).cmp(&(a.record.queued_at, &a.record.id)));
        found.dedup_by(|a, b| a.record.id == b.record.id);
        found.truncate(limit as usize);
        Ok(found)
    }

    /// The job called `name`: its id, or the beginning of one that only it has, also as `BACKEND/ID`. If it is a step of a
    /// run, the job in which that goes on.
    pub(super) async fn find(&self, name: &str) -> anyhow::Result<(&Jobs, Known)> {
        let (wanted, beginning) = match name.rsplit_once('/') {
            Some((backend, id)) => (Some(backend), id),
            None => (None, name),
        };
        let mut found = Vec::new();
        for (backend, jobs) in &self.opened {
            if wanted.is_none_or(|wanted| wanted == backend) {
                let ids = jobs.beginning_with(beginning).await?;
                let seen = ids.into_iter().filter(|id| self.may_see(id));
                found.extend(seen.map(|id| (backend, jobs, id)));
            }
        }
        match &found[..] {
            [] => bail!("there is no job `{}`; berth jobs lists them", print::safe(name)),
            [(backend, jobs, id)] => {
                let known = Known::new(backend, jobs.get(id).await?);
                let known = later(jobs, known).await?;
                Ok((jobs, self.as_known(known.backend, known.record).await))
            }
            [(_, _, first), (_, _, second), ..] => bail!(
                "several jobs begin with `{}`, such as {first} and {second}; write more of the id",
                print::safe(name)
            ),
        }
    }

    /// The job of `known` as it is now.
    pub(super) async fn again(&self, jobs: &Jobs, known: Known) -> anyhow::Result<Known> {
        let record = jobs.get(&known.record.id).await?;
        Ok(self.as_known(known.backend, record).await)
    }

    async fn as_known(&self, backend: String, record: JobRecord) -> Known {
        let reached = Reached::of(&self.socket, std::iter::once(&record)).await;
        let told = reached.told(&backend, record);
        Known::new(&backend, told)
    }

    fn may_see(&self, id: &str) -> bool {
        self.own.as_ref().is_none_or(|own| own == id)
    }
}

/// The job in which the run of a step goes on, if there is one already.
async fn later(jobs: &Jobs, known: Known) -> anyhow::Result<Known> {
    if known.state() != STEP {
        return Ok(known);
    }
    let newest = Filter {
        queue: Some(known.record.queue.clone()),
        limit: LATER,
        ..Filter::default()
    };
    let newer = jobs.recent(newest).await?.into_iter();
    let mut newer = newer.map(|record| Known::new(&known.backend, record));
    match newer.find(|newer| newer.noted("/build/run/id") == Some(&*known.record.id)) {
        // Its lengths too, which a list does not have.
        Some(found) => Ok(Known::new(&known.backend, jobs.get(&found.record.id).await?)),
        None => Ok(known),
    }
}

/// A state is a phase, or what a backend says of a job that has ended.
fn filters(state: Option<&str>, limit: u32) -> Vec<Filter> {
    let all = Filter {
        limit,
        ..Filter::default()
    };
    let Some(state) = state else {
        return vec![all];
    };
    let phase = PHASES.into_iter().find(|phase| phase.name() == state);
    let of_phase = phase.map(|phase| match phase {
        // Which of the two it is, is asked below.
        Phase::Running | Phase::Unreachable => Filter {
            phases: vec![Phase::Running],
            limit: LATER.max(limit),
            ..all.clone()
        },
        phase => Filter {
            phases: vec![phase],
            ..all.clone()
        },
    });
    let of_label = Filter {
        labels: vec![state.to_owned()],
        ..all
    };
    of_phase.into_iter().chain([of_label]).collect()
}

/// One job.
pub(super) struct Known {
    pub(super) backend: String,
    pub(super) record: JobRecord,
    /// What its backend noted, if that is an object of JSON; null otherwise.
    note: Value,
}

impl Known {
    pub(super) fn new(backend: &str, record: JobRecord) -> Self {
        let note = serde_json::from_str(&record.note).ok().filter(Value::is_object);
        let note = note.unwrap_or_default();
        Self {
            backend: backend.to_owned(),
            record,
            note,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.record.phase.is_end()
    }

    pub(super) fn runs(&self) -> bool {
        self.record.phase == Phase::Running
    }

    /// Why it is not known now how it stands, if it is not.
    pub(super) fn unreached(&self) -> Option<&str> {
        let reason = self.record.reason.as_deref();
        reason.filter(|_| self.record.phase == Phase::Unreachable)
    }

    /// What its backend says of it once it has ended, and its phase before.
    pub(super) fn state(&self) -> &str {
        match self.has_ended() && !self.record.label.is_empty() {
            true => &self.record.label,
            false => self.record.phase.name(),
        }
    }

    /// The run that it belongs to, by which callers know it: its own id, or that of the run's first job.
    pub(super) fn id(&self) -> &str {
        self.noted("/build/run/id").unwrap_or(&self.record.id)
    }

    /// The text at this place of its backend's note, such as `/task`.
    pub(super) fn noted(&self, place: &str) -> Option<&str> {
        self.note.pointer(place)?.as_str().filter(|text| !text.is_empty())
    }

    /// The session that it belongs to, where its note names a conversation.
    pub(super) fn session(&self) -> Option<String> {
        let conversation = self.noted("/conversation")?;
        Some(format!("{}/{conversation}", self.backend))
    }

    /// What it is for, in a few words.
    pub(super) fn what(&self) -> String {
        match (self.noted("/kind"), self.noted("/task")) {
            (Some(kind), Some(task)) => format!("{kind}: {task}"),
            (None, Some(text)) | (Some(text), None) => text.to_owned(),
            (None, None) if self.note.is_null() && !self.record.note.is_empty() => self.record.note.clone(),
            (None, None) => self.record.key.clone(),
        }
    }

    /// When it came to be what it is, in milliseconds since 1970.
    pub(super) fn since(&self) -> u64 {
        let record = &self.record;
        record.finished_at.or(record.started_at).unwrap_or(record.queued_at)
    }

    /// Why it ended as it did: words, an exit status or a signal.
    pub(super) fn outcome(&self) -> Option<String> {
        let record = &self.record;
        let status = record.status.map(|status| format!("exit status {status}"));
        let signal = record.signal.map(|signal| format!("signal {signal}"));
        let parts: Vec<String> = [record.reason.clone(), status, signal].into_iter().flatten().collect();
        (self.has_ended() && !parts.is_empty()).then(|| parts.join(", "))
    }

    /// All of it as data.
    pub(super) fn json(&self, progress: Option<&str>) -> Value {
        let record = &self.record;
        let note = match self.note.is_null() {
            true => json!(record.note),
            false => self.note.clone(),
        };
        json!({
            "id": self.id(), "job": record.id, "backend": self.backend, "state": self.state(), "phase": record.phase.name(),
            "last_known": self.unreached().map(|_| Phase::Running.name()), "label": record.label, "queue": record.queue,
            "host": record.host, "note": note, "session_id": self.session(),
            "progress": progress, "reason": record.reason, "status": record.status, "signal": record.signal,
            "queued_at": shown(record.queued_at), "started_at": record.started_at.map(shown),
            "finished_at": record.finished_at.map(shown), "output_bytes": record.output,
            "error_bytes": record.errors, "input_bytes": record.input,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(note: &str, phase: Phase, label: &str) -> Known {
        let record = JobRecord {
            id: "id".into(),
            key: "run/1".into(),
            queue: "app".into(),
            note: note.into(),
            label: label.into(),
            interactive: false,
            watch: false,
            phase,
            reason: None,
            status: Some(3),
            signal: None,
            input: 0,
            output: 0,
            errors: 0,
            queued_at: u64::MAX,
            started_at: None,
            finished_at: None,
            kept: 0,
            host: String::new(),
        };
        Known::new("jobs", record)
    }

    #[test]
    fn a_job_is_what_its_backend_says_once_it_has_ended() {
        for (phase, label, state) in [
            (Phase::Exited, "failed", "failed"),
            (Phase::Exited, "", "exited"),
            (Phase::Running, "done", "running"),
            (Phase::Queued, "", "queued"),
        ] {
            assert_eq!(known("", phase, label).state(), state);
        }
    }

    #[test]
    fn a_note_says_what_a_job_is_for_and_to_which_session_it_belongs() {
        let run = known(
            r#"{"kind":"run","task":"Fix it","conversation":"c","turns":1}"#,
            Phase::Exited,
            "",
        );
        assert_eq!(run.what(), "run: Fix it");
        assert_eq!(run.session().as_deref(), Some("jobs/c"));
        assert_eq!(run.outcome().as_deref(), Some("exit status 3"));
        let build = known(r#"{"kind":"build","build":{"run":{"id":"first"}}}"#, Phase::Running, "");
        assert_eq!((build.id(), run.id()), ("first", "id"));
        for (note, what) in [
            ("words", "words"),
            ("", "run/1"),
            ("{\"kind\":\"build\"}", "build"),
            ("{\"a\":1}", "run/1"),
            ("[1]", "[1]"),
        ] {
            assert_eq!(known(note, Phase::Exited, "").what(), what, "{note}");
        }
    }
}
