//! `berth config diff`: what is shipped but does not count before it is accepted.

use std::path::Path;

use berth::assemble::Texts;
use berth::config::Change;

use super::command;
use crate::cli::print;

pub(super) fn run(texts: &Texts<'_>, path: Option<&Path>) -> anyhow::Result<()> {
    damage(texts);
    let waiting = texts.layers().waiting()?;
    if waiting.is_empty() {
        print::note("Nothing waits: everything that is shipped counts, except what your own configuration decides.");
        return Ok(());
    }
    show(&waiting);
    print::note(&format!("It counts when you accept it: {}", command("accept", path)));
    Ok(())
}

/// Says what a damaged record leads to.
pub(super) fn damage(texts: &Texts<'_>) {
    if let Some(damage) = texts.damage() {
        print::note(&format!("{damage}. Until that is fixed, berth does not start."));
    }
}

/// One line for each change.
pub(super) fn show(waiting: &[Change]) {
    waiting
        .iter()
        .for_each(|change| print::line(&print::safe(&change.to_string())));
}
