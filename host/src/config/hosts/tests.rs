//! Hosts as they are written, and what a backend on one names.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::config::tests::{SMALL, around, changed, says};
use crate::config::{Accepted, Config, Layers, SHIPPED};

use super::*;

const FILE: &str = "/home/me/conf/config.toml";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(&Layers::yours(Path::new(FILE), text), &around())
}

/// `SMALL` with a host `mac`, whose table has `lines`.
fn with_host(lines: &str) -> String {
    format!("{SMALL}[hosts.mac]\n{lines}\n")
}

/// The same with the backend on it, and `old` in the whole replaced by `new`.
fn on_host(old: &str, new: &str) -> String {
    let text = with_host("destination = \"me@mac\"").replace("plugin = \"tmux\"", "plugin = \"tmux\"\nhost = \"mac\"");
    assert_eq!(text.matches(old).count(), 1, "{old}");
    text.replace(old, new)
}

#[test]
fn a_host_needs_only_a_destination() {
    let host = parse(&with_host("destination = \"me@mac.local\"")).unwrap().hosts["mac"].clone();
    let expected = Host {
        name: "mac".into(),
        destination: "me@mac.local".into(),
        port: None,
        identity_file: None,
        known_hosts: None,
        connect_timeout: Duration::from_secs(10),
        keepalive: None,
        sessions: 8,
        path: Vec::new(),
        env_file: None,
    };
    assert_eq!(host, expected);
    assert_eq!(host.machine(), "me@mac.local");
    assert!(parse(SMALL).unwrap().hosts.is_empty());
}

#[test]
fn files_of_this_machine_are_found_here_and_folders_of_the_host_there() {
    let lines = [
        "destination = \"mac\"",
        "port = 2222",
        "identity_file = \"~/.ssh/mac\"",
        "known_hosts = \"known\"",
        "connect_timeout = \"3s\"",
        "keepalive = \"1m\"",
        "sessions = 2",
        "path = [\"~/bin\", \"/opt/homebrew/bin\"]",
        "env_file = \"mac.env\"",
    ];
    let host = parse(&with_host(&lines.join("\n"))).unwrap().hosts["mac"].clone();
    let expected = Host {
        name: "mac".into(),
        destination: "mac".into(),
        port: Some(2222),
        identity_file: Some("/home/me/.ssh/mac".into()),
        known_hosts: Some("/home/me/conf/known".into()),
        connect_timeout: Duration::from_secs(3),
        keepalive: Some(Duration::from_mins(1)),
        sessions: 2,
        path: vec!["~/bin".into(), "/opt/homebrew/bin".into()],
        env_file: Some("/home/me/conf/mac.env".into()),
    };
    assert_eq!(host, expected);
    assert_eq!(host.machine(), "mac, port 2222");
}

#[test]
fn a_destination_is_one_word_that_is_not_an_option() {
    for right in [
        "mac",
        "me@mac.local",
        "me@192.0.2.1",
        "fe80::1%en0",
        "ssh://me@mac:2222",
        "Büro_2",
        "build-box",
        "first.last@build-box",
    ] {
        assert_eq!(destination_fault(right), None, "{right}");
    }
    for (wrong, fault) in [
        ("", "is empty"),
        ("-oProxyCommand=touch", "for an option"),
        ("me@-oProxyCommand=touch", "for an option"),
        ("ssh://-oProxyCommand=touch/", "for an option"),
        ("mac -oProxyCommand=touch", "white space"),
        ("mac\ttouch", "white space"),
        ("mac\n", "white space"),
        ("mac\u{a0}", "white space"),
        ("mac\0", "control character"),
        ("mac\u{1b}[2J", "control character"),
        ("$(touch)", "a shell"),
        ("mac;touch", "a shell"),
        ("`touch`", "a shell"),
        ("me'@mac", "a shell"),
        ("mac*", "a shell"),
        ("m?c", "a shell"),
        ("me!@mac", "a shell"),
        ("mac#1", "a shell"),
    ] {
        assert!(destination_fault(wrong).unwrap().contains(fault), "{wrong:?}");
    }
    assert!(destination_fault(&"a".repeat(1000)).unwrap().contains("longer"));
}

