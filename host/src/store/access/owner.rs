//! The owner: one passphrase, and the browsers that gave it.

use std::time::{Duration, SystemTime};

use rusqlite::{OptionalExtension as _, params};

use super::columns::{seconds, time, whole};
use super::secret::{Digest, Secret, digest};
use super::{AccessRecords, Error};

/// How long a login lasts.
const LOGIN: Duration = Duration::from_hours(12);

/// The most logins at once; beyond, the oldest ends.
const LOGINS: u32 = 100;

impl AccessRecords {
    /// The hash of the owner's passphrase, as [`super::passphrase::verify`] takes it; nothing if none was set yet.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn passphrase(&self) -> Result<Option<String>, Error> {
        self.read(|connection| {
            let found = connection.query_row("SELECT passphrase FROM owner", [], |row| row.get(0));
            found.optional()
        })
    }

    /// When the passphrase was set; nothing if none was set yet.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn passphrase_since(&self) -> Result<Option<SystemTime>, Error> {
        self.read(|connection| {
            let found = connection.query_row("SELECT since FROM owner", [], |row| row.get(0).map(time));
            found.optional()
        })
    }

    /// Sets the passphrase to one with this hash (of [`super::passphrase::hash`]). Ends all logins, and all lock-outs:
    /// whoever can do this is the owner.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn set_passphrase(&self, phc: &str, now: SystemTime) -> Result<(), Error> {
        self.change(|change| {
            change.execute("DELETE FROM logins", [])?;
            change.execute("DELETE FROM failures", [])?;
            let set = "INSERT INTO owner (id, passphrase, since) VALUES (1, ?1, ?2)
                       ON CONFLICT DO UPDATE SET passphrase = excluded.passphrase, since = excluded.since";
            change.execute(set, params![phc, seconds(now)]).map(drop)
        })
    }

    /// Logs in the owner, who has just given the passphrase at `origin`: the answer is the cookie's value for the next
    /// 12 hours. It is valid only at that origin. Browsers send what was set at a loopback name to every server on this
    /// machine, whatever its port, so it must not open the public address.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn log_in(&self, origin: &str, now: SystemTime) -> Result<Secret, Error> {
        let secret = Secret::random()?;
        let now = seconds(now);
        self.change(|change| {
            change.execute("DELETE FROM logins WHERE expires <= ?1", [now])?;
            let oldest =
                "DELETE FROM logins WHERE rowid IN (SELECT rowid FROM logins ORDER BY rowid DESC LIMIT -1 OFFSET ?1)";
            change.execute(oldest, [LOGINS - 1])?;
            let row = params![at(origin, secret.reveal()), now + whole(LOGIN)];
            change.execute("INSERT INTO logins (digest, expires) VALUES (?1, ?2)", row)
        })?;
        Ok(secret)
    }

    /// Whether `cookie` is the value of a valid login at `origin`.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn is_logged_in(&self, origin: &str, cookie: &str, now: SystemTime) -> Result<bool, Error> {
        self.read(|connection| {
            let lasting = "SELECT EXISTS (SELECT 1 FROM logins WHERE digest = ?1 AND expires > ?2)";
            connection.query_row(lasting, params![at(origin, cookie), seconds(now)], |row| row.get(0))
        })
    }

    /// Ends the login at `origin` by this cookie, if there is one.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn log_out(&self, origin: &str, cookie: &str) -> Result<(), Error> {
        self.change(|change| {
            change
                .execute("DELETE FROM logins WHERE digest = ?1", [at(origin, cookie)])
                .map(drop)
        })
    }
}

/// What is kept of a cookie. No origin holds a space.
fn at(origin: &str, cookie: &str) -> Digest {
    digest(&format!("{origin} {cookie}"))
}
