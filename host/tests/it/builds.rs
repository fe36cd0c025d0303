//! Builds, as users of an earlier tool ask for them: the shipped grants and the real git, in a project whose owner wants
//! git to run something, with a small program as the agent.

use std::fs;
use std::process::Command;

use berth::config::SHIPPED;
use serde_json::{Value, json};
use toml::Table;

use crate::berth::{Berth, Place};
use crate::headless::{becomes, told};

/// An agent that commits a file, says so, and waits where its task says "wait".
const AGENT: &str = r#"#!/bin/sh
read -r message
while [ $# -gt 0 ]; do
  case $1 in --session-id) id=$2 ;; esac
  shift
done
echo made > made.txt
git add made.txt
git -c user.name=A -c user.email=a@example.org commit --quiet --message=made
case $message in *wait*) touch ../committed; sleep 60 ;; *slow*) touch ../committed; sleep 2 ;; esac
printf '{"type":"result","subtype":"success","is_error":false,"session_id":"%s","num_turns":1,"total_cost_usd":0.01,' "$id"
printf '"permission_denials":[],"result":"It is made.\\nFINAL COMMIT: 0000"}\n'
"#;

/// A place with the shipped backend of jobs, that agent, and the project `app` with one commit.
fn place() -> Place {
    let mut config: Table = SHIPPED.parse().unwrap();
    config.remove("server");
    config.remove("default_backend");
    let place = Place::with_server("", "");
    let mut agent = config["agents"]["claude"].as_table().unwrap().clone();
    agent.remove("requires");
    agent.remove("doctor");
    agent.remove("trust");
    let command = ["env", "BERTH_SESSION=builder", &place.name("bin/builder")];
    agent.insert("headless".into(), command.map(str::to_owned).to_vec().into());
    config["agents"]
        .as_table_mut()
        .unwrap()
        .insert("builder".into(), agent.into());
    let backends = config["backends"].as_table_mut().unwrap();
    backends.remove("local");
    let jobs = backends["jobs"].as_table_mut().unwrap();
    jobs.insert("directories".into(), vec!["projects"].into());
    jobs.insert("agents".into(), vec!["builder"].into());
    let settings = jobs["settings"].as_table_mut().unwrap();
    settings.insert("builds".into(), place.name("projects/.builds").into());
    // It reads one line, and asks nobody.
    settings.insert("prompt_deadline".into(), "0s".into());
    place.configure(&config.to_string(), "open_on_loopback = true");
    place.write("bin/builder", AGENT, 0o755);
    fs::create_dir(place.path("projects/app")).unwrap();
    git(&place, "init --quiet --initial-branch=main .");
    fs::write(place.path("projects/app/a.txt"), "one\n").unwrap();
    git(&place, "add --all");
    git(&place, "commit --quiet --message=first");
    place
}

/// Runs git in the project as a person does, and answers what it prints.
#[track_caller]
fn git(place: &Place, args: &str) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=T", "-c", "user.email=t@example.org"])
        .args(args.split(' '))
        .current_dir(place.path("projects/app"))
        .env("HOME", place.path("home"))
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

async fn build(berth: &Berth, spec: &str) -> Value {
    let arguments = json!({"project": "app", "spec": spec, "branch": "fix/it"});
    told(berth, "claude_build", arguments).await["jobId"].clone()
}

/// Waits until the agent has committed.
async fn committed(place: &Place) {
    let mark = place.path("projects/.builds/committed");
    crate::demo::until("the commit", async || mark.exists().then_some(())).await;
}

#[tokio::test]
async fn a_build_becomes_a_branch_and_a_hostile_project_runs_nothing() {
    let place = place();
    let mark = place.path("mark");
    let touch = format!("touch {}; cat", mark.display());
    for (key, value) in [
        ("core.fsmonitor", &touch[..]),
        ("core.hooksPath", ".git/evil"),
        ("core.alternateRefsCommand", &touch),
        ("core.sshCommand", &touch),
        ("filter.e=v.smudge", &touch),
        ("filter.e=v.clean", &touch),
        ("uploadpack.packObjectsHook", &touch),
    ] {
        let mut command = Command::new("git");
        command
            .args(["config", key, value])
            .current_dir(place.path("projects/app"));
        assert!(command.status().unwrap().success());
    }
    fs::write(place.path("projects/app/.git/info/attributes"), "* filter=e=v\n").unwrap();
    fs::create_dir(place.path("projects/app/.git/evil")).unwrap();
    for hook in [
        "post-checkout",
        "reference-transaction",
        "post-index-change",
        "pre-auto-gc",
    ] {
        place.write(
            &format!("projects/app/.git/evil/{hook}"),
            format!("#!/bin/sh\n{touch}\n"),
            0o755,
        );
    }
    let berth = Berth::serve(&place).await;
    let job = build(&berth, "make it").await;
    let done = becomes(&berth, &job, "done").await;
    assert!(!mark.exists(), "something was run");
    let sha = done["commitSha"].as_str().unwrap();
    let output = done["output"].as_str().unwrap();
    assert!(output.ends_with(&format!("\nFINAL COMMIT: {sha}")), "{output}");
    assert_eq!(
        (&done["branch"], &done["kind"], &done["commits"]),
        (&json!("fix/it"), &json!("build"), &json!(1))
    );
    let shown = Command::new("git")
        .args(["cat-file", "-p", "fix/it:made.txt"])
        .current_dir(place.path("projects/app"))
        .output()
        .unwrap();
    assert_eq!(shown.stdout, b"made\n");
    crate::demo::until("the clone is gone", async || {
        let mut left = fs::read_dir(place.path("projects/.builds")).unwrap();
        left.next().is_none().then_some(())
    })
    .await;
    let listed = told(&berth, "claude_list_jobs", json!({})).await;
    let listed = listed["jobs"].as_array().unwrap();
    assert_eq!(
        (listed.len(), &listed[0]["jobId"], &listed[0]["state"]),
        (1, &job, &json!("done"))
    );
    let _ = Command::new("git")
        .arg("status")
        .current_dir(place.path("projects/app"))
        .output()
        .unwrap();
    assert!(mark.exists(), "the project is harmless");
}

#[tokio::test]
async fn what_was_committed_before_a_cancel_is_there_after_it() {
    let place = place();
    let berth = Berth::serve(&place).await;
    let job = build(&berth, "wait").await;
    committed(&place).await;
    let session = format!(
        "jobs/{}",
        told(&berth, "claude_job_status", json!({"jobId": job})).await["sessionId"]
            .as_str()
            .unwrap()
    );
    let changed = berth.call("get_changes", json!({"session_id": session})).await.done();
    assert_eq!(changed.structured["files"][0]["path"], "made.txt");
    let cancelled = told(&berth, "claude_cancel_job", json!({"jobId": job})).await;
    assert_eq!(cancelled["ok"], true);
    let ended = becomes(&berth, &job, "cancelled").await;
    assert_eq!(ended["commitSha"], git(&place, "rev-parse fix/it"));
}

#[tokio::test]
async fn a_build_goes_on_while_berth_is_killed_and_its_branch_comes_afterwards() {
    let place = place();
    let mut berth = Berth::serve(&place).await;
    let job = build(&berth, "slow").await;
    committed(&place).await;
    berth.kill().await;
    let berth = Berth::serve(&place).await;
    let done = becomes(&berth, &job, "done").await;
    assert_eq!(done["commitSha"], git(&place, "rev-parse fix/it"));
}
