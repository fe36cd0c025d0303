//! `claude_job_status`: everything that is known of one run, as callers know it.

use berth_plugin::time;
use serde_json::{Map, Value, json};

use crate::kept::note::Note;
use crate::kept::state::RunState;
use crate::read::output;
use crate::read::run::Seen;
use crate::setup::Setup;
use crate::shown::{commit, list};

/// The status as its callers know it. What is not known is left out.
pub(crate) fn status(seen: &Seen, setup: &Setup) -> Map<String, Value> {
    let mut status = list::row(&seen.job, &seen.note, seen.state);
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            status.insert(key.to_owned(), value);
        }
    };
    put("output", json!(output::last_part(&said(seen))));
    if let Some(made) = &seen.made {
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
    if let Some(plan) = &seen.note.build {
        put("baseCommit", json!(plan.base));
    }
    put("agent", json!(seen.note.agent));
    put(
        "limits",
        json!({"turns": setup.settings.turns, "budget_usd": setup.settings.budget_usd, "timeout_ms": seen.note.timeout_ms}),
    );
    put("projectSettings", json!(seen.note.trusted));
    if !seen.note.left_out.is_empty() {
        put("toolsLeftOut", json!(seen.note.left_out));
    }
    if let Some(progress) = &seen.progress {
        put("turns", json!(progress.turns));
        put("lastTool", json!(progress.tool));
        put("waitsFor", json!(progress.waits_for));
        put("waitsUntil", json!(progress.waits_until.map(time::iso)));
        put("silentSince", json!(seen.silent_since(setup).map(time::iso)));
        if !progress.denied.is_empty() {
            put("denied", json!(progress.denied));
        }
    }
    if let Some(verdict) = &seen.verdict {
        put("error", json!(verdict.error));
        put("turns", json!(verdict.turns));
        put("cost_usd", json!(verdict.cost));
        put("limitedUntil", json!(verdict.limited_until.map(time::iso)));
        if !verdict.denied.is_empty() {
            put("denied", json!(verdict.denied));
        }
    }
    let notes = notes(seen);
    if !notes.is_empty() {
        put("note", json!(notes.join(" ")));
    }
    status
}

/// What it said, with git's word on what a build has committed.
fn said(seen: &Seen) -> String {
    match &seen.note.build {
        Some(_) => commit::with(&seen.said, seen.made.as_ref().and_then(|made| made.sha.as_ref())),
        None => seen.said.clone(),
    }
}

/// What a person should know of it, in sentences.
pub(crate) fn notes(seen: &Seen) -> Vec<String> {
    let mut notes = start_notes(&seen.note);
    notes.extend(seen.made.iter().flat_map(|made| made.problems.iter().cloned()));
    if seen
        .verdict
        .as_ref()
        .is_some_and(|verdict| verdict.state == RunState::Done && !verdict.denied.is_empty())
    {
        notes.push("Some of what it wanted to do was denied: see `denied`.".to_owned());
    }
    notes
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
    use berth_plugin::Error;
    use berth_plugin::jobs::{self, Channel, Phase};
    use serde_json::json;

    use super::*;
    use crate::fake::{FIRST, call, end, host, result, run, status, upkeep};
    use crate::kept::conversation::Conversation;

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
