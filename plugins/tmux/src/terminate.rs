//! Ending a session.

use berth_plugin::{Error, Receipt, Result};

use crate::clock::pause;
use crate::setup::Setup;
use crate::{answers, drafts, found, tmux};

const POLL_MS: u64 = 100;
/// How long a session may take to end, in milliseconds.
const ENDED_MS: u64 = 2000;

/// Ends a session and everything in it; one whose agent has ended is removed as well.
pub(crate) fn terminate(setup: &Setup, id: &str) -> Result<Receipt> {
    let found = found::find(setup, id)?;
    match tmux::order(&[&["kill-session", "-t", &found.pane.session]]) {
        Ok(_) | Err(Error::NotFound(_) | Error::TimedOut(_) | Error::Failed(_)) => Ok(came_of(setup, id)),
        Err(error) => Err(error),
    }
}

fn came_of(setup: &Setup, id: &str) -> Receipt {
    for _ in 0..ENDED_MS / POLL_MS {
        match found::find(setup, id) {
            Err(Error::NotFound(_)) => {
                answers::forget(id);
                drafts::end(id);
                return Receipt::Confirmed;
            }
            Err(_) => return Receipt::Unconfirmed,
            Ok(_) => pause(POLL_MS),
        }
    }
    Receipt::Unconfirmed
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::{Control as _, store};

    use super::*;
    use crate::Plugin;
    use crate::fake::Fake;

    #[test]
    fn a_session_ends_whether_its_agent_runs_or_not_and_what_was_kept_of_it_goes() {
        for end in [|_: &Fake| {}, Fake::ends] {
            let fake = Fake::new();
            end(&fake);
            answers::record("app", "p").unwrap();
            drafts::begin("app", "x").unwrap();
            assert_eq!(Plugin::terminate("app"), Ok(Receipt::Confirmed));
            assert_eq!(store::keys("").unwrap(), [""; 0]);
            assert!(matches!(Plugin::terminate("app"), Err(Error::NotFound(_))));
        }
    }

    #[test]
    fn an_end_that_is_not_seen_is_unconfirmed_and_one_that_is_denied_an_error() {
        let fake = Fake::new();
        fake.breaks("kill-session", "it does not work");
        assert_eq!(Plugin::terminate("app"), Ok(Receipt::Unconfirmed));
        fake.denies("kill-session");
        assert!(matches!(Plugin::terminate("app"), Err(Error::Denied(_))));
    }
}
