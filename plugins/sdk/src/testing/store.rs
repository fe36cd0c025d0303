//! The store of the contract, in memory, with its rules and bounds.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::store::raw::Entry;
use crate::{Error, Result};

const KEY: usize = 256;
const VALUE: usize = 1 << 20;
const KEYS: usize = 100_000;
const ALL: usize = 64 << 20;

/// Keys, each with a value and a version that is never used again.
#[derive(Default)]
pub(super) struct Store {
    entries: BTreeMap<String, Entry>,
    versions: u64,
    size: usize,
}

impl Store {
    pub(super) fn get(&self, key: &str) -> Result<Option<Entry>> {
        valid(key)?;
        Ok(self.entries.get(key).cloned())
    }

    pub(super) fn put(&mut self, key: &str, value: &[u8], expect: Option<u64>) -> Result<u64> {
        valid(key)?;
        self.expect(key, expect)?;
        let before = self.entries.get(key).map_or(0, |entry| size(key, &entry.value));
        let size = self.size - before + size(key, value);
        if value.len() > VALUE || size > ALL || (before == 0 && self.entries.len() >= KEYS) {
            return Err(Error::Limited((
                "the store takes values of 1 MiB, 100,000 keys and 64 MiB in all: tidy up in `upkeep`".to_owned(),
                None,
            )));
        }
        self.size = size;
        self.versions += 1;
        let version = self.versions;
        let value = value.to_vec();
        self.entries.insert(key.to_owned(), Entry { value, version });
        Ok(version)
    }

    pub(super) fn remove(&mut self, key: &str, expect: Option<u64>) -> Result<()> {
        valid(key)?;
        self.expect(key, expect)?;
        if let Some(entry) = self.entries.remove(key) {
            self.size -= size(key, &entry.value);
        }
        Ok(())
    }

    pub(super) fn keys(&self, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(1000);
        self.entries
            .range::<str, _>((start, Bound::Unbounded))
            .map(|(key, _)| key)
            .take_while(|key| key.starts_with(prefix))
            .take(limit)
            .cloned()
            .collect()
    }

    fn expect(&self, key: &str, expect: Option<u64>) -> Result<()> {
        let version = self.entries.get(key).map_or(0, |entry| entry.version);
        match expect.is_none_or(|expect| expect == version) {
            true => Ok(()),
            false => Err(Error::Conflict(format!("`{key}` has the version {version}"))),
        }
    }
}

fn valid(key: &str) -> Result<()> {
    match (1..=KEY).contains(&key.len()) {
        true => Ok(()),
        false => Err(Error::Invalid(format!(
            "a key has 1 to {KEY} bytes, and this one {}",
            key.len()
        ))),
    }
}

fn size(key: &str, value: &[u8]) -> usize {
    key.len() + value.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_must_be_the_one_that_stands_there_and_is_never_used_again() {
        let mut store = Store::default();
        let first = store.put("a", b"1", Some(0)).unwrap();
        for expect in [0, first + 1] {
            assert!(matches!(store.put("a", b"2", Some(expect)), Err(Error::Conflict(_))));
            assert!(matches!(store.remove("a", Some(expect)), Err(Error::Conflict(_))));
        }
        let second = store.put("a", b"2", Some(first)).unwrap();
        store.remove("a", Some(second)).unwrap();
        let third = store.put("a", b"1", Some(0)).unwrap();
        assert!(first < second && second < third);
        assert!(matches!(store.put("a", b"x", Some(first)), Err(Error::Conflict(_))));
        assert_eq!(store.get("a").unwrap().unwrap().value, b"1");
    }

    #[test]
    fn a_key_that_is_not_there_can_be_removed_but_not_with_a_version() {
        let mut store = Store::default();
        assert_eq!((store.remove("a", None), store.remove("a", Some(0))), (Ok(()), Ok(())));
        assert!(matches!(store.remove("a", Some(1)), Err(Error::Conflict(_))));
    }

    #[test]
    fn the_bounds_of_the_contract_hold() {
        let mut store = Store::default();
        for key in ["", &"k".repeat(KEY + 1)] {
            assert!(matches!(store.put(key, b"", None), Err(Error::Invalid(_))));
        }
        assert!(store.put(&"k".repeat(KEY), &vec![0; VALUE], None).is_ok());
        assert!(matches!(
            store.put("a", &vec![0; VALUE + 1], None),
            Err(Error::Limited(_))
        ));
        let full = (0..100)
            .map(|n| store.put(&format!("{n}"), &vec![0; VALUE], None))
            .filter(Result::is_ok)
            .count();
        assert_eq!(full, 62, "64 MiB count keys too");
        store.remove("7", None).unwrap();
        assert!(store.put("again", &vec![0; VALUE], None).is_ok());
    }

    #[test]
    fn keys_are_those_of_a_prefix_past_the_one_named() {
        let mut store = Store::default();
        for key in ["a", "a/1", "a/2", "a/3", "a0", "b"] {
            store.put(key, b"", None).unwrap();
        }
        assert_eq!(store.keys("a/", None, 2), ["a/1", "a/2"]);
        assert_eq!(store.keys("a/", Some("a/2"), 9), ["a/3"]);
        assert_eq!(store.keys("a/", Some("a/3"), 9), [""; 0]);
        assert_eq!(store.keys("a/", Some("A"), 9).len(), 3);
        assert_eq!(store.keys("", None, 9).len(), 6);
    }
}
