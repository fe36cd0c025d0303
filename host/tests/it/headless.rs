//! Runs without a terminal, as users of an earlier tool ask for them: plain HTTP as `curl` sends it, and JSON in the first
//! text of the answer.

use std::fs;

use berth::config::SHIPPED;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use toml::Table;

use crate::berth::{Berth, Place};
use crate::demo::until;
use crate::on_host::is_on_host;

/// The shipped backend of jobs with the demo agent, the projects `app` and `web`, and a door that asks local callers for
/// nothing. `change` changes the backend.
pub(crate) fn place(change: impl FnOnce(&mut Table)) -> Place {
    place_of(|config| change(config["backends"]["jobs"].as_table_mut().unwrap()))
}

/// The same with a change of the whole configuration.
pub(crate) fn place_of(change: impl FnOnce(&mut Table)) -> Place {
    let mut config: Table = SHIPPED.parse().unwrap();
    config.remove("server");
    config.remove("default_backend");
    let backends = config["backends"].as_table_mut().unwrap();
    backends.remove("local");
    let jobs = backends["jobs"].as_table_mut().unwrap();
    jobs.insert("directories".into(), vec!["projects"].into());
    jobs.insert("agents".into(), vec!["demo"].into());
    change(&mut config);
    let place = Place::with_server("", "");
    place.configure(&config.to_string(), "open_on_loopback = true");
    for project in ["app", "web"] {
        fs::create_dir(place.path("projects").join(project)).unwrap();
    }
    place
}

fn settings(jobs: &mut Table) -> &mut Table {
    jobs["settings"].as_table_mut().unwrap()
}

/// What `curl -d … http://127.0.0.1:PORT/mcp` answers: no session, no token, no word on what is accepted.
async fn curl(berth: &Berth, tool: &str, arguments: Value) -> Value {
    let params = json!({"name": tool, "arguments": arguments});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let request = berth.client.post(berth.endpoint());
    let sent = request
        .header("content-type", "application/json")
        .body(body.to_string())
        .send();
    let answer: Value = serde_json::from_str(&sent.await.unwrap().text().await.unwrap()).unwrap();
    answer["result"].clone()
}

/// The JSON in the first text of an answer.
pub(crate) async fn told(berth: &Berth, tool: &str, arguments: Value) -> Value {
    let result = curl(berth, tool, arguments).await;
    assert_ne!(result["isError"], true, "{result}");
    let text = result["content"][0]["text"].as_str().unwrap();
    let told = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(result["structuredContent"], told);
    told
}

async fn refused(berth: &Berth, tool: &str, arguments: Value) -> String {
    let result = curl(berth, tool, arguments).await;
    assert_eq!(result["isError"], true, "{result}");
    result["content"][0]["text"].as_str().unwrap().to_owned()
}

async fn run(berth: &Berth, prompt: &str, more: Value) -> Value {
    let mut arguments = json!({"project": "app", "prompt": prompt});
    arguments
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    told(berth, "claude_run", arguments).await
}

async fn status(berth: &Berth, job: &Value) -> Value {
    told(berth, "claude_job_status", json!({"jobId": job})).await
}

/// The status once it is in this state.
pub(crate) async fn becomes(berth: &Berth, job: &Value, state: &str) -> Value {
    until(state, async || {
        let status = status(berth, job).await;
        let told = status["state"].as_str().unwrap();
        let is_over = !["queued", "running"].contains(&told);
        assert!(told == state || !is_over, "it does not become {state}: {status}");
        (told == state).then_some(status)
    })
    .await
}

/// The supervisor of a job that has begun, or soon does.
async fn supervisor(place: &Place, job: &Value) -> Pid {
    let folder = match is_on_host() {
        true => place
            .path("home/.local/state/berth")
            .join(place.read("data/installation").trim())
            .join("jobs"),
        false => place.path("data/jobs/jobs"),
    };
    let file = folder.join(job.as_str().unwrap()).join("pid");
    let pid = until("the supervisor", async || {
        let text = fs::read_to_string(&file).ok()?;
        let pid = text.lines().find_map(|line| line.strip_prefix("pid "))?;
        Some(pid.parse().unwrap())
    });
    Pid::from_raw(pid.await).unwrap()
}

