//! The record of what was done, by whom: a chain that nobody can change unseen without the key.
//!
//! Any process of the operator may write to it and read it: each entry is sealed with the one before it within one
//! transaction. A server writes through a [`Recorder`], which lets many calls share a transaction.

mod chain;
mod entry;
mod read;
mod recorder;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior, params};

pub use chain::{Head, NoHead};
pub use entry::{Entry, Event, Outcome, UnknownOutcome};
pub use read::{Broken, Filter, Recorded};
pub use recorder::{Recorder, Unrecorded};

use super::secret::Key;
use super::{Error, database};
use chain::{Fields, Tail};

/// The record of what was done.
#[derive(Debug)]
pub struct Audit {
    path: PathBuf,
    connection: Connection,
    key: Key,
    /// Whether each transaction waits for the disk.
    sync: bool,
}

impl Audit {
    pub(super) fn open(path: &Path, key: &Path, sync: bool) -> Result<Self, Error> {
        Ok(Self {
            path: path.to_owned(),
            connection: database::open(path, sync)?,
            key: Key::load_or_create(key)?,
            sync,
        })
    }

    /// Writes `entries` in their order, all or none, and answers where the record ends then. They are handed to the
    /// system, so they outlive this process.
    ///
    /// # Errors
    /// If SQLite refuses, such as on a full disk, or another process keeps it waiting for 5 seconds.
    pub fn append(&mut self, entries: &[Entry]) -> Result<Head, Error> {
        let tail = append(&mut self.connection, &self.key, entries).map_err(Error::database(&self.path))?;
        Ok(tail.head())
    }

    /// Where the record ends.
    ///
    /// # Errors
    /// If SQLite refuses.
    pub fn head(&self) -> Result<Head, Error> {
        let tail = Tail::read(&self.connection, 0).map_err(Error::database(&self.path))?;
        Ok(tail.head())
    }
}

/// In the order of [`chain::COLUMNS`].
const INSERT: &str = "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

fn append(connection: &mut Connection, key: &Key, entries: &[Entry]) -> rusqlite::Result<Tail> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Read each time, since another process may have written.
    let mut tail = Tail::read(&transaction, 0)?;
    {
        let mut insert = transaction.prepare_cached(INSERT)?;
        for entry in entries {
            let fields = Fields::of(entry, tail.seq.saturating_add(1));
            let mac = fields.seal(key, &tail.mac);
            insert.execute(params![
                fields.seq,
                fields.at,
                fields.event,
                fields.principal,
                fields.tool,
                fields.backend,
                fields.session,
                fields.arguments,
                fields.outcome,
                fields.duration,
                fields.cost,
                fields.text,
                mac,
            ])?;
            tail = Tail { seq: fields.seq, mac };
        }
    }
    transaction.commit()?;
    Ok(tail)
}

#[cfg(test)]
mod tests;
