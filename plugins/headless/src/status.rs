//! `claude_job_status`: everything that is known of one run.

use berth_agents::headless::{self, Progress};
use berth_plugin::jobs::{self, Channel, Job};
use berth_plugin::{Error, Result, time};
use serde_json::{Map, Value, json};

use crate::build;
use crate::built::Made;
use crate::conversation::Conversation;
use crate::judge::{Verdict, judge};
use crate::list;
use crate::note::Note;
use crate::output::{self, PROGRESS};
use crate::setup::Setup;
use crate::state::{RunState, has_ended};

/// A run as it is now.
pub(crate) struct Seen {
    pub(crate) job: Job,
    pub(crate) note: Note,
    pub(crate) state: RunState,
    /// What it does, while it runs.
    pub(crate) progress: Option<Progress>,
    /// How it ended.
    pub(crate) verdict: Option<Verdict>,
    /// The answer, or as much as it said so far.
    pub(crate) said: String,
    /// What came of a build.
    pub(crate) made: Option<Made>,
}

/// The run with this id.
///
/// # Errors
/// `NotFound` if there is none.
pub(crate) fn find(id: &str) -> Result<Seen> {
    let job = jobs::get(id).map_err(|error| match error {
        Error::NotFound(_) => Error::NotFound(format!(
            "there is no job {id:?} here, or it ended long ago and was removed: claude_list_jobs shows those there are"
        )),
        error => error,
    })?;
    look(job)
}

/// What is known of the run with this job, which is whole as `get` answers it.
pub(crate) fn look(job: Job) -> Result<Seen> {
    let (job, note) = newest(job)?;
    let mut seen = Seen {
        state: list::state(&job),
        note,
        progress: None,
        verdict: None,
        said: String::new(),
        made: None,
        job,
    };
    if seen.note.is_step() {
        let kept = Conversation::find(&seen.note.conversation).ok().flatten();
        let kept = kept.and_then(|kept| kept.verdict(&seen.job.id).cloned());
        seen.verdict = kept.or_else(|| build::step(&seen.job));
        seen.state = seen.verdict.as_ref().map_or(seen.state, |verdict| verdict.state);
    } else if has_ended(seen.job.phase) {
        let (verdict, said) = judge(&seen.job, &seen.note)?;
        // What was kept was read when all of it was there.
        let kept = Conversation::find(&seen.note.conversation)
            .ok()
            .flatten()
            .unwrap_or_default();
        let run = seen.note.run(&seen.job);
        let verdict = kept.verdict(run).cloned().unwrap_or(verdict);
        seen.made = kept.made(run).cloned();
        // A build has not ended before it is known what came of it.
        seen.state = match seen.note.build.is_some() && seen.made.is_none() {
            true => RunState::Running,
            false => verdict.state,
        };
        seen.said = if said.is_empty() { verdict.said.clone() } else { said };
        seen.verdict = Some(verdict);
    } else if seen.job.started_at.is_some() {
        let printed = output::end(&seen.job, Channel::Output, PROGRESS)?;
        let progress = headless::progress(&seen.note.conversation, printed.start, &printed.bytes);
        seen.said.clone_from(&progress.said);
        seen.progress = Some(progress);
    }
    Ok(seen)
}

/// The job in which a run goes on, if it does, and its note.
fn newest(job: Job) -> Result<(Job, Note)> {
    let note = Note::of(&job)?;
    if !note.is_step() {
        return Ok((job, note));
    }
    let kept = Conversation::find(&note.conversation)?.unwrap_or_default();
    match kept.next(&job.id) {
        Some(next) => {
            let job = jobs::get(next)?;
            let note = Note::of(&job)?;
            Ok((job, note))
        }
        None => Ok((job, note)),
    }
}

impl Seen {
    /// Since when it has not shown a sign of life, if that is longer than the operator's patience.
    pub(crate) fn silent_since(&self, setup: &Setup) -> Option<u64> {
        let progress = self.progress.as_ref()?;
        let last = progress.at.or(self.job.started_at)?;
        let patience = u64::try_from(setup.settings.silence.as_millis()).unwrap_or(u64::MAX);
        // A limit says itself when it ends.
        let is_silent = progress.waits_for.is_none() && time::now().saturating_sub(last) > patience;
        is_silent.then_some(last)
    }

