//! `berth job DIRECTORY`: the supervisor of one job. Only berth calls it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use berth::machine::job;

use super::print;

/// The directory of the job, if this process is to be its supervisor. It is asked for before anything that other commands
/// need is made: as long as a job runs, so does its supervisor.
pub(crate) fn asked() -> Option<PathBuf> {
    let mut arguments = std::env::args_os().skip(1);
    let is_job = arguments.next().is_some_and(|first| first == job::NAME);
    let directory = arguments.next().filter(|_| is_job)?;
    arguments.next().is_none().then(|| directory.into())
}

pub(crate) fn run(directory: &std::path::Path) -> ExitCode {
    let supervised = job::supervise(directory);
    match supervised.with_context(|| format!("the job in {}", directory.display())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print::error(&error);
            ExitCode::FAILURE
        }
    }
}
