//! Backends on a host: this machine by a real sshd. What they do there is what they do here, and is tested in the same
//! tests, with `BERTH_TEST_HOST=1`; here is what can be different.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use toml::Table;

use crate::berth::{Berth, Place};
use crate::demo::{Demo, Tmux, until};
use crate::sshd::Sshd;
use crate::terminal::Person;

/// Adds the backend `here`, which is `local` but on this machine.
fn with_one_here(config: &mut Table, place: &Place) {
    let mut here = config["backends"]["local"].as_table().unwrap().clone();
    let socket = here["programs"]["tmux"]["socket"].as_table_mut().unwrap();
    socket.insert("former".into(), place.name("former/here").into());
    config["backends"]
        .as_table_mut()
        .unwrap()
        .insert("here".into(), here.into());
}

/// The configuration, without what the place adds.
fn written(demo: &Demo) -> Table {
    let mut config: Table = demo.place.read("config.toml").parse().unwrap();
    config.remove("server");
    config
}

/// Why the backend on the host is not up, as a list of projects tells it.
async fn down(demo: &Demo) -> String {
    let told = demo.call("list_projects", json!({"backend": "local"})).await;
    told.structured["errors"].to_string() + &told.text
}

/// What a list of sessions says of both: the ids, and the backends with an error.
async fn listed(demo: &Demo) -> (Vec<String>, String) {
    let listed = demo.call("list_sessions", json!({})).await.done().structured;
    let ids = listed["sessions"].as_array().unwrap().iter();
    let ids = ids.map(|session| session["session_id"].as_str().unwrap().to_owned());
    (ids.collect(), listed["errors"].to_string())
}

#[tokio::test]
async fn a_session_on_a_host_is_talked_to_as_one_here() {
    let demo = Demo::there(|_, _| {}).await;
    let id = demo.create("app").await;
    let sent = demo.send(&id, "say hello").await.done().structured;
    assert_eq!(sent["receipt"], "submitted");
    assert!(sent["text"].as_str().unwrap().contains("hello"), "{sent}");
    assert_eq!(listed(&demo).await, (vec![id], "[]".to_owned()));
    let own = demo.place.path("home/.local/state/berth");
    let folders: Vec<_> = fs::read_dir(own).unwrap().flatten().collect();
    assert_eq!(folders.len(), 1, "one installation has one folder there");
    let mode = folders[0].metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "nobody else reaches it");
}

#[tokio::test]
async fn a_host_that_is_gone_is_a_line_of_errors_and_what_runs_there_is_found_again() {
    let mut demo = Demo::there(with_one_here).await;
    let _here = Tmux::of_backend(&demo.place, "here");
    let id = demo.create("app").await;
    // The sessions are no children of the daemon.
    demo.host.as_mut().unwrap().stop();
    demo.project("beside");
    let beside = json!({"backend": "here", "project": "beside", "wait_seconds": 20});
    let beside = demo.call("create_session", beside).await.done().structured;
    let beside = beside["session"]["session_id"].as_str().unwrap().to_owned();
    let (ids, errors) = listed(&demo).await;
    assert_eq!(ids, [beside.as_str()]);
    assert!(errors.contains("the host there"), "{errors}");
    let refused = demo.send(&id, "say are you there").await.error();
    assert!(refused.contains("the host there"), "{refused}");
    demo.host.as_mut().unwrap().restart();
    until("both are listed", async || {
        let (ids, errors) = listed(&demo).await;
        (errors == "[]" && ids.contains(&id) && ids.contains(&beside)).then_some(())
    })
    .await;
    let sent = demo.send(&id, "say still there").await.done().structured;
    assert!(sent["text"].as_str().unwrap().contains("still there"), "{sent}");
    assert_eq!(
        demo.record("app", "message"),
        ["say still there"],
        "nothing was typed meanwhile"
    );
}

