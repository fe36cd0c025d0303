//! Whom a bearer token speaks for: the question of every call, so its answers are kept in memory.
//!
//! What this process changes is seen at once. Changes of other processes, such as `berth tokens revoke`, are looked for
//! when the last look is 50 ms old: asking SQLite each time would cost more than everything else here.
//!
//! A call asks in three steps, so that nothing on the runtime's threads may block: [`AccessRecords::is_fresh`], otherwise
//! [`AccessRecords::look`] where it may block; [`AccessRecords::recall`]; and for a token that is not in memory
//! [`AccessRecords::verify`] where it may block.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::columns::seconds;
use super::families::Kind;
use super::secret::{self, Digest, Secret};
use super::{AccessRecords, Error};
use crate::principal::Principal;

/// The most tokens kept in memory.
const IN_MIND: usize = 10_000;

/// The most characters of a name in a principal's id.
const NAME: usize = 40;

/// What a valid token allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Who shows it: `app:NAME#FAMILY` or `token:NAME#FAMILY`.
    pub principal: Principal,
    /// What it is for, as it was approved; nothing means every address of ours. The caller compares.
    pub resource: Option<String>,
    /// Its family, for [`AccessRecords::note_use`].
    pub family: i64,
}

/// Tokens that were found valid.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Found>);

#[derive(Debug, Default)]
struct Found {
    tokens: HashMap<Digest, Token>,
    /// How often everything was forgotten: what was read before that must not be kept after it.
    forgotten: u64,
    /// Changes with every change of another connection.
    version: i64,
    /// When `version` was read last.
    looked: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Token {
    verified: Verified,
    expires: i64,
}

impl AccessRecords {
    /// Within which time every process notices what another has changed.
    pub const NOTICED_WITHIN: Duration = Duration::from_millis(50);

    /// Whether what other processes have changed was looked for within the last 50 ms. Never blocks.
    pub fn is_fresh(&self) -> bool {
        self.verified.lock().is_fresh()
    }

    /// Looks for what other processes have changed, unless that was done within the last 50 ms.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn look(&self) -> Result<(), Error> {
        if self.is_fresh() {
            return Ok(());
        }
        let began = Instant::now();
        let version = self.read(|connection| connection.pragma_query_value(None, "data_version", |row| row.get(0)))?;
        let mut found = self.verified.lock();
        // Two that look at the same time may end in either order; what the later one has seen counts.
        if found.looked.is_none_or(|looked| looked < began) {
            if version != found.version {
                found.forget();
            }
            (found.version, found.looked) = (version, Some(began));
        }
        Ok(())
    }

    /// Whom `token` speaks for, if that is in memory from an earlier [`AccessRecords::verify`]; nothing means that it
    /// is not known. Never blocks.
    pub fn recall(&self, token: &str, now: SystemTime) -> Option<Verified> {
        let digest = well_formed(token)?;
        let found = self.verified.lock();
        found.tokens.get(&digest).and_then(|token| token.at(now))
    }

    /// Whom the access or personal token `token` speaks for; none if it is not one of ours, or no longer valid.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Option<Verified>, Error> {
        let Some(digest) = well_formed(token) else {
            return Ok(None);
        };
        self.look()?;
        let known = self.recall(token, now);
        if known.is_some() {
            return Ok(known);
        }
        let forgotten = self.verified.lock().forgotten;
        let token = self.read(|connection| find(connection, &digest))?;
        if let Some(token) = &token {
            self.verified.lock().keep(digest, token, forgotten);
        }
        Ok(token.and_then(|token| token.at(now)))
    }
}

impl Cache {
    /// Forgets everything, after a change.
    pub(super) fn forget(&self) {
        self.lock().forget();
    }

    /// Held for moments only, never while SQLite works.
    fn lock(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Found {
    fn is_fresh(&self) -> bool {
        self.looked
            .is_some_and(|looked| looked.elapsed() < AccessRecords::NOTICED_WITHIN)
    }

    fn forget(&mut self) {
        self.tokens.clear();
        self.forgotten += 1;
    }

    /// Keeps what was read when everything had been forgotten `forgotten` times.
    fn keep(&mut self, digest: Digest, token: &Token, forgotten: u64) {
        if self.forgotten != forgotten {
            return;
        }
        // A token that is dropped is looked up again.
        if self.tokens.len() >= IN_MIND {
            self.tokens.clear();
        }
        self.tokens.insert(digest, token.clone());
    }
}

impl Token {
    /// What it allows at `now`.
    fn at(&self, now: SystemTime) -> Option<Verified> {
        (self.expires > seconds(now)).then(|| self.verified.clone())
    }
}

fn well_formed(token: &str) -> Option<Digest> {
    Secret::is_well_formed(token).then(|| secret::digest(token))
}

fn find(connection: &Connection, digest: &Digest) -> rusqlite::Result<Option<Token>> {
    let joined =
        "SELECT family, families.kind, name, tokens.scope, backends, resource, min(tokens.expires, families.expires)
                  FROM tokens JOIN families ON families.id = family WHERE digest = ?1 AND tokens.kind = 'access'";
    connection.query_row(joined, params![digest], token).optional()
}

fn token(row: &Row<'_>) -> rusqlite::Result<Token> {
    let (family, kind, name): (i64, Kind, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let id = format!("{}:{}#{family}", kind.name(), plain(&name));
    Ok(Token {
        verified: Verified {
            principal: Principal::new(id, row.get(3)?, row.get(4)?),
            resource: row.get(5)?,
            family,
        },
        expires: row.get(6)?,
    })
}

/// A foreign name as part of an id: short, and without characters that have a meaning there or in a log.
fn plain(name: &str) -> String {
    let plain = |c: char| {
        if c.is_alphanumeric() || "-_. ".contains(c) {
            c
        } else {
            '_'
        }
    };
    name.chars().take(NAME).map(plain).collect()
}
