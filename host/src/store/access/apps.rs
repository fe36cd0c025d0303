//! Apps that registered themselves (RFC 7591). Registering gives an app a name, and no access at all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::columns::{self, List, seconds, time, whole};
use super::lockout::network_text;
use super::{AccessRecords, Error};
use crate::store::files;

/// How long an app may go without the owner's first approval.
const FIRST_APPROVAL: Duration = Duration::from_hours(24);

/// What an app says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApp {
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

/// How many apps are kept that the owner never approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// From all addresses.
    pub all: usize,
    /// From one address, which of IPv6 is a network of 64 bits.
    pub each: usize,
}

/// A registered app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
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

impl AccessRecords {
    /// Registers an app that asked from `address`. One that is never approved is forgotten after a day, or when there
    /// are more of its kind than `room` allows: then the oldest of its own address is removed, or of the address that
    /// has most. Others stay until [`AccessRecords::remove_app`].
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn register(&self, app: &NewApp, address: IpAddr, room: Room, now: SystemTime) -> Result<Registered, Error> {
        let id = format!("berth-{}", files::random_hex::<16>()?);
        let created = seconds(now);
        self.change(|change| {
            let stale = "DELETE FROM clients WHERE approved = 0 AND created <= ?1";
            change.execute(stale, [created - whole(FIRST_APPROVAL)])?;
            for leaving in leaving(waiting(change)?, &network_text(address), room) {
                change.execute("DELETE FROM clients WHERE id = ?1 AND approved = 0", [leaving])?;
            }
            let redirects = List(app.redirects.clone());
            change
                .execute(
                    "INSERT INTO clients (id, name, redirects, address, created) VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![id, app.name, redirects, columns::address(address), created],
                )
                .map(drop)
        })?;
        Ok(Registered {
            id,
            created: time(created),
        })
    }

    /// The registered app `id`.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn app(&self, id: &str) -> Result<Option<App>, Error> {
        self.read(|connection| {
            let one = "SELECT id, name, redirects, created, last_used FROM clients WHERE id = ?1";
            connection.query_row(one, [id], app).optional()
        })
    }

    /// All registered apps, the oldest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn apps(&self) -> Result<Vec<App>, Error> {
        self.read(|connection| {
            let all = "SELECT id, name, redirects, created, last_used FROM clients ORDER BY created, id";
            connection.prepare(all)?.query_map([], app)?.collect()
        })
    }

    /// Forgets the registered app `id`, and ends every family of an app of this id, registered or not. Answers whether
    /// there was anything to remove.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn remove_app(&self, id: &str) -> Result<bool, Error> {
        self.change(|change| {
            let families = change.execute("DELETE FROM families WHERE client_id = ?1", [id])?;
            let apps = change.execute("DELETE FROM clients WHERE id = ?1", [id])?;
            Ok(families + apps > 0)
        })
    }
}

/// An app that was never approved.
struct Waiting {
    id: String,
    /// The address that it registered from, in the words of [`network_text`].
    from: String,
}

/// These, the oldest first.
fn waiting(connection: &Connection) -> rusqlite::Result<Vec<Waiting>> {
    let all = "SELECT id, address FROM clients WHERE approved = 0 ORDER BY created, id";
    let app = |row: &Row<'_>| {
        let (id, address): (_, String) = (row.get("id")?, row.get("address")?);
        // A text that is not an address stays as it is.
        let from = address.parse().map_or(address, network_text);
        Ok(Waiting { id, from })
    };
    connection.prepare_cached(all)?.query_map([], app)?.collect()
}

/// Which of `waiting` are removed so that there is room for one more from the address `from`.
fn leaving(mut waiting: Vec<Waiting>, from: &str, room: Room) -> Vec<String> {
    let next = |waiting: &[Waiting]| {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for app in waiting {
            *counts.entry(&app.from).or_default() += 1;
        }
        if counts.get(from).is_some_and(|own| *own >= room.each) {
            return waiting.iter().position(|app| app.from == from);
        }
        let most = counts.values().max().filter(|_| waiting.len() >= room.all)?;
        waiting.iter().position(|app| counts.get(&*app.from) == Some(most))
    };
    let mut leaving = Vec::new();
    while let Some(oldest) = next(&waiting) {
        leaving.push(waiting.remove(oldest).id);
    }
    leaving
}

fn app(row: &Row<'_>) -> rusqlite::Result<App> {
    let List(redirects) = row.get("redirects")?;
    Ok(App {
        id: row.get("id")?,
        name: row.get("name")?,
        redirects,
        created: time(row.get("created")?),
        last_used: row.get::<_, Option<i64>>("last_used")?.map(time),
    })
}
