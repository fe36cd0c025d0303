//! Sending a message: looked at before, typed or pasted, seen, entered, and seen to be taken.
//!
//! Up to the first key an error says that nothing was typed. From then on the text is either taken out again, which is a
//! refusal, or there is a receipt.

use berth_agents::{Observation, State as Seen, Submission, Way};
use berth_plugin::types::{Delivery, Error, Receipt, State};

use crate::clock::pause;
use crate::look::{self, Look};
use crate::sessions::{self, Found};
use crate::setup::{Entry, Setup};
use crate::tmux::{Reply, Tmux, literal, words};
use crate::{create, log};

const POLL_MS: u64 = 50;
/// How long a text may take to show in the composer, in milliseconds.
const SHOWN_MS: u64 = 2000;
/// How long one Enter may take to be seen, in milliseconds.
const TAKEN_MS: u64 = 1500;
/// How often Enter is sent at most.
const ENTERS: usize = 3;
/// How long a composer may take to be seen empty, in milliseconds.
const CLEARED_MS: u64 = 2000;
/// How long after the key that clears it may come again, in milliseconds: a second one soon after ends some agents.
const CLEAR_AGAIN_MS: u64 = 1500;

/// Sends a message to an idle agent.
pub(crate) fn send(setup: &Setup, id: &str, message: &str) -> Result<Delivery, Error> {
    let found = sessions::find(setup, id)?;
    let agent = &found.known()?.agent;
    let submission = agent.submission(message).map_err(|why| Error::Invalid(why.0))?;
    let look = look::close(&setup.tmux, &found.pane.id)?;
    let entry = found.living(&look)?;
    let seen = entry.agent.observe(&look.screen);
    let after = log::end_cursor(&look, &seen);
    let writing = Writing {
        setup,
        found: &found,
        entry,
        submission: &submission,
    };
    check_state(&found, entry, &seen)?;
    writing.make_room(&seen)?;
    setup.typing.begin(id, &submission.text)?;
    let receipt = writing.write(&look)?;
    Ok(Delivery {
        receipt,
        after: Some(after),
    })
}

/// Whether the session is one that takes a message now.
fn check_state(found: &Found, entry: &Entry, seen: &Observation) -> Result<(), Error> {
    match found.state(entry, seen) {
        State::Idle => Ok(()),
        State::Waiting => Err(Error::Refused(
            "a question is open, and a message would answer it, so nothing was typed: answer it with respond_to_prompt"
                .to_owned(),
        )),
        State::Busy | State::Starting => Err(Error::Busy),
        _ => Err(Error::Refused(
            "its screen is not recognised, so nothing was typed: look at it with get_logs (view = \"screen\")"
                .to_owned(),
        )),
    }
}

/// A text that somebody else wrote stands in the composer.
fn draft() -> Error {
    Error::Refused(
        "somebody's draft is in the composer, so nothing was typed: submit or clear it on the terminal first"
            .to_owned(),
    )
}

/// One message on its way into a composer.
struct Writing<'a> {
    setup: &'a Setup,
    found: &'a Found<'a>,
    entry: &'a Entry,
    submission: &'a Submission,
}

