//! The record of an older berth, which stood in the database of who may come in, and comes into its own file.

use rusqlite::params;

use super::*;
use crate::store::{Error, database};

const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n";
/// The seals of `call("local/1")` and `call("local/2")` behind it with that key, as berth 0.1.0 made them.
const SEALS: [&str; 2] = [
    "15520477ce968cb4ef165bcab7aa43815903e31a3b63539c7614702d43d47b11",
    "7309052f256c63fd2b77ea7181fe3071376ddb642093002ddf6def996b399a6f",
];

/// A data directory with a record as berth 0.1.0 left it.
fn left_by_an_older_berth() -> TempDir {
    let root = TempDir::new().unwrap();
    DataDirectory::open(&root.path().join("data"), &root.path().join("cache")).unwrap();
    let old = database::open(&root.path().join("data/berth.db"), &database::ACCESS, true).unwrap();
    for (seq, seal) in (1..).zip(SEALS) {
        let mac = hex::decode(seal).unwrap();
        old.execute(
            "INSERT INTO audit VALUES (?, 1700000000123, 'call', 'app:Claude#7', 'send_message', 'local', ?, ?, 'ok', 15, \
             0.25, '{}', ?)",
            params![seq, format!("local/{seq}"), [7_u8; 32], mac],
        )
        .unwrap();
    }
    old.execute_batch("DROP TABLE forms; PRAGMA user_version = 3").unwrap();
    std::fs::write(root.path().join("data/audit.key"), KEY).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(root.path().join("data/audit.key"), private).unwrap();
    root
}

fn old(root: &TempDir) -> Connection {
    Connection::open(root.path().join("data/berth.db")).unwrap()
}

fn stands_in_the_old_place(root: &TempDir) -> bool {
    let count = "SELECT count(*) FROM sqlite_schema WHERE name = 'audit'";
    old(root).query_row(count, (), |row| row.get(0)).unwrap()
}

/// What an owner does when it starts.
fn started(root: &TempDir) -> Result<Audit, Error> {
    let directory = DataDirectory::open(&root.path().join("data"), &root.path().join("cache")).unwrap();
    let lock = directory.lock("test").unwrap();
    directory.audit_of_owner(false, &lock)
}

fn head() -> Head {
    format!("2:{}", &SEALS[1][..32]).parse().unwrap()
}

#[test]
fn it_is_moved_with_its_seals_and_goes_on() {
    for moved in [
        |root: &TempDir| started(root).unwrap(),
        |root: &TempDir| opened(root.path()),
    ] {
        let root = left_by_an_older_berth();
        let mut audit = moved(&root);
        assert_eq!(audit.verify(Some(head())).unwrap(), head());
        assert_eq!(sessions(&all(&audit, &Filter::default())), ["local/1", "local/2"]);
        assert!(!stands_in_the_old_place(&root));
        audit.append(&[call("local/3")]).unwrap();
        assert_eq!(started(&root).unwrap().verify(Some(head())).unwrap().seq, 3);
    }
}

#[test]
fn wherever_it_was_stopped_it_goes_on_from_there() {
    // Killed before anything was committed: a file without a schema.
    let root = left_by_an_older_berth();
    drop(database::connect(&root.path().join("data/audit.db"), &database::RECORD, false).unwrap());
    assert_eq!(started(&root).unwrap().verify(None).unwrap(), head());

    // Killed while the copy was written.
    let root = left_by_an_older_berth();
    let half = database::connect(&root.path().join("data/audit.db"), &database::RECORD, false).unwrap();
    half.execute_batch("BEGIN IMMEDIATE; CREATE TABLE audit (seq)").unwrap();
    drop(half);
    assert_eq!(started(&root).unwrap().verify(None).unwrap(), head());

    // Killed before the old one was dropped; meanwhile others wrote into the new one.
    let root = left_by_an_older_berth();
    let copy = root.path().join("copy");
    old(&root).execute("VACUUM INTO ?", (copy.to_str().unwrap(),)).unwrap();
    opened(root.path()).append(&[call("local/3")]).unwrap();
    let restored = old(&root);
    restored
        .execute_batch(&format!(
            "ATTACH '{}' AS copy; CREATE TABLE audit AS SELECT * FROM copy.audit",
            copy.display()
        ))
        .unwrap();
    drop(restored);
    let audit = started(&root).unwrap();
    assert_eq!(audit.verify(Some(head())).unwrap().seq, 3);
    assert!(!stands_in_the_old_place(&root));
}

