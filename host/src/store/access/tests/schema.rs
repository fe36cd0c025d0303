//! What somebody put into the schema of `berth.db`, who may write to it: it is named, and does nothing.

use rusqlite::Connection;

use super::*;

/// The same file, as somebody who may write to it.
fn tampering(place: &Place) -> Connection {
    Connection::open(place.root.path().join("data/berth.db")).unwrap()
}

/// As it is once an owner has started, which takes the place of the record away.
fn owned() -> Place {
    let place = Place::new();
    let (data, cache) = (place.root.path().join("data"), place.root.path().join("cache"));
    let directory = DataDirectory::open(&data, &cache).unwrap();
    let lock = directory.lock("test").unwrap();
    directory.audit_of_owner(false, &lock).unwrap();
    place
}

const KEEPS_THE_FAMILY: &str = "CREATE TRIGGER kept BEFORE DELETE ON families BEGIN SELECT RAISE(IGNORE); END";
const LETS_IN: &str = "CREATE TRIGGER more AFTER INSERT ON families BEGIN UPDATE families SET scope = 'control'; END";

/// A change, and what it is called.
const SCHEMES: [(&str, &str); 9] = [
    (KEEPS_THE_FAMILY, "trigger kept was added"),
    (LETS_IN, "trigger more was added"),
    (
        "CREATE VIEW everybody AS SELECT * FROM families",
        "view everybody was added",
    ),
    ("CREATE TABLE notes (text)", "table notes was added"),
    ("CREATE UNIQUE INDEX one ON families (kind)", "index one was added"),
    ("DROP INDEX tokens_expire", "index tokens_expire is missing"),
    ("DROP TABLE places", "table places is missing"),
    ("ALTER TABLE tokens ADD COLUMN more TEXT", "table tokens was changed"),
    (
        "ALTER TABLE logins RENAME TO hidden; CREATE VIEW logins AS SELECT * FROM hidden",
        "view logins was added",
    ),
];

#[test]
fn what_berth_makes_is_as_berth_makes_it_before_an_owner_and_after() {
    Place::new().access.examine().unwrap();
    let place = owned();
    assert_eq!(place.count("sqlite_schema WHERE name = 'audit'"), 0);
    place.access.examine().unwrap();
}

#[test]
fn what_somebody_put_into_the_schema_is_named_with_its_fix() {
    for (change, named) in SCHEMES {
        for place in [Place::new(), owned()] {
            tampering(&place).execute_batch(change).unwrap();
            let found = place.again().examine().unwrap_err().to_string();
            assert!(found.contains(named) && found.contains("berth.db"), "{change}: {found}");
            let only_added = !change.contains("DROP") && !change.contains("ALTER");
            let fix = if only_added {
                "remove that: sqlite3 "
            } else {
                "berth login set"
            };
            assert!(found.contains(fix), "{change}: {found}");
        }
    }
}

#[test]
fn the_fix_that_is_named_for_an_addition_undoes_it() {
    for (change, _) in &SCHEMES[..5] {
        let place = owned();
        tampering(&place).execute_batch(change).unwrap();
        let found = place.access.examine().unwrap_err().to_string();
        let statement = found.rsplit('"').nth(1).unwrap();
        tampering(&place).execute_batch(statement).unwrap();
        place.access.examine().unwrap();
    }
}

#[test]
fn no_trigger_keeps_a_token_alive_or_lets_it_do_more() {
    for trigger in [KEEPS_THE_FAMILY, LETS_IN] {
        let place = owned();
        tampering(&place).execute_batch(trigger).unwrap();
        let access = place.again();
        let narrow = Approval {
            scope: Scope::Read,
            ..approval()
        };
        let code = access.approve(&narrow, at(0)).unwrap();
        let issued = access.redeem(code.reveal(), &redemption(), at(0)).unwrap().unwrap();
        let found = access.verified(issued.access.reveal(), 1).unwrap();
        assert!(!found.principal.may(Scope::Control), "{trigger}");
        for family in access.families(at(1)).unwrap() {
            access.revoke_family(family.id).unwrap();
        }
        assert!(access.verified(issued.access.reveal(), 2).is_none(), "{trigger}");
    }
}
