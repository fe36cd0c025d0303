//! Which part of a shipped configuration counts, given the earlier one that the operator accepted: what both allow. So
//! what is removed or narrowed counts at once, and what is added or widened waits.

use std::collections::BTreeMap;

use bytesize::ByteSize;
use serde::Deserialize;
use toml::de::{DeArray, DeString, DeTable, DeValue, ValueDeserializer};
use toml::{Spanned, Value};

use crate::capability::process::grant::{covers, expression_covers};

type Key<'a> = Spanned<DeString<'a>>;
type Written<'a> = Spanned<DeValue<'a>>;

/// How a program is run, whatever it is asked to do. These keys depend on each other, so they wait together.
const SHAPE: [&str; 5] = ["path", "fixed", "conf", "separator", "socket"];

/// How two values of one key are compared.
enum Rule {
    /// Each item is a grant by itself.
    List,
    /// The smaller value is narrower.
    Amount,
    /// False is narrower.
    Switch,
    /// Each item removes something.
    Hidden,
    /// Nobody can say which one is narrower: the accepted one stays.
    Setting,
}

fn rule(path: &[&str]) -> Rule {
    match path {
        [
            "backends",
            _,
            "directories" | "files" | "agents" | "env" | "guest_env" | "read_tools",
        ]
        | ["agents", _, "widens_unless", _]
        | ["prompts", "remote_effects"]
        | ["oauth", "redirects"]
        | ["oauth", "clients", _, "redirects"]
        | ["server", "trusted_proxies" | "proxy_users" | "url_hosts"]
        | [.., "doctor"] => Rule::List,
        ["backends", _, "limits", _]
        | [
            "backends",
            _,
            "programs",
            _,
            "timeout" | "output" | "job_timeout" | "job_output",
        ]
        | ["server", "rates", _]
        | ["server", "max_requests" | "max_body"] => Rule::Amount,
        ["backends", _, "remote_trust" | "nested"] | ["server", "open_on_loopback" | "sessions_may_control"] => {
            Rule::Switch
        }
        ["tools", "hide"] => Rule::Hidden,
        _ => Rule::Setting,
    }
}

/// Whether each item of the list with this key is a grant by itself, or a restriction.
pub(super) fn is_list(key: &str) -> bool {
    matches!(rule(&key.split('.').collect::<Vec<_>>()), Rule::List | Rule::Hidden)
}

/// The part of `shipped` that counts for an operator who has accepted `accepted`.
pub(super) fn counting<'a>(shipped: DeTable<'a>, accepted: DeTable<'a>) -> DeTable<'a> {
    tables(&[], shipped, accepted)
}

fn tables<'a>(path: &[&str], shipped: DeTable<'a>, mut accepted: DeTable<'a>) -> DeTable<'a> {
    let mut counts = DeTable::new();
    for (key, value) in shipped {
        // What was not accepted waits.
        if let Some(old) = accepted.remove_entry(key.get_ref().as_ref()) {
            let name = key.get_ref().to_string();
            let path = [path, &[name.as_str()]].concat();
            counts.extend(value_of(&path, (key, value), old));
        }
    }
    // Without a bound or a machine there would be another one. Everything else that is gone was removed.
    for (key, value) in accepted {
        let name = key.get_ref().to_string();
        if bounds(&[path, &[name.as_str()]].concat()) {
            counts.insert(key, value);
        }
    }
    counts
}

/// What says on which machine a backend is. Without it the backend would be on this one, which nobody accepted.
fn is_machine(path: &[&str]) -> bool {
    matches!(path, ["backends", _, "host" | "hosts"] | ["hosts", ..])
}

fn bounds(path: &[&str]) -> bool {
    let bound = matches!(path, ["backends", _, "limits"] | ["server", "rates"]);
    bound || is_machine(path) || matches!(rule(path), Rule::Amount | Rule::Hidden)
}

