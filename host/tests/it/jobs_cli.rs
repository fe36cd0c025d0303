//! `berth jobs`: what a person at the terminal sees of jobs and does with them, with a berth and without.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;

use crate::berth::{Berth, PATIENCE, Place, Ran};
use crate::on_host::on_host;
use crate::sshd::Relay;

/// A backend that may run scripts as jobs.
const SCRIPTS: &str = "[backends.local]\nplugin = \"./misbehaving.wasm\"\nenv = [\"PATH\"]\n\
                       [backends.local.programs.sh]\njob = [[\"-c\", \"@text\"]]\njob_output = \"16 MiB\"\n";

fn place(server: &str) -> Place {
    Place::with_server(SCRIPTS, server)
}

async fn submit(berth: &Berth, key: &str, script: &str, note: &Value) -> String {
    let note = match note {
        Value::Null => String::new(),
        note => note.to_string(),
    };
    let spec = json!({"key": key, "queue": key, "script": script, "note": note});
    berth.call("job_submit", spec).await.done().text.trim().to_owned()
}

/// What `berth jobs` tells of a job.
async fn job(place: &Place, id: &str) -> Value {
    let ran = place.run(&["jobs", "show", id, "--json"]).await;
    assert!(ran.success, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

async fn until(place: &Place, id: &str, state: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = job(place, id).await;
        if found["state"] == state {
            return found;
        }
        assert!(Instant::now() < deadline, "it does not come to be {state}: {found}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A script that prints, and ends when the file `gate` is there.
fn waiting(place: &Place) -> String {
    format!(
        "echo up; while ! [ -e {} ]; do sleep 0.05; done",
        place.path("gate").display()
    )
}

#[tokio::test]
async fn jobs_are_listed_and_shown_alike_with_a_berth_and_without_one() {
    let place = place("");
    let mut berth = Berth::serve(&place).await;
    let note = json!({"kind": "run", "task": "Fix\u{1b}[31m the bug", "project": "app", "conversation": "c-1"});
    let first = submit(&berth, "a", "echo out; echo err >&2; exit 4", &note).await;
    let second = submit(&berth, "b", &waiting(&place), &Value::Null).await;
    until(&place, &first, "exited").await;
    until(&place, &second, "running").await;
    let listed = |ran: Ran| -> Vec<Vec<String>> {
        assert!(ran.success, "{}", ran.stderr);
        let lines = ran.stdout.lines();
        lines
            .map(|line| line.split('\t').map(str::to_owned).collect())
            .collect()
    };
    for with_berth in [true, false] {
        if !with_berth {
            berth.kill().await;
        }
        let rows = listed(place.run(&["jobs"]).await);
        let named = |row: &[String]| [0, 1, 2, 4, 5].map(|column| row[column].clone());
        assert_eq!(named(&rows[0]), [&*second, "local", "running", "b", "b"]);
        assert_eq!(
            named(&rows[1]),
            [&*first, "local", "exited", "a", "run: Fix the bug"],
            "without what controls a terminal"
        );
        for (filter, ids) in [
            (&["--state", "running"][..], vec![&second]),
            (&["--state", "exited"], vec![&first]),
            (&["--state", "nothing"], vec![]),
            (&["--backend", "other"], vec![]),
            (&["--limit", "1"], vec![&second]),
        ] {
            let rows = listed(place.run(&[&["jobs", "list"], filter].concat()).await);
            assert_eq!(rows.iter().map(|row| &row[0]).collect::<Vec<_>>(), ids, "{filter:?}");
        }
        let shown = place.run(&["jobs", "show", &first[..8]]).await.stdout;
        for line in [
            "state    exited: exit status 4",
            "project  app",
            "session  local/c-1",
            "printed  4 bytes, and 4 to standard error",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
        }
        let told = job(&place, &format!("local/{first}")).await;
        assert_eq!((&told["status"], &told["note"]["kind"]), (&json!(4), &json!("run")));
        assert!(told["finished_at"].as_str().unwrap().ends_with('Z'));
        assert_eq!(place.run(&["jobs", "show", &first, "--log"]).await.stdout, "out\n");
        assert_eq!(place.run(&["jobs", "show", &first, "--errors"]).await.stdout, "err\n");
    }
    place.write("gate", "", 0o600);
    let complaint = place.complaint(&["jobs", "show", "nothing"]).await;
    assert!(complaint.contains("there is no job `nothing`"), "{complaint}");
    let complaint = place.complaint(&["jobs", "show", ""]).await;
    assert!(complaint.contains("several jobs"), "{complaint}");
}

#[tokio::test]
async fn all_that_a_job_printed_is_shown_and_what_it_prints_is_followed_to_its_end() {
    let place = place("");
    let berth = Berth::serve(&place).await;
    let script = format!(
        "i=0; while [ $i -lt 30000 ]; do echo line $i; i=$((i+1)); done; {}; echo last",
        waiting(&place)
    );
    let id = submit(&berth, "a", &script, &Value::Null).await;
    let config = place.name("config.toml");
    let mut command = place.command(&["jobs", "show", &id, "--log", "-f", "--config", &config]);
    let mut follower = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut count = 0;
    let mut last = String::new();
    while let Some(line) = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap() {
        count += 1;
        if line == "up" {
            place.write("gate", "", 0o600);
        }
        last = line;
    }
    assert_eq!((count, &*last), (30_002, "last"));
    assert!(timeout(PATIENCE, follower.wait()).await.unwrap().unwrap().success());
    let all = place.run(&["jobs", "show", &id, "--log"]).await.stdout;
    assert_eq!(all.lines().count(), 30_002);
    assert!(all.starts_with("line 0\n") && all.ends_with("\nlast\n"));
}

#[tokio::test]
async fn a_job_that_runs_is_shown_with_what_its_session_does_and_followed_to_its_end() {
    let place = place("");
    let berth = Berth::serve(&place).await;
    // A session of this guest's that asks something.
    let note = json!({"kind": "run", "task": "Fix it", "conversation": "asks-1"});
    let id = submit(&berth, "a", &waiting(&place), &note).await;
    until(&place, &id, "running").await;
    assert_eq!(job(&place, &id).await["progress"], "May I?");
    let listed = place.run(&["jobs"]).await.stdout;
    assert!(listed.contains("run: Fix it — May I?"), "{listed}");
    let config = place.name("config.toml");
    for arguments in [&["jobs", "show", &id, "-f"][..], &["jobs", "--follow"]] {
        let mut command = place.command(&[arguments, &["--config", &config]].concat());
        let mut follower = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
        let mut seen = async |wanted: &str| {
            loop {
                let line = timeout(PATIENCE, lines.next_line()).await.expect(wanted).unwrap();
                if line.expect(wanted).contains(wanted) {
                    return;
                }
            }
        };
        match arguments.contains(&"show") {
            true => {
                seen("running: May I?").await;
                place.write("gate", "", 0o600);
                seen("exited: exit status 0").await;
                assert!(timeout(PATIENCE, follower.wait()).await.unwrap().unwrap().success());
            }
            false => {
                seen(&id).await;
                let next = submit(&berth, "next", "true", &Value::Null).await;
                seen(&next).await;
            }
        }
    }
}

#[tokio::test]
async fn a_job_is_cancelled_by_the_berth_that_runs_and_the_record_says_by_whom() {
    let place = place("");
    let berth = Berth::serve(&place).await;
    let running = submit(&berth, "a", &waiting(&place), &Value::Null).await;
    until(&place, &running, "running").await;
    let complaint = place.complaint(&["jobs", "cancel", &running[..8]]).await;
    assert!(complaint.contains(&format!("did you mean {running}?")), "{complaint}");
    let ran = place.run(&["jobs", "cancel", &running]).await;
    assert!(
        ran.success && ran.stdout.contains(&running),
        "{} {}",
        ran.stdout,
        ran.stderr
    );
    until(&place, &running, "cancelled").await;
    let again = place.run(&["jobs", "cancel", &running]).await;
    assert_eq!(again.stdout, format!("job {running} has ended before: cancelled\n"));
    let audit = place
        .run(&["audit", "--json", "--tool", "job-cancelled", "--limit", "0"])
        .await
        .stdout;
    let first: Value = serde_json::from_str(audit.lines().next().unwrap()).unwrap();
    let uid = format!("uid:{}", rustix::process::getuid().as_raw());
    assert_eq!((&first["principal"], &first["backend"]), (&json!(uid), &json!("local")));
    assert!(first["text"].as_str().unwrap().contains(&running), "{first}");
}

#[tokio::test]
async fn a_job_is_cancelled_and_old_ones_are_removed_where_no_berth_runs() {
    let place = place("");
    let mut berth = Berth::serve(&place).await;
    let ended = submit(&berth, "old", "echo old", &Value::Null).await;
    until(&place, &ended, "exited").await;
    let running = submit(&berth, "a", &waiting(&place), &Value::Null).await;
    until(&place, &running, "running").await;
    berth.kill().await;
    assert!(
        place
            .run(&["jobs", "prune", "--older-than", "1h", "--yes"])
            .await
            .success
    );
    assert_eq!(job(&place, &ended).await["state"], "exited", "it is not that old");
    let complaint = place.complaint(&["jobs", "prune", "--older-than", "0s"]).await;
    assert!(complaint.contains("--yes"), "{complaint}");
    let ran = place.run(&["jobs", "prune", "--older-than", "0s", "--yes"]).await;
    assert_eq!(ran.stdout, "1 jobs are removed, with what they printed\n");
    assert!(!place.path(&format!("data/jobs/local/{ended}")).exists());
    assert_eq!(
        job(&place, &running).await["state"],
        "running",
        "what runs is never removed"
    );
    let ran = place.run(&["jobs", "cancel", &running]).await;
    assert!(ran.stdout.contains("is told to end"), "{} {}", ran.stdout, ran.stderr);
    let _berth = Berth::serve(&place).await;
    until(&place, &running, "cancelled").await;
}

#[tokio::test]
async fn what_is_in_a_session_sees_jobs_and_changes_none_whatever_it_may_control() {
    for server in ["", "sessions_may_control = true"] {
        let place = place(server);
        let berth = Berth::serve(&place).await;
        let ended = submit(&berth, "old", "echo old", &Value::Null).await;
        let running = submit(&berth, "a", &waiting(&place), &Value::Null).await;
        until(&place, &ended, "exited").await;
        until(&place, &running, "running").await;
        let config = place.name("config.toml");
        let inside = async |arguments: &[&str]| {
            let mut command = place.command(&[arguments, &["--config", &config]].concat());
            timeout(PATIENCE, command.env(berth::peer::MARK, "local").output())
                .await
                .unwrap()
                .unwrap()
        };
        let listed = inside(&["jobs"]).await;
        assert!(String::from_utf8_lossy(&listed.stdout).contains(&running));
        // What is in a job sees that one alone.
        let mut command = place.command(&["jobs", "--config", &config]);
        command
            .env(berth::peer::MARK, "local")
            .env(berth::peer::JOB_MARK, &ended);
        let listed = timeout(PATIENCE, command.output()).await.unwrap().unwrap();
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        assert!(listed.starts_with(&ended) && listed.lines().count() == 1, "{listed}");
        for arguments in [
            &["jobs", "cancel", &running][..],
            &["jobs", "prune", "--older-than", "0s", "--yes"],
        ] {
            let refused = inside(arguments).await;
            assert!(!refused.status.success());
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(said.contains("a terminal of your own"), "{said}");
        }
        // One that asks on the socket by itself is refused there.
        let asked = json!({"berth": "jobs", "deed": {"cancel": {"backend": "local", "id": running}}});
        let script = format!(
            "import socket; s = socket.socket(socket.AF_UNIX); s.connect('{}'); s.sendall(b'{asked}\\n'); \
             print(s.makefile().read())",
            place.path("data/berth.sock").display()
        );
        let mut python = tokio::process::Command::new("python3");
        python.args(["-c", &script]).env(berth::peer::MARK, "local");
        let answer = timeout(PATIENCE, python.output()).await.unwrap().unwrap();
        let answer: Value = serde_json::from_slice(&answer.stdout).unwrap();
        assert_eq!(answer["done"], false, "{answer}");
        assert_eq!(job(&place, &running).await["state"], "running");
        assert_eq!(job(&place, &ended).await["state"], "exited");
        place.write("gate", "", 0o600);
    }
}

#[tokio::test]
async fn what_is_in_a_job_sees_that_job_alone_whatever_its_variables_say_and_no_record_of_others() {
    let place = place("");
    let berth = Berth::serve(&place).await;
    let other = submit(&berth, "other", "echo of another", &Value::Null).await;
    until(&place, &other, "exited").await;
    let (binary, config) = (env!("CARGO_BIN_EXE_berth"), place.name("config.toml"));
    // As the command asks the berth that runs, where a job is on a host.
    let asked = json!({"berth": "printed", "of": {"backend": "local", "id": other, "errors": false, "start": 0}});
    let by_itself = format!(
        "import socket; s = socket.socket(socket.AF_UNIX); s.connect('{}'); s.sendall(b'{asked}\\n'); \
         print(s.makefile().read())",
        place.path("data/berth.sock").display()
    );
    place.write("by_itself.py", by_itself, 0o600);
    let told = std::process::Command::new("python3")
        .arg(place.path("by_itself.py"))
        .output()
        .unwrap();
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert!(
        told["part"]["bytes"].as_str().is_some_and(|bytes| !bytes.is_empty()),
        "{told}"
    );
    let script = format!(
        "HOME={}; export HOME; cd {}\n\
         BERTH_JOB={other} {binary} jobs show {other} --log --config {config} > shown 2>&1\n\
         env -i HOME=$HOME PATH=$PATH setsid -f sh -c '{binary} jobs --config {config} > apart 2>&1; echo end >> apart'\n\
         {binary} audit --config {config} > audit 2>&1\n\
         python3 ../by_itself.py > asked 2>&1\n\
         while ! grep -q end apart; do sleep 0.02; done",
        place.name("home"),
        place.name("projects")
    );
    let id = submit(&berth, "a", &script, &Value::Null).await;
    until(&place, &id, "exited").await;
    let said = |name: &str| place.read(&format!("projects/{name}"));
    assert!(said("shown").contains("there is no job"), "{}", said("shown"));
    let asked = said("asked");
    assert!(asked.contains("there is no job") && !asked.contains("bytes"), "{asked}");
    let apart = said("apart");
    assert!(apart.contains(&id) && !apart.contains(&other), "{apart}");
    let audit = said("audit");
    assert!(
        audit.contains("runs in a job") && !audit.contains("job_submit"),
        "{audit}"
    );
}

#[tokio::test]
async fn doctor_says_what_a_restart_of_the_service_would_end_and_what_git_is_too_old_for() {
    let place = Place::new(
        "[backends.local]\nplugin = \"./misbehaving.wasm\"\n\
         [backends.local.programs.sh]\njob = [[\"-c\", \"@text\"]]\n\
         [backends.local.programs.git]\nread = [[\"status\"]]\n",
    );
    place.write("bin/git", "#!/bin/sh\necho git version 2.39.5\n", 0o755);
    let found = async || {
        let ran = place.run(&["doctor", "--json"]).await;
        let findings: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap();
        let about = |about: &str| findings.iter().find(|finding| finding["about"] == about).cloned();
        (about("service"), about("git").unwrap())
    };
    let (service, git) = found().await;
    assert_eq!(service, None, "there is none");
    assert_eq!(git["mark"], "warn");
    assert!(git["what"].as_str().unwrap().contains("2.39.5"), "{git}");
    if cfg!(target_os = "linux") {
        std::fs::create_dir_all(place.path("home/.config/systemd/user")).unwrap();
        place.write("home/.config/systemd/user/berth.service", "[Service]\n", 0o600);
        for (mode, mark) in [("control-group", "warn"), ("process", "ok")] {
            let systemctl = format!("#!/bin/sh\necho \"$@\" > {}\necho {mode}\n", place.name("asked"));
            place.write("bin/systemctl", systemctl, 0o755);
            let service = found().await.0.unwrap();
            assert_eq!(service["mark"], mark, "{service}");
        }
        assert_eq!(
            place.read("asked"),
            "--user show --property=KillMode --value berth.service\n"
        );
    }
}

#[tokio::test]
async fn a_run_of_several_jobs_is_one_line_by_the_id_that_callers_know() {
    let place = place("");
    let berth = Berth::serve(&place).await;
    let submit = async |key: &str, script: &str, note: Value| {
        let spec = json!({"key": key, "queue": "app", "script": script, "note": note.to_string()});
        berth.call("job_submit", spec).await.done().text.trim().to_owned()
    };
    let first = submit("clone", "echo cloned", json!({"kind": "build", "task": "Add it"})).await;
    until(&place, &first, "exited").await;
    berth
        .call("job_label", json!({"id": first, "label": "stage"}))
        .await
        .done();
    assert_eq!(job(&place, &first).await["state"], "stage", "nothing goes on yet");
    let note = json!({"kind": "build", "task": "Add it", "build": {"branch": "add", "run": {"id": first}}});
    let second = submit("agent", &waiting(&place), note).await;
    let now = until(&place, &first, "running").await;
    assert_eq!((&now["id"], &now["job"]), (&json!(first), &json!(second)));
    let listed = place.run(&["jobs"]).await.stdout;
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert!(
        listed.starts_with(&first) && listed.contains("build: Add it"),
        "{listed}"
    );
    assert_eq!(place.run(&["jobs", "show", &first, "--log"]).await.stdout, "up\n");
    let ran = place.run(&["jobs", "cancel", &first]).await;
    assert!(ran.success && ran.stdout.contains(&second), "{}", ran.stdout);
    until(&place, &first, "cancelled").await;
}

#[tokio::test]
async fn what_a_job_on_a_host_printed_is_read_by_the_berth_that_serves_and_without_one_it_is_said_what_to_do() {
    let place = Place::new("");
    let mut config = SCRIPTS.parse().unwrap();
    let mut sshd = on_host(&mut config, &place, &["local"]);
    place.configure(&config.to_string(), "");
    let mut berth = Berth::serve(&place).await;
    // More than one answer holds.
    let many = "head -c 1500000 /dev/zero | tr '\\0' x";
    let script = format!("{many}; echo; echo err >&2; {}; echo last", waiting(&place));
    let id = submit(&berth, "a", &script, &Value::Null).await;
    until(&place, &id, "running").await;
    let config = place.name("config.toml");
    let mut command = place.command(&["jobs", "show", &id, "--log", "-f", "--config", &config]);
    let mut follower = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut printed = Vec::new();
    while let Some(line) = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap() {
        if line == "up" {
            place.write("gate", "", 0o600);
        }
        printed.push(line);
    }
    assert_eq!(printed[0].len(), 1_500_000);
    assert_eq!(printed[1..], ["up", "last"]);
    assert!(timeout(PATIENCE, follower.wait()).await.unwrap().unwrap().success());
    let whole = place.run(&["jobs", "show", &id, "--log"]).await.stdout;
    assert_eq!(whole, printed.join("\n") + "\n");
    assert_eq!(place.run(&["jobs", "show", &id, "--errors"]).await.stdout, "err\n");

    sshd.stop();
    let complaint = place.complaint(&["jobs", "show", &id, "--log"]).await;
    assert!(complaint.contains("the host there"), "{complaint}");
    berth.kill().await;
    for asked in [&["jobs", "show", &id, "--log"][..], &["jobs", "show", &id, "--errors"]] {
        let complaint = place.complaint(asked).await;
        assert!(
            complaint.contains("only a berth that serves reaches") && complaint.contains("`berth serve`"),
            "{complaint}"
        );
    }
}

#[tokio::test]
async fn a_host_that_answers_nothing_more_keeps_no_berth_from_its_end_and_what_runs_there_goes_on() {
    let place = Place::new("");
    let mut config = SCRIPTS.parse().unwrap();
    let sshd = on_host(&mut config, &place, &["local"]);
    let relay = Relay::to(sshd.port()).await;
    let host = config["hosts"]["there"].as_table_mut().unwrap();
    host.insert("port".into(), i64::from(relay.port()).into());
    let known = sshd
        .known()
        .replace(&sshd.port().to_string(), &relay.port().to_string());
    place.write("known", known, 0o600);
    host.insert("known_hosts".into(), place.name("known").into());
    place.configure(&config.to_string(), "");
    let mut berth = Berth::serve(&place).await;
    let id = submit(&berth, "a", &waiting(&place), &Value::Null).await;
    until(&place, &id, "running").await;
    let deadline = Instant::now() + PATIENCE;
    while place.run(&["jobs", "show", &id, "--log"]).await.stdout != "up\n" {
        assert!(Instant::now() < deadline, "it prints nothing");
    }
    relay.stop();
    // Somebody waits for the host when the end comes.
    let asked = async {
        let deadline = Instant::now() + PATIENCE;
        while !place.run(&["audit", "--json"]).await.stdout.contains("under-way") {
            assert!(Instant::now() < deadline, "nothing is asked");
        }
    };
    tokio::select! {
        answered = berth.call("job_get", json!({"id": id})) => panic!("{answered:?}"),
        () = asked => {}
    }
    let (_, well) = berth.terminate().await;
    assert!(well);
    let log = place.read("log");
    assert!(
        !log.contains("were still under way when the time to finish them was over"),
        "{log}"
    );
    relay.pass();
    let berth = Berth::serve(&place).await;
    until(&place, &id, "running").await;
    place.write("gate", "", 0o600);
    until(&place, &id, "exited").await;
    drop(berth);
}
