//! The record of what was done, by whom: a chain that nobody can change unnoticed without the key. It has a file of its
//! own.
//!
//! Any process of the operator may write to it and read it: each entry is sealed with the one before it within one
//! transaction. A server writes through a [`Recorder`], which lets many calls share a transaction. Only the owner of the
//! data directory records calls, so calls that are open when one starts were cut off.

mod bell;
mod chain;
mod entry;
mod health;
mod moving;
mod prune;
mod read;
mod recorder;
mod verify;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, UNIX_EPOCH};

use rusqlite::{Connection, TransactionBehavior, params};

pub use chain::{Head, NoHead};
pub use entry::{Entry, Event, Outcome, UnknownOutcome};
pub use prune::{Plan, Removed};
pub use read::{Filter, Recorded, View};
pub use recorder::{Intention, Recorder, Unrecorded};
pub use verify::Broken;

use super::database::PATIENCE;
use super::lock::Lock;
use super::secret::Key;
use super::{DataDirectory, Error, files};
use chain::{Fields, Tail};
use entry::Part;

/// The record of what was done.
#[derive(Debug)]
pub struct Audit {
    path: PathBuf,
    /// Which file was there when it was opened.
    file: (u64, u64),
    /// Held by the one recorder.
    lock: PathBuf,
    connection: Connection,
    key: Key,
    /// What is granted now, for entries that do not say it themselves.
    grants: Present,
}

/// The digest of what is granted.
pub type Grants = [u8; 32];

/// The digest of what is granted now, once that is known. Clones are of the same.
#[derive(Clone, Debug, Default)]
struct Present(Arc<RwLock<Option<Grants>>>);

impl Present {
    fn now(&self) -> Option<Grants> {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, grants: Grants) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(grants);
    }
}

impl Audit {
    /// Opens the record of `data`. The first time it is made, of what stands in the database from before there was a
    /// file of its own; for that `owner` is needed, or is taken for a moment. One that is missing is only made again by an
    /// `owner`, and says so in its first entry.
    pub(super) fn open(data: &DataDirectory, sync: bool, owner: Option<&Lock>) -> Result<Self, Error> {
        let path = data.data.join("audit.db");
        let key = data.data.join("audit.key");
        let connection = moving::bring_over(data, &path, &key, sync, owner)?;
        // After the file, so that a key without one tells of a record that there was.
        let key = Key::load_or_create(&key)?;
        Ok(Self {
            file: files::identity(&path)?,
            path,
            lock: data.data.join("audit.lock"),
            connection,
            key,
            grants: Present::default(),
        })
    }

    /// The same for a process that works with these grants: its entries say so.
    #[must_use]
    pub fn with_grants(self, grants: Grants) -> Self {
        self.grants.set(grants);
        self
    }

    /// Writes `entries` in their order, all or none, and returns where the record then ends. They are handed to the
    /// system, so they outlive this process.
    ///
    /// # Errors
    /// If SQLite refuses, such as on a full disk, another process keeps it waiting for 5 seconds, the end of the record is
    /// not what berth wrote, or its file was moved away.
    pub fn append(&mut self, entries: &[Entry]) -> Result<Head, Error> {
        let written = self.write(entries.iter().map(|entry| (entry, Part::Whole)), PATIENCE)?;
        Ok(written.tail.head())
    }

    /// Makes sure that an entry can be written, by writing one and taking it back.
    ///
    /// # Errors
    /// As [`Audit::append`] has them.
    pub fn try_writing(&mut self) -> Result<(), Error> {
        self.write([], PATIENCE).map(drop)
    }

    /// Where the record ends.
    ///
    /// # Errors
    /// If SQLite refuses, or the end of the record is not what berth wrote.
    pub fn head(&self) -> Result<Head, Error> {
        let tail = Tail::read(&self.connection).map_err(Refusal::from);
        let tail = tail.and_then(|tail| tail.map_err(Refusal::Misnumbered));
        Ok(tail.map_err(|refusal| self.refused(refusal))?.head())
    }

    /// Records that the open calls were cut off. Only for an owner that has not begun a call itself.
    fn cut_off(&mut self) -> Result<(), Error> {
        let open = open_calls(&self.connection).map_err(Error::database(&self.path))?;
        if !open.is_empty() {
            let rows = open.iter().map(|(seq, entry)| (entry, Part::Outcome(*seq)));
            self.write(rows, PATIENCE)?;
        }
        Ok(())
    }

    /// Writes `rows`, all or none, waiting for other processes for at most `patience`. Without rows, it only finds out
    /// whether one could be written.
    fn write<'e>(
        &mut self,
        rows: impl IntoIterator<Item = (&'e Entry, Part)>,
        patience: Duration,
    ) -> Result<Written, Error> {
        // What is written to a file that was moved away would not be found.
        if files::identity(&self.path).ok() != Some(self.file) {
            let path = self.path.clone();
            return Err(Error::Replaced { path });
        }
        let written = self
            .connection
            .busy_timeout(patience)
            .map_err(Refusal::from)
            .and_then(|()| append(&mut self.connection, &self.key, self.grants.now().as_ref(), rows));
        written.map_err(|refusal| self.refused(refusal))
    }

