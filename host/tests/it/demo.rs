//! Sessions of the demo agent: a berth whose backend `local` is the shipped one, on a tmux server of the test's own.

use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use berth::config::SHIPPED;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use toml::Table;

use crate::berth::{Berth, Called, PATIENCE, Place};
use crate::on_host::{is_on_host, on_host};
use crate::sshd::Sshd;

/// The shipped configuration with the directory `projects`, a former socket of this place's own, and the demo agent as its
/// only agent, which records what reaches it in the directory that it is started in.
pub(crate) fn config() -> Table {
    let mut config: Table = SHIPPED.parse().unwrap();
    config.remove("server");
    let command = json!([
        "env",
        "-u",
        "TMUX",
        "-u",
        "TMUX_PANE",
        "@berth",
        "demo-agent",
        "--record",
        "record",
        "--busy",
        "100"
    ]);
    config["agents"]["demo"]["command"] = toml::Value::try_from(command).unwrap();
    config["backends"].as_table_mut().unwrap().remove("jobs");
    let local = config["backends"]["local"].as_table_mut().unwrap();
    local.insert("directories".into(), vec!["projects"].into());
    local.insert("agents".into(), vec!["demo"].into());
    // Nobody's real sessions are a test's.
    let socket = local["programs"]["tmux"]["socket"].as_table_mut().unwrap();
    socket.insert("former".into(), "former/socket".into());
    config
}

/// Waits until `look` finds something.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: that never came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The tmux server of a place. Ended when dropped.
pub(crate) struct Tmux {
    socket: String,
    conf: String,
}

impl Tmux {
    pub(crate) fn of(place: &Place) -> Self {
        Self::of_backend(place, "local")
    }

    pub(crate) fn of_backend(place: &Place, backend: &str) -> Self {
        Self {
            socket: place.name(&format!("data/sockets/{backend}/tmux")),
            conf: place.name(&format!("data/conf/{backend}-tmux")),
        }
    }

    /// That of a backend on a host, in the folder there of the berth of `place`.
    pub(crate) fn there(place: &Place) -> Self {
        Self::of_installation(place, place.read("data/installation").trim())
    }

    /// The same of the berth with this name, whose home there is that of `place`.
    pub(crate) fn of_installation(place: &Place, installation: &str) -> Self {
        let own = place.path("home/.local/state/berth").join(installation);
        let path = |name: &str| own.join(name).to_str().unwrap().to_owned();
        Self {
            socket: path("sockets/local-tmux"),
            conf: path("conf/local-tmux"),
        }
    }

    pub(crate) fn socket(&self) -> &str {
        &self.socket
    }

    /// Another server, which stands for terminals of people.
    pub(crate) fn beside(place: &Place) -> Self {
        place.write("terminals.conf", "set -s exit-empty off\n", 0o600);
        Self {
            socket: place.name("terminals"),
            conf: place.name("terminals.conf"),
        }
    }

    /// The command by which a person attaches to a session, for a shell.
    pub(crate) fn attach(&self, session_id: &str) -> String {
        let target = target(session_id);
        format!("env -u TMUX tmux -u -S '{}' attach-session -t '{target}'", self.socket)
    }

