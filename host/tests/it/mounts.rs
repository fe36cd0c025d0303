//! What the system shows of itself, mounted where a backend may look: it is not used, whenever and wherever it was put.
#![cfg(target_os = "linux")]

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::berth::{Berth, Place};

const SHELL: &str = r#"
[backends.bad]
plugin = "./misbehaving.wasm"
directories = ["projects"]
[backends.bad.programs.sh]
path = "/bin/sh"
control = [["-c", "@text"]]
"#;

/// A berth in a world of mounts of its own, in which whoever may mount puts things. Root may; another user may in a world
/// where they count as root.
struct World {
    place: Place,
    berth: Berth,
}

impl World {
    async fn new() -> Self {
        let place = Place::new(SHELL);
        let mut command = Command::new("unshare");
        command.args(as_root(&["--user", "--map-root-user"]));
        command.args(["--mount", env!("CARGO_BIN_EXE_berth"), "serve", "--config"]);
        command.arg(place.name("config.toml"));
        place.set_up(&mut command);
        let berth = Berth::start(&place, command).await;
        Self { place, berth }
    }

    /// Runs a line of shell there.
    async fn run(&self, line: &str) {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.berth.id().to_string()]);
        command.args(as_root(&["--user", "--preserve-credentials"]));
        command
            .args(["--mount", "sh", "-ec", line])
            .current_dir("/")
            .stdin(Stdio::null());
        let ran = command.output().await.unwrap();
        assert!(ran.status.success(), "{line}: {ran:?}");
    }

    async fn call(&self, tool: &str, arguments: Value) -> String {
        let called = self.berth.call(tool, arguments).await;
        format!("{}{}", called.text, called.structured)
    }

    /// What a guest gets of a directory and of a file in it: by listing, by reading, as a start directory.
    async fn looks(&self, directory: &str, file: &str) -> [String; 3] {
        let (directory, file) = (
            self.place.name(directory),
            self.place.name(&format!("{directory}/{file}")),
        );
        let start = json!({"program": "sh", "args": ["-c", "echo began; pwd -P"], "directory": directory});
        [
            self.call("list_files", json!({"path": directory})).await,
            self.call("read_file", json!({"path": file})).await,
            self.call("run", json!({"commands": [start]})).await,
        ]
    }
}

/// `options` for who is not root.
fn as_root<'a>(options: &'a [&'a str]) -> &'a [&'a str] {
    match rustix::process::geteuid().is_root() {
        true => &[],
        false => options,
    }
}

/// What is mounted, a directory in it, a file there, and what is said of it.
const OWN: [(&str, &str, &str, &str); 5] = [
    ("/proc", "", "version", "`proc`"),
    ("/proc", "/self", "environ", "`proc`"),
    ("/proc/sys", "/kernel", "ostype", "`proc`"),
    ("/sys", "/kernel", "mm/ksm/run", "`sysfs`"),
    ("/dev", "", "null", "`/dev`"),
];

#[tokio::test]
async fn what_the_system_shows_of_itself_is_not_used_below_a_granted_directory() {
    let world = World::new().await;
    world
        .run(&format!("mkdir -p {}", world.place.name("projects/a/b")))
        .await;
    let at = world.place.name("projects/a/b");
    for (own, below, file, said) in OWN {
        world.run(&format!("mount --rbind {own} {at}")).await;
        for look in world.looks(&format!("projects/a/b{below}"), file).await {
            assert!(
                look.contains(said) && look.contains("unmount that"),
                "{own}{below}: {look}"
            );
            assert!(!look.contains("began"), "{look}");
        }
        let beside = world.looks("projects/a", "none").await;
        assert!(beside[0].contains("\"b\"") && beside[2].contains("began"), "{beside:?}");
        world.run(&format!("umount --lazy --recursive {at}")).await;
    }
    assert!(world.looks("projects/a/b", "none").await[2].contains("began"));
}

#[tokio::test]
async fn it_is_not_used_in_the_place_of_a_granted_directory_until_that_is_back() {
    let world = World::new().await;
    world.place.write("projects/file", "mine", 0o644);
    let at = world.place.name("projects");
    for (own, below, file, said) in OWN {
        world.run(&format!("mount --rbind {own} {at}")).await;
        for look in world.looks(&format!("projects{below}"), file).await {
            assert!(
                look.contains(said) && look.contains("[backends.bad]"),
                "{own}{below}: {look}"
            );
            assert!(!look.contains("began"), "{look}");
        }
        world.run(&format!("umount --lazy --recursive {at}")).await;
        assert!(world.looks("projects", "file").await[1].contains("mine"));
    }
}

#[tokio::test]
async fn a_disk_that_is_mounted_there_is_used() {
    let world = World::new().await;
    let at = world.place.name("projects/disk");
    world
        .run(&format!("mkdir {at}; mount -t tmpfs disk {at}; echo mine > {at}/file"))
        .await;
    let [listed, read, started] = world.looks("projects/disk", "file").await;
    assert!(listed.contains("\"file\""), "{listed}");
    assert!(read.contains("mine") && started.contains("began"), "{read} {started}");
}

#[tokio::test]
async fn a_granted_directory_on_which_it_is_mounted_stops_the_start() {
    let place = Place::new(SHELL);
    let mut command = Command::new("unshare");
    command.args(as_root(&["--user", "--map-root-user"]));
    let line = r#"mount --rbind /proc "$1"; exec "$2" serve --config "$3""#;
    command.args(["--mount", "sh", "-ec", line, "sh"]);
    command.args([
        &place.name("projects"),
        env!("CARGO_BIN_EXE_berth"),
        &place.name("config.toml"),
    ]);
    place.set_up(&mut command);
    let ended = command.output().await.unwrap();
    let complaint = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success() && complaint.contains("`proc`"), "{complaint}");
    assert!(complaint.contains(&place.name("projects")), "{complaint}");
}