#[tokio::test]
async fn a_reload_counts_while_a_host_is_away_and_what_is_there_is_found_again_when_it_is_back() {
    let mut demo = Demo::there(with_one_here).await;
    let id = demo.create("app").await;
    demo.host.as_mut().unwrap().stop();
    let mut config = written(&demo);
    config["backends"].as_table_mut().unwrap().remove("here");
    demo.place.configure(&config.to_string(), "");
    let ran = demo.place.run(&["reload"]).await;
    assert!(ran.success, "{}", ran.stderr);
    assert!(ran.stdout.contains("backend `here`: removed"), "{}", ran.stdout);
    let told = ran.stdout.lines().find(|line| line.contains("backend `local`"));
    let told = told.unwrap_or_default();
    assert!(
        told.contains("it is down, and is tried again: the host there cannot be used now"),
        "{}",
        ran.stdout
    );
    // A backend that is down is tried again in its own time.
    assert!(!told.contains("tried again after"), "{told}");
    let gone = demo.call("list_sessions", json!({"backend": "here"})).await.error();
    assert!(gone.contains("there is no backend `here`"), "{gone}");
    demo.host.as_mut().unwrap().restart();
    until("it is up again", async || {
        (listed(&demo).await.0 == [id.as_str()]).then_some(())
    })
    .await;
    // That it is not reached any more by what was changed is refused.
    config["hosts"]["there"]["identity_file"] = "/no/such/key".into();
    demo.place.configure(&config.to_string(), "");
    let complaint = demo.place.complaint(&["reload"]).await;
    assert!(
        complaint.contains("backend `local` is up and would be down: the host there"),
        "{complaint}"
    );
    assert_eq!(listed(&demo).await.0, [id]);
}

#[tokio::test]
async fn what_is_missing_on_a_host_is_told_with_its_fix_and_nothing_begins_there() {
    type Change = fn(&mut Table, &Place);
    let program: Change = |config, _| {
        config["backends"]["local"]["programs"]["tmux"]["path"] = "no-such-tmux".into();
    };
    let elsewhere: Change = |config, place| {
        let folder = place.path("home/.local/bin");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("tmux-elsewhere"), "#!/bin/sh\nexec tmux \"$@\"\n").unwrap();
        fs::set_permissions(folder.join("tmux-elsewhere"), fs::Permissions::from_mode(0o755)).unwrap();
        config["backends"]["local"]["programs"]["tmux"]["path"] = "tmux-elsewhere".into();
    };
    let old: Change = |config, place| {
        place.write("bin/old-tmux", "#!/bin/sh\necho tmux 2.9\n", 0o755);
        config["backends"]["local"]["programs"]["tmux"]["path"] = "old-tmux".into();
    };
    let directory: Change = |config, _| {
        config["backends"]["local"]["directories"] = vec!["~/no such"].into();
    };
    let file: Change = |config, place| {
        place.write("a-file", "", 0o600);
        config["backends"]["local"]["directories"] = vec![place.name("a-file")].into();
    };
    for (change, what, fix) in [
        (program, "is not on the PATH of the host there", "install it there"),
        (
            elsewhere,
            "it is in ~/.local/bin",
            "path = [\\\"~/.local/bin\\\"] into [hosts.there]",
        ),
        (old, "older than", "install a newer one there"),
        (directory, "does not exist on the host there", "mkdir -p ~/'no such'"),
        (file, "is not a directory on the host there", "name the directory"),
    ] {
        let demo = Demo::there_down(change).await;
        let told = down(&demo).await;
        assert!(told.contains(what) && told.contains(fix), "{told}");
        assert!(!demo.place.path("home/.local/state/berth").exists());
    }
}

/// All that a client is told of a backend on a host that cannot be used.
async fn told_of(demo: &Demo, id: &str) -> Vec<String> {
    let mut told = Vec::new();
    for (tool, arguments) in [
        ("list_sessions", json!({})),
        ("list_projects", json!({})),
        ("get_session_status", json!({"session_id": id})),
        ("get_logs", json!({"session_id": id})),
        ("send_message", json!({"session_id": id, "message": "hello"})),
        ("create_session", json!({"project": "app"})),
        ("terminate_session", json!({"session_id": id})),
    ] {
        let called = demo.call(tool, arguments).await;
        told.push(format!("{tool}: {} {}", called.text, called.structured));
    }
    told
}

