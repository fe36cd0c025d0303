//! The terminal on standard input and output: raw mode, its size, and its input as a channel.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use anyhow::{Context as _, bail};
use rustix::termios::{self, OptionalActions, Termios};

use crate::block::Size;

const BRACKETED_PASTE: &str = "\x1b[?2004h";
const PLAIN_PASTE: &str = "\x1b[?2004l";
const USUAL: Size = Size { columns: 80, rows: 24 };

/// The terminal in raw mode with bracketed paste, for as long as this lives.
pub(crate) struct Terminal {
    before: Termios,
}

impl Terminal {
    /// Takes over the terminal. Keys that were typed before are kept.
    ///
    /// # Errors
    /// When standard input or output is not a terminal.
    pub(crate) fn open() -> anyhow::Result<Self> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            bail!("the demo agent needs a terminal as its input and output: start it in a terminal or in tmux");
        }
        let before = termios::tcgetattr(io::stdin()).context("reading the terminal's mode")?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(io::stdin(), OptionalActions::Now, &raw).context("setting the terminal's raw mode")?;
        let terminal = Self { before };
        terminal.write(BRACKETED_PASTE)?;
        Ok(terminal)
    }

    /// The size now; 80 by 24 if the terminal does not say.
    pub(crate) fn size(&self) -> Size {
        match termios::tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => Size {
                columns: size.ws_col.into(),
                rows: size.ws_row.into(),
            },
            _ => USUAL,
        }
    }

    pub(crate) fn write(&self, text: &str) -> anyhow::Result<()> {
        let mut output = io::stdout().lock();
        output
            .write_all(text.as_bytes())
            .and_then(|()| output.flush())
            .context("writing to the terminal")
    }

    /// What is typed, as it comes. The channel closes when the terminal is gone.
    pub(crate) fn input(&self) -> Receiver<Vec<u8>> {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = io::stdin().read(&mut buffer) {
                if sender.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        receiver
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The process ends here: there is nobody left who could be told about a failure.
        let _ = self.write(PLAIN_PASTE);
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}
