//! The socket of tmux's server: where it lies, what is said when it is gone or replaced, and sessions that are still
//! where it was before.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use berth::peer::listeners;
use serde_json::{Value, json};

use crate::berth::{Berth, Place};
use crate::demo::{Demo, Tmux, until};

/// Where the server's socket is, in a place.
const SOCKET: &str = "data/sockets/local/tmux";
/// Where it was before.
const FORMER: &str = "former/socket";

/// What is listed: the ids, and the errors as text.
async fn listed(berth: &Berth) -> (Vec<String>, String) {
    let list = berth.call("list_sessions", json!({})).await.structured;
    let ids = list["sessions"].as_array().unwrap().iter();
    (
        ids.map(|session| session["session_id"].as_str().unwrap().to_owned())
            .collect(),
        list["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(Value::to_string)
            .collect(),
    )
}

/// The tmux servers that were started at the socket of a place, whether that still leads to them or not.
fn servers(place: &Place) -> Vec<String> {
    let found = listeners(&place.path(SOCKET)).unwrap();
    found.concat().iter().map(i32::to_string).collect()
}

fn server(tmux: &Tmux) -> String {
    tmux.order(&["display-message", "-p", "#{pid}"]).trim_end().to_owned()
}

/// Makes a server make its socket again, and waits until it has.
async fn restore(demo: &Demo, server: &str) {
    let sent = Command::new("kill").args(["-USR1", server]).status().unwrap();
    assert!(sent.success());
    until("the socket", async || {
        (demo.tmux.run(&["list-sessions"]).status.success()).then_some(())
    })
    .await;
}

/// A server with one session at the former socket, as an earlier berth left it.
struct Former {
    socket: String,
}

impl Former {
    fn start(place: &Place) -> Self {
        fs::create_dir_all(place.path("former")).unwrap();
        fs::set_permissions(place.path("former"), fs::Permissions::from_mode(0o700)).unwrap();
        let former = Self {
            socket: place.name(FORMER),
        };
        former.tmux(&["new-session", "-d", "-s", "old", "-n", "demo", "env", "sleep", "600"]);
        former
    }

    fn tmux(&self, args: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.args(["-S", &self.socket, "-f", "/dev/null"]).args(args);
        let output = command.env_remove("TMUX").stdin(Stdio::null()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn sessions(&self) -> usize {
        self.tmux(&["list-sessions"]).lines().count()
    }
}

impl Drop for Former {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

/// A berth that finds a server at the former socket, which `prepare` may change before.
async fn beside_former(prepare: impl FnOnce(&Place)) -> (Demo, Former) {
    let mut former = None;
    let demo = Demo::with(|_, place| {
        former = Some(Former::start(place));
        prepare(place);
    })
    .await;
    (demo, former.unwrap())
}

#[tokio::test]
async fn the_socket_is_in_a_directory_that_only_this_user_reaches() {
    let demo = Demo::start().await;
    demo.create("app").await;
    for directory in ["data/sockets", "data/sockets/local"] {
        assert_eq!(demo.place.path(directory).metadata().unwrap().mode() & 0o777, 0o700);
    }
    assert!(demo.place.path(SOCKET).exists());
    let (passes, text) = doctor(&demo.place).await;
    assert!(text.contains("socket of tmux of local: a server answers at"), "{text}");
    assert!(passes, "{text}");
}

async fn doctor(place: &Place) -> (bool, String) {
    let ran = place.run(&["doctor"]).await;
    let lines: Vec<&str> = ran
        .stdout
        .lines()
        .filter(|line| line.contains("socket of tmux"))
        .collect();
    let passes = !lines.iter().any(|line| line.starts_with("fail"));
    (passes, lines.join("\n"))
}

#[tokio::test]
async fn a_server_whose_socket_is_gone_or_replaced_is_named_and_no_second_one_is_started() {
    let demo = Demo::start().await;
    let id = demo.create("app").await;
    let pid = server(&demo.tmux);
    let socket = demo.place.path(SOCKET);
    let fix = format!("kill -USR1 {pid}");
    let put: [(&str, &dyn Fn(), &str); 4] = [
        ("removed", &|| (), &fix),
        // Dropped, so that nobody listens there.
        ("stale", &|| drop(UnixListener::bind(&socket).unwrap()), &fix),
        ("a file", &|| fs::write(&socket, "").unwrap(), "is a file"),
        ("a link", &|| symlink("/nowhere", &socket).unwrap(), "symbolic link"),
    ];
    for (what, put, said) in put {
        fs::remove_file(&socket).unwrap();
        put();
        let (ids, errors) = listed(&demo.berth).await;
        assert!(ids.is_empty() && errors.contains(said), "{what}: {errors}");
        let prompts = demo.call("check_prompts", json!({})).await;
        assert!(
            prompts.structured["errors"].to_string().contains(said),
            "{what}: {prompts:?}"
        );
        let refused = demo.call("create_session", json!({"project": "app"})).await.error();
        assert!(refused.contains(said), "{what}: {refused}");
        let (passes, text) = doctor(&demo.place).await;
        assert!(!passes && text.contains(said), "{what}: {text}");
        assert_eq!(servers(&demo.place), [pid.as_str()], "{what}: no second server");
        restore(&demo, &pid).await;
        assert_eq!(listed(&demo.berth).await, (vec![id.clone()], String::new()), "{what}");
    }
    fs::remove_file(&socket).unwrap();
    fs::create_dir(&socket).unwrap();
    let (ids, errors) = listed(&demo.berth).await;
    assert!(ids.is_empty() && errors.contains("is a directory"), "{errors}");
    fs::remove_dir(&socket).unwrap();
    restore(&demo, &pid).await;
}

#[tokio::test]
async fn a_second_server_that_took_the_socket_does_not_hide_the_first_one() {
    let demo = Demo::start().await;
    demo.create("app").await;
    let first = server(&demo.tmux);
    fs::remove_file(demo.place.path(SOCKET)).unwrap();
    demo.tmux
        .order(&["new-session", "-d", "-s", "second", "env", "sleep", "600"]);
    let second = server(&demo.tmux);
    let (ids, errors) = listed(&demo.berth).await;
    assert!(
        ids.is_empty() && errors.contains(&first) && errors.contains(&second),
        "{errors}"
    );
    demo.tmux.order(&["kill-server"]);
    restore(&demo, &first).await;
    assert_eq!(listed(&demo.berth).await.0.len(), 1);
}

#[tokio::test]
async fn where_no_server_lives_there_are_no_sessions_and_one_is_started() {
    let demo = Demo::start().await;
    assert_eq!(listed(&demo.berth).await, (Vec::new(), String::new()), "no socket yet");
    demo.create("app").await;
    demo.tmux.order(&["kill-server"]);
    until("its end", async || servers(&demo.place).is_empty().then_some(())).await;
    assert_eq!(
        listed(&demo.berth).await,
        (Vec::new(), String::new()),
        "a stale socket or none"
    );
    demo.create("app").await;
    demo.tmux.order(&["kill-server"]);
    until("its end", async || servers(&demo.place).is_empty().then_some(())).await;
    let _ = fs::remove_file(demo.place.path(SOCKET));
    drop(UnixListener::bind(demo.place.path(SOCKET)).unwrap());
    assert_eq!(
        listed(&demo.berth).await,
        (Vec::new(), String::new()),
        "as after a crash"
    );
    demo.create("app").await;
}

#[tokio::test]
async fn sessions_at_the_former_socket_are_still_found_and_new_ones_start_beside_them() {
    let (mut demo, former) = beside_former(|_| ()).await;
    assert_eq!(listed(&demo.berth).await, (vec!["local/old".to_owned()], String::new()));
    let created = demo.create("app").await;
    assert_eq!(former.sessions(), 2, "both on the one server");
    assert_eq!(
        demo.send(&created, "hello").await.done().structured["receipt"],
        "submitted"
    );
    demo.call("terminate_session", json!({"session_id": created}))
        .await
        .done();
    assert_eq!(former.sessions(), 1);

    // The socket there is lost like any other.
    let pid = former.tmux(&["display-message", "-p", "#{pid}"]).trim_end().to_owned();
    fs::remove_file(demo.place.path(FORMER)).unwrap();
    let (ids, errors) = listed(&demo.berth).await;
    assert!(
        ids.is_empty() && errors.contains(&format!("kill -USR1 {pid}")),
        "{errors}"
    );
    restore(&demo, &pid).await;

    // Its end leaves nothing in the way, neither of this berth nor of the next one.
    former.tmux(&["kill-server"]);
    until("its end", async || {
        listeners(&demo.place.path(FORMER)).unwrap().is_empty().then_some(())
    })
    .await;
    demo.create("app").await;
    assert!(!demo.place.path(SOCKET).is_symlink(), "a server of its own");
    demo.berth.terminate().await;
    demo.berth = Berth::serve(&demo.place).await;
    assert_eq!(listed(&demo.berth).await.0.len(), 1);
}

#[tokio::test]
async fn a_link_to_a_server_that_has_ended_goes_at_the_next_start() {
    let (mut demo, former) = beside_former(|_| ()).await;
    assert!(demo.place.path(SOCKET).is_symlink());
    demo.berth.terminate().await;
    former.tmux(&["kill-server"]);
    until("its end", async || {
        listeners(&demo.place.path(FORMER)).unwrap().is_empty().then_some(())
    })
    .await;
    demo.berth = Berth::serve(&demo.place).await;
    assert!(!demo.place.path(SOCKET).is_symlink());
    assert_eq!(listed(&demo.berth).await, (Vec::new(), String::new()));
}

#[tokio::test]
async fn sessions_at_a_former_socket_that_others_could_replace_are_named_and_not_used() {
    let open = |place: &Place| fs::set_permissions(place.path("former"), fs::Permissions::from_mode(0o777)).unwrap();
    let (mut demo, former) = beside_former(open).await;
    assert_eq!(listed(&demo.berth).await, (Vec::new(), String::new()));
    let command = format!(
        "-S {} -f {} list-sessions",
        former.socket,
        demo.place.name("data/conf/local-tmux")
    );
    let told = doctor(&demo.place).await.1;
    demo.create("app").await;
    assert_eq!(former.sessions(), 1, "the new one is not there");
    demo.berth.terminate().await;
    for text in [&told, &demo.place.read("log")] {
        assert!(
            text.contains("another user could replace") && text.contains(&command),
            "{text}"
        );
    }
}

#[tokio::test]
async fn where_two_servers_have_sessions_the_former_one_is_named() {
    let (mut demo, former) = beside_former(|place| {
        fs::set_permissions(place.path("former"), fs::Permissions::from_mode(0o777)).unwrap();
    })
    .await;
    let id = demo.create("app").await;
    demo.berth.terminate().await;
    fs::set_permissions(demo.place.path("former"), fs::Permissions::from_mode(0o700)).unwrap();
    demo.berth = Berth::serve(&demo.place).await;
    assert_eq!(listed(&demo.berth).await, (vec![id], String::new()));
    let (passes, text) = doctor(&demo.place).await;
    assert!(
        passes && text.contains("another server runs at") && text.contains(&former.socket),
        "{text}"
    );
    demo.berth.terminate().await;
    assert!(demo.place.read("log").contains("another server runs at"));
}

#[tokio::test]
async fn a_data_directory_too_long_for_a_socket_stops_the_start_with_the_fix() {
    let long = "x".repeat(60);
    let place = Place::new("");
    let config = crate::demo::config().to_string();
    let data = format!(
        "data = \"{}\"",
        place.path("").join(&long).join("y".repeat(20)).display()
    );
    place.configure(&config, "");
    let text = place.read("config.toml").replace("data = \"data\"", &data);
    place.write("config.toml", text, 0o600);
    let complaint = place.complaint(&["check"]).await;
    assert!(
        complaint.contains("choose a shorter path: `data` in [server]"),
        "{complaint}"
    );
}
