//! Jobs as a plugin has them: by the contract, under its backend's grants, and across the death of berth.

use std::fs;
use std::time::Instant;

use serde_json::{Value, json};

use crate::asked::{get, submit, until};
use crate::berth::{Berth, PATIENCE, Place};

/// A backend that may run scripts as jobs, but not in a call.
fn place(more: &str) -> Place {
    Place::new(&format!(
        "[backends.local]\nplugin = \"./misbehaving.wasm\"\ndirectories = [\"./projects\"]\nenv = [\"PATH\"]\n\
         env_file = \"secrets.env\"\nread_tools = [\"job_get\", \"job_list\"]\n\
         settings = {{ upkeep = \"notes\" }}\n{more}\n\
         [backends.local.programs.sh]\njob = [[\"-c\", \"@text\"]]\n\
         [backends.local.programs.env]\ncontrol = [[\"-c\", \"@text\"]]\n"
    ))
}

async fn served(place: &Place) -> Berth {
    place.write("secrets.env", "SECRET=hidden-value\n", 0o600);
    Berth::serve(place).await
}

#[tokio::test]
async fn a_job_runs_to_its_end_with_what_its_backend_has_and_no_secret_is_on_the_disk() {
    let place = place("");
    let berth = served(&place).await;
    let id = submit(&berth, "a", "echo $BERTH_SESSION; echo ${#SECRET}; exit 4").await;
    let job = until(&berth, &id, |job| job["phase"] == "Exited").await;
    assert_eq!(job["status"], 4);
    assert_eq!(job["printed"], "local\n12\n");
    assert_eq!(
        submit(&berth, "a", "echo $BERTH_SESSION; echo ${#SECRET}; exit 4").await,
        id,
        "once for each key"
    );
    for entry in fs::read_dir(place.path("data/jobs/local").join(&id)).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            let text = fs::read(entry.path()).unwrap();
            let holds = text.windows(12).any(|part| part == b"hidden-value");
            assert!(!holds, "{:?}", entry.path());
        }
    }
    let index = fs::read(place.path("data/jobs/local/index.db")).unwrap();
    assert!(!index.windows(12).any(|part| part == b"hidden-value"));
    let noted = || place.kept("local", "events").unwrap_or_default();
    let began = Instant::now();
    while !String::from_utf8_lossy(&noted()).contains("job ") {
        assert!(began.elapsed() < PATIENCE, "upkeep is not told");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_is_not_granted_for_jobs_is_refused_before_it_waits() {
    let place = place("");
    let berth = served(&place).await;
    for (spec, why) in [
        (json!({"program": "env"}), "job = [...]"),
        (json!({"program": "none"}), "not granted"),
        (json!({"script": "two\u{7}words"}), "job = [...]"),
        (json!({"host": "elsewhere"}), "host"),
        (json!({"queue": ""}), "queue"),
        (json!({"key": "k".repeat(257)}), "key"),
    ] {
        let mut all = json!({"key": "k", "queue": "q", "script": "true"});
        all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let error = berth.call("job_submit", all).await.error();
        assert!(error.contains(why), "{spec}: {error}");
    }
    let listed = berth.call("job_list", json!({})).await.done();
    assert_eq!(listed.text.trim(), "");
}

#[tokio::test]
async fn a_job_outlives_berth_that_is_killed_and_ends_as_it_would_have() {
    let place = place("");
    let mut berth = served(&place).await;
    let gate = place.path("gate");
    let id = submit(
        &berth,
        "a",
        &format!(
            "echo up; while ! [ -e {} ]; do sleep 0.02; done; exit 3",
            gate.display()
        ),
    )
    .await;
    let next = submit(&berth, "b", "echo next").await;
    until(&berth, &id, |job| job["printed"] == "up\n").await;
    berth.kill().await;
    let berth = served(&place).await;
    assert_eq!(get(&berth, &id).await["phase"], "Running");
    assert_eq!(get(&berth, &next).await["phase"], "Queued");
    fs::write(&gate, "").unwrap();
    assert_eq!(until(&berth, &id, |job| job["phase"] == "Exited").await["status"], 3);
    until(&berth, &next, |job| {
        job["phase"] == "Exited" && job["printed"] == "next\n"
    })
    .await;
}

#[tokio::test]
async fn a_reload_attends_to_the_same_jobs_and_a_grant_that_went_stops_what_waits() {
    let place = place("");
    let berth = served(&place).await;
    let gate = place.path("gate");
    let id = submit(
        &berth,
        "a",
        &format!("echo up; while ! [ -e {} ]; do sleep 0.02; done", gate.display()),
    )
    .await;
    let next = submit(&berth, "b", "echo next").await;
    until(&berth, &id, |job| job["printed"] == "up\n").await;
    let text = place
        .read("config.toml")
        .replace("job = [[\"-c\", \"@text\"]]", "job = [[\"-c\", \"true\"]]");
    place.write("config.toml", text, 0o600);
    assert!(place.run(&["reload"]).await.success);
    fs::write(&gate, "").unwrap();
    until(&berth, &id, |job| job["phase"] == "Exited").await;
    let job = until(&berth, &next, |job| job["phase"] == "Failed").await;
    assert!(job["reason"].as_str().unwrap().contains("job = [...]"), "{job}");
}

#[tokio::test]
async fn input_and_cancel_reach_a_job_and_a_conflict_is_an_error_of_a_call_that_did_nothing() {
    let place = place("");
    let berth = served(&place).await;
    let spec = json!({"key": "a", "queue": "q", "script": "cat; sleep 600", "interactive": true});
    let id = berth.call("job_submit", spec).await.done().text.trim().to_owned();
    let write = |expect: u64| json!({"id": id, "text": "hello\n", "expect": expect});
    assert_eq!(berth.call("job_write", write(0)).await.done().text.trim(), "6");
    let error = berth.call("job_write", write(0)).await.error();
    assert!(error.contains("6 bytes"), "{error}");
    until(&berth, &id, |job| job["printed"] == "hello\n").await;
    berth.call("job_cancel", json!({"id": id})).await.done();
    until(&berth, &id, |job| job["phase"] == "Cancelled").await;
    let error = berth.call("job_cancel", json!({"id": "none"})).await.error();
    assert!(error.contains("no job"), "{error}");
}

#[tokio::test]
async fn under_systemd_a_supervisor_has_a_scope_of_its_own() {
    let place = place("");
    place.write("secrets.env", "SECRET=hidden-value\n", 0o600);
    let stand_in = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" > {}\nwhile [ \"$1\" != -- ]; do shift; done; shift\nexec \"$@\"\n",
        place.name("said")
    );
    place.write("bin/systemd-run", stand_in, 0o700);
    fs::create_dir_all(place.path("run/systemd")).unwrap();
    place.write("run/systemd/private", "", 0o600);
    let mut command = place.command(&["serve", "--config", &place.name("config.toml")]);
    command
        .env("INVOCATION_ID", "1")
        .env("XDG_RUNTIME_DIR", place.path("run"));
    let berth = Berth::start(&place, command).await;
    let id = submit(&berth, "a", "echo up").await;
    until(&berth, &id, |job| job["phase"] == "Exited").await;
    let said = place.read("said");
    assert!(said.starts_with("--user\n--scope\n"), "{said}");
    assert!(said.contains(&format!("--unit=berth-job-{id}\n--\n")), "{said}");
}

