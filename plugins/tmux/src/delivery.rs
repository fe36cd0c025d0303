//! Sending a message: looked at before, typed or pasted, seen, entered, and seen to be taken.

use berth_agents::{Observation, Submission, Way};
use berth_plugin::types::{Delivery, Error, Receipt, State};

use crate::look::{self, Look};
use crate::sessions::{self, Found};
use crate::setup::{Entry, Setup};
use crate::tmux::{Tmux, literal, pause, words};
use crate::{create, log};

const POLL_MS: u64 = 50;
/// How long a text may take to show in the composer, in milliseconds.
const SHOWN_MS: u64 = 2000;
/// How long one Enter may take to be seen, in milliseconds.
const TAKEN_MS: u64 = 1500;
/// How often Enter is sent at most.
const ENTERS: usize = 3;

/// Sends a message to an idle agent.
pub(crate) fn send(setup: &Setup, id: &str, message: &str) -> Result<Delivery, Error> {
    let found = sessions::find(setup, id)?;
    let agent = &found.known()?.agent;
    let submission = agent.submission(message).map_err(|why| Error::Invalid(why.0))?;
    let look = look::close(&setup.tmux, &found.pane.id)?;
    let entry = found.living(&look)?;
    let seen = entry.agent.observe(&look.screen);
    let after = log::end_cursor(&look, &seen);
    check(&found, entry, &seen)?;
    let writing = Writing {
        tmux: &setup.tmux,
        found: &found,
        entry,
        submission: &submission,
    };
    writing.put(&look)?;
    writing.until_shown()?;
    pause(entry.agent.submit_pause_ms());
    let receipt = writing.enter()?;
    Ok(Delivery {
        receipt,
        after: Some(after),
    })
}

/// Whether a message may be typed now.
fn check(found: &Found, entry: &Entry, seen: &Observation) -> Result<(), Error> {
    match found.state(entry, seen) {
        State::Idle => {}
        State::Waiting => {
            return Err(Error::Refused(
                "a question is open, and a message would answer it, so nothing was typed: answer it with respond_to_prompt".to_owned(),
            ));
        }
        State::Busy | State::Starting => return Err(Error::Busy),
        _ => {
            return Err(Error::Refused(
                "its screen is not recognised, so nothing was typed: look at it with get_logs (view = \"screen\")"
                    .to_owned(),
            ));
        }
    }
    if seen.composer.as_ref().is_some_and(|composer| !composer.is_empty()) {
        return Err(Error::Refused(
            "somebody's draft is in the composer, so nothing was typed: submit or clear it on the terminal first"
                .to_owned(),
        ));
    }
    Ok(())
}

/// One message on its way into a composer.
struct Writing<'a> {
    tmux: &'a Tmux,
    found: &'a Found<'a>,
    entry: &'a Entry,
    submission: &'a Submission,
}

