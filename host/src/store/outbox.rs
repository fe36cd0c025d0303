//! Messages that wait for their session, in a file of their own: `outbox.db`. What is in it outlives the process that put
//! it there, and only the owner of the data directory opens it.
//!
//! The methods block; they are called where blocking is allowed.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};

use super::Error;
use super::database::{self, OUTBOX};

/// The messages that wait.
#[derive(Debug)]
pub struct Outbox {
    path: PathBuf,
    connection: Mutex<Connection>,
}

/// One of them. Times are milliseconds since the Unix epoch, UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Its id, by which a backend knows a call that is repeated.
    pub id: String,
    /// The session that it is for: `backend/id`.
    pub session: String,
    /// What the name of that backend meant when it was put here.
    pub meaning: String,
    /// Who sent it: the id of a principal.
    pub principal: String,
    /// Since when it waits.
    pub at: u64,
    /// What it says.
    pub text: String,
    /// When typing it was begun, if what came of that is not known.
    pub began: Option<u64>,
    /// Why it is not sent any more, in words.
    pub fate: Option<String>,
}

/// What goes with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enclosure {
    /// A file name.
    pub name: String,
    /// What the bytes are.
    pub media_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Outbox {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let connection = database::open(path, &OUTBOX, true)?;
        match OUTBOX.altered(&connection, path)? {
            Some(altered) => Err(Error::Altered(altered)),
            None => Ok(Self::of(path.to_owned(), connection)),
        }
    }

    /// One that nothing outlives, for who only looks at what a configuration gives.
    ///
    /// # Errors
    /// SQLite does not work.
    pub fn in_memory() -> Result<Self, Error> {
        let path = PathBuf::from("an outbox in memory");
        let connection = database::in_memory(&OUTBOX).map_err(Error::database(&path))?;
        Ok(Self::of(path, connection))
    }

    fn of(path: PathBuf, connection: Connection) -> Self {
        let connection = Mutex::new(connection);
        Self { path, connection }
    }

    /// Puts a message there with what goes with it.
    ///
    /// # Errors
    /// The file cannot be written; the message is not there then.
    pub fn put(&self, letter: &Letter, enclosures: &[Enclosure]) -> Result<(), Error> {
        self.change(|change| {
            change.execute(
                "INSERT INTO message (id, session, meaning, principal, at, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    letter.id,
                    letter.session,
                    letter.meaning,
                    letter.principal,
                    whole(letter.at),
                    letter.text
                ],
            )?;
            for (place, enclosure) in (0_i64..).zip(enclosures) {
                change.execute(
                    "INSERT INTO attachment (message, place, name, media_type, bytes) VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![letter.id, place, enclosure.name, enclosure.media_type, enclosure.bytes],
                )?;
            }
            Ok(())
        })
    }

    /// All messages, in the order in which they came.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn all(&self) -> Result<Vec<Letter>, Error> {
        self.read(|connection| {
            let all = "SELECT id, session, meaning, principal, at, text, began, fate FROM message ORDER BY at, id";
            connection.prepare(all)?.query_map([], letter)?.collect()
        })
    }

    /// What goes with the message `id`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn enclosures(&self, id: &str) -> Result<Vec<Enclosure>, Error> {
        self.read(|connection| {
            let select = "SELECT name, media_type, bytes FROM attachment WHERE message = ?1 ORDER BY place";
            let mut statement = connection.prepare_cached(select)?;
            let rows = statement.query_map([id], |row| {
                Ok(Enclosure {
                    name: row.get(0)?,
                    media_type: row.get(1)?,
                    bytes: row.get(2)?,
                })
            })?;
            rows.collect()
        })
    }

    /// Notes since when it is not known whether the message `id` was typed; none: it was not.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_began(&self, id: &str, began: Option<u64>) -> Result<(), Error> {
        self.change(|change| {
            let update = "UPDATE message SET began = ?2 WHERE id = ?1";
            change.execute(update, params![id, began.map(whole)]).map(drop)
        })
    }

    /// Notes why the message `id` is not sent any more. Its texts go.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_fate(&self, id: &str, fate: &str) -> Result<(), Error> {
        self.change(|change| {
            change.execute("DELETE FROM attachment WHERE message = ?1", [id])?;
            let update = "UPDATE message SET fate = ?2, text = '', began = NULL WHERE id = ?1";
            change.execute(update, [id, fate]).map(drop)
        })
    }

    /// Removes the message `id`. If it is not there, that is a success.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn remove(&self, id: &str) -> Result<(), Error> {
        self.change(|change| {
            change.execute("DELETE FROM attachment WHERE message = ?1", [id])?;
            change.execute("DELETE FROM message WHERE id = ?1", [id]).map(drop)
        })
    }

    fn change(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>) -> Result<(), Error> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .and_then(|transaction| {
                work(&transaction)?;
                transaction.commit()
            });
        changed.map_err(Error::database(&self.path))
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        work(&connection).map_err(Error::database(&self.path))
    }
}

fn letter(row: &Row<'_>) -> rusqlite::Result<Letter> {
    Ok(Letter {
        id: row.get(0)?,
        session: row.get(1)?,
        meaning: row.get(2)?,
        principal: row.get(3)?,
        at: row.get::<_, i64>(4)?.unsigned_abs(),
        text: row.get(5)?,
        began: row.get::<_, Option<i64>>(6)?.map(i64::unsigned_abs),
        fate: row.get(7)?,
    })
}

/// A time as SQLite keeps it.
fn whole(at: u64) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn letter(id: &str, at: u64) -> Letter {
        Letter {
            id: id.into(),
            session: "local/app".into(),
            meaning: "one".into(),
            principal: "local".into(),
            at,
            text: "hello".into(),
            began: None,
            fate: None,
        }
    }

    fn enclosure(name: &str) -> Enclosure {
        Enclosure {
            name: name.into(),
            media_type: "text/plain".into(),
            bytes: vec![0, 255],
        }
    }

    #[test]
    fn what_is_put_there_is_found_by_who_opens_the_file_later_and_only_by_this_user() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("outbox.db");
        let outbox = Outbox::open(&path).unwrap();
        outbox.put(&letter("b", 2), &[enclosure("x"), enclosure("a")]).unwrap();
        outbox.put(&letter("a", 1), &[]).unwrap();
        outbox.set_began("b", Some(7)).unwrap();
        drop(outbox);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let outbox = Outbox::open(&path).unwrap();
        let began = Letter {
            began: Some(7),
            ..letter("b", 2)
        };
        assert_eq!(outbox.all().unwrap(), [letter("a", 1), began]);
        assert_eq!(outbox.enclosures("b").unwrap(), [enclosure("x"), enclosure("a")]);
        assert_eq!(outbox.enclosures("a").unwrap(), []);
    }

    #[test]
    fn of_a_message_that_is_not_sent_any_more_only_its_fate_stays() {
        let outbox = Outbox::in_memory().unwrap();
        outbox.put(&letter("a", 1), &[enclosure("x")]).unwrap();
        outbox.set_began("a", Some(3)).unwrap();
        outbox.set_fate("a", "it may have been typed").unwrap();
        let left = Letter {
            text: String::new(),
            fate: Some("it may have been typed".into()),
            ..letter("a", 1)
        };
        assert_eq!(outbox.all().unwrap(), [left]);
        assert_eq!(outbox.enclosures("a").unwrap(), []);
        outbox.remove("a").unwrap();
        outbox.remove("a").unwrap();
        assert_eq!(outbox.all().unwrap(), []);
    }
}
