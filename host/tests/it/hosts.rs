//! Other machines at the command line: who adds one to the configuration, and what becomes of that.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use berth::config::SHIPPED;
use berth::peer::MARK;
use serde_json::{Value, json};

use crate::berth::{Berth, Place};
use crate::layers::{ANY_PORT, OWN, Terminal, accepted, home, write_own};

/// A program in place of ssh, which shows the key in `~/shown` if there is one, and then says what is in `~/said`.
const SSH: &str = r#"#!/bin/sh
file=$(printf '%s\n' "$@" | sed -n 's/^UserKnownHostsFile="\([^"]*\)".*/\1/p')
[ ! -f "$HOME/shown" ] || cat "$HOME/shown" > "$file"
cat "$HOME/said" >&2
exit 255
"#;

/// A home in which that is ssh, and every host is trusted.
fn with_ssh() -> Place {
    let place = home();
    place.write("bin/ssh", SSH, 0o755);
    place.write("home/said", "me@mac: Permission denied (publickey).\r\n", 0o600);
    place
}

/// A file of the operator's with words of their own, also behind everything else.
const MINE: &str =
    "# Mine.\n\n[backends.local]\nagents = [ 'demo' ] # only this one\n\n# [backends.NAME]\n# enabled = false\n";

async fn complaint(place: &Place, args: &[&str]) -> String {
    let ran = place.run_as_is(args).await;
    assert!(!ran.success, "{args:?}: {}", ran.stdout);
    ran.stderr
}