impl Writing<'_> {
    /// Puts the text into the composer, without Enter.
    fn put(&self, look: &Look) -> Result<(), Error> {
        if look.in_mode {
            self.tmux.order(&[&["send-keys", "-X", "-t", self.pane(), "cancel"]])?;
        }
        match self.submission.way {
            Way::Typed => self.type_text(),
            Way::Pasted => self.paste(),
        }
    }

    fn pane(&self) -> &str {
        &self.found.pane.id
    }

    fn type_text(&self) -> Result<(), Error> {
        let text = literal(&self.submission.text);
        self.tmux
            .order(&[&["send-keys", "-l", "-t", self.pane(), "--", &text]])
            .map(drop)
    }

    fn paste(&self) -> Result<(), Error> {
        let buffer = format!("berth-{}", create::random_word(10)?);
        let text = self.submission.text.clone().into_bytes();
        self.tmux
            .run_with(words(&["load-buffer", "-b", &buffer, "-"]), text, None)?
            .whole()?;
        let pane = self.pane();
        // Pasting into a pane whose program has ended ends tmux 3.3a and every session with it. The first command does
        // nothing but fail there, and then tmux leaves out the second.
        let pasted = self.tmux.order(&[
            &["pipe-pane", "-t", pane],
            &["paste-buffer", "-p", "-r", "-d", "-b", &buffer, "-t", pane],
        ]);
        if let Err(error) = pasted {
            // The text must not stay in the server's memory; that the paste failed is what the caller must know.
            let _ = self.tmux.order(&[&["delete-buffer", "-b", &buffer]]);
            return Err(error);
        }
        Ok(())
    }

    /// Waits until the composer shows the text, and no menu has come up meanwhile: Enter would approve it.
    fn until_shown(&self) -> Result<(), Error> {
        for _ in 0..SHOWN_MS / POLL_MS {
            pause(POLL_MS);
            match self.place()? {
                Place::Composer => return Ok(()),
                Place::Question => {
                    return Err(Error::Failed(
                        "a question came up while the message was being typed; Enter was not pressed, and the text may still be in the composer: answer the question first".to_owned(),
                    ));
                }
                Place::Elsewhere => {}
            }
        }
        Err(Error::Failed(
            "the message was typed but did not show in the composer, so Enter was not pressed; the text may be there: look with get_logs (view = \"screen\") before sending it again".to_owned(),
        ))
    }

    /// Presses Enter until the composer has let the text go. Only Enter is sent again, and only onto our own text.
    fn enter(&self) -> Result<Receipt, Error> {
        for _ in 0..ENTERS {
            match self.place() {
                Ok(Place::Composer) => self.tmux.order(&[&["send-keys", "-t", self.pane(), "--", "Enter"]])?,
                // After an Enter these are its effect; before the first, somebody else was quicker.
                Ok(_) | Err(Error::Refused(_) | Error::NotFound(_)) => {
                    return Ok(Receipt::Unconfirmed);
                }
                Err(error) => return Err(error),
            };
            if self.is_taken()? {
                return Ok(Receipt::Submitted);
            }
        }
        Ok(Receipt::Unconfirmed)
    }

    fn is_taken(&self) -> Result<bool, Error> {
        for _ in 0..TAKEN_MS / POLL_MS {
            pause(POLL_MS);
            match self.place() {
                Ok(Place::Composer) => {}
                // A message may end the agent, as `/exit` does.
                Ok(_) | Err(Error::Refused(_) | Error::NotFound(_)) => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Where the text is now.
    fn place(&self) -> Result<Place, Error> {
        let look = look::close(self.tmux, self.pane())?;
        self.found.living(&look)?;
        let seen = self.entry.agent.observe(&look.screen);
        if seen.prompt.is_some() {
            return Ok(Place::Question);
        }
        let holds = seen
            .composer
            .is_some_and(|composer| composer.holds(&self.submission.text));
        Ok(if holds { Place::Composer } else { Place::Elsewhere })
    }
}

/// Where a text is, as far as the screen shows.
enum Place {
    Composer,
    /// A menu is open; what would be entered would answer it.
    Question,
    Elsewhere,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::panes::tests::pane;
    use crate::setup::tests::two_agents;
    use berth_agents::Screen;

    fn judged(lines: &str) -> Result<(), Error> {
        let setup = two_agents();
        let entry = setup.agent("toy").unwrap();
        let found = Found {
            id: "a".to_owned(),
            pane: pane("%1", "a", "toy", "berth"),
            agent: Some(entry),
        };
        check(&found, entry, &entry.agent.observe(&Screen::parse(lines, None)))
    }

    fn boxed(above: &str, text: &str, footer: &str) -> String {
        let rule = "─".repeat(80);
        format!("{above}\n{rule}\n> {text}\n{rule}\n  demo agent · {footer}")
    }

    #[test]
    fn types_only_into_an_idle_and_empty_composer() {
        judged(&boxed("", "", "idle · /help for commands")).unwrap();
        judged(&boxed(
            "",
            "\u{1b}[2mSay something\u{1b}[0m",
            "idle · /help for commands",
        ))
        .unwrap();
        let busy = judged(&boxed("* Working… (3s · esc to interrupt)", "", "esc to interrupt"));
        assert_eq!(busy, Err(Error::Busy));
    }

    #[test]
    fn refuses_while_a_question_is_open_or_a_draft_is_there() {
        let rule = "─".repeat(80);
        for (screen, word) in [
            (format!("{rule}\n Go on? [y/n]"), "respond_to_prompt"),
            (boxed("", "half a sentence", "idle"), "draft"),
            ("$ ".to_owned(), "not recognised"),
        ] {
            match judged(&screen) {
                Err(Error::Refused(why)) => assert!(why.contains(word) && why.contains("nothing was typed"), "{why}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
