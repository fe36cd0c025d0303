//! Sending a message: looked at before, typed or pasted, seen, entered, and seen to be taken.
//!
//! Up to the first key an error says that nothing was typed. From then on the text is either removed again, which is a
//! refusal, or there is a receipt.

use berth_agents::{Observation, State as Seen, Submission, Way};
use berth_plugin::{Delivery, Error, Message, Receipt, Result, State};
use serde::{Deserialize, Serialize};

use crate::clock::pause;
use crate::done::Note;
use crate::look::{self, Look};
use crate::sessions::{self, Found};
use crate::setup::{Entry, Setup};
use crate::tmux::{self, Reply, literal, words};
use crate::{digest, drafts, log};

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
/// Characters of a buffer's name that identify the message.
const BUFFER: usize = 10;

/// What is known about a message that was typed.
#[derive(Serialize, Deserialize)]
struct Sent {
    session: String,
    after: String,
    confirmed: bool,
}

/// Sends a message to an idle agent. One that was typed before is not typed again.
pub(crate) fn send(setup: &Setup, id: &str, message: &Message) -> Result<Delivery> {
    let note = Note::of_message(&message.id);
    if let Some(sent) = note.earlier::<Sent>()? {
        return sent.delivery(id);
    }
    if !message.attachments.is_empty() {
        return Err(Error::Invalid(
            "messages cannot have attachments here: leave them out".to_owned(),
        ));
    }
    let found = sessions::find(setup, id)?;
    let agent = &found.known()?.agent;
    let submission = agent.submission(&message.text).map_err(|why| Error::Invalid(why.0))?;
    let look = look::close(&found.pane.id)?;
    let entry = found.living(&look)?;
    let seen = entry.agent.observe(&look.screen);
    let mut sent = Sent {
        session: id.to_owned(),
        after: log::end_cursor(&look, &seen),
        confirmed: false,
    };
    let writing = Writing {
        found: &found,
        entry,
        submission: &submission,
        buffer: format!("berth-{}", digest::word(&message.id, BUFFER)),
    };
    check_state(&found, entry, &seen)?;
    writing.make_room(&seen)?;
    note.begin(&sent)?;
    match drafts::begin(id, &submission.text).and_then(|()| writing.write(&look)) {
        Ok(receipt) => {
            sent.confirmed = receipt == Receipt::Confirmed;
            note.end(&sent);
            sent.delivery(id)
        }
        // Nothing of it was entered, so the same message may come again.
        Err(error) => {
            note.forget();
            Err(error)
        }
    }
}

impl Sent {
    fn delivery(self, session: &str) -> Result<Delivery> {
        if self.session != session {
            return Err(Error::Conflict(format!(
                "a message with this id went to {}, so nothing was typed",
                self.session
            )));
        }
        let delivery = match self.confirmed {
            true => Delivery::confirmed(),
            false => Delivery::unconfirmed(),
        };
        Ok(delivery.after(self.after))
    }
}

/// Whether the session is one that takes a message now.
fn check_state(found: &Found, entry: &Entry, seen: &Observation) -> Result<()> {
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

/// A text that somebody else wrote is in the composer.
fn draft() -> Error {
    Error::Refused(
        "somebody's draft is in the composer, so nothing was typed: submit or clear it on the terminal first"
            .to_owned(),
    )
}

/// One message on its way into a composer.
struct Writing<'a> {
    found: &'a Found<'a>,
    entry: &'a Entry,
    submission: &'a Submission,
    /// The name under which tmux keeps a text that is pasted.
    buffer: String,
}

