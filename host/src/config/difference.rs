//! How two configurations differ, in lines for people.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::accepted::is_list;

/// One thing that one configuration has and the other does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whether it is added or removed.
    pub comes: bool,
    /// Its key, such as `backends.local.env`.
    pub key: String,
    /// The value: one item of a list, or one line of a text.
    pub value: String,
}

impl std::fmt::Display for Change {
    /// `+ backends.local.env: "HOME"`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.comes { '+' } else { '-' };
        write!(f, "{sign} {}: {}", self.key, self.value)
    }
}

/// What is added and removed between `before` and `after`, in the order of the keys.
pub fn between(before: &Table, after: &Table) -> Vec<Change> {
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    lines("", before, &mut old);
    lines("", after, &mut new);
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let none = Vec::new();
    let changes = keys.into_iter().flat_map(|key| {
        let (old, new) = (old.get(key).unwrap_or(&none), new.get(key).unwrap_or(&none));
        let change = |comes: bool| {
            move |value: &String| Change {
                comes,
                key: key.clone(),
                value: value.clone(),
            }
        };
        let goes = old.iter().filter(|value| !new.contains(value)).map(change(false));
        let comes = new.iter().filter(|value| !old.contains(value)).map(change(true));
        let changes: Vec<Change> = goes.chain(comes).collect();
        match changes.is_empty() && old != new {
            true => vec![change(true)(&format!("in this order: {}", new.join(", ")))],
            false => changes,
        }
    });
    changes.collect()
}

/// The tables in which `changes` are, each once, in one line: backends, hosts and agents first; if there are many, the number
/// of the others.
pub fn summary(changes: &[Change]) -> String {
    const NAMED: usize = 4;
    let subjects: BTreeSet<(usize, String)> = changes.iter().map(|change| subject(&change.key)).collect();
    let mut subjects: Vec<String> = subjects.into_iter().map(|(_, name)| name).collect();
    let more = subjects.len().saturating_sub(NAMED);
    subjects.truncate(NAMED);
    let named = subjects.join(", ");
    match more {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// The table that a person knows, with its importance.
fn subject(key: &str) -> (usize, String) {
    let parts: Vec<&str> = key.split('.').collect();
    let (rank, length) = match parts.as_slice() {
        ["backends", _, "programs", _, ..] => (0, 4),
        ["backends", _, ..] | ["hosts", _, ..] => (0, 2),
        ["agents", _, ..] => (1, 2),
        _ => (2, 1),
    };
    (rank, parts[..length].join("."))
}

fn lines(above: &str, table: &Table, into: &mut BTreeMap<String, Vec<String>>) {
    for (name, value) in table {
        let key = match above {
            "" => name.clone(),
            above => format!("{above}.{name}"),
        };
        let values = match value {
            Value::Table(table) if !table.is_empty() => {
                lines(&key, table, into);
                continue;
            }
            // One by one if each item counts by itself, but not if they are one command.
            Value::Array(items) if is_list(&key) || !items.iter().all(Value::is_str) => {
                items.iter().map(ToString::to_string).collect()
            }
            Value::String(text) if text.contains('\n') => text.lines().map(|line| format!("{line:?}")).collect(),
            Value::Array(items) if items.is_empty() => Vec::new(),
            value => vec![value.to_string()],
        };
        into.insert(key, values);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn told(before: &str, after: &str) -> Vec<String> {
        let changes = between(&before.parse().unwrap(), &after.parse().unwrap());
        changes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn whatever_differs_is_told_and_nothing_that_does_not() {
        for (before, after, lines) in [
            ("a = 1", "a = 1", &[][..]),
            ("", "[a]\nb = []\n", &[]),
            ("", "[a.b]\n", &["+ a.b: {}"]),
            ("a = 'x'", "a = [\"x\"]", &["- a: \"x\"", "+ a: [\"x\"]"]),
            ("a = [1, 2]", "a = [2, 3]", &["- a: 1", "+ a: 3"]),
            (
                "a = [['x'], ['y']]",
                "a = [['y'], ['x']]",
                &["+ a: in this order: [\"y\"], [\"x\"]"],
            ),
            (
                "a = ['x', 'y']",
                "a = ['y', 'x']",
                &["- a: [\"x\", \"y\"]", "+ a: [\"y\", \"x\"]"],
            ),
            (
                "oauth.redirects = ['x']",
                "oauth.redirects = ['x', 'y']",
                &["+ oauth.redirects: \"y\""],
            ),
            ("a = \"x\\ny\"", "a = \"x\\nz\"", &["- a: \"y\"", "+ a: \"z\""]),
            (
                "a = 'x'",
                "a = \"x\\u001b[2J\"",
                &["- a: \"x\"", "+ a: \"x\\u001B[2J\""],
            ),
        ] {
            assert_eq!(told(before, after), lines, "{before} {after}");
        }
    }

    #[test]
    fn a_summary_names_tables_and_counts_the_rest() {
        let changes = between(
            &Table::new(),
            &"x = 1\n[backends.a]\nplugin = 'b'\nenv = ['C', 'D']\n[backends.a.programs.p]\nread = [['x']]\n"
                .parse()
                .unwrap(),
        );
        assert_eq!(summary(&changes), "backends.a, backends.a.programs.p, x");
        let many = between(
            &Table::new(),
            &"a = 1\nb = 1\nc = 1\nd = 1\ne = 1\nf = 1\n".parse().unwrap(),
        );
        assert_eq!(summary(&many), "a, b, c, d and 2 more");
    }
}