#[test]
fn says_line_key_and_fix_of_whatever_is_wrong_with_a_host() {
    let mac = "destination = \"mac\"\n";
    for (new, key, fix) in [
        ("port = 22", "hosts.mac", "missing field `destination`: add it"),
        (
            "destination = \"-oX\"",
            "hosts.mac.destination",
            "like \"me@mac.local\"",
        ),
        (
            "destination = \"mac\\u0000\"",
            "hosts.mac.destination",
            "control character",
        ),
        (&format!("{mac}port = 0"), "hosts.mac.port", "choose from 1 to 65535"),
        (
            &format!("{mac}port = 65536"),
            "hosts.mac.port",
            "choose from 1 to 65535",
        ),
        (
            &format!("{mac}sessions = 1"),
            "hosts.mac.sessions",
            "choose from 2 to 64",
        ),
        (
            &format!("{mac}connect_timeout = \"0s\""),
            "hosts.mac.connect_timeout",
            "choose from 1s to 2m",
        ),
        (
            &format!("{mac}connect_timeout = \"1500ms\""),
            "hosts.mac.connect_timeout",
            "whole seconds",
        ),
        (
            &format!("{mac}keepalive = \"1h\""),
            "hosts.mac.keepalive",
            "choose from 1s to 10m",
        ),
        (
            &format!("{mac}path = [\"/bin\", \"bin\"]"),
            "hosts.mac.path[1]",
            "write ~/... or an absolute path",
        ),
        (
            &format!("{mac}path = [\"~you/bin\"]"),
            "hosts.mac.path[0]",
            "write ~/... or an absolute path",
        ),
        (
            &format!("{mac}path = [\"/a:/b\"]"),
            "hosts.mac.path[0]",
            "one folder in each item",
        ),
        (
            &format!("{mac}path = [\"/a\\nb\"]"),
            "hosts.mac.path[0]",
            "one folder in each item",
        ),
        (&format!("{mac}user = \"me\""), "hosts.mac.user", "unknown field `user`"),
    ] {
        let text = with_host(new);
        says(&parse(&text).expect_err(new), &text, FILE, new, key, fix);
    }
    let text = format!("{SMALL}[hosts.Mac]\ndestination = \"mac\"\n");
    says(&parse(&text).unwrap_err(), &text, FILE, "", "hosts.Mac", "32 of a-z");
}

#[test]
fn the_label_of_a_host_is_a_name_that_is_not_an_option() {
    for label in [
        "-oProxyCommand=touch",
        "-mac",
        "mac x",
        "mac\\tx",
        "mac\\nx",
        "mac\\u0000",
        "../mac",
        "",
    ] {
        let error = parse(&format!("{SMALL}[hosts.\"{label}\"]\ndestination = \"mac\"\n")).expect_err(label);
        assert!(
            error.message.contains("is not a name: use at most 32 of a-z"),
            "{error}"
        );
    }
}

#[test]
fn a_backend_names_a_host_that_is_there() {
    assert_eq!(parse(SMALL).unwrap().backends["local"].host, None);
    let backend = parse(&on_host("calls = 1", "calls = 2")).unwrap().backends["local"].clone();
    assert_eq!(backend.host.as_deref(), Some("mac"));
    let text = on_host("host = \"mac\"", "host = \"mc\"");
    says(
        &parse(&text).unwrap_err(),
        &text,
        FILE,
        "host = \"mc\"",
        "backends.local.host",
        "there is no host \"mc\" (there are: mac): add a table [hosts.NAME]",
    );
    let (text, _) = changed("plugin = \"tmux\"", "plugin = \"tmux\"\nhost = \"mac\"");
    let error = parse(&text).unwrap_err();
    assert!(error.message.contains("(there is none)"), "{error}");
}

#[test]
fn a_backend_is_on_each_of_several_hosts_that_are_there() {
    let hosts = |written: &str| {
        let text = on_host("host = \"mac\"", &format!("hosts = {written}"));
        format!("{text}[hosts.linux]\ndestination = \"box\"\n")
    };
    let backend = parse(&hosts("[\"mac\", \"linux\"]")).unwrap().backends["local"].clone();
    assert_eq!(
        (backend.host, &*backend.hosts),
        (None, &["mac".to_owned(), "linux".into()][..])
    );
    // As with one host, what it names is there.
    assert_eq!(backend.directories, [Path::new("~/projects")]);
    let many: Vec<String> = (0..17).map(|number| format!("\"h{number}\"")).collect();
    for (written, key, message) in [
        ("[]", "backends.local.hosts", "1 to 16 hosts, not 0"),
        (
            &*format!("[{}]", many.join(", ")),
            "backends.local.hosts",
            "1 to 16 hosts, not 17",
        ),
        (
            "[\"mac\", \"mc\"]",
            "backends.local.hosts[1]",
            "there is no host \"mc\" (there are: linux, mac): add a table [hosts.NAME]",
        ),
        (
            "[\"linux\", \"mac\", \"linux\"]",
            "backends.local.hosts[2]",
            "the host \"linux\" is there twice: remove one of the two",
        ),
        (
            "[\"mac\"]\nhost = \"mac\"",
            "backends.local.hosts",
            "remove `host`, or `hosts`",
        ),
    ] {
        let text = hosts(written);
        let error = parse(&text).expect_err(written);
        assert_eq!(error.key.as_deref(), Some(key), "{error}");
        assert!(error.message.contains(message), "{error}");
    }
    let error = parse(&hosts("[\"mac\"]").replace("~/projects", "projects")).unwrap_err();
    assert!(error.message.contains("write ~/... or an absolute path"), "{error}");
}

