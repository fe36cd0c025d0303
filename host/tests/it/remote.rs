//! Claude Code's remote control on several hosts, with a stand-in for Claude Code: the example of the shipped configuration as
//! it is written there, with the demo agent.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use berth::config::SHIPPED;
use serde_json::{Value, json};
use toml::Table;

use crate::berth::{Berth, Place};
use crate::demo::until;
use crate::layers::{OWN, accepted, home, write_own};
use crate::sshd::{HANGS, Sshd, login_that_hangs};
use crate::terminal::Person;

/// The hosts, each with a project `app` and one of its own, and the place of their berth.
pub(crate) struct Hosts {
    sshds: Vec<(&'static str, Sshd)>,
    pub(crate) place: Place,
}

impl Drop for Hosts {
    /// What was started there outlives every connection, so what a test leaves of it is ended here.
    fn drop(&mut self) {
        let entries = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
        let homes = self.sshds.iter().map(|(name, _)| self.place.path(name));
        for own in homes.flat_map(|home| entries(home.join(".local/state/berth"))) {
            for job in entries(own.path().join("jobs")) {
                if let Some(id) = job.file_name().to_str().filter(|_| job.path().is_dir()) {
                    let _ = berth::machine::job::end_marked(id);
                }
            }
            tmux(&own.path(), &["kill-server"]);
        }
    }
}

/// Runs tmux on a host, in berth's own folder there.
fn tmux(own: &Path, args: &[&str]) -> Output {
    let mut command = Command::new("tmux");
    command.arg("-S").arg(own.join("sockets/remote-tmux")).args(args);
    command.env_remove("TMUX").stdin(Stdio::null()).output().unwrap()
}

impl Hosts {
    pub(crate) fn new(names: &[&'static str]) -> Self {
        Self::with(names, |_, _| {})
    }

    /// The same with a change of the configuration.
    pub(crate) fn with(names: &[&'static str], change: impl FnOnce(&mut Table, &Place)) -> Self {
        Self::with_logins(names, |_| String::new(), change)
    }

    /// The same where logins can [hang](Self::hang).
    pub(crate) fn that_hang(names: &[&'static str], change: impl FnOnce(&mut Table, &Place)) -> Self {
        Self::with_logins(names, login_that_hangs, change)
    }

    fn with_logins(
        names: &[&'static str],
        login: impl Fn(&Path) -> String,
        change: impl FnOnce(&mut Table, &Place),
    ) -> Self {
        let place = Place::new("");
        let start = |name: &&'static str| {
            let home = place.path(name);
            for project in ["app".to_owned(), format!("only-{name}")] {
                fs::create_dir_all(home.join("projects").join(project).join(".git")).unwrap();
            }
            (*name, Sshd::at_home_with(&home, &login(&home)))
        };
        let sshds = names.iter().map(start).collect();
        let hosts = Self { sshds, place };
        let mut config = hosts.config();
        change(&mut config, &hosts.place);
        hosts.place.configure(&config.to_string(), "");
        hosts
    }

    pub(crate) fn sshd(&mut self, name: &str) -> &mut Sshd {
        let host = self.sshds.iter_mut().find(|(known, _)| *known == name);
        &mut host.unwrap().1
    }

    /// What is asked of this host from now on is not answered where a line of it has these words.
    pub(crate) fn hang(&self, name: &str, words: &str) {
        self.place
            .write(&format!("{name}/{HANGS}"), format!("{words}\n"), 0o600);
    }

    /// It answers all again.
    pub(crate) fn recover(&self, name: &str) {
        fs::remove_file(self.place.path(name).join(HANGS)).unwrap();
    }

    /// What tmux on this host says.
    fn tmux(&self, name: &str, args: &[&str]) -> Output {
        let own = self.place.path(name).join(".local/state/berth");
        tmux(&own.join(self.place.read("data/installation").trim()), args)
    }

    fn config(&self) -> Table {
        let mut example = example();
        let names: Vec<_> = self.sshds.iter().map(|(name, _)| toml::Value::from(*name)).collect();
        let remote = example["backends"]["remote"].as_table_mut().unwrap();
        remote.insert("hosts".into(), names.into());
        let agents = remote["agents"].as_array_mut().unwrap();
        let claude = agents.iter_mut().find(|agent| agent.as_str() == Some("claude"));
        *claude.unwrap() = "demo".into();
        let mut config: Table = SHIPPED.parse().unwrap();
        config.remove("server");
        config.insert("default_backend".into(), "remote".into());
        config.insert("backends".into(), example.remove("backends").unwrap());
        let aliases = example["tools"]["alias"].clone();
        config["tools"].as_table_mut().unwrap().insert("alias".into(), aliases);
        for (name, last) in [("remote-control", Some("remote-control")), ("remote-talk", None)] {
            let agent = config["agents"][name].as_table_mut().unwrap();
            agent.remove("requires");
            agent.remove("doctor");
            let command = ["env", "@berth", "demo-agent"].into_iter().chain(last);
            agent.insert("command".into(), words(command));
        }
        config["agents"]["remote-talk"]["profile"] = "demo".into();
        let host = |(name, sshd): &(&'static str, Sshd)| {
            let path = |file: &str| toml::Value::from(sshd.path(file).to_str().unwrap());
            let table: Table = [
                ("destination", sshd.destination().into()),
                ("port", i64::from(sshd.port()).into()),
                ("identity_file", path("user_key")),
                ("known_hosts", path("known_hosts")),
            ]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
            ((*name).to_owned(), toml::Value::from(table))
        };
        let hosts: Table = self.sshds.iter().map(host).collect();
        config.insert("hosts".into(), hosts.into());
        config
    }
}

/// The example of the shipped configuration, as it is without the marks of a comment before its lines.
fn example() -> Table {
    let from = SHIPPED.find("# [backends.remote]").unwrap();
    let lines = SHIPPED[from..].lines().map(|line| {
        let line = line.strip_prefix('#').unwrap_or(line);
        line.strip_prefix(' ').unwrap_or(line)
    });
    lines.collect::<Vec<_>>().join("\n").parse().unwrap()
}

fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> toml::Value {
    words.into_iter().map(toml::Value::from).collect::<Vec<_>>().into()
}

async fn sessions(berth: &Berth) -> (Vec<Value>, Vec<String>) {
    let listed = berth.call("list_sessions", json!({})).await.done().structured;
    let texts = |errors: &Value| errors.as_array().unwrap().iter().map(Value::to_string).collect();
    (listed["sessions"].as_array().unwrap().clone(), texts(&listed["errors"]))
}

async fn start(berth: &Berth, name: &str, project: &str, host: &str) -> Value {
    let wanted = json!({"name": name, "project": project, "options": {"host": host}});
    berth.call("create_session", wanted).await.done().structured["session"].clone()
}

fn text<'a>(session: &'a Value, key: &str) -> &'a str {
    session[key].as_str().unwrap_or_else(|| panic!("no {key}: {session}"))
}

#[tokio::test]
async fn a_session_is_started_found_by_its_address_read_and_ended_and_nothing_of_it_is_left() {
    let hosts = Hosts::new(&["one", "two"]);
    let berth = Berth::serve(&hosts.place).await;
    let session = start(&berth, "fix-login", "app", "two").await;
    let (id, url) = (text(&session, "session_id"), text(&session, "url"));
    assert!(url.starts_with("https://claude.ai/code/session_"), "{session}");
    assert!(id.starts_with("remote/two:fix-login"), "{session}");
    let (listed, errors) = sessions(&berth).await;
    assert_eq!((listed.len(), errors), (1, Vec::new()));
    assert_eq!((text(&listed[0], "session_id"), text(&listed[0], "url")), (id, url));
    let logs = berth
        .call("get_logs", json!({"session_id": id}))
        .await
        .done()
        .structured;
    assert!(text(&logs, "text").contains(url), "{logs}");
    berth.call("terminate_session", json!({"session_id": id})).await.done();
    until("it has ended", async || {
        let (listed, _) = sessions(&berth).await;
        let goes_on = |session: &Value| ["starting", "busy", "idle", "waiting"].contains(&text(session, "state"));
        (!listed.iter().any(goes_on)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn names_and_projects_that_cannot_be_are_refused_and_nothing_is_started() {
    let hosts = Hosts::new(&["one", "two"]);
    let berth = Berth::serve(&hosts.place).await;
    let long = "x".repeat(42);
    for (wanted, told) in [
        (json!({"name": "bad name!", "project": "only-one"}), "A-Z"),
        (json!({"name": long, "project": "only-one"}), "41"),
        (json!({"name": "n", "project": "../app"}), ".."),
        (json!({"name": "n", "project": "/etc"}), "/etc"),
        (json!({"name": "n", "project": "none"}), "none"),
        (json!({"name": "n", "project": "app"}), "two"),
        (
            json!({"name": "n", "project": "only-one", "options": {"host": "three"}}),
            "three",
        ),
    ] {
        let error = berth.call("create_session", wanted.clone()).await.error();
        assert!(error.contains(told), "{wanted}: {error}");
    }
    assert_eq!(sessions(&berth).await, (Vec::new(), Vec::new()));
    // A project that only one host has decides the host.
    let wanted = json!({"name": "n", "project": "only-two"});
    let session = berth.call("create_session", wanted).await.done().structured["session"].clone();
    assert!(text(&session, "session_id").starts_with("remote/two:"), "{session}");
}

#[tokio::test]
async fn twelve_sessions_over_three_hosts_are_listed_also_while_one_of_these_is_down() {
    let mut hosts = Hosts::new(&["one", "two", "three"]);
    let berth = Berth::serve(&hosts.place).await;
    for number in 0..12 {
        let host = ["one", "two", "three"][number % 3];
        start(&berth, &format!("s{number}"), "app", host).await;
    }
    let (listed, errors) = sessions(&berth).await;
    assert_eq!((listed.len(), errors), (12, Vec::new()));
    hosts.sshd("two").stop();
    let (listed, errors) = sessions(&berth).await;
    let on = |host: &str| {
        let begin = format!("remote/{host}:");
        let of_host = listed
            .iter()
            .filter(|session| text(session, "session_id").starts_with(&begin));
        of_host.map(|session| text(session, "state")).collect::<Vec<_>>()
    };
    assert_eq!((on("one").len(), on("three").len()), (4, 4), "{listed:?}");
    assert!(on("two").iter().all(|state| *state == "unreachable"), "{listed:?}");
    assert!(errors.iter().any(|error| error.contains("two")), "{errors:?}");
    hosts.sshd("two").restart();
    until("all are there again", async || {
        let (listed, errors) = sessions(&berth).await;
        (listed.len() == 12 && errors.is_empty()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_session_on_one_of_several_hosts_is_opened_in_this_terminal_and_goes_on_when_it_is_left() {
    let mut hosts = Hosts::new(&["one", "two"]);
    let berth = Berth::serve(&hosts.place).await;
    let session = start(&berth, "fix-login", "app", "two").await;
    let id = text(&session, "session_id");
    let person = Person::run(&hosts.place, &["attach", id]);
    person.until("Ctrl-b d leaves this session").await;
    person.until("claude.ai/code/session_").await;
    person.press(&["C-b", "d"]);
    person.until("status 0").await;
    let (listed, _) = sessions(&berth).await;
    assert_eq!(
        (text(&listed[0], "session_id"), text(&listed[0], "url")),
        (id, text(&session, "url"))
    );

    let task = json!({"task": "say hello", "host": "one", "wait_seconds": 0});
    let task = berth.call("ask_claude", task).await.done().structured;
    let task = format!("remote/{}", text(&task, "session_id"));
    let person = Person::run(&hosts.place, &["attach", &task]);
    person.until("has no terminal").await;
    person.until("status 1").await;

    hosts.sshd("two").stop();
    let person = Person::run(&hosts.place, &["attach", id]);
    person.until("the host two").await;
    person.until("status 1").await;
}

#[tokio::test]
async fn by_the_names_of_the_earlier_tool_a_session_is_started_and_stopped_and_nothing_is_left_on_its_host() {
    let hosts = Hosts::new(&["one", "two"]);
    let berth = Berth::serve(&hosts.place).await;
    let wanted = json!({"name": "fix-login", "path": "only-two", "worktree": true});
    let session = berth.call("start_session", wanted).await.done().structured["session"].clone();
    let id = text(&session, "session_id");
    assert!(
        text(&session, "url").starts_with("https://claude.ai/code/session_"),
        "{session}"
    );
    let logs = berth.call("get_logs", json!({"session_id": id})).await.done();
    assert!(
        logs.text.contains("· worktree ·"),
        "each conversation has one: {}",
        logs.text
    );
    berth.call("stop_session", json!({"id": id})).await.done();
    until("it is gone", async || sessions(&berth).await.0.is_empty().then_some(())).await;
    let left = hosts.tmux("two", &["list-sessions"]);
    assert!(left.stdout.is_empty(), "{left:?}");
    let wrong = berth
        .call("stop_session", json!({"id": "remote/two:none"}))
        .await
        .error();
    assert!(wrong.contains("no such session"), "{wrong}");
}

#[tokio::test]
async fn a_first_message_reaches_the_conversation_as_it_was_written_and_is_never_an_option() {
    let hosts = Hosts::new(&["one"]);
    let berth = Berth::serve(&hosts.place).await;
    for (name, message, told) in [
        (
            "plain",
            "say it's \"so\" $HOME `id` #{pid}",
            "it's \"so\" $HOME `id` #{pid}",
        ),
        ("lines", "say first\nsecond;", "second;"),
        ("option", "--remote-control=other", "--remote-control=other"),
    ] {
        let wanted = json!({"name": name, "project": "app", "message": message});
        let session = berth.call("create_session", wanted).await.done().structured["session"].clone();
        assert!(
            text(&session, "url").starts_with("https://claude.ai/code/"),
            "{session}"
        );
        let id = text(&session, "session_id");
        until("the message on its screen", async || {
            let logs = berth.call("get_logs", json!({"session_id": id})).await.done();
            logs.text.contains(told).then_some(())
        })
        .await;
    }
    assert_eq!(sessions(&berth).await.0.len(), 3);
}

#[tokio::test]
async fn a_session_that_expired_says_so_and_is_brought_back_with_its_conversation() {
    let hosts = Hosts::with(&["one"], |config, place| {
        let command = ["env", "@berth", "demo-agent", "remote-control", "--ends=expired"];
        let when = format!("--when={}", place.name("expired"));
        let command = command.into_iter().chain([when.as_str()]);
        config["agents"]["remote-control"]["command"] = words(command);
        config["backends"]["remote"]["settings"]["restart"] = true.into();
    });
    let expired = hosts.place.path("expired");
    let berth = Berth::serve(&hosts.place).await;
    let session = start(&berth, "long", "app", "one").await;
    let (id, url) = (text(&session, "session_id"), text(&session, "url"));
    fs::write(&expired, "").unwrap();
    let ended = until("it has expired", async || {
        let shown = berth.call("get_session_status", json!({"session_id": id})).await.done();
        let session = shown.structured["session"].clone();
        (session["state"] == "failed").then_some(session)
    })
    .await;
    assert!(text(&ended, "summary").contains("expired"), "{ended}");
    assert_eq!(ended["attention"]["kind"], "expires", "{ended}");
    fs::remove_file(&expired).unwrap();
    // What is due is looked at once a minute, and when berth begins or reads its configuration again.
    assert!(hosts.place.run(&["reload"]).await.success);
    let back = until("it is back", async || {
        let shown = berth.call("get_session_status", json!({"session_id": id})).await.done();
        let session = shown.structured["session"].clone();
        (session["state"] != "failed" && session["url"].is_string()).then_some(session)
    })
    .await;
    assert_eq!(text(&back, "url"), url);
    let commands = hosts.tmux("one", &["list-panes", "-a", "-F", "#{pane_start_command}"]);
    let commands = String::from_utf8(commands.stdout).unwrap();
    assert!(
        commands.contains("--continue") && !commands.contains("--spawn"),
        "{commands}"
    );
}

#[tokio::test]
async fn the_commands_of_the_page_add_the_whole_example_to_a_configuration_that_is_then_accepted() {
    let page = include_str!("../../../docs/remote.md");
    let commands = page
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("berth config show --shipped"));
    let place = home();
    accepted(&place, SHIPPED);
    let host = |name: &str| format!("[hosts.{name}]\ndestination = \"nobody@127.0.0.1\"\nport = 1\n");
    let before = format!("{}{}", host("mac"), host("linux"));
    write_own(&place, &before);
    symlink(env!("CARGO_BIN_EXE_berth"), place.path("bin/berth")).unwrap();
    for command in commands {
        let mut shell = tokio::process::Command::new("sh");
        place.set_up(shell.args(["-c", command]));
        let ran = shell.output().await.unwrap();
        assert!(ran.status.success() && ran.stderr.is_empty(), "{command}: {ran:?}");
    }
    let own = place.read(OWN);
    assert!(own.starts_with(&before), "{own}");
    let own: Table = own.parse().unwrap_or_else(|error| panic!("{error}\n{own}"));
    for key in ["backends", "tools"] {
        assert_eq!(own.get(key), example().get(key), "{key}");
    }
    let shown = place.run_as_is(&["config", "show"]).await;
    assert!(
        shown.success && shown.stdout.contains("[backends.remote]"),
        "{}",
        shown.stderr
    );
    // Hosts that cannot be reached are told, and the rest is checked.
    let checked = place.run_as_is(&["check"]).await;
    assert!(
        checked.stdout.contains("Backend remote"),
        "{}{}",
        checked.stdout,
        checked.stderr
    );
}

#[tokio::test]
async fn the_example_passes_the_check_and_tells_what_each_host_has() {
    let hosts = Hosts::new(&["one", "two"]);
    let checked = hosts.place.run(&["check"]).await;
    assert!(checked.success, "{}{}", checked.stdout, checked.stderr);
    for words in ["on the hosts one", "two (", "ask_claude"] {
        assert!(checked.stdout.contains(words), "no {words}: {}", checked.stdout);
    }
    let inspected = hosts.place.run(&["plugin", "inspect", "ssh"]).await;
    for words in ["[backends.", "job = ", "run_timeout"] {
        assert!(inspected.stdout.contains(words), "no {words}: {}", inspected.stdout);
    }
}

#[tokio::test]
async fn a_host_whose_shell_says_nothing_is_told_as_that_and_the_sessions_of_the_others_are_listed() {
    let hosts = Hosts::that_hang(&["one", "two"], |config, _| {
        for (_, host) in config["hosts"].as_table_mut().unwrap() {
            host.as_table_mut()
                .unwrap()
                .insert("connect_timeout".into(), "8s".into());
        }
    });
    let berth = Berth::serve(&hosts.place).await;
    let ids = [
        start(&berth, "here", "app", "one").await,
        start(&berth, "hung", "app", "two").await,
    ];
    hosts.hang("two", ".");
    let (listed, errors) = sessions(&berth).await;
    let state = |id: &Value| {
        let session = listed.iter().find(|session| session["session_id"] == id["session_id"]);
        session.map(|session| text(session, "state"))
    };
    assert!(state(&ids[0]).is_some_and(|state| state != "unreachable"), "{listed:?}");
    assert!(state(&ids[1]).is_none_or(|state| state == "unreachable"), "{listed:?}");
    assert!(
        !errors.is_empty() && errors.iter().all(|error| error.contains("host two")),
        "{errors:?}"
    );
    let told = hosts.place.run(&["hosts", "--json"]).await.stdout;
    let told: Vec<Value> = serde_json::from_str(&told).unwrap();
    let told = |name: &str| told.iter().find(|host| host["host"] == name).unwrap().clone();
    assert_eq!(told("one")["state"], "answers");
    let two = told("two");
    assert_eq!(two["state"], "login hangs", "{two}");
    assert!(text(&two, "fix").contains("what hangs at login"), "{two}");
    hosts.recover("two");
    until("both are listed", async || {
        let (listed, errors) = sessions(&berth).await;
        let is_there = |session: &Value| text(session, "state") != "unreachable";
        (listed.len() == 2 && errors.is_empty() && listed.iter().all(is_there)).then_some(())
    })
    .await;
}
