//! What is the system's own or berth's, mounted where a backend may look: it is not used, whenever and wherever it was put.
#![cfg(target_os = "linux")]

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

use crate::berth::{Berth, PATIENCE, Place};

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

    /// Mounts `what` at `at`, below the granted directory, as it is and with all that is mounted in it.
    async fn mount(&self, what: &str, at: &str) {
        let at = self.place.name(at);
        self.run(&format!("mkdir -p {at}; mount --rbind {what} {at}")).await;
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
    ("/sys", "/kernel", "uevent_seqnum", "`sysfs`"),
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
async fn a_granted_directory_on_which_it_is_mounted_is_refused() {
    let place = Place::new(SHELL);
    let complaint = complaint_with(&place, "mount --rbind /proc").await;
    assert!(complaint.contains("`proc`"), "{complaint}");
    assert!(complaint.contains(&place.name("projects")), "{complaint}");
}

/// Everything that a guest can do with `directory` and a file in it is refused for the reason `said`.
async fn refused(world: &World, directory: &str, file: &str, said: &str) {
    for look in world.looks(directory, file).await {
        assert!(
            look.contains(said) && look.contains("unmount"),
            "{directory}/{file}: {look}"
        );
        assert!(!look.contains("began"), "{directory}/{file}: {look}");
    }
}

#[tokio::test]
async fn what_holds_berths_own_or_lies_in_it_is_not_used_below_a_granted_directory() {
    let world = World::new().await;
    let place = world.place.name("");
    let data = world.place.name("data");
    world.mount(&place, "projects/all").await;
    world.mount(&data, "projects/deep/data").await;
    world.mount(&format!("{data}/stores"), "projects/state").await;
    world.mount("/", "projects/root").await;
    world.mount("/", "projects/deep/root").await;
    for (directory, file, said) in [
        ("projects/all", "config.toml", "berth's data"),
        ("projects/all/data", "token", "berth's data"),
        ("projects/all/home", "none", "berth's data"),
        ("projects/deep/data", "token", "berth's data"),
        ("projects/state", "none", "berth's data"),
        ("projects/state/bad", "none", "berth's data"),
        ("projects/root", "etc/passwd", "the root directory"),
        ("projects/deep/root/etc", "passwd", "the root directory"),
        (&format!("projects/root{data}"), "token", "the root directory"),
        // Through a mount in the mount as well.
        ("projects/root/proc", "version", "`proc`"),
    ] {
        refused(&world, directory, file, said).await;
    }
    // By links within the grant, too.
    let link = format!(
        "cd {}; ln -s root/etc etc; ln -s deep/data data",
        world.place.name("projects")
    );
    world.run(&link).await;
    refused(&world, "projects/etc", "passwd", "the root directory").await;
    refused(&world, "projects/data", "token", "berth's data").await;
}

#[tokio::test]
async fn a_single_file_of_berths_is_not_read_by_a_mount_and_another_is() {
    let world = World::new().await;
    world.place.write("mine", "mine", 0o600);
    for (file, said) in [
        ("data/token", "berth's data"),
        ("data/audit.key", "berth's data"),
        ("config.toml", "berth's configuration"),
        ("misbehaving.wasm", "berth's plugin"),
        ("mine", "mine"),
    ] {
        let (file, at) = (world.place.name(file), world.place.name("projects/file"));
        world.run(&format!("touch {at}; mount --bind {file} {at}")).await;
        let read = world.call("read_file", json!({"path": at})).await;
        assert!(read.contains(said), "{file}: {read}");
        assert_eq!(read.contains("unmount"), said != "mine", "{file}: {read}");
        world.run(&format!("umount {at}")).await;
    }
}

#[tokio::test]
async fn a_list_does_not_tell_what_is_in_a_mount_that_is_not_used() {
    let world = World::new().await;
    world.mount(&world.place.name("data"), "projects/data").await;
    world.mount(&world.place.name("bin"), "projects/bin").await;
    world.place.write("bin/token", "", 0o600);
    let (path, having) = (world.place.name("projects"), ["token"]);
    let listed = world.call("list_files", json!({"path": path, "having": having})).await;
    assert!(listed.contains("\"bin\"") && !listed.contains("\"data\""), "{listed}");
}

#[tokio::test]
async fn a_project_that_is_mounted_a_second_time_is_used() {
    let world = World::new().await;
    world.place.write("home/file", "mine", 0o600);
    world.mount(&world.place.name("home"), "projects/again").await;
    let [listed, read, started] = world.looks("projects/again", "file").await;
    assert!(listed.contains("\"file\""), "{listed}");
    assert!(read.contains("mine") && started.contains("began"), "{read} {started}");
}

#[tokio::test]
async fn a_granted_directory_that_shows_berths_own_is_refused() {
    for shown in ["", "data", "data/state", "/"] {
        let place = Place::new(SHELL);
        std::fs::create_dir_all(place.path("data/state")).unwrap();
        for made in ["data", "data/state"] {
            std::fs::set_permissions(place.path(made), PermissionsExt::from_mode(0o700)).unwrap();
        }
        let complaint = complaint_with(&place, &format!("mount --rbind {}", place.name(shown))).await;
        let said = if shown == "/" {
            "the root directory"
        } else {
            "berth's data"
        };
        assert!(complaint.contains(said), "{shown}: {complaint}");
        assert!(complaint.contains(&place.name("projects")), "{shown}: {complaint}");
    }
}

/// Of what a berth complains that finds something mounted at its granted directory by the command `mount`.
async fn complaint_with(place: &Place, mount: &str) -> String {
    let mut command = Command::new("unshare");
    command.args(as_root(&["--user", "--map-root-user"]));
    let line = format!(r#"{mount} "$1"; exec "$2" check --config "$3""#);
    command.args(["--mount", "sh", "-ec", &line, "sh"]);
    command.args([
        &place.name("projects"),
        env!("CARGO_BIN_EXE_berth"),
        &place.name("config.toml"),
    ]);
    place.set_up(&mut command);
    let ended = timeout(PATIENCE, command.output()).await.expect("it checks").unwrap();
    assert!(!ended.status.success());
    String::from_utf8_lossy(&ended.stderr).into_owned()
}