/// What counts for a key that is in both; nothing if the two values are of different kinds.
fn value_of<'a>(
    path: &[&str],
    (key, new): (Key<'a>, Written<'a>),
    (old_key, old): (Key<'a>, Written<'a>),
) -> Option<(Key<'a>, Written<'a>)> {
    let span = new.span();
    match (new.into_inner(), old.into_inner()) {
        // Which machine a host is, all its keys say together.
        (DeValue::Table(new), DeValue::Table(old)) if !matches!(path, ["hosts", _]) => {
            let counts = match path {
                ["backends", _, "programs", _] => program(path, new, old),
                ["agents", _] => agent(path, new, old),
                _ => tables(path, new, old),
            };
            Some((key, Spanned::new(span, DeValue::Table(counts))))
        }
        (DeValue::Array(new), DeValue::Array(old)) if matches!(rule(path), Rule::List) => {
            let kept = only(new, |item| old.iter().any(|old| same(item, old)));
            Some((key, Spanned::new(span, DeValue::Array(kept))))
        }
        (DeValue::Array(mut new), DeValue::Array(old)) if matches!(rule(path), Rule::Hidden) => {
            let shown = only(old, |item| !new.iter().any(|new| same(item, new)));
            shown.iter().for_each(|item| new.push(item.clone()));
            Some((key, Spanned::new(span, DeValue::Array(new))))
        }
        (new, old) if std::mem::discriminant(&new) != std::mem::discriminant(&old) => None,
        (new, old) => {
            let (new, old) = (Spanned::new(span.clone(), new), Spanned::new(span, old));
            match same(&new, &old) || narrower(path, &plain(&new), &plain(&old)) {
                true => Some((key, new)),
                false => Some((old_key, old)),
            }
        }
    }
}

fn narrower(path: &[&str], new: &Value, old: &Value) -> bool {
    match rule(path) {
        Rule::Amount => amounts(new, old).is_some_and(|(new, old)| new <= old),
        Rule::Switch => new.as_bool() == Some(false),
        Rule::List | Rule::Hidden | Rule::Setting => false,
    }
}

/// Two counts, durations or sizes.
fn amounts(new: &Value, old: &Value) -> Option<(u128, u128)> {
    let count = |value: &Value| value.as_integer().and_then(|count| u128::try_from(count).ok());
    let duration = |value: &Value| {
        humantime::parse_duration(value.as_str()?)
            .ok()
            .map(|time| time.as_nanos())
    };
    let size = |value: &Value| {
        value
            .as_str()?
            .parse()
            .ok()
            .map(|size: ByteSize| u128::from(size.as_u64()))
    };
    let both = |read: &dyn Fn(&Value) -> Option<u128>| read(new).zip(read(old));
    both(&count).or_else(|| both(&duration)).or_else(|| both(&size))
}

/// The grant of a program.
fn program<'a>(path: &[&str], mut new: DeTable<'a>, mut old: DeTable<'a>) -> DeTable<'a> {
    let (words, texts) = words(&mut new, &mut old);
    let same_shape = SHAPE.iter().all(|key| match (new.get(*key), old.get(*key)) {
        (Some(new), Some(old)) => same(new, old),
        (new, old) => new.is_none() && old.is_none(),
    });
    let mut counts = DeTable::new();
    for key in SHAPE {
        let (new, old) = (new.remove_entry(key), old.remove_entry(key));
        counts.extend(if same_shape { new } else { old });
    }
    // A verb that acts may use both lists, so what moves to `control` is narrowed.
    let read = lists(old.get("read"));
    let control = [lists(old.get("control")), read.clone()].concat();
    let job = lists(old.get("job"));
    for (key, olds) in [("read", read), ("control", control), ("job", job)] {
        old.remove(key);
        let Some((key, value)) = new.remove_entry(key) else {
            continue;
        };
        let span = value.span();
        if let DeValue::Array(items) = value.into_inner() {
            let kept = only(items, |item| list(item).is_some_and(|new| texts.cover_one(&olds, &new)));
            counts.insert(key, Spanned::new(span, DeValue::Array(kept)));
        }
    }
    counts.extend(tables(path, new, old));
    counts.extend(words);
    counts
}

