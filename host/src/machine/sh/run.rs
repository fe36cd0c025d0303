//! Programs of a backend on a host.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::channel::Way;
use super::fault::Fault;
use super::quote::word;
use super::request::{Prelude, RUN, Unit, WITHIN};
use super::session::Work;
use super::within::{Within, whole};
use crate::machine::child::Ended;
use crate::peer::MARK;

/// Variables that bash sets by itself, or lets nobody set.
const OF_THE_SHELL: [&str; 20] = [
    "_",
    "BASHOPTS",
    "BASHPID",
    "BASH_VERSINFO",
    "COMP_WORDBREAKS",
    "DIRSTACK",
    "EPOCHREALTIME",
    "EPOCHSECONDS",
    "EUID",
    "FUNCNAME",
    "GROUPS",
    "HISTCMD",
    "LINENO",
    "OPTIND",
    "PPID",
    "RANDOM",
    "SECONDS",
    "SHELLOPTS",
    "SRANDOM",
    "UID",
];

/// What the programs of one backend have around them there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Around {
    /// Names of variables that stay of what the login there gives; `*` stands for any rest.
    pub(crate) environment: Vec<String>,
    /// Directories before those of the login's `PATH`; `~/` is its `HOME`.
    pub(crate) path: Vec<String>,
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) backend: String,
}

/// One program to run to its end.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// A bare name, an absolute path, or one that begins with `~/`.
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// Where it starts; none: the root directory.
    pub(crate) directory: Option<Within>,
    /// Directories that it is told of. They may still be missing.
    pub(crate) held: Vec<Within>,
    pub(crate) stdin: Vec<u8>,
    /// From its beginning.
    pub(crate) deadline: Duration,
    /// Bytes kept of both outputs together; a program that prints more is ended.
    pub(crate) output: u64,
    /// What it leaves running continues after it has ended with success.
    pub(crate) lingers: bool,
    /// The socket of the server that it asks. It does not run where only the file of that is gone.
    pub(crate) socket: Option<String>,
}

/// Runs them one after another, in one round trip where none has to be ended. Each that has not ended at `until` is ended
/// then, or does not begin. Nothing that they started stays, except what lingers; also where the caller goes.
pub(crate) async fn run(
    way: &Arc<dyn Way>,
    around: &Around,
    until: Instant,
    runs: Vec<Run>,
) -> Vec<Result<Ended, Fault>> {
    let prelude = match around.prelude() {
        Ok(prelude) => prelude,
        Err(fault) => return runs.iter().map(|_| Err(fault.clone())).collect(),
    };
    let faults: Vec<Option<Fault>> = runs.iter().map(|run| run.check().err()).collect();
    let sent = runs.into_iter().zip(&faults).filter(|(_, fault)| fault.is_none());
    let units: Vec<Unit> = sent.map(|(run, _)| run.unit(around)).collect();
    let work = Work {
        way: way.clone(),
        prelude,
        units,
        until,
    };
    let mut performed = work.perform().await.into_iter();
    let outcome = |fault: Option<Fault>| match fault {
        Some(fault) => Err(fault),
        None => performed.next().unwrap_or(Err(Fault::Lost)),
    };
    faults.into_iter().map(outcome).collect()
}

impl Around {
    /// The environment that the programs start with, apart from variables with values of ours.
    pub(super) fn prelude(&self) -> Result<Prelude, Fault> {
        let mut prelude = Prelude::of(&[&WITHIN, &RUN]);
        let is_form = |form: &&String| {
            form.bytes()
                .all(|byte| matches!(byte, b'*' | b'_') || byte.is_ascii_alphanumeric())
        };
        if !self.environment.iter().all(|form| is_form(&form)) {
            return Err(Fault::value("an environment", "it is not a list of names"));
        }
        let kept = match self.environment.is_empty() {
            true => String::new(),
            false => format!("{}) return 0 ;;\n", self.environment.join("|")),
        };
        prelude.add(&format!("berth_kept() {{\ncase $1 in\n{kept}esac\nreturn 1\n}}\n"));
        prelude.add(&self.path()?);
        prelude.add("berth_leave\n");
        check(&self.variables)?;
        whole("a name", &self.backend)?;
        Ok(prelude)
    }

