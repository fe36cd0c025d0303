//! The tokens of a family: issued in pairs, renewed in rotation (RFC 9700, 4.14), revoked together (RFC 7009).
//!
//! A refresh token has the sealed number of its family. So a spent one is recognised for as long as the family lives,
//! however often that was renewed since: it has the seal, and is not the one that can be renewed now.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use tracing::warn;

use super::columns::{seconds, whole};
use super::families;
use super::secret::{Origin, Secret, digest, named_family};
use super::{AccessRecords, Error};
use crate::principal::Scope;
use crate::store::secret::Key;

/// How long an access token lasts.
const ACCESS: Duration = Duration::from_hours(1);

/// How long a refresh token lasts.
const REFRESH: Duration = Duration::from_hours(30 * 24);

/// How long a spent refresh token still gives its successor, for an app that lost the answer, or that renews in two
/// places at once. In seconds.
const GRACE: i64 = 30;

/// The most tokens of a family that are kept, spent ones included; beyond, the oldest are forgotten. An access token
/// then ends early, and a spent refresh token is still known by its seal.
const KEPT: u32 = 1000;

/// When a refresh token that is known only by its seal was spent: too long ago for its answer to be given again.
const LONG_AGO: i64 = 0;

/// What an app gets.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Its token for calls.
    pub access: Secret,
    /// The token by which it gets the next pair.
    pub refresh: Secret,
    /// How long `access` lasts.
    pub expires_in: Duration,
    /// The highest scope that `access` has.
    pub scope: Scope,
}

/// Why an app gets no tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The code or token is not ours, is spent or too old, or belongs to another request: `invalid_grant`.
    #[error("the code or token is unknown, spent or too old, or was given for another request; ask the owner again")]
    Grant,
    /// The code or token was used a second time, which ended everything that came from it: `invalid_grant`. An app is
    /// not told more than in the case before.
    #[error("the code or token is unknown, spent or too old, or was given for another request; ask the owner again")]
    Reused,
    /// It asks for more than was approved: `invalid_scope`.
    #[error("the owner approved less than this scope; leave it out, or ask the owner again")]
    Scope,
    /// It asks for another server than was approved: `invalid_target` (RFC 8707).
    #[error("the owner approved access to another resource; name that one, or none")]
    Resource,
}

impl AccessRecords {
    /// Exchanges a refresh token for the next pair; `scope` may narrow what the access token may do. The token is spent
    /// by that. For 30 seconds, and while its successor is unused, it gives the same pair again; used again later, it
    /// ends its family, because then two clients have it.
    ///
    /// # Errors
    /// If the database cannot be written. [`Refused`] if the token is unknown, expired, spent or another client's (then
    /// [`Refused::Grant`]), used twice ([`Refused::Reused`]), or if more was asked for than it may be used for, which does not spend it.
    pub fn refresh(
        &self,
        token: &str,
        client_id: &str,
        resource: Option<&str>,
        scope: Option<Scope>,
        address: IpAddr,
        now: SystemTime,
    ) -> Result<Result<Issued, Refused>, Error> {
        let now = seconds(now);
        self.change(|change| {
            families::prune_tokens(change, now)?;
            let Some(presented) = Presented::find(change, &self.key, token, now)? else {
                return Ok(Err(Refused::Grant));
            };
            if let Err(refused) = presented.admits(client_id, resource, scope) {
                return Ok(Err(refused));
            }
            let pair = Pair::following(&self.key, token).sealed(&self.key, presented.origin);
            let renewed = match presented.spent {
                None => {
                    let spend = "UPDATE tokens SET spent = ?2 WHERE digest = ?1";
                    change.execute(spend, params![digest(token), now])?;
                    let scope = scope.unwrap_or(presented.scope);
                    issue(change, pair, presented.origin.family, presented.scope, scope, now).map(Ok)
                }
                Some(spent) => presented.answer_again(change, pair, spent, scope, now),
            }?;
            if renewed.is_ok() {
                families::touch(change, presented.origin.family, Some(address), now)?;
            }
            Ok(renewed)
        })
    }

    /// Ends the family of a token of this client's, of either kind. A token that does not belong to it is not an error
    /// (RFC 7009, 2.2). Answers whether anything ended.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn revoke(&self, token: &str, client_id: &str) -> Result<bool, Error> {
        self.change(|change| {
            let kept = "SELECT family FROM tokens WHERE digest = ?1";
            let kept = change.query_row(kept, [digest(token)], |row| row.get(0)).optional()?;
            let Some(family) =
                kept.map_or_else(|| sealed_family(change, &self.key, token), |family| Ok(Some(family)))?
            else {
                return Ok(false);
            };
            let ended = "DELETE FROM families WHERE id = ?1 AND client_id = ?2";
            Ok(change.execute(ended, params![family, client_id])? > 0)
        })
    }
}

/// Two secrets that are to become tokens.
pub(super) struct Pair {
    access: Secret,
    refresh: Secret,
}

impl Pair {
    /// The first of a family.
    pub(super) fn random() -> Result<Self, Error> {
        Ok(Self {
            access: Secret::random()?,
            refresh: Secret::random()?,
        })
    }

    /// The one that follows from a refresh token: always the same, so that an answer can be given twice although only
    /// digests are kept.
    fn following(key: &Key, refresh: &str) -> Self {
        Self {
            access: Secret::derived(key, "access", refresh),
            refresh: Secret::derived(key, "refresh", refresh),
        }
    }

