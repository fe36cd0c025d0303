//! What was done in a clone, as git has it.

use std::time::{Duration, Instant};

use super::checkout::Checkout;
use super::commit::Commit;
use super::{changes, git_output, run};
use crate::{ChangedFile, Command, Error, Result};

/// How long it may take to look for what is not committed.
const TIME: Duration = Duration::from_secs(5);
/// Files that are looked at for that.
const FILES: u32 = 200;

/// What was committed.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// How many commits there are past the base.
    pub commits: u32,
    /// How the files differ from the base.
    pub files: Vec<ChangedFile>,
}

/// What is committed in `head`, and was not in `base`.
///
/// # Errors
///
/// `Failed` if git does not say it.
pub fn work(clone: &str, base: &Commit, head: &Commit) -> Result<Work> {
    let without = format!("^{base}");
    let commits = count(clone, &[head.id(), &without, "--"])?;
    let args = [
        "diff-tree",
        "-r",
        "-z",
        "--numstat",
        "--no-renames",
        "--no-ext-diff",
        "--no-textconv",
        base.id(),
        head.id(),
        "--",
    ];
    let counted = git_output::counted(&run::printed(run::here(clone, args))?);
    let file = |(path, lines): (String, Option<(u32, u32)>)| {
        let (added, removed) = lines.unwrap_or_default();
        ChangedFile {
            path,
            added,
            removed,
            binary: lines.is_none(),
        }
    };
    Ok(Work {
        commits,
        files: counted.into_iter().map(file).collect(),
    })
}

/// How many commits that our clone has at the tips of its branches, tags and checkouts are not in the project: those that
/// would be lost with it, with what is before them. What the clone itself says of where they are from does not count,
/// because whoever works in it can write that.
///
/// # Errors
///
/// `Failed` if git does not say it.
pub fn unfetched(project: &str, clone: &str) -> Result<usize> {
    let tips = whole(run::here(clone, ["rev-list", "--no-walk", "--all"]))?;
    let asked = tips.lines().count();
    let found = whole(run::here(project, ["cat-file", "--batch-check"]).stdin(tips))?;
    let (there, answers) = found.lines().fold((0, 0), |(there, answers), line| {
        (there + usize::from(line.contains(" commit ")), answers + 1)
    });
    match answers == asked {
        true => Ok(asked - there),
        false => Err(Error::Failed(
            "git does not say which commits the project has".to_owned(),
        )),
    }
}

/// All that it prints.
fn whole(command: Command) -> Result<String> {
    let output = run::ran(command)?;
    if output.truncated {
        return Err(Error::Failed(
            "there are more references than git may print of here".to_owned(),
        ));
    }
    output.text()
}

fn count(clone: &str, which: &[&str]) -> Result<u32> {
    let count = run::printed(run::here(clone, [&["rev-list", "--count"], which].concat()))?;
    let count = String::from_utf8_lossy(&count);
    let number = count.trim().parse();
    number.map_err(|_| Error::Failed(format!("git does not say how many commits there are: {count:?}")))
}

/// The files in our clone that are otherwise than in its commit, at most 200; none: it is clean.
///
/// # Errors
///
/// `Failed` if that cannot be found out.
pub fn leftovers(clone: &str) -> Result<Vec<String>> {
    let checkout = Checkout::ours(clone, Instant::now() + TIME)?;
    let head = checkout.head()?;
    let page = changes::page(&checkout, head.as_ref(), None, FILES)?;
    Ok(page.files.into_iter().map(|file| file.path).collect())
}
