//! How the schema of a file differs from what berth makes, and the fix.

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::shell;
use crate::text;

/// Differences that are told of.
const NAMED: usize = 8;
/// Characters of a name in them.
const NAME: usize = 64;

/// A file whose schema somebody changed, so what it shows may not be what it holds, and what is written may get lost.
#[derive(Debug, thiserror::Error)]
#[error("{path:?} is not as berth made it: {}; {}", self.listed(), self.fix())]
pub struct Altered {
    path: PathBuf,
    /// At least one.
    differences: Vec<Difference>,
    afterwards: &'static str,
}

impl Altered {
    /// The file at `path` has `differences`; `afterwards` says what follows when a new file replaces it.
    pub(super) fn new(path: &Path, differences: Vec<Difference>, afterwards: &'static str) -> Self {
        Self {
            path: path.to_owned(),
            differences,
            afterwards,
        }
    }

    fn listed(&self) -> String {
        let first = self.differences.iter().take(NAMED).map(Difference::to_string);
        let further = self.differences.len().saturating_sub(NAMED);
        let rest = (further > 0).then(|| format!("and {further} more"));
        first.chain(rest).collect::<Vec<_>>().join(", ")
    }

    /// What was only added can be removed; a changed part cannot be made again from what is there.
    fn fix(&self) -> String {
        let path = shell::word(&self.path);
        let drops: Option<Vec<String>> = self.differences.iter().map(Difference::undo).collect();
        match drops {
            Some(drops) => format!("remove that: sqlite3 {path} \"{}\"", drops.join("; ")),
            None => format!(
                "stop berth and keep its files as evidence in another place (mv {path}* ELSEWHERE): {}",
                self.afterwards
            ),
        }
    }
}

/// How the schema that is `found` differs from the one that was `made`.
pub(super) fn differences(made: &Connection, found: &Connection) -> rusqlite::Result<Vec<Difference>> {
    let (expected, found) = (Part::all(made)?, Part::all(found)?);
    let place = |parts: &[Part], part: &Part| parts.iter().position(|other| other.is_same(part));
    let strange = found.iter().filter_map(|part| match place(&expected, part) {
        None => Some(Difference::Added(part.clone())),
        Some(at) if expected[at].sql != part.sql => Some(Difference::Changed(part.clone())),
        Some(_) => None,
    });
    let missing = expected.iter().filter(|part| place(&found, part).is_none());
    Ok(strange.chain(missing.cloned().map(Difference::Missing)).collect())
}

/// A table, index, view or trigger, as SQLite keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
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
        let (kind, name) = (text::escaped(&self.kind, NAME), text::escaped(&self.name, NAME));
        write!(formatter, "{kind} {name}")
    }
}

/// A part of a file's schema that is not as berth makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// It does not belong there.
    Added(Part),
    /// It is another one.
    Changed(Part),
    /// It is not there.
    Missing(Part),
}

impl Difference {
    /// Whether a part of the table called `table` is missing.
    pub(super) fn is_missing_of(&self, table: &str) -> bool {
        matches!(self, Self::Missing(part) if part.table == table)
    }

    /// The statement that undoes it, if there is one that is safe to paste into a shell, whoever chose the name.
    fn undo(&self) -> Option<String> {
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
