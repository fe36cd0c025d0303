//! Backends on a host: this machine by a real sshd. What they do there is what they do here, and is tested in the same
//! tests, with `BERTH_TEST_HOST=1`; here is what can be different.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use serde_json::json;
use toml::Table;

use crate::berth::{Berth, Place};
use crate::demo::{Demo, Tmux, until};
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

#[tokio::test]
async fn all_sessions_are_listed_in_two_round_trips_at_the_most() {
    let demo = Demo::there(|config, place| {
        let script = "#!/bin/sh\necho $PPID >> \"${0%/bin/*}/shells\"\nexec tmux \"$@\"\n";
        place.write("bin/counted-tmux", script, 0o755);
        config["backends"]["local"]["programs"]["tmux"]["path"] = "counted-tmux".into();
    })
    .await;
    for project in ["a", "b", "c", "d", "e", "f"] {
        demo.create(project).await;
    }
    // Whatever goes on between calls comes to rest.
    let quiet = Instant::now() + Duration::from_secs(30);
    loop {
        demo.place.write("shells", "", 0o600);
        assert_eq!(listed(&demo).await.0.len(), 6);
        let shells = demo.place.read("shells");
        let mut shells: Vec<&str> = shells.lines().collect();
        shells.dedup();
        if shells.len() <= 2 {
            break;
        }
        assert!(Instant::now() < quiet, "{} round trips", shells.len());
    }
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
