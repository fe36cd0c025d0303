//! What a session changed in the checkout that it was started in.

use berth_plugin::git::{self, Since, Wanted};
use berth_plugin::{ChangePage, Result};

use crate::found::find;
use crate::setup::Setup;

/// What differs from what was checked out when the session began.
pub(crate) fn get(setup: &Setup, id: &str, after: Option<&str>, limit: u32) -> Result<ChangePage> {
    let found = find(setup, id)?;
    git::changes(&Wanted {
        directory: &found.pane.directory,
        since: Since::Time(found.pane.created * 1000),
        after,
        limit,
        is_ours: false,
    })
}
