//! `berth config accept`: what is shipped counts from now on.

use std::io::{IsTerminal as _, stdin, stdout};

use anyhow::{bail, ensure};
use berth::assemble::Texts;

use super::diff;
use crate::cli::print;

pub(super) fn run(texts: &Texts<'_>) -> anyhow::Result<()> {
    ensure!(
        stdin().is_terminal() && stdout().is_terminal(),
        "a person must see what is shipped before it is accepted: run berth config accept on a terminal"
    );
    diff::damage(texts);
    let waiting = texts.layers().waiting()?;
    diff::show(&waiting);
    if !waiting.is_empty() && !print::agrees("Accept this?")? {
        bail!("nothing was accepted, and what counts stays as it was");
    }
    texts.accept()?;
    print::line("Accepted. It counts from the next start of berth.");
    Ok(())
}
