//! The SQLite file of the data directory: private, and brought to the present schema whenever it is opened.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{Error, files};

/// Each step brings the schema from one version to the next. Steps that were shipped are never changed.
const STEPS: [&str; 3] = [
    include_str!("schema/1-access.sql"),
    include_str!("schema/2-audit.sql"),
    include_str!("schema/3-places.sql"),
];

/// The version that all steps lead to.
const VERSION: i64 = STEPS.len() as i64;

/// How long one process waits for another's write.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens the database at `path`, making it first if there is none. What is committed outlives this process; with
/// `sync` also a power cut.
pub(super) fn open(path: &Path, sync: bool) -> Result<Connection, Error> {
    // SQLite gives its own further files the mode of this one.
    files::open(
        path,
        OpenOptions::new().read(true).write(true).create(true).truncate(false),
    )?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let prepared = Connection::open_with_flags(path, flags).and_then(|mut connection| {
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", if sync { "full" } else { "normal" })?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        upgrade(&mut connection).map(|version| (connection, version))
    });
    let (connection, version) = prepared.map_err(Error::database(path))?;
    if version > VERSION {
        return Err(Error::Newer { path: path.to_owned() });
    }
    Ok(connection)
}

/// Takes the steps that are missing, all or none, and answers the version that the file now has.
fn upgrade(connection: &mut Connection) -> rusqlite::Result<i64> {
    let version = |connection: &Connection| connection.pragma_query_value(None, "user_version", |row| row.get(0));
    let present: i64 = version(connection)?;
    if present >= VERSION {
        return Ok(present);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been faster.
    let present: i64 = version(&transaction)?;
    for (_, step) in (0..).zip(STEPS).filter(|(version, _)| *version >= present) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", present.max(VERSION))?;
    transaction.commit()?;
    Ok(VERSION)
}
