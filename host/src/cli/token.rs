//! `berth token`: the token that local clients send.

use std::process::ExitCode;

use berth::config::Config;
use berth::store::DataDirectory;

use super::print;

pub(crate) fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let data = DataDirectory::open(&config.server.data, &config.server.cache)?;
    print::line(data.local_token()?.reveal());
    Ok(ExitCode::SUCCESS)
}
