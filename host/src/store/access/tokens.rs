//! The tokens of a family: issued in pairs, renewed in rotation (RFC 9700, 4.14), revoked together (RFC 7009).

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use tracing::warn;

use super::columns::{seconds, whole};
use super::families;
use super::secret::{Secret, digest};
use super::{Access, Error};
use crate::principal::Scope;
use crate::store::secret::Key;

/// How long an access token lasts.
const ACCESS: Duration = Duration::from_hours(1);

/// How long a refresh token lasts.
const REFRESH: Duration = Duration::from_hours(30 * 24);

/// How long a spent refresh token still yields its successor, for an app that lost the answer, or that renews in two
/// places at once. In seconds.
const GRACE: i64 = 30;

/// The most tokens of a family that are kept, spent ones included; beyond, the oldest are forgotten.
const KEPT: u32 = 1000;

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
    /// The code or token is none of ours, is spent or too old, or belongs to another request: `invalid_grant`.
    #[error("the code or token is unknown, spent or too old, or was given for another request; ask the owner anew")]
    Grant,
    /// The code or token was used a second time, which ended all that came of it: `invalid_grant`. An app is not told more
    /// than in the case before.
    #[error("the code or token is unknown, spent or too old, or was given for another request; ask the owner anew")]
    Reused,
    /// It asks for more than was approved: `invalid_scope`.
    #[error("the owner approved less than this scope; leave it out, or ask the owner anew")]
    Scope,
    /// It asks for another server than was approved: `invalid_target` (RFC 8707).
    #[error("the owner approved access to another resource; name that one, or none")]
    Resource,
}

impl Access {
    /// Exchanges a refresh token for the next pair; `scope` may narrow what the access token may do. The token is spent
    /// by that. For 30 seconds, and as long as its successor was not used, it yields the same pair once more; used
    /// again later, it ends its family, for then two hold it.
    ///
    /// # Errors
    /// If the database cannot be written. [`Refused`] if the token is unknown, expired, spent or another client's (then
    /// [`Refused::Grant`]), used twice ([`Refused::Reused`]), or if more was asked for than it is good for, which does not spend it.
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
            let Some(presented) = Presented::find(change, token, now)? else {
                return Ok(Err(Refused::Grant));
            };
            if let Err(refused) = presented.admits(client_id, resource, scope) {
                return Ok(Err(refused));
            }
            let pair = Pair::following(&self.key, token);
            let renewed = match presented.spent {
                None => {
                    let spend = "UPDATE tokens SET spent = ?2 WHERE digest = ?1";
                    change.execute(spend, params![digest(token), now])?;
                    let scope = scope.unwrap_or(presented.scope);
                    issue(change, pair, presented.family, presented.scope, scope, now).map(Ok)
                }
                Some(spent) => presented.answer_again(change, pair, spent, scope, now),
            }?;
            if renewed.is_ok() {
                families::touch(change, presented.family, Some(address), now)?;
            }
            Ok(renewed)
        })
    }

    /// Ends the family of a token of this client's, of either kind. A token that is none of its own is no error
    /// (RFC 7009, 2.2). Answers whether anything ended.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn revoke(&self, token: &str, client_id: &str) -> Result<bool, Error> {
        self.change(|change| {
            let family = "DELETE FROM families WHERE client_id = ?2
                          AND id = (SELECT family FROM tokens WHERE digest = ?1)";
            let ended = change.execute(family, params![digest(token), client_id])?;
            Ok(ended > 0)
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

    /// The one that follows from a refresh token: always the same, so that an answer can be given twice though only
    /// digests are kept.
    fn following(key: &Key, refresh: &str) -> Self {
        Self {
            access: Secret::derived(key, "access", refresh),
            refresh: Secret::derived(key, "refresh", refresh),
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

/// Makes tokens of `pair` in a family of scope `granted`, with an access token of `scope`. None outlives its family.
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

/// A refresh token that someone shows, as it is kept.
struct Presented {
    family: i64,
    client_id: Option<String>,
    resource: Option<String>,
    scope: Scope,
    spent: Option<i64>,
}

impl Presented {
    fn find(change: &Transaction<'_>, token: &str, now: i64) -> rusqlite::Result<Option<Self>> {
        let joined = "SELECT family, client_id, resource, families.scope, spent
                      FROM tokens JOIN families ON families.id = family
                      WHERE digest = ?1 AND tokens.kind = 'refresh' AND tokens.expires > ?2";
        let read = |row: &Row<'_>| {
            Ok(Self {
                family: row.get("family")?,
                client_id: row.get("client_id")?,
                resource: row.get("resource")?,
                scope: row.get("scope")?,
                spent: row.get("spent")?,
            })
        };
        change.query_row(joined, params![digest(token), now], read).optional()
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

    /// The same successor once more, if that is harmless; else the end of the family.
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
                // The first asking settled the scope; a narrower one is not given more.
                let fits = scope.is_none_or(|wanted| issued <= wanted);
                Ok(if fits {
                    Ok(pair.issued(issued, expires - now))
                } else {
                    Err(Refused::Scope)
                })
            }
            _ => {
                warn!(
                    family = self.family,
                    "a refresh token was used twice, so its tokens are void"
                );
                families::end(change, self.family)?;
                Ok(Err(Refused::Reused))
            }
        }
    }
}
