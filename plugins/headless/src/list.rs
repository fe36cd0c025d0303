//! `claude_list_jobs`: runs out of the host's index, without a look into what they printed.

use berth_plugin::jobs::{self, Filter, Job, Phase};
use berth_plugin::{Error, Result, time};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::asked;
use crate::note::{Kind, Note};
use crate::state::{AT_REST, ENDED, ENDS, RunState};
use crate::talk::Talk;

/// Runs that are listed where the caller does not say how many, and at most.
const USUAL: u32 = 50;
const MOST: u32 = 500;
/// Jobs that have ended and were not judged yet, of which a list shows the outcome nevertheless.
const UNJUDGED: u32 = 16;

/// What a caller gives.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    project: Option<String>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    limit: Option<u32>,
}

/// The runs asked for, the newest first.
pub(crate) fn list(asked: &Asked) -> Result<Value> {
    let state = asked.state.as_deref().map(known).transpose()?;
    let limit = match asked.limit {
        None => USUAL,
        Some(limit) if (1..=MOST).contains(&limit) => limit,
        Some(_) => return Err(Error::Invalid(format!("`limit` must be from 1 to {MOST}"))),
    };
    let listed = recent(asked.project.as_deref(), state.as_slice(), limit)?.runs;
    let rows = listed
        .iter()
        .map(|(job, note, state)| (job.queued_at, row(job, note, *state)));
    let mut rows: Vec<(u64, Map<String, Value>)> = rows.collect();
    for (id, sent) in asked::all()? {
        let its = sent.state(&id)?;
        if asked.project.as_ref().is_none_or(|project| *project == sent.project)
            && state.is_none_or(|state| state == its)
        {
            rows.push((sent.at, sent.row(&id, its)));
        }
    }
    rows.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let rows: Vec<_> = rows.into_iter().map(|(_, row)| row).collect();
    Ok(json!({"jobs": rows}))
}

/// A job of a run, its note, and the state of the run.
pub(crate) type Run = (Job, Note, RunState);

/// Some runs, the newest first, and the last job of those that have ended, if there may be older ones.
#[derive(Default)]
pub(crate) struct Part {
    pub(crate) runs: Vec<Run>,
    pub(crate) last: Option<String>,
}

/// The newest runs in one of `states` (none: in any), those of one project if one is named.
pub(crate) fn recent(project: Option<&str>, states: &[RunState], limit: u32) -> Result<Part> {
    let mut found = Vec::new();
    let phases = [(RunState::Queued, Phase::Queued), (RunState::Running, Phase::Running)];
    let phases = phases.into_iter().filter(|(state, _)| is_asked(states, *state));
    let phases: Vec<Phase> = phases.map(|(_, phase)| phase).collect();
    if !phases.is_empty() {
        found.extend(jobs::recent(&filter(project, &phases, &[""], limit))?);
    }
    if RunState::ALL
        .iter()
        .any(|state| state.is_end() && is_asked(states, *state))
    {
        found.extend(jobs::recent(&filter(project, &ENDS, &[""], UNJUDGED))?);
    }
    let (ended, last) = judged(project, states, None, limit)?;
    found.extend(ended);
    found.sort_by_key(|job| std::cmp::Reverse(job.queued_at));
    // One that ended between two questions is there twice.
    let mut ids = std::collections::BTreeSet::new();
    found.retain(|job| ids.insert(job.id.clone()));
    let mut runs = runs(found);
    runs.retain(|(_, _, state)| is_asked(states, *state));
    Ok(Part { runs, last })
}

/// The newest of those that have ended, past the job `after`.
pub(crate) fn older(states: &[RunState], after: &str, limit: u32) -> Result<Part> {
    let (ended, last) = judged(None, states, Some(after), limit)?;
    Ok(Part {
        runs: runs(ended),
        last,
    })
}

/// Those of which it is known how they ended, and the last one if there may be more.
fn judged(
    project: Option<&str>,
    states: &[RunState],
    after: Option<&str>,
    limit: u32,
) -> Result<(Vec<Job>, Option<String>)> {
    let ends = RunState::ALL.into_iter();
    let ends = ends.filter(|state| state.is_end() && is_asked(states, *state));
    let labels: Vec<_> = ends.map(RunState::name).collect();
    if labels.is_empty() {
        return Ok((Vec::new(), None));
    }
    let found = jobs::recent(&Filter {
        after: after.map(str::to_owned),
        ..filter(project, &[], &labels, limit)
    })?;
    let is_full = u32::try_from(found.len()).unwrap_or(u32::MAX) >= limit;
    let last = found.last().filter(|_| is_full).map(|job| job.id.clone());
    Ok((found, last))
}

