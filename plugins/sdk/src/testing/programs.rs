//! Programs that answer as a test says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use super::{Host, lock};
use crate::contract::process::Output as RawOutput;
use crate::{Access, Command, Error, Result};

/// A function that answers for a program.
type Program = Box<dyn FnMut(&Command) -> Result<RawOutput> + Send>;

/// What is known about programs, and which commands were run.
#[derive(Default)]
pub(super) struct Programs {
    lines: Vec<Line>,
    functions: BTreeMap<(Option<String>, String), Program>,
    ran: Vec<(Option<String>, Command)>,
}

/// One argument list of a program, and its answers.
struct Line {
    /// The host on which it runs; none: where the backend lives.
    host: Option<String>,
    program: String,
    args: Vec<String>,
    acts: bool,
    answers: VecDeque<Result<RawOutput>>,
}

impl Programs {
    /// The index of this line, which is added if it is missing.
    fn line(&mut self, host: Option<&str>, program: &str, args: Vec<String>) -> usize {
        let known = self.lines.iter().position(|line| line.is(host, program, &args));
        known.unwrap_or_else(|| {
            self.lines.push(Line {
                host: host.map(str::to_owned),
                program: program.to_owned(),
                args,
                acts: false,
                answers: VecDeque::new(),
            });
            self.lines.len() - 1
        })
    }

    pub(super) fn set(&mut self, host: Option<&str>, name: &str, program: Program) {
        self.functions
            .insert((host.map(str::to_owned), name.to_owned()), program);
    }

    /// Those that were run on this host.
    pub(super) fn ran(&self, host: Option<&str>) -> Vec<Command> {
        let on_it = self.ran.iter().filter(|(on, _)| on.as_deref() == host);
        on_it.map(|(_, command)| command.clone()).collect()
    }

    pub(super) fn run(&mut self, host: Option<&str>, command: &Command, access: Access) -> Result<RawOutput> {
        self.ran.push((host.map(str::to_owned), command.clone()));
        let is_this = |line: &&mut Line| line.is(host, &command.program, &command.args);
        if let Some(line) = self.lines.iter_mut().find(is_this) {
            return line.run(access);
        }
        match self
            .functions
            .get_mut(&(host.map(str::to_owned), command.program.clone()))
        {
            Some(program) => program(command),
            None => panic!(
                "the test does not say what this answers: {}({:?}, {:?}).prints(…); it knows {}",
                host.map_or("host.on".to_owned(), |host| format!("host.on_host({host:?}, …)")),
                command.program,
                command.args,
                self.known()
            ),
        }
    }

    fn known(&self) -> String {
        let known: Vec<_> = self
            .lines
            .iter()
            .map(|line| format!("{} {:?}", line.program, line.args))
            .collect();
        if known.is_empty() {
            "nothing yet".to_owned()
        } else {
            known.join(", ")
        }
    }
}

impl Line {
    fn is(&self, host: Option<&str>, program: &str, args: &[String]) -> bool {
        self.host.as_deref() == host && self.program == program && self.args == args
    }

    fn run(&mut self, access: Access) -> Result<RawOutput> {
        let Self { program, args, .. } = self;
        if self.acts && access == Access::Read {
            return Err(Error::Denied(format!(
                "{program} {args:?} is not in `read` of [backends.NAME.programs.{program}], and this call may only read"
            )));
        }
        let answer = if self.answers.len() > 1 {
            self.answers.pop_front()
        } else {
            self.answers.front().cloned()
        };
        answer.unwrap_or_else(|| panic!("host.on({program:?}, {args:?}) has no answer: add .prints(…)"))
    }
}

/// An argument list of a program, whose answers are being said.
pub struct Scripted<'a> {
    programs: &'a Mutex<Programs>,
    index: usize,
}

impl<'a> Scripted<'a> {
    pub(super) fn new(programs: &'a Mutex<Programs>, host: Option<&str>, program: &str, args: Vec<String>) -> Self {
        let index = lock(programs).line(host, program, args);
        Self { programs, index }
    }

    /// It changes something, so it is denied in calls that may only read.
    pub fn acts(self) -> Self {
        lock(self.programs).lines[self.index].acts = true;
        self
    }

    /// It prints this and succeeds.
    pub fn prints(self, text: impl Into<Vec<u8>>) -> Self {
        self.answers(Ok(Host::printed(text)))
    }

    /// It fails with this exit status, and writes this to its standard error.
    pub fn fails(self, status: i32, stderr: impl Into<Vec<u8>>) -> Self {
        self.answers(Ok(Host::failed(status, stderr)))
    }

    /// It ends like this, or cannot be run.
    pub fn answers(self, answer: Result<RawOutput>) -> Self {
        lock(self.programs).lines[self.index].answers.push_back(answer);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{run, run_all};

    #[test]
    fn answers_come_in_the_order_in_which_they_were_said_and_the_last_one_stays() {
        let host = Host::new();
        host.on("tmux", ["ls"]).prints("a").prints("b");
        host.on("tmux", ["ls"]).fails(1, "gone");
        let texts: Vec<_> = (0..4).map(|_| run("tmux", ["ls"]).unwrap().text().ok()).collect();
        assert_eq!(texts, [Some("a".to_owned()), Some("b".to_owned()), None, None]);
    }

    #[test]
    fn what_acts_is_denied_where_a_call_may_only_read_and_is_remembered_all_the_same() {
        let host = Host::new();
        host.on("tmux", ["kill-server"]).acts().prints("");
        assert!(run("tmux", ["kill-server"]).is_ok());
        host.read_only();
        let denied = run("tmux", ["kill-server"]);
        assert!(
            matches!(&denied, Err(Error::Denied(why)) if why.contains("[backends.NAME.programs.tmux]")),
            "{denied:?}"
        );
        assert_eq!(host.commands().len(), 2);
    }

    #[test]
    fn a_function_answers_where_no_line_does() {
        let host = Host::new();
        host.on("sh", ["a"]).prints("line");
        let mut calls = 0;
        host.program("sh", move |_| {
            calls += 1;
            Ok(Host::printed(calls.to_string()))
        });
        let outputs = run_all(["a", "b", "c"].map(|arg| Command::new("sh", [arg])));
        let texts: Vec<_> = outputs
            .into_iter()
            .map(|output| output.unwrap().text().unwrap())
            .collect();
        assert_eq!(texts, ["line", "1", "2"]);
    }

    #[test]
    #[should_panic(expected = r#"host.on("tmux", ["ls", "-F"]).prints(…); it knows tmux ["ls"]"#)]
    fn a_command_that_the_test_does_not_know_fails_it() {
        let host = Host::new();
        host.on("tmux", ["ls"]).prints("");
        let _ = run("tmux", ["ls", "-F"]);
    }
}
