//! Whether writing the record works: what its thread tells those who pass entries to it, and the program's log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Error, Head};

/// How many entries lie between two heads in the log.
const HEADS: i64 = 1000;

/// Shared by the writing thread and all who use it.
#[derive(Debug)]
pub(super) struct Health {
    failing: AtomicBool,
    logged: AtomicBool,
    head: Mutex<Head>,
}

impl Health {
    /// A record that ends at `head` and can be written.
    pub(super) fn new(head: Head) -> Self {
        Self {
            failing: AtomicBool::new(false),
            logged: AtomicBool::new(false),
            head: Mutex::new(head),
        }
    }

    /// Whether the last attempt to write failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    /// Whether heads are logged.
    pub(super) fn is_logged(&self) -> bool {
        self.logged.load(Ordering::Acquire)
    }

    /// From now on heads are logged.
    pub(super) fn begin_logging(&self) {
        self.logged.store(true, Ordering::Release);
    }

    /// Logs where the record ends, if heads are logged.
    pub(super) fn log_head(&self) {
        if self.is_logged() {
            tracing::info!("the head of the record is {}", self.head());
        }
    }

    /// Notes the result of writing, and logs what changed.
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

    fn head(&self) -> MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
