//! Pasting a text into a pane, in parts that its agent takes as typed, and texts that go with it, each whole.
//!
//! Each part has brackets around it. An agent reads up to 4095 bytes at once; one that is busy and meets half a bracket at
//! the end of them takes the other half for text. So a long text is put in portions that are read at once, each when the
//! one before was seen.
//!
//! A text that is pasted means itself in every mode of an agent's editor; keys do not.

use berth_agents::Agent;
use berth_plugin::Result;

use crate::digest;
use crate::panes::Pane;
use crate::tmux::{self, Reply, chain, nothing_typed, words};

/// Characters of a buffer's name that identify the message.
const BUFFER: usize = 10;
/// What a portion has at most, in bytes with its brackets, unless there would be too many.
const PORTION: usize = 3000;
/// The most portions of one text, or a few more; a call can start only so many programs.
const PORTIONS: usize = 32;
/// What a terminal sends before and after a paste.
const BRACKETS: [&str; 2] = ["\u{1b}[200~", "\u{1b}[201~"];

/// Pastes one message, or a beginning and the rest of it.
pub(crate) struct Paste<'a> {
    agent: &'a Agent,
    pane: &'a Pane,
    /// The name under which tmux keeps what is pasted.
    buffer: String,
}

impl<'a> Paste<'a> {
    pub(crate) fn of(message: &str, agent: &'a Agent, pane: &'a Pane) -> Self {
        let buffer = format!("berth-{}", digest::word(message, BUFFER));
        Self { agent, pane, buffer }
    }

    /// Cuts a text into portions, each to be put when the one before was seen.
    pub(crate) fn portions<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let parts = self.agent.parts(text, self.pane.rows);
        let size = |part: &str| part.len() + BRACKETS.map(str::len).iter().sum::<usize>();
        let most = PORTION.max(parts.iter().map(|part| size(part)).sum::<usize>() / PORTIONS);
        let (mut portions, mut rest) = (Vec::new(), text);
        let (mut end, mut used) = (0, 0);
        for part in parts {
            if end > 0 && used + size(part) > most {
                let (portion, after) = rest.split_at(end);
                portions.push(portion);
                (rest, end, used) = (after, 0, 0);
            }
            (end, used) = (end + part.len(), used + size(part));
        }
        portions.push(rest);
        portions
    }

    /// Pastes `text` and then each of `pastes` on a line of its own, without Enter. An error that is a refusal says that
    /// nothing was pasted.
    pub(crate) fn put(&self, text: &str, pastes: &[String]) -> Result<()> {
        let mut parts = self.agent.parts(text, self.pane.rows);
        parts.extend(pastes.iter().flat_map(|paste| ["\n", paste]));
        match parts.as_slice() {
            // tmux brackets it if the program in the pane asks for that.
            [part] => self.paste(part, &["-p"]),
            // Only an agent that is at rest, and so has asked for that, gets a text in parts.
            parts => {
                let [before, after] = BRACKETS;
                let text: String = parts.iter().flat_map(|part| [before, *part, after]).collect();
                self.paste(&text, &[])
            }
        }
    }

    /// Pastes a text as it is.
    ///
    /// Pasting into a pane whose program has ended ends tmux 3.3a and every session with it. The first command does
    /// nothing but fail there, and then tmux leaves out the others.
    fn paste(&self, text: &str, options: &[&str]) -> Result<()> {
        load(&self.buffer, text).inspect_err(|_| forget(&self.buffer))?;
        let first = words(&["pipe-pane", "-t", &self.pane.id]);
        let last = ["-r", "-d", "-b", &self.buffer, "-t", &self.pane.id];
        let paste = words(&[&["paste-buffer"], options, &last].concat());
        let pasted = tmux::run(tmux::command(chain([first, paste]))).and_then(Reply::whole);
        pasted.map(drop).inspect_err(|_| forget(&self.buffer))
    }
}

/// Gives tmux a text to paste. An error says that nothing was pasted.
fn load(buffer: &str, text: &str) -> Result<()> {
    let load = tmux::command(words(&["load-buffer", "-b", buffer, "-"])).stdin(text.as_bytes());
    tmux::run(load).and_then(Reply::whole).map(drop).map_err(nothing_typed)
}

/// Removes a buffer from tmux's memory. That something failed before is what the caller must know.
fn forget(buffer: &str) {
    let _ = tmux::order(&[&["delete-buffer", "-b", buffer]]);
}