#[tokio::test]
async fn a_run_goes_to_done_with_its_output_its_cost_and_its_session() {
    let place = place(|_| {});
    let berth = Berth::serve(&place).await;
    let answer = run(&berth, "say hello there", json!({})).await;
    assert!(
        ["queued", "running"].contains(&answer["state"].as_str().unwrap()),
        "{answer}"
    );
    let done = becomes(&berth, &answer["jobId"], "done").await;
    assert!(done["output"].as_str().unwrap().contains("hello there"), "{done}");
    assert_eq!((&done["kind"], &done["project"]), (&json!("run"), &json!("app")));
    assert!(done["cost_usd"].as_f64().unwrap() > 0.0, "{done}");
    for time in ["enqueuedAt", "startedAt", "finishedAt"] {
        assert!(done[time].as_str().unwrap().ends_with('Z'), "{done}");
    }
    let session = format!("jobs/{}", done["sessionId"].as_str().unwrap());
    let shown = until("the session has ended", async || {
        let shown = berth
            .call("get_session_status", json!({"session_id": session}))
            .await
            .done();
        (shown.structured["session"]["state"] == "done").then_some(shown)
    })
    .await;
    assert_eq!(shown.structured["session"]["project"], "app");
    let logs = berth.call("get_logs", json!({"session_id": session})).await.done();
    assert!(logs.text.contains("hello there"), "{}", logs.text);
    let listed = berth.call("list_sessions", json!({"state": "done"})).await.done();
    assert!(listed.text.contains(&session), "{}", listed.text);
    let record = place.run(&["audit", "--json"]).await;
    assert!(
        record.stdout.contains("claude_run") && record.stdout.contains("0.01"),
        "{}",
        record.stdout
    );
}

#[tokio::test]
async fn a_run_outlives_berth_that_is_killed_and_is_done_by_the_next_one() {
    let place = place(|_| {});
    let mut berth = Berth::serve(&place).await;
    let job = run(&berth, "work 10", json!({})).await["jobId"].clone();
    supervisor(&place, &job).await;
    let next = run(&berth, "say second", json!({})).await["jobId"].clone();
    berth.kill().await;
    let berth = Berth::serve(&place).await;
    assert_eq!(status(&berth, &job).await["state"], "running");
    assert_eq!(
        status(&berth, &next).await["state"],
        "queued",
        "one at a time in a project"
    );
    becomes(&berth, &job, "done").await;
    becomes(&berth, &next, "done").await;
}

#[tokio::test]
async fn a_run_whose_supervisor_is_killed_as_well_is_interrupted() {
    let place = place(|_| {});
    let mut berth = Berth::serve(&place).await;
    let job = run(&berth, "work 60", json!({})).await["jobId"].clone();
    let supervisor = supervisor(&place, &job).await;
    berth.kill().await;
    kill_process(supervisor, Signal::KILL).unwrap();
    let berth = Berth::serve(&place).await;
    let ended = becomes(&berth, &job, "interrupted").await;
    assert!(!ended["error"].as_str().unwrap().is_empty(), "{ended}");
    let listed = told(&berth, "claude_list_jobs", json!({"state": "interrupted"})).await;
    assert_eq!(listed["jobs"][0]["jobId"], job);
}

#[tokio::test]
async fn a_run_is_cancelled_while_it_waits_and_while_it_works() {
    let place = place(|_| {});
    let berth = Berth::serve(&place).await;
    let works = run(&berth, "work 60", json!({})).await["jobId"].clone();
    let waits = run(&berth, "say never", json!({})).await["jobId"].clone();
    becomes(&berth, &works, "running").await;
    for job in [&waits, &works] {
        let cancelled = told(&berth, "claude_cancel_job", json!({"jobId": job})).await;
        assert_eq!(
            (&cancelled["ok"], &cancelled["state"]),
            (&json!(true), &json!("cancelled"))
        );
        assert_eq!(status(&berth, job).await["state"], "cancelled");
    }
    let again = told(&berth, "claude_cancel_job", json!({"jobId": works})).await;
    assert_eq!(again["state"], "cancelled");
    let other = run(&berth, "work 60", json!({})).await;
    let session = format!("jobs/{}", other["sessionId"].as_str().unwrap());
    becomes(&berth, &other["jobId"], "running").await;
    berth
        .call("terminate_session", json!({"session_id": session}))
        .await
        .done();
    becomes(&berth, &other["jobId"], "cancelled").await;
}

