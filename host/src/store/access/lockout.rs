//! How guessing a passphrase is slowed: after some failures each further one costs twice the wait.
//!
//! Counted by address, and over all addresses against those who have many. The second count is milder, and does not
//! apply where the owner has logged in before: whoever drives it up could otherwise keep the owner out for ever.
//!
//! A failure is forgotten only because of its age, never because there are many: an attacker with many addresses could
//! otherwise remove the count of the one that matters. The count over all keeps them few: some 3,000 in a day.
//!
//! `now` comes from a clock that only goes forward for as long as one process runs. Between two processes the system's
//! clock may have been set: forward, which shortens a wait, or back, which does not make a wait longer.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::columns::seconds;
use super::{AccessRecords, Error};
use crate::network::network;

/// Who counts together, and what failing costs them. Times in seconds.
struct Rule {
    /// How many failures are free except the last.
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

/// The entry for all addresses in the table.
const EVERYONE: &str = "";

/// How long a network is known from which the owner logged in, in seconds.
const KNOWN: i64 = 90 * 24 * 60 * 60;

/// The most of these; beyond, those that were used longest ago are forgotten.
const NETWORKS: u32 = 100;

impl AccessRecords {
    /// How long nobody may try to log in from `address`; nothing means that a try is allowed now. The caller must check
    /// passphrases one at a time, from asking this to reporting the outcome; otherwise many guesses at once would all
    /// be allowed.
    ///
    /// # Errors
    /// If the database cannot be read, or, after the clock was set back, cannot be written.
    pub fn login_wait(&self, address: IpAddr, now: SystemTime) -> Result<Option<Duration>, Error> {
        self.follow_clock(seconds(now))?;
        let latest: Option<i64> = self.read(|connection| {
            let latest = "SELECT max(until) FROM failures WHERE address = ?1 OR (
                              address = ?2 AND NOT EXISTS (SELECT 1 FROM places WHERE address = ?1 AND last > ?3))";
            let row = params![network_text(address), EVERYONE, seconds(now) - KNOWN];
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
            count(change, &network_text(address), &ADDRESS, now)?;
            count(change, EVERYONE, &OVERALL, now)?;
            let old = "DELETE FROM failures WHERE last <= ?1";
            change.execute(old, [now - ADDRESS.memory]).map(drop)
        })
    }

    /// Failures in the future come from a clock that was ahead: they count as of `now`, so that each wait is as long as
    /// it was meant to be.
    fn follow_clock(&self, now: i64) -> Result<(), Error> {
        let ahead = "SELECT EXISTS (SELECT 1 FROM failures WHERE last > ?1)";
        if self.read(|connection| connection.query_row(ahead, [now], |row| row.get(0)))? {
            let shift = "UPDATE failures SET until = until - (last - ?1), last = ?1 WHERE last > ?1";
            self.change(|change| change.execute(shift, [now]))?;
        }
        Ok(())
    }

    /// Forgets the failures from `address` and those counted over all addresses, because the owner is there, and old
    /// ones. From now on the count over all addresses does not apply to `address`.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn login_succeeded(&self, address: IpAddr, now: SystemTime) -> Result<(), Error> {
        let (address, now) = (network_text(address), seconds(now));
        self.change(|change| {
            change.execute(
                "REPLACE INTO places (address, last) VALUES (?1, ?2)",
                params![address, now],
            )?;
            let oldest = "DELETE FROM places WHERE address IN
                          (SELECT address FROM places ORDER BY last DESC LIMIT -1 OFFSET ?1)";
            change.execute(oldest, [NETWORKS])?;
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
        // A second more, because `now` is cut to whole seconds.
        Some(further) => 1 + 1_i64.checked_shl(further.min(32)).unwrap_or(i64::MAX).min(rule.longest),
    };
    let set = "INSERT INTO failures (address, count, last, until) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT DO UPDATE SET count = excluded.count, last = excluded.last, until = excluded.until";
    change
        .execute(set, params![address, failures, now, now + wait])
        .map(drop)
}

/// Who counts as one, as it is written in a table.
pub(super) fn network_text(address: IpAddr) -> String {
    match network(address) {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}
