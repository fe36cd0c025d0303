//! Calls that were answered with a task while their work goes on, in a file of their own: `tasks.db`. What is in it outlives
//! the process that put it there, and only the owner of the data directory opens it.
//!
//! The methods block; they are called where blocking is allowed.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior, params};

use super::Error;
use super::database::{self, TASKS};

/// How long a task is kept, counted from its beginning.
pub const KEPT: Duration = Duration::from_hours(7 * 24);
/// Tasks of one caller, and of all. Of more, those go that have ended, the oldest first.
pub const EACH: usize = 64;
/// See [`EACH`].
pub const ALL: usize = 256;

/// The tasks that are kept.
#[derive(Debug)]
pub struct Tasks {
    path: PathBuf,
    connection: Mutex<Connection>,
}

/// One of them. Times are milliseconds since the Unix epoch, UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its id, a UUID: that of the call of an own tool, or of a new session's first message.
    pub id: String,
    /// Who called: the id of a principal.
    pub principal: String,
    /// The tool as it was called.
    pub tool: String,
    /// A JSON object: the arguments of the call, without what it attached.
    pub arguments: String,
    /// The backend that works on it.
    pub backend: String,
    /// What its name meant then.
    pub meaning: String,
    /// The id of the session within its backend.
    pub session: String,
    /// The cursor of the session's log just before.
    pub after: Option<String>,
    /// What the tool answered at once, in the words of who keeps it.
    pub first: String,
    /// When it was called.
    pub created: u64,
    /// When its work was over, as was seen.
    pub ended: Option<u64>,
    /// What the tool answers then, in the words of who keeps it; none: it was cancelled.
    pub answer: Option<String>,
}

impl Tasks {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let connection = database::open(path, &TASKS, true)?;
        match TASKS.altered(&connection, path)? {
            Some(altered) => Err(Error::Altered(altered)),
            None => Ok(Self::of(path.to_owned(), connection)),
        }
    }

    /// One that nothing outlives, for who only looks at what a configuration gives.
    ///
    /// # Errors
    /// SQLite does not work.
    pub fn in_memory() -> Result<Self, Error> {
        let path = PathBuf::from("tasks in memory");
        let connection = database::in_memory(&TASKS).map_err(Error::database(&path))?;
        Ok(Self::of(path, connection))
    }

    fn of(path: PathBuf, connection: Connection) -> Self {
        let connection = Mutex::new(connection);
        Self { path, connection }
    }

    /// Keeps a task that begins, and forgets those that are too old. Answers whether there was room for it: where too many
    /// still go on, there is none.
    ///
    /// # Errors
    /// The file cannot be written; the task is not there then.
    pub fn put(&self, task: &Task) -> Result<bool, Error> {
        self.change(|change| {
            let old = task.created.saturating_sub(whole_time(KEPT));
            change.execute("DELETE FROM task WHERE created < ?1", [whole(old)])?;
            if !make_room(change, Some(&task.principal), EACH)? || !make_room(change, None, ALL)? {
                return Ok(false);
            }
            change.execute(
                "INSERT INTO task (id, principal, tool, arguments, backend, meaning, session, after, first, created)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                params![
                    task.id,
                    task.principal,
                    task.tool,
                    task.arguments,
                    task.backend,
                    task.meaning,
                    task.session,
                    task.after,
                    task.first,
                    whole(task.created)
                ],
            )?;
            Ok(true)
        })
    }

    /// The task `id`, if it is not too old at the time `now`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn get(&self, id: &str, now: u64) -> Result<Option<Task>, Error> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let old = now.saturating_sub(whole_time(KEPT));
        let select =
            "SELECT id, principal, tool, arguments, backend, meaning, session, after, first, created, ended, answer
                      FROM task WHERE id = ?1 AND created >= ?2";
        let found = connection.query_row(select, params![id, whole(old)], task).optional();
        found.map_err(Error::database(&self.path))
    }

    /// Notes that the work of the task `id` was over at the time `now`, and what its tool answers then; none: it was
    /// cancelled. What was noted first stays.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn end(&self, id: &str, now: u64, answer: Option<&str>) -> Result<(), Error> {
        self.change(|change| {
            let update = "UPDATE task SET ended = ?2, answer = ?3, arguments = '{}', first = '{}'
                          WHERE id = ?1 AND ended IS NULL";
            change.execute(update, params![id, whole(now), answer]).map(drop)
        })
    }

    fn change<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, Error> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .and_then(|transaction| {
                let done = work(&transaction)?;
                transaction.commit()?;
                Ok(done)
            });
        changed.map_err(Error::database(&self.path))
    }
}