impl Writing<'_> {
    /// Sees to it that the composer is empty: what berth itself left there when it was cut off goes, a person's draft
    /// stays and keeps the message out.
    fn make_room(&self, seen: &Observation) -> Result<(), Error> {
        if is_empty(seen) {
            self.setup.typing.seen_empty(&self.found.id);
            return Ok(());
        }
        let left = self.setup.typing.cut_off(&self.found.id).ok_or_else(draft)?;
        match self.clear(&left)? {
            Cleared::Emptied | Cleared::WasEmpty => {
                self.setup.typing.seen_empty(&self.found.id);
                Ok(())
            }
            Cleared::NotOurs => Err(draft()),
            Cleared::Unseen => Err(Error::Refused(
                "what berth left in the composer was not seen to go yet, so nothing of this message was typed: look with \
                 get_logs (view = \"screen\"), and send it again when the agent reacts"
                    .to_owned(),
            )),
        }
    }

    /// Writes the text and enters it. An error: nothing of it was entered, and nothing of it is left.
    fn write(&self, look: &Look) -> Result<Receipt, Error> {
        let done = |receipt| {
            if receipt == Receipt::Submitted {
                self.setup.typing.taken(&self.found.id);
            }
            Ok(receipt)
        };
        match self.put(look) {
            Ok(()) => {}
            Err(Error::TimedOut(_) | Error::Failed(_)) => return self.give_up("tmux did not say whether it was typed"),
            Err(error) => {
                self.setup.typing.end(&self.found.id);
                return Err(nothing_typed(error));
            }
        }
        match self.until_shown() {
            Shown::Whole => {}
            // What stands under the question cannot be cleared now, and what is pressed now would answer it.
            Shown::Asked => return done(Receipt::Unconfirmed),
            Shown::Not(why) => return self.give_up(why),
        }
        pause(self.entry.agent.submit_pause_ms());
        done(self.enter())
    }

    /// Takes the text out again, which is a refusal; or, where that is not seen, leaves it to the next message.
    fn give_up(&self, why: &str) -> Result<Receipt, Error> {
        match self.clear(&self.submission.text) {
            Ok(Cleared::Emptied) => {
                self.setup.typing.seen_empty(&self.found.id);
                Err(Error::Refused(format!(
                    "{why}, so it was taken out again and nothing was entered: look with get_logs (view = \"screen\") \
                     before you send it again"
                )))
            }
            _ => Ok(Receipt::Unconfirmed),
        }
    }

    /// Empties a composer that holds what is left of `text` and nothing else, with one press of the agent's own key.
    /// Anywhere else that key does something else, or takes away what a person wrote.
    fn clear(&self, text: &str) -> Result<Cleared, Error> {
        let Some(key) = self.entry.agent.clear_key() else {
            return Ok(Cleared::NotOurs);
        };
        let shown = match self.left_of(text)? {
            Ok(shown) => shown,
            Err(otherwise) => return Ok(otherwise),
        };
        let Some(wait) = self.setup.typing.clear(&self.found.id, &shown, CLEAR_AGAIN_MS)? else {
            return Ok(Cleared::Unseen);
        };
        if wait > 0 {
            pause(wait);
            if let Err(otherwise) = self.left_of(text)? {
                return Ok(otherwise);
            }
        }
        self.setup.tmux.order(&[&["send-keys", "-t", self.pane(), "--", key]])?;
        self.setup.typing.cleared(&self.found.id);
        for _ in 0..CLEARED_MS / POLL_MS {
            pause(POLL_MS);
            if is_empty(&self.observe()?) {
                return Ok(Cleared::Emptied);
            }
        }
        Ok(Cleared::Unseen)
    }

    /// What the composer of an agent at rest shows, where that is what is left of `text`; otherwise how it is with it.
    fn left_of(&self, text: &str) -> Result<Result<String, Cleared>, Error> {
        let seen = self.observe()?;
        if is_empty(&seen) {
            return Ok(Err(Cleared::WasEmpty));
        }
        let composer = seen
            .composer
            .filter(|_| seen.state == Seen::Idle && seen.prompt.is_none());
        let ours = composer.filter(|composer| composer.is_left_of(text));
        Ok(ours.map(|composer| composer.text).ok_or(Cleared::NotOurs))
    }

    fn observe(&self) -> Result<Observation, Error> {
        let look = look::close(&self.setup.tmux, self.pane())?;
        self.found.living(&look)?;
        Ok(self.entry.agent.observe(&look.screen))
    }

    /// Puts the text into the composer, without Enter. An error that is a refusal says that nothing was put there.
    fn put(&self, look: &Look) -> Result<(), Error> {
        if look.in_mode {
            let leave = self.tmux().order(&[&["send-keys", "-X", "-t", self.pane(), "cancel"]]);
            leave.map_err(nothing_typed)?;
        }
        match self.submission.way {
            Way::Typed => self.type_text(),
            Way::Pasted => self.paste(),
        }
    }

    fn tmux(&self) -> &Tmux {
        &self.setup.tmux
    }

    fn pane(&self) -> &str {
        &self.found.pane.id
    }

    fn type_text(&self) -> Result<(), Error> {
        let text = literal(&self.submission.text);
        self.tmux()
            .order(&[&["send-keys", "-l", "-t", self.pane(), "--", &text]])
            .map(drop)
    }

    fn paste(&self) -> Result<(), Error> {
        let buffer = format!("berth-{}", create::random_word(10)?);
        let text = self.submission.text.clone().into_bytes();
        let loaded = self
            .tmux()
            .run_with(words(&["load-buffer", "-b", &buffer, "-"]), text, None);
        loaded.and_then(Reply::whole).map_err(nothing_typed)?;
        let pane = self.pane();
        // Pasting into a pane whose program has ended ends tmux 3.3a and every session with it. The first command does
        // nothing but fail there, and then tmux leaves out the second.
        let pasted = self.tmux().order(&[
            &["pipe-pane", "-t", pane],
            &["paste-buffer", "-p", "-r", "-d", "-b", &buffer, "-t", pane],
        ]);
        if let Err(error) = pasted {
            // The text must not stay in the server's memory; that the paste failed is what the caller must know.
            let _ = self.tmux().order(&[&["delete-buffer", "-b", &buffer]]);
            return Err(error);
        }
        Ok(())
    }

    /// Waits until the composer shows the text, and no menu has come up meanwhile: Enter would approve it.
    fn until_shown(&self) -> Shown {
        for _ in 0..SHOWN_MS / POLL_MS {
            pause(POLL_MS);
            match self.place() {
                Ok(Place::Composer) => return Shown::Whole,
                Ok(Place::Question) => return Shown::Asked,
                Ok(Place::Elsewhere) => {}
                Err(_) => return Shown::Not("the session could not be looked at while the message was being typed"),
            }
        }
        Shown::Not("the message did not show in the composer as it was typed")
    }

    /// Presses Enter until the composer has let the text go. Only Enter is sent again, and only onto our own text.
    fn enter(&self) -> Receipt {
        for _ in 0..ENTERS {
            // After an Enter, whatever else is seen is its effect; before the first, somebody else was quicker.
            match self.place() {
                Ok(Place::Composer) => {}
                Ok(Place::Elsewhere) => {
                    // It is not there any more, so what is found there later is somebody else's.
                    self.setup.typing.end(&self.found.id);
                    return Receipt::Unconfirmed;
                }
                Ok(Place::Question) | Err(_) => return Receipt::Unconfirmed,
            }
            let pressed = self.tmux().order(&[&["send-keys", "-t", self.pane(), "--", "Enter"]]);
            match pressed.and_then(|_| self.is_taken()) {
                Ok(true) => return Receipt::Submitted,
                Ok(false) => {}
                Err(_) => return Receipt::Unconfirmed,
            }
        }
        Receipt::Unconfirmed
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
        let seen = self.observe()?;
        if seen.prompt.is_some() {
            return Ok(Place::Question);
        }
        let holds = seen
            .composer
            .is_some_and(|composer| composer.holds(&self.submission.text));
        Ok(if holds { Place::Composer } else { Place::Elsewhere })
    }
}

