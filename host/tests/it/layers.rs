//! The operator's configuration over the shipped one: what counts, what waits until it is accepted, and who may accept it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use berth::config::SHIPPED;
use berth::peer::MARK;
use berth::store::DataDirectory;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

use crate::berth::{PATIENCE, Place};
use crate::demo::until;

/// A whole configuration, as those of 0.1.0 were.
const BEFORE: &str = "[backends.mine]\nplugin = \"./misbehaving.wasm\"\n";

/// A home without a configuration, in which the shipped one holds.
pub(crate) fn home() -> Place {
    let place = Place::new(BEFORE);
    place.write("bin/tmux", "#!/bin/sh\n", 0o755);
    fs::create_dir(place.path("home/projects")).unwrap();
    place
}

/// Where the operator's file is looked for.
pub(crate) const OWN: &str = "home/.config/berth/config.toml";

pub(crate) fn write_own(place: &Place, text: &str) {
    fs::create_dir_all(place.path("home/.config/berth")).unwrap();
    place.write(OWN, text, 0o600);
}

/// What lets berth listen where nobody else does.
pub(crate) const ANY_PORT: &str = "[server]\nlisten = \"127.0.0.1:0\"\n";

/// berth's folder in that home.
fn data(place: &Place) -> PathBuf {
    place.path(match cfg!(target_os = "macos") {
        true => "home/Library/Application Support/berth",
        false => "home/.local/share/berth",
    })
}

/// Notes `text` as what was accepted in that home.
pub(crate) fn accepted(place: &Place, text: &str) {
    let data = DataDirectory::open(&data(place), &place.path("home/cache")).unwrap();
    data.accept(text).unwrap();
}

/// The shipped configuration of an earlier version, which had one list and one variable less.
fn earlier() -> String {
    let (list, variable) = ("    [\"pipe-pane\", \"-t\", \"<target>\"],\n", "\"SSH_AUTH_SOCK\", ");
    assert!(SHIPPED.contains(list) && SHIPPED.contains(variable));
    SHIPPED.replace(list, "").replace(variable, "")
}

async fn out(place: &Place, args: &[&str]) -> String {
    let ran = place.run_as_is(args).await;
    assert!(ran.success, "{args:?}: {}", ran.stderr);
    ran.stdout
}

async fn complaint(place: &Place, args: &[&str]) -> String {
    let ran = place.run_as_is(args).await;
    assert!(!ran.success, "{args:?}: {}", ran.stdout);
    ran.stderr
}

/// A terminal of a person's: a tmux server of the test's own. Ended when dropped.
pub(crate) struct Terminal {
    socket: String,
}

impl Terminal {
    /// A terminal in which berth runs with `args`, without a configuration of the operator's unless they name one.
    pub(crate) fn berth(place: &Place, name: &str, args: &[&str]) -> Self {
        let terminal = Self {
            socket: place.name(name),
        };
        let script = format!(
            "{} {}; echo ended $?; sleep 600",
            env!("CARGO_BIN_EXE_berth"),
            args.join(" ")
        );
        let home = format!("HOME={}", place.name("home"));
        let path = format!("PATH={}:{}", place.name("bin"), std::env::var("PATH").unwrap());
        let command = [
            "env",
            "-i",
            &home,
            &path,
            "LANG=C.UTF-8",
            "TERM=screen",
            "sh",
            "-c",
            &script,
        ];
        let begun = terminal.run(&[&["new-session", "-d", "-x", "150", "-y", "400", "--"], &command[..]].concat());
        assert!(begun.status.success(), "{begun:?}");
        terminal
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command.args(["-S", &self.socket, "-f", "/dev/null"]).args(args);
        command.env_remove("TMUX").output().unwrap()
    }

    fn screen(&self) -> String {
        String::from_utf8(self.run(&["capture-pane", "-p", "-J"]).stdout).unwrap()
    }

    /// The screen once `text` stands on it.
    pub(crate) async fn shows(&self, text: &str) -> String {
        until(text, async || {
            Some(self.screen()).filter(|screen| screen.contains(text))
        })
        .await
    }