/// Whether there are fewer than `most` tasks, of one principal or of all, once one that has ended made room.
fn make_room(change: &Transaction<'_>, principal: Option<&str>, most: usize) -> rusqlite::Result<bool> {
    let count = "SELECT count(*) FROM task WHERE ?1 IS NULL OR principal = ?1";
    let is_free = || {
        let count: i64 = change.query_row(count, [principal], |row| row.get(0))?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX) < most)
    };
    if is_free()? {
        return Ok(true);
    }
    let oldest =
        "DELETE FROM task WHERE id = (SELECT id FROM task WHERE ended IS NOT NULL AND (?1 IS NULL OR principal = ?1)
                  ORDER BY created, id LIMIT 1)";
    change.execute(oldest, [principal])?;
    is_free()
}

fn task(row: &Row<'_>) -> rusqlite::Result<Task> {
    Ok(Task {
        id: row.get(0)?,
        principal: row.get(1)?,
        tool: row.get(2)?,
        arguments: row.get(3)?,
        backend: row.get(4)?,
        meaning: row.get(5)?,
        session: row.get(6)?,
        after: row.get(7)?,
        first: row.get(8)?,
        created: row.get::<_, i64>(9)?.unsigned_abs(),
        ended: row.get::<_, Option<i64>>(10)?.map(i64::unsigned_abs),
        answer: row.get(11)?,
    })
}

/// A time as SQLite keeps it.
fn whole(at: u64) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

fn whole_time(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn task(id: &str, principal: &str, created: u64) -> Task {
        Task {
            id: id.into(),
            principal: principal.into(),
            tool: "claude_run".into(),
            arguments: r#"{"prompt":"do it"}"#.into(),
            backend: "jobs".into(),
            meaning: "one".into(),
            session: "s".into(),
            after: None,
            first: r#"{"text":"submitted"}"#.into(),
            created,
            ended: None,
            answer: None,
        }
    }

    #[test]
    fn what_is_put_there_is_found_by_who_opens_the_file_later_and_only_by_this_user() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("tasks.db");
        assert!(Tasks::open(&path).unwrap().put(&task("a", "local", 5)).unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let tasks = Tasks::open(&path).unwrap();
        assert_eq!(tasks.get("a", 6).unwrap(), Some(task("a", "local", 5)));
        assert_eq!(tasks.get("b", 6).unwrap(), None);
    }

    #[test]
    fn the_first_end_counts_and_what_the_call_said_goes_with_it() {
        let tasks = Tasks::in_memory().unwrap();
        tasks.put(&task("a", "local", 5)).unwrap();
        tasks.end("a", 9, Some("done")).unwrap();
        tasks.end("a", 10, None).unwrap();
        let ended = tasks.get("a", 11).unwrap().unwrap();
        assert_eq!((ended.ended, ended.answer.as_deref()), (Some(9), Some("done")));
        assert_eq!((ended.arguments.as_str(), ended.first.as_str()), ("{}", "{}"));
    }

    #[test]
    fn one_that_has_ended_makes_room_and_one_that_goes_on_does_not() {
        let tasks = Tasks::in_memory().unwrap();
        let put = |number: u64, principal: &str| tasks.put(&task(&number.to_string(), principal, number)).unwrap();
        for number in 0..EACH as u64 {
            assert!(put(number, "app:x#1"));
        }
        assert!(!put(1_000, "app:x#1"), "there is no room");
        assert!(put(1_001, "local"), "another caller is not in its way");
        tasks.end("7", 2_000, None).unwrap();
        assert!(put(1_002, "app:x#1"));
        assert_eq!(tasks.get("7", 2_000).unwrap(), None);
        assert!(!put(1_003, "app:x#1"));
    }

    #[test]
    fn after_a_week_it_is_not_known_any_more() {
        let tasks = Tasks::in_memory().unwrap();
        tasks.put(&task("a", "local", 5)).unwrap();
        let week = whole_time(KEPT);
        assert!(tasks.get("a", 5 + week).unwrap().is_some());
        assert!(tasks.get("a", 6 + week).unwrap().is_none());
        tasks.put(&task("b", "local", 6 + week)).unwrap();
        assert!(tasks.get("a", 5).unwrap().is_none(), "it is gone");
    }
}
