//! `claude_list_jobs`: runs, the newest first, as callers know them.

use berth_plugin::jobs::Job;
use berth_plugin::{Error, Result, time};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::kept::asked as requests;
use crate::kept::note::Note;
use crate::kept::state::RunState;
use crate::read;
use crate::read::index;
use crate::shown::asked;

/// Runs that are listed where the caller does not say how many, and at most.
const USUAL: u32 = 50;
const MOST: u32 = 500;

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
pub(crate) fn list(query: &Asked) -> Result<Value> {
    let state = query.state.as_deref().map(known).transpose()?;
    let limit = match query.limit {
        None => USUAL,
        Some(limit) if (1..=MOST).contains(&limit) => limit,
        Some(_) => return Err(Error::Invalid(format!("`limit` must be from 1 to {MOST}"))),
    };
    let listed = index::recent(query.project.as_deref(), state.as_slice(), limit)?.runs;
    let rows = listed
        .iter()
        .map(|(job, note, state)| (job.queued_at, row(job, note, *state)));
    let mut rows: Vec<(u64, Map<String, Value>)> = rows.collect();
    for (id, sent) in requests::all()? {
        let its = read::asked::state(&sent, &id)?;
        if query.project.as_ref().is_none_or(|project| *project == sent.project)
            && state.is_none_or(|state| state == its)
        {
            rows.push((sent.at, asked::row(&sent, &id, its)));
        }
    }
    rows.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let rows: Vec<_> = rows.into_iter().map(|(_, row)| row).collect();
    Ok(json!({"jobs": rows}))
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
    use berth_plugin::jobs;

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
        jobs::set_label(&id, crate::kept::state::STAGE).unwrap();
        let other = jobs::Spec::new("x", "app", berth_plugin::Command::new("agent", [""; 0]));
        let other = jobs::submit(other).unwrap();
        end(&host, &other, "", 0);
        assert_eq!(listed(json!({})), [""; 0]);
        upkeep();
        assert_eq!(
            jobs::get(&other).unwrap().label,
            crate::kept::state::STAGE,
            "it is not looked at again and again"
        );
    }
}
