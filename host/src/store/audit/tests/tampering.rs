//! What `verify` finds of what was done to the record by somebody without its key, and what only a kept head shows.

use super::*;
use crate::store::audit::Recorder;

/// The number that `verify` complains of.
#[track_caller]
fn misfit(root: &Path) -> i64 {
    match opened(root).verify(None) {
        Err(Broken::Misfit(seq)) => seq,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_change_of_any_column_is_found_where_it_was_made() {
    let changes = [
        "at = at + 1",
        "event = 'revoked'",
        "principal = 'local'",
        "tool = 'get_logs'",
        "backend = ''",
        "session = 'local/33'",
        "arguments = zeroblob(32)",
        "arguments = x''",
        "outcome = 'refused'",
        "duration = 16",
        "duration = NULL",
        "cost = 0.5",
        "cost = NULL",
        "text = ''",
        "text = CAST(x'ff' AS TEXT)",
        "intention = 2",
        "tool = 'send_messagelocal', backend = ''",
        "mac = zeroblob(32)",
        "mac = x'00'",
    ];
    for change in changes {
        let (root, _) = five();
        let changed = tampering(root.path()).execute(&format!("UPDATE audit SET {change} WHERE seq = 3"), ());
        assert_eq!(changed.unwrap(), 1, "{change}");
        assert_eq!(misfit(root.path()), 3, "{change}");
    }
}

#[test]
fn rows_that_were_removed_added_or_moved_are_found() {
    let cases = [
        ("DELETE FROM audit WHERE seq = 1", 1),
        ("DELETE FROM audit WHERE seq = 3", 3),
        (
            "DELETE FROM audit WHERE seq = 3; UPDATE audit SET seq = seq - 1 WHERE seq > 3",
            3,
        ),
        (
            "UPDATE audit SET seq = 99 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = 99",
            2,
        ),
        ("UPDATE audit SET seq = seq + 10", 1),
        (
            "INSERT INTO audit SELECT -1, at, event, principal, tool, backend, session, arguments, outcome, duration, cost, text, intention, mac, grants FROM audit WHERE seq = 1",
            1,
        ),
        (
            "INSERT INTO audit SELECT 6, at, event, principal, tool, backend, session, arguments, outcome, duration, cost, text, intention, mac, grants FROM audit WHERE seq = 5",
            6,
        ),
    ];
    for (tampered, found) in cases {
        let (root, _) = five();
        tampering(root.path()).execute_batch(tampered).unwrap();
        assert_eq!(misfit(root.path()), found, "{tampered}");
    }
}

#[test]
fn a_cut_end_is_found_by_a_head_that_was_kept() {
    let (root, head) = five();
    tampering(root.path())
        .execute("DELETE FROM audit WHERE seq > 3", ())
        .unwrap();
    let mut audit = opened(root.path());
    assert_eq!(audit.verify(None).unwrap().seq, 3, "without a head it cannot be found");
    let error = audit.verify(Some(head)).unwrap_err();
    assert!(matches!(error, Broken::Cut { last: 3, .. }), "{error}");

    // What is written after the cut does not hide it.
    audit
        .append(&[call("local/4"), call("other"), call("local/6")])
        .unwrap();
    let error = audit.verify(Some(head)).unwrap_err();
    assert!(matches!(error, Broken::Rewritten { .. }), "{error}");
    assert!(error.to_string().contains(&head.to_string()), "{error}");
}

#[test]
fn an_older_head_holds_as_long_as_its_entry_does() {
    let (root, head) = five();
    let mut audit = opened(root.path());
    let later = audit.append(&[call("local/6")]).unwrap();
    assert_eq!(audit.verify(Some(head)).unwrap(), later);
}

#[test]
fn a_record_written_again_with_another_key_is_found() {
    let (root, head) = five();
    std::fs::remove_file(root.path().join("data/audit.key")).unwrap();
    assert!(matches!(opened(root.path()).examine(), Err(Broken::End)));
    assert_eq!(misfit(root.path()), 1);

    tampering(root.path()).execute("DELETE FROM audit", ()).unwrap();
    let mut audit = opened(root.path());
    let entries: Vec<Entry> = (1..=5).map(|n| call(&format!("local/{n}"))).collect();
    audit.append(&entries).unwrap();
    assert!(audit.verify(None).is_ok(), "it fits its own key");
    assert!(matches!(audit.verify(Some(head)), Err(Broken::Rewritten { .. })));
}

#[test]
fn a_head_is_read_as_it_is_shown() {
    let (_root, head) = five();
    assert_eq!(head.to_string().parse(), Ok(head));
    for wrong in [
        "",
        "5",
        "5:",
        "5:00",
        "-1:00000000000000000000000000000000",
        "5:0000000000000000000000000000000g",
    ] {
        let error = wrong.parse::<Head>().unwrap_err().to_string();
        assert!(error.contains("SEQ:SEAL"), "{wrong}: {error}");
    }
}

/// What was put into the file by somebody who may write to it, and what `verify` calls it.
const SCHEMES: [(&str, &str); 7] = [
    (
        "CREATE TRIGGER quiet BEFORE INSERT ON audit BEGIN SELECT RAISE(IGNORE); END",
        "trigger quiet was added",
    ),
    (
        "CREATE TRIGGER gone AFTER INSERT ON audit BEGIN DELETE FROM audit WHERE seq = new.seq; END",
        "trigger gone was added",
    ),
    (
        "CREATE TRIGGER other AFTER INSERT ON begun BEGIN DELETE FROM audit; END",
        "trigger other was added",
    ),
    ("CREATE INDEX more ON audit (at)", "index more was added"),
    ("CREATE VIEW shown AS SELECT * FROM audit", "view shown was added"),
    ("DROP INDEX audit_outcomes", "index audit_outcomes is missing"),
    (
        "ALTER TABLE audit RENAME COLUMN text TO words",
        "table audit was changed",
    ),
];

#[test]
fn what_somebody_put_into_the_schema_is_named_with_its_fix() {
    for (change, named) in SCHEMES {
        let (root, _) = five();
        tampering(root.path()).execute_batch(change).unwrap();
        for found in [
            opened(root.path()).verify(None).unwrap_err(),
            opened(root.path()).examine().unwrap_err(),
        ] {
            let found = found.to_string();
            assert!(found.contains(named), "{change}: {found}");
            let fix = if named.ends_with("added") { "sqlite3" } else { "mv " };
            assert!(found.contains(fix), "{change}: {found}");
        }
    }
}

#[test]
fn the_fix_that_is_named_for_an_addition_undoes_it() {
    let (root, head) = five();
    let before = tampering(root.path());
    before.execute_batch(SCHEMES[0].0).unwrap();
    let found = opened(root.path()).verify(None).unwrap_err().to_string();
    let statement = found.rsplit('"').nth(1).unwrap();
    before.execute_batch(statement).unwrap();
    assert_eq!(opened(root.path()).verify(None).unwrap(), head);
}

#[test]
fn a_name_that_a_shell_would_run_is_in_no_line_to_paste() {
    let (root, _) = five();
    let change = "CREATE TRIGGER \"$(reboot)\" AFTER INSERT ON audit BEGIN SELECT 1; END";
    tampering(root.path()).execute_batch(change).unwrap();
    let found = opened(root.path()).verify(None).unwrap_err().to_string();
    assert!(
        found.contains("$(reboot) was added") && !found.contains("DROP"),
        "{found}"
    );
}

#[test]
fn no_trigger_keeps_an_entry_from_the_record() {
    for (change, _) in SCHEMES.iter().filter(|(change, _)| change.contains("TRIGGER")) {
        let (root, _) = five();
        tampering(root.path()).execute_batch(change).unwrap();
        let head = opened(root.path()).append(&[call("local/6")]).unwrap();
        let kept: (i64, i64) = tampering(root.path())
            .query_row("SELECT count(*), max(seq) FROM audit", (), |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!((kept, head.seq), ((6, 6), 6), "{change}");
    }
}

#[test]
fn what_does_not_keep_one_row_a_write_is_an_error() {
    let (root, _) = five();
    let table = tampering(root.path());
    table.execute_batch("ALTER TABLE audit RENAME TO hidden").unwrap();
    // A view with a trigger in its place, and a table that drops what it is given.
    let view = "CREATE VIEW audit AS SELECT * FROM hidden;
        CREATE TRIGGER taken INSTEAD OF INSERT ON audit BEGIN SELECT 1; END";
    table.execute_batch(view).unwrap();
    assert!(opened(root.path()).append(&[call("local/6")]).is_err());
    let found = opened(root.path()).verify(None).unwrap_err().to_string();
    assert!(
        found.contains("view audit was added") && found.contains("table audit is missing"),
        "{found}"
    );

    table.execute_batch("DROP VIEW audit").unwrap();
    let all = "seq INTEGER UNIQUE ON CONFLICT IGNORE, at, event, principal, tool, backend, session, arguments, outcome, \
        duration, cost, text, intention, mac, grants";
    let full = format!(
        "CREATE TABLE audit ({all}); INSERT INTO audit SELECT * FROM hidden WHERE seq < 5;
        CREATE UNIQUE INDEX once ON audit (1)"
    );
    // An index on a constant lets only one row in; without it, one conflict that is ignored changes no row.
    assert!(table.execute_batch(&full).is_err());
    table.execute_batch("DROP TABLE IF EXISTS audit").unwrap();
    table
        .execute_batch(&format!(
            "CREATE TABLE audit ({all}, UNIQUE (event) ON CONFLICT IGNORE);
            INSERT INTO audit SELECT * FROM hidden WHERE seq = 1"
        ))
        .unwrap();
    let error = opened(root.path()).append(&[call("local/2")]).unwrap_err().to_string();
    assert!(
        error.contains("does not keep what is written") && error.contains("berth audit verify"),
        "{error}"
    );
}

#[test]
fn a_last_number_that_nothing_can_follow_is_an_error_with_its_fix() {
    let copy = |seq: &str| {
        format!(
            "INSERT INTO audit SELECT {seq}, at, event, principal, tool, backend, session, arguments, outcome, \
             duration, cost, text, intention, mac, grants FROM audit WHERE seq = 5"
        )
    };
    for tampered in [
        copy("9223372036854775807"),
        copy("9223372036854775806"),
        copy("7"),
        "DELETE FROM audit WHERE seq = 4".to_owned(),
        "DELETE FROM audit WHERE seq < 5".to_owned(),
        "UPDATE audit SET seq = -seq".to_owned(),
    ] {
        let (root, _) = five();
        tampering(root.path()).execute_batch(&tampered).unwrap();
        let mut audit = opened(root.path());
        for error in [
            audit.examine().unwrap_err().to_string(),
            audit.head().unwrap_err().to_string(),
            audit.append(&[call("local/6")]).unwrap_err().to_string(),
            Recorder::start(opened(root.path()), false).unwrap_err().to_string(),
        ] {
            assert!(
                error.contains("mv ") && error.contains("audit.db"),
                "{tampered}: {error}"
            );
        }
        // It can still be looked at.
        assert!(!all(&audit, &Filter::default()).is_empty(), "{tampered}");
    }
}
