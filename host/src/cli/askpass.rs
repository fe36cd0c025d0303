//! What berth answers when ssh, which it started, asks it for a passphrase. Only ssh calls it.

use std::io::{Write as _, stdout};
use std::process::ExitCode;

use berth::machine::askpass::{self, KIND, PASSPHRASE};

use super::print;

/// What ssh asks.
pub(crate) struct Question {
    text: String,
    kind: Option<String>,
    passphrase: String,
}

/// What is asked, if ssh started this process for that.
pub(crate) fn asked() -> Option<Question> {
    let passphrase = std::env::var(PASSPHRASE).ok()?;
    let mut arguments = std::env::args_os().skip(1);
    let text = arguments.next()?.to_string_lossy().into_owned();
    arguments.next().is_none().then(|| Question {
        text,
        kind: std::env::var(KIND).ok(),
        passphrase,
    })
}

impl Question {
    pub(crate) fn answer(&self) -> ExitCode {
        let answer = askpass::answer(&self.text, self.kind.as_deref(), &self.passphrase);
        if let Some(note) = answer.note {
            print::note(&note);
        }
        match answer.secret {
            // As it is: what prints for people would take something out of it.
            Some(secret) => match writeln!(stdout(), "{secret}") {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            },
            None => ExitCode::FAILURE,
        }
    }
}