fn filter(project: Option<&str>, phases: &[Phase], labels: &[&str], limit: u32) -> Filter {
    Filter {
        queue: project.map(str::to_owned),
        phases: phases.to_vec(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        after: None,
        limit,
    }
}

fn is_asked(states: &[RunState], state: RunState) -> bool {
    states.is_empty() || states.contains(&state)
}

fn runs(jobs: Vec<Job>) -> Vec<Run> {
    let runs = jobs.into_iter().filter_map(|job| {
        let note = Note::of(&job).ok().filter(|note| note.kind != Kind::Conversation)?;
        let state = state(&job);
        Some((job, note, state))
    });
    runs.collect()
}

/// The ids of conversations that persons lead, those that worked last first: all that have a process, and at most `limit`
/// others.
pub(crate) fn talks(limit: u32) -> Result<Vec<String>> {
    let is_led = |id: &String| Talk::find(id).is_ok_and(|talk| talk.is_none_or(|talk| talk.run.is_none()));
    let mut ids = Talk::all_alive()?;
    ids.retain(is_led);
    let resting = jobs::recent(&Filter {
        labels: vec![AT_REST.to_owned(), ENDED.to_owned()],
        ..Filter::newest(limit)
    })?;
    for job in resting {
        if let Ok(note) = Note::of(&job)
            && !ids.contains(&note.conversation)
        {
            ids.push(note.conversation);
        }
    }
    Ok(ids)
}

/// The state of a run by what the index says of its job. One that ended by itself and was not judged yet is told as what
/// its status makes likely.
pub(crate) fn state(job: &Job) -> RunState {
    if let Some(judged) = RunState::named(&job.label) {
        return judged;
    }
    match job.phase {
        Phase::Queued => RunState::Queued,
        Phase::Running | Phase::Unreachable => RunState::Running,
        Phase::Exited if job.status == Some(0) && Note::of(job).is_ok_and(|note| note.is_step()) => RunState::Running,
        Phase::Exited if job.status == Some(0) => RunState::Done,
        Phase::Exited | Phase::Failed | Phase::TimedOut => RunState::Failed,
        Phase::Cancelled => RunState::Cancelled,
        Phase::Interrupted => RunState::Interrupted,
    }
}

/// A run in a list.
pub(crate) fn row(job: &Job, note: &Note, state: RunState) -> Map<String, Value> {
    let first = note.build.as_ref().and_then(|plan| plan.run.as_ref());
    let (queued_at, started_at) = match first {
        Some(first) => (first.queued_at, first.started_at),
        None => (job.queued_at, job.started_at),
    };
    let row = json!({
        "jobId": note.run(job),
        "kind": note.kind,
        "project": note.project,
        "state": state.name(),
        "enqueuedAt": time::iso(queued_at),
        "startedAt": started_at.map(time::iso),
        "finishedAt": job.finished_at.map(time::iso),
        "sessionId": note.conversation,
        "task": note.task,
        "branch": note.build.as_ref().map(|plan| plan.branch.name()),
    });
    let fields = row.as_object().cloned().unwrap_or_default();
    fields.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

fn known(state: &str) -> Result<RunState> {
    RunState::named(state).ok_or_else(|| {
        let names: Vec<_> = RunState::ALL.into_iter().map(RunState::name).collect();
        Error::Invalid(format!("`state` {state:?} must be one of {}", names.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::fake::{FIRST, call, end, host, result, run, upkeep};

    fn listed(asked: Value) -> Vec<String> {
        let told = call(900, "claude_list_jobs", asked).unwrap();
        let jobs = told["jobs"].as_array().unwrap().iter();
        jobs.map(|job| format!("{} {}", job["jobId"].as_str().unwrap(), job["state"].as_str().unwrap()))
            .collect()
    }

    #[test]
    fn runs_are_listed_by_state_and_project_the_newest_first_judged_or_not() {
        let host = host();
        let ids: Vec<String> = (1..=4).map(|number| run(number, json!({}))).collect();
        run(5, json!({"project": "web"}));
        end(&host, &ids[0], &result(FIRST, json!({})), 0);
        end(&host, &ids[1], "", 1);
        host.start_job(&ids[2]);
        for _ in 0..2 {
            assert_eq!(
                listed(json!({"project": "app"})),
                ["job-4 queued", "job-3 running", "job-2 failed", "job-1 done"]
            );
            assert_eq!(listed(json!({"state": "failed"})), ["job-2 failed"]);
            assert_eq!(listed(json!({"state": "queued"})), ["job-5 queued", "job-4 queued"]);
            assert_eq!(listed(json!({"limit": 1})), ["job-5 queued"]);
            upkeep();
        }
        for asked in [json!({"state": "lost"}), json!({"limit": 0}), json!({"limit": 501})] {
            assert!(matches!(call(901, "claude_list_jobs", asked), Err(Error::Invalid(_))));
        }
    }

    #[test]
    fn a_step_of_a_run_and_a_note_that_cannot_be_read_are_not_listed() {
        let host = host();
        let id = run(1, json!({}));
        end(&host, &id, "", 0);
        jobs::set_label(&id, crate::state::STAGE).unwrap();
        let other = jobs::Spec::new("x", "app", berth_plugin::Command::new("agent", [""; 0]));
        let other = jobs::submit(other).unwrap();
        end(&host, &other, "", 0);
        assert_eq!(listed(json!({})), [""; 0]);
        upkeep();
        assert_eq!(
            jobs::get(&other).unwrap().label,
            crate::state::STAGE,
            "it is not looked at again and again"
        );
    }
}
