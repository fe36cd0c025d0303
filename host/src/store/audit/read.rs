//! Reading the record: what it says, and whether it is still what was written.

use std::ops::{ControlFlow, RangeInclusive};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::types::Value;
use rusqlite::{OptionalExtension as _, Row};
use serde::Serialize;

use super::chain::{COLUMNS, Fields, Tail, mac, milliseconds};
use super::{Audit, Error, Head, Outcome};
use crate::store::secret::Key;

/// What `berth audit` is asked for. The default is everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only what began then or later.
    pub since: Option<SystemTime>,
    /// Only principals whose id begins so.
    pub principal: Option<String>,
    /// Only calls of this tool, or events of this name.
    pub what: Option<String>,
    /// Only what named or chose this backend.
    pub backend: Option<String>,
    /// Only what came to this.
    pub outcome: Option<Outcome>,
}

/// An entry as the record holds it. Its texts are foreign.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recorded {
    /// Its number, from 1.
    pub seq: i64,
    /// When it began, as RFC 3339 with milliseconds.
    pub at: String,
    /// See [`Event`](super::Event).
    pub event: String,
    /// Who did it.
    pub principal: String,
    /// The tool of a call.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tool: String,
    /// The backend that was named or chosen.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub backend: String,
    /// The session.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub session: String,
    /// The digest of the arguments in hexadecimal digits.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub arguments: String,
    /// See [`Outcome`].
    pub outcome: String,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<i64>,
    /// What it cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// The arguments, or what else there is to say.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The head of the record as of this entry.
    pub head: String,
}

/// What is wrong with the record.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// An entry is not what was written there.
    #[error(
        "entry {0} does not fit: it, or one before it, was changed, removed or moved, or the key is not the one that it \
         was written with"
    )]
    Misfit(i64),
    /// The record ends before an entry that was there.
    #[error("the record ends with entry {last}, but {expected} was its head once: its end was cut off")]
    Cut {
        /// The last entry there is.
        last: i64,
        /// The head that was kept.
        expected: Head,
    },
    /// The record fits its key, but it is another one.
    #[error("entry {} has another seal than {expected}: the record was written anew with its key", expected.seq)]
    Rewritten {
        /// The head that was kept.
        expected: Head,
    },
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Error),
}

/// The rows of a range that a filter lets through.
const FITTING: &str = "FROM audit WHERE seq BETWEEN :from AND :to AND at >= :since
    AND (:principal IS NULL OR substr(principal, 1, length(:principal)) = :principal)
    AND (:what IS NULL OR tool = :what OR (tool = '' AND event = :what))
    AND (:backend IS NULL OR backend = :backend)
    AND (:outcome IS NULL OR outcome = :outcome)";

/// The last moment that RFC 3339 can write, in milliseconds since 1970.
const LAST_MOMENT: i64 = 253_402_300_799_999;

impl Audit {
    /// Recomputes every seal, and answers where the record ends. With `expected`, a head that was kept elsewhere, that
    /// entry must be there with that seal.
    ///
    /// Works beside a process that writes: what that one adds meanwhile is left out.
    ///
    /// # Errors
    /// The first entry that does not fit.
    pub fn verify(&self, expected: Option<Head>) -> Result<Head, Broken> {
        self.walk(expected).map_err(Error::database(&self.path))?
    }

    fn walk(&self, expected: Option<Head>) -> rusqlite::Result<Result<Head, Broken>> {
        let mut statement = self
            .connection
            .prepare(&format!("SELECT {COLUMNS} FROM audit ORDER BY seq"))?;
        let mut rows = statement.query(())?;
        let mut tail = Tail::NONE;
        while let Some(row) = rows.next()? {
            let Some(next) = follows(row, &self.key, &tail) else {
                return Ok(Err(Broken::Misfit(tail.seq + 1)));
            };
            tail = next;
            match expected {
                Some(expected) if expected.seq == tail.seq && expected != tail.head() => {
                    return Ok(Err(Broken::Rewritten { expected }));
                }
                _ => {}
            }
        }
        Ok(match expected {
            Some(expected) if expected.seq > tail.seq => Err(Broken::Cut {
                last: tail.seq,
                expected,
            }),
            _ => Ok(tail.head()),
        })
    }

