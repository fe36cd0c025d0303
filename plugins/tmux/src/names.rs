//! The names that people gave sessions: tmux takes few of the characters in them, so they are kept apart.

use std::collections::BTreeMap;

use berth_plugin::store;

const KEY: &str = "names";
/// Names that are kept; of more, the oldest go.
const MOST: usize = 500;
/// Characters of a name.
const NAME: usize = 200;

/// Notes what the session `id` is called. If that cannot be kept, it goes by its id.
pub(crate) fn note(id: &str, name: &str) {
    let name: String = name.chars().take(NAME).collect();
    let _ = store::update(KEY, |names: &mut Vec<(String, String)>| {
        names.push((id.to_owned(), name.clone()));
        names.drain(..names.len().saturating_sub(MOST));
    });
}

/// The names that are known, by the ids of the sessions.
pub(crate) fn all() -> BTreeMap<String, String> {
    let kept: Option<Vec<(String, String)>> = store::get(KEY).ok().flatten();
    kept.unwrap_or_default().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use berth_plugin::testing::Host;

    use super::*;

    #[test]
    fn the_newest_names_are_kept_as_they_were_given() {
        let _host = Host::new();
        assert_eq!(all(), BTreeMap::new());
        note("a-1", "héllo wörld");
        note("b-2", "日本語");
        assert_eq!(all()["a-1"], "héllo wörld");
        for number in 0..MOST - 1 {
            note(&number.to_string(), &"x".repeat(300));
        }
        let names = all();
        assert!(!names.contains_key("a-1") && names["b-2"] == "日本語" && names["7"].len() == NAME);
    }
}
