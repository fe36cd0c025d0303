//! How it is with a host, as `berth hosts` lists it and `berth doctor` tells it. The host is this machine by a real sshd.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use serde_json::{Value, json};
use toml::Table;

use crate::berth::{Berth, Place};
use crate::demo::{Tmux, config, until};
use crate::layers::Terminal;
use crate::on_host::on_host;
use crate::sshd::Sshd;

/// A host `there` with the backend `local` on it, and nothing that runs.
struct Site {
    place: Place,
    sshd: Sshd,
    config: Table,
}

impl Site {
    fn new() -> Self {
        Self::with(|_, _| {})
    }

    fn with(change: impl FnOnce(&mut Table, &Place)) -> Self {
        let place = Place::new("");
        let mut config = config();
        change(&mut config, &place);
        let sshd = on_host(&mut config, &place, &["local"]);
        let site = Self { place, sshd, config };
        site.configure();
        site
    }

    fn configure(&self) {
        self.place.configure(&self.config.to_string(), "");
    }

    /// Sets a key of the host.
    fn set(&mut self, key: &str, value: impl Into<toml::Value>) {
        let host = self.config["hosts"]["there"].as_table_mut().unwrap();
        host.insert(key.to_owned(), value.into());
        self.configure();
    }

    /// All hosts.
    async fn all(&self) -> Vec<Value> {
        let ran = self.place.run(&["hosts", "--json"]).await;
        assert!(ran.success, "{}", ran.stderr);
        serde_json::from_str(&ran.stdout).unwrap()
    }

