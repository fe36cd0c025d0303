//! This process's user, and where that user's files are.

use etcetera::BaseStrategy;

use crate::config::{ConfigError, Installation, Surroundings};

/// The surroundings for which this process reads a configuration.
pub(super) fn of_process(installation: Installation<'_>) -> Result<Surroundings<'_>, ConfigError> {
    let homeless = |_| ConfigError::whole("environment", "there is no home directory: set HOME");
    let xdg = etcetera::base_strategy::Xdg::new().map_err(homeless)?;
    let native = native().map_err(homeless)?;
    Ok(Surroundings {
        installation,
        user: rustix::process::geteuid().as_raw(),
        home: xdg.home_dir().to_owned(),
        config: xdg.config_dir(),
        data: native.data_dir(),
        cache: native.cache_dir(),
    })
}

#[cfg(target_os = "macos")]
fn native() -> Result<etcetera::base_strategy::Apple, etcetera::HomeDirError> {
    etcetera::base_strategy::Apple::new()
}

#[cfg(not(target_os = "macos"))]
fn native() -> Result<etcetera::base_strategy::Xdg, etcetera::HomeDirError> {
    etcetera::base_strategy::Xdg::new()
}
