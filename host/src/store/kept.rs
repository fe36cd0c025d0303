//! What one backend keeps from call to call: small values by key, with compare-and-swap, in a file of its own, so that no
//! backend waits for another's writes.
//!
//! The methods block; they are called where blocking is allowed. What was written outlives this process.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::Error;
use super::database::{self, KEPT};

/// Bytes of a key.
const KEY: usize = 256;
/// Bytes of a value.
const VALUE: usize = 1 << 20;
/// Entries of one backend.
const ENTRIES: i64 = 100_000;
/// Bytes of all its keys and values.
const BYTES: i64 = 64 << 20;

/// Why something was not kept, or not found out.
#[derive(Debug, thiserror::Error)]
pub enum Unkept {
    /// Another call was quicker.
    #[error("`{key}` has version {found} and not {expected}: it was changed since it was read")]
    Conflict {
        /// The entry.
        key: String,
        /// The version that was expected; 0 means none.
        expected: u64,
        /// The version that is there; 0 means none.
        found: u64,
    },
    /// A key that is not valid.
    #[error("a key has 1 to {KEY} bytes")]
    Key,
    /// A value that is too long.
    #[error("a value has at most {VALUE} bytes; keep it in parts")]
    Value,
    /// The store is full.
    #[error("a backend keeps at most {0}; remove what is no longer needed")]
    Full(&'static str),
    /// The file could not be used.
    #[error(transparent)]
    Broken(#[from] Error),
}

/// The store of one backend.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl Kept {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let connection = database::open(path, &KEPT, false)?;
        match KEPT.altered(&connection, path)? {
            Some(altered) => Err(Error::Altered(altered)),
            None => Ok(Self {
                path: path.to_owned(),
                connection: Mutex::new(connection),
            }),
        }
    }

    /// The value of `key` and its version, if there is one.
    ///
    /// # Errors
    /// The key is not valid, or the file cannot be read.
    pub fn get(&self, key: &str) -> Result<Option<(Vec<u8>, u64)>, Unkept> {
        check_key(key)?;
        let found = self
            .connection()
            .prepare_cached("SELECT value, version FROM entry WHERE key = ?1")
            .and_then(|mut statement| {
                let read = statement.query_row([key], |row| Ok((row.get(0)?, row.get(1)?)));
                read.optional()
            });
        let found = found.map_err(Error::database(&self.path))?;
        Ok(found.map(|(value, version): (_, i64)| (value, version.unsigned_abs())))
    }

