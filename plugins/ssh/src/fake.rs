//! Hosts for native tests, each with a tmux in which a stand-in for Claude Code runs.
//!
//! Each runs only what the plugin's manifest asks for, and in calls that may only read, only what is granted to those.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use berth_panes::testing;
pub(crate) use berth_panes::testing::{everything, request};
use berth_plugin::testing::{Host, RawOutput};
use berth_plugin::{Command, Error, Result, time};
use serde_json::json;

use crate::surroundings::NAMES;

pub(crate) const HOSTS: [&str; 3] = ["mac", "linux", "box"];
pub(crate) const URL: &str = "https://claude.ai/code/session_01StandIn";
/// The questions of the real one, as they were captured.
pub(crate) const TRUST: &str = "Remote Control starts Claude Code sessions in this folder, driven from your other devices:\n\n  \
                                /p/app\n\nQuick safety check: is this a project you created or one you trust? Sessions \
                                started here can read, edit, and execute files, and this folder's project settings (hooks, \
                                MCP servers, permission rules, helper commands) apply to them.\n\nTrust /p/app? [y/N]";
pub(crate) const ENABLE: &str = "Take this session with you and pick up right where you left off on any device.\n\nThe \
                                 session keeps running on this machine. Use your other devices as a remote\ncontrol. Press \
                                 Ctrl+C to stop.\n\nEnable Remote Control? (y/n)";
/// The rows and columns of a screen.
const ROWS: usize = 50;
const COLUMNS: usize = 200;
/// How old a session is that a test sets up, in seconds.
const AGE: u64 = 30;

/// What the real one shows while it serves.
pub(crate) fn serving() -> String {
    format!(
        "Remote Control v2.1.329\n\n·✔︎· Ready · app · main\n    Capacity: 0/32 · New sessions will be created in the current \
         directory\n\nContinue coding in the Claude mobile app or {URL}\nspace to show QR code · w to toggle spawn mode"
    )
}

/// Three hosts.
pub(crate) struct Fake {
    pub(crate) host: Host,
    servers: BTreeMap<&'static str, Arc<Mutex<Server>>>,
}

/// One of them.
pub(crate) struct On(Arc<Mutex<Server>>);

struct Server {
    panes: Vec<Pane>,
    made: usize,
    /// What is pressed, by the name of the session.
    pressed: BTreeMap<String, Vec<String>>,
    /// The arguments of each Claude Code that was started.
    started: Vec<Vec<String>>,
    /// What the next one shows, and the status with which it ends at once.
    shows: (String, Option<i32>),
    sets: Vec<String>,
    breaks: Option<String>,
    leaves_after_a_start: Option<Error>,
    is_away: Option<Error>,
    keeps_sessions: bool,
}

struct Pane {
    number: usize,
    name: String,
    window: String,
    directory: String,
    created: u64,
    active: u64,
    screen: String,
    ended: Option<i32>,
    ignores_keys: bool,
    answer: String,
}

impl Fake {
    pub(crate) fn new() -> Self {
        let host = Host::new();
        host.backend("remote").hosts(HOSTS);
        host.agents(json!([
            {"name": "remote-control", "command": ["env", "-u", "TMUX", "claude", "remote-control"], "installed": true,
             "options": {
                "name": ["--name=<name>"], "spawn": ["--spawn=<spawn>"], "continue": ["--continue"],
                "permission_mode": ["--permission-mode=<mode>"],
             }},
            {"name": "remote-talk", "command": ["env", "-u", "TMUX", "claude"], "installed": true, "profile": "claude",
             "options": {
                "name": ["--remote-control=<name>"], "worktree": ["--worktree=<name>"], "continue": ["--continue"],
                "message": ["--", "<message>"], "permission_mode": ["--permission-mode=<mode>"],
             }},
            {"name": "claude", "command": ["env", "claude"], "headless": ["env", "claude", "-p"], "installed": true,
             "options": {"resume": ["--resume", "<uuid>"]},
             "headless_options": {
                "session": ["--session-id", "<uuid>"], "turns": ["--max-turns=<int>"],
                "budget": ["--max-budget-usd=<usd>"], "tools": ["--allowedTools=<tools>"],
                "sources": ["--setting-sources=<sources>"], "fork": ["--fork-session"],
                "ask": ["--permission-prompt-tool", "stdio", "--replay-user-messages"],
             }},
        ]));
        let mut servers = BTreeMap::new();
        for label in HOSTS {
            let server = Arc::new(Mutex::new(Server {
                panes: Vec::new(),
                made: 0,
                pressed: BTreeMap::new(),
                started: Vec::new(),
                shows: (serving(), None),
                sets: Vec::new(),
                breaks: None,
                leaves_after_a_start: None,
                is_away: None,
                keeps_sessions: false,
            }));
            let tmux = Arc::clone(&server);
            host.program_on(label, "tmux", move |command| tmux.lock().unwrap().run(command));
            let awk = Arc::clone(&server);
            host.program_on(label, "awk", move |command| {
                assert_eq!(command.args, [NAMES]);
                let names: String = awk
                    .lock()
                    .unwrap()
                    .sets
                    .iter()
                    .map(|name| format!("{name}\n"))
                    .collect();
                Ok(Host::printed(names))
            });
            servers.insert(label, server);
        }
        Self { host, servers }
    }