#[test]
fn a_record_that_was_broken_is_moved_as_it_is() {
    for (tampered, entry) in [
        ("UPDATE audit SET principal = 'local' WHERE seq = 2", 2),
        ("DELETE FROM audit WHERE seq = 1", 1),
        ("UPDATE audit SET mac = x'00' WHERE seq = 1", 1),
        ("UPDATE audit SET text = CAST(x'ff' AS TEXT) WHERE seq = 2", 2),
        ("UPDATE audit SET seq = 9223372036854775807 WHERE seq = 2", 2),
    ] {
        let root = left_by_an_older_berth();
        old(&root).execute(tampered, ()).unwrap();
        let audit = started(&root).unwrap();
        assert!(
            matches!(audit.verify(None), Err(Broken::Misfit(seq)) if seq == entry),
            "{tampered}"
        );
        assert!(!stands_in_the_old_place(&root), "{tampered}");
    }
}

#[test]
fn a_record_in_the_old_place_that_is_another_one_is_left_there() {
    let root = left_by_an_older_berth();
    opened(root.path());
    old(&root)
        .execute_batch("CREATE TABLE audit (seq, mac); INSERT INTO audit VALUES (9, x'00')")
        .unwrap();
    assert_eq!(started(&root).unwrap().verify(None).unwrap(), head());
    assert!(stands_in_the_old_place(&root));
}

#[test]
fn only_the_owner_moves_it_and_others_say_what_to_do() {
    let root = left_by_an_older_berth();
    let directory = DataDirectory::open(&root.path().join("data"), &root.path().join("cache")).unwrap();
    let lock = directory.lock("serve").unwrap();
    let error = directory.audit(false).unwrap_err().to_string();
    assert!(
        error.contains("(berth serve)") && error.contains("stop that process"),
        "{error}"
    );
    assert!(stands_in_the_old_place(&root));
    drop(lock);
    assert_eq!(directory.audit(false).unwrap().verify(None).unwrap(), head());
}

/// A record in a file of its own, as the first version of that held it.
fn left_before_grants() -> (TempDir, Head) {
    let (root, head) = five();
    tampering(root.path())
        .execute_batch("ALTER TABLE audit DROP COLUMN grants; PRAGMA user_version = 1")
        .unwrap();
    (root, head)
}

#[test]
fn entries_from_before_the_digest_of_grants_are_proved_beside_those_that_have_it() {
    for open in [
        |root: &TempDir| started(root).unwrap(),
        |root: &TempDir| opened(root.path()),
    ] {
        let (root, before) = left_before_grants();
        let mut audit = open(&root).with_grants([9; 32]);
        assert_eq!(audit.verify(Some(before)).unwrap(), before);
        audit.append(&[call("local/6")]).unwrap();
        audit
            .append(&[Entry {
                grants: Some([8; 32]),
                ..call("local/7")
            }])
            .unwrap();
        assert_eq!(audit.verify(Some(before)).unwrap().seq, 7);
        let recorded = all(&audit, &Filter::default());
        let grants: Vec<&str> = recorded.iter().map(|entry| entry.grants.as_str()).collect();
        assert_eq!(grants[4..], ["", &"09".repeat(32), &"08".repeat(32)]);
        assert!(audit.examine().is_ok(), "its schema is as berth makes it");
    }
}

#[test]
fn a_digest_of_grants_that_was_changed_added_or_removed_is_found() {
    for (tampered, entry) in [
        ("UPDATE audit SET grants = zeroblob(32) WHERE seq = 6", 6),
        ("UPDATE audit SET grants = NULL WHERE seq = 6", 6),
        ("UPDATE audit SET grants = zeroblob(32) WHERE seq = 2", 2),
        ("UPDATE audit SET intention = 1, grants = NULL WHERE seq = 6", 6),
    ] {
        let (root, _) = left_before_grants();
        started(&root)
            .unwrap()
            .with_grants([9; 32])
            .append(&[call("")])
            .unwrap();
        tampering(root.path()).execute(tampered, ()).unwrap();
        let proved = started(&root).unwrap().verify(None);
        assert!(
            matches!(proved, Err(Broken::Misfit(seq)) if seq == entry),
            "{tampered}: {proved:?}"
        );
    }
}

#[test]
fn a_record_that_was_broken_before_the_digest_of_grants_is_told_so_afterwards() {
    let (root, _) = left_before_grants();
    tampering(root.path())
        .execute("UPDATE audit SET principal = 'local' WHERE seq = 3", ())
        .unwrap();
    let audit = started(&root).unwrap();
    assert!(matches!(audit.verify(None), Err(Broken::Misfit(3))));
}
