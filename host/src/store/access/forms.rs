//! Forms that were filled in or closed: each counts once.

use std::time::{Duration, SystemTime};

use rusqlite::params;

use super::columns::{seconds, whole};
use super::{AccessRecords, Error};

/// How long a form is remembered after it has expired: a clock that is set back must not bring it back.
const REMEMBERED: Duration = Duration::from_hours(24);

impl AccessRecords {
    /// Spends the form with the number `once`, which is valid until `expires`. Answers whether it was not spent before.
    /// Once this has answered, the form is spent on the disk.
    ///
    /// # Errors
    /// If the database cannot be written; then it must count as spent.
    pub fn spend_form(&self, once: &[u8], expires: SystemTime, now: SystemTime) -> Result<bool, Error> {
        self.change(|change| {
            let old = "DELETE FROM forms WHERE expires < ?1";
            change.execute(old, [seconds(now) - whole(REMEMBERED)])?;
            let spend = "INSERT OR IGNORE INTO forms (once, expires) VALUES (?1, ?2)";
            Ok(change.execute(spend, params![once, seconds(expires)])? == 1)
        })
    }

    /// Whether the form with the number `once` was spent.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn form_is_spent(&self, once: &[u8]) -> Result<bool, Error> {
        self.read(|connection| {
            let look = "SELECT count(*) FROM forms WHERE once = ?1";
            Ok(connection.query_row(look, [once], |row| row.get::<_, i64>(0))? > 0)
        })
    }
}
