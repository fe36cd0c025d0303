//! What one backend may run: a granted program as plain data, and `allows`, which decides on a whole argument list.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

mod agent;
mod denial;
mod narrower;
mod pattern;
mod template;
#[cfg(test)]
mod tests;

pub use agent::{AgentCommand, BadAgent, BadOption};
pub use denial::{Denial, OptionValue, Reason};
pub use narrower::{covers, expression_covers};
pub use pattern::{BadPattern, Pattern};
pub use template::{BadTemplate, BadWord, Words};

/// The most arguments that one run of a program may have.
pub const MAX_ARGUMENTS: usize = 4096;
/// The most bytes that all arguments of one run may have together.
pub const MAX_ARGUMENT_BYTES: usize = 128 * 1024;
/// In `fixed`: the path of the file that holds `conf`, which the host puts in its place.
pub const CONF_MARKER: &str = "@conf";

/// In an agent's command without a terminal: the path of a file with an entry for this server, which a job gets.
pub const ENTRY_MARKER: &str = "@entry";

/// In `fixed`: the path of the socket by which the program reaches its server, in a directory of berth's own.
pub const SOCKET_MARKER: &str = "@socket";

/// Which of a program's lists applies: what kind of verb is running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A verb that only looks: the `read` list alone.
    Read,
    /// A verb that acts: `read` and `control`.
    Control,
}

/// Which of a program's lists a denial is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lists {
    /// `read`.
    Read,
    /// `read` and `control`.
    Control,
    /// `job`.
    Job,
}

impl From<Access> for Lists {
    fn from(access: Access) -> Self {
        match access {
            Access::Read => Self::Read,
            Access::Control => Self::Control,
        }
    }
}

/// One program that one backend may run: a `[backends.BACKEND.programs.PROGRAM]` table, checked and compiled.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The backend that has this grant.
    pub backend: String,
    /// The name that a plugin asks for.
    pub program: String,
    /// The program's absolute path, found once when the configuration was loaded.
    pub path: PathBuf,
    /// Text of a configuration file for the program; the host writes it and puts its path where `fixed` says `@conf`.
    pub conf: Option<String>,
    /// Arguments that always come first; the plugin neither sees nor changes them.
    pub fixed: Vec<String>,
    /// What is known of the server's socket, where `fixed` says `@socket`.
    pub socket: Option<SocketTerms>,
    /// What each `<word>` of the patterns stands for: the regular expressions as written, by name.
    pub words: BTreeMap<String, String>,
    /// An argument that, alone, separates several commands in one list, such as tmux's `;`.
    pub separator: Option<String>,
    /// Argument lists that any verb may use.
    pub read: Vec<Pattern>,
    /// Argument lists that only a verb with `Access::Control` may use.
    pub control: Vec<Pattern>,
    /// Argument lists that only a job may use.
    pub job: Vec<Pattern>,
    /// How long a job may take.
    pub job_timeout: Duration,
    /// Bytes that are kept of each of a job's two outputs.
    pub job_output: u64,
    /// The argument list by which the operator's own terminal joins a session.
    pub attach: Option<Pattern>,
    /// Argument lists for `berth doctor`, run one after the other. The first shows its version, for example. `@conf` and
    /// `@socket` stand in them for a file that holds `conf` and for a socket that nobody else uses. No plugin may use them.
    pub doctor: Vec<Vec<String>>,
    /// The least version with which it works, such as `3.3`, as the answer to the first of these shows it.
    pub least_version: Option<String>,
    /// How long one run may take.
    pub timeout: Duration,
    /// The most bytes that are kept of what one run prints, stdout and stderr together.
    pub output: u64,
    /// Whether what it leaves running continues after it has ended with success; otherwise that is ended too.
    pub lingers: bool,
}

/// What the operator configured about the socket by which a program reaches its server.
#[derive(Debug, Clone, Default)]
pub struct SocketTerms {
    /// A command by which the server with the process id `<pid>` makes its socket again.
    pub restore: Option<String>,
    /// Where the socket was before: a server that still listens there is still used.
    pub former: Option<PathBuf>,
    /// Arguments with which the program shows the sessions of a server, for the operator.
    pub show: Vec<String>,
}

impl Grant {
    /// Whether `args`, the arguments that follow `fixed`, may be run with `access`. `agents` are the commands that
    /// `@agent` stands for.
    ///
    /// # Errors
    /// A [`Denial`] that names the program, what did not fit, and the line of the configuration that would allow it.
    pub fn allows(&self, access: Access, args: &[String], agents: &[AgentCommand]) -> Result<(), Denial> {
        self.listed(access.into(), args, agents)
    }

    /// Whether `args` may be those of a job.
    ///
    /// # Errors
    /// As [`Self::allows`].
    pub fn allows_job(&self, args: &[String], agents: &[AgentCommand]) -> Result<(), Denial> {
        self.listed(Lists::Job, args, agents)
    }

    fn listed(&self, access: Lists, args: &[String], agents: &[AgentCommand]) -> Result<(), Denial> {
        self.within_bounds(access, args)?;
        self.without_hidden_separator(access, args)?;
        let mut start = 0;
        for part in self.parts(args) {
            self.allows_part(access, part, start, agents)?;
            start += part.len() + 1;
        }
        Ok(())
    }

