//! Programs of a backend, run to their end on its machine.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::sync::Semaphore;

use super::child::{self, Ended, Start};
use super::place::{Failure, Place};
use super::{Machine, sh};

/// One program to run to its end.
pub(crate) struct Run<'a> {
    pub(crate) program: &'a Path,
    pub(crate) args: Vec<&'a str>,
    /// Variables beside those that every program of the backend has.
    pub(crate) variables: &'a [(String, String)],
    /// Where it starts; none: the root directory.
    pub(crate) directory: Option<Place>,
    /// Directories that it is told of. They may still be missing.
    pub(crate) held: Vec<Place>,
    pub(crate) stdin: Vec<u8>,
    /// From its beginning.
    pub(crate) deadline: Duration,
    /// Bytes kept of both outputs together; a program that prints more is ended.
    pub(crate) output: u64,
    /// What it leaves running continues after it has ended with success.
    pub(crate) lingers: bool,
    /// On a host, the socket of the server that it asks: it does not run where only the file of that is gone.
    pub(crate) socket: Option<&'a str>,
    /// Called right before it may have begun.
    pub(crate) begins: &'a (dyn Fn() + Send + Sync),
}

/// What all programs of a call have in common.
pub(crate) struct Around<'a> {
    /// Whose programs they are.
    pub(crate) backend: &'a str,
    /// The variables that programs on this machine get. A host knows its own.
    pub(crate) environment: &'a [(OsString, OsString)],
    /// Each program on this machine takes one of these, and so do all of a round trip to a host.
    pub(crate) turns: &'a Semaphore,
    /// When all must be over.
    pub(crate) until: Instant,
}

impl Machine {
    /// Runs them, on this machine all at once, on a host in one round trip, and answers in their order.
    pub(crate) async fn run(&self, around: &Around<'_>, runs: Vec<Run<'_>>) -> Vec<Result<Ended, Failure>> {
        match self {
            Self::This => join_all(runs.into_iter().map(|run| run.here(around))).await,
            Self::Host(host) => {
                let count = runs.len();
                match around.turn(around.until).await {
                    Ok(_turn) => host.run(runs, around.until).await,
                    Err(_) => (0..count).map(|_| Err(Failure::Late)).collect(),
                }
            }
        }
    }
}

impl Around<'_> {
    async fn turn(&self, until: Instant) -> Result<impl Drop, Failure> {
        let turn = tokio::time::timeout_at(until.into(), self.turns.acquire()).await;
        turn.map_err(|_| Failure::Late)?.map_err(|_| Failure::Late)
    }
}

impl Run<'_> {
    async fn here(self, around: &Around<'_>) -> Result<Ended, Failure> {
        for held in &self.held {
            held.hold().await?;
        }
        let directory = match &self.directory {
            Some(place) => Some(place.open().await?),
            None => None,
        };
        let deadline = around.until.min(Instant::now() + self.deadline);
        let _turn = around.turn(deadline).await?;
        (self.begins)();
        let ended = child::run(Start {
            backend: around.backend,
            program: self.program,
            args: self.args,
            environment: around.environment,
            added: self.variables,
            directory,
            stdin: self.stdin,
            deadline,
            output: self.output,
            lingers: self.lingers,
        })
        .await;
        ended.map_err(Failure::Program)
    }

    /// The same for a host.
    pub(super) fn there(self) -> sh::Run {
        sh::Run {
            program: self.program.to_string_lossy().into_owned(),
            args: self.args.into_iter().map(str::to_owned).collect(),
            env: self.variables.to_vec(),
            directory: self.directory.as_ref().map(Place::within),
            held: self.held.iter().map(Place::within).collect(),
            stdin: self.stdin,
            deadline: self.deadline,
            output: self.output,
            lingers: self.lingers,
            socket: self.socket.map(str::to_owned),
        }
    }

    /// Every place that it needs.
    pub(super) fn places(&self) -> Vec<Place> {
        self.held.iter().chain(&self.directory).cloned().collect()
    }
}
