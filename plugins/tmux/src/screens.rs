//! All sessions with their screens, by one tmux command where they are those of the last list.

use std::collections::BTreeMap;

use berth_panes::listed::{self, Listed};
use berth_plugin::{Error, Result, store};

use crate::found::{Found, group};
use crate::look::{self, Look};
use crate::panes::LOOKS;
use crate::setup::Setup;
use crate::tmux::{self, Reply, Trouble};

/// The panes whose screens the last list showed. Without them, it takes a second command.
const KEY: &str = "looked-at";

/// All sessions, and the screens of those that are readable, by their panes. One that vanished meanwhile has none.
pub(crate) fn all(setup: &Setup) -> Result<(Vec<Found<'_>>, BTreeMap<String, Look>)> {
    let expected: Vec<String> = store::get(KEY).ok().flatten().unwrap_or_default();
    let Some(Listed { panes, looks }) = list(&expected)? else {
        return Ok(Default::default());
    };
    let found = group(setup, panes);
    let mut looks: BTreeMap<String, Look> = looks.into_iter().map(|(pane, look)| (pane.to_owned(), look)).collect();
    let readable = || {
        found
            .iter()
            .filter(|found| found.is_readable())
            .map(|found| &found.pane)
    };
    let missing: Vec<_> = readable().filter(|pane| !looks.contains_key(&pane.id)).collect();
    for (pane, look) in missing.iter().zip(look::many(&missing)?) {
        looks.extend(look.map(|look| (pane.id.clone(), look)));
    }
    let shown: Vec<&String> = readable().map(|pane| &pane.id).collect();
    if !shown.iter().copied().eq(&expected) {
        let _ = store::put(KEY, &shown);
    }
    looks.retain(|id, _| shown.contains(&id));
    Ok((found, looks))
}

/// All panes, and the screens of those that are expected; nothing if no server runs.
fn list(expected: &[String]) -> Result<Option<Listed<'_>>> {
    for _ in 0..LOOKS {
        let Reply { stdout, error } = tmux::run(tmux::command(listed::command(expected)))?;
        match error {
            None | Some(Trouble::NoTarget) => {}
            Some(Trouble::NoServer) => return Ok(None),
            Some(trouble) => return Err(trouble.into()),
        }
        if let Some(listed) = listed::parse(expected, &stdout) {
            return Ok(Some(listed));
        }
    }
    Err(Error::Failed("tmux's list of panes could not be read".to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::fake::Fake;

    /// How many commands of tmux a list took, and the sessions whose screens it had.
    fn listed(fake: &Fake) -> (usize, Vec<String>) {
        let before = fake.host.commands().len();
        let setup = Setup::of_host().unwrap();
        let (found, looks) = all(&setup).unwrap();
        let seen = found.iter().filter(|found| looks.contains_key(&found.pane.id));
        let ids = seen.map(|found| found.id.clone()).collect();
        (fake.host.commands().len() - before, ids)
    }

    #[test]
    fn the_sessions_of_the_last_list_are_seen_by_one_command_and_one_that_came_or_went_takes_a_second() {
        let fake = Fake::new();
        fake.starts("b");
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert_eq!(listed(&fake), (2, ids(&["app", "b"])));
        assert_eq!(listed(&fake), (1, ids(&["app", "b"])));
        fake.starts("c");
        assert_eq!(listed(&fake), (2, ids(&["app", "b", "c"])));
        assert_eq!(listed(&fake), (1, ids(&["app", "b", "c"])));
        fake.is_rid_of("b");
        assert_eq!(listed(&fake), (2, ids(&["app", "c"])));
        assert_eq!(listed(&fake), (1, ids(&["app", "c"])));
        fake.is_rid_of("app");
        fake.is_rid_of("c");
        assert_eq!(listed(&fake), (1, ids(&[])));
        fake.fails("no server running on /x");
        assert_eq!(listed(&fake), (1, ids(&[])));
        fake.fails("lost server");
        assert!(all(&Setup::of_host().unwrap()).is_err());
    }
}
