//! `berth jobs`: the programs that outlive berth, of all backends.
//!
//! What is shown is read from the index and the directories of jobs, so it shows as well where no berth runs. What changes
//! something is done by the berth that runs, and it tells what is on hosts: what a job there printed, and whether it is known
//! how one stands.

mod follow;
mod known;
mod list;
mod order;
mod progress;
mod reached;
mod show;
mod time;

use std::process::ExitCode;

use berth::assemble::Setup;
use tokio_util::sync::CancellationToken;

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: list::List,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List the jobs, the newest first
    List(list::List),
    /// Show a job, or what it printed
    Show(show::Options),
    /// Cancel a job: one that waits is not started, one that runs is ended
    Cancel(order::Cancel),
    /// Remove jobs that ended long ago, with what they printed
    Prune(order::Prune),
}

pub(crate) async fn run(setup: &Setup, options: Options, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    match options.command {
        None => list::run(setup, &options.list, &shutdown).await,
        Some(Command::List(options)) => list::run(setup, &options, &shutdown).await,
        Some(Command::Show(options)) => show::run(setup, &options, &shutdown).await,
        Some(Command::Cancel(options)) => order::cancel(setup, &options).await,
        Some(Command::Prune(options)) => order::prune(setup, &options).await,
    }
}
