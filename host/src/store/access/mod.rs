//! Who may come in: the owner's passphrase and logins, apps, what the owner approved for them, and tokens.
//!
//! An approval makes a *family*: the code, and every token that results from it. A family ends as a whole: when the
//! owner or the app revokes it, when one of its secrets is used twice, and after 90 days. A personal token is a family
//! of one.
//!
//! Every change is one transaction that takes its turn with those of other processes, and is on the disk when the method
//! returns; so the methods block, for as long as a disk takes or another process holds the file. The documentation
//! names those that never block; call all others where blocking is allowed. Each takes the present time as `now`.

mod approvals;
mod apps;
mod columns;
mod families;
mod forms;
mod lockout;
mod logins;
mod owner;
pub mod passphrase;
mod secret;
mod tokens;
mod verify;
mod word;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::Error;
use super::database::{self, ACCESS};
use super::secret::Key;

pub use approvals::{Approval, Redemption};
pub use apps::{App, NewApp, Registered, Room};
pub use families::{Family, Kind};
pub use logins::Login;
pub use secret::Secret;
pub use tokens::{Issued, Refused};
pub use verify::Verified;
pub use word::Word;

/// The records of who may come in. Secrets are kept only as digests.
#[derive(Debug)]
pub struct AccessRecords {
    path: PathBuf,
    /// For changes, which wait for those of other processes.
    writing: Mutex<Connection>,
    /// For reading, which does not wait for changes, not even for ours.
    reading: Mutex<Connection>,
    key: Key,
    verified: verify::Cache,
    uses: families::Uses,
}

impl AccessRecords {
    pub(super) fn open(path: &Path, key: &Path) -> Result<Self, Error> {
        Ok(Self {
            path: path.to_owned(),
            writing: Mutex::new(database::open(path, &ACCESS, true)?),
            reading: Mutex::new(database::open(path, &ACCESS, true)?),
            key: Key::load_or_create(key)?,
            verified: verify::Cache::default(),
            uses: families::Uses::default(),
        })
    }

    /// Whether the file's schema is as berth makes it.
    ///
    /// # Errors
    /// [`Error::Altered`] with the differences and the fix; or if SQLite refuses.
    pub fn examine(&self) -> Result<(), Error> {
        match ACCESS.altered(&lock(&self.reading), &self.path)? {
            None => Ok(()),
            Some(altered) => Err(Error::Altered(altered)),
        }
    }

    /// Changes the records by `work`: all of it or nothing, with no other change between its steps.
    fn change<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, Error> {
        let done = transact(&mut lock(&self.writing), work);
        // What was found before may be wrong now.
        self.verified.forget();
        done.map_err(Error::database(&self.path))
    }

    /// Looks something up.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        work(&lock(&self.reading)).map_err(Error::database(&self.path))
    }
}

/// A connection, for one short transaction.
fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    // A panic elsewhere rolled its transaction back.
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does `work` in a transaction that begins by waiting for its turn to write.
fn transact<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = work(&transaction)?;
    transaction.commit()?;
    Ok(value)
}

#[cfg(test)]
mod tests;
