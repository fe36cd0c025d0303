//! What happens between calls: for each backend, one task that looks at its sessions once for all who wait, and one that
//! calls `upkeep` with what happened.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::jobs::Happened;
use crate::plugin::{Backend, Interface, Listed, in_words};
use crate::session::{Error, Event, Session, Timestamp, rest_is_old};

/// The shortest time between two looks at a backend that itself says when something changed.
const BETWEEN_CHANGES: Duration = Duration::from_millis(100);
/// When `upkeep` is tried again after an error.
const RETRY: Duration = Duration::from_secs(60);
/// The shortest and the longest time between two calls of it that a plugin may ask for.
const SOONEST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_hours(24);
/// Events of one call of `upkeep`.
const EVENTS: usize = 64;
/// Calls that fail with an event before that is dropped.
const ATTEMPTS: u32 = 3;

/// When the backends of one generation do what goes on between calls. Clones are of the same one.
#[derive(Clone)]
pub struct Span {
    /// Calls are done with them.
    begun: CancellationToken,
    /// Calls that begin from now on are done with those of the next one.
    over: CancellationToken,
    /// No call is done with them any more. Until then those that wait are told what a look shows.
    gone: CancellationToken,
    /// The upkeep of these backends.
    keeping: TaskTracker,
    /// That of the generations before: one that kept nothing itself may have followed one whose upkeep still ends.
    before: Vec<TaskTracker>,
}

impl Span {
    /// The first one, which is over when `ending` is cancelled.
    pub fn first(ending: &CancellationToken) -> Self {
        Self::after(Vec::new(), ending)
    }

    /// The one after this.
    #[must_use]
    pub fn next(&self, ending: &CancellationToken) -> Self {
        let unfinished = self.before.iter().filter(|keeping| !keeping.is_empty());
        Self::after(unfinished.chain([&self.keeping]).cloned().collect(), ending)
    }

    fn after(before: Vec<TaskTracker>, ending: &CancellationToken) -> Self {
        let gone = ending.child_token();
        Self {
            begun: CancellationToken::new(),
            over: gone.child_token(),
            gone,
            keeping: TaskTracker::new(),
            before,
        }
    }

    /// From now on calls are done with these backends.
    pub fn begin(&self) {
        self.begun.cancel();
    }

    /// Whether calls are done with these backends, or were.
    pub fn has_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    /// From now on calls begin with those of the next one.
    pub fn end(&self) {
        self.over.cancel();
        self.keeping.close();
    }

    /// Waits until calls are done with these backends, and no upkeep of the generations before goes on: two generations never
    /// do this for one backend at once. False if they never will be.
    async fn is_present(&self) -> bool {
        let has_begun = self.gone.run_until_cancelled(self.begun.cancelled()).await.is_some();
        if has_begun {
            self.others_have_ended().await;
        }
        has_begun
    }

    /// Waits until no upkeep of the generations before goes on.
    async fn others_have_ended(&self) {
        for keeping in &self.before {
            keeping.wait().await;
        }
    }

    /// No call is done with these backends any more.
    pub fn leave(&self) {
        self.gone.cancel();
    }

    /// The outcome of `work`, unless nobody calls these backends any more before it ends.
    pub async fn while_used<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.gone.run_until_cancelled(work).await
    }
}

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

    /// Starts what goes on between calls as tasks of `tasks`, within `span`.
    pub fn start(self: &Arc<Self>, tasks: &TaskTracker, span: &Span) {
        let (polling, keeping) = (self.clone(), self.clone());
        let (gone, span) = (span.gone.clone(), span.clone());
        // In a task of its own, so that a slow upkeep does not delay anybody who waits.
        tasks.spawn(async move { gone.run_until_cancelled(polling.poll_for_all()).await });
        let (tell, told) = mpsc::unbounded_channel();
        if self.backend.has_jobs() {
            let (attending, kept, span) = (self.clone(), span.keeping.clone(), span.clone());
            tasks.spawn(kept.track_future(async move { attending.attend_to_jobs(&span, tell).await }));
        }
        if self.backend.has(Interface::Upkeep) {
            let kept = span.keeping.clone();
            tasks.spawn(kept.track_future(async move { keeping.keep_up(&span, told).await }));
        }
    }

    /// The snapshots to come, for as long as the receiver lives.
    pub fn snapshots(&self) -> watch::Receiver<Option<Arc<Snapshot>>> {
        let mut receiver = self.snapshots.subscribe();
        receiver.mark_unchanged();
        self.wanted.notify_one();
        receiver
    }

    /// Whether it is looked at only when it says that something changed.
    pub(crate) fn tells_of_changes(&self) -> bool {
        self.backend.description.poll.is_none()
    }

    async fn poll_for_all(&self) {
        let poll = self.backend.description.poll;
        let pause = poll.unwrap_or(BETWEEN_CHANGES);
        let mut next = Instant::now();
        loop {
            tokio::select! {
                () = self.wanted.notified() => {}
                () = tokio::time::sleep_until(next), if poll.is_some() && self.snapshots.receiver_count() > 0 => {}
            }
            // A further caller that waits does not make the polls more frequent.
            tokio::time::sleep_until(next).await;
            next = Instant::now() + pause;
            self.poll().await;
        }
    }

    async fn attend_to_jobs(&self, span: &Span, tell: UnboundedSender<Happened>) {
        if span.is_present().await {
            self.backend.attend_to_jobs(tell, &span.over).await;
        }
    }

    /// Ends between two rounds only: what one has begun to do is finished.
    async fn keep_up(&self, span: &Span, mut told: UnboundedReceiver<Happened>) {
        if !span.is_present().await {
            return;
        }
        let mut events = Events::default();
        events.add("start", "");
        let mut due = Some(Instant::now());
        while let Some(happened) = span.over.run_until_cancelled(due_or_told(due, &mut told)).await {
            if let Some(Happened { kind, id }) = happened {
                events.add(kind, &id);
            }
            while let Ok(Happened { kind, id }) = told.try_recv() {
                events.add(kind, &id);
            }
            match self.upkeep(&mut events).await {
                Some(next) => due = next,
                None => return,
            }
        }
    }

    async fn poll(&self) {
        let begun = Instant::now();
        let now = now();
        // Nobody waits for one that has ended long ago.
        let sessions = self.backend.poll_sessions(&|listed| rest_is_old(listed, now)).await;
        self.snapshots
            .send_replace(Some(Arc::new(Snapshot { begun, sessions })));
    }

    /// When to call it next; nothing if it has no upkeep.
    async fn upkeep(&self, events: &mut Events) -> Option<Option<Instant>> {
        match self.backend.upkeep(&events.first()).await {
            Ok(upkept) => {
                events.succeeded();
                if !upkept.changed.is_empty() && self.snapshots.receiver_count() > 0 {
                    self.wanted.notify_one();
                }
                let next = upkept.next.map(|at| Instant::now() + until(at));
                Some(if events.first().is_empty() {
                    next
                } else {
                    Some(Instant::now())
                })
            }
            Err(Error::Unsupported) => None,
            Err(error) => {
                let why = in_words(error);
                tracing::warn!(backend = self.backend.name, "upkeep failed: {why}");
                for event in events.failed() {
                    let (kind, about) = (event.kind, event.about);
                    tracing::warn!(
                        backend = self.backend.name,
                        "the event `{kind}` {about:?} is dropped: upkeep failed with it {ATTEMPTS} times"
                    );
                }
                Some(Some(Instant::now() + RETRY))
            }
        }
    }
}