    fn refused(&self, refusal: Refusal) -> Error {
        refusal.at(&self.path)
    }
}

/// What was written.
struct Written {
    /// The number of the first new entry; the others follow it.
    first: i64,
    /// Where the record ends now.
    tail: Tail,
}

/// Why nothing was written.
enum Refusal {
    Sqlite(rusqlite::Error),
    /// The last entry has this number, and nothing can follow it.
    Misnumbered(i64),
    /// What was written is not there.
    Unkept,
}

impl Refusal {
    /// As an error of the record at `path`.
    fn at(self, path: &Path) -> Error {
        let path = path.to_owned();
        match self {
            Self::Sqlite(cause) => Error::Database { path, cause },
            Self::Misnumbered(seq) => Error::Misnumbered { path, seq },
            Self::Unkept => Error::Unkept { path },
        }
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(cause: rusqlite::Error) -> Self {
        Self::Sqlite(cause)
    }
}

/// In the order of [`chain::COLUMNS`].
const INSERT: &str = "INSERT INTO audit (seq, at, event, principal, tool, backend, session, arguments, outcome, \
    duration, cost, text, intention, grants, mac) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

fn append<'e>(
    connection: &mut Connection,
    key: &Key,
    grants: Option<&Grants>,
    rows: impl IntoIterator<Item = (&'e Entry, Part)>,
) -> Result<Written, Refusal> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Read each time, since another process may have written.
    let mut tail = Tail::read(&transaction)?.map_err(Refusal::Misnumbered)?;
    let first = tail.seq + 1;
    for (entry, part) in rows {
        let seq = tail.seq.checked_add(1).ok_or(Refusal::Misnumbered(tail.seq))?;
        let mut fields = Fields::of(entry, part, seq);
        fields.grants = fields.grants.or(grants.map(|digest| &digest[..]));
        let mac = fields.seal(key, &tail.mac);
        insert(&transaction, &fields, &mac)?;
        match part {
            Part::Whole => {}
            Part::Intention => changes_one(&transaction, "INSERT INTO begun VALUES (?)", seq)?,
            // The list only saves a search: it may hold less than the record.
            Part::Outcome(intention) => {
                transaction
                    .prepare_cached("DELETE FROM begun WHERE seq = ?")?
                    .execute((intention,))?;
            }
        }
        tail = Tail { seq, mac };
    }
    if tail.seq < first {
        let attempt = Entry::at_door(Event::Call, "", "");
        insert(&transaction, &Fields::of(&attempt, Part::Whole, first), &tail.mac)?;
        transaction.rollback()?;
    } else {
        transaction.commit()?;
    }
    Ok(Written { first, tail })
}

/// The numbers of the intentions that have no outcome, with what will be recorded about them.
fn open_calls(connection: &Connection) -> rusqlite::Result<Vec<(i64, Entry)>> {
    let mut statement = connection.prepare(
        "SELECT seq, at, principal, tool, backend, session, grants FROM audit
        WHERE seq IN (SELECT seq FROM begun) AND outcome = 'begun'
            AND NOT EXISTS (SELECT 1 FROM audit AS later WHERE later.intention = audit.seq)
        ORDER BY seq",
    )?;
    let calls = statement.query_map((), |row| {
        let at: i64 = row.get(1)?;
        let entry = Entry {
            at: UNIX_EPOCH + Duration::from_millis(at.max(0).unsigned_abs()),
            principal: row.get(2)?,
            tool: row.get(3)?,
            backend: row.get(4)?,
            session: row.get(5)?,
            outcome: Outcome::CutOff,
            // If it is damaged, the call was cut off all the same.
            grants: row.get(6).unwrap_or_default(),
            ..Entry::at_door(Event::Call, "", "")
        };
        Ok((row.get(0)?, entry))
    })?;
    calls.collect()
}

/// Writes one row of the record. If somebody changed the schema, it could do nothing, or more than that.
fn insert(connection: &Connection, fields: &Fields<'_>, mac: &chain::Mac) -> Result<(), Refusal> {
    let changed = connection.prepare_cached(INSERT)?.execute(params![
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
        fields.intention,
        fields.grants,
        mac,
    ])?;
    if changed == 1 { Ok(()) } else { Err(Refusal::Unkept) }
}

fn changes_one(connection: &Connection, sql: &str, seq: i64) -> Result<(), Refusal> {
    let changed = connection.prepare_cached(sql)?.execute((seq,))?;
    if changed == 1 { Ok(()) } else { Err(Refusal::Unkept) }
}

#[cfg(test)]
pub(crate) mod tests;