async fn listed(place: &Place) -> Value {
    let ran = place.run_as_is(&["hosts", "--json"]).await;
    assert!(ran.success, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

#[tokio::test]
async fn only_a_person_on_a_terminal_outside_of_sessions_adds_a_host() {
    let place = home();
    write_own(&place, MINE);
    let told = complaint(&place, &["hosts", "add", "mac", "me@mac"]).await;
    assert!(told.contains("run berth hosts add on a terminal"), "{told}");
    // What a session may control makes no difference.
    write_own(&place, "[server]\nsessions_may_control = true\n");
    let mut inside = place.command(&["hosts", "add", "mac", "me@mac"]);
    let output = inside.env(MARK, "x").output().await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("runs in a session"), "{told}");
    assert_eq!(place.read(OWN), "[server]\nsessions_may_control = true\n");
}

#[tokio::test]
async fn a_destination_that_could_be_an_option_and_a_name_that_is_not_one_are_refused() {
    let place = home();
    for destination in ["-oProxyCommand=touch x", "me@-oX", "mac x", "mac\nx", "$(touch x)", ""] {
        let told = complaint(&place, &["hosts", "add", "mac", destination]).await;
        assert!(told.contains("write it as for ssh"), "{destination:?}: {told}");
    }
    for name in ["Mac", "-mac", "a b", "a.b", "", "[x]"] {
        let told = complaint(&place, &["hosts", "add", "--", name, "mac"]).await;
        assert!(told.contains("with a letter or digit first"), "{name:?}: {told}");
    }
    assert!(!place.path(OWN).exists());
}

#[tokio::test]
async fn a_host_is_added_behind_what_is_there_and_nothing_of_that_changes() {
    let place = with_ssh();
    write_own(&place, MINE);
    accepted(&place, SHIPPED);
    // The file is a link into a folder of the operator's.
    fs::rename(place.path(OWN), place.path("home/dotfile")).unwrap();
    symlink(place.path("home/dotfile"), place.path(OWN)).unwrap();
    fs::set_permissions(place.path("home/dotfile"), fs::Permissions::from_mode(0o640)).unwrap();

    let terminal = Terminal::berth(&place, "no", &["hosts", "add", "mac", "me@mac.local", "--like", "gone"]);
    let screen = terminal.shows("ended 1").await;
    assert!(screen.contains("there is no backend `gone`"), "{screen}");

    for (name, answer) in [("one", "n"), ("two", "")] {
        let terminal = Terminal::berth(&place, name, &["hosts", "add", "mac", "me@mac.local"]);
        let screen = terminal.shows("[y/N]").await;
        assert!(screen.contains("destination = \"me@mac.local\""), "{screen}");
        assert!(
            screen.contains("Tried me@mac.local: it answers, and its key is trusted."),
            "{screen}"
        );
        terminal.types(&[answer, "Enter"]);
        let screen = terminal.shows("ended 1").await;
        assert!(screen.contains("nothing was added"), "{screen}");
    }
    assert_eq!(place.read("home/dotfile"), MINE);

    let add = ["hosts", "add", "mac", "me@mac.local", "--port", "2222"];
    let terminal = Terminal::berth(&place, "three", &add);
    terminal.shows("[y/N]").await;
    terminal.types(&["y", "Enter"]);
    let screen = terminal.shows("ended 0").await;
    assert!(screen.contains("Added.") && screen.contains("berth reload"), "{screen}");
    let added = "\n[hosts.mac]\ndestination = \"me@mac.local\"\nport = 2222\n\n\
                 [backends.mac]\nlike = \"local\"\nhost = \"mac\"\n";
    assert_eq!(place.read("home/dotfile"), format!("{MINE}{added}"));
    assert!(place.path(OWN).is_symlink());
    let found = fs::metadata(place.path("home/dotfile")).unwrap();
    assert_eq!(found.permissions().mode() & 0o777, 0o640);
    let mac = listed(&place).await[0].clone();
    let expected = json!(["mac", "me@mac.local", 2222, ["mac"], "key refused"]);
    let told = ["host", "destination", "port", "backends", "state"].map(|key| mac[key].clone());
    assert_eq!(json!(told), expected);

    // The same name is not taken twice.
    let terminal = Terminal::berth(&place, "four", &add);
    let screen = terminal.shows("ended 1").await;
    assert!(screen.contains("there is a host `mac` already"), "{screen}");

    place.write("home/dotfile", MINE, 0o640);
    let recorded = place.run_as_is(&["audit", "--json"]).await.stdout;
    assert!(recorded.contains("\"event\":\"host-added\""), "{recorded}");
}

#[tokio::test]
async fn who_had_no_file_has_one_and_the_shipped_configuration_counts_as_before() {
    let place = with_ssh();
    assert_eq!(listed(&place).await, json!([]));
    let terminal = Terminal::berth(&place, "one", &["hosts", "add", "mac", "mac.local"]);
    terminal.shows("[y/N]").await;
    terminal.types(&["y", "Enter"]);
    terminal.shows("ended 0").await;
    assert_eq!(
        place.read(OWN),
        "[hosts.mac]\ndestination = \"mac.local\"\n\n[backends.mac]\nlike = \"local\"\nhost = \"mac\"\n"
    );
    let mode = fs::metadata(place.path(OWN)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let diff = place.run_as_is(&["config", "diff"]).await;
    assert!(diff.success && diff.stdout.is_empty(), "{}", diff.stdout);
    let shown = place.run_as_is(&["config", "show"]).await.stdout;
    for table in ["[backends.local]", "[backends.jobs]", "[backends.mac]", "[hosts.mac]"] {
        assert!(shown.contains(table), "{table}: {shown}");
    }
}

#[tokio::test]
async fn doctor_names_a_host_whose_key_is_missing_and_one_on_which_no_backend_is() {
    let host = "[backends.mine]\nplugin = \"./misbehaving.wasm\"\n[hosts.mac]\ndestination = \"127.0.0.1\"\nport = 1\n";
    for (line, mark, what, fix) in [
        (
            "identity_file = \"no-key\"\n",
            "fail",
            "no-key does not exist",
            "ssh-keygen",
        ),
        ("", "warn", "no backend is on it", "host = \"mac\""),
        ("", "fail", "it refuses the connection", "start its SSH server"),
    ] {
        let place = Place::new(&format!("{host}{line}"));
        let ran = place.run(&["doctor", "--json"]).await;
        let findings: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap();
        let has =
            |finding: &&Value, key: &str, text: &str| finding[key].as_str().is_some_and(|told| told.contains(text));
        let of_host = findings.iter().filter(|finding| finding["about"] == "host mac");
        let found = of_host.filter(|finding| has(finding, "what", what));
        let found: Vec<&Value> = found.collect();
        assert!(
            found.len() == 1 && found[0]["mark"] == mark && has(&found[0], "fix", fix),
            "{findings:?}"
        );
    }
}

#[tokio::test]
async fn a_key_of_a_host_that_is_not_there_keeps_no_backend_of_this_machine_down() {
    let place = Place::new(
        "[backends.mine]\nplugin = \"./misbehaving.wasm\"\ndirectories = [\"projects\"]\n\
         [hosts.mac]\ndestination = \"mac\"\nidentity_file = \"no-key\"\nknown_hosts = \"no/such/file\"\n",
    );
    let berth = Berth::serve(&place).await;
    place.write("projects/here", "", 0o600);
    let listed = berth.call("list_files", json!({"path": place.name("projects")})).await;
    let listed = listed.done();
    assert!(
        format!("{}{}", listed.text, listed.structured).contains("here"),
        "{listed:?}"
    );
}

const KEY: &str = "mac ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDpFZlYcWv4cgtzF5nNm9Eo3yXnpF6KjWAwl0SBQ7sWm\n";
const KNOWN: &str = "home/.ssh/known_hosts";

/// A home with a host `mac` in the configuration.
fn with_mac() -> Place {
    let place = with_ssh();
    accepted(&place, SHIPPED);
    write_own(&place, "[hosts.mac]\ndestination = \"me@mac\"\n");
    place
}

#[tokio::test]
async fn a_key_is_trusted_only_by_a_person_who_has_seen_it() {
    let place = with_mac();
    place.write("home/shown", KEY, 0o600);
    let told = complaint(&place, &["hosts", "trust", "mac"]).await;
    assert!(told.contains("run berth hosts trust on a terminal"), "{told}");
    let mut inside = place.command(&["hosts", "trust", "mac"]);
    let output = inside.env(MARK, "x").output().await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("runs in a session"), "{told}");

    let terminal = Terminal::berth(&place, "one", &["hosts", "trust", "mac"]);
    let screen = terminal.shows("[y/N]").await;
    let fingerprint = "ssh-ed25519 SHA256:FveKl+/vVvb01tQTgqDqu5kR0BQuIW+KlPFFEgkV9xI";
    assert!(
        screen.contains(fingerprint) && screen.contains("ssh-keygen -lf"),
        "{screen}"
    );
    terminal.types(&["n", "Enter"]);
    let screen = terminal.shows("ended 1").await;
    assert!(screen.contains("nothing was trusted"), "{screen}");
    assert!(!place.path(KNOWN).exists());

    let terminal = Terminal::berth(&place, "two", &["hosts", "trust", "mac"]);
    terminal.shows("[y/N]").await;
    terminal.types(&["y", "Enter"]);
    terminal.shows("ended 0").await;
    assert_eq!(place.read(KNOWN), KEY);
    let mode = fs::metadata(place.path(KNOWN)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let recorded = place.run_as_is(&["audit", "--json"]).await.stdout;
    assert!(recorded.contains("\"event\":\"host-trusted\""), "{recorded}");
}

#[tokio::test]
async fn what_is_not_a_new_key_is_told_and_nothing_is_trusted() {
    let place = with_mac();
    let changed = format!(
        "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\r\nOffending ED25519 key in {}:7\r\n",
        place.name(KNOWN)
    );
    let cases = [
        (
            "me@mac: Permission denied (publickey).\r\n",
            "is trusted already",
            "ended 0",
        ),
        (
            "ssh: Could not resolve hostname mac: No such host\r\n",
            "Could not resolve",
            "ended 1",
        ),
        (&changed, "remove the old key, line 7 of", "ended 1"),
        // What a host says is one line, and cannot draw on the terminal.
        ("\u{1b}[2Jrun: sh\u{7}\r\n", "ssh says: \"run: sh\"", "ended 1"),
    ];
    for (index, (said, told, end)) in cases.into_iter().enumerate() {
        place.write("home/said", said, 0o600);
        let terminal = Terminal::berth(&place, &index.to_string(), &["hosts", "trust", "mac"]);
        let screen = terminal.shows(end).await;
        assert!(screen.contains(told), "{told}: {screen}");
        assert!(!place.path(KNOWN).exists());
    }
    let terminal = Terminal::berth(&place, "gone", &["hosts", "trust", "box"]);
    let screen = terminal.shows("ended 1").await;
    assert!(screen.contains("there is no host `box` (there are: mac)"), "{screen}");
}

#[tokio::test]
async fn files_of_ssh_are_never_granted_wherever_links_lead() {
    let place = home();
    accepted(&place, SHIPPED);
    for folder in ["home/dots", "home/safe", "home/.ssh"] {
        fs::create_dir_all(place.path(folder)).unwrap();
    }
    place.write("home/safe/config", "", 0o600);
    let granted = &format!("{ANY_PORT}[backends.local]\ndirectories = [\"~/projects\", \"~/dots\"]\n");
    let with_host = format!("{granted}[hosts.mac]\ndestination = \"me@mac\"\n");
    let ssh = |name: &str| place.path(&format!("home/.ssh/{name}"));
    let dots = |name: &str| place.path(&format!("home/dots/{name}"));
    write_own(&place, &with_host);
    assert!(place.run_as_is(&["check"]).await.success);
    // The file itself, one that is not there yet, and a link on the way.
    let ways: [(&str, &dyn Fn()); 3] = [
        ("ssh configuration", &|| {
            place.write("home/dots/config", "", 0o600);
            symlink(dots("config"), ssh("config")).unwrap();
        }),
        ("known_hosts", &|| symlink("../dots/known", ssh("known_hosts")).unwrap()),
        ("ssh configuration", &|| {
            symlink("../safe/config", dots("config")).unwrap();
            symlink(dots("config"), ssh("config")).unwrap();
        }),
    ];
    for (what, arrange) in ways {
        arrange();
        let told = complaint(&place, &["check"]).await;
        assert!(
            told.contains(&format!("holds berth's {what}")) && told.contains(&place.name("home/dots")),
            "{told}"
        );
        // Where there is no host, berth does not use them.
        write_own(&place, granted);
        assert!(place.run_as_is(&["check"]).await.success);
        write_own(&place, &with_host);
        for file in [ssh("config"), ssh("known_hosts"), dots("config")] {
            let _ = fs::remove_file(file);
        }
    }
    // The whole folder.
    fs::remove_dir(place.path("home/.ssh")).unwrap();
    symlink("dots", place.path("home/.ssh")).unwrap();
    let told = complaint(&place, &["check"]).await;
    assert!(told.contains("holds berth's"), "{told}");
}

#[tokio::test]
async fn a_key_is_added_with_its_host_if_ssh_would_use_it() {
    let place = with_ssh();
    accepted(&place, SHIPPED);
    write_own(&place, MINE);
    fs::create_dir(place.path("home/keys")).unwrap();
    place.write("home/keys/id", "a key", 0o600);
    place.write("home/keys/open", "a key", 0o640);
    place.write("home/keys/id.pub", "ssh-ed25519 x", 0o600);
    place.write("home/projects/id", "a key", 0o600);
    for (file, words) in [
        ("home/keys/open", "chmod 600"),
        ("home/keys/id.pub", "public half"),
        ("home/keys/none", "cannot be read"),
        ("home/keys", "not a regular file"),
        ("home/projects/id", "too wide a grant"),
    ] {
        let name = file.replace(['/', '.'], "-");
        let terminal = Terminal::berth(
            &place,
            &name,
            &["hosts", "add", "mac", "mac", "--identity-file", &place.name(file)],
        );
        let screen = terminal.shows("ended 1").await;
        assert!(screen.contains(words), "{file}: {screen}");
        assert_eq!(place.read(OWN), MINE);
    }
    let key = place.name("home/keys/id");
    let terminal = Terminal::berth(
        &place,
        "added",
        &["hosts", "add", "mac", "mac", "--identity-file", &key],
    );
    terminal.shows("[y/N]").await;
    terminal.types(&["y", "Enter"]);
    terminal.shows("ended 0").await;
    assert!(
        place
            .read(OWN)
            .contains(&format!("destination = \"mac\"\nidentity_file = \"{key}\"\n")),
        "{}",
        place.read(OWN)
    );
}

#[tokio::test]
async fn a_file_of_trusted_keys_that_others_may_write_is_not_added_to() {
    let place = with_mac();
    place.write("home/shown", KEY, 0o600);
    fs::create_dir_all(place.path("home/.ssh")).unwrap();
    place.write(KNOWN, "", 0o666);
    let terminal = Terminal::berth(&place, "one", &["hosts", "trust", "mac"]);
    let screen = terminal.shows("ended 1").await;
    assert!(
        screen.contains("chmod go-w") && screen.contains(".ssh/known_hosts"),
        "{screen}"
    );
    assert_eq!(place.read(KNOWN), "");
}
