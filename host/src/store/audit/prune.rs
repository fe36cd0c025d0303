//! Pruning: the oldest entries go, and an entry in the place of the last of them records that. It holds that one's
//! seal, so the chain from there on is the same, and it is sealed itself, so that nobody prunes unnoticed without the
//! key.

use std::thread;
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};
use serde::{Deserialize, Serialize};

use super::chain::{Fields, Mac, Tail, milliseconds};
use super::entry::PRUNED;
use super::read::moment;
use super::{Audit, Broken, Entry, Error, Event, Outcome, PATIENCE, Refusal, insert};
use crate::store::secret::Key;

/// Entries that one transaction removes: other writers wait for it.
const STEP: i64 = 5000;
/// Pages of the file that are given back at once.
const PAGES: u32 = 500;
/// The time for other writers between two steps.
const TURN: Duration = Duration::from_millis(10);

/// Entries that are no longer in the record, as the entry in their place describes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// How many.
    pub entries: i64,
    /// When the first of them began, as RFC 3339.
    pub from: String,
    /// When the last of them began.
    pub to: String,
    /// The head of the record as of the last of them.
    pub head: String,
}

/// What a pruning will remove.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The entries that go.
    pub removed: Removed,
    /// Where each step ends; the last one is the number of the last entry that goes.
    pub(super) steps: Vec<i64>,
}

impl Audit {
    /// The first entry, if it says what was pruned.
    ///
    /// # Errors
    /// If SQLite refuses.
    pub fn pruned(&self) -> Result<Option<Removed>, Error> {
        let first = "SELECT text FROM audit WHERE event = ?1 AND seq = (SELECT min(seq) FROM audit) AND seq > 1";
        let text = self
            .connection
            .query_row(first, (PRUNED,), |row| row.get::<_, String>(0));
        let text = text.optional().map_err(Error::database(&self.path))?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// What a pruning of all that began before `before` would remove: the oldest entries up to the first that began
    /// later, without splitting the entries of a call. Nothing if there are none.
    ///
    /// # Errors
    /// If the record is not what was written: nobody could see that after a part is gone.
    pub fn plan_pruning(&self, before: SystemTime) -> Result<Option<Plan>, Broken> {
        self.verify(None)?;
        let plan = || {
            let view = self.connection.unchecked_transaction()?;
            let first = first(&view)?;
            let Some(last) = whole_calls(&view, first, last_before(&view, milliseconds(before))?)? else {
                return Ok(None);
            };
            let mut steps = Vec::new();
            let mut done = first;
            while done < last {
                let mut size = STEP;
                // A step that would split a call grows until it does not.
                let end = loop {
                    match whole_calls(&view, done, last.min(done.saturating_add(size)))? {
                        Some(end) => break end,
                        None => size = size.saturating_mul(2),
                    }
                };
                steps.push(end);
                done = end;
            }
            let removed = removed(&view, first, last)?;
            Ok(Some(Plan { removed, steps }))
        };
        Ok(plan().map_err(Error::database(&self.path))?)
    }

    /// Carries out `plan`, step by step, beside others who write. `by` is who asked for it. The record is whole after
    /// each step; an entry at its end says that it is pruned, before the first step.
    ///
    /// # Errors
    /// If SQLite refuses. What was removed before that is gone.
    pub fn prune(&mut self, plan: &Plan, by: &str) -> Result<(), Error> {
        let text = serde_json::to_string(&plan.removed).unwrap_or_default();
        self.append(&[Entry::at_door(Event::Pruned, by, text)])?;
        for last in &plan.steps {
            let done = step(&mut self.connection, &self.key, *last, by);
            done.map_err(|refusal| self.refused(refusal))?;
            self.give_back().map_err(Error::database(&self.path))?;
        }
        Ok(())
    }

    /// Gives the space of what was removed back to the disk.
    fn give_back(&self) -> rusqlite::Result<()> {
        let free = |connection: &Connection| connection.pragma_query_value(None, "freelist_count", |row| row.get(0));
        let mut before: i64 = free(&self.connection)?;
        while before > 0 {
            thread::sleep(TURN);
            let mut statement = self
                .connection
                .prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
            let mut rows = statement.query(())?;
            // Each row is a page.
            while rows.next()?.is_some() {}
            let now = free(&self.connection)?;
            if now >= before {
                break;
            }
            before = now;
        }
        // The file itself shrinks when the write-ahead log is moved into it; a reader can delay that.
        self.connection.busy_timeout(Duration::ZERO)?;
        let carried = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()));
        self.connection.busy_timeout(PATIENCE)?;
        if let Err(error) = carried {
            tracing::debug!("the file of the record shrinks later: {error}");
        }
        Ok(())
    }
}

