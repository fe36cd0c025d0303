//! `berth demo-agent remote-control`: what Claude Code's remote control shows and asks, and how it ends, for tests that
//! have no account. It connects to nothing, and its address leads nowhere.
//!
//! Refusals and questions are those of the real one, as they were captured from version 2.1.329 without an account. What
//! that shows while it serves and how it expires was not seen, and is after its documentation.

use std::env;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, BufRead as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;
use signal_hook::consts::SIGINT;

/// How often it looks whether it shall end.
const EVERY: Duration = Duration::from_millis(50);
const LOGGED_OUT: &str = "Error: You must be logged in to use Remote Control.\n\nRemote Control is only available with \
                          claude.ai subscriptions. Run `claude auth login` to sign in with your claude.ai account.";
const TOKEN: &str = "Error: Remote Control requires a full-scope login token. Long-lived tokens (from `claude setup-token` or \
                     CLAUDE_CODE_OAUTH_TOKEN) are limited to inference-only for security reasons. Run `claude auth login` \
                     to use Remote Control.";
const OFFLINE: &str = "Error: Couldn't verify Remote Control eligibility — the feature-flag service was unreachable (offline \
                       or blocked). Retry, or run with `--debug` / `claude doctor` for details.";
const NOTHING: &str = "Error: No recent session found in this directory or its worktrees. Run `claude remote-control` to start \
                       a new one.";
const BOTH: &str =
    "Error: --session-id and --continue cannot be used with --spawn, --capacity, or --create-session-in-dir.";
/// Variables with which the real one does not evaluate its feature flags.
const FLAGS: [&str; 2] = ["DISABLE_GROWTHBOOK", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"];

/// Show what Claude Code's remote control shows, without an account
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The name of the session
    #[arg(long, allow_hyphen_values = true)]
    name: Option<String>,

    /// Where conversations work; without it, it asks and waits
    #[arg(long, value_parser = ["same-dir", "worktree", "session"])]
    spawn: Option<String>,

    /// Go on with the session that it had
    #[arg(long = "continue")]
    goes_on: bool,

    /// The mode of its conversations, which it only shows
    #[arg(long, default_value = "default")]
    permission_mode: String,

    /// Ask this first
    #[arg(long)]
    asks: Vec<Asks>,

    /// End in this way
    #[arg(long)]
    ends: Option<Ends>,

    /// End only once this file is there
    #[arg(long, value_name = "FILE", requires = "ends")]
    when: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Asks {
    /// Whether the folder is trusted
    Trust,
    /// Whether it shall be on
    Enable,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Ends {
    /// Nobody is logged in
    LoggedOut,
    /// The login is a token of too narrow a scope
    Token,
    /// The folder is not trusted
    NotTrusted,
    /// claude.ai cannot be reached
    Offline,
    /// It lost claude.ai for too long
    Lost,
    /// Its login expired
    Expired,
    /// There is nothing to continue
    Nothing,
}

/// Serves until Ctrl-C or its end. Answers the exit status.
pub(crate) fn run(options: &Options) -> anyhow::Result<u8> {
    let directory = env::current_dir().context("finding the current directory")?;
    let is_set = |name: &str| env::var(name).is_ok_and(|value| !value.is_empty());
    if let Some(why) = refusal(options, &directory, is_set) {
        return Ok(refuse(&why));
    }
    if options.spawn.is_none() && !options.goes_on {
        println!("Choose spawn mode:\n  [1] same-dir\n  [2] worktree");
        answer()?;
    }
    for asks in &options.asks {
        ask(*asks, &directory);
        if answer()? != "y" {
            return Ok(1);
        }
    }
    serve(options, &directory)
}

/// Why it does not begin.
fn refusal(options: &Options, directory: &Path, is_set: impl Fn(&str) -> bool) -> Option<String> {
    if options.goes_on && options.spawn.is_some() {
        return Some(BOTH.to_owned());
    }
    if is_set("ANTHROPIC_API_KEY") {
        return Some(
            "Error: Remote Control requires claude.ai subscription auth. ANTHROPIC_API_KEY is set, so this session is using \
             API-key auth — unset it (or run in a shell without it) to use Remote Control."
                .to_owned(),
        );
    }
    if is_set("ANTHROPIC_BASE_URL") {
        return Some(
            "Error: Remote Control is only available when using Claude via api.anthropic.com. ANTHROPIC_BASE_URL is set and \
             does not point at api.anthropic.com, so this session is using a custom endpoint — unset it (or run in a shell \
             without it) to use Remote Control."
                .to_owned(),
        );
    }
    if let Some(name) = FLAGS.iter().find(|name| is_set(name)) {
        return Some(format!(
            "Error: Remote Control requires feature-flag evaluation, which is disabled because {name} is set. Unset it (or run \
             in a shell without it) to use Remote Control."
        ));
    }
    let is_due = options.when.as_ref().is_none_or(|file| file.exists());
    options
        .ends
        .filter(|_| is_due)
        .and_then(|ends| at_once(ends, directory))
}

/// What it says where it ends before it serves.
fn at_once(ends: Ends, directory: &Path) -> Option<String> {
    match ends {
        Ends::LoggedOut => Some(LOGGED_OUT.to_owned()),
        Ends::Token => Some(TOKEN.to_owned()),
        Ends::NotTrusted => Some(format!(
            "Error: Workspace not trusted. Please run `claude` in {} first to review and accept the workspace trust dialog.",
            directory.display()
        )),
        Ends::Offline => Some(OFFLINE.to_owned()),
        Ends::Nothing => Some(NOTHING.to_owned()),
        Ends::Lost | Ends::Expired => None,
    }
}

fn serve(options: &Options, directory: &Path) -> anyhow::Result<u8> {
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGINT, Arc::clone(&stop)).context("listening for Ctrl-C")?;
    let name = options.name.as_deref().unwrap_or("demo");
    let spawn = options.spawn.as_deref().unwrap_or("same-dir");
    println!(
        "Remote Control\n\n Ready · {name}\n    Capacity: 0/32 · {spawn} · {mode}\n\nContinue coding in the Claude mobile app or {}\n\
         space to show QR code · w to toggle spawn mode",
        address(name, directory),
        mode = options.permission_mode,
    );
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(EVERY);
        let is_due = options.when.as_ref().is_none_or(|file| file.exists());
        let Some(ends) = options.ends.filter(|_| is_due) else {
            continue;
        };
        let lost = "Server unreachable for 10 minutes, giving up.";
        let expired = "Error: Authentication failed (401). Re-run `claude remote-control` to reconnect.";
        let why = at_once(ends, directory);
        let last = if matches!(ends, Ends::Lost) { lost } else { expired };
        return Ok(refuse(why.as_deref().unwrap_or(last)));
    }
    println!("Remote Control stopped");
    Ok(0)
}

