//! The owner's one passphrase.

use std::time::SystemTime;

use rusqlite::{OptionalExtension as _, params};

use super::columns::{seconds, time};
use super::{AccessRecords, Error};

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
}
