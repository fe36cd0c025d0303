//! The record as a server writes it: many callers, who hand what they have to one thread, and wait for its word.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Instant;

use serde_json::{Map, Value};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::chain::TEXT;
use super::entry::Part;
use super::verify::Broken;
use super::writer::{Asked, Writer};
use super::{Audit, Entry, Error, Head, PATIENCE};
use crate::store::lock::Lock;
use crate::store::secret::Key;

/// Entries that wait for the writer, and calls that were begun. Whoever comes when there are more is refused.
const QUEUE: usize = 4096;
/// How many entries lie between two heads in the log.
const HEADS: i64 = 1000;

/// Writes entries into the record. Clones write into the same one.
///
/// Nobody waits longer than some 5 seconds, which is how long another process may hold the file. Once an entry could not
/// be written, [`Recorder::ready`] and [`Recorder::intend`] refuse until writing works again. What was done and could not
/// be written is kept meanwhile, and is written as soon as that works.
#[derive(Clone, Debug)]
pub struct Recorder {
    queue: mpsc::Sender<Asked>,
    places: Arc<Semaphore>,
    state: Arc<State>,
    key: Key,
    texts: bool,
}

/// What is done cannot be recorded now. The program's log says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the record of calls cannot be written; berth's log says why")]
pub struct Unrecorded;

/// That something is about to be done stands in the record. To be concluded by what came of it.
#[derive(Debug)]
#[must_use = "without its outcome it counts as cut off"]
pub struct Intention {
    /// The number of its entry.
    pub seq: i64,
    /// What was begun can always hand over its outcome.
    place: OwnedSemaphorePermit,
}

/// That an entry can be written, as far as that can be told before, with room for it.
#[derive(Debug)]
#[must_use = "it is there so that what is done can be recorded"]
pub struct Prepared(OwnedSemaphorePermit);

/// What the writer tells.
#[derive(Debug)]
pub(super) struct State {
    failing: AtomicBool,
    logged: AtomicBool,
    head: Mutex<Head>,
}