#[tokio::test]
async fn clients_learn_of_a_host_only_its_label_and_its_state() {
    type Break = fn(&mut Sshd);
    let breaks: [(&str, Break); 4] = [
        ("unreachable", Sshd::stop),
        ("key changed", Sshd::change_key),
        ("key unknown", |sshd| fs::write(sshd.path("known_hosts"), "").unwrap()),
        ("key refused", |sshd| fs::remove_file(sshd.path("user_key")).unwrap()),
    ];
    let mut demo = Demo::there(|_, _| {}).await;
    let id = demo.create("app").await;
    let sshd = demo.host.as_ref().unwrap();
    let secrets = [
        sshd.destination(),
        "127.0.0.1".into(),
        sshd.port().to_string(),
        sshd.path("").display().to_string(),
        "known_hosts".into(),
        "user_key".into(),
        "ssh says".into(),
        "publickey".into(),
    ];
    for (state, breaks) in breaks {
        let sshd = demo.host.as_mut().unwrap();
        breaks(sshd);
        // A backend that was up, and one that does not come up.
        for is_new in [false, true] {
            if is_new {
                demo.berth.terminate().await;
                demo.berth = Berth::serve(&demo.place).await;
            } else {
                demo.host.as_mut().unwrap().stop();
                if state != "unreachable" {
                    demo.host.as_mut().unwrap().restart();
                }
            }
            let known = format!("the host there cannot be used now: {state}; `berth hosts`");
            let told = until(state, async || {
                let told = told_of(&demo, &id).await;
                told.iter().all(|told| told.contains(&known)).then_some(told)
            })
            .await;
            for (told, secret) in told
                .iter()
                .flat_map(|told| secrets.iter().map(move |secret| (told, secret)))
            {
                assert!(!told.contains(secret), "{state}: {secret}: {told}");
            }
        }
        let ran = demo.place.run(&["hosts"]).await;
        assert!(ran.stdout.contains(&secrets[0]), "its operator is told: {}", ran.stdout);
    }
}

#[tokio::test]
async fn neither_berths_own_folder_on_a_host_nor_everything_there_can_be_granted() {
    for (written, why) in [
        ("/", "is the root directory"),
        ("~/to-root", "is the root directory"),
        ("/proc/self", "where the system shows itself"),
        ("/sys", "where the system shows itself"),
        ("~", "berth's own"),
        ("~/.local/state", "berth's own"),
        ("~/.local/state/berth", "berth's own"),
        ("~/.local/state/berth/x", "berth's own"),
        ("~/to-state", "berth's own"),
        ("~/moved", "berth's own"),
    ] {
        let demo = Demo::there_down(|config, place| {
            let home = place.path("home");
            fs::create_dir_all(home.join("moved/berth/x")).unwrap();
            fs::create_dir_all(home.join(".local")).unwrap();
            // What berth keeps there is behind a link.
            symlink("../moved", home.join(".local/state")).unwrap();
            symlink("/", home.join("to-root")).unwrap();
            symlink(".local/state", home.join("to-state")).unwrap();
            config["backends"]["local"]["directories"] = vec![written].into();
        })
        .await;
        let told = down(&demo).await;
        assert!(
            told.contains(why) && told.contains("on the host there: name a directory of your projects there"),
            "{written}: {told}"
        );
        let ran = demo.place.run(&["hosts", "--json"]).await;
        assert!(ran.stdout.contains(why), "{written}: {}", ran.stdout);
        let own = fs::read_dir(demo.place.path("home/moved/berth")).unwrap();
        assert_eq!(own.count(), 1, "{written}: nothing was made there");
    }
}

#[tokio::test]
async fn a_host_whose_key_is_unknown_is_down_until_a_person_trusts_it() {
    let mut demo = Demo::there(|_, _| {}).await;
    let id = demo.create("app").await;
    demo.host.as_mut().unwrap().change_key();
    let told = until("the other key is told", async || {
        let told = demo.send(&id, "hello").await.error();
        told.contains("the host there cannot be used now: key changed")
            .then_some(told)
    })
    .await;
    // A client learns no more of a host than its label, and where its operator finds more.
    let port = demo.host.as_ref().unwrap().port().to_string();
    assert!(told.contains("`berth hosts`"), "{told}");
    assert!(
        !told.contains("known_hosts") && !told.contains("127.0.0.1") && !told.contains(&port),
        "{told}"
    );
    // Its operator finds all of it in the log, once.
    let why = "the host there shows another key than the one that is trusted";
    for _ in 0..3 {
        demo.send(&id, "hello").await.error();
    }
    let log = until("the log has it", async || {
        let log = demo.place.read("log");
        log.contains(why).then_some(log)
    })
    .await;
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(why)).collect();
    assert!(lines.len() == 1 && lines[0].contains(", line 1 of "), "{log}");
    let host = demo.host.as_ref().unwrap();
    fs::write(host.path("known_hosts"), host.known()).unwrap();
    until("it is found again", async || {
        (listed(&demo).await.0 == [id.as_str()]).then_some(())
    })
    .await;
    let again = until("the log has that too", async || {
        let log = demo.place.read("log");
        let again = log.matches("the host there is reached again").count();
        (again > 0).then_some(again)
    })
    .await;
    assert_eq!(again, 1);
}

