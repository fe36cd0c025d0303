//! How guessing a passphrase is slowed: after some failures each further one costs twice the wait.
//!
//! Counted by address, and over all addresses against those who have many. The second count is milder, and does not hold
//! where the owner has logged in before: whoever drives it up could otherwise keep the owner out for good.
//!
//! A failure is forgotten by its age alone, and never because there are many: whoever has many addresses could otherwise
//! flush the count of the one that matters. The count over all keeps them few: some 3,000 in a day.
//!
//! `now` comes from a clock that only goes forward for as long as one process runs. Between two processes the system's
//! clock may have been set: forward, it shortens a wait, and back, it makes none longer.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::columns::seconds;
use super::{Access, Error};
use crate::network::network;

/// Who counts together, and what failing costs them. Times in seconds.
struct Rule {
    /// How many failures are free but for the last.
    free: u32,
    /// The longest wait.
    longest: i64,
    /// After how long without a failure all is forgotten.
    memory: i64,
}

const ADDRESS: Rule = Rule {
    free: 5,
    longest: 15 * 60,
    memory: 24 * 60 * 60,
};

const OVERALL: Rule = Rule {
    free: 50,
    longest: 30,
    memory: 60 * 60,
};

/// What stands for all addresses in the table.
const EVERYONE: &str = "";

/// How long a place is known from which the owner logged in, in seconds.
const KNOWN: i64 = 90 * 24 * 60 * 60;

/// The most of these; beyond, those that were used longest ago are forgotten.
const PLACES: u32 = 100;

impl Access {
    /// For how long nobody may try to log in from `address`; none: now. Whoever checks passphrases must do it one at a
    /// time, from asking this to telling of the outcome; otherwise many guesses at once all find the door open.
    ///
    /// # Errors
    /// If the database cannot be read, or not be written where the clock was set back.
    pub fn login_wait(&self, address: IpAddr, now: SystemTime) -> Result<Option<Duration>, Error> {
        self.follow_clock(seconds(now))?;
        let latest: Option<i64> = self.read(|connection| {
            let latest = "SELECT max(until) FROM failures WHERE address = ?1 OR (
                              address = ?2 AND NOT EXISTS (SELECT 1 FROM places WHERE address = ?1 AND last > ?3))";
            let row = params![place(address), EVERYONE, seconds(now) - KNOWN];
            connection.query_row(latest, row, |row| row.get(0))
        })?;
        let until = UNIX_EPOCH + Duration::from_secs(latest.and_then(|at| u64::try_from(at).ok()).unwrap_or_default());
        Ok(until.duration_since(now).ok().filter(|wait| !wait.is_zero()))
    }

    /// Counts a wrong passphrase from `address`: the fifth locks out for a second, each further one for twice as long,
    /// up to 15 minutes.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn login_failed(&self, address: IpAddr, now: SystemTime) -> Result<(), Error> {
        let now = seconds(now);
        self.change(|change| {
            count(change, &place(address), &ADDRESS, now)?;
            count(change, EVERYONE, &OVERALL, now)?;
            let old = "DELETE FROM failures WHERE last <= ?1";
            change.execute(old, [now - ADDRESS.memory]).map(drop)
        })
    }

    /// Failures of the future come from a clock that was ahead: they count as of `now`, so that each wait is as long as
    /// it was meant to be.
    fn follow_clock(&self, now: i64) -> Result<(), Error> {
        let ahead = "SELECT EXISTS (SELECT 1 FROM failures WHERE last > ?1)";
        if self.read(|connection| connection.query_row(ahead, [now], |row| row.get(0)))? {
            let shift = "UPDATE failures SET until = until - (last - ?1), last = ?1 WHERE last > ?1";
            self.change(|change| change.execute(shift, [now]))?;
        }
        Ok(())
    }

    /// Forgets the failures from `address` and those counted overall, for the owner is there; and those long past. From
    /// now on the count over all does not hold there.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn login_succeeded(&self, address: IpAddr, now: SystemTime) -> Result<(), Error> {
        let (address, now) = (place(address), seconds(now));
        self.change(|change| {
            change.execute(
                "REPLACE INTO places (address, last) VALUES (?1, ?2)",
                params![address, now],
            )?;
            let oldest = "DELETE FROM places WHERE address IN
                          (SELECT address FROM places ORDER BY last DESC LIMIT -1 OFFSET ?1)";
            change.execute(oldest, [PLACES])?;
            let forget = "DELETE FROM failures WHERE address IN (?1, ?2) OR last <= ?3";
            change
                .execute(forget, params![address, EVERYONE, now - ADDRESS.memory])
                .map(drop)
        })
    }
}

fn count(change: &Transaction<'_>, address: &str, rule: &Rule, now: i64) -> rusqlite::Result<()> {
    let lately = "SELECT count FROM failures WHERE address = ?1 AND last > ?2";
    let before: Option<u32> = change
        .query_row(lately, params![address, now - rule.memory], |row| row.get(0))
        .optional()?;
    let failures = before.unwrap_or(0).saturating_add(1);
    let wait = match failures.checked_sub(rule.free) {
        None => 0,
        // A second more, for `now` is cut to whole ones.
        Some(further) => 1 + 1_i64.checked_shl(further.min(32)).unwrap_or(i64::MAX).min(rule.longest),
    };
    let set = "INSERT INTO failures (address, count, last, until) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT DO UPDATE SET count = excluded.count, last = excluded.last, until = excluded.until";
    change
        .execute(set, params![address, failures, now, now + wait])
        .map(drop)
}

/// Who counts as one, as it stands in a table.
pub(super) fn place(address: IpAddr) -> String {
    match network(address) {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}
