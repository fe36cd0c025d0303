//! `berth demo-agent`: a small program that behaves like a coding agent.
//!
//! It is there for people who want to see berth without an agent, and for tests. So it has the difficulties of real
//! agents too: keys that come too early are lost, and prose with Enter typed into an open menu approves it.
//!
//! In a terminal it never runs anything:
//!
//! ```text
//! keys ─→ conversation ─→ effects ─→ screen, record
//!              └─→ block ─→ screen ─→ terminal
//! ```
//!
//! `remote-control` shows what Claude Code's remote control shows (`remote`).
//!
//! With `--stream-json` or `--acp` it needs no terminal (`headless`). There, two words make it act: `write` writes a file below its
//! directory, and `commit` runs git there, so that a build has something to show.

mod block;
mod command;
mod composer;
mod conversation;
mod dialog;
mod headless;
mod keys;
mod record;
mod remote;
mod screen;
mod terminal;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::conversation::{Conversation, Effect};
use crate::keys::Keys;
use crate::record::{Kind, Record};
use crate::screen::Screen;
use crate::terminal::Terminal;

/// How often the clock on the screen and the terminal's size are looked at.
const TICK: Duration = Duration::from_millis(100);
/// How long after an escape the rest of a sequence may come.
const ESCAPE_ALONE: Duration = Duration::from_millis(40);

/// Behave like a coding agent, to try berth without one; it runs nothing but git, where `--stream-json` lets it commit
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Append every message, answer and interruption to this file, as one JSON object a line
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,

    /// Ask first whether the folder is trusted
    #[arg(long)]
    ask_trust: bool,

    /// How long a message keeps it busy, in milliseconds
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 400)]
    busy: u64,

    /// Take messages and answer in the lines of Claude Code's `--input-format stream-json`, without a terminal
    #[arg(long)]
    stream_json: bool,

    /// Speak version 1 of the Agent Client Protocol on standard input and output, without a terminal
    #[arg(long, conflicts_with = "stream_json")]
    acp: bool,

    /// Load no conversation again
    #[arg(long, requires = "acp")]
    forgetful: bool,

    /// Show an address at which a person goes on, as `claude --remote-control NAME` does
    #[arg(long, value_name = "NAME", alias = "rc", conflicts_with_all = ["stream_json", "acp"])]
    remote_control: Option<String>,

    /// The worktree in which it works, which it only shows
    #[arg(long, value_name = "NAME", requires = "remote_control")]
    worktree: Option<String>,

    /// Go on with a conversation, which it only shows
    #[arg(long = "continue", requires = "remote_control")]
    goes_on: bool,

    /// The first message
    #[arg(last = true, requires = "remote_control")]
    message: Option<String>,

    #[command(flatten)]
    headless: headless::Told,

    #[command(subcommand)]
    remote: Option<Remote>,
}

#[derive(Debug, clap::Subcommand)]
enum Remote {
    RemoteControl(remote::Options),
}

/// Runs until `/exit`, `/crash` or Ctrl-C twice, and answers with the exit status that goes with it. With `--stream-json`
/// or `--acp` it runs until its input ends.
///
/// # Errors
/// When there is no terminal and one is needed, or the record cannot be written.
pub fn run(options: Options) -> anyhow::Result<ExitCode> {
    if let Some(Remote::RemoteControl(options)) = &options.remote {
        return remote::run(options).map(ExitCode::from);
    }
    if options.stream_json {
        let record = Record::open(options.record.as_deref())?;
        return headless::run(&options.headless, record).map(ExitCode::from);
    }
    if options.acp {
        let record = Record::open(options.record.as_deref())?;
        return headless::acp::run(options.forgetful, record).map(ExitCode::from);
    }
    let directory = std::env::current_dir()
        .context("finding the current directory")?
        .display()
        .to_string();
    let mut record = Record::open(options.record.as_deref())?;
    let terminal = Terminal::open()?;
    record.write(Kind::Start, &directory)?;
    let trust = options.ask_trust.then_some(directory.as_str());
    let mut agent = Agent {
        began: Instant::now(),
        conversation: Conversation::new(Duration::from_millis(options.busy), trust),
        keys: Keys::default(),
        screen: Screen::default(),
        record,
        terminal,
    };
    if let Some(name) = &options.remote_control {
        let address = remote::address(name, Path::new(&directory));
        let goes_on = if options.goes_on { " · continued" } else { "" };
        let worktree = options
            .worktree
            .map(|name| format!(" · worktree {name}"))
            .unwrap_or_default();
        agent
            .screen
            .print(&format!("/remote-control is active · {address}{worktree}{goes_on}"));
    }
    if let Some(message) = options.message {
        agent.conversation.begin_with(message);
    }
    agent.run().map(ExitCode::from)
}

/// The conversation together with the terminal that it is held in.
struct Agent {
    began: Instant,
    conversation: Conversation,
    keys: Keys,
    screen: Screen,
    record: Record,
    terminal: Terminal,
}

impl Agent {
    fn run(mut self) -> anyhow::Result<u8> {
        let input = self.terminal.input();
        let status = loop {
            self.draw()?;
            if let Some(status) = self.wait(&input)? {
                break status;
            }
        };
        self.record.write(Kind::Exit, &status.to_string())?;
        let size = self.terminal.size();
        self.terminal.write(&self.screen.leave(size))?;
        Ok(status)
    }

    fn draw(&mut self) -> anyhow::Result<()> {
        let size = self.terminal.size();
        let block = block::draw(&self.conversation, self.began.elapsed(), size);
        let frame = self.screen.frame(&block, size);
        self.terminal.write(&frame)
    }

    /// Takes what is typed next, or lets time pass. Returns an exit status when it is over.
    fn wait(&mut self, input: &Receiver<Vec<u8>>) -> anyhow::Result<Option<u8>> {
        let keys = match input.recv_timeout(self.patience()) {
            Ok(bytes) => self.keys.feed(&bytes),
            Err(RecvTimeoutError::Timeout) => self.keys.settle().into_iter().collect(),
            Err(RecvTimeoutError::Disconnected) => return Ok(Some(0)),
        };
        let now = self.began.elapsed();
        self.conversation.pass(now);
        for key in keys {
            if let Some(status) = self.take_effects()? {
                return Ok(Some(status));
            }
            self.conversation.press(key, now);
        }
        self.take_effects()
    }

    fn patience(&self) -> Duration {
        if self.keys.is_undecided() {
            return ESCAPE_ALONE;
        }
        let due = self
            .conversation
            .due()
            .map(|due| due.saturating_sub(self.began.elapsed()));
        due.map_or(TICK, |due| due.min(TICK))
    }

    fn take_effects(&mut self) -> anyhow::Result<Option<u8>> {
        for effect in self.conversation.take_effects() {
            match effect {
                Effect::Print(line) => self.screen.print(&line),
                Effect::ClearScreen => self.screen.clear(),
                Effect::Record(kind, text) => self.record.write(kind, &text)?,
                Effect::Exit(status) => return Ok(Some(status)),
            }
        }
        Ok(None)
    }
}
