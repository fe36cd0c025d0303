//! Pruning: what goes, what records it, and what only the holder of the key can do.

use super::*;
use crate::store::audit::entry::Part;

/// The moment of the entry `n`.
fn at(n: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000 + n)
}

/// A record of `count` calls, one a second, and its heads.
fn calls(count: u64) -> (TempDir, Audit, Vec<Head>) {
    let root = TempDir::new().unwrap();
    let mut audit = opened(root.path());
    let heads = (1..=count)
        .map(|n| {
            audit
                .append(&[Entry {
                    at: at(n),
                    ..call(&n.to_string())
                }])
                .unwrap()
        })
        .collect();
    (root, audit, heads)
}

fn prune(audit: &mut Audit, before: SystemTime) {
    let plan = audit.plan_pruning(before).unwrap().unwrap();
    audit.prune(&plan, "uid:7").unwrap();
}

#[test]
fn the_oldest_go_and_an_entry_in_their_place_says_so() {
    let (_root, mut audit, heads) = calls(6);
    let plan = audit.plan_pruning(at(4)).unwrap().unwrap();
    assert_eq!((plan.removed.entries, &plan.removed.head), (3, &heads[2].to_string()));
    audit.prune(&plan, "uid:7").unwrap();

    let found = all(&audit, &Filter::default());
    assert_eq!(sessions(&found), ["", "4", "5", "6", ""]);
    let (first, last) = (&found[0], &found[4]);
    assert_eq!(
        (first.seq, first.event.as_str(), first.principal.as_str()),
        (3, "pruned", "uid:7")
    );
    let said = json!({
        "entries": 3, "from": "2023-11-14T22:13:21.000Z", "to": "2023-11-14T22:13:23.000Z", "head": heads[2].to_string(),
    });
    for text in [&first.text, &last.text] {
        assert_eq!(serde_json::from_str::<serde_json::Value>(text).unwrap(), said);
    }
    assert_eq!((last.seq, last.event.as_str()), (7, "pruned"));
    assert_eq!(audit.pruned().unwrap(), Some(plan.removed));
    audit.examine().unwrap();
}

#[test]
fn kept_heads_of_what_remains_hold_and_of_what_went_are_told_so() {
    let (_root, mut audit, heads) = calls(6);
    prune(&mut audit, at(4));
    for head in &heads[3..] {
        assert_eq!(audit.verify(Some(*head)).unwrap().seq, 7);
    }
    for head in &heads[..3] {
        let error = audit.verify(Some(*head)).unwrap_err();
        assert!(matches!(error, Broken::Pruned { last: 3, .. }), "{error}");
        assert!(error.to_string().contains("was pruned"), "{error}");
    }
    let other = Head::from_str(&heads[4].to_string().replace("5:", "6:")).unwrap();
    assert!(matches!(audit.verify(Some(other)), Err(Broken::Rewritten { .. })));
}

#[test]
fn pruning_again_says_all_that_went() {
    let (_root, mut audit, heads) = calls(9);
    prune(&mut audit, at(4));
    prune(&mut audit, at(8));
    let gone = audit.pruned().unwrap().unwrap();
    assert_eq!((gone.entries, gone.head), (7, heads[6].to_string()));
    assert_eq!(
        (gone.from.as_str(), gone.to.as_str()),
        ("2023-11-14T22:13:21.000Z", "2023-11-14T22:13:27.000Z")
    );
    assert_eq!(audit.verify(Some(heads[8])).unwrap().seq, 11);
    assert!(audit.plan_pruning(at(8)).unwrap().is_none());
}

#[test]
fn all_may_go_and_the_record_goes_on() {
    let (_root, mut audit, _) = calls(3);
    prune(&mut audit, at(9));
    audit.append(&[call("after")]).unwrap();
    assert_eq!(audit.verify(None).unwrap().seq, 5);
    assert_eq!(sessions(&all(&audit, &Filter::default())), ["", "", "after"]);
}

