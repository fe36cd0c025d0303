//! A service that ends with all its processes, as systemd ends one, and what jobs have of it.

use std::fs;

use serde_json::json;

use crate::asked::{get, submit, until};
use crate::berth::{Berth, Place};
use crate::groups::Groups;

fn place() -> Place {
    Place::new(
        "[backends.local]\nplugin = \"./misbehaving.wasm\"\nenv = [\"PATH\"]\nread_tools = [\"job_get\"]\n\
         [backends.local.programs.sh]\njob = [[\"-c\", \"@text\"]]\n",
    )
}

/// A berth as a service of systemd: in a group of its own, with a user manager where there are `scopes`.
async fn served(place: &Place, groups: &Groups, scopes: bool) -> Berth {
    let service = groups.group("berth.service");
    let mut command = tokio::process::Command::new("sh");
    let enter = "echo $$ > \"$0\"; exec \"$@\"";
    command.args(["-ec", enter]).arg(service.0.join("cgroup.procs"));
    command.args([
        env!("CARGO_BIN_EXE_berth"),
        "serve",
        "--config",
        &place.name("config.toml"),
    ]);
    place.set_up(&mut command);
    if scopes {
        let stand_in = format!(
            "#!/bin/sh\nset -e\nwhile [ \"$1\" != -- ]; do\ncase $1 in --unit=*) scope={}/${{1#--unit=}} ;; esac\nshift\ndone\n\
             shift\nmkdir \"$scope\"\necho $$ > \"$scope/cgroup.procs\"\nexec \"$@\"\n",
            groups.path().display()
        );
        place.write("bin/systemd-run", stand_in, 0o700);
        fs::create_dir_all(place.path("run/systemd")).unwrap();
        place.write("run/systemd/private", "", 0o600);
        command
            .env("INVOCATION_ID", "1")
            .env("XDG_RUNTIME_DIR", place.path("run"));
    }
    Berth::start(place, command).await
}

#[tokio::test]
async fn a_service_that_is_killed_with_all_its_processes_takes_no_job_with_it_that_has_a_scope() {
    let (place, groups) = (place(), Groups::new());
    let mut berth = served(&place, &groups, true).await;
    let gate = place.path("gate");
    let waits = format!(
        "echo up; while ! [ -e {} ]; do sleep 0.02; done; exit 3",
        gate.display()
    );
    let id = submit(&berth, "a", &waits).await;
    let next = submit(&berth, "b", "echo next; sleep 600").await;
    until(&berth, &id, |job| job["printed"] == "up\n").await;
    groups.group("berth.service").kill();
    berth.kill().await;
    let berth = served(&place, &groups, true).await;
    assert_eq!(get(&berth, &id).await["phase"], "Running");
    fs::write(&gate, "").unwrap();
    let job = until(&berth, &id, |job| job["phase"] != "Running").await;
    assert_eq!((&job["phase"], &job["status"]), (&json!("Exited"), &json!(3)), "{job}");
    until(&berth, &next, |job| job["printed"] == "next\n").await;
    groups.group(&format!("berth-job-{next}")).kill();
    let job = until(&berth, &next, |job| job["phase"] != "Running").await;
    assert_eq!(job["phase"], "Interrupted", "{job}");
}

#[tokio::test]
async fn the_doctor_says_whether_the_end_of_the_service_is_that_of_sessions_and_jobs() {
    let (place, groups) = (place(), Groups::new());
    let _berth = served(&place, &groups, false).await;
    for (mode, said) in [
        ("control-group", "has KillMode=control-group"),
        ("process", "ends berth alone"),
    ] {
        let stand_in = format!("#!/bin/sh\necho \"$@\" > {}\necho {mode}\n", place.name("asked"));
        place.write("bin/systemctl", stand_in, 0o700);
        let ran = place.run(&["doctor"]).await;
        let found = ran.stdout.lines().find(|line| line.contains("service: berth.service"));
        assert!(found.is_some_and(|found| found.contains(said)), "{}", ran.stdout);
        assert_eq!(place.read("asked"), "show --property=KillMode --value berth.service\n");
    }
}

#[tokio::test]
async fn without_scopes_a_job_ends_with_the_service_and_the_next_one_says_so_and_goes_on() {
    let (place, groups) = (place(), Groups::new());
    let mut berth = served(&place, &groups, false).await;
    let id = submit(&berth, "a", "echo up; sleep 600").await;
    let next = submit(&berth, "b", "echo next").await;
    until(&berth, &id, |job| job["printed"] == "up\n").await;
    groups.group("berth.service").kill();
    berth.kill().await;
    let berth = served(&place, &groups, false).await;
    let job = until(&berth, &id, |job| job["phase"] != "Running").await;
    assert_eq!(job["phase"], "Interrupted", "{job}");
    assert!(job["reason"].as_str().unwrap().contains("killed"), "{job}");
    let job = until(&berth, &next, |job| {
        job["phase"] != "Queued" && job["phase"] != "Running"
    })
    .await;
    assert_eq!(
        (&job["phase"], &job["printed"]),
        (&json!("Exited"), &json!("next\n")),
        "{job}"
    );
}