    async fn listed(&self) -> Value {
        let mut all = self.all().await;
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// That it does not let us in: with this state, these words, and this fix.
    async fn is(&self, state: &str, what: &str, fix: &str) {
        let listed = self.listed().await;
        let has = |key: &str, text: &str| listed[key].as_str().is_some_and(|told| told.contains(text));
        assert!(
            listed["state"] == state && has("what", what) && has("fix", fix),
            "{state}: {listed}"
        );
        for key in ["round_trip_ms", "programs", "agents", "faults", "warnings"] {
            assert_eq!(listed[key], Value::Null, "{key} is not known: {listed}");
        }
        let ran = self.place.run(&["hosts"]).await;
        assert!(
            ran.stdout.starts_with(&format!("there\t{state}\t-\t-\t-\t-\tlocal\t")),
            "{}",
            ran.stdout
        );
        let notes: Vec<&str> = ran.stderr.lines().collect();
        assert!(
            notes.len() == 1 && notes[0].starts_with("there: ") && notes[0].contains(fix),
            "{}",
            ran.stderr
        );
    }

    /// That it answers, and what is wrong there.
    async fn lacks(&self, key: &str, words: &[&str]) {
        let listed = self.listed().await;
        assert_eq!(listed["state"], "answers", "{listed}");
        let told: Vec<&str> = listed[key]
            .as_array()
            .unwrap()
            .iter()
            .map(|told| told.as_str().unwrap())
            .collect();
        assert!(
            told.len() == 1 && words.iter().all(|word| told[0].contains(word)),
            "{words:?}: {listed}"
        );
        let other = if key == "faults" { "warnings" } else { "faults" };
        assert_eq!(listed[other], json!([]), "{listed}");
        let ran = self.place.run(&["hosts"]).await;
        let note = ran.stderr.lines().find(|line| line.starts_with("there: "));
        let note = note.unwrap_or_default();
        assert!(words.iter().all(|word| note.contains(word)), "{}", ran.stderr);
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Gives the backend the agent `claude` too, which is `script` on the host.
fn with_claude(config: &mut Table, place: &Place, script: &str) {
    config["backends"]["local"]["agents"] = vec!["demo", "claude"].into();
    place.write("bin/claude", script, 0o755);
}

#[tokio::test]
async fn a_host_that_answers_is_listed_with_what_is_there() {
    let site = Site::with(|config, place| {
        with_claude(
            config,
            place,
            "#!/bin/sh\n[ \"$*\" = --version ] && echo '2.1.14 (Claude Code)'\n",
        );
    });
    let there = site.listed().await;
    let told = ["host", "state", "fix", "backends", "sessions", "faults", "warnings"].map(|key| there[key].clone());
    assert_eq!(json!(told), json!(["there", "answers", null, ["local"], null, [], []]));
    assert!(there["round_trip_ms"].as_f64().unwrap() > 0.0, "{there}");
    assert_eq!(there["programs"][0]["name"], "tmux");
    let version = there["programs"][0]["version"].as_str().unwrap();
    assert!(
        version.contains('.') && version.starts_with(|first: char| first.is_ascii_digit()),
        "{there}"
    );
    let agents = json!([{"name": "claude", "version": "2.1.14"}, {"name": "demo", "version": null}]);
    assert_eq!(there["agents"], agents);

    let ran = site.place.run(&["hosts"]).await;
    let fields: Vec<&str> = ran.stdout.trim_end().split('\t').collect();
    assert_eq!(fields.len(), 8, "{}", ran.stdout);
    assert!(fields[2].ends_with(" ms"), "{}", ran.stdout);
    let tmux = format!("tmux {version}");
    let rest = ["there", "answers", "-", &tmux, "claude 2.1.14, demo", "local"];
    assert_eq!([fields[0], fields[1], fields[3], fields[4], fields[5], fields[6]], rest);
    assert_eq!(ran.stderr, "");
}

#[tokio::test]
async fn the_sessions_in_use_are_those_of_the_berth_that_runs() {
    let mut site = Site::with(|config, place| {
        let script = "#!/bin/sh\n[ \"$1\" = -V ] || [ ! -e \"${0%/bin/*}/slow\" ] || sleep 600\nexec tmux \"$@\"\n";
        place.write("bin/slow-tmux", script, 0o755);
        config["backends"]["local"]["programs"]["tmux"]["path"] = "slow-tmux".into();
    });
    let berth = Berth::serve(&site.place).await;
    let _tmux = Tmux::there(&site.place);
    until("none is in use", async || {
        (site.listed().await["sessions"] == json!({"in_use": 0, "most": 8})).then_some(())
    })
    .await;
    site.place.write("slow", "", 0o600);
    let in_use = until("one is in use", async || {
        let there = site.listed().await;
        (there["sessions"]["in_use"] != 0).then_some(there)
    });
    tokio::select! {
        there = in_use => assert_eq!(there["state"], "answers"),
        called = async { loop { berth.call("list_sessions", json!({})).await; } } => called,
    }
    fs::remove_file(site.place.path("slow")).unwrap();
    // Who only waits for a connection has no session.
    site.sshd.stop();
    until("there is no connection", async || {
        let there = site.listed().await;
        (there["state"] == "unreachable" && there["sessions"] == Value::Null).then_some(())
    })
    .await;
}

/// A site with a berth, which does not know the key of its host.
async fn with_unknown_key() -> (Site, Berth) {
    let site = Site::new();
    fs::write(site.sshd.path("known_hosts"), "").unwrap();
    let berth = Berth::serve(&site.place).await;
    let told = berth.call("list_projects", json!({"backend": "local"})).await;
    let told = format!("{}{}", told.text, told.structured);
    assert!(told.contains("key unknown"), "{told}");
    (site, berth)
}

#[tokio::test]
async fn a_key_that_is_trusted_counts_with_the_next_reload() {
    let (site, berth) = with_unknown_key().await;
    fs::write(site.sshd.path("known_hosts"), site.sshd.known()).unwrap();
    let reloaded = site.place.run(&["reload"]).await;
    assert!(
        reloaded.success && !reloaded.stdout.contains("is down"),
        "{}",
        reloaded.stdout
    );
    let _tmux = Tmux::there(&site.place);
    let told = berth.call("list_projects", json!({"backend": "local"})).await.done();
    assert_eq!(told.structured["errors"], json!([]), "{}", told.text);
}

#[tokio::test]
async fn a_key_that_a_person_trusts_counts_for_the_berth_that_runs() {
    let (site, berth) = with_unknown_key().await;
    let path = site.place.name("config.toml");
    let terminal = Terminal::berth(&site.place, "one", &["hosts", "trust", "there", "--config", &path]);
    terminal.shows("[y/N]").await;
    terminal.types(&["y", "Enter"]);
    terminal.shows("ended 0").await;
    until("it is up", async || {
        let told = berth.call("list_projects", json!({"backend": "local"})).await;
        (told.structured["errors"] == json!([])).then_some(())
    })
    .await;
    let _tmux = Tmux::there(&site.place);
}

#[tokio::test]
async fn what_keeps_us_out_of_a_host_is_a_state_with_its_fix() {
    let mut site = Site::new();
    fs::write(site.sshd.path("known_hosts"), "").unwrap();
    site.is("key unknown", "not trusted yet", "berth hosts trust there")
        .await;

    fs::write(site.sshd.path("known_hosts"), site.sshd.known()).unwrap();
    let allowed = fs::read(site.sshd.path("authorized_keys")).unwrap();
    fs::write(site.sshd.path("authorized_keys"), "").unwrap();
    site.is("key refused", "Permission denied", "~/.ssh/authorized_keys")
        .await;
    fs::write(site.sshd.path("authorized_keys"), allowed).unwrap();
    assert_eq!(site.listed().await["state"], "answers");

    let locked = site.sshd.key_with("open sesame");
    site.set("identity_file", text(&locked));
    site.is("passphrase wanted", "wants its passphrase", "env_file of [hosts.there]")
        .await;
    site.place.write("secrets", "SSH_KEY_PASSPHRASE=wrong\n", 0o600);
    site.set("env_file", site.place.name("secrets"));
    site.is("passphrase wrong", "is wrong", "env_file of [hosts.there]")
        .await;
    site.place.write("secrets", "SSH_KEY_PASSPHRASE=open sesame\n", 0o600);
    assert_eq!(site.listed().await["state"], "answers");

    site.sshd.change_key();
    site.is("key changed", "another key", "line 1 of").await;
    site.sshd.stop();
    site.is("unreachable", "refuses the connection", "start its SSH server")
        .await;
    site.set("destination", "me@nowhere.invalid");
    site.is("name not found", "Could not resolve", "correct destination")
        .await;
}

#[tokio::test]
async fn what_is_missing_on_a_host_is_one_line_with_its_fix() {
    type Change = fn(&mut Table, &Place);
    let tmux: Change = |config, _| config["backends"]["local"]["programs"]["tmux"]["path"] = "no-such-tmux".into();
    let old: Change = |config, place| {
        place.write("bin/old-tmux", "#!/bin/sh\necho tmux 2.9\n", 0o755);
        config["backends"]["local"]["programs"]["tmux"]["path"] = "old-tmux".into();
    };
    let directory: Change = |config, _| config["backends"]["local"]["directories"] = vec!["~/no such"].into();
    let full: Change = |_, place| {
        place.write("bin/df", "#!/bin/sh\necho head\necho /dev/x 100 100 0 100% /\n", 0o755);
    };
    let elsewhere: Change = |config, place| {
        let demo = config["agents"]["demo"].as_table_mut().unwrap();
        demo.insert("requires".into(), "an-agent".into());
        fs::create_dir_all(place.path("home/.local/bin")).unwrap();
        place.write("home/.local/bin/an-agent", "#!/bin/sh\n", 0o755);
    };
    let no_agent: Change = |config, _| {
        let demo = config["agents"]["demo"].as_table_mut().unwrap();
        demo.insert("requires".into(), "an-agent".into());
    };
    let clock: Change = |_, place| place.write("bin/date", "#!/bin/sh\necho 1000000000\n", 0o755);
    let failing: Change = |config, place| {
        with_claude(
            config,
            place,
            "#!/bin/sh\nprintf 'log in\\033[2J\\nfirst' >&2\nexit 1\n",
        );
    };
    for (change, key, words) in [
        (
            tmux,
            "faults",
            ["is not on the PATH of the host there", "install it there"],
        ),
        (old, "faults", ["older than 3.3", "install a newer one there"]),
        (
            directory,
            "faults",
            ["does not exist on the host there", "mkdir -p ~/'no such'"],
        ),
        (full, "faults", ["is full (0 KiB are free)", "make room there"]),
        (
            elsewhere,
            "warnings",
            ["it is in ~/.local/bin", "path = [\"~/.local/bin\"] into [hosts.there]"],
        ),
        (
            no_agent,
            "warnings",
            ["no agent of [backends.local] (demo)", "install one there"],
        ),
        (
            clock,
            "warnings",
            ["the clock of the host there is off by", "set one of the two"],
        ),
        (
            failing,
            "warnings",
            ["/claude --version` fails", "says \"log in first\": run it there"],
        ),
    ] {
        Site::with(change).lacks(key, &words).await;
    }
}

#[tokio::test]
async fn a_host_that_never_answers_holds_up_no_other() {
    let mut site = Site::new();
    // It takes connections, and says nothing.
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut mute = site.config["hosts"]["there"].as_table().unwrap().clone();
    mute.insert("port".into(), i64::from(silent.local_addr().unwrap().port()).into());
    mute.insert("connect_timeout".into(), "1s".into());
    let hosts = site.config["hosts"].as_table_mut().unwrap();
    hosts.insert("mute".into(), mute.into());
    site.configure();
    let all = site.all().await;
    let states: Vec<_> = all
        .iter()
        .map(|host| (host["host"].clone(), host["state"].clone()))
        .collect();
    assert_eq!(
        states,
        [
            (json!("mute"), json!("unreachable")),
            (json!("there"), json!("answers"))
        ]
    );
    assert_eq!(all[0]["backends"], json!([]));
}

#[tokio::test]
async fn doctor_tells_of_a_host_what_the_list_tells() {
    let mut site = Site::with(|config, _| config["backends"]["local"]["directories"] = vec!["~/no such"].into());
    let told = async |site: &Site| {
        let ran = site.place.run(&["doctor", "--json"]).await;
        let findings: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap();
        let of_host = findings.into_iter().filter(|finding| finding["about"] == "host there");
        of_host.collect::<Vec<_>>()
    };
    let found = told(&site).await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0]["mark"] == "ok" && found[0]["what"].as_str().unwrap().contains(" ms, tmux "),
        "{found:?}"
    );
    assert!(
        found[1]["mark"] == "fail" && found[1]["what"].as_str().unwrap().contains("mkdir -p"),
        "{found:?}"
    );
    site.sshd.stop();
    let found = told(&site).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0]["mark"] == "fail" && found[0]["fix"].as_str().unwrap().contains("SSH server"),
        "{found:?}"
    );
}