    /// The same with the family in the refresh token.
    pub(super) fn sealed(self, key: &Key, origin: Origin) -> Self {
        Self {
            refresh: self.refresh.sealed(key, origin),
            ..self
        }
    }

    fn issued(self, scope: Scope, seconds: i64) -> Issued {
        Issued {
            access: self.access,
            refresh: self.refresh,
            expires_in: Duration::from_secs(u64::try_from(seconds).unwrap_or_default()),
            scope,
        }
    }
}

/// Makes tokens of `pair` in a family of scope `granted`, with an access token of `scope`. They do not outlive their
/// family.
pub(super) fn issue(
    change: &Transaction<'_>,
    pair: Pair,
    family: i64,
    granted: Scope,
    scope: Scope,
    now: i64,
) -> rusqlite::Result<Issued> {
    let end: i64 = change.query_row("SELECT expires FROM families WHERE id = ?1", [family], |row| row.get(0))?;
    let expires = end.min(now + whole(ACCESS));
    let insert = "INSERT INTO tokens (digest, family, kind, scope, expires) VALUES (?1, ?2, ?3, ?4, ?5)";
    change.execute(insert, params![pair.access.digest(), family, "access", scope, expires])?;
    let until = end.min(now + whole(REFRESH));
    change.execute(
        insert,
        params![pair.refresh.digest(), family, "refresh", granted, until],
    )?;
    // Row numbers grow with each token.
    let oldest = "DELETE FROM tokens WHERE family = ?1 AND rowid <=
                  (SELECT rowid FROM tokens WHERE family = ?1 ORDER BY rowid DESC LIMIT 1 OFFSET ?2)";
    change.execute(oldest, params![family, KEPT])?;
    Ok(pair.issued(scope, expires - now))
}

/// The family whose seal `token` has, if it lives.
fn sealed_family(change: &Transaction<'_>, key: &Key, token: &str) -> rusqlite::Result<Option<i64>> {
    let Some(family) = named_family(token) else {
        return Ok(None);
    };
    let created = "SELECT created FROM families WHERE id = ?1";
    let created = change.query_row(created, [family], |row| row.get(0)).optional()?;
    let fits = |created: &i64| {
        let origin = Origin {
            family,
            created: *created,
        };
        origin.fits(key, token)
    };
    Ok(created.filter(fits).map(|_| family))
}

/// A refresh token that someone presents.
struct Presented {
    origin: Origin,
    client_id: Option<String>,
    resource: Option<String>,
    scope: Scope,
    spent: Option<i64>,
}

impl Presented {
    /// As it is kept, or as its seal tells.
    fn find(change: &Transaction<'_>, key: &Key, token: &str, now: i64) -> rusqlite::Result<Option<Self>> {
        let kept = "SELECT families.*, spent FROM tokens JOIN families ON families.id = family
                    WHERE digest = ?1 AND tokens.kind = 'refresh' AND tokens.expires > ?2";
        let kept = change
            .query_row(kept, params![digest(token), now], Self::read)
            .optional()?;
        if kept.is_some() {
            return Ok(kept);
        }
        let Some(family) = sealed_family(change, key, token)? else {
            return Ok(None);
        };
        // If there is none that can be renewed now, this one itself has expired.
        let spent = "SELECT families.*, ?3 AS spent FROM families WHERE id = ?1 AND EXISTS (
                         SELECT 1 FROM tokens WHERE family = ?1 AND kind = 'refresh' AND spent IS NULL AND expires > ?2)";
        let row = params![family, now, LONG_AGO];
        change.query_row(spent, row, Self::read).optional()
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            origin: Origin {
                family: row.get("id")?,
                created: row.get("created")?,
            },
            client_id: row.get("client_id")?,
            resource: row.get("resource")?,
            scope: row.get("scope")?,
            spent: row.get("spent")?,
        })
    }

    /// Whether it may be used by this client, and for this.
    fn admits(&self, client_id: &str, resource: Option<&str>, scope: Option<Scope>) -> Result<(), Refused> {
        if self.client_id.as_deref() != Some(client_id) {
            return Err(Refused::Grant);
        }
        if resource.is_some() && resource != self.resource.as_deref() {
            return Err(Refused::Resource);
        }
        if scope > Some(self.scope) {
            return Err(Refused::Scope);
        }
        Ok(())
    }

    /// The same successor again, if that is harmless; otherwise the end of the family.
    fn answer_again(
        &self,
        change: &Transaction<'_>,
        pair: Pair,
        spent: i64,
        scope: Option<Scope>,
        now: i64,
    ) -> rusqlite::Result<Result<Issued, Refused>> {
        let unspent = "SELECT EXISTS (SELECT 1 FROM tokens WHERE digest = ?1 AND spent IS NULL)";
        let unused: bool = change.query_row(unspent, [pair.refresh.digest()], |row| row.get(0))?;
        let issued = "SELECT scope, expires FROM tokens WHERE digest = ?1 AND expires > ?2";
        let issued: Option<(Scope, i64)> = change
            .query_row(issued, params![pair.access.digest(), now], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        match issued {
            Some((issued, expires)) if unused && now - spent <= GRACE => {
                // The first request decided the scope; a narrower one does not get more.
                let fits = scope.is_none_or(|wanted| issued <= wanted);
                Ok(if fits {
                    Ok(pair.issued(issued, expires - now))
                } else {
                    Err(Refused::Scope)
                })
            }
            _ => {
                warn!(
                    family = self.origin.family,
                    "a refresh token was used twice, so its tokens are no longer valid"
                );
                families::end(change, self.origin.family)?;
                Ok(Err(Refused::Reused))
            }
        }
    }
}
