//! Running granted programs, on the machine on which the backend lives or on the host of [`ssh::on`].

use std::time::Duration;

pub use crate::contract::process::Command;
use crate::contract::process::Output as Raw;
use crate::ssh::{self, Order};
use crate::{Error, Result, host};

/// The most commands that one run takes.
const RUN: usize = 64;
/// How much of its standard error is in the error of a program: lines, and bytes of each.
const LINES: usize = 3;
const LINE: usize = 300;

/// Runs a program to its end. `program` is the name of a grant, never a path.
///
/// ```
/// # fn main() -> berth_plugin::Result<()> {
/// # let host = berth_plugin::testing::Host::new();
/// # host.on("tmux", ["list-sessions"]).prints("app\n");
/// let sessions = berth_plugin::run("tmux", ["list-sessions"])?.text()?;
/// # assert_eq!(sessions, "app\n");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// If it could not be run: not granted, out of time. How it ended is in the [`Output`].
pub fn run<T: Into<String>>(program: impl Into<String>, args: impl IntoIterator<Item = T>) -> Result<Output> {
    Command::new(program, args).run()
}

/// Runs several programs, all at once if the grants allow it, and returns their outputs in the same order.
#[must_use]
pub fn run_all(commands: impl IntoIterator<Item = Command>) -> Vec<Result<Output>> {
    let commands: Vec<_> = commands.into_iter().collect();
    match ssh::current() {
        None => in_parts(&commands, |command| &command.program, host::process::run),
        Some(host) => {
            let orders = commands.into_iter().map(|command| Order {
                host: host.clone(),
                command,
            });
            ssh::run_all(orders)
        }
    }
}

/// Lets `run` run as many at a time as the host takes.
pub(crate) fn in_parts<C>(
    commands: &[C],
    program: impl Fn(&C) -> &str,
    run: impl Fn(&[C]) -> Vec<Result<Raw>>,
) -> Vec<Result<Output>> {
    let mut outputs = Vec::with_capacity(commands.len());
    for commands in commands.chunks(RUN) {
        let mut answers = run(commands).into_iter();
        for command in commands {
            let program = program(command);
            let missing = || Err(Error::Failed(format!("the host gave no answer for {program}")));
            let answer = answers.next().unwrap_or_else(missing);
            outputs.push(answer.map(|raw| Output::new(program, raw)));
        }
    }
    outputs
}

impl Command {
    /// A command without input and directory, in the time that its grant allows.
    #[must_use]
    pub fn new<T: Into<String>>(program: impl Into<String>, args: impl IntoIterator<Item = T>) -> Self {
        Self {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            stdin: Vec::new(),
            directory: None,
            env: Vec::new(),
            timeout_ms: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Gives it this standard input.
    #[must_use]
    pub fn stdin(self, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            stdin: bytes.into(),
            ..self
        }
    }

    /// Runs it in this directory, which lies under a granted one.
    #[must_use]
    pub fn directory(self, directory: impl Into<String>) -> Self {
        Self {
            directory: Some(directory.into()),
            ..self
        }
    }

    /// Gives it this variable, whose name is granted.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Ends it after this time, if the grant does not end it earlier.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        let timeout_ms = Some(u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX));
        Self { timeout_ms, ..self }
    }

    /// Runs it to its end.
    ///
    /// # Errors
    ///
    /// If it could not be run: not granted, out of time. How it ended is in the [`Output`].
    pub fn run(self) -> Result<Output> {
        // There is one answer for each command.
        run_all([self])
            .pop()
            .unwrap_or_else(|| Err(Error::Failed("nothing was run".to_owned())))
    }
}

/// How a program ended, and what it wrote.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Output {
    /// The name of its grant.
    pub program: String,
    /// Its exit status; none when a signal ended it.
    pub status: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error.
    pub stderr: Vec<u8>,
    /// There was more output than its grant allows.
    pub truncated: bool,
}

impl Output {
    fn new(program: &str, raw: Raw) -> Self {
        Self {
            program: program.to_owned(),
            status: raw.status,
            signal: raw.signal,
            stdout: raw.stdout,
            stderr: raw.stderr,
            truncated: raw.truncated,
        }
    }

