//! The SQLite files of the data directory: private, and brought to the present schema whenever they are opened.

use std::fmt;
use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::{Error, files};

/// How long one process waits for another's write.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What one of the files holds.
pub(super) struct Layout {
    /// Each step brings the schema from one version to the next. Steps that were shipped are never changed.
    steps: &'static [&'static str],
    /// Whether the file gives room back to the disk in small steps.
    shrinks: bool,
}

/// Who may come in: `berth.db`.
const ACCESS: Layout = Layout {
    steps: &[
        include_str!("schema/1-access.sql"),
        include_str!("schema/2-audit.sql"),
        include_str!("schema/3-places.sql"),
        include_str!("schema/4-record-apart.sql"),
    ],
    shrinks: false,
};

/// The record of what was done: `audit.db`.
pub(super) const RECORD: Layout = Layout {
    steps: &[include_str!("schema/record/1-record.sql")],
    shrinks: true,
};

/// Opens the database of who may come in at `path`, making it first if there is none. What is committed outlives this
/// process; with `sync` also a power cut.
pub(super) fn open(path: &Path, sync: bool) -> Result<Connection, Error> {
    let mut connection = connect(path, &ACCESS, sync)?;
    upgrade(&mut connection, path, &ACCESS, |_| Ok(()))?;
    Ok(connection)
}

/// A connection to the file at `path`, which is made if there is none, with the schema that it has now.
///
/// Nothing that stands in the file's schema is run by it: whoever may write to the file could put a trigger there that
/// undoes what we write, or a view that shows something else.
pub(super) fn connect(path: &Path, layout: &Layout, sync: bool) -> Result<Connection, Error> {
    // SQLite gives its own further files the mode of this one.
    files::open(
        path,
        OpenOptions::new().read(true).write(true).create(true).truncate(false),
    )?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connected = Connection::open_with_flags(path, flags).and_then(|connection| {
        connection.busy_timeout(PATIENCE)?;
        let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        // Counts in a new file only, before anything is written; in another one it would wait for who writes.
        if layout.shrinks && pages == 0 {
            connection.pragma_update(None, "auto_vacuum", "incremental")?;
        }
        connection.pragma_update(None, "journal_mode", "wal")?;
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

/// Takes the steps that are missing, all or none. `fill` has its turn in the same transaction where there was no schema
/// before.
pub(super) fn upgrade(
    connection: &mut Connection,
    path: &Path,
    layout: &Layout,
    fill: impl FnOnce(&Transaction<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let wanted = layout.version();
    let mut present = version(connection).map_err(Error::database(path))?;
    if present < wanted {
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(Error::database(path))?;
        // Another process may have been faster.
        present = version(&transaction).map_err(Error::database(path))?;
        take(&transaction, layout, present).map_err(Error::database(path))?;
        if present == 0 {
            fill(&transaction)?;
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

/// Takes the steps behind the version `present`.
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

    /// In what the schema of an opened file differs from what the steps make.
    pub(super) fn differences(&self, connection: &Connection) -> rusqlite::Result<Vec<Difference>> {
        let mut made = Connection::open_in_memory()?;
        let transaction = made.transaction()?;
        take(&transaction, self, 0)?;
        let (expected, found) = (Part::all(&transaction)?, Part::all(connection)?);
        let place = |parts: &[Part], part: &Part| parts.iter().position(|other| other.is_same(part));
        let strange = found.iter().filter_map(|part| match place(&expected, part) {
            None => Some(Difference::Added(part.clone())),
            Some(at) if expected[at].sql != part.sql => Some(Difference::Changed(part.clone())),
            Some(_) => None,
        });
        let missing = expected.iter().filter(|part| place(&found, part).is_none());
        Ok(strange.chain(missing.cloned().map(Difference::Missing)).collect())
    }
}

/// A table, index, view or trigger, as SQLite keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    kind: String,
    name: String,
    table: String,
    sql: Option<String>,
}

impl Part {
    fn all(connection: &Connection) -> rusqlite::Result<Vec<Self>> {
        let mut statement = connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema")?;
        let parts = statement.query_map((), |row| {
            Ok(Self {
                kind: row.get(0)?,
                name: row.get(1)?,
                table: row.get(2)?,
                sql: row.get(3)?,
            })
        })?;
        parts.collect()
    }

    fn is_same(&self, other: &Self) -> bool {
        (&self.kind, &self.name, &self.table) == (&other.kind, &other.name, &other.table)
    }
}

/// Names are foreign: whoever may write to the file chose them.
impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind.escape_debug(), self.name.escape_debug())
    }
}

/// What in a file's schema is not as berth makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It does not belong there.
    Added(Part),
    /// It is another one.
    Changed(Part),
    /// It is not there.
    Missing(Part),
}

impl Difference {
    /// The statement that undoes it, if there is one that can be pasted into a shell whoever chose the name.
    pub(super) fn undo(&self) -> Option<String> {
        let plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        match self {
            Self::Added(Part { kind, name, .. }) if plain(kind) && plain(name) => {
                Some(format!("DROP {} {name}", kind.to_uppercase()))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(part) => write!(formatter, "the {part} was added"),
            Self::Changed(part) => write!(formatter, "the {part} was changed"),
            Self::Missing(part) => write!(formatter, "the {part} is missing"),
        }
    }
}
