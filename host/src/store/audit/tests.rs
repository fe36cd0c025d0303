//! The record on a real file system: what it holds, what `verify` finds, and what happens when it cannot be written.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod missing;
mod moving;
mod pruning;
pub(crate) mod recorder;
mod tampering;

use std::ops::ControlFlow;
use std::path::Path;
use std::str::FromStr as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use super::{Audit, Broken, Entry, Event, Filter, Head, Outcome, Recorded};
use crate::store::DataDirectory;

fn opened(root: &Path) -> Audit {
    let directory = DataDirectory::open(&root.join("data"), &root.join("cache")).unwrap();
    directory.audit(false).unwrap()
}

/// The same database, as somebody who may write to it and has no key.
fn tampering(root: &Path) -> Connection {
    Connection::open(root.join("data/audit.db")).unwrap()
}

/// A call with something in every field.
fn call(session: &str) -> Entry {
    Entry {
        at: UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        event: Event::Call,
        principal: "app:Claude#7".into(),
        tool: "send_message".into(),
        backend: "local".into(),
        session: session.into(),
        arguments: Some([7; 32]),
        outcome: Outcome::Done,
        duration: Some(Duration::from_millis(15)),
        cost: Some(0.25),
        text: "{}".into(),
        grants: None,
    }
}

/// A record of five calls.
fn five() -> (TempDir, Head) {
    let root = TempDir::new().unwrap();
    let calls: Vec<Entry> = (1..=5).map(|n| call(&format!("local/{n}"))).collect();
    let head = opened(root.path()).append(&calls).unwrap();
    (root, head)
}

fn all(audit: &Audit, filter: &Filter) -> Vec<Recorded> {
    let mut found = Vec::new();
    let view = audit.view().unwrap();
    view.visit(filter, i64::MIN..=view.end, |entry| {
        found.push(entry);
        ControlFlow::Continue(())
    })
    .unwrap();
    found
}

fn sessions(found: &[Recorded]) -> Vec<&str> {
    found.iter().map(|entry| entry.session.as_str()).collect()
}

#[test]
fn an_empty_record_is_whole() {
    let root = TempDir::new().unwrap();
    let head = opened(root.path()).verify(None).unwrap();
    assert_eq!(head.to_string(), format!("0:{}", "0".repeat(32)));
    assert!(opened(root.path()).verify(Some(head)).is_ok());
    opened(root.path()).examine().unwrap();
}

#[test]
fn an_entry_is_read_as_it_was_written() {
    let root = TempDir::new().unwrap();
    let mut audit = opened(root.path());
    let head = audit.append(&[call("local/1")]).unwrap();
    let expected = json!({
        "seq": 1, "at": "2023-11-14T22:13:20.123Z", "event": "call", "principal": "app:Claude#7",
        "tool": "send_message", "backend": "local", "session": "local/1", "arguments": "07".repeat(32),
        "outcome": "ok", "duration_ms": 15, "cost_usd": 0.25, "text": "{}", "head": head.to_string(),
    });
    let found = all(&audit, &Filter::default());
    assert_eq!(serde_json::to_value(&found[0]).unwrap(), expected);
}

#[test]
fn an_event_of_the_door_has_what_it_needs_and_no_more() {
    let root = TempDir::new().unwrap();
    let mut audit = opened(root.path());
    let failed = Entry::at_door(Event::LoginFailed, "owner", "from 192.0.2.7");
    audit.append(&[failed]).unwrap();
    let found = serde_json::to_value(&all(&audit, &Filter::default())[0]).unwrap();
    let fields: Vec<&String> = found.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["at", "event", "head", "outcome", "principal", "seq", "text"]);
    assert_eq!(
        (&found["event"], &found["outcome"]),
        (&json!("login-failed"), &json!("refused"))
    );
}

#[test]
fn whatever_is_written_fits_and_is_bounded() {
    let root = TempDir::new().unwrap();
    let long = "ü".repeat(1 << 20);
    let odd = ["", "\0", "a\0b", "\u{1b}[2J\n\t", "';--", "\u{10ffff}", &long];
    let entries = odd.map(|text| Entry {
        principal: text.into(),
        tool: text.into(),
        backend: text.into(),
        session: text.into(),
        arguments: None,
        duration: None,
        text: text.into(),
        ..call("")
    });
    let costs = [
        None,
        Some(0.0),
        Some(-0.0),
        Some(-1.0),
        Some(f64::NAN),
        Some(1e-300),
        Some(f64::MAX),
    ];
    let priced = costs.map(|cost| Entry { cost, ..call("") });
    let times = [
        Entry {
            at: UNIX_EPOCH - Duration::from_secs(1),
            duration: Some(Duration::MAX),
            ..call("")
        },
        Entry {
            at: UNIX_EPOCH + Duration::from_secs(1 << 50),
            ..call("")
        },
    ];
    let mut audit = opened(root.path());
    for entries in [&entries[..], &priced, &times] {
        audit.append(entries).unwrap();
    }
    assert_eq!(audit.verify(None).unwrap().seq, 16);
    let found = all(&audit, &Filter::default());
    assert_eq!((found[2].tool.as_str(), found[3].session.as_str()), ("a\0b", odd[3]));
    assert_eq!((found[6].principal.len(), found[6].text.len()), (256, 4096));
    assert_eq!(found.last().unwrap().at, "9999-12-31T23:59:59.999Z");
}