impl Recorder {
    /// Says of calls that earlier owners left open that they were cut off, and starts the thread that writes into
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
        // Whoever sees this held knows that what is open now goes on.
        let lock = Lock::take_within(&audit.lock, "record", PATIENCE)?;
        let state = Arc::new(State {
            failing: AtomicBool::new(false),
            logged: AtomicBool::new(false),
            head: Mutex::new(audit.head()?),
        });
        let (queue, asked) = mpsc::channel();
        let key = audit.key.clone();
        Writer::start(audit, asked, state.clone(), lock)?;
        Ok(Self {
            queue,
            places: Arc::new(Semaphore::new(QUEUE)),
            state,
            key,
            texts,
        })
    }

    /// Whether what is done now can be recorded, as far as that can be told before.
    ///
    /// # Errors
    /// If an entry could not be written, and writing does not work yet.
    pub async fn ready(&self) -> Result<(), Unrecorded> {
        if self.state.failing.load(Ordering::Acquire) {
            drop(self.prepare().await?);
        }
        Ok(())
    }

    /// Makes sure that an entry can be written, by writing one and taking it back. For what may change something and is
    /// known only afterwards.
    ///
    /// # Errors
    /// If it could not be written: nothing may be done then.
    pub async fn prepare(&self) -> Result<Prepared, Unrecorded> {
        let place = self.place()?;
        told(self.ask(None, &place)?.await)?;
        Ok(Prepared(place))
    }

    /// Writes that `entry` is about to be done, and gives its number. When this returns, it has been handed to the
    /// system: it outlives this process, and with `[audit] sync` also a power cut.
    ///
    /// # Errors
    /// If it could not be written: nothing may be done then.
    pub async fn intend(&self, entry: &Entry) -> Result<Intention, Unrecorded> {
        let place = self.place()?;
        let seq = told(self.ask(Some((entry.clone(), Part::Intention)), &place)?.await)?;
        Ok(Intention { seq, place })
    }

    /// Writes what came of `intention`, and gives the number of that entry.
    ///
    /// # Errors
    /// If it could not be written. It is kept then, and written as soon as that works again.
    pub async fn conclude(&self, intention: Intention, entry: Entry) -> Result<i64, Unrecorded> {
        let Intention { seq, place } = intention;
        told(self.ask(Some((entry, Part::Outcome(seq))), &place)?.await)
    }

    /// Writes `entry`, which is all there is to say, and gives its number.
    ///
    /// # Errors
    /// If it could not be written. It is kept then, and written as soon as that works again.
    pub async fn record(&self, entry: Entry) -> Result<i64, Unrecorded> {
        let place = self.place()?;
        told(self.ask(Some((entry, Part::Whole)), &place)?.await)
    }

    /// Writes `entry`, which was prepared for, on a thread that may wait.
    ///
    /// # Errors
    /// If it could not be written. It is kept then, and written as soon as that works again.
    ///
    /// # Panics
    /// On a thread that runs tasks.
    pub fn record_here(&self, Prepared(place): Prepared, entry: Entry) -> Result<i64, Unrecorded> {
        told(self.ask(Some((entry, Part::Whole)), &place)?.blocking_recv())
    }

    /// What an entry tells of `arguments`: their digest, which only the holder of the key can compare with others, and
    /// their JSON, which is empty unless the operator wants texts.
    pub fn arguments(&self, arguments: &Map<String, Value>) -> ([u8; 32], String) {
        // A map of JSON values can always be written.
        let mut json = serde_json::to_string(arguments).unwrap_or_default();
        let digest = self.key.tag(&[b"arguments", json.as_bytes()]);
        // What is longer is cut when it is written anyway, and need not wait for that.
        json.truncate(if self.texts { json.floor_char_boundary(TEXT) } else { 0 });
        (digest, json)
    }

    /// From now on each call is a line of the program's log, and where the record ends stands there too: now, every 1000
    /// entries, and at the end. Whoever keeps the log elsewhere can tell later whether the record was cut or replaced.
    pub fn log_calls_and_heads(&self) {
        self.state.logged.store(true, Ordering::Release);
        self.state.log_head();
    }

    /// Whether calls and heads are logged: they are where a berth serves, and not where a command makes one.
    pub fn is_logged(&self) -> bool {
        self.state.logged.load(Ordering::Acquire)
    }

    /// Tries once more to write what could not be written, logs where the record ends if heads are logged, and ends the
    /// writing: nothing is recorded by any clone after this. An owner gives the data directory free only then.
    pub async fn finish(&self) {
        let (ended, end) = oneshot::channel();
        // Where there is no writer, there is nothing left to write.
        if self.queue.send(Asked::End(ended)).is_ok() {
            let _ = end.await;
        }
        self.state.log_head();
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, Unrecorded> {
        self.places.clone().try_acquire_owned().map_err(|_| Unrecorded)
    }

    /// Hands something to the writer, or only asks whether writing works. Whoever asks has a place until the answer.
    fn ask(
        &self,
        row: Option<(Entry, Part)>,
        _place: &OwnedSemaphorePermit,
    ) -> Result<oneshot::Receiver<Option<i64>>, Unrecorded> {
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

/// What the writer answered; it is silent only if it has ended.
fn told(outcome: Result<Option<i64>, oneshot::error::RecvError>) -> Result<i64, Unrecorded> {
    outcome.ok().flatten().ok_or(Unrecorded)
}

impl State {
    fn head(&self) -> MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    fn log_head(&self) {
        if self.logged.load(Ordering::Acquire) {
            tracing::info!("the head of the record is {}", self.head());
        }
    }

    /// Takes note of what writing came to, and says in the log what changed.
    pub(super) fn note(&self, written: Result<Head, &Error>) {
        let failed = written.is_err();
        let failed_before = self.failing.swap(failed, Ordering::AcqRel);
        match written {
            Err(error) if !failed_before => {
                tracing::error!("the record of calls cannot be written, so calls are refused until it can: {error}");
            }
            Err(_) => {}
            Ok(head) => {
                if failed_before {
                    tracing::info!("the record of calls is written again");
                }
                let before = std::mem::replace(&mut *self.head(), head);
                if before.seq / HEADS != head.seq / HEADS {
                    self.log_head();
                }
            }
        }
    }
}