    /// The command that puts its directories before the others.
    pub(super) fn path(&self) -> Result<String, Fault> {
        let mut before = String::new();
        for directory in &self.path {
            whole("a directory of `path`", directory)?;
            if directory.contains(':') {
                return Err(Fault::value(
                    "a directory of `path`",
                    "it holds `:`, which parts directories there",
                ));
            }
            let _ = match directory
                .strip_prefix('~')
                .filter(|rest| rest.is_empty() || rest.starts_with('/'))
            {
                Some(rest) => write!(before, "\"$berth_home\"{}:", word(rest)),
                None => write!(before, "{}:", word(directory)),
            };
        }
        Ok(match before.is_empty() {
            true => String::new(),
            false => format!("PATH={before}$PATH\n"),
        })
    }

    fn keeps(&self, name: &str) -> bool {
        self.environment.iter().any(|form| match form.split_once('*') {
            None => form == name,
            Some((begin, end)) => {
                name.len() >= begin.len() + end.len() && name.starts_with(begin) && name.ends_with(end)
            }
        })
    }
}

impl Run {
    fn check(&self) -> Result<(), Fault> {
        whole("the name of a program", &self.program)?;
        if self.program.is_empty() || (self.program.contains('/') && !self.program.starts_with(['/', '~'])) {
            return Err(Fault::value(
                "a program",
                "write its name, or a path that begins with `/` or `~/`",
            ));
        }
        self.args
            .iter()
            .try_for_each(|argument| whole("an argument", argument))?;
        check(&self.env)?;
        self.socket.iter().try_for_each(|socket| whole("a socket", socket))?;
        self.directory.iter().chain(&self.held).try_for_each(Within::check)
    }

    fn unit(self, around: &Around) -> Unit {
        let mut script = String::new();
        for held in &self.held {
            let _ = writeln!(script, "berth_hold {}", held.words());
        }
        let _ = match &self.directory {
            Some(directory) => writeln!(script, "berth_enter {}", directory.words()),
            None => writeln!(script, "cd /"),
        };
        if let Some(socket) = &self.socket {
            let _ = writeln!(script, "berth_reach {}", word(socket));
        }
        let _ = writeln!(script, "berth_seek {}", word(&self.program));
        script.push_str("set -- \"$berth_program\"");
        for argument in &self.args {
            let _ = write!(script, " {}", word(argument));
        }
        script.push('\n');
        for name in ["PATH", "HOME", "PWD", "OLDPWD"]
            .into_iter()
            .filter(|name| !around.keeps(name))
        {
            let _ = writeln!(script, "unset {name}");
        }
        for (name, value) in around.variables.iter().chain(&self.env) {
            let _ = writeln!(script, "export {name}={}", word(value));
        }
        // This is last, so that nothing replaces it.
        let _ = writeln!(script, "export {MARK}={}", word(&around.backend));
        script.push_str("exec \"$@\" 2>&3 3>&-\n");
        Unit {
            script,
            stdin: self.stdin,
            deadline: self.deadline,
            output: self.output,
            lingers: self.lingers,
        }
    }
}

/// What no shell could export as it is.
fn check(variables: &[(String, String)]) -> Result<(), Fault> {
    for (name, value) in variables {
        let is_name = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
        if name.is_empty() || !name.bytes().all(is_name) || name.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(Fault::value(
                format!("the variable {name:?}"),
                "a name of a variable has letters, digits and `_` there",
            ));
        }
        if OF_THE_SHELL.contains(&name.as_str()) {
            return Err(Fault::value(
                format!("the variable {name:?}"),
                "a shell there keeps it for itself",
            ));
        }
        whole("the value of a variable", value)?;
    }
    Ok(())
}
