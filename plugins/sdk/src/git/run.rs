//! How git is run: the program `git` of the grant is `env`, which sets git's variables and then runs it.

use std::time::Duration;

use crate::{Command, Error, Output, Result};

/// The name of the grant.
const PROGRAM: &str = "git";
/// What `env` exits with where there is no git.
const MISSING: i32 = 127;

/// Git in the repository at `directory`, and in none above it.
pub(super) const HERE: [&str; 3] = ["git", "--git-dir=.git", "--work-tree=."];

/// A command of `env`, in a directory.
pub(super) fn command<T: AsRef<str>>(directory: Option<&str>, args: impl IntoIterator<Item = T>) -> Command {
    let command = Command::new(PROGRAM, args.into_iter().map(|arg| arg.as_ref().to_owned()));
    match directory {
        Some(directory) => command.directory(directory),
        None => command,
    }
}

/// Git in the repository at `directory`, with these arguments.
pub(super) fn here<T: AsRef<str>>(directory: &str, args: impl IntoIterator<Item = T>) -> Command {
    let args = args.into_iter().map(|arg| arg.as_ref().to_owned());
    command(
        Some(directory),
        HERE.iter().map(|&arg| arg.to_owned()).chain(args).collect::<Vec<_>>(),
    )
}

/// Its output, however it ended, where there is a git.
pub(super) fn ran(command: Command) -> Result<Output> {
    there(command.run()?)
}

/// The same output, if there is a git.
pub(super) fn there(output: Output) -> Result<Output> {
    match output.status {
        Some(MISSING) => Err(Error::Unavailable(
            "git is not installed on this machine, or not on berth's PATH: install it".to_owned(),
        )),
        _ => Ok(output),
    }
}

/// What it printed, if it succeeded.
pub(super) fn printed(command: Command) -> Result<Vec<u8>> {
    ran(command)?.bytes()
}

/// The same command in the time that is left.
pub(super) fn within(command: Command, left: Duration) -> Command {
    command.timeout(left.max(Duration::from_millis(1)))
}