/// The number of the last entry that was pruned; 0 before any was.
fn first(view: &Connection) -> rusqlite::Result<i64> {
    let first: Option<(i64, String)> = view
        .query_row("SELECT seq, event FROM audit ORDER BY seq LIMIT 1", (), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    Ok(first
        .filter(|(seq, event)| *seq > 1 && event == PRUNED)
        .map_or(0, |(seq, _)| seq))
}

/// The number of the entry before the first that began at `before` or later.
fn last_before(view: &Connection, before: i64) -> rusqlite::Result<i64> {
    let after = "SELECT seq FROM audit WHERE at >= ? AND NOT (event = ? AND seq = (SELECT min(seq) FROM audit)) \
        ORDER BY seq LIMIT 1";
    let after: Option<i64> = view.query_row(after, (before, PRUNED), |row| row.get(0)).optional()?;
    match after {
        Some(after) => Ok(after - 1),
        None => view.query_row("SELECT coalesce(max(seq), 0) FROM audit", (), |row| row.get(0)),
    }
}

/// The largest number up to `last` that does not separate an intention from a later outcome. Nothing if there is only
/// `first`.
fn whole_calls(view: &Connection, first: i64, mut last: i64) -> rusqlite::Result<Option<i64>> {
    let mut parted = view.prepare_cached(
        "SELECT min(number) FROM (
            SELECT intention AS number FROM audit WHERE intention > :first AND intention <= :last AND seq > :last
            UNION ALL SELECT seq FROM begun WHERE seq > :first AND seq <= :last)",
    )?;
    while last > first {
        let number: Option<i64> = parted.query_row(&[(":first", &first), (":last", &last)][..], |row| row.get(0))?;
        match number {
            None => return Ok(Some(last)),
            Some(number) => last = number - 1,
        }
    }
    Ok(None)
}

/// What to say about the entries after `first` up to `last`.
fn removed(view: &Connection, first: i64, last: i64) -> rusqlite::Result<Removed> {
    let (from, to) = view.query_row(
        "SELECT min(at), max(at) FROM audit WHERE seq > ? AND seq <= ?",
        (first, last),
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let mac = view.query_row("SELECT mac FROM audit WHERE seq = ?", (last,), |row| row.get(0))?;
    Ok(Removed {
        entries: last - first,
        from: moment(from),
        to: moment(to),
        head: Tail { seq: last, mac }.head().to_string(),
    })
}

/// Removes the entries up to `last`, and replaces the last with one.
fn step(connection: &mut Connection, key: &Key, last: i64, by: &str) -> Result<(), Refusal> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let first = first(&transaction)?;
    if first >= last {
        // Somebody else has pruned as well.
        return Ok(());
    }
    let mut removed = removed(&transaction, first, last)?;
    let before = "SELECT text FROM audit WHERE seq = ?";
    let before = transaction
        .query_row(before, (first,), |row| row.get::<_, String>(0))
        .optional()?;
    if let Some(before) = before.and_then(|text| serde_json::from_str::<Removed>(&text).ok()) {
        removed.entries += before.entries;
        removed.to = removed.to.max(before.to);
        removed.from = before.from;
    }
    let text = serde_json::to_string(&removed).unwrap_or_default();
    let mac: Mac = transaction.query_row("SELECT mac FROM audit WHERE seq = ?", (last,), |row| row.get(0))?;
    let fields = Fields {
        seq: last,
        at: milliseconds(SystemTime::now()),
        event: PRUNED,
        principal: by,
        tool: "",
        backend: "",
        session: "",
        arguments: &mac,
        outcome: Outcome::Done.name(),
        duration: None,
        cost: None,
        text: &text,
        intention: None,
        grants: None,
    };
    let gone = transaction.execute("DELETE FROM audit WHERE seq <= ?", (last,))?;
    // The entry of an earlier pruning is removed as well.
    let expected = last - first + i64::from(first > 0);
    if i64::try_from(gone) != Ok(expected) {
        return Err(Refusal::Unkept);
    }
    insert(&transaction, &fields, &fields.seal_of_pruning(key))?;
    transaction.commit()?;
    Ok(())
}
