//! Families: what exists by the owner's approval, seen and ended as a whole. A personal token is a family of one.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Row, Transaction, params};

use super::columns::{self, seconds, time, whole};
use super::secret::Secret;
use super::{AccessRecords, Error, lock, transact};
use crate::principal::{Backends, Meaning, Principal, Scope};

/// How long an approval is valid.
pub(super) const FAMILY: Duration = Duration::from_hours(90 * 24);

/// How often the use of a family is written down, in seconds.
const NOTED: i64 = 60;

/// The most families whose last use is kept in memory.
const IN_MIND: usize = 10_000;

/// Where a family comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An app that the owner approved on the consent page.
    App,
    /// A personal token, made on the command line.
    Token,
}

impl Kind {
    /// Its name, in the principal's id and for people: `app` or `token`.
    pub fn name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Token => "token",
        }
    }
}

/// What exists by one approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its number; never used again.
    pub id: i64,
    /// Where it comes from.
    pub kind: Kind,
    /// The app's name as the owner was shown it, or the name of a personal token: foreign text.
    pub name: String,
    /// The app; none for a personal token.
    pub client_id: Option<String>,
    /// The highest scope.
    pub scope: Scope,
    /// The backends that it may know of.
    pub backends: Backends,
    /// What its tokens are for; nothing means every address of ours.
    pub resource: Option<String>,
    /// When it was approved.
    pub created: SystemTime,
    /// When it ends, whatever happens.
    pub expires: SystemTime,
    /// When it was last used, to the minute.
    pub last_used: Option<SystemTime>,
    /// From where.
    pub last_address: Option<IpAddr>,
}

/// When the use of each family was last written down, by its number.
#[derive(Debug, Default)]
pub(super) struct Uses(Mutex<HashMap<i64, i64>>);

impl AccessRecords {
    /// Makes a personal token that lasts for `expires` and is valid for every address of ours.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn create_token(
        &self,
        name: &str,
        scope: Scope,
        backends: &Backends,
        expires: Duration,
        now: SystemTime,
    ) -> Result<Secret, Error> {
        let token = Secret::random()?;
        let now = seconds(now);
        let end = now.saturating_add(whole(expires));
        self.change(|change| {
            prune(change, now)?;
            change.execute(
                "INSERT INTO families (kind, name, scope, backends, created, expires)
                 VALUES ('token', ?1, ?2, ?3, ?4, ?5)",
                params![name, scope, backends, now, end],
            )?;
            change.execute(
                "INSERT INTO tokens (digest, family, kind, scope, expires) VALUES (?1, last_insert_rowid(), 'access', ?2, ?3)",
                params![token.digest(), scope, end],
            )
        })?;
        Ok(token)
    }

    /// The families that have a valid token, the oldest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn families(&self, now: SystemTime) -> Result<Vec<Family>, Error> {
        self.read(|connection| {
            let live = "SELECT * FROM families WHERE expires > ?1 AND EXISTS
                        (SELECT 1 FROM tokens WHERE family = id AND tokens.expires > ?1 AND spent IS NULL) ORDER BY id";
            connection.prepare(live)?.query_map([seconds(now)], family)?.collect()
        })
    }

    /// Whether the principal known as `id` has access at `now`: the operator always, others while their family lasts.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn has_access(&self, id: &str, now: SystemTime) -> Result<bool, Error> {
        let family: Option<i64> = id.rsplit_once('#').and_then(|(_, family)| family.parse().ok());
        match family {
            None => Ok(id == Principal::local().id()),
            Some(family) => Ok(self.families(now)?.iter().any(|one: &Family| one.id == family)),
        }
    }

    /// Binds the approvals of an older berth, which have names of backends alone, to what these names mean now. A name that
    /// means nothing now is not approved any more.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn bind(&self, meanings: &BTreeMap<String, Meaning>) -> Result<(), Error> {
        let meanings = serde_json::to_string(meanings).unwrap_or_default();
        self.change(|change| {
            let unbound = "UPDATE families SET backends = (
                    SELECT json_group_object(named.key, coalesce(named.value, now.value, ''))
                    FROM json_each(families.backends) AS named LEFT JOIN json_each(?1) AS now ON now.key = named.key)
                WHERE backends <> 'all' AND EXISTS (SELECT 1 FROM json_each(families.backends) WHERE value IS NULL)";
            change.execute(unbound, [meanings]).map(drop)
        })
    }

    /// Ends the family `id` with all its tokens. Answers whether there was one.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn revoke_family(&self, id: i64) -> Result<bool, Error> {
        self.change(|change| end(change, id).map(|ended| ended > 0))
    }

    /// Ends every family: no app and no personal token gets in after that. Answers how many ended.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn revoke_all(&self) -> Result<usize, Error> {
        self.change(|change| change.execute("DELETE FROM families", []))
    }

    /// Whether [`AccessRecords::note_use`] has nothing to write for this family, as it wrote within the last minute. Never
    /// blocks.
    pub fn is_use_noted(&self, family: i64, now: SystemTime) -> bool {
        self.uses.is_noted(family, seconds(now))
    }

    /// Writes down that a family was used from `address`, at most once a minute. Unlike other changes this one may be
    /// lost in a power cut; it does not wait for the disk, but may wait for another's change.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn note_use(&self, family: i64, address: IpAddr, now: SystemTime) -> Result<(), Error> {
        let now = seconds(now);
        if !self.uses.note(family, now) {
            return Ok(());
        }
        let mut connection = lock(&self.writing);
        let relaxed = connection.pragma_update(None, "synchronous", "normal");
        let noted =
            relaxed.and_then(|()| transact(&mut connection, |change| touch(change, family, Some(address), now)));
        let strict = connection.pragma_update(None, "synchronous", "full");
        noted.and(strict).map_err(Error::database(&self.path))
    }
}

