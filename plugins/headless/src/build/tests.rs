//! Builds from their beginning to their end, with the real git and jobs that a test lets run.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command as Real, Stdio};

use berth_plugin::jobs::{self, Channel, Phase};
use berth_plugin::testing::{Host, RawOutput};
use berth_plugin::{Changes as _, Command, Control as _, Error, Result, git};
use serde_json::{Value, json};

use crate::Plugin;
use crate::fake::{self, FIRST, call, end, result, status, upkeep};

/// A host whose project `app` is a git repository.
struct Scene(Host);

impl Scene {
    fn new() -> Self {
        let host = fake::host();
        let folder = host.directory().join("builds");
        fs::create_dir(&folder).unwrap();
        host.settings(json!({"builds": folder}));
        let home = host.directory().to_owned();
        host.program("git", move |command| Ok(real("/usr/bin/env", &fixed(), command, &home)));
        let home = host.directory().to_owned();
        host.program("rm", move |command| Ok(real("rm", &[], command, &home)));
        let scene = Self(host);
        scene.git("app", "init --quiet --initial-branch=main .");
        scene.commit("app", "x", "first\n");
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.directory().join(name)
    }

    fn clone(&self) -> String {
        format!("builds/berth-{FIRST}")
    }

    #[track_caller]
    fn git(&self, directory: &str, args: &str) -> String {
        let output = Real::new("git")
            .args(["-c", "user.name=T", "-c", "user.email=t@example.org"])
            .args(args.split(' '))
            .current_dir(self.path(directory))
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn commit(&self, directory: &str, file: &str, text: &str) -> String {
        self.0.file(&format!("{directory}/{file}"), text);
        self.git(directory, "add --all");
        self.git(directory, "commit --quiet --message=work");
        self.git(directory, "rev-parse HEAD")
    }

    /// Submits a build and answers its id.
    fn build(&self, more: Value) -> String {
        let answer = call(1, "claude_build", arguments(more)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(answer["sessionId"], FIRST);
        answer["jobId"].as_str().unwrap().to_owned()
    }

    /// Lets the clone be made as its job would.
    fn clones(&self, id: &str) {
        let spec = self.0.submitted().pop().unwrap();
        spec.command.run().unwrap().success().unwrap();
        self.0.start_job(id).end_job(id, Phase::Exited, Some(0));
    }

    /// A build whose agent is at work: its id, and that of the agent's job.
    fn at_work(&self) -> (String, String) {
        let id = self.build(json!({}));
        self.clones(&id);
        upkeep();
        let agent = jobs::recent(&jobs::Filter::newest(1)).unwrap().remove(0).id;
        assert_ne!(agent, id);
        (id, agent)
    }
}

fn arguments(more: Value) -> Value {
    let mut arguments = json!({"project": "app", "spec": "make it better", "branch": "fix/it"});
    arguments
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    arguments
}

fn fixed() -> Vec<String> {
    serde_json::from_value(git::grant::building()["fixed"].clone()).unwrap()
}

fn real(program: &str, fixed: &[String], command: &Command, home: &std::path::Path) -> RawOutput {
    let mut child = Real::new(program)
        .args(fixed)
        .args(&command.args)
        .current_dir(command.directory.as_deref().unwrap_or("/"))
        .env("HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&command.stdin).unwrap();
    let output = child.wait_with_output().unwrap();
    RawOutput {
        status: output.status.code(),
        signal: None,
        stdout: output.stdout,
        stderr: output.stderr,
        truncated: false,
    }
}

#[test]
fn what_the_agent_committed_becomes_the_branch_and_git_names_its_commit() {
    let scene = Scene::new();
    let base = scene.git("app", "rev-parse HEAD");
    let id = scene.build(json!({"runTests": true}));
    let queued = status(&id);
    assert_eq!(
        (
            &queued["state"],
            &queued["kind"],
            &queued["branch"],
            &queued["baseCommit"]
        ),
        (&json!("queued"), &json!("build"), &json!("fix/it"), &json!(base))
    );
    scene.clones(&id);
    assert_eq!(status(&id)["state"], "running", "between its two jobs");
    upkeep();
    upkeep();
    let [_, agent] = &scene.0.submitted()[..] else {
        panic!("two jobs")
    };
    assert_eq!((agent.queue.as_str(), agent.command.program.as_str()), ("app", "agent"));
    assert_eq!(
        agent.command.directory,
        Some(scene.path(&scene.clone()).display().to_string())
    );
    let told = String::from_utf8(agent.command.stdin.clone()).unwrap();
    assert!(
        told.contains("make it better") && told.contains("TESTS:") && told.contains("fix/it"),
        "{told}"
    );
    assert!(
        agent
            .command
            .args
            .iter()
            .any(|arg| arg.starts_with("--allowedTools=Edit(./**),") && arg.contains(",Bash(git commit:*),"))
    );
    let agent = jobs::recent(&jobs::Filter::newest(1)).unwrap().remove(0).id;
    scene.0.start_job(&agent);
    let listed = call(2, "claude_list_jobs", json!({})).unwrap();
    assert_eq!(
        (listed["jobs"].as_array().unwrap().len(), &listed["jobs"][0]["jobId"]),
        (1, &json!(id))
    );

    let sha = scene.commit(&scene.clone(), "made.txt", "made\n");
    let answer = "It is done.\nFINAL COMMIT: 0000000\nTESTS: passed";
    end(&scene.0, &agent, &result(FIRST, json!({"result": answer})), 0);
    assert_eq!(status(&id)["state"], "running", "it is not known yet what came of it");
    upkeep();
    let done = status(&id);
    assert_eq!(
        (&done["state"], &done["jobId"], &done["commitSha"]),
        (&json!("done"), &json!(id), &json!(sha))
    );
    let output = done["output"].as_str().unwrap();
    assert!(
        output.ends_with(&format!("\nFINAL COMMIT: {sha}")) && !output.contains("\nFINAL COMMIT: 0000000\n"),
        "{output}"
    );
    assert_eq!(
        (&done["commits"], &done["tests"], &done["leftovers"]),
        (&json!(1), &json!("passed"), &json!([]))
    );
    assert_eq!(
        (&done["diffstat"]["files"], &done["diffstat"]["added"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(done["reference"], "refs/heads/fix/it");
    assert_eq!(scene.git("app", "rev-parse fix/it"), sha);
    assert!(!scene.path(&scene.clone()).exists(), "all of it is in the project");
    let listed = call(3, "claude_list_jobs", json!({"state": "done"})).unwrap();
    assert_eq!(listed["jobs"].as_array().unwrap().len(), 1);
    let gone = Plugin::get_changes(FIRST, None, 100);
    assert!(
        matches!(&gone, Err(Error::Refused(why)) if why.contains(&sha)),
        "{gone:?}"
    );
    upkeep();
    assert_eq!(status(&id), done, "nothing more comes of it");
}

#[test]
fn however_the_agent_ends_its_branch_is_fetched_and_a_clone_with_more_in_it_stays() {
    for (phase, state) in [
        (Phase::Cancelled, "cancelled"),
        (Phase::TimedOut, "failed"),
        (Phase::Interrupted, "interrupted"),
        (Phase::Exited, "failed"),
    ] {
        let scene = Scene::new();
        let (id, agent) = scene.at_work();
        scene.0.start_job(&agent);
        let sha = scene.commit(&scene.clone(), "made.txt", "made\n");
        scene.0.file(&format!("{}/half.txt", scene.clone()), "half\n");
        scene.0.end_job(&agent, phase, Some(1));
        upkeep();
        let told = status(&id);
        assert_eq!((&told["state"], &told["commitSha"]), (&json!(state), &json!(sha)));
        assert_eq!(told["leftovers"], json!(["half.txt"]));
        assert!(
            told["output"]
                .as_str()
                .unwrap()
                .ends_with(&format!("FINAL COMMIT: {sha}"))
        );
        assert_eq!(scene.git("app", "rev-parse fix/it"), sha);
        assert!(scene.path(&scene.clone()).exists());
        let changed = Plugin::get_changes(FIRST, None, 100).unwrap();
        assert_eq!(changed.files.len(), 2, "{changed:?}");
    }
}

#[test]
fn a_build_that_committed_nothing_says_so_and_leaves_nothing() {
    let scene = Scene::new();
    let (id, agent) = scene.at_work();
    end(
        &scene.0,
        &agent,
        &result(FIRST, json!({"result": "FINAL COMMIT: abc"})),
        0,
    );
    upkeep();
    let told = status(&id);
    assert_eq!((&told["state"], told.get("commitSha")), (&json!("done"), None));
    assert!(
        told["note"].as_str().unwrap().contains("Nothing was committed"),
        "{told}"
    );
    assert_eq!(told["output"], "> FINAL COMMIT: abc");
    assert!(!scene.path(&scene.clone()).exists());
    assert!(!scene.git("app", "branch --list").contains("fix"));
}

#[test]
fn commits_that_are_not_on_the_branch_keep_the_clone() {
    let scene = Scene::new();
    let (id, agent) = scene.at_work();
    scene.git(&scene.clone(), "checkout --quiet -b other");
    scene.commit(&scene.clone(), "other.txt", "other\n");
    scene.git(&scene.clone(), "checkout --quiet fix/it");
    end(&scene.0, &agent, &result(FIRST, json!({})), 0);
    upkeep();
    let told = status(&id);
    assert!(
        told["note"]
            .as_str()
            .unwrap()
            .contains("1 branches or tags have commits that are not in the project"),
        "{told}"
    );
    assert!(scene.path(&scene.clone()).exists());
}

#[test]
fn a_commit_that_only_a_forged_reference_names_keeps_the_clone() {
    for reference in ["refs/remotes/project/x", "refs/tags/t"] {
        let scene = Scene::new();
        let (id, agent) = scene.at_work();
        let made = scene.git(&scene.clone(), "commit-tree -m hidden HEAD^{tree}");
        scene.git(&scene.clone(), &format!("update-ref {reference} {made}"));
        end(&scene.0, &agent, &result(FIRST, json!({})), 0);
        upkeep();
        let told = status(&id);
        assert!(told["note"].as_str().unwrap().contains("not in the project"), "{told}");
        assert!(scene.path(&scene.clone()).exists(), "{reference}");
    }
}

/// Lets the project's `.git` name another repository, which is answered.
fn lead_out(scene: &Scene) -> PathBuf {
    let other = PathBuf::from(format!("{}-other", scene.0.directory().display()));
    fs::create_dir(&other).unwrap();
    fs::remove_dir_all(scene.path("app/.git")).unwrap();
    let made = Real::new("git")
        .args(["init", "--quiet", "--initial-branch=main", "."])
        .current_dir(&other)
        .status();
    assert!(made.unwrap().success());
    for args in [
        &["config", "user.name", "T"][..],
        &["config", "user.email", "t@example.org"],
        &["commit", "--quiet", "--allow-empty", "--message=secret"],
    ] {
        let ran = Real::new("git").args(args).current_dir(&other).status();
        assert!(ran.unwrap().success());
    }
    let other_git = other.join(".git");
    scene.0.file("app/.git", format!("gitdir: {}\n", other_git.display()));
    other
}

#[test]
fn a_project_that_leads_to_another_repository_is_not_built_from_at_any_time() {
    // When it is asked for.
    let scene = Scene::new();
    let _other = lead_out(&scene);
    let error = call(1, "claude_build", arguments(json!({}))).unwrap_err();
    assert!(
        matches!(&error, Error::Refused(why) if why.contains("in no granted directory")),
        "{error}"
    );
    assert!(scene.0.submitted().is_empty());

    // When it was cloned.
    let scene = Scene::new();
    let id = scene.build(json!({}));
    let _other = lead_out(&scene);
    scene.clones(&id);
    upkeep();
    assert_eq!(
        (scene.0.submitted().len(), &status(&id)["state"]),
        (1, &json!("failed"))
    );
    assert!(!scene.path(&scene.clone()).exists(), "what was read elsewhere is gone");

    // When the branch would come back.
    let scene = Scene::new();
    let (id, agent) = scene.at_work();
    let other = lead_out(&scene);
    scene.commit(&scene.clone(), "made.txt", "made\n");
    end(&scene.0, &agent, &result(FIRST, json!({})), 0);
    upkeep();
    assert_eq!(status(&id)["state"], "failed");
    assert!(!other.join(".git/refs/heads/fix").exists());
    assert!(scene.path(&scene.clone()).exists(), "the work is not lost");
}

#[test]
fn a_branch_that_went_another_way_is_left_and_the_work_is_beside_it() {
    let scene = Scene::new();
    let (id, agent) = scene.at_work();
    scene.git("app", "checkout --quiet -b fix/it");
    let theirs = scene.commit("app", "x", "theirs\n");
    let sha = scene.commit(&scene.clone(), "x", "ours\n");
    end(&scene.0, &agent, &result(FIRST, json!({})), 0);
    upkeep();
    let told = status(&id);
    assert_eq!(
        (&told["state"], &told["reference"]),
        (&json!("done"), &json!(format!("refs/berth/{id}")))
    );
    assert_eq!(scene.git("app", "rev-parse fix/it"), theirs);
    assert_eq!(scene.git("app", &format!("rev-parse refs/berth/{id}")), sha);
    assert!(!scene.path(&scene.clone()).exists());
}

#[test]
fn a_cancel_counts_at_any_time() {
    // While it waits for its clone.
    let scene = Scene::new();
    let id = scene.build(json!({}));
    assert_eq!(
        call(2, "claude_cancel_job", json!({"jobId": id})).unwrap()["state"],
        "cancelled"
    );
    upkeep();
    assert_eq!(
        (status(&id)["state"].as_str(), scene.0.submitted().len()),
        (Some("cancelled"), 1)
    );

    // Between its two jobs, by the job or by the session.
    for by_job in [true, false] {
        let scene = Scene::new();
        let id = scene.build(json!({}));
        scene.clones(&id);
        match by_job {
            true => drop(call(2, "claude_cancel_job", json!({"jobId": id})).unwrap()),
            false => drop(Plugin::terminate(FIRST).unwrap()),
        }
        upkeep();
        assert_eq!(
            (status(&id)["state"].as_str(), scene.0.submitted().len()),
            (Some("cancelled"), 1)
        );
        assert!(!scene.path(&scene.clone()).exists());
    }

    // While the agent waits.
    let scene = Scene::new();
    let (id, agent) = scene.at_work();
    call(2, "claude_cancel_job", json!({"jobId": id})).unwrap();
    upkeep();
    assert_eq!(
        (status(&id)["state"].as_str(), jobs::get(&agent).unwrap().phase),
        (Some("cancelled"), Phase::Cancelled)
    );
}

#[test]
fn a_project_that_cannot_be_cloned_fails_with_the_words_of_git() {
    let scene = Scene::new();
    let id = scene.build(json!({}));
    scene.0.start_job(&id);
    scene
        .0
        .print_job(&id, Channel::Errors, "Cloning…\nfatal: no space left\n");
    scene.0.end_job(&id, Phase::Exited, Some(128));
    for _ in 0..2 {
        let told = status(&id);
        assert_eq!(told["state"], "failed");
        assert!(told["error"].as_str().unwrap().contains("no space left"), "{told}");
        upkeep();
    }
    assert_eq!(jobs::get(&id).unwrap().label, "failed");
}

#[test]
fn names_that_git_would_take_for_something_else_begin_nothing() {
    let scene = Scene::new();
    scene.git("app", "tag v1");
    let refused = |more: Value| -> Result<Value> { call(1, "claude_build", arguments(more)) };
    for name in [
        "--output=M",
        "-b",
        "",
        "a..b",
        "@{-1}",
        "HEAD",
        "x\ny",
        "a b",
        "refs/../x",
        "refs/heads/x",
    ] {
        for argument in ["branch", "baseBranch"] {
            let error = refused(json!({argument: name})).unwrap_err();
            assert!(
                matches!(&error, Error::Invalid(why) if why.contains(argument)),
                "{argument} {name:?}: {error}"
            );
        }
    }
    for (more, named) in [
        (json!({"baseBranch": "none"}), "names no commit"),
        (json!({"project": "none"}), "unknown project"),
        (json!({"spec": " "}), "`spec`"),
        (json!({"timeoutMs": 21_600_001}), "timeoutMs"),
        (json!({"project": "web"}), "not a git repository"),
    ] {
        let error = refused(more).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
    assert!(scene.0.submitted().is_empty());
    for base in ["main", "v1"] {
        assert_eq!(refused(json!({"baseBranch": base})).unwrap()["state"], "queued");
    }
    assert_eq!(scene.0.submitted().len(), 1, "a repeated call answers the same build");
}

#[test]
fn without_a_folder_for_clones_builds_are_off() {
    let scene = Scene::new();
    for (settings, named) in [
        (json!({}), "builds are off"),
        (json!({"builds": "/etc"}), "`builds` cannot be used"),
    ] {
        scene.0.settings(settings);
        let error = call(1, "claude_build", arguments(json!({}))).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}
