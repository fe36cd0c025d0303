//! What happens between calls: sessions are brought back, and what is left of those that ended is removed.

use std::time::Duration;

use berth_headless::sessions as runs;
use berth_panes::done;
use berth_plugin::{Event, Result, Timestamp, Upkept, ssh, store, time};

use crate::hosts::{self, Seen};
use crate::kept::{self, Kept};
use crate::setup::Setup;
use crate::{restart, sessions, terminate};

/// How often remote control is looked at where sessions are brought back, and otherwise.
const OFTEN: Duration = Duration::from_secs(60);
const SELDOM: Duration = Duration::from_secs(1800);
const HOUR_MS: u64 = 3_600_000;
/// How long a start may take.
const STARTING_MS: u64 = 120_000;
/// When it is looked at again.
const NEXT: &str = "next-look";

/// Carries on with the runs, and looks at remote control only when that is due, whatever happened to a run.
pub(crate) fn run(setup: &Setup, events: &[Event]) -> Result<Upkept> {
    let runs = runs::upkeep(&setup.runs, events)?;
    let next: Option<Timestamp> = store::get(NEXT)?;
    let is_start = events.iter().any(|event| event.kind == "start");
    let remote = match next {
        Some(next) if !is_start && time::now() < next => Upkept::new().next(next),
        _ => attend_all(setup)?,
    };
    Ok(Upkept {
        next: [runs.next, remote.next].into_iter().flatten().min(),
        changed: [runs.changed, remote.changed].concat(),
    })
}

/// Looks at the hosts of all sessions that are kept. A host that is away is left for the next time.
fn attend_all(setup: &Setup) -> Result<Upkept> {
    let next = time::after(if setup.settings.restart { OFTEN } else { SELDOM });
    store::put(NEXT, &next)?;
    let notes = done::PREFIXES
        .iter()
        .map(|prefix| store::keys(prefix))
        .collect::<Result<Vec<_>>>()?;
    notes
        .concat()
        .iter()
        .filter(|key| done::is_old(key))
        .try_for_each(|key| store::remove(key))?;
    let (kept, _) = kept::all()?;
    let mut hosts = ssh::hosts();
    hosts.retain(|host| kept.iter().any(|kept| kept.host == *host));
    let looks = hosts::look(hosts.iter().map(|host| sessions::asked(host, &kept)).collect());
    let mut upkept = Upkept::new().next(next);
    for (host, seen) in hosts.iter().zip(looks) {
        let Ok(seen) = seen else { continue };
        for kept in kept.iter().filter(|kept| kept.host == *host) {
            let there = seen.iter().find(|seen| seen.id == kept.id());
            if attend(setup, kept, there) {
                upkept = upkept.changed(kept.id().to_string());
            }
        }
    }
    Ok(upkept)
}

