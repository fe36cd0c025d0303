//! The two things that the demo agent really does: it writes a file below its directory, and commits there.

use std::fs;
use std::path::{Component, Path};
use std::process::{Command, Stdio};

/// Git as it is run: no hook, signature, editor or question of anybody's, and a name where none is configured.
const GIT: &[&str] = &[
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "commit.gpgSign=false",
    "-c",
    "user.name=Demo agent",
    "-c",
    "user.email=demo-agent@localhost",
];

/// Writes `text` to `file`, a path relative to `directory`. Answers what happened, or why nothing did.
pub(super) fn write(directory: &Path, file: &str, text: &str) -> Result<String, String> {
    let path = Path::new(file);
    let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if !is_plain || path.file_name().is_none() {
        return Err(format!("{file} is not a path below this directory"));
    }
    let here = directory.canonicalize().map_err(|error| error.to_string())?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let folder = here.join(folder);
    fs::create_dir_all(&folder).map_err(|error| format!("{file}: {error}"))?;
    // A link may lead out.
    let leads_out = |path: &Path| path.canonicalize().is_ok_and(|found| !found.starts_with(&here));
    let path = here.join(path);
    if leads_out(&folder) || leads_out(&path) || path.is_symlink() {
        return Err(format!("{file} leads out of this directory"));
    }
    fs::write(&path, format!("{text}\n")).map_err(|error| format!("{file}: {error}"))?;
    Ok(format!("Wrote {file}"))
}

/// Runs git in the directory with these arguments. Answers what it said, or why it failed.
#[allow(
    clippy::disallowed_methods,
    reason = "the host does not start this: it is what an agent does by itself"
)]
pub(super) fn git(directory: &Path, arguments: &[&str]) -> Result<String, String> {
    let run = Command::new("git")
        .args(GIT)
        .args(arguments)
        .current_dir(directory)
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("git: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match run.status.success() {
        true => Ok(text(&run.stdout)),
        false => Err(format!("{} {}", text(&run.stdout), text(&run.stderr)).trim().to_owned()),
    }
}
