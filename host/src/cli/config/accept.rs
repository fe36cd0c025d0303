//! `berth config accept`: what is shipped counts from now on.

use std::io::{IsTerminal as _, stdin, stdout};

use anyhow::{bail, ensure};
use berth::assemble::Texts;
use berth::config::summary;
use berth::principal::Principal;
use berth::store::audit::{Entry, Event};

use super::diff;
use crate::cli::{access, print};

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
    let grants = texts.layers().when_accepted().grants()?;
    let mut audit = texts.data()?.audit(false)?.with_grants(grants);
    audit.try_writing()?;
    texts.accept()?;
    let entry = Entry::at_door(Event::ConfigAccepted, Principal::local().id(), summary(&waiting));
    access::note_unrecorded(audit.append(&[entry]));
    print::line(
        "Accepted. It counts from the next start of berth, or when the one that runs reloads it (`berth reload`).",
    );
    Ok(())
}