    pub(crate) fn on(&self, host: &str) -> On {
        On(Arc::clone(&self.servers[host]))
    }

    /// How often tmux was run on this host.
    pub(crate) fn runs(&self, host: &str) -> usize {
        let commands = self.host.commands_on(host);
        commands.iter().filter(|command| command.program == "tmux").count()
    }
}

impl On {
    fn server(&self) -> MutexGuard<'_, Server> {
        self.0.lock().unwrap()
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Pane)) {
        let mut server = self.server();
        let pane = server.panes.iter_mut().find(|pane| pane.name == name);
        change(pane.unwrap());
    }

    /// A session of this name is there, and shows this.
    pub(crate) fn has(&self, name: &str, screen: &str) {
        let began = time::now() / 1000 - AGE;
        let mut server = self.server();
        server.add(name, "remote-control", "/p/app", began);
        screen.clone_into(&mut server.panes.last_mut().unwrap().screen);
    }

    pub(crate) fn shows(&self, name: &str, screen: &str) {
        self.change(name, |pane| screen.clone_into(&mut pane.screen));
    }

    pub(crate) fn ended(&self, name: &str, status: i32) {
        self.change(name, |pane| pane.ended = Some(status));
    }

    /// It began so many hours ago, and showed something new for the last time so many hours ago.
    pub(crate) fn is_aged(&self, name: &str, began: u64, active: u64) {
        let now = time::now() / 1000;
        self.change(name, |pane| {
            (pane.created, pane.active) = (now - began * 3600, now - active * 3600);
        });
    }

    pub(crate) fn ignores_keys(&self, name: &str) {
        self.change(name, |pane| pane.ignores_keys = true);
    }

    /// What is started from now on shows this.
    pub(crate) fn will_show(&self, screen: &str) {
        self.server().shows = (screen.to_owned(), None);
    }

    /// What is started from now on ends at once with these words.
    pub(crate) fn will_end(&self, screen: &str, status: i32) {
        self.server().shows = (screen.to_owned(), Some(status));
    }

    /// These variables are set.
    pub(crate) fn sets(&self, names: &[&str]) {
        self.server().sets = names.iter().map(|name| (*name).to_owned()).collect();
    }

    /// Nothing can be started.
    pub(crate) fn breaks(&self, stderr: &str) {
        self.server().breaks = Some(stderr.to_owned());
    }

    /// Something is started, and from then on each look at the host answers this.
    pub(crate) fn fails_after_a_start(&self, error: Error) {
        self.server().leaves_after_a_start = Some(error);
    }

    pub(crate) fn works(&self) {
        let mut server = self.server();
        (server.breaks, server.leaves_after_a_start, server.is_away) = (None, None, None);
    }

    /// No session can be ended.
    pub(crate) fn keeps_sessions(&self) {
        self.server().keeps_sessions = true;
    }

    pub(crate) fn reboots(&self) {
        self.server().panes.clear();
    }

    /// The arguments of each Claude Code that was started.
    pub(crate) fn started(&self) -> Vec<Vec<String>> {
        self.server().started.clone()
    }

    pub(crate) fn pressed(&self, name: &str) -> Vec<String> {
        self.server().pressed.get(name).cloned().unwrap_or_default()
    }
}

