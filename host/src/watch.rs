//! What happens between calls: one loop per backend, which polls sessions once for all who wait and calls `upkeep`.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::contract::{Error, Session, Timestamp};
use crate::plugin::Backend;

/// How often sessions are listed while somebody waits for one.
const POLL: Duration = Duration::from_millis(300);
/// When `upkeep` is tried again after an error.
const RETRY: Duration = Duration::from_secs(60);

/// All sessions of a backend at one moment.
pub type Snapshot = Arc<Result<Vec<Session>, Error>>;

/// A backend with its loop.
pub struct Watched {
    /// The backend itself.
    pub backend: Backend,
    snapshots: watch::Sender<Option<Snapshot>>,
    wanted: Notify,
}

impl Watched {
    /// `backend`, not yet watched.
    pub fn new(backend: Backend) -> Arc<Self> {
        Arc::new(Self {
            backend,
            snapshots: watch::Sender::new(None),
            wanted: Notify::new(),
        })
    }

    /// Starts the loop, which ends with `shutdown`.
    pub fn start(self: &Arc<Self>, shutdown: CancellationToken) {
        let watched = self.clone();
        tokio::spawn(async move { shutdown.run_until_cancelled(watched.run()).await });
    }

    /// Snapshots taken from now on, for as long as the receiver lives.
    pub fn snapshots(&self) -> watch::Receiver<Option<Snapshot>> {
        let mut receiver = self.snapshots.subscribe();
        receiver.mark_unchanged();
        self.wanted.notify_one();
        receiver
    }

    async fn run(&self) {
        let mut due = Some(Instant::now());
        loop {
            tokio::select! {
                () = at(due) => due = self.upkeep().await,
                () = self.wanted.notified() => self.poll().await,
                () = tokio::time::sleep(POLL), if self.snapshots.receiver_count() > 0 => self.poll().await,
            }
        }
    }

    async fn poll(&self) {
        let sessions = self.backend.list_sessions().await;
        self.snapshots.send_replace(Some(Arc::new(sessions)));
    }

    /// When to call it next.
    async fn upkeep(&self) -> Option<Instant> {
        match self.backend.upkeep().await {
            Ok(next) => next.map(|at| Instant::now() + until(at)),
            Err(error) => {
                tracing::warn!(backend = self.backend.name, "upkeep failed: {error:?}");
                Some(Instant::now() + RETRY)
            }
        }
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// The time from now to `at`; a plugin that asks for the past is called again, but not at once.
fn until(at: Timestamp) -> Duration {
    let at = UNIX_EPOCH + Duration::from_millis(at);
    at.duration_since(SystemTime::now())
        .unwrap_or_default()
        .max(Duration::from_secs(1))
}
