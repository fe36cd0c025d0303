//! What lasts: a small private store of this backend, which many instances use at once.
//!
//! Values are JSON of the plugin's own types. [`update`] changes one without losing the changes of other calls:
//!
//! ```
//! # fn main() -> berth_plugin::Result<()> {
//! # let host = berth_plugin::testing::Host::new();
//! use berth_plugin::store;
//!
//! let answered = store::update("answered/app", |count: &mut u64| {
//!     *count += 1;
//!     *count
//! })?;
//! assert_eq!((answered, store::get("answered/app")?), (1, Some(1)));
//! # Ok(())
//! # }
//! ```

use std::thread;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result, host, json};

/// How often a change is tried while other calls are quicker.
const TRIES: u64 = 200;
/// The longest pause between two tries, in milliseconds.
const PAUSE: u64 = 20;
/// The most keys that the host lists at once.
const PAGE: u32 = 1000;

/// The value of this key, if there is one.
///
/// # Errors
///
/// `Failed` if it is not one of `T`: it is never reported as missing.
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>> {
    host::store::get(key)?.map(|entry| read(key, &entry.value)).transpose()
}

/// Sets a key to this value, whatever is there. [`update`] is for values that depend on what is there.
///
/// # Errors
///
/// `Limited` if the store is full.
pub fn put(key: &str, value: &impl Serialize) -> Result<()> {
    host::store::put(key, &bytes(key, value)?, None).map(drop)
}

/// Changes the value of a key; if there is none, it begins with the default. If other calls change it in the meantime,
/// `change` runs again on their value, so it must only change the value.
///
/// # Errors
///
/// `Failed` if the value is not one of `T`; `Limited` if the store is full; `Conflict` if other calls are
/// quicker again and again.
pub fn update<T, R>(key: &str, mut change: impl FnMut(&mut T) -> R) -> Result<R>
where
    T: Default + Serialize + DeserializeOwned,
{
    try_update(key, |value| Ok(change(value)))
}

/// As [`update`], with a change that can fail: then the value stays as it is.
///
/// # Errors
///
/// As [`update`], and what `change` answers.
pub fn try_update<T, R>(key: &str, mut change: impl FnMut(&mut T) -> Result<R>) -> Result<R>
where
    T: Default + Serialize + DeserializeOwned,
{
    for attempt in 0..TRIES {
        let entry = host::store::get(key)?;
        let mut value = match &entry {
            Some(entry) => read(key, &entry.value)?,
            None => T::default(),
        };
        let answer = change(&mut value)?;
        let bytes = bytes(key, &value)?;
        if entry.as_ref().is_some_and(|entry| entry.value == bytes) {
            return Ok(answer);
        }
        match host::store::put(key, &bytes, Some(entry.map_or(0, |entry| entry.version))) {
            Ok(_) => return Ok(answer),
            Err(Error::Conflict(_)) => thread::sleep(Duration::from_millis(attempt.min(PAUSE))),
            Err(error) => return Err(error),
        }
    }
    Err(Error::Conflict(format!(
        "store: other calls changed `{key}` {TRIES} times while this one tried to"
    )))
}

/// Removes a key, whatever is there.
///
/// # Errors
///
/// `Invalid` if the key has no valid form.
pub fn remove(key: &str) -> Result<()> {
    host::store::remove(key, None)
}

/// All keys that begin with `prefix`, in the order of their bytes.
///
/// # Errors
///
/// `Unavailable` if the store cannot be read.
pub fn keys(prefix: &str) -> Result<Vec<String>> {
    let mut keys: Vec<String> = Vec::new();
    loop {
        let page = host::store::keys(prefix, keys.last().map(String::as_str), PAGE)?;
        if page.is_empty() {
            return Ok(keys);
        }
        keys.extend(page);
    }
}

/// The contract's own functions, for values that are not JSON and for conditions of one's own.
pub mod raw {
    pub use crate::contract::store::Entry;
    use crate::{Result, host};

    /// The value of this key and its version.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the store cannot be read.
    pub fn get(key: &str) -> Result<Option<Entry>> {
        host::store::get(key)
    }

