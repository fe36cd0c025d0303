//! Ending a session: it is asked to end first, so that Claude Code tells claude.ai and tidies what it made. Worktrees are
//! left to Claude Code, which keeps those with work in them.

use std::thread;
use std::time::{Duration, Instant};

use berth_panes::tmux;
use berth_plugin::{Error, Receipt, Result, context, ssh};

use crate::id::{self, Id};
use crate::{hosts, kept};

/// How long it may take to end by itself, and how often that is looked at.
const ASKED: Duration = Duration::from_secs(6);
const EVERY: Duration = Duration::from_millis(500);
/// What a call needs after that.
const REST: Duration = Duration::from_secs(8);

/// Ends a session and removes what is left of it. One that has ended already is removed.
pub(crate) fn terminate(id: &str) -> Result<Receipt> {
    let id = Id::parse(id)?;
    let is_kept = kept::of(&id)?.is_some();
    let Some(seen) = hosts::look_at(&id)? else {
        if !is_kept {
            return Err(id::unknown());
        }
        kept::forget(&id);
        return Ok(Receipt::Confirmed);
    };
    // Before anything else, so that it is not brought back in the meantime.
    kept::change(&id, |kept| kept.stopped = true)?;
    if seen.pane.end.is_none() {
        ask(&id)?;
    }
    Ok(remove(&id))
}

/// Presses Ctrl-C, and once more where it goes on: a conversation ends only then.
fn ask(id: &Id) -> Result<()> {
    let until = Instant::now() + ASKED.min(context::remaining().saturating_sub(REST));
    let target = id.target();
    let press = || ssh::on(&id.host, || tmux::order(&[&["send-keys", "-t", &target, "--", "C-c"]]));
    let mut pressed = 0;
    match press() {
        Ok(_) => pressed += 1,
        Err(Error::Denied(why)) => return Err(Error::Denied(why)),
        // What it could not be told it is not told, and it is ended below.
        Err(_) => return Ok(()),
    }
    while Instant::now() < until {
        thread::sleep(EVERY);
        match hosts::look_at(id) {
            Ok(Some(seen)) if seen.pane.end.is_none() && pressed < 3 => {
                let _ = press();
                pressed += 1;
            }
            Ok(Some(seen)) if seen.pane.end.is_none() => {}
            _ => break,
        }
    }
    Ok(())
}

/// Removes its tmux session, and what is kept of it.
pub(crate) fn remove(id: &Id) -> Receipt {
    let target = id.target();
    let _ = ssh::on(&id.host, || tmux::order(&[&["kill-session", "-t", &target]]));
    match hosts::look_at(id) {
        Ok(None) => {
            kept::forget(id);
            Receipt::Confirmed
        }
        Ok(Some(_)) | Err(_) => Receipt::Unconfirmed,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::{Backend as _, Control as _, State, store};

    use super::*;
    use crate::Plugin;
    use crate::fake::{Fake, serving};
    use crate::kept::tests::kept;

    fn with_session() -> Fake {
        let fake = Fake::new();
        fake.on("mac").has("a-1", &serving());
        kept::add(&kept("mac", "a-1")).unwrap();
        fake
    }

    #[test]
    fn a_session_is_asked_to_end_and_nothing_of_it_is_left() {
        let fake = with_session();
        assert_eq!(Plugin::terminate("mac:a-1"), Ok(Receipt::Confirmed));
        assert_eq!(fake.on("mac").pressed("a-1"), ["C-c"]);
        assert_eq!(store::keys("").unwrap(), [""; 0]);
        assert!(matches!(Plugin::terminate("mac:a-1"), Err(Error::NotFound(_))));
    }

    #[test]
    fn one_that_does_not_listen_is_ended_all_the_same() {
        let fake = with_session();
        fake.host.ends_in(Duration::from_secs(10));
        fake.on("mac").ignores_keys("a-1");
        assert_eq!(Plugin::terminate("mac:a-1"), Ok(Receipt::Confirmed));
        assert!(matches!(Plugin::get_session("mac:a-1"), Err(Error::NotFound(_))));
    }

    #[test]
    fn one_that_has_ended_or_went_is_removed() {
        let fake = with_session();
        fake.on("mac").ended("a-1", 1);
        assert_eq!(Plugin::terminate("mac:a-1"), Ok(Receipt::Confirmed));
        assert_eq!(fake.on("mac").pressed("a-1"), [""; 0]);
        kept::add(&kept("mac", "gone-1")).unwrap();
        assert_eq!(Plugin::terminate("mac:gone-1"), Ok(Receipt::Confirmed));
        assert_eq!(store::keys("").unwrap(), [""; 0]);
    }

    #[test]
    fn while_its_host_is_away_nothing_is_done_and_an_end_that_is_not_seen_is_unconfirmed() {
        let fake = with_session();
        fake.host.is_away("mac", "asleep");
        assert!(matches!(Plugin::terminate("mac:a-1"), Err(Error::Unavailable(_))));
        assert!(!kept::of(&kept("mac", "a-1").id()).unwrap().unwrap().stopped);
        fake.host.is_back("mac");
        fake.on("mac").keeps_sessions();
        assert_eq!(Plugin::terminate("mac:a-1"), Ok(Receipt::Unconfirmed));
        assert_eq!(Plugin::get_session("mac:a-1").unwrap().state, State::Cancelled);
    }
}