    /// The arguments by which a person's terminal joins the session `session_name`; nothing if the grant has no
    /// `attach`.
    ///
    /// # Errors
    /// A [`Denial`] when the name is not one that the pattern's words take.
    pub fn attach_args(&self, session_name: &str) -> Option<Result<Vec<String>, Denial>> {
        let pattern = self.attach.as_ref()?;
        let filled = pattern.fill(session_name);
        Some(filled.ok_or_else(|| self.denial(Lists::Control, Reason::SessionName(denial::quoted(session_name)))))
    }

    /// The arguments of `args`, which are allowed by `lists`, that must be directories of the backend. Where several
    /// patterns take a command, the first one counts.
    pub fn named_directories<'a>(&self, lists: Lists, args: &'a [String], agents: &[AgentCommand]) -> Vec<&'a str> {
        let mut named = Vec::new();
        for part in args.split(|arg| self.separator.as_ref() == Some(arg)) {
            let pattern = self.patterns(lists).find(|pattern| pattern.matches(part, agents));
            named.extend(pattern.map(|pattern| pattern.directories(part)).unwrap_or_default());
        }
        named
    }

    /// Where `args`, which are allowed for a job, have `@entry`: only the operator's own words count.
    pub fn entry_places(&self, args: &[String], agents: &[AgentCommand]) -> Vec<usize> {
        let (mut start, mut places) = (0, Vec::new());
        for part in self.parts(args) {
            let pattern = self.job.iter().find(|pattern| pattern.matches(part, agents));
            let within = pattern
                .map(|pattern| pattern.entry_places(part, agents))
                .unwrap_or_default();
            places.extend(within.into_iter().map(|place| start + place));
            start += part.len() + 1;
        }
        places
    }

    /// Whether one of the commands in `args`, which are allowed, starts an agent.
    pub fn starts_agent(&self, args: &[String], agents: &[AgentCommand]) -> bool {
        let patterns = || {
            self.read
                .iter()
                .chain(&self.control)
                .chain(&self.job)
                .filter(|pattern| pattern.takes_agent())
        };
        self.parts(args)
            .any(|part| patterns().any(|pattern| pattern.matches(part, agents)))
    }

    fn within_bounds(&self, access: Lists, args: &[String]) -> Result<(), Denial> {
        if args.len() > MAX_ARGUMENTS {
            return Err(self.denial(access, Reason::TooMany(args.len())));
        }
        let bytes: usize = args.iter().map(String::len).sum();
        if bytes > MAX_ARGUMENT_BYTES {
            return Err(self.denial(access, Reason::TooLong(bytes)));
        }
        Ok(())
    }

    /// A program such as tmux ends a command at any argument that ends in its separator, wherever that is, also after
    /// `--`, unless a backslash precedes it.
    fn without_hidden_separator(&self, access: Lists, args: &[String]) -> Result<(), Denial> {
        let Some(separator) = &self.separator else {
            return Ok(());
        };
        let hidden = |arg: &String| {
            arg != separator
                && arg
                    .strip_suffix(separator.as_str())
                    .is_some_and(|before| !before.ends_with('\\'))
        };
        match args.iter().position(hidden) {
            None => Ok(()),
            Some(index) => Err(self.denial(
                access,
                Reason::HiddenSeparator {
                    index: index + 1,
                    argument: denial::quoted(&args[index]),
                    separator: separator.clone(),
                },
            )),
        }
    }

    fn parts<'a>(&'a self, args: &'a [String]) -> impl Iterator<Item = &'a [String]> {
        args.split(|arg| self.separator.as_ref() == Some(arg))
    }

    /// Decides about one command; `start` is the number of arguments before it.
    fn allows_part(&self, access: Lists, part: &[String], start: usize, agents: &[AgentCommand]) -> Result<(), Denial> {
        let Some(subcommand) = part.first() else {
            return Err(self.denial(access, Reason::Empty { index: start + 1 }));
        };
        let matches = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(part, agents));
        match access {
            Lists::Job if matches(&self.job) => return Ok(()),
            Lists::Read | Lists::Control if matches(&self.read) => return Ok(()),
            Lists::Control if matches(&self.control) => return Ok(()),
            Lists::Read if matches(&self.control) => {
                return Err(self.denial(
                    access,
                    Reason::OnlyControl {
                        subcommand: denial::quoted(subcommand),
                    },
                ));
            }
            _ => {}
        }
        let bad = self
            .patterns(access)
            .find_map(|pattern| pattern.bad_value(part, agents));
        if let Some((agent, bad)) = bad {
            return Err(self.denial(
                access,
                Reason::OptionValue(Box::new(OptionValue {
                    agent,
                    option: bad.option,
                    value: denial::quoted(&bad.value),
                    expression: bad.expression,
                })),
            ));
        }
        let fitting = self.patterns(access).map(|pattern| pattern.fitting(part, agents));
        let fitting = fitting.max().unwrap_or(0);
        Err(self.denial(
            access,
            Reason::NoPattern {
                subcommand: denial::quoted(subcommand),
                index: start + fitting + 1,
                argument: part.get(fitting).map(|arg| denial::quoted(arg)),
            },
        ))
    }

    fn patterns(&self, lists: Lists) -> impl Iterator<Item = &Pattern> {
        let (first, second): (&[Pattern], &[Pattern]) = match lists {
            Lists::Job => (&self.job, &[]),
            Lists::Read => (&self.read, &[]),
            Lists::Control => (&self.read, &self.control),
        };
        first.iter().chain(second)
    }

    fn denial(&self, access: Lists, reason: Reason) -> Denial {
        Denial {
            backend: self.backend.clone(),
            program: self.program.clone(),
            lists: access,
            reason,
        }
    }
}
