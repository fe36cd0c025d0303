//! The command line: one file for each subcommand.

mod access;
mod answer;
mod answered;
mod askpass;
mod asks;
mod attach;
mod audit;
mod beside;
mod call;
mod check;
mod clients;
mod completions;
mod config;
mod connection;
mod doctor;
mod hosts;
mod inspect;
mod job;
mod jobs;
mod log;
mod login;
mod logs;
mod ls;
mod named;
mod open;
mod print;
mod reload;
mod send;
mod serve;
mod service;
mod start;
mod status;
mod stdio;
mod stop;
mod token;
mod tokens;
mod tools;
mod trust;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use berth::assemble::Setup;
use berth::config::Installation;
use berth::machine::end_programs;
use berth::peer::{self, Peer};
use berth::plugin::bundled;
use clap::{CommandFactory as _, Parser, Subcommand};
use rustix::process::{Signal, getpid, kill_process};
use tokio::signal::unix::{self, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Turns of tasks between two looks at what came in. One of a plugin may take 10 ms, so where many compute without end, what
/// others sent is seen after 160 ms, and not after 600.
const TURNS: u32 = 16;
/// How long the runtime's own threads get after a command has ended.
const LAST_WORK: Duration = Duration::from_millis(500);
/// How long a process that ends at once may take for its last messages.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A remote control for coding-agent sessions: sandboxed backends behind one MCP server.
#[derive(Parser)]
#[command(
    name = "berth",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = "BERTH_LOG sets how much is logged to standard error, such as BERTH_LOG=debug or BERTH_LOG=berth=info,warn."
)]
struct Arguments {
    /// Your configuration, instead of ~/.config/berth/config.toml; it is laid over the shipped one
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    asked: Asked,
}

#[derive(Subcommand)]
enum Asked {
    #[command(flatten)]
    Command(Command),
    #[command(name = "demo-agent")]
    DemoAgent(Box<berth_demo_agent::Options>),
}

#[derive(Subcommand)]
enum Command {
    /// Run the server: MCP over HTTP, until Ctrl-C or SIGTERM
    Serve(serve::Options),
    /// Speak MCP on standard input and output, for a local client that starts berth itself
    Stdio,
    /// Let the berth that runs read its configuration again, without a restart
    Reload,
    /// List the sessions
    Ls(ls::Options),
    /// Start a session
    Start(start::Options),
    /// Send a session a message
    Send(send::Options),
    /// Read what a session printed
    Logs(logs::Options),
    /// Show what a session is doing, and what it asks
    Status(status::Options),
    /// Answer what a session asks
    Answer(answer::Options),
    /// End a session
    Stop(stop::Options),
    /// The jobs of all backends: list, show, cancel, prune
    Jobs(jobs::Options),
    /// Open a session in this terminal
    Attach(attach::Options),
    /// Answer in this terminal whether an agent may trust a directory: it is started there
    Trust(trust::Options),
    /// Print the address of the sessions' page, and a word that logs a browser on this machine in
    Open,
    /// Check the configuration without serving; try what a start tries
    Check(check::Options),
    /// Your configuration over the shipped one: init, show, diff, accept
    #[command(subcommand)]
    Config(config::Options),
    /// The other machines on which backends may be: list, add, trust, adopt
    Hosts(hosts::Options),
    /// Find out what is wrong with this installation, and how to fix it
    Doctor(doctor::Options),
    /// List the tools that clients see
    Tools(tools::Options),
    /// Call one tool, as a client would
    Call(call::Options),
    /// Print the token that local clients send
    Token,
    /// The passphrase by which you approve apps, and the browsers in which you are logged in
    #[command(subcommand)]
    Login(login::Options),
    /// The apps that may ask for access: list, create, revoke
    #[command(subcommand)]
    Clients(clients::Options),
    /// What has access, and personal tokens for scripts: list, create, revoke
    #[command(subcommand)]
    Tokens(tokens::Options),
    /// Show what was done and by whom, and prove that the record is complete
    Audit(audit::Options),
    /// Inspect plugins
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Let the system run berth in the background: install, uninstall
    #[command(subcommand)]
    Service(service::Options),
    /// Print the completions of a shell
    Completions(completions::Options),
    #[command(name = beside::NAME, hide = true)]
    Beside(beside::Options),
}

