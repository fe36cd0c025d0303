//! The record as a server writes it: many callers, who pass their entries to one thread, and wait for its answer.

use std::sync::{Arc, mpsc};
use std::time::Instant;

use serde_json::{Map, Value};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::bell::Bell;
use super::chain::TEXT;
use super::entry::Part;
use super::health::Health;
use super::verify::Broken;
use super::writer::{Asked, Writer};
use super::{Audit, Entry, Error, Grants, PATIENCE, Present};
use crate::store::lock::Lock;
use crate::store::secret::Key;

/// Entries that wait for the writer, and calls that were begun. When there are more, callers are refused.
const QUEUE: usize = 4096;

/// Writes entries into the record. Clones write into the same one.
///
/// Nobody waits longer than about 5 seconds, which is how long another process may hold the file. After an entry could
/// not be written, [`Recorder::ready`] and [`Recorder::intend`] refuse until writing works again. An entry of what was
/// done is kept until it can be written.
#[derive(Clone, Debug)]
pub struct Recorder {
    queue: mpsc::Sender<Asked>,
    /// This comes after the queue, so that the thread is woken to see the queue's end.
    bell: Arc<Bell>,
    places: Arc<Semaphore>,
    state: Arc<Health>,
    key: Key,
    grants: Present,
    texts: bool,
}

/// Nothing can be recorded now. The program's log says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the record of calls cannot be written; berth's log says why")]
pub struct Unrecorded;

/// The record has that something is about to be done. Its outcome must follow.
#[derive(Debug)]
#[must_use = "without its outcome it counts as cut off"]
pub struct Intention {
    /// The number of its entry.
    pub seq: i64,
    /// What was begun can always pass on its outcome.
    place: OwnedSemaphorePermit,
}

/// Room for an entry, which can be written as far as that can be told in advance.
#[derive(Debug)]
#[must_use = "it is there so that what is done can be recorded"]
pub struct Prepared(OwnedSemaphorePermit);

impl Recorder {
    /// Records that calls which earlier owners left open were cut off, and starts the thread that writes into
    /// `audit`; it ends with the last clone. With `texts`, entries of calls hold their arguments as they are.
    ///
    /// # Errors
    /// If the record cannot be read or written, its end is not what berth wrote, or another recorder has it.
    pub fn start(mut audit: Audit, texts: bool) -> Result<Self, Error> {
        match audit.examine() {
            Ok(()) => {}
            Err(Broken::Unreadable(error)) => return Err(error),
            Err(broken) => tracing::error!("{broken}; run: berth audit verify"),
        }
        audit.cut_off()?;
        // A reader that sees this lock held knows that open calls have not ended.
        let lock = Lock::take_within(&audit.lock, "record", PATIENCE)?;
        let state = Arc::new(Health::new(audit.head()?));
        let (queue, asked) = mpsc::channel();
        let (key, grants) = (audit.key.clone(), audit.grants.clone());
        let thread = Writer::start(audit, asked, state.clone(), lock)?;
        Ok(Self {
            queue,
            bell: Arc::new(Bell::new(thread)),
            places: Arc::new(Semaphore::new(QUEUE)),
            state,
            key,
            grants,
            texts,
        })
    }

    /// From now on this is granted, which the entries say that do not say it themselves.
    pub fn set_grants(&self, grants: Grants) {
        self.grants.set(grants);
    }

    /// Whether something can be recorded now, as far as that can be told in advance.
    ///
    /// # Errors
    /// If an entry could not be written, and writing does not work yet.
    pub async fn ready(&self) -> Result<(), Unrecorded> {
        if self.state.is_failing() {
            drop(self.prepare().await?);
        }
        Ok(())
    }

    /// Makes sure that an entry can be written, by writing one and taking it back. For what may change something but is
    /// known only afterwards.
    ///
    /// # Errors
    /// If it could not be written: nothing may be done then.
    pub async fn prepare(&self) -> Result<Prepared, Unrecorded> {
        let place = self.place()?;
        told(self.ask(None, &place).await?.await)?;
        Ok(Prepared(place))
    }

    /// Writes that `entry` is about to be done, and returns its number. When this returns, it has been handed to the
    /// system: it outlives this process, and with `[audit] sync` also a power cut.
    ///
    /// # Errors
    /// If it could not be written: nothing may be done then.
    pub async fn intend(&self, entry: &Entry) -> Result<Intention, Unrecorded> {
        let place = self.place()?;
        let seq = told(self.ask(Some((entry.clone(), Part::Intention)), &place).await?.await)?;
        Ok(Intention { seq, place })
    }