impl Server {
    fn add(&mut self, name: &str, window: &str, directory: &str, began: u64) {
        self.made += 1;
        self.panes.push(Pane {
            number: self.made,
            name: name.to_owned(),
            window: window.to_owned(),
            directory: directory.to_owned(),
            created: began,
            active: began,
            screen: self.shows.0.clone(),
            ended: self.shows.1,
            ignores_keys: false,
            answer: String::new(),
        });
    }

    fn run(&mut self, command: &Command) -> Result<RawOutput> {
        if let Some(error) = &self.is_away {
            return Err(error.clone());
        }
        let output = self.carry_out(command);
        if command.args.iter().any(|arg| arg == "new-session") {
            self.is_away = self.leaves_after_a_start.take();
        }
        match &self.is_away {
            Some(error) => Err(error.clone()),
            None => Ok(output),
        }
    }

    fn carry_out(&mut self, command: &Command) -> RawOutput {
        testing::carried_out(command, |args| self.one(args, command))
    }

    fn one(&mut self, args: &[String], command: &Command) -> std::result::Result<String, String> {
        let after = |flag: &str| testing::after(args, flag);
        if args[0] == "new-session" {
            if let Some(stderr) = &self.breaks {
                return Err(stderr.clone());
            }
            let directory = command.directory.clone().unwrap_or_default();
            let (name, window) = (after("-s").unwrap(), after("-n").unwrap());
            self.add(&name, &window, &directory, time::now() / 1000);
            let arguments = args.iter().skip_while(|arg| *arg != "claude").skip(1);
            self.started.push(arguments.cloned().collect());
            return Ok(String::new());
        }
        if self.panes.is_empty() {
            return Err("no server running on /tmp/x".to_owned());
        }
        if args[0] == "list-panes" {
            return Ok(self.panes.iter().map(Pane::row).collect());
        }
        let target = after("-t").unwrap();
        let at = self.panes.iter().position(|pane| pane.is(&target));
        let at = at.ok_or_else(|| format!("can't find session: {target}"))?;
        if args[0] == "kill-session" {
            if !self.keeps_sessions {
                self.panes.remove(at);
            }
            return Ok(String::new());
        }
        let pane = &mut self.panes[at];
        match args[0].as_str() {
            "display-message" => return Ok(testing::header(args.last().unwrap(), &pane.lines(), ROWS, "claude")),
            "capture-pane" => return Ok(testing::captured(args, &pane.lines(), ROWS)),
            "send-keys" => {
                let key = args.last().unwrap().clone();
                pane.press(&key);
                self.pressed.entry(pane.name.clone()).or_default().push(key);
            }
            _ => {}
        }
        Ok(String::new())
    }
}

impl Pane {
    fn is(&self, target: &str) -> bool {
        *target == format!("%{}", self.number) || *target == format!("={}:", self.name)
    }

    fn row(&self) -> String {
        let Self {
            number,
            name,
            window,
            created,
            active,
            directory,
            ..
        } = self;
        let end = self.ended.map_or("0::".to_owned(), |status| format!("1:{status}:"));
        format!(
            "%{number}:${number}:{created}:{active}:{end}:0:0:{COLUMNS}:{ROWS}:1:{}:{}:6:{}:{name}{window}claude{directory}\n",
            name.len(),
            window.len(),
            directory.len()
        )
    }

    /// All lines, wrapped, those of the screen last.
    fn lines(&self) -> Vec<String> {
        let wrapped = self.screen.lines().flat_map(|line| {
            let characters: Vec<char> = line.chars().collect();
            let rows: Vec<String> = characters.chunks(COLUMNS).map(|row| row.iter().collect()).collect();
            if rows.is_empty() { vec![String::new()] } else { rows }
        });
        testing::filled(wrapped.collect(), ROWS)
    }

    fn press(&mut self, key: &str) {
        match key {
            _ if self.ignores_keys => {}
            "C-c" => self.ended = Some(0),
            "Enter" if self.screen == TRUST && self.answer == "y" => ENABLE.clone_into(&mut self.screen),
            "Enter" if self.screen == ENABLE && self.answer == "y" => self.screen = serving(),
            "Enter" if self.answer == "n" => self.ended = Some(0),
            key => key.clone_into(&mut self.answer),
        }
    }
}
