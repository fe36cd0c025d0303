//! Reading the record: what it says, a call with its intention and its outcome as one.

use std::ops::{ControlFlow, RangeInclusive};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::types::Value;
use rusqlite::{Row, Transaction};
use serde::Serialize;

use super::chain::{Fields, Tail, milliseconds};
use super::{Audit, Error, Outcome};
use crate::store::lock::Lock;

/// What `berth audit` is asked for. The default is everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only what began then or later.
    pub since: Option<SystemTime>,
    /// Only principals whose id begins with this.
    pub principal: Option<String>,
    /// Only calls of this tool, or events of this name.
    pub what: Option<String>,
    /// Only calls for which this backend was named or chosen.
    pub backend: Option<String>,
    /// Only those with this outcome.
    pub outcome: Option<Outcome>,
    /// Only those that have an entry with an outcome.
    pub ended: bool,
}

/// What the record holds about a call or an event. Its texts are foreign.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recorded {
    /// Its number, from 1: for a call that changes something, the number of its outcome when there is one.
    pub seq: i64,
    /// The number of the entry that says what was about to be done, if its outcome is another entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begun: Option<i64>,
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
    /// The arguments, or other details.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The digest of what was granted, in hexadecimal digits.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub grants: String,
    /// The head of the record as of this entry.
    pub head: String,
}

/// [`chain::COLUMNS`](super::chain::COLUMNS) of each call or event: an outcome with what its intention says, and an
/// intention only while it has no outcome.
const SHOWN: &str =
    "SELECT entry.seq, entry.at, entry.event, entry.principal, entry.tool, entry.backend, entry.session,
    coalesce(intention.arguments, entry.arguments), iif(entry.outcome = 'begun', :open, entry.outcome) AS came_to,
    entry.duration, entry.cost, coalesce(intention.text, entry.text), entry.intention,
    entry.grants, entry.mac
    FROM audit AS entry LEFT JOIN audit AS intention ON intention.seq = entry.intention";

/// Those in a range that match a filter.
const FITTING: &str = "WHERE entry.seq BETWEEN :from AND :to AND entry.at >= :since
    AND (entry.outcome <> 'begun'
        OR NOT (:ended OR EXISTS (SELECT 1 FROM audit AS later WHERE later.intention = entry.seq)))
    AND (:principal IS NULL OR substr(entry.principal, 1, length(:principal)) = :principal)
    AND (:what IS NULL OR entry.tool = :what OR (entry.tool = '' AND entry.event = :what))
    AND (:backend IS NULL OR entry.backend = :backend)
    AND (:outcome IS NULL OR came_to = :outcome)";

/// The last moment that RFC 3339 can write, in milliseconds since 1970.
const LAST_MOMENT: i64 = 253_402_300_799_999;

/// The record as it was at one moment.
#[derive(Debug)]
pub struct View<'a> {
    audit: &'a Audit,
    transaction: Transaction<'a>,
    /// Whether calls without an outcome are under way or were cut off.
    open: Outcome,
    /// The number of the last entry; 0 before the first.
    pub end: i64,
}

impl Audit {
    /// The record as it is now.
    ///
    /// # Errors
    /// If SQLite or the file system refuses.
    pub fn view(&self) -> Result<View<'_>, Error> {
        loop {
            let ran = Lock::is_held(&self.lock)?;
            let (transaction, end) = self.snapshot().map_err(Error::database(&self.path))?;
            // A recorder closes what earlier ones left open, and then takes the lock. So what is open belongs to the
            // recorder that held the lock before we looked, unless another one has come since then.
            let open = match (ran, Lock::is_held(&self.lock)?) {
                (true, true) => Outcome::UnderWay,
                (_, false) => Outcome::CutOff,
                (false, true) => continue,
            };
            return Ok(View {
                audit: self,
                transaction,
                open,
                end,
            });
        }
    }

    fn snapshot(&self) -> rusqlite::Result<(Transaction<'_>, i64)> {
        let transaction = self.connection.unchecked_transaction()?;
        let end: Option<i64> = transaction.query_row("SELECT max(seq) FROM audit", (), |row| row.get(0))?;
        Ok((transaction, end.unwrap_or(0)))
    }
}

impl View<'_> {
    /// Passes what has a number in `range` and matches `filter` to `see`, the oldest first, until it breaks.
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
            let sql = format!("{SHOWN} {FITTING} ORDER BY entry.seq");
            let mut statement = self.transaction.prepare_cached(&sql)?;
            let mut rows = statement.query(&self.parameters(filter, &range)[..])?;
            while let Some(row) = rows.next()? {
                if see(recorded(row)?).is_break() {
                    break;
                }
            }
            Ok(())
        };
        visit().map_err(Error::database(&self.audit.path))
    }

    /// The number where the last `count` entries that match `filter` begin.
    ///
    /// # Errors
    /// If SQLite refuses.
    pub fn beginning_of_last(&self, count: u32, filter: &Filter) -> Result<i64, Error> {
        let beginning = || {
            let sql = format!("SELECT min(seq) FROM ({SHOWN} {FITTING} ORDER BY entry.seq DESC LIMIT {count})");
            let mut statement = self.transaction.prepare(&sql)?;
            let parameters = self.parameters(filter, &(i64::MIN..=self.end));
            let first: Option<i64> = statement.query_row(&parameters[..], |row| row.get(0))?;
            Ok(first.unwrap_or(self.end))
        };
        beginning().map_err(Error::database(&self.audit.path))
    }

    /// What [`SHOWN`] and [`FITTING`] take.
    fn parameters(&self, filter: &Filter, range: &RangeInclusive<i64>) -> [(&'static str, Value); 9] {
        let text = |text: &Option<String>| text.clone().into();
        let outcome = |outcome: Outcome| outcome.name().to_owned();
        [
            (":from", (*range.start()).into()),
            (":to", (*range.end()).into()),
            (":since", filter.since.map_or(i64::MIN, milliseconds).into()),
            (":principal", text(&filter.principal)),
            (":what", text(&filter.what)),
            (":backend", text(&filter.backend)),
            (":outcome", filter.outcome.map(outcome).into()),
            (":open", outcome(self.open).into()),
            (":ended", filter.ended.into()),
        ]
    }
}

/// A moment as the record shows it.
pub(super) fn moment(milliseconds: i64) -> String {
    let since = Duration::from_millis(milliseconds.clamp(0, LAST_MOMENT).unsigned_abs());
    humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string()
}

fn recorded(row: &Row<'_>) -> rusqlite::Result<Recorded> {
    let fields = Fields::read(row)?;
    Ok(Recorded {
        seq: fields.seq,
        begun: fields.intention,
        at: moment(fields.at),
        event: fields.event.to_owned(),
        principal: fields.principal.to_owned(),
        tool: fields.tool.to_owned(),
        backend: fields.backend.to_owned(),
        session: fields.session.to_owned(),
        arguments: hex::encode(fields.arguments),
        outcome: fields.outcome.to_owned(),
        duration_ms: fields.duration,
        cost_usd: fields.cost,
        text: fields.text.to_owned(),
        grants: fields.grants.map(hex::encode).unwrap_or_default(),
        head: Tail::at(row)?.head().to_string(),
    })
}
