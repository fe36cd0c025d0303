//! The way to the pages for a browser, which the operator asks the owner for at a terminal.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::request::Request;
use crate::principal::{Principal, Scope};
use crate::store::Word;

/// How long the answer may take.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// How a browser reaches the pages that an owner serves: an origin.
#[derive(Clone, Debug)]
pub enum Pages {
    /// On this machine, where a word counts as a login.
    Here(String),
    /// From elsewhere, where only the passphrase counts.
    Elsewhere(String),
}

/// What an owner says of the way.
pub(super) struct Way {
    /// The pages, if it serves them.
    pub(super) pages: Option<Pages>,
    /// The word that counts.
    pub(super) word: Arc<Word>,
}

/// The way to the pages.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Opened {
    /// The address to open, and the word to type there.
    Here {
        /// The address.
        address: String,
        /// The word.
        word: String,
    },
    /// The address to open, where the passphrase is asked for.
    Elsewhere {
        /// The address.
        address: String,
    },
    /// There is none, and why.
    Refused {
        /// Why, with the fix.
        why: String,
    },
}

impl Way {
    /// What `principal` is told, who asks for it.
    pub(super) fn tell(&self, principal: &Principal) -> Opened {
        if !principal.may(Scope::Control) {
            let why = principal.refusal("berth open", Scope::Control);
            return Opened::Refused { why };
        }
        match &self.pages {
            None => Opened::Refused {
                why: "the berth that runs serves no pages, only the client that started it; run berth serve".to_owned(),
            },
            Some(Pages::Elsewhere(base)) => Opened::Elsewhere {
                address: format!("{base}/"),
            },
            Some(Pages::Here(base)) => match self.word.give(Instant::now()) {
                Ok(word) => Opened::Here {
                    address: format!("{base}/"),
                    word,
                },
                Err(error) => Opened::Refused { why: error.to_string() },
            },
        }
    }
}

/// Asks the owner behind `socket` for the way.
///
/// # Errors
/// If no berth runs, or it does not understand the question.
pub async fn open(socket: &Path) -> anyhow::Result<Opened> {
    let asked = Request::Open.ask(socket, ANSWERS_WITHIN).await;
    let answer =
        asked.context("no berth runs here that serves pages; start it with berth serve, in another terminal")?;
    let Some(answer) = answer else {
        bail!("the berth that runs does not answer; `berth doctor` says why");
    };
    serde_json::from_str(&answer)
        .context("the berth that runs does not know this question: it is an older one; start it again")
}
