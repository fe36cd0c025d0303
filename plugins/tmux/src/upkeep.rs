//! What is forgotten between calls.

use std::time::Duration;

use berth_plugin::{Error, Result, Upkept, store, time};

use crate::setup::Setup;
use crate::{answers, done, drafts, sessions};

/// How often it runs.
const EVERY: Duration = Duration::from_secs(3600);
/// Files that an earlier version had not completed; what it left of them was taken over with the others.
const DRAFTS: [&str; 2] = ["~", "new-"];

/// Removes what is kept for sessions that have ended, and of calls that nobody will repeat.
pub(crate) fn run(setup: &Setup) -> Result<Upkept> {
    // In this order: what is kept for a session that starts in the meantime is not among the keys.
    let keys = store::keys("")?;
    let sessions = sessions::ids(setup)?;
    let mut left = None;
    for key in keys.iter().filter(|key| is_done_with(key, &sessions)) {
        left = left.or(store::remove(key).err());
    }
    match left {
        None => Ok(Upkept::new().next(time::after(EVERY))),
        Some(error) => Err(Error::Failed(format!("the store could not be tidied: {error}"))),
    }
}

fn is_done_with(key: &str, sessions: &[String]) -> bool {
    let begins = |prefix: &str| key.starts_with(prefix);
    let of_sessions = [answers::PREFIX].into_iter().chain(drafts::PREFIXES);
    if let Some(session) = of_sessions.into_iter().find_map(|prefix| key.strip_prefix(prefix)) {
        return !sessions.iter().any(|known| known == session);
    }
    DRAFTS.iter().any(|sign| begins(sign)) || (done::PREFIXES.iter().any(|prefix| begins(prefix)) && done::is_old(key))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::Upkeep as _;

    use super::*;
    use crate::Plugin;
    use crate::fake::Fake;

    #[test]
    fn what_is_kept_of_ended_sessions_and_of_old_calls_goes_and_nothing_more() {
        let fake = Fake::new();
        let old = r#"{"at":0,"what":0}"#;
        let recent = format!(r#"{{"at":{},"what":0}}"#, time::now());
        for (key, value) in [
            ("answers-app", "{}"),
            ("answers-gone", "{}"),
            ("typing-gone", "x"),
            ("taken-app", "x"),
            ("taken-gone", "x"),
            ("cleared-gone", "1"),
            ("message-old", old),
            ("message-damaged", "{"),
            ("message-recent", &recent),
            ("start-old", old),
            ("start-recent", &recent),
            ("~answers-app", "{"),
            ("new-app", "{"),
            ("of-a-later-version", "x"),
        ] {
            store::raw::put(key, value.as_bytes(), None).unwrap();
        }
        let before = time::now();
        let upkept = Plugin::run(Vec::new()).unwrap();
        assert!(upkept.next.unwrap() > before + 3_000_000 && upkept.changed.is_empty());
        let left = [
            "answers-app",
            "message-recent",
            "of-a-later-version",
            "start-recent",
            "taken-app",
        ];
        assert_eq!(store::keys("").unwrap(), left);

        fake.fails("lost server");
        assert!(Plugin::run(Vec::new()).is_err());
        assert_eq!(
            store::keys("").unwrap(),
            left,
            "what is not known to have ended is kept"
        );
    }
}
