//! How the file of the record comes to be: empty at the first start; from the database of who may come in, where the
//! record stood once; or again, with a word on that, where it is missing.
//!
//! The file's first schema and all that it takes over are one transaction, so a file that has a schema has the whole
//! record. The old copy is dropped after that, now or by the next owner.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior, params_from_iter};

use super::chain::{self, COLUMNS, Fields, Tail};
use super::entry::{Entry, Event, Part};
use super::{INSERT, PATIENCE, insert};
use crate::store::database::{self, ACCESS, RECORD};
use crate::store::lock::Lock;
use crate::store::secret::Key;
use crate::store::{DataDirectory, Error};

/// How long to wait before looking again whether the owner has moved it.
const AGAIN: Duration = Duration::from_millis(20);
/// The version of the old place's schema since which the record has a file of its own.
const APART: i64 = 4;
/// The record as it stood in the old place, as rows of [`COLUMNS`].
const OLD: &str = "SELECT seq, at, event, principal, tool, backend, session, arguments, outcome, duration, cost, text, \
    NULL, NULL, mac FROM audit ORDER BY seq";
/// The record of the first version of its own file, as rows of [`COLUMNS`].
const WITHOUT_GRANTS: &str = "SELECT seq, at, event, principal, tool, backend, session, arguments, outcome, duration, \
    cost, text, intention, NULL, mac FROM audit ORDER BY seq";

/// What a file without a schema means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing was ever recorded.
    Nothing,
    /// The record stands in the old place.
    Older,
    /// There was a record, since there is a key, and now there is none.
    Missing,
}

/// Opens the record at `path`, and sees to it that it stands there and, by an owner, in no other place. `key` is where
/// its key is; nothing is made where the record is missing, unless by an owner.
pub(super) fn bring_over(
    data: &DataDirectory,
    path: &Path,
    key: &Path,
    sync: bool,
    owner: Option<&Lock>,
) -> Result<Connection, Error> {
    let taken = match owner {
        Some(_) => None,
        None => ownership(data, path, key)?,
    };
    if owner.is_none() && taken.is_none() {
        let mut record = database::connect(path, &RECORD, sync)?;
        bring_up(&mut record, path, key, |_| Ok(()))?;
        return Ok(record);
    }
    let old_path = data.database_path();
    let before = before(&old_path, key)?;
    if before == Before::Missing && owner.is_none() && !is_there(path)? {
        let (path, holder) = (path.to_owned(), None);
        return Err(Error::Missing { path, holder });
    }
    let mut record = database::connect(path, &RECORD, sync)?;
    // From here on an older berth finds this database too new for it.
    let mut old = database::open(&old_path, &ACCESS, true)?;
    bring_up(&mut record, path, key, |new| match before {
        Before::Nothing => Ok(()),
        Before::Older => copy(&old, new, &old_path, path, &Key::load_or_create(key)?),
        Before::Missing => begin_again(new, path, &Key::load_or_create(key)?),
    })?;
    drop_old(&mut old, &record, &old_path).map_err(Error::database(&old_path))?;
    Ok(record)
}

/// Takes the steps that are missing in the record at `path`, and fills a new one by `fill`. What it held is proved to be the
/// same before and after them.
fn bring_up(
    record: &mut Connection,
    path: &Path,
    key: &Path,
    fill: impl FnOnce(&Connection) -> Result<(), Error>,
) -> Result<(), Error> {
    let proved = |record: &Connection, version: i64| -> Result<Option<Result<Tail, i64>>, Error> {
        let all = match version {
            0 => return Ok(None),
            1 => WITHOUT_GRANTS.to_owned(),
            _ => format!("SELECT {COLUMNS} FROM audit ORDER BY seq"),
        };
        let end = end(record, &all, &Key::load_or_create(key)?);
        end.map(Some).map_err(Error::database(path))
    };
    let before = |record: &Transaction<'_>, version: i64| proved(record, version);
    let after = |record: &Transaction<'_>, version: i64, end: Option<Result<Tail, i64>>| {
        if version == 0 {
            return fill(record);
        }
        match proved(record, i64::MAX)? == end {
            true => Ok(()),
            false => Err(Error::Miscopied { path: path.to_owned() }),
        }
    };
    database::upgrade(record, path, &RECORD, before, after)
}