#[tokio::test]
async fn what_there_is_not_is_refused_in_words() {
    let place = place(|_| {});
    let berth = Berth::serve(&place).await;
    let error = refused(&berth, "claude_run", json!({"project": "nope", "prompt": "x"})).await;
    assert!(
        error.contains("unknown project \"nope\"") && error.contains("app"),
        "{error}"
    );
    let error = refused(&berth, "claude_job_status", json!({"jobId": "nope"})).await;
    assert!(error.contains("no job \"nope\""), "{error}");
    refused(&berth, "claude_cancel_job", json!({"jobId": "../x"})).await;
    refused(
        &berth,
        "claude_run",
        json!({"project": "app", "prompt": "x", "sessionId": "--resume"}),
    )
    .await;
    refused(&berth, "claude_run", json!({"prompt": "x"})).await;
    assert_eq!(told(&berth, "claude_list_jobs", json!({})).await["jobs"], json!([]));
}

#[tokio::test]
async fn a_further_run_goes_on_with_its_conversation_and_an_unknown_one_says_to_start_afresh() {
    let place = place(|_| {});
    let berth = Berth::serve(&place).await;
    let first = run(&berth, "my word is heron", json!({})).await;
    let first = becomes(&berth, &first["jobId"], "done").await;
    let next = run(&berth, "and you?", json!({"sessionId": first["sessionId"]})).await;
    let next = becomes(&berth, &next["jobId"], "done").await;
    assert_eq!(next["sessionId"], first["sessionId"]);
    assert!(next["output"].as_str().unwrap().contains("heron"), "{next}");
    assert!(next["cost_usd"].as_f64() > first["cost_usd"].as_f64(), "{next}");
    let unknown = run(
        &berth,
        "go on",
        json!({"sessionId": "00000000-0000-4000-8000-000000000000"}),
    )
    .await;
    let failed = becomes(&berth, &unknown["jobId"], "failed").await;
    assert!(failed["error"].as_str().unwrap().contains("start afresh"), "{failed}");
}

