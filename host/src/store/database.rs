//! The SQLite files of the data directory: private, and brought to the present schema whenever they are opened.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::altered::{self, Altered, Difference};
use super::{Error, files};

/// How long one process waits for another's write.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Pages of the write-ahead log, 16 MB, before they are moved into the file. That waits for the disk, and so does
/// everyone who writes: with SQLite's default of 1000, busy calls waited for a thirtieth of the time.
const PAGES_BESIDE: i64 = 4000;

/// What one of the files holds.
pub(super) struct Layout {
    /// Each step brings the schema from one version to the next. Steps that were shipped are never changed.
    steps: &'static [&'static str],
    /// Whether the file gives room back to the disk in small steps.
    shrinks: bool,
    /// A table that the steps make, and that the owner of the directory removes later.
    moved: Option<&'static str>,
    /// What a new file means to the operator, as the end of a sentence.
    afterwards: &'static str,
}

/// Who may come in: `berth.db`.
pub(super) const ACCESS: Layout = Layout {
    steps: &[
        include_str!("schema/1-access.sql"),
        include_str!("schema/2-audit.sql"),
        include_str!("schema/3-places.sql"),
        include_str!("schema/4-record-apart.sql"),
        include_str!("schema/5-meanings.sql"),
        include_str!("schema/6-logins.sql"),
        include_str!("schema/7-forms.sql"),
    ],
    shrinks: false,
    moved: Some("audit"),
    afterwards: "the next start makes a new one: set the passphrase again (berth login set), and approve your apps again",
};

/// The record of what was done: `audit.db`.
pub(super) const RECORD: Layout = Layout {
    steps: &[
        include_str!("schema/record/1-record.sql"),
        include_str!("schema/record/2-grants.sql"),
    ],
    shrinks: true,
    moved: None,
    afterwards: "the next start begins a new record",
};

/// What one backend keeps: one file for each in `stores`.
pub(super) const KEPT: Layout = Layout {
    steps: &[include_str!("schema/kept/1-entries.sql")],
    shrinks: false,
    moved: None,
    afterwards: "the next start makes a new one, and the backend has forgotten what it kept",
};

/// The messages that wait for their session: `outbox.db`.
pub(super) const OUTBOX: Layout = Layout {
    steps: &[include_str!("schema/outbox/1-messages.sql")],
    shrinks: false,
    moved: None,
    afterwards: "the next start makes a new one, and messages that waited in it are not sent",
};

/// Calls whose work goes on: `tasks.db`.
pub(super) const TASKS: Layout = Layout {
    steps: &[include_str!("schema/tasks/1-tasks.sql")],
    shrinks: false,
    moved: None,
    afterwards: "the next start makes a new one, and clients are told that their tasks are not known; the work itself goes on",
};

/// The jobs of one backend: `jobs/NAME/index.db`.
pub(super) const JOBS: Layout = Layout {
    steps: &[
        include_str!("schema/jobs/1-jobs.sql"),
        include_str!("schema/jobs/2-lineage.sql"),
        include_str!("schema/jobs/3-host.sql"),
    ],
    shrinks: false,
    moved: None,
    afterwards: "the next start makes a new one, and the backend's jobs are forgotten; those that run continue",
};

/// Opens the database of this layout at `path`, making it first if there is none. What is committed outlives this
/// process; with `sync` also a power cut.
pub(super) fn open(path: &Path, layout: &Layout, sync: bool) -> Result<Connection, Error> {
    let mut connection = connect(path, layout, sync)?;
    upgrade(&mut connection, path, layout, |_, _| Ok(()), |_, _, ()| Ok(()))?;
    Ok(connection)
}

/// A database of this layout that no file keeps.
pub(super) fn in_memory(layout: &Layout) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_in_memory()?;
    let transaction = connection.transaction()?;
    take(&transaction, layout, 0)?;
    transaction.commit()?;
    Ok(connection)
}

/// A connection to the file at `path`, which is made if there is none, with the schema that it has now.
///
/// It runs no trigger or view of the file's schema: whoever may write to the file could add a trigger that undoes what
/// we write, or a view that shows something else.
pub(super) fn connect(path: &Path, layout: &Layout, sync: bool) -> Result<Connection, Error> {
    // SQLite gives its own additional files the mode of this one.
    files::present(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connected = Connection::open_with_flags(path, flags).and_then(|connection| {
        connection.busy_timeout(PATIENCE)?;
        let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        // This counts only in a new file, before anything is written; in another one it would wait for other writers.
        if layout.shrinks && pages == 0 {
            connection.pragma_update(None, "auto_vacuum", "incremental")?;
        }
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "wal_autocheckpoint", PAGES_BESIDE)?;
        connection.pragma_update(None, "synchronous", if sync { "full" } else { "normal" })?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        Ok(connection)
    });
    connected.map_err(Error::database(path))
}

/// Takes the steps that are missing, all or none. In the same transaction `before` runs before them and `after`, which gets
/// what it answered, after them; both get the version before.
pub(super) fn upgrade<T>(
    connection: &mut Connection,
    path: &Path,
    layout: &Layout,
    before: impl FnOnce(&Transaction<'_>, i64) -> Result<T, Error>,
    after: impl FnOnce(&Transaction<'_>, i64, T) -> Result<(), Error>,
) -> Result<(), Error> {
    let wanted = layout.version();
    let mut present = version(connection).map_err(Error::database(path))?;
    if present < wanted {
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(Error::database(path))?;
        // Another process may have been faster.
        present = version(&transaction).map_err(Error::database(path))?;
        if present < wanted {
            let found = before(&transaction, present)?;
            take(&transaction, layout, present).map_err(Error::database(path))?;
            after(&transaction, present, found)?;
        }
        transaction.commit().map_err(Error::database(path))?;
    }
    match present > wanted {
        true => Err(Error::Newer { path: path.to_owned() }),
        false => Ok(()),
    }
}

/// How many steps the file has taken; 0 before the first.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Takes the steps after the version `present`.
fn take(transaction: &Transaction<'_>, layout: &Layout, present: i64) -> rusqlite::Result<()> {
    for (_, step) in (0..).zip(layout.steps).filter(|(version, _)| *version >= present) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", present.max(layout.version()))
}

impl Layout {
    /// The version that all steps lead to.
    fn version(&self) -> i64 {
        self.steps.len().try_into().unwrap_or(i64::MAX)
    }

    /// How the schema of the opened file at `path` differs from what the steps make, if it does.
    pub(super) fn altered(&self, connection: &Connection, path: &Path) -> Result<Option<Altered>, Error> {
        let differences = self.differences(connection).map_err(Error::database(path))?;
        Ok((!differences.is_empty()).then(|| Altered::new(path, differences, self.afterwards)))
    }

    fn differences(&self, connection: &Connection) -> rusqlite::Result<Vec<Difference>> {
        let differences = altered::differences(&in_memory(self)?, connection)?;
        let is_moved = |difference: &Difference| self.moved.is_some_and(|table| difference.is_missing_of(table));
        Ok(differences
            .into_iter()
            .filter(|difference| !is_moved(difference))
            .collect())
    }
}
