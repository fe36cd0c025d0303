//! The contract's side: what a guest may ask to be run.

use std::time::Duration;

use futures::future::join_all;

use super::grant::{Access, Grant};
use crate::capability::Call;
use crate::contract::process::{Command, Host, Output};
use crate::contract::types::Error;
use crate::machine::{self, Around, Ended, Failure, Place, Run};
use crate::text;

/// Programs that one call may start in total.
const STARTS_PER_CALL: usize = 256;
/// Bytes that the programs of one call may print in total.
const OUTPUT_PER_CALL: u64 = 32 << 20;
/// Commands that one `run` may hold.
const COMMANDS_PER_RUN: usize = 64;
/// Bytes that a guest may give a program on standard input.
const STDIN_BYTES: usize = 1 << 20;
/// Characters of a name from a guest that an error shows.
const NAMED: usize = 128;

impl Host for Call {
    async fn run(&mut self, commands: Vec<Command>) -> wasmtime::Result<Vec<Result<Output, Error>>> {
        if commands.len() > COMMANDS_PER_RUN || self.started + commands.len() > STARTS_PER_CALL {
            let refusal = Error::Limited((
                format!("one call may start {STARTS_PER_CALL} programs, {COMMANDS_PER_RUN} at a time"),
                None,
            ));
            return Ok(commands.iter().map(|_| Err(refusal.clone())).collect());
        }
        self.started += commands.len();
        // Each command gets an equal part of what the call may still keep.
        let output = OUTPUT_PER_CALL.saturating_sub(self.printed) / commands.len().max(1) as u64;
        let outcomes = self.run_all(commands, output).await;
        let printed = |output: &Output| (output.stdout.len() + output.stderr.len()) as u64;
        self.printed += outcomes.iter().flatten().map(printed).sum::<u64>();
        Ok(outcomes)
    }
}

/// A command that may be run.
struct Allowed<'c> {
    grant: &'c Grant,
    command: Command,
    directory: Option<Place>,
    held: Vec<Place>,
    socket: Option<&'c str>,
    /// Whether only a call that acts may run it.
    acts: bool,
}

impl Call {
    /// Runs those that are allowed, and answers for each in their order.
    async fn run_all(&self, commands: Vec<Command>, output: u64) -> Vec<Result<Output, Error>> {
        let names: Vec<String> = commands.iter().map(|command| command.program.clone()).collect();
        let judged = join_all(commands.into_iter().map(|command| self.judged(command))).await;
        let acted = &self.allowance.acted;
        let (had_acted, acts) = (acted.ran(), || acted.set_ran());
        let mut refusals = Vec::with_capacity(judged.len());
        let mut runs = Vec::with_capacity(judged.len());
        for allowed in &judged {
            refusals.push(allowed.as_ref().err().cloned());
            runs.extend(allowed.as_ref().ok().map(|allowed| allowed.run(output, &acts)));
        }
        let ended = self.powers.machine.run(&self.around(), runs).await;
        // What is said to have been done at the most is what was.
        let begun = |ended: &Result<Ended, Failure>| ended.as_ref().err().is_none_or(|why| !why.is_before());
        if !had_acted && !ended.iter().any(begun) {
            acted.unset_ran();
        }
        let mut ended = ended.into_iter();
        let outcomes = refusals.into_iter().zip(names).map(|(refusal, name)| match refusal {
            Some(refusal) => Err(refusal),
            None => match ended.next() {
                Some(ended) => self.outcome(&name, ended),
                None => Err(Error::Failed(format!("`{name}` was not run"))),
            },
        });
        outcomes.collect()
    }

