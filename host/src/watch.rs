//! What happens between calls: one loop per backend, which polls sessions once for all who wait and calls `upkeep`.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::contract::{Error, Session, Timestamp};
use crate::plugin::{Backend, Listed, in_words};

/// How often sessions are listed while somebody waits for one.
const POLL: Duration = Duration::from_millis(300);
/// When `upkeep` is tried again after an error.
const RETRY: Duration = Duration::from_secs(60);

/// All sessions of a backend as one look saw them.
pub struct Snapshot {
    /// When the look began: what was done after that may not show in it.
    pub begun: Instant,
    /// The sessions, or why they could not be listed.
    pub sessions: Result<Listed<Session>, Error>,
}

/// A backend with its loop.
pub struct Watched {
    /// The backend itself.
    pub backend: Backend,
    snapshots: watch::Sender<Option<Arc<Snapshot>>>,
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

    /// Starts what goes on between calls as tasks of `tasks`, until `shutdown`.
    pub fn start(self: &Arc<Self>, tasks: &TaskTracker, shutdown: &CancellationToken) {
        let (polling, keeping) = (self.clone(), self.clone());
        let (first, second) = (shutdown.clone(), shutdown.clone());
        // Apart, so that a slow upkeep holds up nobody who waits.
        tasks.spawn(async move { first.run_until_cancelled(polling.poll_for_all()).await });
        tasks.spawn(async move { keeping.keep_up(&second).await });
    }

    /// The snapshots to come, for as long as the receiver lives.
    pub fn snapshots(&self) -> watch::Receiver<Option<Arc<Snapshot>>> {
        let mut receiver = self.snapshots.subscribe();
        receiver.mark_unchanged();
        self.wanted.notify_one();
        receiver
    }

    async fn poll_for_all(&self) {
        loop {
            tokio::select! {
                () = self.wanted.notified() => {}
                () = tokio::time::sleep(POLL), if self.snapshots.receiver_count() > 0 => {}
            }
            self.poll().await;
        }
    }

    /// Ends between two rounds only: what one has begun to do is finished.
    async fn keep_up(&self, shutdown: &CancellationToken) {
        let mut due = Some(Instant::now());
        while shutdown.run_until_cancelled(at(due)).await.is_some() {
            due = self.upkeep().await;
        }
    }

    async fn poll(&self) {
        let begun = Instant::now();
        let sessions = self.backend.poll_sessions().await;
        self.snapshots
            .send_replace(Some(Arc::new(Snapshot { begun, sessions })));
    }

    /// When to call it next.
    async fn upkeep(&self) -> Option<Instant> {
        match self.backend.upkeep().await {
            Ok(next) => next.map(|at| Instant::now() + until(at)),
            Err(error) => {
                let why = in_words(error);
                tracing::warn!(backend = self.backend.name, "upkeep failed: {why}");
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

/// Now, as the contract tells time.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::try_from(since.as_millis()).unwrap_or(Timestamp::MAX)
}

/// The time from now to `at`; a plugin that asks for the past is called again, but not at once.
fn until(at: Timestamp) -> Duration {
    let at = UNIX_EPOCH + Duration::from_millis(at);
    at.duration_since(SystemTime::now())
        .unwrap_or_default()
        .max(Duration::from_secs(1))
}