/// Whether the file at `path` has a schema. It is not made, and an empty one is left so.
fn is_there(path: &Path) -> Result<bool, Error> {
    let size = match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => 0,
        found => found.map_err(Error::io("look at", path))?.len(),
    };
    if size == 0 {
        return Ok(false);
    }
    let record = database::connect(path, &RECORD, false)?;
    database::version(&record)
        .map(|version| version > 0)
        .map_err(Error::database(path))
}

/// What it means that the record has no file of its own.
fn before(old_path: &Path, key: &Path) -> Result<Before, Error> {
    let there = |path: &Path| path.try_exists().map_err(Error::io("look at", path));
    if there(old_path)? && is_older(old_path).map_err(Error::database(old_path))? {
        return Ok(Before::Older);
    }
    Ok(if there(key)? { Before::Missing } else { Before::Nothing })
}

/// Whether the database at `path` holds the record. It is left as it is: the table alone is in every new one.
fn is_older(path: &Path) -> rusqlite::Result<bool> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let old = Connection::open_with_flags(path, flags)?;
    old.busy_timeout(PATIENCE)?;
    if !has_record(&old)? {
        return Ok(false);
    }
    let filled = || old.query_row("SELECT EXISTS (SELECT 1 FROM audit)", (), |row| row.get(0));
    Ok(database::version(&old)? < APART || filled()?)
}

/// The data directory's lock, unless the record is there already.
fn ownership(data: &DataDirectory, path: &Path, key: &Path) -> Result<Option<Lock>, Error> {
    let deadline = Instant::now() + PATIENCE;
    while !is_there(path)? {
        match data.lock("audit") {
            Ok(lock) => return Ok(Some(lock)),
            Err(Error::InUse { holder, .. }) => {
                let old_path = data.database_path();
                let before = before(&old_path, key)?;
                // One that has just started makes or moves it, and the key comes last.
                if before == Before::Missing && !is_there(path)? {
                    let (path, holder) = (path.to_owned(), Some(holder));
                    return Err(Error::Missing { path, holder });
                }
                if Instant::now() >= deadline {
                    return Err(Error::Unmoved { path: old_path, holder });
                }
                thread::sleep(AGAIN);
            }
            Err(other) => return Err(other),
        }
    }
    Ok(None)
}

/// Begins a record in `new` with an entry that says that the former one is missing.
fn begin_again(new: &Connection, path: &Path, key: &Key) -> Result<(), Error> {
    tracing::error!(
        "the record of calls was not at {path:?}: it was moved away or removed while no berth ran, and a new one begins, \
         with an entry that says so. If you have the former one, stop berth and put it back"
    );
    let entry = Entry::at_door(
        Event::RecordMissing,
        "berth",
        "the record before this one was not there",
    );
    let fields = Fields::of(&entry, Part::Whole, Tail::NONE.seq + 1);
    insert(new, &fields, &fields.seal(key, &Tail::NONE.mac)).map_err(|refusal| refusal.at(path))
}

/// Copies the record of `old` into `new` byte for byte, faults included, and proves that it is the same.
fn copy(old: &Connection, new: &Connection, old_path: &Path, path: &Path, key: &Key) -> Result<(), Error> {
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

/// Removes the record from its old place, if it is the one in `record`.
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
            "{old_path:?} holds a record of calls that is not the one in use; it stays there: find out whose it is, and \
             drop its table `audit`"
        );
        return Ok(());
    }
    transaction.execute_batch("DROP TABLE audit")?;
    transaction.commit()?;
    // Otherwise the space is only free for other tables; it is not a fault if it cannot be given back.
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
