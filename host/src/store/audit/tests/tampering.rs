//! What `verify` finds of what was done to the record by somebody without its key, and what only a kept head shows.

use super::*;

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
            "INSERT INTO audit SELECT -1, at, event, principal, tool, backend, session, arguments, outcome, duration, cost, text, mac FROM audit WHERE seq = 1",
            1,
        ),
        (
            "INSERT INTO audit SELECT 6, at, event, principal, tool, backend, session, arguments, outcome, duration, cost, text, mac FROM audit WHERE seq = 5",
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
fn a_record_written_anew_with_another_key_is_found() {
    let (root, head) = five();
    std::fs::remove_file(root.path().join("data/audit.key")).unwrap();
    assert!(!opened(root.path()).end_fits().unwrap());
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
