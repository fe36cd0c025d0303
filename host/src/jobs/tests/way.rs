//! The way to a shell of this machine, which can be cut.

use std::error::Error;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;

use crate::machine::sh::{Channel, Unopened, Way};

/// A host that is this machine, with a home directory of its own.
pub(super) struct Local {
    home: TempDir,
    is_down: AtomicBool,
    opened: AtomicUsize,
    /// How much comes back of the next sessions, until that end: the last one first.
    cuts: Mutex<Vec<u64>>,
    /// What it does to each script before that runs, in words of `sed`.
    lie: Mutex<String>,
    /// All its sessions are in use.
    is_full: AtomicBool,
}

#[derive(Debug, thiserror::Error)]
#[error("the host mac is asleep; wake it")]
struct Asleep;

impl Local {
    pub(super) fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            is_down: AtomicBool::new(false),
            opened: AtomicUsize::new(0),
            cuts: Mutex::default(),
            lie: Mutex::default(),
            is_full: AtomicBool::new(false),
        }
    }

    pub(super) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(super) fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::Relaxed);
    }

    /// How many sessions there were.
    pub(super) fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }

    /// From now on it does something else than it is asked for.
    pub(super) fn lie(&self, how: &str) {
        how.clone_into(&mut self.lie.lock().unwrap());
    }

    pub(super) fn set_full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::Relaxed);
    }

    /// Of the next session so many bytes come back.
    pub(super) fn cut(&self, after: u64) {
        self.cuts.lock().unwrap().push(after);
    }
}

#[async_trait]
impl Way for Local {
    async fn open(&self, deadline: Instant) -> Result<Channel, Unopened> {
        if self.is_full.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.open_to_kill(deadline).await
    }

    #[allow(clippy::disallowed_methods, reason = "a test stands for the server")]
    async fn open_to_kill(&self, _: Instant) -> Result<Channel, Unopened> {
        if self.is_down.load(Ordering::Relaxed) {
            return Err(Arc::new(Asleep) as Arc<dyn Error + Send + Sync>);
        }
        self.opened.fetch_add(1, Ordering::Relaxed);
        let mut child = tokio::process::Command::new("setsid")
            .args([
                "/bin/sh",
                "-c",
                "[ -z \"$1\" ] || { sed \"$1\" | /bin/sh -s; exit; }; exec /bin/sh -s",
                "sh",
            ])
            .arg(&*self.lie.lock().unwrap())
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", self.home())
            .env("KEPT", "kept")
            .env("HIDDEN", "hidden")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| -> Unopened { Arc::new(error) })?;
        let stdout = child.stdout.take().unwrap();
        let cut = self.cuts.lock().unwrap().pop();
        let channel = Channel {
            stdin: Box::new(child.stdin.take().unwrap()),
            stdout: match cut {
                Some(after) => Box::new(stdout.take(after)),
                None => Box::new(stdout),
            },
            stderr: Box::new(child.stderr.take().unwrap()),
            place: Box::new(()),
        };
        tokio::spawn(async move { child.wait().await });
        Ok(channel)
    }
}