/// An address that is the same each time in one directory, so that going on leads to the same.
pub(crate) fn address(name: &str, directory: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    (name, directory).hash(&mut hasher);
    format!("https://claude.ai/code/session_01{:016x}", hasher.finish())
}

fn ask(asks: Asks, directory: &Path) {
    let directory = directory.display();
    match asks {
        Asks::Trust => print!(
            "Remote Control starts Claude Code sessions in this folder, driven from your other devices:\n\n  {directory}\n\nQuick \
             safety check: is this a project you created or one you trust? Sessions started here can read, edit, and execute \
             files, and this folder's project settings (hooks, MCP servers, permission rules, helper commands) apply to \
             them.\n\nTrust {directory}? [y/N] "
        ),
        Asks::Enable => print!(
            "Take this session with you and pick up right where you left off on any device.\n\nThe session keeps running on \
             this machine. Use your other devices as a remote\ncontrol. Press Ctrl+C to stop.\n\nEnable Remote Control? (y/n) "
        ),
    }
}

/// The line that a person types.
fn answer() -> anyhow::Result<String> {
    io::Write::flush(&mut io::stdout()).context("writing to the terminal")?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("reading an answer")?;
    Ok(line.trim().to_owned())
}

fn refuse(why: &str) -> u8 {
    println!("{why}");
    1
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Asked {
        #[command(flatten)]
        options: Options,
    }

    fn refused_with(set: &str, words: &[&str]) -> Option<String> {
        let words = ["remote-control"].iter().chain(words);
        refusal(&Asked::parse_from(words).options, Path::new("/p/app"), |name| {
            name == set
        })
    }

    fn refused(words: &[&str]) -> Option<String> {
        refused_with("", words)
    }

    #[test]
    fn it_refuses_what_the_real_one_refuses() {
        assert_eq!(refused(&["--name=x", "--spawn=same-dir"]), None);
        assert_eq!(refused(&["--name=-x", "--continue"]), None);
        assert_eq!(refused(&["--spawn=same-dir", "--continue"]).as_deref(), Some(BOTH));
        let untrusted = refused(&["--spawn=same-dir", "--ends=not-trusted"]).unwrap_or_default();
        assert!(
            untrusted.contains("Workspace not trusted") && untrusted.contains("/p/app"),
            "{untrusted}"
        );
        assert_eq!(
            refused(&["--spawn=same-dir", "--ends=expired"]),
            None,
            "it serves first"
        );
        let absent = ["--spawn=same-dir", "--ends=logged-out", "--when=/nowhere/at/all"];
        assert_eq!(refused(&absent), None, "not before the file is there");
        for name in ["ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "DISABLE_GROWTHBOOK"] {
            let why = refused_with(name, &["--spawn=same-dir"]).unwrap_or_default();
            assert!(why.contains(&format!("{name} is set")), "{why}");
        }
        assert_eq!(refused_with("DISABLE_TELEMETRY", &["--spawn=same-dir"]), None);
    }

    #[test]
    fn going_on_in_a_directory_leads_to_the_same_address() {
        let (one, other) = (Path::new("/p/app"), Path::new("/p/web"));
        assert_eq!(address("a", one), address("a", one));
        assert_ne!(address("a", one), address("a", other));
    }
}