/// A coding agent: its options are argument lists with words.
fn agent<'a>(path: &[&str], mut new: DeTable<'a>, mut old: DeTable<'a>) -> DeTable<'a> {
    let (words, texts) = words(&mut new, &mut old);
    let mut counts = DeTable::new();
    for key in ["options", "headless_options"] {
        let (Some((key, new)), Some(old)) = (new.remove_entry(key), old.remove(key)) else {
            continue;
        };
        let span = new.span();
        if let (DeValue::Table(new), DeValue::Table(mut old)) = (new.into_inner(), old.into_inner()) {
            let mut options = DeTable::new();
            for (name, option) in new {
                let Some((old_name, old)) = old.remove_entry(name.get_ref().as_ref()) else {
                    continue;
                };
                let covered = list(&option)
                    .zip(list(&old))
                    .is_some_and(|(new, old)| texts.cover(&old, &new));
                options.extend([if covered { (name, option) } else { (old_name, old) }]);
            }
            counts.insert(key, Spanned::new(span, DeValue::Table(options)));
        }
    }
    counts.extend(tables(path, new, old));
    counts.extend(words);
    counts
}

/// The expressions of words: those that count, and the accepted ones.
struct Texts {
    counting: BTreeMap<String, String>,
    accepted: BTreeMap<String, String>,
}

impl Texts {
    /// Whether one of the accepted lists takes all that `new` takes. Most lists have not changed, and are found at once.
    fn cover_one(&self, olds: &[Vec<String>], new: &Vec<String>) -> bool {
        olds.contains(new) || olds.iter().any(|old| self.cover(old, new))
    }

    /// Whether the accepted list `old` takes all that `new` takes. If both are written alike, it does, because its
    /// words are not wider.
    fn cover(&self, old: &[String], new: &[String]) -> bool {
        old == new || covers((old, &self.accepted), (new, &self.counting))
    }
}

/// Removes the table `words` from both, and returns the one that counts. A word alone does not allow anything: a new
/// one counts, and a removed one stays for lists that still name it.
fn words<'a>(new: &mut DeTable<'a>, old: &mut DeTable<'a>) -> (Option<(Key<'a>, Written<'a>)>, Texts) {
    let (new, old) = (new.remove_entry("words"), old.remove_entry("words"));
    let entry = new
        .as_ref()
        .or(old.as_ref())
        .map(|(key, value)| (key.clone(), value.span()));
    let table = |entry: Option<(Key<'a>, Written<'a>)>| match entry.map(|(_, value)| value.into_inner()) {
        Some(DeValue::Table(table)) => table,
        _ => DeTable::new(),
    };
    let (new, old) = (table(new), table(old));
    let accepted = expressions(&old);
    let mut counts = old;
    for (name, word) in new {
        let accepted = accepted.get(name.get_ref().as_ref());
        let narrower = match (word.get_ref().as_str(), accepted) {
            (Some(new), Some(old)) => expression_covers(old, new),
            (_, accepted) => accepted.is_none(),
        };
        if narrower {
            counts.remove(name.get_ref().as_ref());
            counts.insert(name, word);
        }
    }
    let texts = Texts {
        counting: expressions(&counts),
        accepted,
    };
    let words = entry.map(|(key, span)| (key, Spanned::new(span, DeValue::Table(counts))));
    (words, texts)
}

fn expressions(words: &DeTable<'_>) -> BTreeMap<String, String> {
    let text = |(name, word): (&Key<'_>, &Written<'_>)| {
        Some((name.get_ref().to_string(), word.get_ref().as_str()?.to_owned()))
    };
    words.iter().filter_map(text).collect()
}

fn lists(value: Option<&Written<'_>>) -> Vec<Vec<String>> {
    let items = value.and_then(|value| value.get_ref().as_array());
    items
        .into_iter()
        .flat_map(|items| items.iter())
        .filter_map(list)
        .collect()
}

fn list(value: &Written<'_>) -> Option<Vec<String>> {
    let words = value.get_ref().as_array()?.iter();
    words.map(|word| word.get_ref().as_str().map(str::to_owned)).collect()
}

fn only<'a>(items: DeArray<'a>, keep: impl Fn(&Written<'a>) -> bool) -> DeArray<'a> {
    let mut kept = DeArray::new();
    items
        .iter()
        .filter(|item| keep(item))
        .for_each(|item| kept.push(item.clone()));
    kept
}

/// Whether two values are the same, regardless of how they are written.
fn same(one: &Written<'_>, other: &Written<'_>) -> bool {
    plain(one) == plain(other)
}

/// A value without its place. A number out of range is kept as text.
fn plain(value: &Written<'_>) -> Value {
    let read = Value::deserialize(ValueDeserializer::from(value.clone()));
    read.unwrap_or_else(|error| Value::String(error.to_string()))
}

#[cfg(test)]
mod tests;
