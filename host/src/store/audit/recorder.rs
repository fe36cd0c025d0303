//! The record as a server writes it: many callers, and one transaction for all who wait at one time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, spawn_blocking, yield_now};

use super::chain::TEXT;
use super::{Audit, Entry, Error, Head};
use crate::store::secret::Key;

/// Entries that wait for the writer; who comes later waits to hand over.
const QUEUE: usize = 1024;
/// Entries kept for when the record can be written again: more than calls can be under way when that ends.
const KEPT: usize = 4096;
/// How many entries lie between two heads in the log.
const HEADS: i64 = 1000;

/// Writes entries into the record. Clones write into the same one.
///
/// Once an entry could not be written, [`Recorder::ready`] refuses until writing works again. Entries that could not be
/// written are kept meanwhile and come first then.
#[derive(Clone, Debug)]
pub struct Recorder {
    queue: mpsc::Sender<Asked>,
    state: Arc<State>,
    key: Key,
    texts: bool,
}

/// What is done cannot be recorded now. The program's log says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the record of calls cannot be written; berth's log says why")]
pub struct Unrecorded;

/// An entry to write, or none to see whether writing works; and who waits for that.
#[derive(Debug)]
struct Asked {
    entry: Option<Entry>,
    written: oneshot::Sender<bool>,
}

/// What the writer tells.
#[derive(Debug)]
struct State {
    failing: AtomicBool,
    heads_logged: AtomicBool,
    head: Mutex<Head>,
}

impl Recorder {
    /// Starts the task that writes into `audit`; it ends with the last clone. With `texts`, entries of calls hold their
    /// arguments as they are. Must be called within a runtime.
    ///
    /// # Errors
    /// If the record cannot be read.
    pub fn start(audit: Audit, texts: bool) -> Result<Self, Error> {
        if !audit.end_fits()? {
            tracing::error!("the last entry of the record does not fit its key; run: berth audit verify");
        }
        let state = Arc::new(State {
            failing: AtomicBool::new(false),
            heads_logged: AtomicBool::new(false),
            head: Mutex::new(audit.head()?),
        });
        let (queue, asked) = mpsc::channel(QUEUE);
        let key = audit.key.clone();
        tokio::spawn(write(audit, asked, state.clone()));
        Ok(Self {
            queue,
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
        match self.state.failing.load(Ordering::Acquire) {
            true => self.ask(None).await,
            false => Ok(()),
        }
    }

    /// Writes `entry`. When this returns, it has been handed to the system: it outlives this process, and with
    /// `[audit] sync` also a power cut.
    ///
    /// # Errors
    /// If it could not be written. It is kept then, and written as soon as that works again.
    pub async fn record(&self, entry: Entry) -> Result<(), Unrecorded> {
        self.ask(Some(entry)).await
    }

    /// Like [`Recorder::record`], for a thread that may wait.
    ///
    /// # Errors
    /// If it could not be written. It is kept then, and written as soon as that works again.
    ///
    /// # Panics
    /// On a thread that runs tasks.
    pub fn record_here(&self, entry: Entry) -> Result<(), Unrecorded> {
        let (asked, outcome) = Asked::new(Some(entry));
        self.queue.blocking_send(asked).map_err(|_| Unrecorded)?;
        told(outcome.blocking_recv())
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

    /// From now on, where the record ends stands in the program's log: now, every 1000 entries, and at the end. Whoever
    /// keeps the log elsewhere can tell later whether the record was cut or replaced.
    pub fn log_heads(&self) {
        self.state.heads_logged.store(true, Ordering::Release);
        self.state.log_head();
    }

    /// Tries once more to write what could not be written, and logs where the record ends if heads are logged.
    pub async fn finish(&self) {
        if self.ready().await.is_err() {
            tracing::error!("the last entries of the record could not be written and are lost");
        }
        self.state.log_head();
    }

    async fn ask(&self, entry: Option<Entry>) -> Result<(), Unrecorded> {
        let (asked, outcome) = Asked::new(entry);
        self.queue.send(asked).await.map_err(|_| Unrecorded)?;
        told(outcome.await)
    }
}

impl Asked {
    fn new(entry: Option<Entry>) -> (Self, oneshot::Receiver<bool>) {
        let (written, outcome) = oneshot::channel();
        (Self { entry, written }, outcome)
    }
}

/// What the writer answered; it is silent only if it has ended.
fn told(outcome: Result<bool, oneshot::error::RecvError>) -> Result<(), Unrecorded> {
    match outcome {
        Ok(true) => Ok(()),
        _ => Err(Unrecorded),
    }
}

impl State {
    fn head(&self) -> MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log_head(&self) {
        if self.heads_logged.load(Ordering::Acquire) {
            tracing::info!("the head of the record is {}", self.head());
        }
    }

    /// Takes note of what writing came to, and says in the log what changed.
    fn note(&self, written: &Result<Head, Error>) {
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
                let before = std::mem::replace(&mut *self.head(), *head);
                if before.seq / HEADS != head.seq / HEADS {
                    self.log_head();
                }
            }
        }
    }
}

/// Writes what is asked for, until nobody can ask any more.
async fn write(mut audit: Audit, mut asked: mpsc::Receiver<Asked>, state: Arc<State>) {
    let (mut batch, mut entries, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    while asked.recv_many(&mut batch, QUEUE).await > 0 {
        gather(&mut asked, &mut batch).await;
        for Asked { entry, written } in batch.drain(..) {
            entries.extend(entry);
            waiting.push(written);
        }
        let outcome;
        (audit, entries, outcome) = match append(audit, entries).await {
            Ok(tried) => tried,
            Err(_) => {
                tracing::error!(
                    "a fault in berth ended the writing of the record; calls are refused until it is started again"
                );
                return;
            }
        };
        state.note(&outcome);
        match &outcome {
            Ok(_) => entries.clear(),
            Err(_) => keep(&mut entries),
        }
        for written in waiting.drain(..) {
            // Who waits no longer has gone.
            let _ = written.send(outcome.is_ok());
        }
    }
}

/// Takes along all who are about to ask: a transaction costs far more than an entry in it. It ends, since who has asked
/// waits for the answer.
async fn gather(asked: &mut mpsc::Receiver<Asked>, batch: &mut Vec<Asked>) {
    let mut before = 0;
    while batch.len() > before {
        before = batch.len();
        yield_now().await;
        while let Ok(further) = asked.try_recv() {
            batch.push(further);
        }
    }
}

/// Writes the entries, here unless that waits for the disk: handing them to the system takes less time than waking
/// another thread would.
async fn append(mut audit: Audit, entries: Vec<Entry>) -> Result<(Audit, Vec<Entry>, Result<Head, Error>), JoinError> {
    let sync = audit.sync;
    let write = move || {
        let outcome = audit.append(&entries);
        (audit, entries, outcome)
    };
    if sync { spawn_blocking(write).await } else { Ok(write()) }
}

/// What could not be written waits for when it can be, as far as there is room.
fn keep(entries: &mut Vec<Entry>) {
    let lost = entries.len().saturating_sub(KEPT);
    if lost > 0 {
        tracing::error!("{lost} entries of the record are lost: too many wait to be written");
        entries.truncate(KEPT);
    }
}
