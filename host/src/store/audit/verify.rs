//! Whether the record is still what was written.

use rusqlite::OptionalExtension as _;

use super::chain::{self, COLUMNS, Tail};
use super::read::moment;
use super::{Audit, Error, Event, Head};
use crate::store::altered::Altered;
use crate::store::database::RECORD;

/// What is wrong with the record.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// An entry is not what was written there.
    #[error(
        "entry {0} does not fit: it, or one before it, was changed, removed or moved, or the key is not the one that it \
         was written with"
    )]
    Misfit(i64),
    /// The last entry is not what was written there.
    #[error("the last entry of the record does not fit its key")]
    End,
    /// The record ends before an entry that was there.
    #[error("the record ends with entry {last}, but {expected} was its head once: its end was cut off")]
    Cut {
        /// The last entry there is.
        last: i64,
        /// The head that was kept.
        expected: Head,
    },
    /// The record fits its key, but it is another one.
    #[error("the seal of entry {} is not that of {expected}: the record was written again with its key", expected.seq)]
    Rewritten {
        /// The head that was kept.
        expected: Head,
    },
    /// The entry was removed by the operator.
    #[error(
        "entry {} was pruned: the record begins after entry {last} (berth audit --limit 0 shows who pruned it), and only \
         the head of a later entry can be compared",
        expected.seq
    )]
    Pruned {
        /// The last entry that was pruned.
        last: i64,
        /// The head that was kept.
        expected: Head,
    },
    /// Its file is not as berth makes it, so what it shows may not be what it holds, and entries may get lost.
    #[error(transparent)]
    Schema(Altered),
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Error),
}

impl Audit {
    /// Compares the file's schema with what berth makes, computes every seal again, and answers where the record ends.
    /// With `expected`, a head that was kept elsewhere, that entry must be there with that seal.
    ///
    /// Works beside a process that writes: what that process adds in the meantime is left out.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(&self, expected: Option<Head>) -> Result<Head, Broken> {
        self.compare_schema()?;
        self.walk(expected).map_err(Error::database(&self.path))?
    }

    /// What can be seen without reading all of it: the file's schema, the number of the last entry, and whether that
    /// fits the one before it and the key. A server looks at its start, so that a lost key is noticed.
    /// An empty record fits.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn examine(&self) -> Result<(), Broken> {
        self.compare_schema()?;
        self.head()?;
        match self.end_fits().map_err(Error::database(&self.path))? {
            true => Ok(()),
            false => Err(Broken::End),
        }
    }

    fn compare_schema(&self) -> Result<(), Broken> {
        match RECORD.altered(&self.connection, &self.path)? {
            None => Ok(()),
            Some(altered) => Err(Broken::Schema(altered)),
        }
    }

    pub(super) fn walk(&self, expected: Option<Head>) -> rusqlite::Result<Result<Head, Broken>> {
        let mut statement = self
            .connection
            .prepare(&format!("SELECT {COLUMNS} FROM audit ORDER BY seq"))?;
        let (mut first, mut seen) = (None, None);
        let end = chain::walk(statement.query(())?, &self.key, |tail| {
            first.get_or_insert(*tail);
            if expected.is_some_and(|expected| expected.seq == tail.seq) {
                seen = Some(tail.head());
            }
        })?;
        Ok(end.map_err(Broken::Misfit).and_then(|end| match (expected, first) {
            // The first of a record that was pruned stands for all before it.
            (Some(expected), Some(first)) if first.seq > 1 && expected.seq <= first.seq => Err(Broken::Pruned {
                last: first.seq,
                expected,
            }),
            (Some(expected), _) if expected.seq > end.seq => Err(Broken::Cut {
                last: end.seq,
                expected,
            }),
            (Some(expected), _) if seen.is_some_and(|seen| seen != expected) => Err(Broken::Rewritten { expected }),
            _ => Ok(end.head()),
        }))
    }

    fn end_fits(&self) -> rusqlite::Result<bool> {
        let view = self.connection.unchecked_transaction()?;
        let mut statement = view.prepare(&format!(
            "SELECT * FROM (SELECT {COLUMNS} FROM audit ORDER BY seq DESC LIMIT 2) ORDER BY seq"
        ))?;
        let mut rows = statement.query(())?;
        let Some(row) = rows.next()? else { return Ok(true) };
        // After other entries its seal cannot be computed here, but the next entry's seal includes it.
        let (first, middle) = (Tail::begin(row, &self.key), Tail::at(row).ok());
        let Some(row) = rows.next()? else {
            return Ok(first.is_some());
        };
        let before = first.or(middle);
        Ok(before.is_some_and(|before| before.follow(row, &self.key).is_some()))
    }

    /// When this record began in the place of one that was missing, if it did.
    ///
    /// # Errors
    /// If SQLite refuses.
    pub fn follows_missing(&self) -> Result<Option<String>, Error> {
        let begun = "SELECT at FROM audit WHERE seq = 1 AND event = ?";
        let at = self
            .connection
            .query_row(begun, (Event::RecordMissing.name(),), |row| row.get(0).map(moment));
        at.optional().map_err(Error::database(&self.path))
    }
}
