//! A clone of a project in which a program may work, and the way back of what it committed there.
//!
//! The program never holds the project's own repository, whose configuration the operator's next git would follow.

use super::branch::Branch;
use super::commit::{self, Commit};
use super::grant::TRANSPORT;
use super::repository::confined;
use super::run::{self, command};
use super::version;
use crate::{Command, Error, Result};

/// The git of a repository that is asked for its objects, whatever the configuration of the other says of that.
const UPLOAD: &str = "--upload-pack=git-upload-pack";

/// What became of a branch that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// The project has the branch as it is in the clone.
    Branch,
    /// The project's branch of that name has gone another way, or is checked out, so the commit is kept at this
    /// reference.
    Aside(String),
}

/// The name of the clone that belongs to a UUID. Only a directory with such a name is written to.
#[must_use]
pub fn clone_name(uuid: &str) -> String {
    format!("berth-{uuid}")
}

/// The command of a job that clones `project` into `clone`, and writes no file of it yet.
#[must_use]
pub fn clone_job(project: &str, clone: &str) -> Command {
    command(
        None,
        [
            TRANSPORT,
            "git",
            "clone",
            "--quiet",
            "--no-local",
            "--no-checkout",
            "--no-recurse-submodules",
            "--template=",
            "--origin=origin",
            "--config=remote.origin.fetch=+refs/remotes/*:refs/remotes/project/*",
            "--",
            project,
            clone,
        ],
    )
}

/// Writes the files of `commit` to our clone, whose name is a [`clone_name`], on `branch`.
///
/// # Errors
///
/// `Failed` if git does not do it, with what it says; `Refused` if it is too old, or the clone not [`confined`].
pub fn check_out(clone: &str, branch: &Branch, commit: &Commit) -> Result<()> {
    version::version()?.at_least(version::OURS, "a clone for a build")?;
    confined(clone)?;
    let (folder, name) = clone.rsplit_once('/').unwrap_or(("/", clone));
    let mut args = run::HERE.to_vec();
    args.splice(1..1, ["-C", name]);
    let (branch, commit) = (branch.name(), commit.id());
    args.extend(["checkout", "--quiet", "--no-track", "-B", branch, commit, "--"]);
    run::ran(command(Some(folder), args))?.success().map(drop)
}

/// Brings `commit` of our clone to the project: as `branch`, if that is new there or goes on from where it was;
/// otherwise as `refs/berth/ASIDE`.
///
/// # Errors
///
/// `Failed` if neither is possible, with what git says; `Refused` if one of the two is not [`confined`].
pub fn fetch_back(project: &str, clone: &str, commit: &Commit, branch: &Branch, aside: &str) -> Result<Fetched> {
    if fetch(project, clone, commit, &branch.reference())?.succeeded() {
        return Ok(Fetched::Branch);
    }
    // It also failed if somebody else brought it there in the meantime.
    if commit::commit(project, &branch.reference())?.as_ref() == Some(commit) {
        return Ok(Fetched::Branch);
    }
    let reference = format!("refs/berth/{aside}");
    fetch(project, clone, commit, &reference)?.success()?;
    Ok(Fetched::Aside(reference))
}

fn fetch(project: &str, clone: &str, commit: &Commit, reference: &str) -> Result<crate::Output> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let aside = reference.strip_prefix("refs/berth/");
    if aside.is_some_and(|name| name.is_empty() || !name.chars().all(is_name)) {
        return Err(Error::Invalid(format!(
            "{reference:?} cannot be the name of a reference"
        )));
    }
    // What was checked before may have been replaced by another one since.
    confined(project)?;
    confined(clone)?;
    let update = format!("{commit}:{reference}");
    let mut args = vec![TRANSPORT];
    args.extend(run::HERE);
    args.extend([
        "fetch",
        "--quiet",
        "--no-tags",
        "--no-prune",
        "--no-write-fetch-head",
        "--no-recurse-submodules",
        "--no-auto-maintenance",
        "--refmap=",
        UPLOAD,
        "--",
        clone,
        &update,
    ]);
    run::ran(command(Some(project), args))
}