#[derive(Subcommand)]
enum PluginCommand {
    /// Show what a component imports, exports and offers, and the table with the grants that it asks for
    Inspect(inspect::Options),
}

/// Runs the command that the arguments name.
pub(crate) fn main() -> ExitCode {
    if let Some(directory) = job::asked() {
        return job::run(&directory);
    }
    if let Some(question) = askpass::asked() {
        return question.answer();
    }
    let arguments = Arguments::parse();
    let ended = match arguments.asked {
        // It runs inside a session: it must start at once, and its files are its operator's.
        Asked::DemoAgent(options) => berth_demo_agent::run(*options),
        Asked::Command(command) => {
            let is_server = matches!(command, Command::Serve(_) | Command::Stdio);
            log::start(is_server).and_then(|()| run(command, arguments.config))
        }
    };
    log::finish();
    ended.unwrap_or_else(|error| {
        print::error(&error);
        ExitCode::FAILURE
    })
}

fn run(command: Command, config: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .event_interval(TURNS)
        .build()?;
    let ended = runtime.block_on(async {
        let load = || load(config.clone());
        let load_outside_sessions = || {
            let loaded = load()?;
            peer::ensure_outside_sessions(loaded.server.sessions_may_control)?;
            anyhow::Ok(loaded)
        };
        match command {
            Command::Serve(options) => serve::run(load()?, options).await,
            Command::Stdio => stdio::run(&load()?, ending_with_terminal()?).await,
            Command::Reload => {
                let socket = with_installation(|installation| reload::socket(config.as_deref(), installation))?;
                reload::run(&socket).await
            }
            Command::Ls(options) => ls::run(&load()?, options, ending()?).await,
            Command::Start(options) => start::run(&load()?, options, ending()?).await,
            Command::Send(options) => send::run(&load()?, options, ending()?).await,
            Command::Logs(options) => logs::run(&load()?, options, ending()?).await,
            Command::Status(options) => status::run(&load()?, options, ending()?).await,
            Command::Answer(options) => answer::run(&load()?, options, ending()?).await,
            Command::Stop(options) => stop::run(&load()?, options, ending()?).await,
            Command::Jobs(options) => jobs::run(&load()?, options, ending()?).await,
            Command::Open => open::run(&load_outside_sessions()?).await,
            Command::Check(options) => check::run(&load()?, options).await,
            Command::Config(options) => {
                with_installation(|installation| config::run(&options, config.as_deref(), installation))
            }
            Command::Hosts(options) => {
                let (berth, plugins) = installed()?;
                hosts::run(&options, config.as_deref(), installation(&berth, &plugins)).await
            }
            Command::Doctor(options) => doctor::run(load(), options).await,
            Command::Tools(options) => tools::run(&load()?, options, ending()?).await,
            Command::Call(options) => call::run(&load()?, options, ending()?).await,
            Command::Token => token::run(&load_outside_sessions()?),
            Command::Login(options) => login::run(&load_outside_sessions()?, &options),
            Command::Clients(options) => clients::run(&load_outside_sessions()?, &options),
            Command::Tokens(options) => tokens::run(&load_outside_sessions()?, &options),
            Command::Attach(options) => attach::run(&load_outside_sessions()?, options, ending()?).await,
            Command::Trust(options) => trust::run(&load_outside_sessions()?, options, ending()?).await,
            Command::Audit(options) if options.prunes() => {
                audit::run(&load_outside_sessions()?, options, ending()?).await
            }
            Command::Audit(options) => audit::run(&load()?, options, ending()?).await,
            Command::Plugin(PluginCommand::Inspect(options)) => inspect::run(load().ok(), options).await,
            Command::Service(options) => {
                load_outside_sessions()?;
                service::run(options, config.as_deref()).await
            }
            Command::Completions(options) => completions::run(&options, Arguments::command()),
            Command::Beside(options) => beside::run(options).await,
        }
    });
    runtime.shutdown_timeout(LAST_WORK);
    ended
}