    fn around(&self) -> Around<'_> {
        let programs = &self.powers.programs;
        Around {
            backend: &self.powers.backend,
            environment: &programs.environment,
            turns: match self.allowance.own {
                true => &programs.own_children,
                false => &programs.children,
            },
            until: self.allowance.deadline,
        }
    }

    async fn judged(&self, command: Command) -> Result<Allowed<'_>, Error> {
        let (programs, directories) = (&self.powers.programs, &self.powers.directories);
        let grant = self.allowed(&command)?;
        if let Some(socket) = programs.sockets.get(&command.program) {
            let looked = socket.look().await;
            looked.map_err(|trouble| {
                let why = format!("`{}` was not run: {trouble}", command.program);
                // After the call has acted, this error would say that nothing was done.
                match self.allowance.acted.ran() {
                    true => Error::Failed(why),
                    false => Error::Unavailable(why),
                }
            })?;
        }
        let lists = self.allowance.access.into();
        let held = grant.named_directories(lists, &command.args, &programs.agents);
        let held = held.into_iter().map(|named| directories.directory(named));
        Ok(Allowed {
            held: held.collect::<Result<_, _>>()?,
            directory: match &command.directory {
                Some(path) => Some(directories.directory(path)?),
                None => None,
            },
            socket: programs.sockets_there.get(&command.program).map(String::as_str),
            acts: grant.allows(Access::Read, &command.args, &programs.agents).is_err(),
            grant,
            command,
        })
    }

    /// The grant that allows `command` as this call may use it, or why there is none.
    fn allowed(&self, command: &Command) -> Result<&Grant, Error> {
        let backend = &self.powers.backend;
        let programs = &self.powers.programs;
        let grant = programs.grants.get(&command.program).ok_or_else(|| {
            let program = text::escaped(&command.program, NAMED);
            Error::Denied(format!(
                "program `{program}` is not granted; [backends.{backend}.programs.{program}] would grant it"
            ))
        })?;
        grant
            .allows(self.allowance.access, &command.args, &programs.agents)
            .map_err(|denial| Error::Denied(format!("[backends.{backend}.programs] {denial}")))?;
        // Otherwise it would start in the root directory, which nobody granted.
        if command.directory.is_none() && grant.starts_agent(&command.args, &programs.agents) {
            return Err(Error::Denied(format!(
                "an agent of backend `{backend}` starts in a granted directory only, and none is named"
            )));
        }
        if let Some((name, _)) = command.env.iter().find(|(name, _)| !programs.guest_env.contains(name)) {
            return Err(Error::Denied(format!(
                "environment variable `{}` is not granted; `guest_env` in [backends.{backend}] would grant it",
                text::escaped(name, NAMED)
            )));
        }
        if command.stdin.len() > STDIN_BYTES {
            return Err(Error::Invalid(format!(
                "standard input of {} bytes; at most {STDIN_BYTES}",
                command.stdin.len()
            )));
        }
        Ok(grant)
    }

    fn outcome(&self, program: &str, ended: Result<Ended, Failure>) -> Result<Output, Error> {
        match ended {
            Ok(Ended::Finished(machine::Output {
                status,
                signal,
                stdout,
                stderr,
                truncated,
            })) => Ok(Output {
                status,
                signal,
                stdout,
                stderr,
                truncated,
            }),
            Ok(Ended::TimedOut(after)) => Err(Error::TimedOut(format!(
                "`{program}` did not end within {after:.1?} and was ended with its children"
            ))),
            Err(Failure::Late) => Err(Error::TimedOut(format!(
                "`{program}` was not started: too many programs of backend `{}` were running",
                self.powers.backend
            ))),
            Err(Failure::Program(why)) => Err(Error::Failed(format!("`{program}` could not be run: {why}"))),
            // After the call has acted, that error would say that nothing was done.
            Err(failure @ Failure::SocketLost { .. }) => {
                let why = format!("`{program}` was not run: {failure}; {}", self.restore(program));
                match self.allowance.acted.ran() {
                    true => Err(Error::Failed(why)),
                    false => Err(Error::Unavailable(why)),
                }
            }
            Err(Failure::Unreached(why)) if self.allowance.acted.ran() => {
                Err(Error::Failed(format!("`{program}` was not run: {why}")))
            }
            Err(failure) => Err(self.powers.directories.failed(failure)),
        }
    }
}

impl Call {
    /// What makes the socket of the server on a host again.
    fn restore(&self, program: &str) -> String {
        let programs = &self.powers.programs;
        let socket = programs.sockets_there.get(program).map_or("", String::as_str);
        let terms = programs.grants.get(program).and_then(|grant| grant.socket.as_ref());
        match terms.and_then(|terms| terms.restore.as_deref()) {
            Some(command) => format!(
                "make it again there with `{}`, where PID is that of the server which has {socket:?}",
                command.replace("<pid>", "PID")
            ),
            None => format!("end the server there which has {socket:?}"),
        }
    }
}

impl Allowed<'_> {
    fn run<'a>(&'a self, output: u64, acts: &'a (dyn Fn() + Send + Sync)) -> Run<'a> {
        let (grant, command) = (self.grant, &self.command);
        let asked = command
            .timeout_ms
            .map_or(grant.timeout, |ms| Duration::from_millis(ms.into()));
        Run {
            program: &grant.path,
            args: grant.fixed.iter().chain(&command.args).map(String::as_str).collect(),
            variables: &command.env,
            directory: self.directory.clone(),
            held: self.held.clone(),
            stdin: command.stdin.clone(),
            deadline: asked.min(grant.timeout),
            output: grant.output.min(output),
            lingers: grant.lingers,
            socket: self.socket,
            begins: match self.acts {
                true => acts,
                false => &|| {},
            },
        }
    }
}