impl Uses {
    fn is_noted(&self, family: i64, now: i64) -> bool {
        is_fresh(&self.lock(), family, now)
    }

    /// The caller must write, unless someone did within the last minute.
    fn note(&self, family: i64, now: i64) -> bool {
        let mut noted = self.lock();
        if is_fresh(&noted, family, now) {
            return false;
        }
        if noted.len() >= IN_MIND {
            noted.clear();
        }
        noted.insert(family, now);
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// After the clock was set back by more than a minute, the note also counts as old.
fn is_fresh(noted: &HashMap<i64, i64>, family: i64, now: i64) -> bool {
    noted.get(&family).is_some_and(|last| (now - last).abs() < NOTED)
}

/// Writes down that a family was used: by its app, which counts as used too. Without `address` the last one stays.
pub(super) fn touch(change: &Transaction<'_>, family: i64, address: Option<IpAddr>, now: i64) -> rusqlite::Result<()> {
    let used = "UPDATE families SET last_used = ?2, last_address = coalesce(?3, last_address) WHERE id = ?1";
    change.execute(used, params![family, now, address.map(columns::address)])?;
    let client = "UPDATE clients SET last_used = ?2 WHERE id = (SELECT client_id FROM families WHERE id = ?1)";
    change.execute(client, params![family, now]).map(drop)
}

/// Ends a family; its code and tokens are removed with it.
pub(super) fn end(change: &Transaction<'_>, family: i64) -> rusqlite::Result<usize> {
    change.execute("DELETE FROM families WHERE id = ?1", [family])
}

/// Forgets tokens that are too old.
pub(super) fn prune_tokens(change: &Transaction<'_>, now: i64) -> rusqlite::Result<()> {
    change
        .execute("DELETE FROM tokens WHERE expires <= ?1", [now])
        .map(drop)
}

/// Forgets tokens that are too old, and families that no longer have a valid one.
pub(super) fn prune(change: &Transaction<'_>, now: i64) -> rusqlite::Result<()> {
    prune_tokens(change, now)?;
    let barren = "DELETE FROM families WHERE expires <= ?1 OR (
                      NOT EXISTS (SELECT 1 FROM tokens WHERE family = id)
                      AND NOT EXISTS (SELECT 1 FROM codes WHERE family = id AND spent = 0 AND codes.expires > ?1))";
    change.execute(barren, [now]).map(drop)
}

impl FromSql for Kind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "app" => Ok(Self::App),
            "token" => Ok(Self::Token),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

fn family(row: &Row<'_>) -> rusqlite::Result<Family> {
    let last_address: Option<String> = row.get("last_address")?;
    Ok(Family {
        id: row.get("id")?,
        kind: row.get("kind")?,
        name: row.get("name")?,
        client_id: row.get("client_id")?,
        scope: row.get("scope")?,
        backends: row.get("backends")?,
        resource: row.get("resource")?,
        created: time(row.get("created")?),
        expires: time(row.get("expires")?),
        last_used: row.get::<_, Option<i64>>("last_used")?.map(time),
        last_address: last_address.and_then(|text| text.parse().ok()),
    })
}
