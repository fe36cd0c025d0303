//! Apps that registered themselves (RFC 7591). Registering gives an app a name, and no access at all.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rusqlite::{OptionalExtension as _, Row, params};

use super::columns::{self, List, seconds, time, whole};
use super::{Access, Error};
use crate::store::files;

/// The most apps at once that the owner never approved.
const NEVER_APPROVED: u32 = 1000;

/// How long an app may go without the owner's first approval.
const FIRST_APPROVAL: Duration = Duration::from_hours(24);

/// What an app says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewClient {
    /// Its name, for the owner to read; whoever registers it bounds its length.
    pub name: String,
    /// Where it may send people back to; checked already.
    pub redirects: Vec<String>,
}

/// An app that has just been registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its id from now on: `berth-` and 32 hexadecimal digits.
    pub id: String,
    /// When it was made.
    pub created: SystemTime,
}

/// Too many apps have registered without ever being approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many apps have registered and were never approved; those that wait longest are forgotten within a day")]
pub struct Full;

/// A registered app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its id, `berth-…`.
    pub id: String,
    /// The name that it gave itself: foreign text.
    pub name: String,
    /// Where it may send people back to.
    pub redirects: Vec<String>,
    /// When it registered.
    pub created: SystemTime,
    /// When it was last approved, or its tokens last used or renewed, to the minute.
    pub last_used: Option<SystemTime>,
}

impl Access {
    /// Registers an app that asked from `address`. One that is never approved is forgotten after a day, at the earliest;
    /// others stay until [`Access::remove_client`].
    ///
    /// # Errors
    /// If the database cannot be written. [`Full`] where 1000 such apps wait for their first approval.
    pub fn register(
        &self,
        client: &NewClient,
        address: IpAddr,
        now: SystemTime,
    ) -> Result<Result<Registered, Full>, Error> {
        let id = format!("berth-{}", files::random_hex::<16>()?);
        let created = seconds(now);
        let done = self.change(|change| {
            let stale = "DELETE FROM clients WHERE approved = 0 AND created <= ?1";
            change.execute(stale, [created - whole(FIRST_APPROVAL)])?;
            let waiting = "SELECT count(*) FROM clients WHERE approved = 0";
            let waiting: u32 = change.query_row(waiting, [], |row| row.get(0))?;
            if waiting >= NEVER_APPROVED {
                return Ok(Err(Full));
            }
            let redirects = List(client.redirects.clone());
            change.execute(
                "INSERT INTO clients (id, name, redirects, address, created) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![id, client.name, redirects, columns::address(address), created],
            )?;
            Ok(Ok(()))
        })?;
        let created = time(created);
        Ok(done.map(|()| Registered { id, created }))
    }

    /// The registered app `id`.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn client(&self, id: &str) -> Result<Option<Client>, Error> {
        self.read(|connection| {
            let one = "SELECT id, name, redirects, created, last_used FROM clients WHERE id = ?1";
            connection.query_row(one, [id], client).optional()
        })
    }

    /// All registered apps, the oldest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn clients(&self) -> Result<Vec<Client>, Error> {
        self.read(|connection| {
            let all = "SELECT id, name, redirects, created, last_used FROM clients ORDER BY created, id";
            connection.prepare(all)?.query_map([], client)?.collect()
        })
    }

    /// Forgets the registered app `id`, and ends every family of a client of this id, registered or not. Answers whether
    /// there was anything of it.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn remove_client(&self, id: &str) -> Result<bool, Error> {
        self.change(|change| {
            let families = change.execute("DELETE FROM families WHERE client_id = ?1", [id])?;
            let clients = change.execute("DELETE FROM clients WHERE id = ?1", [id])?;
            Ok(families + clients > 0)
        })
    }
}

fn client(row: &Row<'_>) -> rusqlite::Result<Client> {
    let List(redirects) = row.get("redirects")?;
    Ok(Client {
        id: row.get("id")?,
        name: row.get("name")?,
        redirects,
        created: time(row.get("created")?),
        last_used: row.get::<_, Option<i64>>("last_used")?.map(time),
    })
}
