//! The connection to real sshds on this machine, each with keys and settings of its own.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, reason = "a test asks ssh who a master is, and ends it")]

mod calls;
mod connecting;
mod faults;
mod forged;
mod hanging;
mod pauses;
mod values;
mod waiting;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::askpass::{PASSPHRASE, TOLD, WANTED};
use super::pause::Pauses;
use super::*;
use crate::machine::sh::{Channel, Way as _};
use crate::machine::sshd::{self, Relay, Sshd};

/// How long what must come may take.
const LATEST: Duration = Duration::from_secs(60);

fn soon() -> Instant {
    Instant::now() + LATEST
}

/// This machine's side: folders of its own, and a program in place of berth.
struct Here {
    folder: TempDir,
}

impl Here {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let berth = format!(
            "#!/bin/sh\nif [ \"$1\" = beside ]; then shift; exec \"$@\" </dev/null; fi\n\
             case $1 in 'Enter passphrase for key '*) ;; *) exit 1 ;; esac\n\
             if [ -n \"${PASSPHRASE}\" ]; then echo \"{TOLD}$1\" >&2; printf '%s\\n' \"${PASSPHRASE}\"\n\
             else echo \"{WANTED}$1\" >&2; exit 1; fi\n"
        );
        fs::write(folder.path().join("berth"), berth).unwrap();
        fs::set_permissions(folder.path().join("berth"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::DirBuilder::new()
            .mode(0o700)
            .create(folder.path().join("s"))
            .unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn ssh(&self) -> OpenSsh {
        OpenSsh {
            program: sshd::on_path("ssh"),
            berth: self.path("berth"),
            configs: vec![self.path("config"), self.path("system_config")],
            known_hosts: self.path("known_hosts"),
            folder: self.path("s"),
        }
    }

    /// A way on which whatever failed is tried again at once.
    fn link(&self, ways: &Ways) -> Link {
        let at_once = Pauses {
            first: Duration::ZERO,
            most: Duration::ZERO,
            patience: LATEST,
        };
        Link::with_pauses(&self.ssh(), ways, at_once).unwrap()
    }

    /// The sockets of masters that are there.
    fn sockets(&self) -> Vec<PathBuf> {
        let links = fs::read_dir(self.path("s")).unwrap();
        let within = |link: PathBuf| fs::read_dir(link).into_iter().flatten();
        links
            .flat_map(|link| within(link.unwrap().path()))
            .map(|file| file.unwrap().path())
            .filter(|path| {
                !["config", "newer"].map(OsStr::new).contains(&path.file_name().unwrap()) && path.extension().is_none()
            })
            .collect()
    }

    /// The process of the only master.
    fn master(&self) -> Pid {
        let sockets = self.sockets();
        let [socket] = sockets.as_slice() else {
            panic!("{sockets:?}")
        };
        let said = Command::new("ssh")
            .args(["-F", "/dev/null", "-O", "check", "-S"])
            .arg(socket)
            .arg("x")
            .output()
            .unwrap();
        let said = String::from_utf8(said.stderr).unwrap();
        let pid = said.split("pid=").nth(1).and_then(|pid| pid.split(')').next());
        Pid::from_raw(pid.unwrap_or_else(|| panic!("{said}")).parse().unwrap()).unwrap()
    }

    fn kill_master(&self) {
        kill_process(self.master(), Signal::KILL).unwrap();
    }
}

/// The way to `sshd` over `relay`.
fn over(relay: &Relay, here: &Here, sshd: &Sshd) -> Ways {
    let known = sshd
        .known()
        .replace(&sshd.port().to_string(), &relay.port().to_string());
    fs::write(here.path("known"), known).unwrap();
    Ways {
        port: Some(relay.port()),
        known_hosts: Some(here.path("known")),
        ..ways(sshd)
    }
}

/// The way to `sshd`, whose key is trusted.
fn ways(sshd: &Sshd) -> Ways {
    Ways {
        host: "there".into(),
        destination: sshd.destination(),
        port: Some(sshd.port()),
        identity_file: Some(sshd.path("user_key")),
        known_hosts: Some(sshd.path("known_hosts")),
        connect_timeout: Duration::from_secs(20),
        keepalive: None,
        sessions: 8,
        passphrase: None,
    }
}

/// What a script prints there.
async fn said(link: &Link, script: &str) -> String {
    let channel = link.open(soon()).await.unwrap();
    printed(channel, script).await
}

async fn printed(channel: Channel, script: &str) -> String {
    let Channel {
        mut stdin,
        mut stdout,
        place,
        ..
    } = channel;
    stdin.write_all(script.as_bytes()).await.unwrap();
    drop(stdin);
    let mut said = String::new();
    let read = stdout.read_to_string(&mut said);
    timeout(LATEST, read).await.expect("it ends").unwrap();
    drop(place);
    said
}

/// A session that does nothing until it is dropped.
async fn stuck(link: &Link) -> Channel {
    let mut channel = link.open(soon()).await.unwrap();
    starts(&mut channel).await;
    channel
}

async fn starts(channel: &mut Channel) {
    channel.stdin.write_all(b"echo up; cat >/dev/null\n").await.unwrap();
    let mut up = [0; 3];
    let read = channel.stdout.read_exact(&mut up);
    timeout(LATEST, read).await.expect("it starts").unwrap();
    assert_eq!(&up, b"up\n");
}

/// Why there is no connection.
async fn trouble(link: &Link) -> Trouble {
    let opened = link.open(soon()).await;
    let Err(why) = opened.map(drop) else {
        panic!("it connects")
    };
    why.downcast_ref::<Trouble>().expect("a trouble of ours").clone()
}

/// Waits for a condition.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let latest = soon();
    while !condition() {
        assert!(Instant::now() < latest, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
