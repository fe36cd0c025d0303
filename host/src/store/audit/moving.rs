//! The record stood in the database of who may come in once. This brings it into a file of its own.
//!
//! The file's first schema and all that it takes over are one transaction, so a file that has a schema has the whole
//! record. What stood in the old place is dropped after that, now or by the next owner.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params_from_iter};

use super::chain::{self, COLUMNS, Tail};
use super::{INSERT, PATIENCE};
use crate::store::database::{self, ACCESS, RECORD};
use crate::store::lock::Lock;
use crate::store::secret::Key;
use crate::store::{DataDirectory, Error};

/// How long to wait before looking again whether the owner has moved it.
const AGAIN: Duration = Duration::from_millis(20);
/// The record as it stood in the old place, as rows of [`COLUMNS`].
const OLD: &str = "SELECT seq, at, event, principal, tool, backend, session, arguments, outcome, duration, cost, text, \
    NULL, mac FROM audit ORDER BY seq";

/// Sees to it that the record stands in the file at `path`, to which `record` is a connection, and, by an owner, in no
/// other place.
pub(super) fn bring_over(
    data: &DataDirectory,
    record: &mut Connection,
    path: &Path,
    key: &Key,
    owner: Option<&Lock>,
) -> Result<(), Error> {
    let is_there = |record: &Connection| database::version(record).map(|version| version > 0);
    let taken = match owner {
        Some(_) => None,
        None => ownership(data, || is_there(record).map_err(Error::database(path)))?,
    };
    if owner.is_some() || taken.is_some() {
        let old_path = data.database_path();
        // From here on an older berth finds this database too new for it.
        let mut old = database::open(&old_path, &ACCESS, true)?;
        database::upgrade(record, path, &RECORD, |new| copy(&old, new, &old_path, path, key))?;
        drop_old(&mut old, record, &old_path).map_err(Error::database(&old_path))
    } else {
        database::upgrade(record, path, &RECORD, |_| Ok(()))
    }
}

/// The data directory's lock, unless the record `is_there` already.
fn ownership(data: &DataDirectory, is_there: impl Fn() -> Result<bool, Error>) -> Result<Option<Lock>, Error> {
    let deadline = Instant::now() + PATIENCE;
    while !is_there()? {
        match data.lock("audit") {
            Ok(lock) => return Ok(Some(lock)),
            // One that has just started moves it.
            Err(Error::InUse { .. }) if Instant::now() < deadline => thread::sleep(AGAIN),
            Err(Error::InUse { holder, .. }) => {
                let path = data.database_path();
                return Err(Error::Unmoved { path, holder });
            }
            Err(other) => return Err(other),
        }
    }
    Ok(None)
}

/// Copies the record of `old` into `new` byte for byte, faults included, and proves that it is the same.
fn copy(old: &Connection, new: &Connection, old_path: &Path, path: &Path, key: &Key) -> Result<(), Error> {
    if !has_record(old).map_err(Error::database(old_path))? {
        tracing::warn!("{path:?} was not there, so the record of calls begins with its first entry");
        return Ok(());
    }
    let old_end = end(old, OLD, key).map_err(Error::database(old_path))?;
    if let Err(seq) = old_end {
        tracing::error!("entry {seq} of the record does not fit; it is moved to {path:?} as it is");
    }
    let copied = copy_rows(old, new).map_err(Error::database(path))?;
    let all = format!("SELECT {COLUMNS} FROM audit ORDER BY seq");
    let new_end = end(new, &all, key).map_err(Error::database(path))?;
    let count = new.query_row("SELECT count(*) FROM audit", (), |row| row.get::<_, i64>(0));
    if new_end != old_end || count.map_err(Error::database(path))? != copied {
        return Err(Error::Miscopied {
            path: old_path.to_owned(),
        });
    }
    Ok(())
}

/// Where the chain ends, or the number of the first entry that does not fit.
fn end(connection: &Connection, all: &str, key: &Key) -> rusqlite::Result<Result<Tail, i64>> {
    chain::walk(connection.prepare(all)?.query(())?, key, |_| {})
}

fn copy_rows(old: &Connection, new: &Connection) -> rusqlite::Result<i64> {
    let mut copied = 0;
    let mut insert = new.prepare(INSERT)?;
    let mut statement = old.prepare(OLD)?;
    let columns = statement.column_count();
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let value = |column| row.get_ref(column).map(ToSqlOutput::Borrowed);
        let values: Vec<ToSqlOutput<'_>> = (0..columns).map(value).collect::<Result<_, _>>()?;
        insert.execute(params_from_iter(values))?;
        copied += 1;
    }
    Ok(copied)
}

/// Removes the record from its old place, if it is the one that stands in `record` now.
fn drop_old(old: &mut Connection, record: &Connection, old_path: &Path) -> rusqlite::Result<()> {
    if !has_record(old)? {
        return Ok(());
    }
    let transaction = old.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let last = "SELECT seq, mac FROM audit ORDER BY seq DESC LIMIT 1";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let end: Option<(i64, Vec<u8>)> = transaction.query_row(last, (), row).optional()?;
    if let Some((seq, mac)) = &end
        && !holds(record, *seq, mac)?
    {
        tracing::error!(
            "{old_path:?} holds a record of calls that is not the one in use; it is left there: see whose it is, and drop \
             its table `audit`"
        );
        return Ok(());
    }
    transaction.execute_batch("DROP TABLE audit")?;
    transaction.commit()?;
    // The room is only free for other tables otherwise; what keeps it from being given back is no fault.
    if let (Some(_), Err(error)) = (end, old.execute_batch("VACUUM")) {
        tracing::debug!("{old_path:?} keeps the room of the record: {error}");
    }
    Ok(())
}

/// Whether the record has this entry, or had it before it was pruned.
fn holds(record: &Connection, seq: i64, mac: &[u8]) -> rusqlite::Result<bool> {
    // The first entry after a pruning has the number of the last that was pruned, and its mac as arguments.
    let held =
        "SELECT EXISTS (SELECT 1 FROM audit WHERE seq = ?1 AND ?2 IN (mac, arguments)) OR min(seq) > ?1 FROM audit";
    let held: Option<bool> = record.query_row(held, (seq, mac), |row| row.get(0))?;
    Ok(held == Some(true))
}

fn has_record(old: &Connection) -> rusqlite::Result<bool> {
    old.query_row(
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'audit'",
        (),
        |row| row.get(0),
    )
}