#[test]
fn writers_that_take_turns_make_one_chain() {
    let root = TempDir::new().unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let mut audit = opened(root.path());
            scope.spawn(move || {
                for n in 0..25 {
                    audit.append(&[call(&format!("{writer}/{n}"))]).unwrap();
                }
            });
        }
    });
    let audit = opened(root.path());
    assert_eq!(audit.verify(None).unwrap().seq, 100);
    let found = all(&audit, &Filter::default());
    for writer in 0..4 {
        let own: Vec<_> = sessions(&found)
            .into_iter()
            .filter(|session| session.starts_with(&format!("{writer}/")))
            .collect();
        let expected: Vec<String> = (0..25).map(|n| format!("{writer}/{n}")).collect();
        assert_eq!(own, expected);
    }
}

#[test]
fn filters_let_through_what_they_name() {
    let root = TempDir::new().unwrap();
    let mut audit = opened(root.path());
    let later = UNIX_EPOCH + Duration::from_secs(1_700_000_001);
    let entries = [
        call("a"),
        Entry {
            principal: "app:Claude#71".into(),
            tool: "get_logs".into(),
            ..call("b")
        },
        Entry {
            principal: "local".into(),
            outcome: Outcome::Refused,
            ..call("c")
        },
        Entry {
            backend: "other".into(),
            at: later,
            ..call("d")
        },
        Entry {
            session: "e".into(),
            ..Entry::at_door(Event::Revoked, "owner", "")
        },
    ];
    audit.append(&entries).unwrap();
    let found = |filter: Filter| sessions(&all(&audit, &filter)).concat();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(found(Filter::default()), "abcde");
    assert_eq!(
        found(Filter {
            principal: text("app:Claude#7"),
            ..Filter::default()
        }),
        "abd"
    );
    assert_eq!(
        found(Filter {
            principal: text("app:%"),
            ..Filter::default()
        }),
        ""
    );
    assert_eq!(
        found(Filter {
            what: text("send_message"),
            ..Filter::default()
        }),
        "acd"
    );
    assert_eq!(
        found(Filter {
            what: text("revoked"),
            ..Filter::default()
        }),
        "e"
    );
    assert_eq!(
        found(Filter {
            backend: text("other"),
            ..Filter::default()
        }),
        "d"
    );
    assert_eq!(
        found(Filter {
            outcome: Some(Outcome::Refused),
            ..Filter::default()
        }),
        "c"
    );
    assert_eq!(
        found(Filter {
            since: Some(later),
            ..Filter::default()
        }),
        "de"
    );
    let local = Filter {
        backend: text("local"),
        ..Filter::default()
    };
    let view = audit.view().unwrap();
    assert_eq!(view.beginning_of_last(2, &local).unwrap(), 2);
    assert_eq!(view.beginning_of_last(9, &local).unwrap(), 1);
}

#[test]
fn outcomes_have_the_names_that_they_are_read_by() {
    for outcome in Outcome::ALL {
        assert_eq!(outcome.name().parse(), Ok(outcome));
    }
    let unknown = "fine".parse::<Outcome>().unwrap_err().to_string();
    let names: Vec<&str> = Outcome::ALL.into_iter().map(Outcome::name).collect();
    assert!(unknown.contains(&names.join(", ")), "{unknown}");
}

#[test]
fn an_error_of_the_database_is_said_once() {
    let root = TempDir::new().unwrap();
    let mut audit = opened(root.path());
    audit.connection.pragma_update(None, "max_page_count", 1).unwrap();
    let large = Entry {
        text: "x".repeat(4096),
        ..call("")
    };
    let error = (0..100)
        .find_map(|_| audit.append(&vec![large.clone(); 20]).err())
        .unwrap();
    let said = format!("{:#}", anyhow::Error::from(error));
    assert_eq!(said.matches("full").count(), 1, "{said}");
    let missing = DataDirectory::open(Path::new("/dev/null/data"), &root.path().join("cache")).unwrap_err();
    let said = format!("{:#}", anyhow::Error::from(missing));
    assert_eq!(said.matches("Not a directory").count(), 1, "{said}");
}
