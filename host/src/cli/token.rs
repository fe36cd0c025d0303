//! `berth token`: the token that local clients send.

use std::process::ExitCode;

use berth::assemble::Setup;
use berth::store::DataDirectory;

use super::print;

pub(crate) fn run(setup: &Setup) -> anyhow::Result<ExitCode> {
    let data = DataDirectory::open(&setup.server.data, &setup.server.cache)?;
    print::line(data.local_token()?.reveal());
    Ok(ExitCode::SUCCESS)
}
