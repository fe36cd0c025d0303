//! Interrupting what an agent does.

use berth_agents::{Observation, State as Seen};
use berth_plugin::{Error, Receipt, Result, State};

use crate::clock::pause;
use crate::composer::{Composing, is_empty};
use crate::found::{self, Found};
use crate::setup::{Entry, Setup};
use crate::{drafts, look, tmux};

const POLL_MS: u64 = 100;
/// How long an agent may take to stop, in milliseconds.
const STOPPED_MS: u64 = 4000;
/// How long after that it may take to put its message back into the composer, in milliseconds.
const BACK_MS: u64 = 1000;

/// Interrupts a busy agent, and removes its message where it puts that back into the composer. The key is pressed once:
/// a second one does something else in an idle agent, or ends it.
pub(crate) fn interrupt(setup: &Setup, id: &str) -> Result<Receipt> {
    let found = found::find(setup, id)?;
    if found.pane.end.is_some() {
        return Ok(Receipt::Confirmed);
    }
    let entry = found.known()?;
    let seen = observe(&found, entry)?;
    match found.state(entry, &seen) {
        State::Busy if seen.state == Seen::Idle => {
            return Err(Error::Refused(
                "it is at rest itself, and what works in the background cannot be stopped from here, so no key was pressed: \
                 tell it to stop that, or end the session"
                    .to_owned(),
            ));
        }
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
    drafts::pressed(id);
    let pressed = tmux::order(&[&["send-keys", "-t", &found.pane.id, "--", entry.agent.interrupt_key()]]);
    match pressed {
        Ok(_) | Err(Error::TimedOut(_) | Error::Failed(_)) => Ok(came_of(&found, entry)),
        Err(error) => Err(error),
    }
}

fn came_of(found: &Found, entry: &Entry) -> Receipt {
    for _ in 0..STOPPED_MS / POLL_MS {
        pause(POLL_MS);
        match observe(found, entry) {
            Ok(seen) if seen.state == Seen::Busy => {}
            Ok(_) => {
                take_back(found, entry);
                return Receipt::Confirmed;
            }
            // The key may have ended the agent, which is one way to stop.
            Err(Error::Refused(_) | Error::NotFound(_)) => return Receipt::Confirmed,
            Err(_) => return Receipt::Unconfirmed,
        }
    }
    Receipt::Unconfirmed
}

/// Empties the composer of the message that berth sent last, if the agent puts it back there.
fn take_back(found: &Found, entry: &Entry) {
    let Some(ours) = drafts::cut_off(&found.id) else {
        return;
    };
    let composing = Composing::of(found, entry, &ours);
    for _ in 0..BACK_MS / POLL_MS {
        match composing.observe() {
            Ok(seen) if seen.state == Seen::Idle && is_empty(&seen) => pause(POLL_MS),
            // What it is not seen to have left is removed before the next message.
            Ok(_) => return drop(composing.clear(&ours)),
            Err(_) => return,
        }
    }
}

fn observe(found: &Found, entry: &Entry) -> Result<Observation> {
    let look = look::close(&found.pane.id)?;
    found.living(&look)?;
    if look.in_mode {
        tmux::order(&[&["send-keys", "-X", "-t", &found.pane.id, "cancel"]])?;
    }
    Ok(entry.agent.observe(&look.screen))
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
    fn a_message_that_comes_back_after_an_interrupt_is_removed_and_a_persons_text_stays() {
        let fake = Fake::new();
        let message = |id: &str, text: &str| berth_plugin::Message {
            id: id.to_owned(),
            text: text.to_owned(),
            attachments: Vec::new(),
        };
        let texts = [
            "think hard".to_owned(),
            "many words ".repeat(300),
            "one\n".repeat(60) + "end",
        ];
        for (number, text) in texts.iter().enumerate() {
            Plugin::send_message("app", message(&number.to_string(), text)).unwrap();
            fake.works();
            fake.gives_back(text);
            assert_eq!(Plugin::interrupt("app"), Ok(Receipt::Confirmed));
            assert_eq!(fake.composer(), "");
        }
        fake.works();
        fake.gives_back("what a person wrote");
        assert_eq!(Plugin::interrupt("app"), Ok(Receipt::Confirmed));
        assert_eq!(fake.composer(), "what a person wrote");
        assert!(Plugin::send_message("app", message("x", "x")).is_err());
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
