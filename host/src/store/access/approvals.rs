//! What the owner approves, and the code by which the app gets it: one use, within a minute (RFC 6749, 4.1.2).

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use tracing::warn;

use super::columns::{self, seconds, whole};
use super::families::{self, FAMILY};
use super::secret::{Origin, Secret, digest};
use super::tokens::{self, Issued, Pair, Refused};
use super::{AccessRecords, Error};
use crate::principal::{Backends, Scope};

/// How long a code may be redeemed.
const CODE: Duration = Duration::from_secs(60);

/// What the owner has just agreed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The app: a registered or fixed one, or the address of its document.
    pub client_id: String,
    /// Its name, as the owner was shown it.
    pub client_name: String,
    /// The redirect address of its request.
    pub redirect: String,
    /// The S256 challenge of its request (RFC 7636).
    pub challenge: String,
    /// The highest scope that it gets.
    pub scope: Scope,
    /// The backends that it may know of.
    pub backends: Backends,
    /// What its tokens are for, in the one spelling that is compared ever after.
    pub resource: String,
    /// Where the owner's browser is.
    pub address: IpAddr,
}

/// How an app redeems a code.
#[derive(Clone, Copy, Debug)]
pub struct Redemption<'r> {
    /// Who it is; for a client with a secret, checked already.
    pub client_id: &'r str,
    /// The redirect address that it repeats.
    pub redirect: &'r str,
    /// The S256 challenge of the verifier that it shows.
    pub challenge: &'r str,
    /// What it wants tokens for, if it names that (RFC 8707).
    pub resource: Option<&'r str>,
}

impl AccessRecords {
    /// Keeps the owner's approval, as a new family, and returns the code for the app: valid once, for 60 seconds.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn approve(&self, approval: &Approval, now: SystemTime) -> Result<Secret, Error> {
        let code = Secret::random()?;
        let now = seconds(now);
        self.change(|change| {
            families::prune(change, now)?;
            change.execute(
                "INSERT INTO families (kind, name, client_id, scope, backends, resource, created, expires, last_used, last_address)
                 VALUES ('app', ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?6, ?8)",
                params![
                    approval.client_name,
                    approval.client_id,
                    approval.scope,
                    approval.backends,
                    approval.resource,
                    now,
                    now + whole(FAMILY),
                    columns::address(approval.address),
                ],
            )?;
            change.execute(
                "INSERT INTO codes (digest, family, redirect, challenge, expires) VALUES (?1, last_insert_rowid(), ?2, ?3, ?4)",
                params![code.digest(), approval.redirect, approval.challenge, now + whole(CODE)],
            )?;
            let approved = "UPDATE clients SET approved = 1, last_used = ?2 WHERE id = ?1";
            change.execute(approved, params![approval.client_id, now]).map(drop)
        })?;
        Ok(code)
    }

    /// Exchanges a code for the first tokens of its family. Any wrong attempt spends the code: if someone presents a
    /// code wrongly, or for a second time, its family ends.
    ///
    /// # Errors
    /// If the database cannot be written. [`Refused`] if the code is unknown, too old, spent, or not for this.
    pub fn redeem(
        &self,
        code: &str,
        redemption: &Redemption<'_>,
        now: SystemTime,
    ) -> Result<Result<Issued, Refused>, Error> {
        let pair = Pair::random()?;
        let now = seconds(now);
        self.change(|change| {
            families::prune_tokens(change, now)?;
            let Some(found) = Code::find(change, code)? else {
                return Ok(Err(Refused::Grant));
            };
            if let Err(refused) = found.admits(redemption, now) {
                families::end(change, found.family)?;
                return Ok(Err(refused));
            }
            change.execute("UPDATE codes SET spent = 1 WHERE family = ?1", [found.family])?;
            families::touch(change, found.family, None, now)?;
            let pair = pair.sealed(&self.key, found.origin());
            tokens::issue(change, pair, found.family, found.scope, found.scope, now).map(Ok)
        })
    }
}

/// A code with its family.
struct Code {
    family: i64,
    created: i64,
    client_id: String,
    redirect: String,
    challenge: String,
    resource: String,
    scope: Scope,
    expires: i64,
    spent: bool,
}

impl Code {
    fn find(change: &Transaction<'_>, code: &str) -> rusqlite::Result<Option<Self>> {
        let joined = "SELECT family, created, client_id, redirect, challenge, resource, scope, codes.expires, spent
                      FROM codes JOIN families ON families.id = family WHERE codes.digest = ?1";
        change.query_row(joined, [digest(code)], Self::read).optional()
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            family: row.get("family")?,
            created: row.get("created")?,
            client_id: row.get("client_id")?,
            redirect: row.get("redirect")?,
            challenge: row.get("challenge")?,
            resource: row.get("resource")?,
            scope: row.get("scope")?,
            expires: row.get("expires")?,
            spent: row.get("spent")?,
        })
    }

    fn origin(&self) -> Origin {
        Origin {
            family: self.family,
            created: self.created,
        }
    }

    /// Whether the code may be exchanged in this way.
    fn admits(&self, redemption: &Redemption<'_>, now: i64) -> Result<(), Refused> {
        if self.spent {
            warn!(
                family = self.family,
                "a code was used twice, so its tokens are no longer valid"
            );
            return Err(Refused::Reused);
        }
        let bound = self.client_id == redemption.client_id
            && self.redirect == redemption.redirect
            && self.challenge == redemption.challenge;
        if !bound || self.expires <= now {
            return Err(Refused::Grant);
        }
        match redemption.resource {
            Some(wanted) if wanted != self.resource => Err(Refused::Resource),
            _ => Ok(()),
        }
    }
}
