//! The clone of a build: where it is, from what it was made, and when it goes.

use berth_plugin::{Command, Error, Result, files};

use crate::kept::built::Plan;
use crate::setup::Setup;
use crate::setup::projects;

/// The grant that removes a clone, by a name that only clones of builds have.
const PROGRAM: &str = "rm";

impl Plan {
    /// Removes the clone, which the caller knows to hold nothing that is not kept elsewhere. Answers whether it is gone.
    pub(crate) fn remove(&self) -> Result<bool> {
        let name = self.name();
        let remove = Command::new(PROGRAM, ["-rf", "--", &name]).directory(&self.folder);
        remove.run()?.success()?;
        Ok(matches!(files::entries(&self.directory()), Err(Error::NotFound(_))))
    }
}

/// The folder in which clones are made.
///
/// # Errors
/// `Refused` if there is none.
pub(crate) fn folder(setup: &Setup) -> Result<String> {
    let Some(written) = &setup.settings.builds else {
        return Err(Error::Refused(
            "builds are off: name a folder for their clones, as `builds` in [backends.NAME.settings]".to_owned(),
        ));
    };
    projects::granted(written).map_err(|error| Error::Refused(format!("the folder `builds` cannot be used: {error}")))
}