    /// Runs tmux as a person at the terminal does, who has this server's alias.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command.args(["-u", "-S", &self.socket, "-f", &self.conf]).args(args);
        command
            .env_remove("TMUX")
            .env_remove("TMUX_TMPDIR")
            .stdin(Stdio::null());
        command.output().unwrap()
    }

    /// The same for what must succeed: what it prints.
    #[track_caller]
    pub(crate) fn order(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Makes the server look for children that have ended: tmux 3.3 misses one whose signal comes while its helper for
    /// utmp runs.
    pub(crate) fn reap(&self) {
        let pid = self.order(&["display-message", "-p", "#{pid}"]);
        let pid = Pid::from_raw(pid.trim_end().parse().unwrap()).unwrap();
        kill_process(pid, Signal::CHILD).unwrap();
    }

    /// The screen of the session with this id.
    pub(crate) fn screen(&self, session_id: &str) -> String {
        self.order(&["capture-pane", "-p", "-t", &target(session_id)])
    }

    /// Types keys, as a person who is attached does.
    pub(crate) fn press(&self, session_id: &str, keys: &[&str]) {
        let target = target(session_id);
        self.order(&[&["send-keys", "-t", &target, "--"], keys].concat());
    }

    /// Types text, without Enter.
    pub(crate) fn write(&self, session_id: &str, text: &str) {
        self.order(&["send-keys", "-l", "-t", &target(session_id), "--", text]);
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}

/// The pane of a session, exactly.
pub(crate) fn target(session_id: &str) -> String {
    format!("={}:", session_id.strip_prefix("local/").unwrap())
}

/// A berth at work, its tmux server and its place.
pub(crate) struct Demo {
    // In the order in which they end.
    pub(crate) berth: Berth,
    pub(crate) tmux: Tmux,
    pub(crate) place: Place,
    /// Where the backend is, if that is not this machine.
    pub(crate) host: Option<Sshd>,
}

impl Demo {
    pub(crate) async fn start() -> Self {
        Self::with(|_, _| {}).await
    }

    /// The same with a configuration that `change` has changed.
    pub(crate) async fn with(change: impl FnOnce(&mut Table, &Place)) -> Self {
        Self::on(is_on_host(), change).await
    }

    /// The same with the backend on a host in any case.
    pub(crate) async fn there(change: impl FnOnce(&mut Table, &Place)) -> Self {
        Self::on(true, change).await
    }

    /// The same where that backend does not come up.
    pub(crate) async fn there_down(change: impl FnOnce(&mut Table, &Place)) -> Self {
        let place = Place::new("");
        let mut config = config();
        change(&mut config, &place);
        let host = on_host(&mut config, &place, &["local"]);
        place.configure(&config.to_string(), "");
        Self {
            berth: Berth::serve(&place).await,
            tmux: Tmux::of(&place),
            place,
            host: Some(host),
        }
    }

    async fn on(is_there: bool, change: impl FnOnce(&mut Table, &Place)) -> Self {
        let place = Place::new("");
        let mut config = config();
        change(&mut config, &place);
        let host = is_there.then(|| on_host(&mut config, &place, &["local"]));
        place.configure(&config.to_string(), "");
        let berth = Berth::serve(&place).await;
        let tmux = match host {
            Some(_) => Tmux::there(&place),
            None => Tmux::of(&place),
        };
        Self {
            berth,
            tmux,
            place,
            host,
        }
    }

    /// The same, with every run of tmux noted: see [`Demo::tmux_log`].
    pub(crate) async fn logged() -> Self {
        Self::with(|config, place| {
            let script = format!(
                "#!/bin/sh\necho \"$6\" >> {}\nexec tmux \"$@\"\n",
                place.name("tmux-log")
            );
            place.write("tmux-log", "", 0o600);
            place.write("bin/logged-tmux", script, 0o755);
            let tmux = &mut config["backends"]["local"]["programs"]["tmux"];
            tmux["path"] = "bin/logged-tmux".into();
        })
        .await
    }

    /// The first word of each run of tmux by berth so far.
    pub(crate) fn tmux_log(&self) -> Vec<String> {
        self.place.read("tmux-log").lines().map(str::to_owned).collect()
    }

    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Called {
        self.berth.call(tool, arguments).await
    }

    /// Makes a directory below `projects` to start sessions in.
    pub(crate) fn project(&self, name: &str) {
        fs::create_dir_all(self.place.path("projects").join(name)).unwrap();
    }

    /// Starts a session in a project of its own, and waits until it is idle: its id.
    pub(crate) async fn create(&self, project: &str) -> String {
        self.project(project);
        let created = self
            .call("create_session", json!({"project": project, "wait_seconds": 20}))
            .await
            .done();
        assert_eq!(created.structured["session"]["state"], "idle", "{created:?}");
        created.structured["session"]["session_id"].as_str().unwrap().to_owned()
    }

    /// Sends a message and waits for what comes of it.
    pub(crate) async fn send(&self, session_id: &str, message: &str) -> Called {
        let arguments = json!({"session_id": session_id, "message": message, "wait_seconds": 25});
        self.call("send_message", arguments).await
    }

    /// What reached the agents of a project, of one kind: message, answer, interrupt, start or exit.
    pub(crate) fn record(&self, project: &str, kind: &str) -> Vec<String> {
        let text = self.place.read(&format!("projects/{project}/record"));
        let events = text.lines().map(|line| serde_json::from_str(line).unwrap());
        events
            .filter(|event: &Value| event["kind"] == kind)
            .map(|event| event["text"].as_str().unwrap().to_owned())
            .collect()
    }

    /// What the session's state is now.
    pub(crate) async fn state(&self, session_id: &str) -> String {
        let status = self
            .call("get_session_status", json!({"session_id": session_id}))
            .await
            .done();
        status.structured["session"]["state"].as_str().unwrap().to_owned()
    }

    /// Waits until the session is in this state.
    pub(crate) async fn until_state(&self, session_id: &str, state: &str) {
        until(state, async || (self.state(session_id).await == state).then_some(())).await;
    }
}