/// Whether a composer is there, with nothing in it and no question open.
fn is_empty(seen: &Observation) -> bool {
    seen.prompt.is_none() && seen.composer.as_ref().is_some_and(|composer| composer.is_empty())
}

/// An error before the first key.
fn nothing_typed(error: Error) -> Error {
    match error {
        Error::TimedOut(why) | Error::Failed(why) | Error::NotFound(why) => {
            Error::Refused(format!("{why}; nothing was typed"))
        }
        other => other,
    }
}

/// What came of clearing a composer.
enum Cleared {
    /// The key was pressed, and it was seen to be empty.
    Emptied,
    /// It was empty without that.
    WasEmpty,
    /// Something else is in it, or there is none now: no key was pressed.
    NotOurs,
    /// The key was pressed, now or before, and it was not seen to be empty yet.
    Unseen,
}

/// What came of waiting for a text to show.
enum Shown {
    Whole,
    /// A question came up meanwhile.
    Asked,
    /// It did not, and why not.
    Not(&'static str),
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
        check_state(&found, entry, &entry.agent.observe(&Screen::parse(lines, None)))
    }

    fn boxed(above: &str, text: &str, footer: &str) -> String {
        let rule = "─".repeat(80);
        format!("{above}\n{rule}\n> {text}\n{rule}\n  demo agent · {footer}")
    }

    #[test]
    fn types_only_into_an_idle_session() {
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
    fn refuses_while_a_question_is_open_or_the_screen_is_not_known() {
        let rule = "─".repeat(80);
        for (screen, word) in [
            (format!("{rule}\n Go on? [y/n]"), "respond_to_prompt"),
            ("$ ".to_owned(), "not recognised"),
        ] {
            match judged(&screen) {
                Err(Error::Refused(why)) => assert!(why.contains(word) && why.contains("nothing was typed"), "{why}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