#[tokio::test]
async fn a_berth_whose_binary_is_replaced_starts_what_waits_and_the_next_version_adopts_what_runs() {
    let place = place("");
    place.write("secrets.env", "SECRET=hidden-value\n", 0o600);
    fs::copy(env!("CARGO_BIN_EXE_berth"), place.path("berth")).unwrap();
    let mut command = tokio::process::Command::new(place.path("berth"));
    command.args(["serve", "--config", &place.name("config.toml")]);
    place.set_up(&mut command);
    let mut berth = Berth::start(&place, command).await;
    let gate = place.path("gate");
    let waits = format!(
        "echo up; while ! [ -e {} ]; do sleep 0.02; done; exit 3",
        gate.display()
    );
    let before = submit(&berth, "before", &waits).await;
    until(&berth, &before, |job| job["printed"] == "up\n").await;
    // As when a package is unpacked: for a moment nothing that runs is there.
    fs::remove_file(place.path("berth")).unwrap();
    place.write("berth", "half of the next version", 0o700);
    let spec = json!({"key": "amid", "queue": "another", "script": waits});
    let amid = berth.call("job_submit", spec).await.done().text.trim().to_owned();
    until(&berth, &amid, |job| job["printed"] == "up\n").await;
    berth.kill().await;
    let berth = served(&place).await;
    fs::write(&gate, "").unwrap();
    for id in [before, amid] {
        let job = until(&berth, &id, |job| job["phase"] != "Running").await;
        assert_eq!((&job["phase"], &job["status"]), (&json!("Exited"), &json!(3)), "{job}");
    }
}