/// What is due of a session: whether it changed.
fn attend(setup: &Setup, kept: &Kept, seen: Option<&Seen>) -> bool {
    // What is not there yet may be about to start.
    if seen.is_none() && time::now().saturating_sub(kept.made_at) < STARTING_MS {
        return false;
    }
    let has_ended = seen.is_none_or(|seen| seen.pane.end.is_some());
    if restart::attend(setup, kept, seen) {
        return true;
    }
    if !has_ended {
        return false;
    }
    let now = time::now();
    let keep = u64::from(setup.settings.keep_ended_hours) * HOUR_MS;
    match kept.ended_at {
        None => {
            let _ = kept::change(&kept.id(), |kept| kept.ended_at = Some(now));
            false
        }
        Some(at) if now.saturating_sub(at) < keep && !kept.stopped => false,
        Some(_) => {
            terminate::remove(&kept.id());
            true
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::{Backend as _, State, Upkeep as _};
    use serde_json::json;

    use super::*;
    use crate::Plugin;
    use crate::fake::{Fake, URL, serving};
    use crate::kept::tests::kept;

    const EXPIRED: &str = "Authentication failed (401). Re-run `claude remote-control` to reconnect.";

    fn with_session(settings: serde_json::Value) -> Fake {
        let fake = Fake::new();
        fake.host.settings(settings);
        fake.on("mac").has("a-1", &serving());
        kept::add(&kept("mac", "a-1")).unwrap();
        fake
    }

    /// An upkeep for which remote control is due.
    fn run() -> Upkept {
        store::remove(NEXT).unwrap();
        Plugin::run(Vec::new()).unwrap()
    }

    fn record() -> Kept {
        kept::of(&kept("mac", "a-1").id()).unwrap().unwrap()
    }

    fn is_due() {
        kept::change(&record().id(), |kept| kept.restarts.next = 0).unwrap();
    }

    #[test]
    fn what_expired_is_brought_back_with_its_conversation_in_growing_pauses_and_not_for_ever() {
        let fake = with_session(json!({"restart": true, "restarts": 2}));
        assert_eq!(run().changed, [""; 0]);
        fake.on("mac").shows("a-1", EXPIRED);
        fake.on("mac").ended("a-1", 1);
        assert_eq!(run().changed, ["mac:a-1"]);
        assert_eq!(
            fake.on("mac").started(),
            [["remote-control", "--name=app", "--continue"]]
        );
        assert_eq!(Plugin::get_session("mac:a-1").unwrap().url.as_deref(), Some(URL));
        fake.on("mac").shows("a-1", EXPIRED);
        fake.on("mac").ended("a-1", 1);
        assert_eq!(run().changed, [""; 0], "not before the pause is over");
        is_due();
        assert_eq!(run().changed, ["mac:a-1"]);
        fake.on("mac").shows("a-1", EXPIRED);
        fake.on("mac").ended("a-1", 1);
        is_due();
        assert_eq!(run().changed, [""; 0], "twice is the most");
        assert_eq!(fake.on("mac").started().len(), 2);
    }

    #[test]
    fn a_restart_of_its_machine_brings_it_back_and_what_cannot_be_continued_begins_again() {
        let fake = with_session(json!({"restart": true}));
        fake.on("mac").reboots();
        assert_eq!(run().changed, ["mac:a-1"]);
        fake.on("mac").shows(
            "a-1",
            "Error: No recent session found in this directory or its worktrees.",
        );
        fake.on("mac").ended("a-1", 1);
        is_due();
        assert_eq!(run().changed, ["mac:a-1"]);
        assert_eq!(
            fake.on("mac").started().last().unwrap(),
            &["remote-control", "--name=app", "--spawn=same-dir"]
        );
        fake.on("mac").is_aged("a-1", 2, 0);
        run();
        assert_eq!(
            record().restarts,
            kept::Restarts::default(),
            "it has come back for good"
        );
    }

    #[test]
    fn one_that_is_about_to_start_is_left_alone() {
        let fake = Fake::new();
        fake.host.settings(json!({"restart": true}));
        let mut new = kept("mac", "a-1");
        new.made_at = time::now();
        kept::add(&new).unwrap();
        assert_eq!(run().changed, [""; 0]);
        assert_eq!((fake.on("mac").started().len(), record()), (0, new));
    }

    #[test]
    fn what_a_person_ended_or_must_put_right_is_not_brought_back() {
        let fake = with_session(json!({"restart": true}));
        fake.on("mac")
            .shows("a-1", "Error: You must be logged in to use Remote Control.");
        fake.on("mac").ended("a-1", 1);
        assert_eq!(run().changed, [""; 0]);
        fake.on("mac").shows("a-1", EXPIRED);
        kept::change(&record().id(), |kept| kept.stopped = true).unwrap();
        run();
        assert_eq!(fake.on("mac").started(), [[""; 0]; 0]);
        let fake = with_session(json!({}));
        fake.on("mac").shows("a-1", EXPIRED);
        fake.on("mac").ended("a-1", 1);
        run();
        assert_eq!(
            fake.on("mac").started(),
            [[""; 0]; 0],
            "only where the operator wants it"
        );
    }

    #[test]
    fn what_ended_is_shown_for_some_time_and_then_nothing_of_it_is_left() {
        let fake = with_session(json!({}));
        fake.on("mac").ended("a-1", 0);
        run();
        let ended_at = record().ended_at.unwrap();
        run();
        assert_eq!(Plugin::get_session("mac:a-1").unwrap().state, State::Done);
        kept::change(&record().id(), |kept| kept.ended_at = Some(ended_at - 25 * HOUR_MS)).unwrap();
        fake.host.is_away("mac", "asleep");
        run();
        fake.host.is_back("mac");
        assert!(
            Plugin::get_session("mac:a-1").is_ok(),
            "what cannot be looked at is kept"
        );
        assert_eq!(run().changed, ["mac:a-1"]);
        assert!(Plugin::get_session("mac:a-1").is_err());
        assert_eq!(store::keys("").unwrap(), [NEXT]);
    }

    #[test]
    fn an_event_of_a_run_asks_no_host_before_it_is_time() {
        let fake = with_session(json!({"restart": true}));
        fake.on("mac").reboots();
        run();
        let before = fake.runs("mac");
        let event = Event {
            id: "1".to_owned(),
            kind: "output".to_owned(),
            about: "job-1".to_owned(),
            at: time::now(),
            body: String::new(),
            reply_by: None,
        };
        let upkept = Plugin::run(vec![event]).unwrap();
        assert_eq!(fake.runs("mac"), before);
        assert!(upkept.next.unwrap() <= time::after(OFTEN), "it is not forgotten either");
    }
}
