//! The chain: each entry is sealed together with the one before it, by a key in a separate file.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, Row, Rows};
use thiserror::Error;

use super::entry::PRUNED;
use super::{Entry, Part};
use crate::store::secret::Key;

/// The columns that are sealed, in the order of [`Fields::read`]; the seal itself follows them.
pub(super) const COLUMNS: &str = "seq, at, event, principal, tool, backend, session, arguments, outcome, duration, cost, text, intention, grants, mac";

/// Bytes of a name that a caller or an app chose: a longer one is not a name of ours.
const NAME: usize = 256;
/// Bytes of arguments, or of what is said of an event.
pub(super) const TEXT: usize = 4 << 10;
/// Bytes of a seal that a head shows: 128 bits, which nobody finds by trying.
const SHOWN: usize = 16;

/// The outcome of an entry that says what is about to be done.
pub(super) const BEGUN: &str = "begun";

/// An HMAC-SHA256.
pub(super) type Mac = [u8; 32];

/// Where the record ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// Number of the last entry; 0 before the first.
    pub(super) seq: i64,
    /// The seal that the next entry includes.
    pub(super) mac: Mac,
}

impl Tail {
    /// Before the first entry.
    pub(super) const NONE: Self = Self { seq: 0, mac: [0; 32] };

    /// After the last entry that `connection` sees. The inner error is that entry's number, if it does not follow the
    /// one before it, or nothing can follow it.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Result<Self, i64>> {
        let mut statement =
            connection.prepare_cached("SELECT seq, event, arguments, mac FROM audit ORDER BY seq DESC LIMIT 2")?;
        let mut rows = statement.query(())?;
        let Some(last) = rows.next()? else {
            return Ok(Ok(Self::NONE));
        };
        let pruned = last.get_ref(1)?.as_str()? == PRUNED;
        let (mut tail, removed) = (
            Self {
                seq: last.get(0)?,
                mac: last.get(3)?,
            },
            last.get_ref(2)?.as_blob()?.to_vec(),
        );
        let before: Option<i64> = rows.next()?.map(|row| row.get(0)).transpose()?;
        let follows = match before {
            Some(before) => before.checked_add(1) == Some(tail.seq),
            None if pruned => true,
            None => tail.seq == 1,
        };
        if let (None, true, Ok(mac)) = (before, pruned, removed.try_into()) {
            tail.mac = mac;
        }
        Ok(match follows && (1..i64::MAX).contains(&tail.seq) {
            true => Ok(tail),
            false => Err(tail.seq),
        })
    }

    pub(super) fn head(&self) -> Head {
        let mut seal = [0; SHOWN];
        seal.copy_from_slice(&self.mac[..SHOWN]);
        Head { seq: self.seq, seal }
    }

    /// After `row` of [`COLUMNS`], whether it fits or not.
    pub(super) fn at(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            mac: mac(row)?,
        })
    }

    /// After `row` of [`COLUMNS`], if that is what was written after this one.
    pub(super) fn follow(&self, row: &Row<'_>, key: &Key) -> Option<Self> {
        let fields = Fields::read(row).ok()?;
        let mac = mac(row).ok()?;
        let fits = Some(fields.seq) == self.seq.checked_add(1) && fields.seal(key, &self.mac) == mac;
        fits.then_some(Self { seq: fields.seq, mac })
    }

    /// After `row` as the first of the record: the first entry ever, or one that says what was pruned before it.
    pub(super) fn begin(row: &Row<'_>, key: &Key) -> Option<Self> {
        let fields = Fields::read(row).ok()?;
        if fields.event != PRUNED || fields.seq == 1 {
            return Self::NONE.follow(row, key);
        }
        let removed: Mac = fields.arguments.try_into().ok()?;
        let fits = fields.seq > 1 && fields.seal_of_pruning(key) == mac(row).ok()?;
        fits.then_some(Self {
            seq: fields.seq,
            mac: removed,
        })
    }
}

/// Follows the chain through all `rows` of [`COLUMNS`], which begin with the record's first, and shows each place to
/// `see`. Answers where the chain ends, or the number of the first entry that does not fit.
pub(super) fn walk(mut rows: Rows<'_>, key: &Key, mut see: impl FnMut(&Tail)) -> rusqlite::Result<Result<Tail, i64>> {
    let mut tail: Option<Tail> = None;
    while let Some(row) = rows.next()? {
        let next = match &tail {
            None => Tail::begin(row, key),
            Some(tail) => tail.follow(row, key),
        };
        let Some(next) = next else {
            return Ok(Err(tail.map_or(1, |tail| tail.seq.saturating_add(1))));
        };
        see(&next);
        tail = Some(next);
    }
    Ok(Ok(tail.unwrap_or(Tail::NONE)))
}

/// The number of an entry and the beginning of its seal, `SEQ:SEAL`. Whoever has kept one can tell later whether the
/// record up to there is still the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of the entry; 0 before the first.
    pub seq: i64,
    seal: [u8; SHOWN],
}

impl fmt::Display for Head {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.seq, hex::encode(self.seal))
    }
}

/// A text that is not a head.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is not a head of the record; write it as `berth audit verify` and the log show it: SEQ:SEAL")]
pub struct NoHead(String);

impl FromStr for Head {
    type Err = NoHead;