    /// Keeps `value` as `key` and answers its new version, which no entry of this name ever had before. `expect`: the
    /// version that must be there, 0 for none.
    ///
    /// # Errors
    /// Nothing was changed: another version is there, key or value cannot be kept, or there is no room.
    pub fn put(&self, key: &str, value: &[u8], expect: Option<u64>) -> Result<u64, Unkept> {
        check_key(key)?;
        if value.len() > VALUE {
            return Err(Unkept::Value);
        }
        self.change(|transaction| {
            let present = Present::of(transaction, key)?;
            if let Some(conflict) = present.conflict(key, expect) {
                return Ok(Err(conflict));
            }
            let size = size(key, value.len());
            let (version, entries, bytes) = transaction.query_row(
                "UPDATE total SET version = version + 1, entries = entries + ?1, bytes = bytes + ?2 - ?3
                 RETURNING version, entries, bytes",
                params![i64::from(present.version == 0), size, present.bytes],
                |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)),
            )?;
            if entries > ENTRIES {
                return Ok(Err(Unkept::Full("100,000 entries")));
            }
            // A change that needs less room is always possible.
            if bytes > BYTES && size > present.bytes {
                return Ok(Err(Unkept::Full("64 MiB in all")));
            }
            transaction.execute(
                "INSERT INTO entry (key, value, version) VALUES (?1, ?2, ?3)
                 ON CONFLICT (key) DO UPDATE SET value = ?2, version = ?3",
                params![key, value, version],
            )?;
            Ok(Ok(version.unsigned_abs()))
        })
    }

    /// Removes `key`. If it does not exist, that is a success, unless a version of it is expected.
    ///
    /// # Errors
    /// Nothing was changed: another version is there than `expect`, or the file cannot be written.
    pub fn remove(&self, key: &str, expect: Option<u64>) -> Result<(), Unkept> {
        check_key(key)?;
        self.change(|transaction| {
            let present = Present::of(transaction, key)?;
            if let Some(conflict) = present.conflict(key, expect) {
                return Ok(Err(conflict));
            }
            if present.version > 0 {
                transaction.execute("DELETE FROM entry WHERE key = ?1", [key])?;
                let less = "UPDATE total SET entries = entries - 1, bytes = bytes - ?1";
                transaction.execute(less, [present.bytes])?;
            }
            Ok(Ok(()))
        })
    }

    /// At most `limit` keys that begin with `prefix`, past `after`, in the order of their bytes.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn keys(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, Unkept> {
        let read = || -> rusqlite::Result<Vec<String>> {
            let connection = self.connection();
            let mut statement = connection.prepare_cached(
                "SELECT key FROM entry WHERE key >= ?1 AND (?2 IS NULL OR key > ?2) ORDER BY key LIMIT ?3",
            )?;
            let from = after.filter(|after| *after > prefix).unwrap_or(prefix);
            let rows = statement.query_map(params![from, after, limit], |row| row.get::<_, String>(0))?;
            // They are adjacent: the first key that does not begin with it ends them.
            rows.take_while(|key| key.as_ref().map_or(true, |key| key.starts_with(prefix)))
                .collect()
        };
        Ok(read().map_err(Error::database(&self.path))?)
    }

    /// Keeps each file of `directory` under its name, unless there is such an entry, and removes the directory. So what
    /// a plugin kept in files before there were stores is taken over.
    pub(super) fn take_over(&self, directory: &Path) -> Result<(), Error> {
        for entry in std::fs::read_dir(directory).map_err(Error::io("list", directory))? {
            let path = entry.map_err(Error::io("list", directory))?.path();
            let is_file = std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
            let name = path.file_name().and_then(std::ffi::OsStr::to_str);
            let Some(name) = name.filter(|_| is_file) else { continue };
            let value = std::fs::read(&path).map_err(Error::io("read", &path))?;
            match self.put(name, &value, Some(0)) {
                Ok(_) | Err(Unkept::Conflict { .. }) => {}
                Err(Unkept::Broken(error)) => return Err(error),
                Err(why) => tracing::warn!("{} is not taken over: {why}", path.display()),
            }
        }
        std::fs::remove_dir_all(directory).map_err(Error::io("remove", directory))
    }

    /// All of `work` or, if it does not succeed, nothing.
    fn change<T>(&self, work: impl Fn(&Transaction<'_>) -> rusqlite::Result<Result<T, Unkept>>) -> Result<T, Unkept> {
        let mut connection = self.connection();
        let mut done = || -> rusqlite::Result<Result<T, Unkept>> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            match done {
                Ok(_) => transaction.commit()?,
                Err(_) => transaction.rollback()?,
            }
            Ok(done)
        };
        done().map_err(Error::database(&self.path))?
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a key has now; if there is nothing, both are 0.
struct Present {
    version: i64,
    bytes: i64,
}

impl Present {
    fn of(transaction: &Transaction<'_>, key: &str) -> rusqlite::Result<Self> {
        let mut statement = transaction.prepare_cached("SELECT version, length(value) FROM entry WHERE key = ?1")?;
        let found = statement.query_row([key], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)));
        Ok(match found.optional()? {
            Some((version, value)) => Self {
                version,
                bytes: size(key, 0) + value,
            },
            None => Self { version: 0, bytes: 0 },
        })
    }

    fn conflict(&self, key: &str, expect: Option<u64>) -> Option<Unkept> {
        let version = self.version.unsigned_abs();
        let expected = expect.filter(|expected| *expected != version)?;
        Some(Unkept::Conflict {
            key: key.escape_debug().to_string(),
            expected,
            found: version,
        })
    }
}

/// Bytes that an entry takes.
fn size(key: &str, value: usize) -> i64 {
    i64::try_from(key.len() + value).unwrap_or(i64::MAX)
}