    /// Whether it exited with status 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.status == Some(0)
    }

    /// The same output, if the program succeeded.
    ///
    /// # Errors
    ///
    /// `Failed` if the program failed: names it, how it ended, and the last lines of its standard error.
    pub fn success(self) -> Result<Self> {
        if self.succeeded() {
            return Ok(self);
        }
        let end = match (self.status, self.signal) {
            (Some(status), _) => format!("failed with exit status {status}"),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => "did not end by itself".to_owned(),
        };
        Err(Error::Failed(format!("{} {end}: {}", self.program, self.last_words())))
    }

    /// The same output, if the program succeeded and nothing of it was cut.
    ///
    /// # Errors
    ///
    /// As [`success`](Self::success); also `Failed` if it wrote more than its grant allows.
    pub fn whole(self) -> Result<Self> {
        let output = self.success()?;
        if !output.truncated {
            return Ok(output);
        }
        let program = output.program;
        Err(Error::Failed(format!(
            "{program} wrote more than its grant allows: raise `output` in [backends.NAME.programs.{program}]"
        )))
    }

    /// Everything that a successful program wrote to its standard output.
    ///
    /// # Errors
    ///
    /// As [`whole`](Self::whole).
    pub fn bytes(self) -> Result<Vec<u8>> {
        Ok(self.whole()?.stdout)
    }

    /// What it wrote to its standard output as text; what is not UTF-8 in it becomes U+FFFD.
    ///
    /// # Errors
    ///
    /// As [`whole`](Self::whole).
    pub fn text(self) -> Result<String> {
        let bytes = self.bytes()?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// The last lines of its standard error.
    fn last_words(&self) -> String {
        let text = String::from_utf8_lossy(&self.stderr);
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if lines.is_empty() {
            return "it wrote nothing to its standard error".to_owned();
        }
        let last = &lines[lines.len().saturating_sub(LINES)..];
        let cut: Vec<_> = last
            .iter()
            .map(|line| &line[..line.floor_char_boundary(LINE)])
            .collect();
        cut.join(" / ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    #[test]
    fn a_failure_names_the_program_its_status_and_its_last_words() {
        let host = Host::new();
        host.on("git", ["status"])
            .fails(128, "one\ntwo\n\nthree\nfatal: not a git repository\n");
        host.on("git", ["log"]).fails(1, "");
        let error = run("git", ["status"]).unwrap().text().unwrap_err().to_string();
        assert_eq!(
            error,
            "failed: git failed with exit status 128: two / three / fatal: not a git repository"
        );
        let error = run("git", ["log"]).unwrap().text().unwrap_err().to_string();
        assert!(
            error.ends_with("exit status 1: it wrote nothing to its standard error"),
            "{error}"
        );
    }

    #[test]
    fn a_signal_and_an_output_that_was_cut_are_failures() {
        let host = Host::new();
        let ended = Raw {
            status: None,
            signal: Some(9),
            stdout: b"half".to_vec(),
            stderr: Vec::new(),
            truncated: false,
        };
        let long = Raw {
            status: Some(0),
            signal: None,
            truncated: true,
            ..ended.clone()
        };
        host.on("sleep", ["9"]).answers(Ok(ended));
        host.on("yes", [""; 0]).answers(Ok(long));
        let error = run("sleep", ["9"]).unwrap().text().unwrap_err().to_string();
        assert!(error.contains("sleep was ended by signal 9"), "{error}");
        let error = run("yes", [""; 0]).unwrap().text().unwrap_err().to_string();
        assert!(
            error.contains("raise `output` in [backends.NAME.programs.yes]"),
            "{error}"
        );
    }

    #[test]
    fn what_is_not_utf_8_can_be_shown() {
        let host = Host::new();
        host.on("cat", ["x"]).prints(*b"a\xffb");
        assert_eq!(run("cat", ["x"]).unwrap().text().unwrap(), "a\u{fffd}b");
    }

    #[test]
    fn many_commands_answer_in_their_order_each_with_its_own_outcome() {
        let host = Host::new();
        host.program("echo", |command| match command.args[0].as_str() {
            "13" => Err(Error::TimedOut("after 10 s".into())),
            word => Ok(Host::printed(word)),
        });
        let outputs = run_all((0..150).map(|number| Command::new("echo", [number.to_string()])));
        assert_eq!(outputs.len(), 150);
        for (number, output) in outputs.into_iter().enumerate() {
            match output {
                Ok(output) => assert_eq!(output.text().unwrap(), number.to_string()),
                Err(error) => assert_eq!((number, error.to_string().as_str()), (13, "timed out: after 10 s")),
            }
        }
    }
}