/// What happened for a backend and has not reached it yet, in order.
#[derive(Default)]
struct Events {
    waiting: VecDeque<(Event, u32)>,
}

impl Events {
    /// One that waits already says as much as another like it.
    fn add(&mut self, kind: &str, about: &str) {
        let is_known = |(event, _): &(Event, u32)| event.kind == kind && event.about == about;
        if self.waiting.iter().any(is_known) {
            return;
        }
        let event = Event {
            id: Uuid::new_v4().to_string(),
            kind: kind.to_owned(),
            about: about.to_owned(),
            at: now(),
            body: String::new(),
        };
        self.waiting.push_back((event, 0));
    }

    /// Those of the next call.
    fn first(&self) -> Vec<Event> {
        self.waiting
            .iter()
            .take(EVENTS)
            .map(|(event, _)| event.clone())
            .collect()
    }

    /// A call with them succeeded.
    fn succeeded(&mut self) {
        self.waiting.drain(..self.waiting.len().min(EVENTS));
    }

    /// A call with them failed. Those with which it did so for the last time are dropped, and answered.
    fn failed(&mut self) -> Vec<Event> {
        self.waiting
            .iter_mut()
            .take(EVENTS)
            .for_each(|(_, failures)| *failures += 1);
        let is_last = |(_, failures): &(Event, u32)| *failures >= ATTEMPTS;
        let (dropped, kept): (VecDeque<_>, VecDeque<_>) = self.waiting.drain(..).partition(is_last);
        self.waiting = kept;
        dropped.into_iter().map(|(event, _)| event).collect()
    }
}

/// What happened first, or nothing once it is due.
async fn due_or_told(due: Option<Instant>, told: &mut UnboundedReceiver<Happened>) -> Option<Happened> {
    tokio::select! {
        () = at(due) => None,
        Some(happened) = told.recv() => Some(happened),
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Now, as the records tell time.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::try_from(since.as_millis()).unwrap_or(Timestamp::MAX)
}

/// The time from now to `at`; a plugin that asks for the past is called again, but not at once, and one that asks for a
/// far future a little earlier.
fn until(at: Timestamp) -> Duration {
    let left = Duration::from_millis(at.saturating_sub(now()));
    left.clamp(SOONEST, LATEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_order_and_again_until_a_call_with_them_succeeds() {
        let mut events = Events::default();
        (0..EVENTS + 1).for_each(|n| events.add(&n.to_string(), ""));
        let first = events.first();
        assert_eq!((first.len(), &*first[0].kind), (EVENTS, "0"));
        assert!(events.failed().is_empty());
        assert_eq!(events.first(), first);
        events.succeeded();
        let rest = events.first();
        assert_eq!((rest.len(), &*rest[0].kind), (1, "64"));
    }

    #[tokio::test]
    async fn an_upkeep_waits_for_those_of_all_generations_before() {
        let ending = CancellationToken::new();
        let first = Span::first(&ending);
        let kept = first.keeping.token();
        first.end();
        // It has no upkeep itself.
        let second = first.next(&ending);
        second.end();
        let third = second.next(&ending);
        let waits = tokio::spawn(async move { third.others_have_ended().await });
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        drop(kept);
        assert!(waits.await.is_ok());
    }

    #[test]
    fn an_event_with_which_three_calls_failed_is_dropped_and_told() {
        let mut events = Events::default();
        events.add("start", "");
        assert!(events.failed().is_empty() && events.failed().is_empty());
        events.add("later", "");
        let dropped = events.failed();
        assert_eq!((dropped.len(), &*dropped[0].kind), (1, "start"));
        assert_eq!(events.first().len(), 1);
        assert_eq!(events.first()[0].kind, "later");
    }
}
