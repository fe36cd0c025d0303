//! `berth open`: the address of the sessions' page, and a word that logs in a browser on this machine.

use std::process::ExitCode;

use anyhow::bail;
use berth::assemble::Setup;
use berth::owner::{self, Opened};
use berth::store::{DataDirectory, Word};

use super::print;

pub(crate) async fn run(setup: &Setup) -> anyhow::Result<ExitCode> {
    let socket = DataDirectory::open(&setup.server.data, &setup.server.cache)?.socket_path();
    match owner::open(&socket).await? {
        Opened::Here { address, word } => {
            let seconds = Word::COUNTS_FOR.as_secs();
            print::line(&format!("Open      {}", print::safe(&address)));
            print::line(&format!("and type  {}", print::safe(&word)));
            print::note(&format!(
                "The word counts once, for {seconds} seconds, in a browser on this machine."
            ));
        }
        Opened::Elsewhere { address } => {
            print::line(&format!("Open {}", print::safe(&address)));
            print::note("Log in there with your passphrase.");
        }
        Opened::Refused { why } => bail!("{}", print::safe(&why)),
    }
    Ok(ExitCode::SUCCESS)
}
