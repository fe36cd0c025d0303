//! A record that was moved away or removed while its key stays.

use super::*;
use crate::store::Error;

fn directory(root: &TempDir) -> DataDirectory {
    DataDirectory::open(&root.path().join("data"), &root.path().join("cache")).unwrap()
}

/// A data directory whose record of five calls is taken away in one of the ways that there are.
fn taken_away(how: usize) -> TempDir {
    let (root, _) = five();
    for name in ["audit.db", "audit.db-wal", "audit.db-shm"] {
        let path = root.path().join("data").join(name);
        match how {
            0 => drop(std::fs::remove_file(path)),
            1 => drop(std::fs::rename(&path, root.path().join(name))),
            _ if path.exists() => drop(std::fs::File::create(path).unwrap()),
            _ => {}
        }
    }
    root
}

#[test]
fn nobody_but_an_owner_makes_a_missing_record_again() {
    for how in 0..3 {
        let root = taken_away(how);
        let there = || std::fs::metadata(root.path().join("data/audit.db")).map_or(0, |found| found.len());
        for _ in 0..2 {
            let error = directory(&root).audit(false).unwrap_err();
            assert!(matches!(error, Error::Missing { holder: None, .. }), "{error}");
            let said = error.to_string();
            assert!(said.contains("audit.db") && said.contains("is missing"), "{said}");
            assert!(said.contains("put it back") && said.contains("berth serve"), "{said}");
            assert_eq!(there(), 0, "it was made");
        }
        let lock = directory(&root).lock("serve").unwrap();
        let error = directory(&root).audit(false).unwrap_err().to_string();
        assert!(
            error.contains("is missing") && error.contains("(berth serve)"),
            "{error}"
        );
        assert!(!error.contains("older"), "{error}");
        drop(lock);
    }
}

#[test]
fn an_owner_begins_a_new_record_whose_first_entry_says_that_one_is_missing() {
    for how in 0..3 {
        let root = taken_away(how);
        let lock = directory(&root).lock("serve").unwrap();
        let mut audit = directory(&root).audit_of_owner(false, &lock).unwrap();
        audit.append(&[call("local/6")]).unwrap();
        drop(lock);
        let audit = opened(root.path());
        assert_eq!(audit.verify(None).unwrap().seq, 2);
        let entries = all(&audit, &Filter::default());
        assert_eq!(entries[0].event, "record-missing");
        assert_eq!(
            (entries[0].principal.as_str(), entries[0].outcome.as_str()),
            ("berth", "failed")
        );
        assert_eq!(audit.follows_missing().unwrap().as_ref(), Some(&entries[0].at));
    }
}

#[test]
fn a_record_that_is_put_back_goes_on() {
    let root = taken_away(1);
    directory(&root).audit(false).unwrap_err();
    for name in ["audit.db", "audit.db-wal", "audit.db-shm"] {
        let _ = std::fs::rename(root.path().join(name), root.path().join("data").join(name));
    }
    assert_eq!(opened(root.path()).verify(None).unwrap().seq, 5);
    assert_eq!(opened(root.path()).follows_missing().unwrap(), None);
}

#[test]
fn a_first_start_misses_nothing() {
    // Whichever came to be before: nothing, or the other database.
    for with_access in [false, true] {
        let root = TempDir::new().unwrap();
        if with_access {
            directory(&root).access().unwrap();
        }
        assert_eq!(opened(root.path()).follows_missing().unwrap(), None);
        assert_eq!(opened(root.path()).verify(None).unwrap().seq, 0);
        let lock = directory(&root).lock("serve").unwrap();
        let audit = directory(&root).audit_of_owner(false, &lock).unwrap();
        assert_eq!(audit.verify(None).unwrap().seq, 0);
    }
}