fn check_key(key: &str) -> Result<(), Unkept> {
    match key.len() {
        1..=KEY => Ok(()),
        _ => Err(Unkept::Key),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::{DirBuilderExt as _, symlink};
    use std::sync::Arc;

    use super::*;

    fn kept() -> (tempfile::TempDir, Kept) {
        let place = tempfile::tempdir().unwrap();
        let kept = Kept::open(&place.path().join("one.db")).unwrap();
        (place, kept)
    }

    #[test]
    fn a_value_is_found_again_also_by_who_opens_the_file_later() {
        let (place, kept) = kept();
        let version = kept.put("a", b"one", None).unwrap();
        assert_eq!(kept.get("a").unwrap(), Some((b"one".to_vec(), version)));
        assert_eq!(kept.get("b").unwrap(), None);
        drop(kept);
        let kept = Kept::open(&place.path().join("one.db")).unwrap();
        assert_eq!(kept.get("a").unwrap(), Some((b"one".to_vec(), version)));
    }

    #[test]
    fn whoever_expects_another_version_changes_nothing() {
        let (_place, kept) = kept();
        assert!(matches!(
            kept.put("a", b"x", Some(7)),
            Err(Unkept::Conflict { found: 0, .. })
        ));
        let first = kept.put("a", b"one", Some(0)).unwrap();
        assert!(matches!(kept.put("a", b"two", Some(0)), Err(Unkept::Conflict { .. })));
        let second = kept.put("a", b"two", Some(first)).unwrap();
        assert!(matches!(kept.remove("a", Some(first)), Err(Unkept::Conflict { .. })));
        assert_eq!(kept.get("a").unwrap(), Some((b"two".to_vec(), second)));
        kept.remove("a", Some(second)).unwrap();
        kept.remove("a", None).unwrap();
        kept.remove("a", Some(0)).unwrap();
        assert!(matches!(kept.remove("a", Some(second)), Err(Unkept::Conflict { .. })));
    }

    #[test]
    fn a_version_is_never_used_again() {
        let (_place, kept) = kept();
        let first = kept.put("a", b"", None).unwrap();
        kept.remove("a", None).unwrap();
        assert!(kept.put("a", b"", Some(0)).unwrap() > first);
    }

    #[test]
    fn sixteen_at_once_lose_no_increment() {
        let (_place, kept) = kept();
        let kept = Arc::new(kept);
        let count = |kept: &Kept| loop {
            let (value, version) = kept.get("n").unwrap().unwrap_or_default();
            let next = String::from_utf8(value).unwrap().parse::<u32>().unwrap_or(0) + 1;
            match kept.put("n", next.to_string().as_bytes(), Some(version)) {
                Ok(_) => return,
                Err(Unkept::Conflict { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| (0..5).for_each(|_| count(&kept)));
            }
        });
        assert_eq!(kept.get("n").unwrap().unwrap().0, b"80");
    }

    #[test]
    fn keys_come_in_the_order_of_their_bytes_page_by_page() {
        let (_place, kept) = kept();
        for key in ["b/2", "a/1", "b/10", "b/ü", "c", "b"] {
            kept.put(key, b"", None).unwrap();
        }
        assert_eq!(kept.keys("b/", None, 10).unwrap(), ["b/10", "b/2", "b/ü"]);
        assert_eq!(kept.keys("b/", Some("b/10"), 1).unwrap(), ["b/2"]);
        assert_eq!(kept.keys("b/", Some("a"), 1).unwrap(), ["b/10"]);
        assert_eq!(kept.keys("", None, 2).unwrap(), ["a/1", "b"]);
        assert_eq!(kept.keys("b/", Some("c"), 10).unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_too_much_is_refused_and_what_makes_it_less_is_not() {
        let (_place, kept) = kept();
        assert!(matches!(kept.put("", b"", None), Err(Unkept::Key)));
        assert!(matches!(kept.put(&"k".repeat(257), b"", None), Err(Unkept::Key)));
        let value = vec![0; VALUE];
        assert!(matches!(kept.put("a", &[0; VALUE + 1], None), Err(Unkept::Value)));
        let room = (0..64).take_while(|n| kept.put(&n.to_string(), &value, None).is_ok());
        assert_eq!(room.count(), 63);
        assert!(matches!(kept.put("more", &value, None), Err(Unkept::Full(_))));
        kept.put("0", b"less", None).unwrap();
        kept.put("more", &value, None).unwrap();
        kept.remove("1", None).unwrap();
        kept.put("again", &value, None).unwrap();
    }

    #[test]
    fn files_of_a_former_state_directory_are_taken_over_once_under_their_names() {
        let (place, kept) = kept();
        let directory = place.path().join("state");
        std::fs::DirBuilder::new().mode(0o700).create(&directory).unwrap();
        std::fs::write(directory.join("notes"), b"kept").unwrap();
        std::fs::write(directory.join("known"), b"old").unwrap();
        std::fs::write(directory.join("huge"), vec![0; VALUE + 1]).unwrap();
        std::fs::create_dir(directory.join("folder")).unwrap();
        symlink("notes", directory.join("link")).unwrap();
        let version = kept.put("known", b"newer", None).unwrap();
        kept.take_over(&directory).unwrap();
        assert_eq!(kept.get("notes").unwrap().unwrap().0, b"kept");
        assert_eq!(kept.get("known").unwrap(), Some((b"newer".to_vec(), version)));
        assert_eq!(kept.keys("", None, 10).unwrap(), ["known", "notes"]);
        assert!(!directory.exists());
    }
}