#[tokio::test]
async fn a_job_is_told_of_directories_in_the_grant_alone_and_no_link_leads_out() {
    let place = place("[backends.local.programs.ls]\njob = [[\"-d\", \"@directory\"]]\n");
    let projects = place.path("projects");
    fs::create_dir_all(projects.join("mine/deep")).unwrap();
    fs::create_dir_all(place.path("outside/deep")).unwrap();
    fs::write(projects.join("file"), "").unwrap();
    for (name, target) in [
        ("out", "outside"),
        ("dangling", "outside/new"),
        ("round", "projects/mine"),
    ] {
        std::os::unix::fs::symlink(place.path(target), projects.join(name)).unwrap();
    }
    std::os::unix::fs::symlink("mine", projects.join("within")).unwrap();
    let berth = served(&place).await;
    let asked = |path: String| json!({"key": path.chars().take(200).collect::<String>(), "queue": "q", "program": "ls", "args": ["-d", path]});
    for held in [
        "",
        "/mine/deep",
        "/new",
        "/mine/new/deeper",
        "/within/deep",
        "/within/new",
    ] {
        let path = format!("{}{held}", projects.display());
        berth.call("job_submit", asked(path)).await.done();
    }
    for refused in [
        "/out",
        "/out/deep",
        "/out/new",
        "/dangling",
        "/dangling/x",
        "/round/deep",
        "/file",
        "/file/x",
    ] {
        let path = format!("{}{refused}", projects.display());
        let error = berth.call("job_submit", asked(path)).await.error();
        assert!(!error.contains("job = [...]"), "{refused}: {error}");
    }
    for (path, why) in [
        (place.name("outside"), "granted directories"),
        (format!("{}/../outside", projects.display()), "job = [...]"),
        ("projects".to_owned(), "job = [...]"),
        (format!("{}/{}", projects.display(), "x/".repeat(3_000)), "x/x/x"),
    ] {
        let error = berth.call("job_submit", asked(path)).await.error();
        assert!(error.contains(why), "{error}");
    }
}

#[tokio::test]
async fn an_agent_gets_an_entry_for_this_server_that_goes_with_its_job() {
    let agent = "[agents.a]\ncommand = [\"env\", \"true\"]\nheadless = [\"env\", \"sh\", \"agent.sh\", \"--to=@entry\"]\n\
                 [backends.local.programs.agent]\npath = \"env\"\njob = [[\"@agent\"]]\n";
    let place = place(&format!("agents = [\"a\"]\n{agent}"));
    let script = "stat -c %a \"${1#--to=}\"; cat \"${1#--to=}\"; echo; while ! [ -e gate ]; do sleep 0.02; done\n";
    place.write("projects/agent.sh", script, 0o600);
    let berth = served(&place).await;
    let spec = json!({
        "key": "a", "queue": "q", "program": "agent", "directory": place.name("projects"),
        "args": ["env", "sh", "agent.sh", "--to=@entry"],
    });
    let id = berth.call("job_submit", spec).await.done().text.trim().to_owned();
    let job = until(&berth, &id, |job| {
        let printed = job["printed"].as_str().unwrap();
        printed.ends_with("}\n") || job["phase"] == "Failed"
    })
    .await;
    let printed = job["printed"].as_str().unwrap();
    let (mode, entry) = printed.split_once('\n').unwrap_or_else(|| panic!("{job}"));
    assert_eq!(mode, "600");
    let entry: Value = serde_json::from_str(entry).unwrap();
    assert_eq!(entry["mcpServers"]["berth"]["url"], berth.endpoint());
    let file = place.path("data/jobs/local").join(&id).join("entry.json");
    assert!(file.exists());
    fs::write(place.path("projects/gate"), "").unwrap();
    until(&berth, &id, |job| job["phase"] == "Exited").await;
    assert!(!file.exists());
}
