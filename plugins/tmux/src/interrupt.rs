//! Interrupting what an agent does.

use berth_plugin::{Error, Receipt, Result, State};

use crate::clock::pause;
use crate::sessions::{self, Found};
use crate::setup::{Entry, Setup};
use crate::{drafts, look, tmux};

const POLL_MS: u64 = 100;
/// How long an agent may take to stop, in milliseconds.
const STOPPED_MS: u64 = 4000;

/// Interrupts a busy agent. The key is pressed once: a second one does something else in an idle agent.
pub(crate) fn interrupt(setup: &Setup, id: &str) -> Result<Receipt> {
    let found = sessions::find(setup, id)?;
    if found.pane.end.is_some() {
        return Ok(Receipt::Confirmed);
    }
    let entry = found.known()?;
    match state(&found, entry)? {
        State::Busy => {}
        State::Idle => return Ok(Receipt::Confirmed),
        State::Waiting => {
            return Err(Error::Refused(
                "it is not busy but waits for an answer, so no key was pressed: answer it with respond_to_prompt"
                    .to_owned(),
            ));
        }
        State::Starting => {
            return Err(Error::Refused(
                "it is still starting, so no key was pressed: try again in a few seconds".to_owned(),
            ));
        }
        _ => {
            return Err(Error::Refused(
                "its screen is not recognised, so no key was pressed: look at it with get_logs (view = \"screen\")"
                    .to_owned(),
            ));
        }
    }
    drafts::may_come_back(id);
    let pressed = tmux::order(&[&["send-keys", "-t", &found.pane.id, "--", entry.agent.interrupt_key()]]);
    match pressed {
        Ok(_) | Err(Error::TimedOut(_) | Error::Failed(_)) => Ok(came_of(&found, entry)),
        Err(error) => Err(error),
    }
}

fn came_of(found: &Found, entry: &Entry) -> Receipt {
    for _ in 0..STOPPED_MS / POLL_MS {
        pause(POLL_MS);
        match state(found, entry) {
            Ok(State::Busy) => {}
            // The key may have ended the agent, which is one way to stop.
            Ok(_) | Err(Error::Refused(_) | Error::NotFound(_)) => return Receipt::Confirmed,
            Err(_) => return Receipt::Unconfirmed,
        }
    }
    Receipt::Unconfirmed
}

fn state(found: &Found, entry: &Entry) -> Result<State> {
    let look = look::close(&found.pane.id)?;
    found.living(&look)?;
    if look.in_mode {
        tmux::order(&[&["send-keys", "-X", "-t", &found.pane.id, "cancel"]])?;
    }
    Ok(found.state(entry, &entry.agent.observe(&look.screen)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::Control as _;

    use super::*;
    use crate::Plugin;
    use crate::fake::{Fake, MENU};

    #[test]
    fn work_is_interrupted_by_one_key_and_rest_is_left_alone() {
        let fake = Fake::new();
        fake.works();
        for _ in 0..2 {
            assert_eq!(Plugin::interrupt("app"), Ok(Receipt::Confirmed));
        }
        fake.ends();
        assert_eq!(Plugin::interrupt("app"), Ok(Receipt::Confirmed));
        assert_eq!(fake.pressed(), ["Escape"]);
    }

    #[test]
    fn no_key_is_pressed_where_it_would_do_something_else() {
        let fake = Fake::new();
        fake.asks(MENU);
        let refused = Plugin::interrupt("app").unwrap_err().to_string();
        assert!(
            refused.contains("not busy") && refused.contains("no key was pressed"),
            "{refused}"
        );
        fake.shows("nothing that is known");
        assert!(matches!(Plugin::interrupt("app"), Err(Error::Refused(_))));
        assert_eq!(fake.pressed(), [""; 0]);
    }

    #[test]
    fn an_interrupt_that_is_not_seen_to_take_effect_is_unconfirmed() {
        let fake = Fake::new();
        fake.works();
        fake.ignores_keys();
        assert_eq!(Plugin::interrupt("app"), Ok(Receipt::Unconfirmed));
        assert_eq!(fake.pressed(), ["Escape"]);
    }
}