fn load(path: Option<PathBuf>) -> anyhow::Result<Setup> {
    let mut setup = with_installation(|installation| Ok(Setup::load(path.as_deref(), &installation)?))?;
    // A file that the caller names may be the caller's own, and may contain anything.
    if path.is_some() && Peer::of_this_process() != Peer::Operator {
        setup.server.sessions_may_control = false;
    }
    Ok(setup)
}

/// Does `work`, which reads a configuration for this binary.
fn with_installation<T>(work: impl FnOnce(Installation<'_>) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let (berth, plugins) = installed()?;
    work(installation(&berth, &plugins))
}

/// The path of this binary, and the plugins that it carries.
fn installed() -> anyhow::Result<(PathBuf, Vec<&'static str>)> {
    let berth = std::env::current_exe().context("the path of this program cannot be found")?;
    Ok((berth, bundled::ALL.iter().map(|plugin| plugin.name).collect()))
}

fn installation<'a>(berth: &'a Path, plugins: &'a [&'a str]) -> Installation<'a> {
    Installation { berth, plugins }
}

/// Cancelled by Ctrl-C and SIGTERM. A second one ends the process at once.
fn ending() -> anyhow::Result<CancellationToken> {
    ending_by(false)
}

/// The same, also cancelled when the terminal closes (SIGHUP).
fn ending_with_terminal() -> anyhow::Result<CancellationToken> {
    ending_by(true)
}

fn ending_by(hangup: bool) -> anyhow::Result<CancellationToken> {
    let ending = CancellationToken::new();
    let seen = ending.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _entered = runtime.enter();
        Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: hangup.then(|| signal(SignalKind::hangup())).transpose()?,
        }
    };
    // A thread and a runtime of their own: the other runtime may be the one that does not end.
    let attend = move || {
        runtime.block_on(async {
            signals.first().await;
            seen.cancel();
            let (name, number) = signals.next().await;
            end_at_once(name, number);
        });
    };
    std::thread::Builder::new().name("signals".into()).spawn(attend)?;
    Ok(ending)
}

/// What asks a command to end.
struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    /// Where the end of a terminal ends the command.
    hangup: Option<unix::Signal>,
}

impl Signals {
    /// The first one. A terminal that closes says so more than once, so afterwards that means nothing.
    async fn first(&mut self) {
        let mut hangup = self.hangup.take();
        let closed = async {
            match &mut hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = closed => {}
            _ = self.next() => {}
        }
    }

    /// The next one: its name, and its number.
    async fn next(&mut self) -> (&'static str, i32) {
        tokio::select! {
            _ = self.interrupt.recv() => ("SIGINT", SignalKind::interrupt().as_raw_value()),
            _ = self.terminate.recv() => ("SIGTERM", SignalKind::terminate().as_raw_value()),
        }
    }
}

/// Ends the process without waiting for anything, but leaves no program behind that it has started.
fn end_at_once(name: &str, number: i32) -> ! {
    // Nothing below may delay it, and code that runs at exit may do that.
    let at_the_latest = || {
        std::thread::sleep(LAST_WORDS);
        let _ = kill_process(getpid(), Signal::KILL);
    };
    let _ = std::thread::Builder::new().name("end".into()).spawn(at_the_latest);
    end_programs();
    tracing::warn!("{name} came again: berth ends at once, and what was under way is cut off");
    log::finish();
    // The status that shells report for a process that a signal has ended.
    std::process::exit(128 + number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