#[test]
fn what_is_on_a_host_stays_as_it_is_written() {
    let text = on_host(
        "env = [\"HOME\"]",
        "env = [\"HOME\"]\nenv_file = \"here.env\"\nfiles = [{ under = \"~/.claude\", names = \"*.json\" }]",
    );
    let text = text.replace("[\"~/projects\"]", "[\"~/projects\", \"/srv/../work\", \"~\"]");
    for (path, expected) in [
        ("", None),
        ("path = \"~/bin/tmux\"", Some("~/bin/tmux")),
        ("path = \"/opt/tmux\"", Some("/opt/tmux")),
    ] {
        let text = text.replace(
            "[backends.local.programs.tmux]",
            &format!("[backends.local.programs.tmux]\n{path}"),
        );
        let backend = parse(&text).unwrap().backends["local"].clone();
        let directories = ["~/projects", "/srv/../work", "~"].map(PathBuf::from);
        assert_eq!(backend.directories, directories);
        assert_eq!(backend.files[0].under, Path::new("~/.claude"));
        assert_eq!(backend.programs["tmux"].sought.path.as_deref(), expected.map(Path::new));
        // What berth itself reads is here.
        assert_eq!(backend.env_file.as_deref(), Some(Path::new("/home/me/conf/here.env")));
    }
}

#[test]
fn a_path_that_starts_nowhere_on_a_host_is_refused() {
    for (old, new, key) in [
        (
            "[\"~/projects\"]",
            "[\"/srv\", \"projects\"]",
            "backends.local.directories[1]",
        ),
        ("[\"~/projects\"]", "[\"./projects\"]", "backends.local.directories[0]"),
        ("[\"~/projects\"]", "[\"\"]", "backends.local.directories[0]"),
        (
            "[\"~/projects\"]",
            "[\"~you/projects\"]",
            "backends.local.directories[0]",
        ),
        (
            "env = [\"HOME\"]",
            "files = [{ under = \"conf\", names = \"*.json\" }]",
            "backends.local.files[0].under",
        ),
        (
            "separator = \";\"",
            "path = \"bin/tmux\"",
            "backends.local.programs.tmux.path",
        ),
        (
            "separator = \";\"",
            "path = \"./tmux\"",
            "backends.local.programs.tmux.path",
        ),
    ] {
        let text = on_host(old, new);
        says(
            &parse(&text).expect_err(new),
            &text,
            FILE,
            new,
            key,
            "write ~/... or an absolute path",
        );
    }
    for (old, new, key) in [
        ("[\"~/projects\"]", "[\"/a\\u0000\"]", "backends.local.directories[0]"),
        (
            "separator = \";\"",
            "path = \"a\\u0000\"",
            "backends.local.programs.tmux.path",
        ),
    ] {
        let text = on_host(old, new);
        says(&parse(&text).expect_err(new), &text, FILE, new, key, "holds a NUL");
    }
}

#[test]
fn the_examples_of_the_shipped_text_are_valid() {
    let example = |header: &str| {
        let lines = SHIPPED.lines().skip_while(|line| *line != format!("# {header}"));
        let lines = lines.map_while(|line| line.strip_prefix("# "));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let yours = format!("{}{}", example("[hosts.mac]"), example("[backends.mac]"));
    let layers = Layers {
        accepted: Accepted::Whole,
        ..Layers::yours(Path::new(FILE), &yours)
    };
    let config = Config::parse(&layers, &around()).unwrap();
    let backend = &config.backends["mac"];
    assert_eq!(backend.host.as_deref(), Some("mac"));
    assert_eq!(backend.programs.len(), config.backends["local"].programs.len());
    // Each key is in the example, and as it counts where it is not written.
    let table: toml::Table = yours.parse().unwrap();
    assert_eq!(table["hosts"]["mac"].as_table().unwrap().len(), 9);
    let host = &config.hosts["mac"];
    let usual = &parse(&with_host("destination = \"mac\"")).unwrap().hosts["mac"];
    assert_eq!(
        (host.connect_timeout, host.sessions),
        (usual.connect_timeout, usual.sessions)
    );
}
