//! Interrupting what an agent does.

use berth_plugin::types::{Error, State};

use crate::clock::pause;
use crate::look;
use crate::sessions::{self, Found};
use crate::setup::{Entry, Setup};

const POLL_MS: u64 = 100;
/// How long an agent may take to stop, in milliseconds.
const STOPPED_MS: u64 = 4000;

/// Interrupts a busy agent. The key is pressed once: a second one does something else in an idle agent.
pub(crate) fn interrupt(setup: &Setup, id: &str) -> Result<(), Error> {
    let found = sessions::find(setup, id)?;
    let entry = found.known()?;
    if !is_busy(setup, &found, entry)? {
        return Err(Error::Refused(
            "it is not at work, so there is nothing to interrupt and no key was pressed".to_owned(),
        ));
    }
    let key = entry.agent.interrupt_key();
    setup.typing.may_come_back(id);
    setup.tmux.order(&[&["send-keys", "-t", &found.pane.id, "--", key]])?;
    for _ in 0..STOPPED_MS / POLL_MS {
        pause(POLL_MS);
        match is_busy(setup, &found, entry) {
            // The agent may have ended by it, which is one way to stop.
            Ok(false) | Err(Error::Refused(_) | Error::NotFound(_)) => return Ok(()),
            Ok(true) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::Failed(format!(
        "{key} was pressed once, but it is still at work: look again in a few seconds"
    )))
}

fn is_busy(setup: &Setup, found: &Found, entry: &Entry) -> Result<bool, Error> {
    let look = look::close(&setup.tmux, &found.pane.id)?;
    found.living(&look)?;
    if look.in_mode {
        setup
            .tmux
            .order(&[&["send-keys", "-X", "-t", &found.pane.id, "cancel"]])?;
    }
    Ok(found.state(entry, &entry.agent.observe(&look.screen)) == State::Busy)
}
