//! One text over another: tables merge; any other value of the upper text replaces the value of the lower one.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What a backend does not take from the one that it is like: secrets go nowhere without being named there.
const OWN: [&str; 4] = ["enabled", "env_file", "host", "hosts"];

/// `above` over `below`. A program's table is a grant by itself: it replaces the one below with every key.
pub(super) fn merge<'a>(below: DeTable<'a>, above: DeTable<'a>) -> DeTable<'a> {
    merge_at(below, above, &mut Vec::new())
}

fn merge_at<'a>(mut below: DeTable<'a>, above: DeTable<'a>, path: &mut Vec<String>) -> DeTable<'a> {
    for (key, value) in above {
        path.push(key.get_ref().to_string());
        let span = value.span();
        let value = match (
            below.remove(key.get_ref().as_ref()).map(Spanned::into_inner),
            value.into_inner(),
        ) {
            (Some(DeValue::Table(old)), DeValue::Table(new)) if !is_program(path) => {
                DeValue::Table(merge_at(old, new, path))
            }
            (_, new) => new,
        };
        below.insert(key, Spanned::new(span, value));
        path.pop();
    }
    below
}

fn is_program(path: &[String]) -> bool {
    matches!(path, [backends, _, programs, _] if backends == "backends" && programs == "programs")
}

/// Lays each backend that is written with `like` over the one that this names. Where there is no such backend, or that is
/// like another one itself, `like` stays.
pub(super) fn lay_over_likes(table: &mut DeTable<'_>) {
    let Some(DeValue::Table(backends)) = table.get_mut("backends").map(Spanned::get_mut) else {
        return;
    };
    let written = backends.clone();
    for (name, backend) in backends.iter_mut() {
        let DeValue::Table(own) = backend.get_mut() else {
            continue;
        };
        let model = own.get("like").and_then(|name| written.get(name.get_ref().as_str()?));
        let Some(model) = model.and_then(|model| model.get_ref().as_table()) else {
            continue;
        };
        if model.contains_key("like") {
            continue;
        }
        own.remove("like");
        let mut below = model.clone();
        OWN.iter().for_each(|key| drop(below.remove(*key)));
        let mut path = vec!["backends".to_owned(), name.get_ref().to_string()];
        *own = merge_at(below, std::mem::take(own), &mut path);
    }
}

/// Removes the backends that are written with `enabled = false`.
pub(super) fn take_away(table: &mut DeTable<'_>) {
    if let Some(DeValue::Table(backends)) = table.get_mut("backends").map(Spanned::get_mut) {
        let all = std::mem::take(backends).into_iter();
        *backends = all.filter(|(_, backend)| !is_disabled(backend.get_ref())).collect();
    }
}

fn is_disabled(backend: &DeValue<'_>) -> bool {
    let enabled = backend.as_table().and_then(|table| table.get("enabled"));
    enabled.is_some_and(|value| value.get_ref().as_bool() == Some(false))
}