    /// Sets a key, and answers its new version. `expect`: the version that must be there, 0 for no entry yet.
    ///
    /// # Errors
    ///
    /// `Conflict` if another version is there; `Limited` if the store is full.
    pub fn put(key: &str, value: &[u8], expect: Option<u64>) -> Result<u64> {
        host::store::put(key, value, expect)
    }

    /// Removes a key. `expect`: the version that must be there.
    ///
    /// # Errors
    ///
    /// `Conflict` if another version is there.
    pub fn remove(key: &str, expect: Option<u64>) -> Result<()> {
        host::store::remove(key, expect)
    }

    /// At most `limit` keys that begin with `prefix`, those past `after`.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the store cannot be read.
    pub fn keys(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        host::store::keys(prefix, after, limit)
    }
}

fn read<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T> {
    let text = str::from_utf8(bytes).map_err(|error| error.to_string());
    text.and_then(json::parse)
        .map_err(|why| Error::Failed(format!("store: this version cannot read the value of `{key}`: {why}")))
}

fn bytes(key: &str, value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| {
        Error::Failed(format!(
            "store: the value for `{key}` cannot be written as JSON: {error}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::testing::Host;

    #[test]
    fn nothing_is_lost_where_sixteen_instances_change_one_value() {
        let host = Host::new();
        host.at_once(16, |_| {
            for _ in 0..25 {
                update("count", |count: &mut u64| *count += 1).unwrap();
            }
        });
        assert_eq!(get("count"), Ok(Some(400_u64)));
    }

    #[test]
    fn a_change_runs_again_on_what_a_quicker_call_left() {
        let host = Host::new();
        host.before_put(|| put("seen", &BTreeSet::from(["other"])).unwrap());
        let mut runs = 0;
        update("seen", |seen: &mut BTreeSet<String>| {
            runs += 1;
            seen.insert("mine".to_owned());
        })
        .unwrap();
        assert_eq!(runs, 2);
        assert_eq!(
            get("seen"),
            Ok(Some(BTreeSet::from(["mine".to_owned(), "other".to_owned()])))
        );
    }

    #[test]
    fn a_change_that_fails_leaves_the_value() {
        let _host = Host::new();
        put("count", &7).unwrap();
        let refused = try_update("count", |count: &mut u64| {
            *count = 0;
            Err::<(), _>(Error::Refused("no".into()))
        });
        assert_eq!(refused, Err(Error::Refused("no".into())));
        assert_eq!(get("count"), Ok(Some(7)));
    }

    #[test]
    fn a_value_that_stays_the_same_is_not_written() {
        let _host = Host::new();
        put("count", &7).unwrap();
        let version = raw::get("count").unwrap().unwrap().version;
        update("count", |count: &mut u64| *count = 7).unwrap();
        assert_eq!(raw::get("count").unwrap().unwrap().version, version);
    }

    #[test]
    fn a_damaged_value_is_told_and_never_taken_for_none() {
        let _host = Host::new();
        for damage in [&b""[..], b"{", b"\xff", b"null", b"\"7\"", b"7 7"] {
            raw::put("count", damage, None).unwrap();
            let read = get::<u64>("count");
            assert!(
                matches!(&read, Err(Error::Failed(why)) if why.contains("`count`")),
                "{read:?}"
            );
            let changed = update("count", |count: &mut u64| *count += 1);
            assert!(matches!(changed, Err(Error::Failed(_))), "{changed:?}");
            assert_eq!(raw::get("count").unwrap().unwrap().value, damage, "it is left as it is");
        }
    }

    #[test]
    fn all_keys_are_listed_over_pages_and_no_others() {
        let _host = Host::new();
        for number in 0..2345 {
            put(&format!("a/{number:05}"), &number).unwrap();
        }
        put("b", &0).unwrap();
        remove("a/00007").unwrap();
        let keys = keys("a/").unwrap();
        assert_eq!(keys.len(), 2344);
        assert!(keys.is_sorted() && !keys.contains(&"b".to_owned()));
    }
}
