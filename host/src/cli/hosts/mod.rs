//! `berth hosts`: the other machines on which backends may be.

mod add;
mod adopt;
mod answer;
mod list;
pub(super) mod state;
mod trust;

use std::io::{IsTerminal as _, stdin, stdout};
use std::path::Path;
use std::process::ExitCode;

use anyhow::ensure;
use berth::config::Installation;
use berth::peer::Peer;

use super::print;

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
    /// List the hosts: how it is with each, and what is there
    List(list::List),
    /// Add a host and a backend on it to your configuration; on a terminal, outside of sessions
    Add(add::Add),
    /// Show the key of a host, and trust it if you say so; on a terminal, outside of sessions
    Trust(trust::Trust),
    /// Take over the jobs that another installation has on a host; on a terminal, outside of sessions
    Adopt(adopt::Adopt),
}

/// `path` is the file that `--config` names.
pub(crate) async fn run(
    options: &Options,
    path: Option<&Path>,
    installation: Installation<'_>,
) -> anyhow::Result<ExitCode> {
    match &options.command {
        None => list::run(&options.list, path, installation).await,
        Some(Command::List(options)) => list::run(options, path, installation).await,
        Some(Command::Add(options)) => add::run(options, path, installation).await,
        Some(Command::Trust(options)) => trust::run(options, path, installation).await,
        Some(Command::Adopt(options)) => adopt::run(options, path, installation).await,
    }
}

/// What only a person decides.
const WHERE: &str = "to which machines berth goes";
const WHOSE: &str = "whose jobs berth takes over";

/// Makes sure that a person decides `what` by this `command`: a session never does, whatever it may control.
fn ensure_person(command: &str, what: &str) -> anyhow::Result<()> {
    ensure!(
        Peer::of_this_process() == Peer::Operator,
        "this runs in a session or a job that berth started, and what is in one never decides {what}, whatever it may \
         control; run it in a terminal of your own"
    );
    ensure!(
        stdin().is_terminal() && stdout().is_terminal(),
        "a person decides {what}: run {command} on a terminal"
    );
    Ok(())
}

/// That there is no host of this name, and which there are.
fn no_host<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> String {
    let known: Vec<&str> = known.map(String::as_str).collect();
    match known.as_slice() {
        [] => "there is no host; add one with: berth hosts add NAME DESTINATION".to_owned(),
        known => format!(
            "there is no host `{}` (there are: {})",
            print::safe(name),
            known.join(", ")
        ),
    }
}