impl Writing<'_> {
    /// Makes sure that the composer is empty: what berth itself left there when it was cut off is removed; a person's
    /// draft stays, and then the message is refused.
    fn make_room(&self, seen: &Observation) -> Result<()> {
        if is_empty(seen) {
            drafts::seen_empty(&self.found.id);
            return Ok(());
        }
        let left = drafts::cut_off(&self.found.id).ok_or_else(draft)?;
        match self.clear(&left).map_err(nothing_typed)? {
            Cleared::Emptied | Cleared::WasEmpty => {
                drafts::seen_empty(&self.found.id);
                Ok(())
            }
            Cleared::NotOurs => Err(draft()),
            Cleared::Unseen => Err(Error::Refused(
                "what berth left in the composer was not seen to disappear yet, so nothing of this message was typed: look \
                 with get_logs (view = \"screen\"), and send it again when the agent reacts"
                    .to_owned(),
            )),
        }
    }

    /// Writes the text and enters it. An error means that nothing of it was entered, and nothing of it is left.
    fn write(&self, look: &Look) -> Result<Receipt> {
        let done = |receipt| {
            if receipt == Receipt::Confirmed {
                drafts::taken(&self.found.id);
            }
            Ok(receipt)
        };
        match self.put(look) {
            Ok(()) => {}
            Err(Error::TimedOut(_) | Error::Failed(_)) => return self.give_up("tmux did not say whether it was typed"),
            Err(error) => {
                drafts::end(&self.found.id);
                return Err(nothing_typed(error));
            }
        }
        match self.until_shown() {
            Shown::Whole => {}
            // The text under the question cannot be cleared now, and a key would answer the question.
            Shown::Asked => return done(Receipt::Unconfirmed),
            Shown::Not(why) => return self.give_up(why),
        }
        pause(self.entry.agent.submit_pause_ms());
        done(self.enter())
    }

    /// Removes the text again, which is a refusal; or, if that is not seen, leaves it to the next message.
    fn give_up(&self, why: &str) -> Result<Receipt> {
        match self.clear(&self.submission.text) {
            Ok(Cleared::Emptied) => {
                drafts::seen_empty(&self.found.id);
                Err(Error::Refused(format!(
                    "{why}, so it was removed again and nothing was entered: look with get_logs (view = \"screen\") \
                     before you send it again"
                )))
            }
            _ => Ok(Receipt::Unconfirmed),
        }
    }

    /// Empties a composer that holds what is left of `text` and nothing else, with one press of the agent's own key.
    /// In another state that key does something else, or removes what a person wrote.
    fn clear(&self, text: &str) -> Result<Cleared> {
        let Some(key) = self.entry.agent.clear_key() else {
            return Ok(Cleared::NotOurs);
        };
        let shown = match self.left_of(text)? {
            Ok(shown) => shown,
            Err(otherwise) => return Ok(otherwise),
        };
        let Some(wait) = drafts::clear(&self.found.id, &shown, CLEAR_AGAIN_MS)? else {
            return Ok(Cleared::Unseen);
        };
        if wait > 0 {
            pause(wait);
            if let Err(otherwise) = self.left_of(text)? {
                return Ok(otherwise);
            }
        }
        tmux::order(&[&["send-keys", "-t", self.pane(), "--", key]])?;
        drafts::cleared(&self.found.id);
        for _ in 0..CLEARED_MS / POLL_MS {
            pause(POLL_MS);
            if is_empty(&self.observe()?) {
                return Ok(Cleared::Emptied);
            }
        }
        Ok(Cleared::Unseen)
    }

    /// What the composer of an agent at rest shows, if that is what is left of `text`; otherwise the state of the
    /// composer.
    fn left_of(&self, text: &str) -> Result<std::result::Result<String, Cleared>> {
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

    fn observe(&self) -> Result<Observation> {
        let look = look::close(self.pane())?;
        self.found.living(&look)?;
        Ok(self.entry.agent.observe(&look.screen))
    }

    /// Puts the text into the composer, without Enter. An error that is a refusal says that nothing was put there.
    fn put(&self, look: &Look) -> Result<()> {
        if look.in_mode {
            let leave = tmux::order(&[&["send-keys", "-X", "-t", self.pane(), "cancel"]]);
            leave.map_err(nothing_typed)?;
        }
        match self.submission.way {
            Way::Typed => self.type_text(),
            Way::Pasted => self.paste(),
        }
    }

    fn pane(&self) -> &str {
        &self.found.pane.id
    }

    fn type_text(&self) -> Result<()> {
        let text = literal(&self.submission.text);
        tmux::order(&[&["send-keys", "-l", "-t", self.pane(), "--", &text]]).map(drop)
    }

    fn paste(&self) -> Result<()> {
        let (pane, buffer) = (self.pane(), self.buffer.as_str());
        let load = tmux::command(words(&["load-buffer", "-b", buffer, "-"])).stdin(self.submission.text.as_bytes());
        tmux::run(load).and_then(Reply::whole).map_err(nothing_typed)?;
        // Pasting into a pane whose program has ended ends tmux 3.3a and every session with it. The first command does
        // nothing but fail there, and then tmux leaves out the second.
        let pasted = tmux::order(&[
            &["pipe-pane", "-t", pane],
            &["paste-buffer", "-p", "-r", "-d", "-b", buffer, "-t", pane],
        ]);
        if let Err(error) = pasted {
            // The text must not stay in the server's memory; that the paste failed is what the caller must know.
            let _ = tmux::order(&[&["delete-buffer", "-b", buffer]]);
            return Err(error);
        }
        Ok(())
    }

    /// Waits until the composer shows the text, and no menu has appeared in the meantime: Enter would approve it.
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
            // After an Enter, anything else that is seen is its effect; before the first, somebody else was quicker.
            match self.place() {
                Ok(Place::Composer) => {}
                Ok(Place::Elsewhere) => {
                    // It is no longer there, so what is found there later is somebody else's.
                    drafts::end(&self.found.id);
                    return Receipt::Unconfirmed;
                }
                Ok(Place::Question) | Err(_) => return Receipt::Unconfirmed,
            }
            let pressed = tmux::order(&[&["send-keys", "-t", self.pane(), "--", "Enter"]]);
            match pressed.and_then(|_| self.is_taken()) {
                Ok(true) => return Receipt::Confirmed,
                Ok(false) => {}
                Err(_) => return Receipt::Unconfirmed,
            }
        }
        Receipt::Unconfirmed
    }

    fn is_taken(&self) -> Result<bool> {
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
    fn place(&self) -> Result<Place> {
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

/// Whether there is an empty composer and no open question.
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

/// The result of clearing a composer.
enum Cleared {
    /// The key was pressed, and the composer was seen empty.
    Emptied,
    /// It was already empty.
    WasEmpty,
    /// Something else is in it, or there is none now: no key was pressed.
    NotOurs,
    /// The key was pressed, now or before, and the composer was not seen empty yet.
    Unseen,
}

/// The result of waiting for a text to show.
enum Shown {
    Whole,
    /// A question appeared in the meantime.
    Asked,
    /// It did not show, with the reason.
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
    use berth_agents::Screen;
    use berth_plugin::{Attachment, Backend as _, Control as _};

    use super::*;
    use crate::Plugin;
    use crate::fake::{Fake, MENU, two_agents};
    use crate::panes::tests::pane;

    fn judged(lines: &str) -> Result<()> {
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

    fn message(id: &str, text: &str) -> Message {
        Message {
            id: id.to_owned(),
            text: text.to_owned(),
            attachments: Vec::new(),
        }
    }

    #[test]
    fn a_message_is_typed_and_entered_once_however_often_it_comes() {
        let fake = Fake::new();
        let first = Plugin::send_message("app", message("1", "hello")).unwrap();
        assert_eq!(first.receipt, Receipt::Confirmed);
        assert!(first.after.is_some());
        // Also while the agent is working on it, and if a question is open.
        for change in [Fake::works, |fake: &Fake| fake.asks(MENU), Fake::ends] {
            change(&fake);
            assert_eq!(Plugin::send_message("app", message("1", "hello")), Ok(first.clone()));
        }
        assert_eq!(fake.messages(), ["hello"]);
        let other = Plugin::send_message("other", message("1", "hello"));
        assert!(matches!(other, Err(Error::Conflict(_))), "{other:?}");
        fake.rests();
        Plugin::send_message("app", message("2", "hello")).unwrap();
        assert_eq!(fake.messages(), ["hello", "hello"], "another id is another message");
    }

    #[test]
    fn several_lines_are_pasted_and_leave_no_buffer() {
        let fake = Fake::new();
        let sent = Plugin::send_message("app", message("1", "one\ntwo;")).unwrap();
        assert_eq!(sent.receipt, Receipt::Confirmed);
        assert_eq!(fake.messages(), ["one\ntwo;"]);
        assert_eq!(fake.buffers(), 0);
    }

    #[test]
    fn a_message_that_was_cut_off_is_unconfirmed_and_not_typed_again() {
        let fake = Fake::new();
        let sent = Sent {
            session: "app".to_owned(),
            after: "7-00000000".to_owned(),
            confirmed: false,
        };
        Note::of_message("1").begin(&sent).unwrap();
        let delivery = Plugin::send_message("app", message("1", "hello")).unwrap();
        assert_eq!(delivery, Delivery::unconfirmed().after("7-00000000"));
        assert_eq!(fake.messages(), [""; 0]);
    }

    #[test]
    fn a_message_that_was_not_typed_may_come_again_with_its_id() {
        let fake = Fake::new();
        fake.works();
        assert_eq!(Plugin::send_message("app", message("1", "hello")), Err(Error::Busy));
        fake.rests();
        fake.denies("send-keys");
        let denied = Plugin::send_message("app", message("1", "hello"));
        assert!(matches!(denied, Err(Error::Denied(_))), "{denied:?}");
        fake.works_again();
        let sent = Plugin::send_message("app", message("1", "hello")).unwrap();
        assert_eq!(
            (sent.receipt, fake.messages()),
            (Receipt::Confirmed, vec!["hello".to_owned()])
        );
    }

    #[test]
    fn what_is_not_seen_to_be_taken_is_unconfirmed_and_what_is_not_seen_to_be_typed_is_taken_out() {
        let fake = Fake::new();
        fake.times_out_after("Enter");
        let sent = Plugin::send_message("app", message("1", "hello")).unwrap();
        assert_eq!(sent.receipt, Receipt::Unconfirmed);
        fake.works_again();
        fake.rests();
        assert_eq!(Plugin::send_message("app", message("1", "hello")), Ok(sent));
        assert_eq!(fake.messages(), ["hello"]);

        fake.times_out_after("-l");
        let refused = Plugin::send_message("app", message("2", "again"));
        assert!(
            matches!(&refused, Err(Error::Refused(why)) if why.contains("removed again")),
            "{refused:?}"
        );
        assert_eq!((fake.composer(), fake.messages().len()), (String::new(), 1));
    }

    #[test]
    fn what_berth_left_in_a_composer_goes_and_a_persons_draft_stays() {
        let fake = Fake::new();
        drafts::begin("app", "left behind").unwrap();
        fake.drafts("left behind");
        Plugin::send_message("app", message("1", "hello")).unwrap();
        assert_eq!(fake.messages(), ["hello"]);
        fake.drafts("a person's own");
        let refused = Plugin::send_message("app", message("2", "hello"));
        assert!(
            matches!(&refused, Err(Error::Refused(why)) if why.contains("draft")),
            "{refused:?}"
        );
        assert_eq!(fake.composer(), "a person's own");
    }

    #[test]
    fn a_message_with_an_attachment_is_refused() {
        let fake = Fake::new();
        let attachment = Attachment {
            name: "shot.png".to_owned(),
            media_type: "image/png".to_owned(),
            bytes: vec![1],
        };
        let message = Message {
            attachments: vec![attachment],
            ..message("1", "look")
        };
        assert!(matches!(Plugin::send_message("app", message), Err(Error::Invalid(_))));
        assert_eq!(fake.messages(), [""; 0]);
        assert!(
            !Plugin::get_session("app")
                .unwrap()
                .can
                .contains(berth_plugin::Verbs::ATTACH)
        );
    }
}
