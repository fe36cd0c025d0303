//! Running tmux: one command or a chain of them, and what its errors mean.

use berth_plugin::{Command, Error, Output, Result};

/// The name of the granted program.
const PROGRAM: &str = "tmux";
/// A longer command fails with "command too long"; tmux's own limit is 16 KiB.
pub const LONGEST: usize = 15_000;

/// What a command printed, and the error that stopped it.
pub struct Reply {
    /// What it printed before that.
    pub stdout: Vec<u8>,
    /// What stopped it.
    pub error: Option<Trouble>,
}

/// Why tmux stopped.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    /// No tmux server runs on this socket, so there are no sessions.
    NoServer,
    /// The target of a command does not exist, or no longer.
    NoTarget,
    /// Anything else, which says nothing about any session.
    Other(String),
}

/// One command, or several that are joined by [`chain`].
#[must_use]
pub fn command(args: Vec<String>) -> Command {
    Command::new(PROGRAM, args)
}

/// Runs tmux.
///
/// # Errors
/// It could not be run.
pub fn run(command: Command) -> Result<Reply> {
    command.run().map(Reply::of)
}

/// Runs commands that must succeed.
///
/// # Errors
/// It could not be run, or one of them failed.
pub fn order(commands: &[&[&str]]) -> Result<Vec<u8>> {
    let args = chain(commands.iter().map(|command| words(command)));
    run(command(args))?.whole()
}

impl Reply {
    /// What this output of tmux says.
    #[must_use]
    pub fn of(output: Output) -> Self {
        let error = match (output.succeeded(), output.truncated) {
            (true, false) => None,
            (true, true) => Some(Trouble::Other("its output was longer than the grant allows".into())),
            (false, _) => Some(Trouble::read(&output.stderr)),
        };
        Self {
            stdout: output.stdout,
            error,
        }
    }

    /// The output of a command that must have succeeded.
    ///
    /// # Errors
    /// What stopped it.
    pub fn whole(self) -> Result<Vec<u8>> {
        self.error.map_or(Ok(self.stdout), |trouble| Err(trouble.into()))
    }
}

impl Trouble {
    fn read(stderr: &[u8]) -> Self {
        let text = String::from_utf8_lossy(stderr);
        let line = text.lines().next().unwrap_or_default();
        let no_socket = line.starts_with("error connecting to") && line.ends_with("(No such file or directory)");
        // A server that has no session left has no target to start from.
        let empty = line == "no current target" || line == "no sessions";
        if line.starts_with("no server running") || no_socket || empty {
            Self::NoServer
        } else if line.starts_with("can't find") || line.starts_with("no such") {
            Self::NoTarget
        } else {
            Self::Other(line.chars().take(200).collect())
        }
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::NoServer => Self::NotFound("no session runs here now: look with list_sessions".into()),
            Trouble::NoTarget => Self::NotFound("this session's pane no longer exists: look with list_sessions".into()),
            Trouble::Other(why) => Self::Failed(format!("tmux failed, so nothing is known about its sessions: {why}")),
        }
    }
}

/// An error before the first key.
#[must_use]
pub fn nothing_typed(error: Error) -> Error {
    match error {
        Error::TimedOut(why) | Error::Failed(why) | Error::NotFound(why) => {
            Error::Refused(format!("{why}; nothing was typed"))
        }
        other => other,
    }
}

/// Joins commands into one argument list; they run until the first that fails.
#[must_use]
pub fn chain(commands: impl IntoIterator<Item = Vec<String>>) -> Vec<String> {
    let mut args = Vec::new();
    for command in commands {
        if !args.is_empty() {
            args.push(";".to_owned());
        }
        args.extend(command);
    }
    args
}

/// The arguments of a command.
#[must_use]
pub fn words(command: &[&str]) -> Vec<String> {
    command.iter().map(|word| (*word).to_owned()).collect()
}

/// How much of a command line arguments take, in bytes.
#[must_use]
pub fn length(args: &[String]) -> usize {
    args.iter().map(|arg| arg.len() + 1).sum()
}

/// Makes an argument mean itself: tmux treats a `;` at an argument's end as a separator, unless a `\` precedes it,
/// which it then removes.
#[must_use]
pub fn literal(text: &str) -> String {
    match text.strip_suffix(';') {
        Some(rest) => format!("{rest}\\;"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_never_ends_in_a_separator() {
        for (text, sent) in [
            ("a", "a"),
            (";", "\\;"),
            ("a;", "a\\;"),
            ("a\\;", "a\\\\;"),
            ("a; ", "a; "),
            ("", ""),
        ] {
            assert_eq!(literal(text), sent);
        }
    }

    #[test]
    fn an_error_means_no_sessions_only_where_no_server_runs() {
        let table = [
            ("no server running on /tmp/tmux-1/x\n", Trouble::NoServer),
            (
                "error connecting to /tmp/tmux-1/x (No such file or directory)\n",
                Trouble::NoServer,
            ),
            ("no current target\n", Trouble::NoServer),
            ("can't find pane: %9\n", Trouble::NoTarget),
            ("can't find session: x\n", Trouble::NoTarget),
            ("error connecting to /tmp/x (Permission denied)\n", {
                Trouble::Other("error connecting to /tmp/x (Permission denied)".to_owned())
            }),
            ("", Trouble::Other(String::new())),
        ];
        for (stderr, trouble) in table {
            assert_eq!(Trouble::read(stderr.as_bytes()), trouble, "{stderr}");
        }
    }

    #[test]
    fn commands_are_joined_by_a_lone_separator() {
        let joined = chain([words(&["a", "b"]), words(&["c"])]);
        assert_eq!(joined, ["a", "b", ";", "c"]);
        assert_eq!(length(&joined), 8);
    }
}
