//! The one thread that writes what calls and events pass to it. Everything that waits at the same time shares a
//! transaction, which costs far more than an entry in it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::entry::Part;
use super::health::Health;
use super::{Audit, Entry, Error, Event, Outcome, PATIENCE};
use crate::store::lock::Lock;

/// Entries kept for when the record can be written again: more than the calls that can be under way when writing fails.
const KEPT: usize = 4096;
/// How often it is tried to write what is kept.
const AGAIN: Duration = Duration::from_secs(1);
/// How long to wait for a file that is known to be held.
const SHORT: Duration = Duration::from_millis(100);

/// What the thread is asked for.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "except for the last, all are entries")]
pub(super) enum Asked {
    /// To write an entry, or, without one, to see whether writing works.
    Write {
        row: Option<(Entry, Part)>,
        since: Instant,
        /// Gets the number of the entry, or that it was not written.
        written: oneshot::Sender<Option<i64>>,
    },
    /// To write what is kept, and end.
    End(oneshot::Sender<()>),
}

/// The thread's own things.
pub(super) struct Writer {
    audit: Audit,
    asked: Receiver<Asked>,
    state: Arc<Health>,
    /// What could not be written yet, and must be.
    kept: Vec<(Entry, Part)>,
    /// Is told that it has ended.
    end: Option<oneshot::Sender<()>>,
    /// Held while calls can be begun here.
    _lock: Lock,
}

/// All who share a transaction.
#[derive(Default)]
struct Batch {
    rows: Vec<(Entry, Part)>,
    /// Who waits, and for which of these rows.
    waiting: Vec<(oneshot::Sender<Option<i64>>, bool)>,
    /// When the first of them asked.
    since: Option<Instant>,
    end: Option<oneshot::Sender<()>>,
}

impl Writer {
    /// Starts the thread, which must be unparked when something is asked for, and when nobody can ask. It ends
    /// then, or when it is asked to.
    pub(super) fn start(audit: Audit, asked: Receiver<Asked>, state: Arc<Health>, lock: Lock) -> Result<Thread, Error> {
        let mut writer = Self {
            audit,
            asked,
            state,
            kept: Vec::new(),
            end: None,
            _lock: lock,
        };
        let path = writer.audit.path.clone();
        let run = move || {
            // Its pending answers are dropped, which callers that wait take as a refusal.
            if catch_unwind(AssertUnwindSafe(|| writer.run())).is_err() {
                tracing::error!(
                    "a fault in berth ended the writing of the record; calls are refused until it is started again"
                );
            }
            let end = writer.end.take();
            // The lock is released first, so that the next owner finds it free.
            drop(writer);
            drop(end);
        };
        let started = thread::Builder::new().name("record".into()).spawn(run);
        started
            .map(|handle| handle.thread().clone())
            .map_err(Error::io("start the thread that writes", &path))
    }

    fn run(&mut self) {
        while self.end.is_none() {
            let Some(batch) = self.next() else { break };
            self.write(batch);
        }
        if !self.kept.is_empty() {
            self.write(Batch::default());
        }
        if !self.kept.is_empty() {
            let lost = self.kept.len();
            tracing::error!("the last {lost} entries of the record could not be written and are lost");
        }
    }

    /// Everyone who asks now, after waiting for the first; nobody if only the kept entries must be tried again.
    fn next(&mut self) -> Option<Batch> {
        let mut batch = Batch::default();
        let again = Instant::now() + AGAIN;
        loop {
            match self.asked.try_recv() {
                Ok(asked) => batch.add(asked),
                Err(_) if !batch.is_empty() => return Some(batch),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) if self.kept.is_empty() => thread::park(),
                Err(TryRecvError::Empty) => match again.saturating_duration_since(Instant::now()) {
                    Duration::ZERO => return Some(batch),
                    left => thread::park_timeout(left),
                },
            }
        }
    }

    fn write(&mut self, mut batch: Batch) {
        self.end = batch.end.take();
        if batch.waiting.is_empty() && self.kept.is_empty() {
            return;
        }
        // Nobody waits longer than that in total, and nobody waits for what is known to fail.
        let patience = match (self.state.is_failing(), batch.since) {
            (false, Some(since)) => PATIENCE.saturating_sub(since.elapsed()).max(SHORT),
            _ => SHORT,
        };
        let rows = self.kept.iter().chain(&batch.rows).map(|(entry, part)| (entry, *part));
        match self.audit.write(rows, patience) {
            Ok(written) => {
                self.state.note(Ok(written.tail.head()));
                batch.answer(written.first.saturating_add_unsigned(self.kept.len() as u64));
                self.kept.clear();
            }
            Err(error) => {
                self.state.note(Err(&error));
                // Those who came in the meantime have waited as long for the same.
                self.asked.try_iter().for_each(|asked| batch.add(asked));
                self.end = self.end.take().or(batch.end.take());
                batch.refuse();
                // What was only intended is not done.
                let rows = batch.rows.into_iter().filter(|(_, part)| *part != Part::Intention);
                self.kept.extend(rows.map(unanswered));
                let lost = self.kept.len().saturating_sub(KEPT);
                if lost > 0 {
                    tracing::error!("{lost} entries of the record are lost: too many wait to be written");
                    self.kept.truncate(KEPT);
                }
            }
        }
    }
}

/// An entry whose caller was told that it is not written: what only reads is not answered then.
fn unanswered((mut entry, part): (Entry, Part)) -> (Entry, Part) {
    if (entry.event, part, entry.outcome) == (Event::Call, Part::Whole, Outcome::Done) {
        entry.outcome = Outcome::Refused;
    }
    (entry, part)
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.end.is_none()
    }

    fn add(&mut self, asked: Asked) {
        match asked {
            Asked::Write { row, since, written } => {
                self.waiting.push((written, row.is_some()));
                self.rows.extend(row);
                self.since.get_or_insert(since);
            }
            Asked::End(ended) => self.end = Some(ended),
        }
    }

    /// Tells all the numbers of their entries, the first of which is `first`.
    fn answer(self, first: i64) {
        let mut seq = first;
        for (written, has_row) in self.waiting {
            // A caller that no longer waits has gone.
            let _ = written.send(Some(seq));
            seq += i64::from(has_row);
        }
    }

    fn refuse(&mut self) {
        for (written, _) in self.waiting.drain(..) {
            let _ = written.send(None);
        }
    }
}
