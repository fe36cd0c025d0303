//! Groups of processes as the system keeps them, of which a service and its scopes are made.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::berth::PATIENCE;
use crate::mount;

/// A place for groups. All of them end with it.
pub(crate) struct Groups {
    place: TempDir,
}

/// One of them. What a process in it starts is in it too.
pub(crate) struct Group(pub(crate) PathBuf);

impl Groups {
    pub(crate) fn new() -> Self {
        let place = TempDir::new().unwrap();
        mount(&[&"-t", &"cgroup2", &"none", &place.path()]);
        let groups = Self { place };
        fs::create_dir(groups.path()).unwrap();
        groups
    }

    /// Where they are.
    pub(crate) fn path(&self) -> PathBuf {
        let name = self.place.path().file_name().unwrap().to_str().unwrap();
        self.place
            .path()
            .join(format!("berth-{}", name.trim_start_matches('.')))
    }

    pub(crate) fn group(&self, name: &str) -> Group {
        let path = self.path().join(name);
        let _ = fs::create_dir(&path);
        Group(path)
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        Group(self.path()).kill();
        let below = fs::read_dir(self.path()).unwrap().flatten();
        for entry in below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            let _ = fs::remove_dir(entry.path());
        }
        let _ = fs::remove_dir(self.path());
        let _ = std::process::Command::new("umount").arg(self.place.path()).status();
    }
}

impl Group {
    /// Ends all processes in it and below, as the end of a service does, and returns when they are gone.
    pub(crate) fn kill(&self) {
        fs::write(self.0.join("cgroup.kill"), "1").unwrap();
        let began = Instant::now();
        while fs::read_to_string(self.0.join("cgroup.events"))
            .unwrap()
            .contains("populated 1")
        {
            assert!(began.elapsed() < PATIENCE, "its processes do not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