#[tokio::test]
async fn the_check_tells_why_a_backend_is_down_whose_host_is_away_and_shows_the_rest() {
    let mut demo = Demo::there(|_, _| {}).await;
    demo.host.as_mut().unwrap().stop();
    let ran = demo.place.run(&["check"]).await;
    assert!(!ran.success, "{}", ran.stdout);
    for told in [
        "is valid",
        "backend `local`: the host there cannot be used now: unreachable",
    ] {
        assert!(ran.stdout.contains(told), "{}{}", ran.stdout, ran.stderr);
    }
}

#[tokio::test]
async fn who_sees_a_host_answer_again_finds_its_sessions_at_once() {
    let mut demo = Demo::there(|_, _| {}).await;
    let id = demo.create("app").await;
    demo.host.as_mut().unwrap().stop();
    // A while later it is left alone for a while.
    until("it is left alone", async || {
        listed(&demo).await.1.contains("tried again after 4 s").then_some(())
    })
    .await;
    demo.host.as_mut().unwrap().restart();
    let ran = demo.place.run(&["hosts"]).await;
    assert!(ran.stdout.contains("answers"), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(listed(&demo).await, (vec![id], "[]".to_owned()));
}

/// Whether an ssh of berth's is logged in on the host.
fn is_logged_in(demo: &Demo) -> bool {
    let port = demo.host.as_ref().unwrap().port();
    let listed = Command::new("ps").args(["-A", "-o", "args="]).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let is_master = |line: &str| line.contains(" -M ") && line.contains(&format!(" -p {port} "));
    listed.lines().any(is_master)
}

#[tokio::test]
async fn a_host_that_is_removed_is_left() {
    let demo = Demo::there(with_one_here).await;
    demo.create("app").await;
    assert!(is_logged_in(&demo));
    let mut config = written(&demo);
    config.remove("hosts");
    config["backends"].as_table_mut().unwrap().remove("local");
    config.insert("default_backend".into(), "here".into());
    demo.place.configure(&config.to_string(), "");
    let ran = demo.place.run(&["reload"]).await;
    assert!(ran.success, "{}", ran.stderr);
    until("it is left", async || (!is_logged_in(&demo)).then_some(())).await;
}

#[tokio::test]
async fn a_slow_host_holds_up_nobody() {
    let demo = Demo::there(|config, place| {
        with_one_here(config, place);
        let script = "#!/bin/sh\n[ ! -e \"${0%/bin/*}/slow\" ] || sleep 600\nexec tmux \"$@\"\n";
        place.write("bin/slow-tmux", script, 0o755);
        let local = config["backends"]["local"].as_table_mut().unwrap();
        local["programs"]["tmux"]["path"] = "slow-tmux".into();
        let mut limits = Table::new();
        limits.insert("deadline".into(), "4s".into());
        local.insert("limits".into(), limits.into());
    })
    .await;
    let _here = Tmux::of_backend(&demo.place, "here");
    let there = demo.create("app").await;
    let beside = json!({"backend": "here", "project": "app", "wait_seconds": 20});
    let beside = demo.call("create_session", beside).await.done().structured;
    let beside = beside["session"]["session_id"].as_str().unwrap().to_owned();
    demo.place.write("slow", "", 0o600);
    let (ids, errors) = listed(&demo).await;
    assert_eq!(ids, [beside.as_str()]);
    assert!(errors.contains("\"backend\":\"local\""), "{errors}");
    fs::remove_file(demo.place.path("slow")).unwrap();
    let (mut ids, errors) = listed(&demo).await;
    ids.sort();
    let mut all = [beside, there];
    all.sort();
    assert_eq!((ids.as_slice(), errors.as_str()), (all.as_slice(), "[]"));
}

#[tokio::test]
async fn two_berths_on_one_host_see_only_their_own() {
    let demo = Demo::there(|_, _| {}).await;
    let id = demo.create("app").await;
    let other = Place::new("");
    let mut config: Table = demo.place.read("config.toml").parse().unwrap();
    config.remove("server");
    other.configure(&config.to_string(), "");
    let berth = Berth::serve(&other).await;
    let seen = berth.call("list_sessions", json!({})).await.done().structured;
    assert_eq!((&seen["sessions"], &seen["errors"]), (&json!([]), &json!([])));
    let created = berth
        .call("create_session", json!({"project": "app", "wait_seconds": 20}))
        .await;
    let created = created.done().structured;
    let own = created["session"]["session_id"].as_str().unwrap();
    assert_eq!(listed(&demo).await.0, [id]);
    berth.call("terminate_session", json!({"session_id": own})).await.done();
    let installation = other.read("data/installation");
    Tmux::of_installation(&demo.place, installation.trim()).run(&["kill-server"]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_whose_socket_is_gone_there_is_named_and_no_second_one_is_started() {
    let demo = Demo::there(|_, _| {}).await;
    let id = demo.create("app").await;
    let away = demo.place.path("socket-away");
    fs::rename(demo.tmux.socket(), &away).unwrap();
    let (ids, errors) = listed(&demo).await;
    assert!(ids.is_empty() && errors.contains("its server still lives"), "{errors}");
    assert!(errors.contains("kill -USR1 PID"), "{errors}");
    let refused = demo.call("create_session", json!({"project": "app"})).await.error();
    assert!(refused.contains("its server still lives"), "{refused}");
    fs::rename(&away, demo.tmux.socket()).unwrap();
    assert_eq!(listed(&demo).await, (vec![id], "[]".to_owned()));
}

/// Starts as many sessions as a hundred, as berth starts them, and waits until all are idle.
async fn a_hundred(demo: &Demo) {
    demo.create("app").await;
    let agent = env!("CARGO_BIN_EXE_berth");
    let directory = demo.place.name("projects/app");
    for number in 1..100 {
        let name = format!("app-{number}");
        let start = ["new-session", "-d", "-s", &name, "-n", "demo", "-x", "120", "-y", "40"];
        let runs = ["-c", &directory, "--", "env", agent, "demo-agent"];
        demo.tmux.order(&[&start[..], &runs].concat());
    }
    until("all are idle", async || {
        let seen = demo
            .call("list_sessions", json!({"limit": 100}))
            .await
            .done()
            .structured;
        let sessions = seen["sessions"].as_array().unwrap();
        let idle = sessions.iter().filter(|session| session["state"] == "idle").count();
        (idle == 100).then_some(())
    })
    .await;
}

/// Waits for a list of a hundred that took so many round trips to the host: whatever goes on between calls comes to rest.
async fn are_listed_in(demo: &Demo, most: usize) -> Vec<Value> {
    let host = demo.host.as_ref().unwrap();
    let quiet = Instant::now() + Duration::from_secs(30);
    loop {
        let before = host.sessions();
        let seen = demo
            .call("list_sessions", json!({"limit": 100}))
            .await
            .done()
            .structured;
        let round_trips = host.sessions() - before;
        let sessions = seen["sessions"].as_array().unwrap();
        assert_eq!(sessions.len(), 100);
        if round_trips <= most {
            return sessions.clone();
        }
        assert!(Instant::now() < quiet, "{round_trips} round trips");
    }
}

#[tokio::test]
async fn a_hundred_sessions_are_listed_in_two_round_trips_at_the_most() {
    let demo = Demo::there(|_, _| {}).await;
    a_hundred(&demo).await;
    // Their panes with their screens, and the branches of their projects.
    are_listed_in(&demo, 2).await;
}

#[tokio::test]
async fn a_hundred_sessions_whose_agents_keep_conversations_are_listed_in_six_round_trips_at_the_most() {
    let demo = Demo::there(|config, place| {
        let keeps = json!({"conversations": {"processes": "sessions", "kept": "projects"}});
        let demo = config["agents"]["demo"].as_table_mut().unwrap();
        demo.insert("signs".into(), toml::Value::try_from(keeps).unwrap());
        let files = json!([
            {"under": place.name("agent/sessions"), "names": "*.json"},
            {"under": place.name("agent/projects"), "names": "*.jsonl"},
        ]);
        let local = config["backends"]["local"].as_table_mut().unwrap();
        local.insert("files".into(), toml::Value::try_from(files).unwrap());
    })
    .await;
    a_hundred(&demo).await;
    let directory = demo.place.name("projects/app");
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    let folder: String = directory.chars().map(plain).collect();
    fs::create_dir_all(demo.place.path("agent/sessions")).unwrap();
    fs::create_dir_all(demo.place.path(&format!("agent/projects/{folder}"))).unwrap();
    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    for (number, pid) in demo
        .tmux
        .order(&["list-panes", "-a", "-F", "#{pane_pid}"])
        .lines()
        .enumerate()
    {
        let conversation = format!("0f4a6072-d5df-4154-95a0-{number:012}");
        let pid: u32 = pid.parse().unwrap();
        let record = json!({"pid": pid, "sessionId": conversation, "cwd": directory, "startedAt": began});
        let said = json!({"type": "user", "timestamp": "2026-01-01T08:00:00.000Z", "message": {"content": "count"}});
        let kept = format!("agent/projects/{folder}/{conversation}.jsonl");
        demo.place
            .write(&format!("agent/sessions/{pid}.json"), record.to_string(), 0o600);
        demo.place.write(&kept, said.to_string() + "\n", 0o600);
    }
    // Beside those, their processes, the records of these, the folder of the conversations, and the ends of the newest.
    let sessions = are_listed_in(&demo, 6).await;
    let known = sessions
        .iter()
        .filter(|session| session["facts"]["conversation"].is_string())
        .count();
    assert_eq!(known, 100);
    let told = sessions.iter().filter(|session| session["task"] == "count").count();
    assert_eq!(told, 50, "one read takes the ends of so many");
}

#[tokio::test]
async fn a_session_on_a_host_is_opened_in_this_terminal_and_goes_on_when_it_is_left() {
    let mut demo = Demo::there(|_, _| {}).await;
    let id = demo.create("app").await;
    let person = Person::run(&demo.place, &["attach", &id]);
    person.until("Ctrl-b d leaves this session").await;
    person.press(&["-l", "typed by hand"]);
    person.press(&["Enter"]);
    until("the agent has it", async || {
        (demo.record("app", "message") == ["typed by hand"]).then_some(())
    })
    .await;
    person.press(&["C-b", "d"]);
    person.until("status 0").await;
    until("it is idle", async || (demo.state(&id).await == "idle").then_some(())).await;
    demo.host.as_mut().unwrap().stop();
    let person = Person::run(&demo.place, &["attach", &id]);
    person.until("the host there").await;
    person.until("status 1").await;
}

#[tokio::test]
async fn an_agent_on_a_host_is_trusted_with_a_project_there_in_this_terminal_by_its_name_and_from_home() {
    let demo = Demo::there(|config, place| {
        let command = config["agents"]["demo"]["command"].as_array_mut().unwrap();
        command.push("--ask-trust".into());
        // The home directory of the host.
        fs::create_dir_all(place.path("home/projects/app")).unwrap();
        config["backends"]["local"]["directories"] = vec![toml::Value::from("~/projects")].into();
    })
    .await;
    let first = Person::run(&demo.place, &["trust", "app"]);
    first.until("Do you trust").await;
    let (ids, errors) = listed(&demo).await;
    assert_eq!((ids.len(), errors.as_str()), (1, "[]"));
    // The one that asks already is opened, in whichever way the directory is named.
    let again = Person::run(&demo.place, &["trust", "~/projects/app"]);
    again.until("Do you trust").await;
    assert_eq!(listed(&demo).await.0, ids);
    until("it is trusted", async || {
        // An Enter soon after the start is lost, as in real agents.
        again.press(&["Down", "Enter"]);
        (demo.state(&ids[0]).await == "idle").then_some(())
    })
    .await;
}
