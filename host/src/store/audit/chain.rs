//! The chain: each entry is sealed together with the one before it, by a key that stands in a file apart.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension as _, Row};
use thiserror::Error;

use super::Entry;
use crate::store::secret::Key;

/// The columns that are sealed, in the order of [`Fields::read`]; the seal itself follows them.
pub(super) const COLUMNS: &str =
    "seq, at, event, principal, tool, backend, session, arguments, outcome, duration, cost, text, mac";

/// Bytes of a name that a caller or an app chose: a longer one is no name of ours.
const NAME: usize = 256;
/// Bytes of arguments, or of what is said of an event.
pub(super) const TEXT: usize = 4 << 10;
/// Bytes of a seal that a head shows: 128 bits, which nobody meets by trying.
const SHOWN: usize = 16;

/// An HMAC-SHA256.
pub(super) type Mac = [u8; 32];

/// Where the record ends.
pub(super) struct Tail {
    /// Number of the last entry; 0 before the first.
    pub(super) seq: i64,
    pub(super) mac: Mac,
}

impl Tail {
    /// Before the first entry.
    pub(super) const NONE: Self = Self { seq: 0, mac: [0; 32] };

    /// The last entry that `connection` sees, or the one `before` the last.
    pub(super) fn read(connection: &Connection, before: u8) -> rusqlite::Result<Self> {
        let last = connection
            .prepare_cached("SELECT seq, mac FROM audit ORDER BY seq DESC LIMIT 1 OFFSET ?")?
            .query_row((before,), |row| {
                Ok(Self {
                    seq: row.get(0)?,
                    mac: row.get(1)?,
                })
            });
        Ok(last.optional()?.unwrap_or(Self::NONE))
    }

    pub(super) fn head(&self) -> Head {
        let mut seal = [0; SHOWN];
        seal.copy_from_slice(&self.mac[..SHOWN]);
        Head { seq: self.seq, seal }
    }
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
        write!(formatter, "{}:", self.seq)?;
        self.seal.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// A text that is no head.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no head of the record; write it as `berth audit verify` and the log show it: SEQ:SEAL")]
pub struct NoHead(String);

impl FromStr for Head {
    type Err = NoHead;

    fn from_str(text: &str) -> Result<Self, NoHead> {
        let read = || {
            let (seq, digits) = text.split_once(':')?;
            if digits.len() != 2 * SHOWN || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            let mut seal = [0; SHOWN];
            for (place, byte) in seal.iter_mut().enumerate() {
                *byte = u8::from_str_radix(digits.get(2 * place..2 * place + 2)?, 16).ok()?;
            }
            let seq = seq.parse().ok().filter(|seq| *seq >= 0)?;
            Some(Self { seq, seal })
        };
        read().ok_or_else(|| NoHead(text.to_owned()))
    }
}

/// What of an entry is sealed, as it stands in the table.
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
}

impl<'a> Fields<'a> {
    /// `entry` as it is written under the number `seq`.
    pub(super) fn of(entry: &'a Entry, seq: i64) -> Self {
        Self {
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
        }
    }

    /// A row of [`COLUMNS`]. An error: a column holds what we never write.
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
        })
    }

    /// The seal of this entry behind one with the seal `previous`.
    pub(super) fn seal(&self, key: &Key, previous: &Mac) -> Mac {
        key.tag(&[
            b"entry",
            previous,
            &self.seq.to_be_bytes(),
            &self.at.to_be_bytes(),
            self.event.as_bytes(),
            self.principal.as_bytes(),
            self.tool.as_bytes(),
            self.backend.as_bytes(),
            self.session.as_bytes(),
            self.arguments,
            self.outcome.as_bytes(),
            self.duration.map(i64::to_be_bytes).as_ref().map_or(&[], |bytes| bytes),
            self.cost.map(f64::to_be_bytes).as_ref().map_or(&[], |bytes| bytes),
            self.text.as_bytes(),
        ])
    }
}

/// The seal in a row of [`COLUMNS`].
pub(super) fn mac(row: &Row<'_>) -> rusqlite::Result<Mac> {
    row.get(12)
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
