//! Whom a bearer token speaks for: the question of every call, so its answers are kept in mind.
//!
//! What this process changes is seen at once. Changes of other processes, such as `berth tokens revoke`, are looked for
//! at most every 50 ms: asking SQLite each time would cost more than everything else here.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::columns::seconds;
use super::families::Kind;
use super::secret::{self, Digest, Secret};
use super::{Access, Error};
use crate::principal::Principal;

/// The most tokens kept in mind.
const IN_MIND: usize = 10_000;

/// The most characters of a name in a principal's id.
const NAME: usize = 40;

/// What a good token is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Who shows it: `app:NAME#FAMILY` or `token:NAME#FAMILY`.
    pub principal: Principal,
    /// What it is for, as it was approved; none: whatever address is ours. The caller compares.
    pub resource: Option<String>,
    /// Its family, for [`Access::note_use`].
    pub family: i64,
}

/// Tokens that were found good, and the connection to look for others: one of its own, so that no call waits for a
/// change that goes to the disk.
#[derive(Debug)]
pub(super) struct Cache(Mutex<Found>);

#[derive(Debug)]
struct Found {
    connection: Connection,
    tokens: HashMap<Digest, Token>,
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

impl Access {
    /// Within which time every process heeds what another has changed.
    pub const HEEDED_WITHIN: Duration = Duration::from_millis(50);

    /// Whom the access or personal token `token` speaks for; none if it is none of ours, or no longer good.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Option<Verified>, Error> {
        if !Secret::is_well_formed(token) {
            return Ok(None);
        }
        let digest = secret::digest(token);
        let mut found = self.verified.0.lock().unwrap_or_else(PoisonError::into_inner);
        let token = found.token(&digest).map_err(Error::database(&self.path))?;
        Ok(token
            .filter(|token| token.expires > seconds(now))
            .map(|token| token.verified.clone()))
    }
}

impl Cache {
    pub(super) fn new(connection: Connection) -> Self {
        Self(Mutex::new(Found {
            connection,
            tokens: HashMap::new(),
            version: 0,
            looked: None,
        }))
    }

    /// Forgets everything, after a change.
    pub(super) fn forget(&self) {
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        found.tokens.clear();
    }
}

impl Found {
    fn token(&mut self, digest: &Digest) -> rusqlite::Result<Option<&Token>> {
        self.heed_others()?;
        if !self.tokens.contains_key(digest) {
            let Some(token) = find(&self.connection, digest)? else {
                return Ok(None);
            };
            if self.tokens.len() >= IN_MIND {
                self.tokens.clear();
            }
            self.tokens.insert(*digest, token);
        }
        Ok(self.tokens.get(digest))
    }

    /// Forgets everything if another connection changed anything.
    fn heed_others(&mut self) -> rusqlite::Result<()> {
        let present = Instant::now();
        if self
            .looked
            .is_some_and(|looked| present - looked < Access::HEEDED_WITHIN)
        {
            return Ok(());
        }
        let version = self
            .connection
            .pragma_query_value(None, "data_version", |row| row.get(0))?;
        if version != self.version {
            self.tokens.clear();
        }
        (self.version, self.looked) = (version, Some(present));
        Ok(())
    }
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

/// A name of foreign origin as part of an id: short, and of nothing that has a meaning there or in a log.
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
