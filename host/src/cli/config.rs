//! `berth config`: your configuration over the shipped one, and what you have accepted of that.

mod accept;
mod diff;
mod init;
mod show;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use berth::assemble::{Setup, Texts};
use berth::config::{Installation, summary};
use berth::{peer, shell};

use super::print;

#[derive(clap::Subcommand)]
pub(crate) enum Options {
    /// Write a short configuration of yours to start with
    Init,
    /// Print the effective configuration as TOML, without secrets
    Show(show::Options),
    /// Show what is shipped but does not count before you accept it
    Diff,
    /// Accept what is shipped; on a terminal, outside of sessions
    Accept,
}

/// `path` is the file that `--config` names.
pub(crate) fn run(options: &Options, path: Option<&Path>, installation: Installation<'_>) -> anyhow::Result<ExitCode> {
    let texts = || Texts::find(path, installation);
    let outside_sessions = |texts: &Texts<'_>| {
        // A file that the caller names may be the caller's own.
        peer::ensure_outside_sessions(path.is_none() && texts.sessions_may_control()?)
    };
    match options {
        Options::Init => {
            peer::ensure_outside_sessions(false)?;
            init::run(path, installation)?;
        }
        Options::Show(options) => show::run(&texts()?, options)?,
        Options::Diff => diff::run(&texts()?, path)?,
        Options::Accept => {
            let texts = texts()?;
            outside_sessions(&texts)?;
            accept::run(&texts)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What waits to be accepted and the commands for that, in one line; none if nothing waits.
pub(crate) fn waiting(setup: &Setup) -> Option<(String, String)> {
    let names = (!setup.waiting.is_empty()).then(|| print::safe(&summary(&setup.waiting)))?;
    let file = setup.file.as_deref();
    Some((
        format!("shipped, but not accepted yet: {names}"),
        format!(
            "see it with {}, accept it with {}",
            command("diff", file),
            command("accept", file)
        ),
    ))
}

/// A line to paste.
fn command(name: &str, file: Option<&Path>) -> String {
    let with = file.map_or(String::new(), |file| {
        format!(" --config {}", shell::word(PathBuf::from(file)))
    });
    format!("`berth config {name}{with}`")
}