    pub(crate) fn types(&self, keys: &[&str]) {
        self.run(&[&["send-keys", "--"], keys].concat());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}

#[tokio::test]
async fn a_first_start_without_a_file_accepts_what_is_shipped_and_then_two_lines_are_enough() {
    let place = home();
    let record = data(&place).join("accepted.toml");
    // Whoever has the port of the shipped configuration, which is looked at as well.
    let looked = place.run_as_is(&["check"]).await;
    assert!(looked.stdout.contains("Backend local"), "{}", looked.stderr);
    assert!(!record.exists(), "to look is not a start");
    let tools = place.run_as_is(&["tools"]).await;
    assert!(tools.success, "{}", tools.stderr);
    assert_eq!(record.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(fs::read_to_string(&record).unwrap().ends_with(SHIPPED));

    write_own(&place, &format!("{ANY_PORT}max_requests = 32\n"));
    assert!(out(&place, &["check"]).await.contains("Backend local"));
    let shown: toml::Table = out(&place, &["config", "show"]).await.parse().unwrap();
    let mut whole: toml::Table = SHIPPED.parse().unwrap();
    whole["server"]["listen"] = "127.0.0.1:0".into();
    whole["server"]["max_requests"] = 32.into();
    assert_eq!(shown, whole);
    let off = "[backends.local]\nenabled = false\n[backends.jobs]\nenabled = false\n";
    write_own(&place, off);
    assert!(complaint(&place, &["check"]).await.contains("there is no backend"));
}

#[tokio::test]
async fn an_error_names_the_file_or_the_shipped_configuration() {
    let place = home();
    accepted(&place, SHIPPED);
    write_own(&place, "[server]\nmax_requets = 32\n");
    let told = complaint(&place, &["check"]).await;
    assert!(
        told.starts_with(&format!("berth: {}:2: server.max_requets: ", place.name(OWN))),
        "{told}"
    );
    write_own(&place, "[server]\nmax_requests = 32\n");
    fs::remove_dir(place.path("home/projects")).unwrap();
    let told = complaint(&place, &["check"]).await;
    let line = 1 + SHIPPED.lines().position(|line| line == "[backends.jobs]").unwrap();
    let line = line
        + SHIPPED
            .lines()
            .skip(line)
            .position(|line| line.starts_with("directories"))
            .unwrap()
        + 1;
    assert!(
        told.starts_with(&format!(
            "berth: the shipped config.toml:{line}: backends.jobs.directories[0]: "
        )),
        "{told}"
    );
}

#[tokio::test]
async fn what_a_version_adds_waits_and_is_named() {
    let place = home();
    accepted(&place, &earlier());
    write_own(&place, ANY_PORT);
    let diff = out(&place, &["config", "diff"]).await;
    assert_eq!(
        diff,
        "+ backends.jobs.env: \"SSH_AUTH_SOCK\"\n\
         + backends.local.env: \"SSH_AUTH_SOCK\"\n\
         + backends.local.programs.tmux.control: [\"pipe-pane\", \"-t\", \"<target>\"]\n"
    );
    let shown = out(&place, &["config", "show"]).await;
    assert!(
        !shown.contains("pipe-pane") && !shown.contains("SSH_AUTH_SOCK"),
        "{shown}"
    );
    assert!(shown.contains("3 lines wait"), "{shown}");
    let found = out(&place, &["check", "--json"]).await;
    let found: Value = serde_json::from_str(&found).unwrap();
    let granted = found["backends"][1]["programs"].to_string();
    assert!(
        !granted.contains("pipe-pane") && granted.contains("paste-buffer"),
        "{granted}"
    );
    // A later version that takes something away needs nobody's word.
    accepted(
        &place,
        &SHIPPED.replace("\nread = [\n", "\nread = [\n[\"kill-server\"],\n"),
    );
    assert_eq!(out(&place, &["config", "diff"]).await, "");
    assert!(!out(&place, &["check", "--json"]).await.contains("kill-server"));
}

#[tokio::test]
async fn a_file_from_before_goes_on_as_it_is_and_the_start_says_what_waits() {
    let place = Place::new(BEFORE);
    let config = place.name("config.toml");
    let shown: toml::Table = place.run(&["config", "show"]).await.stdout.parse().unwrap();
    assert_eq!(shown, place.read("config.toml").parse().unwrap());
    let diff = place.run(&["config", "diff"]).await;
    assert!(
        diff.stdout.contains("+ backends.local.plugin: \"tmux\""),
        "{}",
        diff.stdout
    );
    assert!(
        diff.stderr
            .contains(&format!("`berth config accept --config {config}`")),
        "{}",
        diff.stderr
    );
    let doctor = place.run(&["doctor"]).await;
    assert!(
        doctor
            .stdout
            .contains("warn  configuration: shipped, but not accepted yet: "),
        "{}",
        doctor.stdout
    );

    let mut command = place.command(&["serve", "--config", &config]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let waiting = async {
        loop {
            let line = lines
                .next_line()
                .await
                .unwrap()
                .expect("it says what waits before it ends");
            if line.starts_with("Waiting: ") {
                return line;
            }
        }
    };
    let line = timeout(PATIENCE, waiting).await.expect("it never says what waits");
    assert!(
        line.contains("backends.jobs") && line.contains("`berth config diff --config "),
        "{line}"
    );
    child.kill().await.unwrap();
}

#[tokio::test]
async fn what_is_shipped_is_accepted_by_a_person_on_a_terminal_outside_of_sessions() {
    let place = home();
    accepted(&place, &earlier());
    let record = data(&place).join("accepted.toml");
    let before = fs::read(&record).unwrap();
    let told = complaint(&place, &["config", "accept"]).await;
    assert!(told.contains("on a terminal"), "{told}");
    for command in ["accept", "init"] {
        let mut inside = place.command(&["config", command]);
        let output = inside.env(MARK, "x").output().await.unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && told.contains("runs in a session"),
            "{command}: {told}"
        );
    }
    for (name, refusal) in [("one", "n"), ("two", ""), ("three", "yess")] {
        let terminal = Terminal::berth(&place, name, &["config", "accept"]);
        let screen = terminal.shows("[y/N]").await;
        assert!(screen.contains("+ backends.local.env: \"SSH_AUTH_SOCK\""), "{screen}");
        terminal.types(&[refusal, "Enter"]);
        let screen = terminal.shows("ended 1").await;
        assert!(screen.contains("nothing was accepted"), "{screen}");
    }
    assert_eq!(fs::read(&record).unwrap(), before);
    assert!(!place.path(OWN).exists());

    let terminal = Terminal::berth(&place, "four", &["config", "accept"]);
    terminal.shows("[y/N]").await;
    terminal.types(&["y", "Enter"]);
    let screen = terminal.shows("ended 0").await;
    assert!(screen.contains("Accepted."), "{screen}");
    assert!(fs::read_to_string(&record).unwrap().ends_with(SHIPPED));
    let recorded = out(&place, &["audit", "--json"]).await;
    assert!(
        recorded.contains("\"event\":\"config-accepted\"") && recorded.contains("\"grants\":\""),
        "{recorded}"
    );
    assert_eq!(out(&place, &["config", "diff"]).await, "");
    let shown = out(&place, &["config", "show"]).await;
    assert!(shown.contains("pipe-pane"), "{shown}");
}

#[tokio::test]
async fn a_damaged_record_of_what_was_accepted_stops_the_start_until_it_is_written_again() {
    let place = home();
    accepted(&place, SHIPPED);
    let record = data(&place).join("accepted.toml");
    let whole = fs::read(&record).unwrap();
    for damaged in [&b""[..], &whole[..whole.len() / 2], b"[server]\n"] {
        fs::write(&record, damaged).unwrap();
        for command in [&["serve"][..], &["check"], &["tools"], &["token"]] {
            let told = complaint(&place, command).await;
            assert!(
                told.contains(&record.display().to_string()) && told.contains("`berth config accept`"),
                "{command:?}: {told}"
            );
        }
        let diff = place.run_as_is(&["config", "diff"]).await;
        assert!(
            diff.success && diff.stdout.contains("+ backends.local.plugin: \"tmux\""),
            "{}",
            diff.stdout
        );
        assert!(diff.stderr.contains("berth does not start"), "{}", diff.stderr);
        assert_eq!(fs::read(&record).unwrap(), damaged, "nothing repairs it by itself");
    }
    let terminal = Terminal::berth(&place, "socket", &["config", "accept"]);
    terminal.shows("[y/N]").await;
    terminal.types(&["y", "Enter"]);
    terminal.shows("ended 0").await;
    assert_eq!(fs::read(&record).unwrap(), whole);
}

#[tokio::test]
async fn init_writes_a_file_that_changes_nothing_and_never_writes_over_one() {
    let place = home();
    let before: toml::Table = out(&place, &["config", "show"]).await.parse().unwrap();
    let said = out(&place, &["config", "init"]).await;
    assert!(said.contains(&place.name(OWN)), "{said}");
    assert_eq!(place.path(OWN).metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(
        place
            .read(OWN)
            .lines()
            .all(|line| line.is_empty() || line.starts_with('#'))
    );
    let after: toml::Table = out(&place, &["config", "show"]).await.parse().unwrap();
    assert_eq!(after, before);
    assert_eq!(out(&place, &["config", "diff"]).await, "");

    write_own(&place, "# mine\n");
    let told = complaint(&place, &["config", "init"]).await;
    assert!(told.contains("it exists already"), "{told}");
    assert_eq!(place.read(OWN), "# mine\n");
    // Where there was a file before, another one accepts nothing.
    fs::remove_file(data(&place).join("accepted.toml")).unwrap();
    let other = place.name("other/config.toml");
    out(&place, &["config", "init", "--config", &other]).await;
    assert!(!data(&place).join("accepted.toml").exists());
    // What is commented out holds as well.
    let text = fs::read_to_string(&other).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("# "));
    let keys = lines.filter(|line| line.starts_with('[') || line.contains(" = "));
    let uncommented = keys.collect::<Vec<_>>().join("\n").replace("NAME", "gone");
    let uncommented = uncommented.replace("127.0.0.1:8787", "127.0.0.1:0");
    accepted(&place, SHIPPED);
    write_own(&place, &uncommented);
    let ran = place.run_as_is(&["check"]).await;
    assert!(ran.success, "{uncommented}\n{}", ran.stderr);
}

#[tokio::test]
async fn the_whole_is_shown_without_secrets() {
    let place = Place::new(&format!(
        "{BEFORE}env_file = \"secret.env\"\nsettings = {{ token = \"hush-1\", headers = {{ x-any = \"hush-2\" }} }}\n\
         [agents.a]\ncommand = [\"env\", \"API_TOKEN=hush-3\", \"a\"]\n"
    ));
    place.write("secret.env", "TOKEN=hush-4\n", 0o600);
    let shown = place.run(&["config", "show"]).await;
    assert!(shown.success && shown.stdout.contains("secret.env"), "{}", shown.stderr);
    assert!(!shown.stdout.contains("hush"), "{}", shown.stdout);
    let shipped = place.run(&["config", "show", "--shipped"]).await.stdout;
    assert_eq!(shipped, SHIPPED);
}

#[tokio::test]
async fn a_configuration_below_a_folder_that_others_may_write_is_refused() {
    let place = Place::new(BEFORE);
    fs::create_dir_all(place.path("open/deep")).unwrap();
    let file = place.name("open/deep/config.toml");
    fs::write(&file, place.read("config.toml").replace("./", "../../")).unwrap();
    assert!(place.run_as_is(&["check", "--config", &file]).await.success);
    for (mode, right) in [(0o777, false), (0o775, false), (0o1777, true)] {
        fs::set_permissions(place.path("open"), fs::Permissions::from_mode(mode)).unwrap();
        for command in ["check", "token"] {
            let ran = place.run_as_is(&[command, "--config", &file]).await;
            assert_eq!(ran.success, right, "{mode:o}: {}", ran.stderr);
            let fix = format!("`chmod go-w {}`", place.name("open"));
            assert!(right || ran.stderr.contains(&fix), "{}", ran.stderr);
        }
    }
}

#[tokio::test]
async fn neither_the_current_directory_nor_a_project_is_a_layer() {
    let place = home();
    accepted(&place, SHIPPED);
    let planted = "[server]\nmax_requests = 1\n";
    for name in [
        "home/config.toml",
        "home/berth.toml",
        "home/projects/config.toml",
        "home/.berth.toml",
    ] {
        place.write(name, planted, 0o600);
    }
    for folder in ["home", "home/projects"] {
        let mut command = place.command(&["config", "show"]);
        let output = command
            .current_dir(place.path(folder))
            .env("BERTH_CONFIG", place.path("home/config.toml"))
            .output()
            .await
            .unwrap();
        let shown: toml::Table = String::from_utf8(output.stdout).unwrap().parse().unwrap();
        assert_eq!(shown, SHIPPED.parse().unwrap());
    }
}