    fn from_str(text: &str) -> Result<Self, NoHead> {
        let read = || {
            let (seq, digits) = text.split_once(':')?;
            let mut seal = [0; SHOWN];
            hex::decode_to_slice(digits, &mut seal).ok()?;
            let seq = seq.parse().ok().filter(|seq| *seq >= 0)?;
            Some(Self { seq, seal })
        };
        read().ok_or_else(|| NoHead(text.to_owned()))
    }
}

/// The sealed part of an entry, as it is in the table.
pub(super) struct Fields<'a> {
    pub(super) seq: i64,
    pub(super) at: i64,
    pub(super) event: &'a str,
    pub(super) principal: &'a str,
    pub(super) tool: &'a str,
    pub(super) backend: &'a str,
    pub(super) session: &'a str,
    pub(super) arguments: &'a [u8],
    pub(super) outcome: &'a str,
    pub(super) duration: Option<i64>,
    pub(super) cost: Option<f64>,
    pub(super) text: &'a str,
    /// For an outcome, the number of its intention.
    pub(super) intention: Option<i64>,
    /// The digest of what was granted.
    pub(super) grants: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    /// `entry` as it is written under the number `seq`.
    pub(super) fn of(entry: &'a Entry, part: Part, seq: i64) -> Self {
        let whole = Self {
            seq,
            at: milliseconds(entry.at),
            event: entry.event.name(),
            principal: cut(&entry.principal, NAME),
            tool: cut(&entry.tool, NAME),
            backend: cut(&entry.backend, NAME),
            session: cut(&entry.session, NAME),
            arguments: entry.arguments.as_ref().map_or(&[], |digest| digest),
            outcome: entry.outcome.name(),
            duration: entry
                .duration
                .map(|time| time.as_millis().try_into().unwrap_or(i64::MAX)),
            // SQLite keeps neither NaN nor the sign of zero.
            cost: entry.cost.filter(|cost| *cost > 0.0),
            text: cut(&entry.text, TEXT),
            intention: None,
            grants: entry.grants.as_ref().map(|digest| &digest[..]),
        };
        match part {
            Part::Whole => whole,
            Part::Intention => Self {
                outcome: BEGUN,
                ..whole
            },
            // The intention has what was asked for.
            Part::Outcome(intention) => Self {
                arguments: &[],
                text: "",
                intention: Some(intention),
                ..whole
            },
        }
    }

    /// A row of [`COLUMNS`]. It is an error if a column holds what we never write.
    pub(super) fn read(row: &'a Row<'_>) -> rusqlite::Result<Self> {
        let text = |column| -> rusqlite::Result<&'a str> { Ok(row.get_ref(column)?.as_str()?) };
        Ok(Self {
            seq: row.get(0)?,
            at: row.get(1)?,
            event: text(2)?,
            principal: text(3)?,
            tool: text(4)?,
            backend: text(5)?,
            session: text(6)?,
            arguments: row.get_ref(7)?.as_blob()?,
            outcome: text(8)?,
            duration: row.get(9)?,
            cost: row.get(10)?,
            text: text(11)?,
            intention: row.get(12)?,
            grants: row.get_ref(13)?.as_blob_or_null()?,
        })
    }

    /// The seal of this entry after one with the seal `previous`.
    pub(super) fn seal(&self, key: &Key, previous: &Mac) -> Mac {
        self.seal_as(b"entry", key, previous)
    }

    /// The seal of an entry that replaces one that was pruned, and holds the seal of that one.
    pub(super) fn seal_of_pruning(&self, key: &Key) -> Mac {
        self.seal_as(b"pruning", key, &[0; 32])
    }

    fn seal_as(&self, kind: &[u8], key: &Key, previous: &Mac) -> Mac {
        let (seq, at) = (self.seq.to_be_bytes(), self.at.to_be_bytes());
        let duration = self.duration.map(i64::to_be_bytes);
        let cost = self.cost.map(f64::to_be_bytes);
        let intention = self.intention.map(i64::to_be_bytes);
        let always: [&[u8]; 14] = [
            kind,
            previous,
            &seq,
            &at,
            self.event.as_bytes(),
            self.principal.as_bytes(),
            self.tool.as_bytes(),
            self.backend.as_bytes(),
            self.session.as_bytes(),
            self.arguments,
            self.outcome.as_bytes(),
            duration.as_ref().map_or(&[], |bytes| bytes),
            cost.as_ref().map_or(&[], |bytes| bytes),
            self.text.as_bytes(),
        ];
        // Entries that are older than these are sealed without them. Their lengths differ, and are sealed as well.
        let later = [intention.as_ref().map(|number| &number[..]), self.grants];
        let mut all: [&[u8]; 16] = [&[]; 16];
        all[..14].copy_from_slice(&always);
        let mut count = 14;
        for part in later.into_iter().flatten() {
            all[count] = part;
            count += 1;
        }
        key.tag(&all[..count])
    }
}

/// The seal in a row of [`COLUMNS`].
pub(super) fn mac(row: &Row<'_>) -> rusqlite::Result<Mac> {
    row.get(14)
}

/// Milliseconds from 1970 to `at`.
pub(super) fn milliseconds(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis().try_into().unwrap_or(i64::MAX)
}

/// As much of `text` as fits into `bytes`.
fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}