    /// Whether the last entry fits the one before it and the key. A server looks at its start, so that a lost key does
    /// not go unseen for months. An empty record fits.
    ///
    /// # Errors
    /// If SQLite refuses.
    pub fn end_fits(&self) -> Result<bool, Error> {
        let fits = || {
            let view = self.connection.unchecked_transaction()?;
            let before = Tail::read(&view, 1)?;
            let last = format!("SELECT {COLUMNS} FROM audit ORDER BY seq DESC LIMIT 1");
            let fits = view.query_row(&last, (), |row| Ok(follows(row, &self.key, &before).is_some()));
            Ok(fits.optional()?.unwrap_or(true))
        };
        fits().map_err(Error::database(&self.path))
    }

    /// Hands the entries with numbers in `range` that `filter` lets through to `see`, the oldest first, until it breaks.
    ///
    /// # Errors
    /// If SQLite refuses, or an entry holds what berth never writes.
    pub fn visit(
        &self,
        filter: &Filter,
        range: RangeInclusive<i64>,
        mut see: impl FnMut(Recorded) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut visit = || {
            let mut statement = self
                .connection
                .prepare_cached(&format!("SELECT {COLUMNS} {FITTING} ORDER BY seq"))?;
            let mut rows = statement.query(&filter.parameters(&range)[..])?;
            while let Some(row) = rows.next()? {
                if see(recorded(row)?).is_break() {
                    break;
                }
            }
            Ok(())
        };
        visit().map_err(Error::database(&self.path))
    }

    /// Where the last `count` entries begin that have numbers up to `end` and that `filter` lets through.
    ///
    /// # Errors
    /// If SQLite refuses.
    pub fn beginning_of_last(&self, count: u32, end: i64, filter: &Filter) -> Result<i64, Error> {
        let beginning = || {
            let mut statement = self.connection.prepare(&format!(
                "SELECT min(seq) FROM (SELECT seq {FITTING} ORDER BY seq DESC LIMIT {count})"
            ))?;
            let first: Option<i64> = statement.query_row(&filter.parameters(&(1..=end))[..], |row| row.get(0))?;
            Ok(first.unwrap_or(end))
        };
        beginning().map_err(Error::database(&self.path))
    }
}

impl Filter {
    /// What [`FITTING`] takes.
    fn parameters(&self, range: &RangeInclusive<i64>) -> [(&'static str, Value); 7] {
        let text = |text: &Option<String>| text.clone().into();
        [
            (":from", (*range.start()).into()),
            (":to", (*range.end()).into()),
            (":since", self.since.map_or(i64::MIN, milliseconds).into()),
            (":principal", text(&self.principal)),
            (":what", text(&self.what)),
            (":backend", text(&self.backend)),
            (":outcome", self.outcome.map(|outcome| outcome.name().to_owned()).into()),
        ]
    }
}

/// The tail after `row`, if that is what was written behind `tail`.
fn follows(row: &Row<'_>, key: &Key, tail: &Tail) -> Option<Tail> {
    let fields = Fields::read(row).ok()?;
    let mac = mac(row).ok()?;
    let fits = fields.seq == tail.seq + 1 && fields.seal(key, &tail.mac) == mac;
    fits.then_some(Tail { seq: fields.seq, mac })
}

fn recorded(row: &Row<'_>) -> rusqlite::Result<Recorded> {
    let fields = Fields::read(row)?;
    let tail = Tail {
        seq: fields.seq,
        mac: mac(row)?,
    };
    let at = Duration::from_millis(fields.at.clamp(0, LAST_MOMENT).unsigned_abs());
    Ok(Recorded {
        seq: fields.seq,
        at: humantime::format_rfc3339_millis(UNIX_EPOCH + at).to_string(),
        event: fields.event.to_owned(),
        principal: fields.principal.to_owned(),
        tool: fields.tool.to_owned(),
        backend: fields.backend.to_owned(),
        session: fields.session.to_owned(),
        arguments: fields.arguments.iter().map(|byte| format!("{byte:02x}")).collect(),
        outcome: fields.outcome.to_owned(),
        duration_ms: fields.duration,
        cost_usd: fields.cost,
        text: fields.text.to_owned(),
        head: tail.head().to_string(),
    })
}
