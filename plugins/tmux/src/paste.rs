//! Pasting a text into a pane, in parts that its agent takes as typed.
//!
//! A text that is pasted means itself in every mode of an agent's editor; keys do not.

use berth_agents::Agent;
use berth_plugin::{Error, Result};

use crate::delivery::nothing_typed;
use crate::digest;
use crate::panes::Pane;
use crate::tmux::{self, LONGEST, Reply, chain, length, words};

/// Characters of a buffer's name that identify the message.
const BUFFER: usize = 10;
/// The most parts of one text; more would not be pasted within the time of a call.
const PARTS_MAX: usize = 1000;

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

    /// Pastes `text`, without Enter. An error that is a refusal says that nothing was pasted.
    pub(crate) fn put(&self, text: &str) -> Result<()> {
        let parts = self.agent.parts(text, self.pane.rows);
        if parts.len() > PARTS_MAX {
            return Err(Error::Refused(
                "it has more lines than can be typed: put it in a file and name that; nothing was typed".to_owned(),
            ));
        }
        let buffers: Vec<_> = (0..parts.len()).map(|part| format!("{}-{part}", self.buffer)).collect();
        for (part, buffer) in parts.iter().zip(&buffers) {
            let load = tmux::command(words(&["load-buffer", "-b", buffer, "-"])).stdin(part.as_bytes());
            if let Err(error) = tmux::run(load).and_then(Reply::whole) {
                forget(&buffers);
                return Err(nothing_typed(error));
            }
        }
        let pasted = self
            .commands(&buffers)
            .into_iter()
            .try_for_each(|commands| tmux::run(tmux::command(commands)).and_then(Reply::whole).map(drop));
        if pasted.is_err() {
            // What is left must not stay in the server's memory; that the paste failed is what the caller must know.
            forget(&buffers);
        }
        pasted
    }

    /// The commands that paste these buffers, as few as possible.
    fn commands(&self, buffers: &[String]) -> Vec<Vec<String>> {
        let pane = self.pane.id.as_str();
        // Pasting into a pane whose program has ended ends tmux 3.3a and every session with it. The first command does
        // nothing but fail there, and then tmux leaves out the others.
        let first = words(&["pipe-pane", "-t", pane]);
        let mut all: Vec<Vec<String>> = Vec::new();
        for buffer in buffers {
            let one = words(&["paste-buffer", "-p", "-r", "-d", "-b", buffer, "-t", pane]);
            match all.last_mut() {
                Some(last) if length(last) + length(&one) + 2 <= LONGEST => {
                    last.push(";".to_owned());
                    last.extend(one);
                }
                _ => all.push(chain([first.clone(), one])),
            }
        }
        all
    }
}

/// Removes buffers from tmux's memory.
fn forget(buffers: &[String]) {
    for buffer in buffers {
        let _ = tmux::order(&[&["delete-buffer", "-b", buffer]]);
    }
}
