//! The browsers in which the owner is logged in.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rusqlite::{OptionalExtension as _, Row, params};

use super::columns::{address, seconds, time, whole};
use super::secret::{Digest, Secret, digest};
use super::{AccessRecords, Error};

/// How long a login lasts after it was last used.
const LASTS: Duration = Duration::from_hours(30 * 24);

/// How often the use of a login is written down, in seconds.
const NOTED: i64 = 60 * 60;

/// The most logins at once; beyond, the one that was used longest ago ends.
const LOGINS: u32 = 100;

/// A browser in which the owner is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Its number; never used again.
    pub id: i64,
    /// The origin by which the browser reaches us.
    pub origin: String,
    /// When the owner logged in.
    pub created: SystemTime,
    /// When it was last used, to the hour.
    pub used: SystemTime,
    /// From where.
    pub address: Option<IpAddr>,
}

impl Login {
    /// How long a login lasts without being used.
    pub const LASTS: Duration = LASTS;

    /// Whether its use at `now` is to be noted: see [`AccessRecords::note_login`].
    pub fn is_to_be_noted(&self, now: SystemTime) -> bool {
        seconds(now) >= seconds(self.used) + NOTED
    }

    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            origin: row.get(1)?,
            created: row.get(2).map(time)?,
            used: row.get(3).map(time)?,
            address: row.get::<_, String>(4)?.parse().ok(),
        })
    }
}

/// What [`Login::of`] reads.
const COLUMNS: &str = "id, origin, created, used, address";

impl AccessRecords {
    /// Logs in the owner, who has just shown at `origin`, from `from`, who they are: the answer is the cookie's value, which
    /// is valid until it was not used for 30 days. It is valid only at that origin. Browsers send what was set at a loopback
    /// name to every server on this machine, whatever its port, so it must not open the public address.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn log_in(&self, origin: &str, from: IpAddr, now: SystemTime) -> Result<Secret, Error> {
        let secret = Secret::random()?;
        let now = seconds(now);
        self.change(|change| {
            change.execute("DELETE FROM logins WHERE used <= ?1", [now - whole(LASTS)])?;
            let oldest =
                "DELETE FROM logins WHERE id IN (SELECT id FROM logins ORDER BY used DESC, id DESC LIMIT -1 OFFSET ?1)";
            change.execute(oldest, [LOGINS - 1])?;
            let row = params![at(origin, secret.reveal()), origin, now, address(from)];
            change.execute(
                "INSERT INTO logins (digest, origin, created, used, address) VALUES (?1, ?2, ?3, ?3, ?4)",
                row,
            )
        })?;
        Ok(secret)
    }

    /// The valid login at `origin` of which `cookie` is the value.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn login(&self, origin: &str, cookie: &str, now: SystemTime) -> Result<Option<Login>, Error> {
        self.read(|connection| {
            let select = format!("SELECT {COLUMNS} FROM logins WHERE digest = ?1 AND used > ?2");
            let row = params![at(origin, cookie), seconds(now) - whole(LASTS)];
            connection.query_row(&select, row, Login::of).optional()
        })
    }

    /// Notes that the login with this number is used from `from`, so that it lasts for 30 days from `now`.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn note_login(&self, id: i64, from: IpAddr, now: SystemTime) -> Result<(), Error> {
        self.change(|change| {
            let row = params![id, seconds(now), address(from)];
            let note = "UPDATE logins SET used = max(used, ?2), address = ?3 WHERE id = ?1";
            change.execute(note, row).map(drop)
        })
    }

    /// All valid logins, the one that was used last first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn logins(&self, now: SystemTime) -> Result<Vec<Login>, Error> {
        self.read(|connection| {
            let select = format!("SELECT {COLUMNS} FROM logins WHERE used > ?1 ORDER BY used DESC, id DESC");
            let mut select = connection.prepare(&select)?;
            let found = select.query_map([seconds(now) - whole(LASTS)], Login::of)?;
            found.collect()
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

    /// Ends the login with this number. Answers whether there was one.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn end_login(&self, id: i64) -> Result<bool, Error> {
        self.change(|change| Ok(change.execute("DELETE FROM logins WHERE id = ?1", [id])? > 0))
    }

    /// Ends every login. Answers how many there were.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn end_logins(&self) -> Result<usize, Error> {
        self.change(|change| change.execute("DELETE FROM logins", []))
    }
}

/// What is kept of a cookie. No origin holds a space.
fn at(origin: &str, cookie: &str) -> Digest {
    digest(&format!("{origin} {cookie}"))
}