    /// Writes the outcome of `intention`, and returns the number of that entry.
    ///
    /// # Errors
    /// If it could not be written. It is kept then, and written as soon as that works again.
    pub async fn conclude(&self, intention: Intention, entry: Entry) -> Result<i64, Unrecorded> {
        let Intention { seq, place } = intention;
        told(self.ask(Some((entry, Part::Outcome(seq))), &place).await?.await)
    }

    /// Writes `entry`, which is complete, and returns its number.
    ///
    /// # Errors
    /// If it could not be written. It is kept then, and written as soon as that works again.
    pub async fn record(&self, entry: Entry) -> Result<i64, Unrecorded> {
        let place = self.place()?;
        told(self.ask(Some((entry, Part::Whole)), &place).await?.await)
    }

    /// Writes `entry`, which was prepared for, on a thread that may block.
    ///
    /// # Errors
    /// If it could not be written. It is kept then, and written as soon as that works again.
    ///
    /// # Panics
    /// On a thread that runs tasks.
    pub fn record_here(&self, Prepared(place): Prepared, entry: Entry) -> Result<i64, Unrecorded> {
        let written = self.hand_over(Some((entry, Part::Whole)), &place)?;
        self.bell.ring();
        told(written.blocking_recv())
    }

    /// What an entry holds of `arguments`: their digest, which only the holder of the key can compare with others, and
    /// their JSON, which is empty unless the operator wants texts.
    pub fn arguments(&self, arguments: &Map<String, Value>) -> ([u8; 32], String) {
        // A map of JSON values can always be written.
        let mut json = serde_json::to_string(arguments).unwrap_or_default();
        let digest = self.key.tag(&[b"arguments", json.as_bytes()]);
        // A longer text is cut anyway when it is written, so it need not wait for that.
        json.truncate(if self.texts { json.floor_char_boundary(TEXT) } else { 0 });
        (digest, json)
    }

    /// From now on each call is a line of the program's log, and the log has the end of the record too: every 1000
    /// entries, at the end, and where [`Recorder::log_head`] says so. Whoever keeps the log elsewhere can tell later
    /// whether the record was cut or replaced.
    pub fn log_calls_and_heads(&self) {
        self.state.begin_logging();
    }

    /// Logs where the record ends now.
    pub fn log_head(&self) {
        self.state.log_head();
    }

    /// Whether calls and heads are logged: they are logged by a server, not by a command.
    pub fn is_logged(&self) -> bool {
        self.state.is_logged()
    }

    /// Tries once more to write what could not be written, logs where the record ends if heads are logged, and ends the
    /// writing: nothing is recorded by any clone after this. An owner releases the data directory only after that.
    pub async fn finish(&self) {
        let (ended, end) = oneshot::channel();
        // If there is no writer, there is nothing left to write.
        if self.queue.send(Asked::End(ended)).is_ok() {
            self.bell.ring();
            let _ = end.await;
        }
        self.state.log_head();
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, Unrecorded> {
        self.places.clone().try_acquire_owned().map_err(|_| Unrecorded)
    }

    /// Passes something to the writer, or only asks whether writing works. Returns the receiver of the answer.
    async fn ask(&self, row: Option<(Entry, Part)>, place: &OwnedSemaphorePermit) -> Result<Written, Unrecorded> {
        let written = self.hand_over(row, place)?;
        self.bell.ring_for_all().await;
        Ok(written)
    }

    /// The same, before the writer is woken. The caller has a place until the answer.
    fn hand_over(&self, row: Option<(Entry, Part)>, _place: &OwnedSemaphorePermit) -> Result<Written, Unrecorded> {
        let (written, outcome) = oneshot::channel();
        let asked = Asked::Write {
            row,
            since: Instant::now(),
            written,
        };
        self.queue.send(asked).map_err(|_| Unrecorded)?;
        Ok(outcome)
    }
}

/// Waits for the writer's answer.
type Written = oneshot::Receiver<Option<i64>>;

/// What the writer answered; it is silent only if it has ended.
fn told(outcome: Result<Option<i64>, oneshot::error::RecvError>) -> Result<i64, Unrecorded> {
    outcome.ok().flatten().ok_or(Unrecorded)
}
