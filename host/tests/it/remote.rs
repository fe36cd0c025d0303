//! Claude Code's remote control on several hosts, with a stand-in for Claude Code: the example of the shipped configuration as
//! it is written there.

use std::fs;

use berth::config::SHIPPED;
use serde_json::{Value, json};
use toml::Table;

use crate::berth::{Berth, Place};
use crate::demo::until;
use crate::sshd::Sshd;

/// The hosts, each with a project `app` and one of its own, and the place of their berth.
struct Hosts {
    sshds: Vec<(&'static str, Sshd)>,
    place: Place,
}

impl Hosts {
    fn new(names: &[&'static str]) -> Self {
        let place = Place::new("");
        let start = |name: &&'static str| {
            let home = place.path(name);
            for project in ["app".to_owned(), format!("only-{name}")] {
                fs::create_dir_all(home.join("projects").join(project).join(".git")).unwrap();
            }
            (*name, Sshd::at_home(&home))
        };
        let sshds = names.iter().map(start).collect();
        let hosts = Self { sshds, place };
        hosts.place.configure(&hosts.config().to_string(), "");
        hosts
    }

    fn config(&self) -> Table {
        let from = SHIPPED.find("# [backends.remote]").unwrap();
        let example = SHIPPED[from..].lines().map(|line| {
            let line = line.strip_prefix('#').unwrap_or(line);
            line.strip_prefix(' ').unwrap_or(line)
        });
        let mut example: Table = example.collect::<Vec<_>>().join("\n").parse().unwrap();
        let names: Vec<_> = self.sshds.iter().map(|(name, _)| toml::Value::from(*name)).collect();
        example["backends"]["remote"]["hosts"] = names.into();
        let mut config: Table = SHIPPED.parse().unwrap();
        config.remove("server");
        config.insert("default_backend".into(), "remote".into());
        config.insert("backends".into(), example.remove("backends").unwrap());
        for (name, last) in [("remote-control", Some("remote-control")), ("remote-talk", None)] {
            let agent = config["agents"][name].as_table_mut().unwrap();
            agent.remove("requires");
            agent.remove("doctor");
            let command = ["env", "@berth", "demo-agent"].into_iter().chain(last);
            agent.insert(
                "command".into(),
                command.map(toml::Value::from).collect::<Vec<_>>().into(),
            );
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
        let (host, _) = hosts.sshds[number % 3];
        start(&berth, &format!("s{number}"), "app", host).await;
    }
    let (listed, errors) = sessions(&berth).await;
    assert_eq!((listed.len(), errors), (12, Vec::new()));
    hosts.sshds[1].1.stop();
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
    hosts.sshds[1].1.restart();
    until("all are there again", async || {
        let (listed, errors) = sessions(&berth).await;
        (listed.len() == 12 && errors.is_empty()).then_some(())
    })
    .await;
}
