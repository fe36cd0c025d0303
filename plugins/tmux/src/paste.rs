//! Pasting a text into a pane, in parts that its agent takes as typed, and texts that go with it, each whole.
//!
//! A text that is pasted means itself in every mode of an agent's editor; keys do not.

use berth_agents::Agent;
use berth_plugin::Result;

use crate::digest;
use crate::panes::Pane;
use crate::tmux::{self, Reply, chain, nothing_typed, words};

/// Characters of a buffer's name that identify the message.
const BUFFER: usize = 10;
/// The most parts that have a buffer each; a call can start only so many programs.
const BUFFERS_MAX: usize = 64;
/// What a terminal sends before and after a paste.
const BRACKETS: [&str; 2] = ["\u{1b}[200~", "\u{1b}[201~"];

/// Pastes one message, or a beginning and the rest of it.
pub(crate) struct Paste<'a> {
    agent: &'a Agent,
    pane: &'a Pane,
    /// The name under which tmux keeps the parts, before their numbers.
    buffer: String,
}

impl<'a> Paste<'a> {
    pub(crate) fn of(message: &str, agent: &'a Agent, pane: &'a Pane) -> Self {
        let buffer = format!("berth-{}", digest::word(message, BUFFER));
        Self { agent, pane, buffer }
    }

    /// Pastes `text` and then each of `pastes` on a line of its own, without Enter. An error that is a refusal says that
    /// nothing was pasted.
    pub(crate) fn put(&self, text: &str, pastes: &[String]) -> Result<()> {
        let mut parts = self.agent.parts(text, self.pane.rows);
        parts.extend(pastes.iter().flat_map(|paste| ["\n", paste]));
        match parts.len() <= BUFFERS_MAX {
            true => self.each(&parts),
            false => self.at_once(&parts),
        }
    }

    /// Pastes each part from a buffer of its own. tmux brackets a paste if the program in the pane asks for that.
    fn each(&self, parts: &[&str]) -> Result<()> {
        let buffers: Vec<_> = (0..parts.len()).map(|part| format!("{}-{part}", self.buffer)).collect();
        for (part, buffer) in parts.iter().zip(&buffers) {
            load(buffer, part).inspect_err(|_| forget(&buffers))?;
        }
        let paste = |buffer: &String| words(&["paste-buffer", "-p", "-r", "-d", "-b", buffer, "-t", &self.pane.id]);
        self.paste(buffers.iter().map(paste)).inspect_err(|_| forget(&buffers))
    }

    /// Pastes all parts from one buffer, bracketed already: only an agent that is at rest, and so has asked for that,
    /// gets a text in parts.
    fn at_once(&self, parts: &[&str]) -> Result<()> {
        let [before, after] = BRACKETS;
        let text: String = parts.iter().flat_map(|part| [before, *part, after]).collect();
        let buffers = std::slice::from_ref(&self.buffer);
        load(&self.buffer, &text).inspect_err(|_| forget(buffers))?;
        let paste = words(&["paste-buffer", "-r", "-d", "-b", &self.buffer, "-t", &self.pane.id]);
        self.paste([paste].into_iter()).inspect_err(|_| forget(buffers))
    }

    /// Pasting into a pane whose program has ended ends tmux 3.3a and every session with it. The first command does
    /// nothing but fail there, and then tmux leaves out the others.
    fn paste(&self, pastes: impl Iterator<Item = Vec<String>>) -> Result<()> {
        let first = words(&["pipe-pane", "-t", &self.pane.id]);
        let commands = chain(std::iter::once(first).chain(pastes));
        tmux::run(tmux::command(commands)).and_then(Reply::whole).map(drop)
    }
}

/// Gives tmux a text to paste. An error says that nothing was pasted.
fn load(buffer: &str, text: &str) -> Result<()> {
    let load = tmux::command(words(&["load-buffer", "-b", buffer, "-"])).stdin(text.as_bytes());
    tmux::run(load).and_then(Reply::whole).map(drop).map_err(nothing_typed)
}

/// Removes buffers from tmux's memory. That something failed before is what the caller must know.
fn forget(buffers: &[String]) {
    for buffer in buffers {
        let _ = tmux::order(&[&["delete-buffer", "-b", buffer]]);
    }
}
