//! `berth reload`: the berth that runs reads its configuration again.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use berth::assemble::Texts;
use berth::config::Installation;
use berth::owner;
use berth::peer;

use super::print;

/// The socket of the berth that runs. Of the file that `--config` names, `path`, only the data directory counts: who runs
/// reads its own again.
pub(crate) fn socket(path: Option<&Path>, installation: Installation<'_>) -> anyhow::Result<PathBuf> {
    let texts = Texts::find(path, installation)?;
    // A file that the caller names may be the caller's own.
    peer::ensure_outside_sessions(path.is_none() && texts.sessions_may_control()?)?;
    Ok(texts.data()?.socket_path())
}

pub(crate) async fn run(socket: &Path) -> anyhow::Result<ExitCode> {
    let told = owner::reload(socket).await?;
    let lines: Vec<String> = told.lines.iter().map(|line| print::safe(line)).collect();
    if !told.done {
        bail!("not reloaded, and everything stays as it was: {}", lines.join("\n"));
    }
    print::line("Reloaded.");
    lines.iter().for_each(|line| print::line(&format!("  {line}")));
    Ok(ExitCode::SUCCESS)
}