    /// The status as its callers know it. What is not known is left out.
    pub(crate) fn status(&self, setup: &Setup) -> Map<String, Value> {
        let mut status = list::row(&self.job, &self.note, self.state);
        let mut put = |key: &str, value: Value| {
            if !value.is_null() {
                status.insert(key.to_owned(), value);
            }
        };
        put("output", json!(output::last_part(&self.output())));
        if let Some(made) = &self.made {
            put("commitSha", json!(made.sha));
            put("reference", json!(made.reference));
            put("commits", json!(made.commits));
            put(
                "diffstat",
                json!({"files": made.changed, "added": made.added, "removed": made.removed, "first": made.files}),
            );
            put("leftovers", json!(made.leftovers));
            put("tests", json!(made.tests));
        }
        if let Some(plan) = &self.note.build {
            put("baseCommit", json!(plan.base));
        }
        put("agent", json!(self.note.agent));
        put(
            "limits",
            json!({"turns": setup.settings.turns, "budget_usd": setup.settings.budget_usd, "timeout_ms": self.note.timeout_ms}),
        );
        put("projectSettings", json!(self.note.trusted));
        if !self.note.left_out.is_empty() {
            put("toolsLeftOut", json!(self.note.left_out));
        }
        if let Some(progress) = &self.progress {
            put("turns", json!(progress.turns));
            put("lastTool", json!(progress.tool));
            put("waitsFor", json!(progress.waits_for));
            put("waitsUntil", json!(progress.waits_until.map(time::iso)));
            put("silentSince", json!(self.silent_since(setup).map(time::iso)));
            if !progress.denied.is_empty() {
                put("denied", json!(progress.denied));
            }
        }
        if let Some(verdict) = &self.verdict {
            put("error", json!(verdict.error));
            put("turns", json!(verdict.turns));
            put("cost_usd", json!(verdict.cost));
            put("limitedUntil", json!(verdict.limited_until.map(time::iso)));
            if !verdict.denied.is_empty() {
                put("denied", json!(verdict.denied));
            }
        }
        let notes = self.notes();
        if !notes.is_empty() {
            put("note", json!(notes.join(" ")));
        }
        status
    }

    /// What it said, with git's word on what a build has committed.
    pub(crate) fn output(&self) -> String {
        match &self.note.build {
            Some(_) => build::output(&self.said, self.made.as_ref().and_then(|made| made.sha.as_ref())),
            None => self.said.clone(),
        }
    }

    /// What a person should know of it, in sentences.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = start_notes(&self.note);
        notes.extend(self.made.iter().flat_map(|made| made.problems.iter().cloned()));
        if self
            .verdict
            .as_ref()
            .is_some_and(|verdict| verdict.state == RunState::Done && !verdict.denied.is_empty())
        {
            notes.push("Some of what it wanted to do was denied: see `denied`.".to_owned());
        }
        notes
    }
}