#[tokio::test]
async fn each_way_to_fail_is_told_with_its_reason() {
    let place = place(|_| {});
    let berth = Berth::serve(&place).await;
    for (prompt, more, words) in [
        ("fail 500", json!({}), "500"),
        ("fail 401", json!({}), "log in"),
        ("limit", json!({}), "usage limit"),
        ("die", json!({}), "status 3"),
        ("silent 60", json!({"timeoutMs": 500}), "longer than"),
    ] {
        let job = run(&berth, prompt, more).await["jobId"].clone();
        let failed = becomes(&berth, &job, "failed").await;
        assert!(failed["error"].as_str().unwrap().contains(words), "{prompt}: {failed}");
        if prompt == "limit" {
            assert!(failed["limitedUntil"].as_str().unwrap().ends_with('Z'), "{failed}");
        }
    }
    let listed = told(&berth, "claude_list_jobs", json!({"state": "failed", "limit": 3})).await;
    assert_eq!(listed["jobs"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn where_nobody_is_asked_what_is_not_allowed_is_denied_and_named_and_what_the_operator_allows_is_not_widened() {
    let place = place(|jobs| {
        settings(jobs).insert("prompt_deadline".into(), "0s".into());
        settings(jobs).insert("tools".into(), vec!["Bash(ls:*)"].into());
    });
    let berth = Berth::serve(&place).await;
    let job = run(
        &berth,
        "run ls\nrun touch x",
        json!({"allowedTools": ["Bash(ls:*)", "Bash(touch:*)"]}),
    )
    .await;
    let done = becomes(&berth, &job["jobId"], "done").await;
    let denied = done["denied"].to_string();
    assert!(denied.contains("touch x") && !denied.contains("ls"), "{done}");
    assert_eq!(done["toolsLeftOut"], json!(["Bash(touch:*)"]));
}

#[tokio::test]
async fn a_conversation_that_has_used_its_turns_is_refused() {
    let place = place(|jobs| {
        settings(jobs).insert("turns".into(), 1.into());
    });
    let berth = Berth::serve(&place).await;
    let first = run(&berth, "say one", json!({})).await;
    becomes(&berth, &first["jobId"], "done").await;
    let arguments = json!({"project": "app", "prompt": "x", "sessionId": first["sessionId"]});
    let error = until("it is judged", async || {
        let result = curl(&berth, "claude_run", arguments.clone()).await;
        (result["isError"] == true).then(|| result["content"][0]["text"].as_str().unwrap().to_owned())
    })
    .await;
    assert!(error.contains("1 turns") && error.contains("start afresh"), "{error}");
}

#[tokio::test]
async fn the_projects_of_the_earlier_tool_are_read_and_a_reload_reads_them_again_without_touching_jobs() {
    let place = place(|_| {});
    let projects = |names: &[&str]| {
        let paths: serde_json::Map<_, _> = names
            .iter()
            .map(|name| ((*name).to_owned(), json!({"path": place.path("projects/app")})))
            .collect();
        place.write("projects/projects.json", json!(paths).to_string(), 0o600);
    };
    projects(&["old"]);
    let text = place.read("config.toml");
    let file = format!(
        "projects_file = {:?}\nrun_timeout",
        place.name("projects/projects.json")
    );
    place.write("config.toml", text.replacen("run_timeout", &file, 1), 0o600);
    let berth = Berth::serve(&place).await;
    let listed = told(&berth, "claude_list_projects", json!({})).await;
    assert_eq!(listed["projects"][0]["name"], "old");
    let job = told(&berth, "claude_run", json!({"project": "old", "prompt": "work 2"})).await["jobId"].clone();
    projects(&["new"]);
    assert!(place.run(&["reload"]).await.success);
    let listed = told(&berth, "claude_list_projects", json!({})).await;
    assert_eq!(listed["projects"][0]["name"], "new");
    becomes(&berth, &job, "done").await;
}

#[tokio::test]
async fn who_may_only_read_sees_runs_and_starts_none() {
    let place = place(|_| {});
    let berth = Berth::serve(&place).await;
    let tools = berth.tools().await;
    let reads = |name: &str| {
        let tool = tools.iter().find(|tool| tool["name"] == name).unwrap();
        tool["annotations"]["readOnlyHint"] == true
    };
    for name in ["claude_job_status", "claude_list_jobs", "claude_list_projects"] {
        assert!(reads(name), "{name}");
    }
    for name in ["claude_run", "claude_cancel_job"] {
        assert!(!reads(name), "{name}");
    }
}

#[tokio::test]
async fn runs_that_ended_are_read_on_to_the_last_one_and_a_rare_state_is_found_among_them() {
    const RUNS: u32 = 450;
    let place = place(|_| {});
    let berth = Berth::serve(&place).await;
    let note = json!({
        "kind": "run", "project": "app", "directory": place.path("projects/app"), "agent": "demo",
        "conversation": "ID", "task": "do it",
    });
    let index = rusqlite::Connection::open(place.path("data/jobs/jobs/index.db")).unwrap();
    let fill = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1)
        INSERT INTO job (id, key, content, queue, note, label, interactive, watch, phase, input, queued_at, started_at, finished_at)
        SELECT 'j' || n, n, zeroblob(32), 'app', replace(?2, 'ID', 'j' || n), iif(n = 7, 'failed', 'done'), 0, 0, 'exited', 0,
               unixepoch() * 1000 - 1000 + n, unixepoch() * 1000, unixepoch() * 1000 FROM n";
    index.execute(fill, rusqlite::params![RUNS, note.to_string()]).unwrap();
    let page = async |state: &str, after: Value| {
        let mut arguments = json!({"state": state, "limit": 100});
        if !after.is_null() {
            arguments["after"] = after;
        }
        let page = berth.call("list_sessions", arguments).await.done().structured;
        assert!(page["errors"].as_array().is_none_or(Vec::is_empty), "{page}");
        page
    };
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let page = page("done", after).await;
        let sessions = page["sessions"].as_array().unwrap().clone();
        seen.extend(
            sessions
                .iter()
                .map(|session| session["session_id"].as_str().unwrap().to_owned()),
        );
        after = page["next"].clone();
        if after.is_null() {
            break;
        }
    }
    let wanted = (1..=RUNS).rev().filter(|number| *number != 7);
    assert_eq!(seen, wanted.map(|number| format!("jobs/j{number}")).collect::<Vec<_>>());
    assert_eq!(
        page("failed", Value::Null).await["sessions"][0]["session_id"],
        "jobs/j7"
    );
    let failed = told(&berth, "claude_list_jobs", json!({"state": "failed"})).await;
    assert_eq!(failed["jobs"][0]["jobId"], "j7");
}
