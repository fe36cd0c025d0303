//! The contract's side: what a guest may ask to be run.

use std::time::{Duration, Instant};

use super::grant::{Access, Grant};
use crate::capability::Call;
use crate::contract::process::{Command, Host, Output};
use crate::contract::types::Error;
use crate::machine::{self, Ended, Start};
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
        let call = &*self;
        let outcomes =
            futures::future::join_all(commands.into_iter().map(|command| call.run_one(command, output))).await;
        let printed = |output: &Output| (output.stdout.len() + output.stderr.len()) as u64;
        self.printed += outcomes.iter().flatten().map(printed).sum::<u64>();
        Ok(outcomes)
    }
}

impl Call {
    async fn run_one(&self, command: Command, output: u64) -> Result<Output, Error> {
        let programs = &self.powers.programs;
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
        for named in grant.named_directories(lists, &command.args, &programs.agents) {
            self.powers.directories.hold(named).await?;
        }
        let directory = match &command.directory {
            Some(path) => Some(self.powers.directories.open_start(path).await?),
            None => None,
        };
        let deadline = self.child_deadline(grant, &command);
        let places = match self.allowance.own {
            true => &programs.own_children,
            false => &programs.children,
        };
        let _permit = tokio::time::timeout_at(deadline.into(), places.acquire())
            .await
            .map_err(|_| {
                Error::TimedOut(format!(
                    "`{}` was not started: too many programs of backend `{}` were running",
                    command.program, self.powers.backend
                ))
            })?
            .map_err(|_| Error::Failed("the host is shutting down".into()))?;
        if grant.allows(Access::Read, &command.args, &programs.agents).is_err() {
            self.allowance.acted.set_ran();
        }
        let ended = machine::run(Start {
            backend: &self.powers.backend,
            program: &grant.path,
            args: grant.fixed.iter().chain(&command.args).map(String::as_str).collect(),
            environment: &programs.environment,
            added: &command.env,
            directory,
            stdin: command.stdin,
            deadline,
            output: grant.output.min(output),
            lingers: grant.lingers,
        })
        .await;
        outcome(&command.program, ended)
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

    fn child_deadline(&self, grant: &Grant, command: &Command) -> Instant {
        let asked = command
            .timeout_ms
            .map_or(grant.timeout, |ms| Duration::from_millis(ms.into()));
        self.allowance.deadline.min(Instant::now() + asked.min(grant.timeout))
    }
}

fn outcome(program: &str, ended: std::io::Result<Ended>) -> Result<Output, Error> {
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
        Err(error) => Err(Error::Failed(format!("`{program}` could not be run: {error}"))),
    }
}