#[test]
fn a_call_keeps_its_intention_as_long_as_its_outcome() {
    let root = TempDir::new().unwrap();
    let mut audit = opened(root.path());
    let entry = |n| Entry {
        at: at(n),
        ..call(&n.to_string())
    };
    let (one, two, three, four) = (entry(1), entry(2), entry(3), entry(9));
    // 1 whole, 2 begins, 3 begins, 4 ends 2, 5 is later, 6 ends 3.
    let rows = [
        (&one, Part::Whole),
        (&two, Part::Intention),
        (&three, Part::Intention),
        (&two, Part::Outcome(2)),
        (&four, Part::Whole),
        (&three, Part::Outcome(3)),
    ];
    audit.write(rows, Duration::ZERO).unwrap();
    let plan = audit.plan_pruning(at(9)).unwrap().unwrap();
    assert_eq!(plan.removed.entries, 1, "2 ends behind 3, which ends behind what stays");

    // What has no outcome yet stays, and all behind it.
    audit.write([(&one, Part::Intention)], Duration::ZERO).unwrap();
    assert_eq!(audit.plan_pruning(at(99)).unwrap().unwrap().removed.entries, 6);
}

#[test]
fn without_the_key_nobody_prunes_unseen() {
    for (tampered, misfit) in [
        ("DELETE FROM audit WHERE seq <= 3", 1),
        ("DELETE FROM audit WHERE seq <= 4", 1),
        ("DELETE FROM audit WHERE seq = 3", 1),
        ("DELETE FROM audit WHERE seq = 4", 4),
        ("UPDATE audit SET principal = 'uid:8' WHERE seq = 3", 1),
        ("UPDATE audit SET at = at + 1 WHERE seq = 3", 1),
        ("UPDATE audit SET text = replace(text, ':3,', ':2,') WHERE seq = 3", 1),
        ("UPDATE audit SET arguments = zeroblob(32) WHERE seq = 3", 1),
        (
            "DELETE FROM audit WHERE seq IN (3, 4); UPDATE audit SET seq = 4, event = 'pruned' WHERE seq = 5",
            1,
        ),
        // The entry of the pruning in the place of a later one.
        (
            "DELETE FROM audit WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = 3",
            1,
        ),
    ] {
        let (root, mut audit, _) = calls(6);
        prune(&mut audit, at(4));
        let file = super::tampering(root.path());
        file.execute_batch(tampered).unwrap();
        match audit.verify(None) {
            Err(Broken::Misfit(seq)) => assert_eq!(seq, misfit, "{tampered}"),
            other => panic!("{tampered}: {other:?}"),
        }
    }
}

#[test]
fn what_is_broken_is_not_pruned() {
    let (root, audit, _) = calls(6);
    super::tampering(root.path())
        .execute("UPDATE audit SET tool = '' WHERE seq = 2", ())
        .unwrap();
    assert!(matches!(audit.plan_pruning(at(5)), Err(Broken::Misfit(2))));
}

#[test]
fn many_go_in_steps_beside_a_writer_and_the_disk_gets_its_room_back() {
    let root = TempDir::new().unwrap();
    let mut audit = opened(root.path());
    let old: Vec<Entry> = (0..12_000)
        .map(|n| Entry {
            at: at(1),
            text: "x".repeat(500),
            ..call(&n.to_string())
        })
        .collect();
    audit.append(&old).unwrap();
    let size = || std::fs::metadata(root.path().join("data/audit.db")).unwrap().len();
    audit
        .connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))
        .unwrap();
    let before = size();
    let plan = audit.plan_pruning(at(2)).unwrap().unwrap();
    assert_eq!(plan.removed.entries, 12_000);
    let mut writer = opened(root.path());
    std::thread::scope(|scope| {
        let pruning = scope.spawn(|| audit.prune(&plan, "uid:7").unwrap());
        let mut written = 0;
        while !pruning.is_finished() || written == 0 {
            writer
                .append(&[Entry {
                    at: at(9),
                    ..call("beside")
                }])
                .unwrap();
            written += 1;
            // SQLite gives nobody a turn: without any pause, whoever waits may wait for longer than it has patience.
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    // While the other one writes, the last step's pages may still be in the log beside the file.
    drop(writer);
    audit
        .connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))
        .unwrap();
    assert!(size() < before / 2, "{} of {before} bytes are left", size());
    assert_eq!(audit.pruned().unwrap().unwrap().entries, 12_000);
    audit.verify(None).unwrap();
}

#[test]
fn each_step_leaves_a_whole_record() {
    let (_root, mut audit, heads) = calls(9);
    let mut plan = audit.plan_pruning(at(9)).unwrap().unwrap();
    plan.steps = vec![3];
    audit.prune(&plan, "uid:7").unwrap();
    assert_eq!(audit.verify(Some(heads[3])).unwrap().seq, 10);
    assert_eq!(audit.pruned().unwrap().unwrap().entries, 3, "as far as it came");
}
