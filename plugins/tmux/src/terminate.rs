//! Ending a session.

use berth_plugin::types::Error;

use crate::clock::pause;
use crate::sessions;
use crate::setup::Setup;

const POLL_MS: u64 = 100;
/// How long a session may take to end, in milliseconds.
const ENDED_MS: u64 = 2000;

/// Ends a session and everything in it.
pub(crate) fn terminate(setup: &Setup, id: &str) -> Result<(), Error> {
    let found = sessions::find(setup, id)?;
    setup.tmux.order(&[&["kill-session", "-t", &found.pane.session]])?;
    for _ in 0..ENDED_MS / POLL_MS {
        match sessions::find(setup, id) {
            Err(Error::NotFound(_)) => {
                setup.answers.forget(id);
                setup.typing.end(id);
                return Ok(());
            }
            Err(error) => return Err(error),
            Ok(_) => pause(POLL_MS),
        }
    }
    Err(Error::Failed(
        "the session was told to end but is still there: look again with list_sessions".to_owned(),
    ))
}