/// What a person should know of a run when it is submitted, in sentences.
pub(crate) fn start_notes(note: &Note) -> Vec<String> {
    let mut notes = Vec::new();
    if !note.trusted {
        notes.push(format!(
            "The project's own settings, instructions (CLAUDE.md), hooks and servers do not count: [backends.NAME.settings.projects.{}] with trusted \
             = true would let them.",
            note.project
        ));
    }
    if !note.left_out.is_empty() {
        notes.push(format!(
            "Not allowed by the operator, and left out: {}.",
            note.left_out.join(", ")
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::jobs::Phase;
    use serde_json::json;

    use super::*;
    use crate::fake::{FIRST, call, end, host, result, run, status, upkeep};

    fn said(text: &str, at: &str) -> String {
        let message = json!({"id": "m", "content": [{"type": "text", "text": text}, {"type": "tool_use", "name": "Bash", "input": {"command": "make"}}]});
        format!(
            "{}\n",
            json!({"type": "assistant", "session_id": FIRST, "message": message, "timestamp": at})
        )
    }

    #[test]
    fn a_run_goes_from_queued_to_done_and_its_answer_is_its_output() {
        let host = host();
        let id = run(1, json!({}));
        let queued = status(&id);
        assert_eq!(
            (&queued["state"], &queued["kind"], &queued["project"]),
            (&json!("queued"), &json!("run"), &json!("app"))
        );
        assert!(queued["enqueuedAt"].as_str().unwrap().ends_with('Z') && queued.get("startedAt").is_none());
        host.start_job(&id)
            .print_job(&id, Channel::Output, said("I begin", "2026-11-26T21:11:25.381Z"));
        let running = status(&id);
        assert_eq!(
            (&running["state"], &running["output"]),
            (&json!("running"), &json!("I begin"))
        );
        assert_eq!(
            (&running["turns"], &running["lastTool"]),
            (&json!(1), &json!("Bash: make"))
        );
        host.print_job(&id, Channel::Output, result(FIRST, json!({})))
            .end_job(&id, Phase::Exited, Some(0));
        for _ in 0..2 {
            let done = status(&id);
            assert_eq!(
                (&done["state"], &done["output"]),
                (&json!("done"), &json!("it is done"))
            );
            assert_eq!((&done["turns"], &done["cost_usd"]), (&json!(2), &json!(0.5)));
            assert_eq!(done.get("error"), None);
            upkeep();
        }
        assert_eq!(jobs::get(&id).unwrap().label, "done");
    }

    #[test]
    fn each_end_has_its_state_and_its_reason_before_and_after_it_is_judged() {
        let host = host();
        for (number, phase, state, words) in [
            (1, Phase::Exited, "failed", "printed nothing"),
            (2, Phase::Failed, "failed", "could not be started"),
            (3, Phase::TimedOut, "failed", "longer than the 1800 s"),
            (4, Phase::Cancelled, "cancelled", "cancelled"),
            (5, Phase::Interrupted, "interrupted", "ended"),
        ] {
            let id = run(number, json!({}));
            host.start_job(&id).end_job(&id, phase, Some(1));
            for _ in 0..2 {
                let told = status(&id);
                assert_eq!(told["state"], state, "{told}");
                assert!(told["error"].as_str().unwrap().contains(words), "{told}");
                upkeep();
            }
        }
    }

    #[test]
    fn the_last_50_kb_of_a_long_answer_are_there_and_a_denial_is_named() {
        let host = host();
        let id = run(1, json!({}));
        let long = format!("{}end", "ä".repeat(60_000));
        let denied = json!([{"tool_name": "Bash", "tool_input": {"command": "rm x"}}]);
        end(
            &host,
            &id,
            &result(FIRST, json!({"result": long, "permission_denials": denied})),
            0,
        );
        let told = status(&id);
        let output = told["output"].as_str().unwrap();
        assert!(output.len() <= 51_200 && output.len() > 51_000 && output.ends_with("ääend"));
        assert_eq!(
            (&told["state"], &told["denied"]),
            (&json!("done"), &json!(["Bash (rm x)"]))
        );
        assert!(told["note"].as_str().unwrap().contains("denied"), "{told}");
    }

    #[test]
    fn output_that_went_before_it_was_read_is_a_failure_and_what_was_read_is_kept() {
        let host = host();
        let (lost, read) = (run(1, json!({})), run(2, json!({})));
        for id in [&lost, &read] {
            let conversation = status(id)["sessionId"].as_str().unwrap().to_owned();
            end(&host, id, &result(&conversation, json!({})), 0);
        }
        host.forget_output(&lost, Channel::Output, 10_000);
        upkeep();
        let told = status(&lost);
        assert_eq!(told["state"], "failed");
        assert!(told["error"].as_str().unwrap().contains("removed before"), "{told}");
        host.forget_output(&read, Channel::Output, 10_000);
        let told = status(&read);
        assert_eq!(
            (&told["state"], &told["output"]),
            (&json!("done"), &json!("it is done"))
        );
    }

    #[test]
    fn a_result_counts_as_an_answer_only_where_the_agent_ended_by_itself() {
        let host = host();
        let ends = [Phase::Cancelled, Phase::TimedOut, Phase::Interrupted];
        for (number, phase) in (1..).zip(ends) {
            let id = run(number, json!({}));
            let conversation = status(&id)["sessionId"].as_str().unwrap().to_owned();
            let forged = result(&conversation, json!({"result": "all is well"}));
            host.start_job(&id)
                .print_job(&id, Channel::Output, forged)
                .end_job(&id, phase, None);
            for _ in 0..2 {
                let told = status(&id);
                assert!(!told.to_string().contains("all is well"), "{told}");
                upkeep();
            }
        }
    }

    #[test]
    fn a_job_whose_output_cannot_be_read_is_settled_and_keeps_no_other_from_that() {
        let host = host();
        let (whole, lost) = (run(1, json!({})), run(2, json!({})));
        for id in [&whole, &lost] {
            let conversation = status(id)["sessionId"].as_str().unwrap().to_owned();
            end(&host, id, &result(&conversation, json!({})), 0);
        }
        host.lose_output(&lost);
        upkeep();
        let label = |id: &str| jobs::get(id).unwrap().label;
        assert_eq!((label(&whole).as_str(), label(&lost).as_str()), ("done", "interrupted"));
        let told = status(&lost);
        assert!(told["error"].as_str().unwrap().contains("cannot be read"), "{told}");
    }

    #[test]
    fn an_unknown_job_is_told_as_that() {
        let _host = host();
        for id in ["", "none", "../x"] {
            let error = call(1, "claude_job_status", json!({"jobId": id})).unwrap_err();
            assert!(matches!(error, Error::NotFound(_)), "{id:?}");
        }
    }

    #[test]
    fn a_run_that_shows_no_sign_of_life_says_since_when() {
        let host = host();
        let id = run(1, json!({}));
        host.start_job(&id)
            .print_job(&id, Channel::Output, said("I begin", "2020-01-01T00:00:00.000Z"));
        assert_eq!(status(&id)["silentSince"], "2020-01-01T00:00:00.000Z");
        host.print_job(&id, Channel::Output, said("I go on", &time::iso(time::now())));
        assert_eq!(status(&id).get("silentSince"), None);
    }

    #[test]
    fn a_cost_is_of_the_whole_conversation_and_never_added_up() {
        let host = host();
        for (number, cost) in [(1, 0.5), (2, 0.75)] {
            let id = run(
                number,
                if number == 1 {
                    json!({})
                } else {
                    json!({"sessionId": FIRST})
                },
            );
            end(&host, &id, &result(FIRST, json!({"total_cost_usd": cost})), 0);
            upkeep();
            upkeep();
        }
        let kept = Conversation::find(FIRST).unwrap().unwrap();
        assert_eq!((kept.turns, kept.cost, kept.runs.len()), (4, 0.75, 2));
    }
}
