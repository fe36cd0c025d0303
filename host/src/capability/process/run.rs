//! Commands of a guest on one machine: judged by what is granted there, run, and told.

use std::time::{Duration, Instant};

use futures::future::join_all;

use super::grant::{Access, Grant};
use crate::capability::{Allowance, Site};
use crate::contract::process::{Command, Output};
use crate::contract::types::Error;
use crate::machine::{self, Around, Ended, Failure, Place, Run};
use crate::text;

/// Bytes that a guest may give a program on standard input.
const STDIN_BYTES: usize = 1 << 20;
/// Characters of a name from a guest that an error shows.
const NAMED: usize = 128;

/// What came of a command.
pub(in crate::capability) struct Tried {
    program: String,
    /// Whether only a call that acts may run it.
    acts: bool,
    came: Result<Result<Ended, Failure>, Error>,
}

impl Tried {
    /// Whether it acts and may have begun.
    pub(super) fn may_have_acted(&self) -> bool {
        let ended = self.came.as_ref().ok().filter(|_| self.acts);
        ended.is_some_and(|ended| ended.as_ref().err().is_none_or(|why| !why.is_before()))
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

impl Site {
    /// Runs those that a call on `allowance` may run, all to be over by `until`, each with `output` bytes to keep, and answers
    /// for each in their order. Whether the call has acted is then to be settled.
    pub(in crate::capability) async fn run(
        &self,
        allowance: &Allowance,
        until: Instant,
        commands: Vec<Command>,
        output: u64,
    ) -> Vec<Tried> {
        let programs: Vec<String> = commands.iter().map(|command| command.program.clone()).collect();
        let judged = commands.into_iter().map(|command| self.judged(allowance, command));
        let judged = join_all(judged).await;
        let acts = || allowance.acted.set_ran();
        let runs = judged
            .iter()
            .flatten()
            .map(|allowed| allowed.run(output, &acts))
            .collect();
        let mut ended = self.machine.run(&self.around(allowance, until), runs).await.into_iter();
        let tried = judged.into_iter().zip(programs).map(|(judged, program)| Tried {
            acts: judged.as_ref().is_ok_and(|allowed| allowed.acts),
            came: judged.and_then(|_| {
                let ended = ended.next();
                ended.ok_or_else(|| Error::Failed(format!("`{program}` was not run")))
            }),
            program,
        });
        tried.collect()
    }

    fn around(&self, allowance: &Allowance, until: Instant) -> Around<'_> {
        Around {
            backend: &self.backend,
            environment: &self.programs.environment,
            turns: match allowance.own {
                true => &self.programs.own_children,
                false => &self.programs.children,
            },
            until,
        }
    }

    async fn judged(&self, allowance: &Allowance, command: Command) -> Result<Allowed<'_>, Error> {
        let (programs, directories) = (&self.programs, &self.directories);
        let grant = self.allowed(allowance.access, &command)?;
        if let Some(socket) = programs.sockets.get(&command.program) {
            let looked = socket.look().await;
            looked.map_err(|trouble| {
                let why = format!("`{}` was not run: {trouble}", command.program);
                // After the call has acted, this error would say that nothing was done.
                match allowance.acted.ran() {
                    true => Error::Failed(why),
                    false => Error::Unavailable(why),
                }
            })?;
        }
        let lists = allowance.access.into();
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

    /// The grant that allows `command` with `access`, or why there is none.
    fn allowed(&self, access: Access, command: &Command) -> Result<&Grant, Error> {
        let (backend, programs) = (&self.backend, &self.programs);
        let grant = programs.grants.get(&command.program).ok_or_else(|| {
            let program = text::escaped(&command.program, NAMED);
            Error::Denied(format!(
                "program `{program}` is not granted; [backends.{backend}.programs.{program}] would grant it"
            ))
        })?;
        grant
            .allows(access, &command.args, &programs.agents)
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

    /// What the guest learns, whose call has `acted` or not.
    pub(in crate::capability) fn told(&self, tried: Tried, acted: bool) -> Result<Output, Error> {
        let program = &tried.program;
        match tried.came? {
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
                self.backend
            ))),
            Err(Failure::Program(why)) => Err(Error::Failed(format!("`{program}` could not be run: {why}"))),
            // After the call has acted, that error would say that nothing was done.
            Err(failure @ Failure::SocketLost { .. }) => {
                let why = format!("`{program}` was not run: {failure}; {}", self.restore(program));
                match acted {
                    true => Err(Error::Failed(why)),
                    false => Err(Error::Unavailable(why)),
                }
            }
            Err(Failure::Unreached(why)) if acted => Err(Error::Failed(format!("`{program}` was not run: {why}"))),
            Err(failure) => Err(self.directories.failed(failure)),
        }
    }

    /// What makes the socket of the server on a host again.
    fn restore(&self, program: &str) -> String {
        let programs = &self.programs;
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
