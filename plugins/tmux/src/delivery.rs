//! Sending a message: looked at before, pasted, seen whole, entered, and seen to be taken.
//!
//! Up to the first key an error says that nothing was typed. From then on the text is either removed again, which is a
//! refusal, or there is a receipt.

use berth_agents::{Listing, Observation, Shows, Submission};
use berth_plugin::{Attachment, Delivery, Error, Message, Receipt, Result, State, time};
use serde::{Deserialize, Serialize};

use crate::clock::pause;
use crate::composer::{Cleared, Composing, is_empty};
use crate::done::Note;
use crate::found::{self, Found};
use crate::look::{self, Look};
use crate::paste::Paste;
use crate::setup::{Entry, Setup};
use crate::tmux::nothing_typed;
use crate::transcript::Mark;
use crate::{drafts, log, tmux};

const POLL_MS: u64 = 50;
/// How long a text may take to show in the composer, in milliseconds, and how much longer for each line or so: an agent
/// draws a high composer slowly, and on a machine at work more so.
const SHOWN_MS: u64 = 6000;
const SHOWN_MORE_MS: u64 = 10;
/// Characters of a line.
const LINE: usize = 80;
/// How long a text may take at most, with all its portions; the call must end in time.
const SHOWN_MOST_MS: u64 = 20_000;
/// How long is waited before the next look at a text that does not show yet: longer each time, because a call can start
/// only so many programs.
const LOOKS_MS: [u64; 8] = [20, 30, 50, 80, 120, 200, 300, 400];
/// How long the list of commands may take to show one, in milliseconds.
const LISTED_MS: u64 = 600;
/// How long after the key that closes the list of commands Enter enters what was typed, in milliseconds.
const LIST_CLOSED_MS: u64 = 150;
/// How long one Enter may take to be seen, in milliseconds.
const TAKEN_MS: u64 = 1500;
/// How long an agent may take to say that it does not know a command, in milliseconds.
const UNKNOWN_MS: u64 = 500;
/// How often Enter is sent at most.
const ENTERS: usize = 3;
/// What is said of a message of which only the end was seen.
const END_SEEN: &str = "Only the end of it was seen before it was entered, because the composer showed no more.";

/// What is known about a message that was typed.
#[derive(Serialize, Deserialize)]
struct Sent {
    session: String,
    after: String,
    confirmed: bool,
    #[serde(default)]
    notes: Vec<String>,
}

/// Sends a message to an idle agent. One that was typed before is not typed again.
pub(crate) fn send(setup: &Setup, id: &str, message: &Message) -> Result<Delivery> {
    let note = Note::of_message(&message.id);
    if let Some(sent) = note.earlier::<Sent>()? {
        return sent.delivery(id);
    }
    let found = found::find(setup, id)?;
    let agent = &found.known()?.agent;
    let submission = agent.submission(&message.text).and_then(|submission| {
        let enclose =
            |submission, attachment: &Attachment| agent.enclose(submission, &attachment.name, &attachment.bytes);
        message.attachments.iter().try_fold(submission, enclose)
    });
    let submission = submission.map_err(|why| Error::Invalid(why.0))?;
    let look = look::close(&found.pane.id)?;
    let entry = found.living(&look)?;
    let composing = Composing::of(&found, entry, &submission.shown);
    // What is in the composer may be higher than this message.
    let seen = found.observe(entry, &look);
    let mut sent = Sent {
        session: id.to_owned(),
        after: log::end_cursor(&look, &entry.agent.observe(&look.screen)),
        confirmed: false,
        notes: submission.notes.clone(),
    };
    let writing = Writing {
        setup,
        found: &found,
        entry,
        composing,
        submission: &submission,
        paste: Paste::of(&message.id, &entry.agent, &found.pane),
        until: time::now() + patience(&submission.shown),
    };
    check_state(&found, entry, &seen)?;
    writing.make_room(&seen)?;
    note.begin(&sent)?;
    let first = submission.command.as_ref().unwrap_or(&submission.shown);
    match drafts::begin(id, first).and_then(|()| writing.write(&look)) {
        Ok(Written { receipt, shows }) => {
            sent.confirmed = receipt == Receipt::Confirmed;
            sent.notes.extend((shows == Shows::End).then(|| END_SEEN.to_owned()));
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
        let notes = self.notes.into_iter();
        Ok(notes.fold(delivery.after(self.after), |delivery, note| delivery.fact("note", note)))
    }
}

/// Whether the session is one that takes a message now.
fn check_state(found: &Found, entry: &Entry, seen: &Observation) -> Result<()> {
    match found.state(entry, seen) {
        State::Idle => Ok(()),
        State::Busy if seen.background.is_some() => Ok(()),
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
    setup: &'a Setup,
    found: &'a Found<'a>,
    entry: &'a Entry,
    composing: Composing<'a>,
    submission: &'a Submission,
    paste: Paste<'a>,
    /// When all of it must have shown, in milliseconds since the Unix epoch.
    until: u64,
}

/// What became of it, and how much of it was seen before it was entered.
struct Written {
    receipt: Receipt,
    shows: Shows,
}

impl Written {
    fn not_seen_to_be(shows: Shows) -> Self {
        let receipt = Receipt::Unconfirmed;
        Self { receipt, shows }
    }
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
        match self.composing.clear(&left).map_err(nothing_typed)? {
            Cleared::Emptied | Cleared::WasEmpty => Ok(()),
            Cleared::NotOurs => Err(draft()),
            Cleared::Unseen => Err(Error::Refused(
                "what berth left in the composer was not seen to disappear yet, so nothing of this message was typed: look \
                 with get_logs (view = \"screen\"), and send it again when the agent reacts"
                    .to_owned(),
            )),
        }
    }

    /// Writes the text and enters it. An error means that nothing of it was entered, and nothing of it is left.
    fn write(&self, look: &Look) -> Result<Written> {
        match self.put(look) {
            Ok(Put::Whole) => {}
            Ok(Put::Beginning(beginning, why)) => return self.give_up(beginning, &why),
            Err(Error::TimedOut(_) | Error::Failed(_)) => {
                return self.give_up(&self.submission.shown, "tmux did not say whether it was typed");
            }
            Err(error) => {
                drafts::end(&self.found.id);
                return Err(nothing_typed(error));
            }
        }
        let shows = match self.until_shown(&self.submission.shown) {
            Shown::Is(shows) => shows,
            // The text under the question cannot be cleared now, and a key would answer the question.
            Shown::Asked => return Ok(Written::not_seen_to_be(Shows::Other)),
            Shown::Not(why) => return self.give_up(&self.submission.shown, why),
        };
        pause(self.entry.agent.submit_pause_ms());
        if self.close_list().is_err() {
            return self.give_up(&self.submission.shown, "the list of commands was not seen to close");
        }
        let before = self.output_end();
        let mark = (shows == Shows::End).then(|| Mark::of(self.setup, self.found));
        if self.enter() != Receipt::Confirmed {
            return Ok(Written::not_seen_to_be(shows));
        }
        drafts::taken(&self.found.id);
        if let Some(command) = &self.submission.command
            && self.was_unknown(command, before)
        {
            return Err(Error::Refused(format!(
                "the agent does not know the command {command}, so nothing was done: look with get_logs for what it says"
            )));
        }
        // The screen has not shown the beginning of it, but the agent keeps what it was told.
        let shows = match mark {
            Some(mark) if mark.is_followed_by(&self.submission.text) => Shows::Whole,
            _ => shows,
        };
        let receipt = match shows {
            Shows::Whole => Receipt::Confirmed,
            Shows::End | Shows::Other => Receipt::Unconfirmed,
        };
        Ok(Written { receipt, shows })
    }

    /// Removes `text` again, which is a refusal; or, if that is not seen, leaves it to the next message.
    fn give_up(&self, text: &str, why: &str) -> Result<Written> {
        match self.composing.clear(text) {
            Ok(Cleared::Emptied) => Err(Error::Refused(format!(
                "{why}, so it was removed again and nothing was entered: look with get_logs (view = \"screen\") before you \
                 send it again"
            ))),
            _ => Ok(Written::not_seen_to_be(Shows::Other)),
        }
    }

    /// Puts the text into the composer, without Enter. An error that is a refusal says that nothing was put there.
    fn put(&self, look: &Look) -> Result<Put<'_>> {
        if look.in_mode {
            let leave = tmux::order(&[&["send-keys", "-X", "-t", self.pane(), "cancel"]]);
            leave.map_err(nothing_typed)?;
        }
        let Submission {
            text, pastes, shown, ..
        } = self.submission;
        let Some(command) = &self.submission.command else {
            return self.put_from(0);
        };
        self.paste.put(command, &[])?;
        match self.until_shown(command) {
            Shown::Is(_) => {}
            Shown::Asked => return Ok(Put::Whole),
            Shown::Not(why) => return Ok(Put::Beginning(command, why.to_owned())),
        }
        if !self.is_listed(command)? {
            let why = "is not among the commands that the agent lists for it, and Enter could run another";
            return Ok(Put::Beginning(command, format!("{command} {why}")));
        }
        if command == text && pastes.is_empty() {
            return Ok(Put::Whole);
        }
        match drafts::begin(&self.found.id, shown) {
            Ok(()) => self.put_from(command.len()),
            Err(error) => Ok(Put::Beginning(command, error.to_string())),
        }
    }

    /// Puts the text from this byte on into the composer, each portion when the one before was seen, and what goes with
    /// it after all of them.
    fn put_from(&self, start: usize) -> Result<Put<'_>> {
        let Submission { text, pastes, .. } = self.submission;
        let portions = self.paste.portions(&text[start..]);
        let mut end = start;
        for (number, portion) in portions.iter().enumerate() {
            let beginning = &text[..end];
            if number > 0 {
                match self.until_shown(beginning) {
                    Shown::Is(_) => {}
                    Shown::Asked => return Ok(Put::Whole),
                    Shown::Not(why) => return Ok(Put::Beginning(beginning, why.to_owned())),
                }
            }
            let last = number + 1 == portions.len();
            match self.paste.put(portion, if last { pastes } else { &[] }) {
                Ok(()) => end += portion.len(),
                Err(error @ (Error::TimedOut(_) | Error::Failed(_))) => return Err(error),
                Err(error) if end == 0 => return Err(error),
                Err(error) => return Ok(Put::Beginning(beginning, error.to_string())),
            }
        }
        Ok(Put::Whole)
    }

    /// Whether the agent knows the command, as far as it lists commands. What no list shows is for the agent to judge:
    /// it may be a path.
    fn is_listed(&self, command: &str) -> Result<bool> {
        let mut others = false;
        for _ in 0..LISTED_MS / POLL_MS {
            let look = look::close(self.pane())?;
            match self.entry.agent.listing(&look.screen, command) {
                Listing::Known => return Ok(true),
                listing => others = matches!(listing, Listing::Others(_)),
            }
            pause(POLL_MS);
        }
        Ok(!others)
    }

    /// Closes the list of commands, in which Enter would take another one.
    fn close_list(&self) -> Result<()> {
        let is_open = |agent: &berth_agents::Agent| {
            let look = look::close(self.pane())?;
            Ok::<_, Error>(agent.lists(&look.screen))
        };
        if !is_open(&self.entry.agent)? {
            return Ok(());
        }
        tmux::order(&[&["send-keys", "-t", self.pane(), "--", "Escape"]])?;
        pause(LIST_CLOSED_MS);
        for _ in 0..SHOWN_MS / POLL_MS {
            if !is_open(&self.entry.agent)? {
                return Ok(());
            }
            pause(POLL_MS);
        }
        Err(Error::Failed("the list of commands stays open".to_owned()))
    }

    /// Where the output ends, counted from the pane's first line.
    fn output_end(&self) -> usize {
        let look = look::close(self.pane());
        look.map_or(0, |look| {
            look.history + self.entry.agent.observe(&look.screen).content_end
        })
    }

    /// Whether the agent said after `before` that it does not know the command.
    fn was_unknown(&self, command: &str, before: usize) -> bool {
        for _ in 0..UNKNOWN_MS / POLL_MS {
            let Ok(look) = look::close(self.pane()) else {
                return false;
            };
            let end = self.entry.agent.observe(&look.screen).content_end;
            if look.history + end > before && self.entry.agent.says_unknown(&look.screen, end, command) {
                return true;
            }
            pause(POLL_MS);
        }
        false
    }

    fn pane(&self) -> &str {
        &self.found.pane.id
    }

    /// Waits until the composer shows `text`, and no menu has appeared in the meantime: Enter would approve it.
    fn until_shown(&self, text: &str) -> Shown {
        for look in 0.. {
            match self.place(text) {
                Ok(Place::Composer(shows)) => return Shown::Is(shows),
                Ok(Place::Question) => return Shown::Asked,
                Ok(Place::Elsewhere) if time::now() > self.until => break,
                Ok(Place::Elsewhere) => {}
                Err(_) => return Shown::Not("the session could not be looked at while the message was being typed"),
            }
            pause(LOOKS_MS[look.min(LOOKS_MS.len() - 1)]);
        }
        Shown::Not("the message did not show in the composer as it was typed")
    }

    /// Presses Enter until the composer has let the text go. Only Enter is sent again, and only onto our own text.
    fn enter(&self) -> Receipt {
        for _ in 0..ENTERS {
            // After an Enter, anything else that is seen is its effect; before the first, somebody else was quicker.
            match self.place(&self.submission.shown) {
                Ok(Place::Composer(_)) => {}
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
            match self.place(&self.submission.shown) {
                Ok(Place::Composer(_)) => {}
                // A message may end the agent, as `/exit` does.
                Ok(_) | Err(Error::Refused(_) | Error::NotFound(_)) => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Where `text` is now.
    fn place(&self, text: &str) -> Result<Place> {
        let seen = self.composing.observe()?;
        if seen.prompt.is_some() {
            return Ok(Place::Question);
        }
        let whole = seen.composer.filter(|_| !seen.beheaded);
        let shows = whole.map_or(Shows::Other, |composer| composer.shows(text));
        Ok(match shows {
            Shows::Other => Place::Elsewhere,
            shows => Place::Composer(shows),
        })
    }
}

/// How long a text may take to show, in milliseconds.
fn patience(text: &str) -> u64 {
    let lines = text.matches('\n').count() + text.len() / LINE;
    (SHOWN_MS + SHOWN_MORE_MS * lines as u64).min(SHOWN_MOST_MS)
}

/// What was put into a composer.
enum Put<'a> {
    Whole,
    /// At most this beginning, and why not all.
    Beginning(&'a str, String),
}

/// The result of waiting for a text to show.
enum Shown {
    Is(Shows),
    /// A question appeared in the meantime.
    Asked,
    /// It did not show, with the reason.
    Not(&'static str),
}

/// Where a text is, as far as the screen shows.
enum Place {
    Composer(Shows),
    /// A menu is open; what would be entered would answer it.
    Question,
    Elsewhere,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_agents::Screen;
    use berth_plugin::{Backend as _, Control as _};

    use super::*;
    use crate::Plugin;
    use crate::fake::{Fake, MENU, two_agents};
    use berth_panes::testing::pane;

    fn judged(lines: &str) -> Result<()> {
        let setup = two_agents();
        let entry = setup.agent("toy").unwrap();
        let found = Found {
            name: String::new(),
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

    fn sent(id: &str, text: &str) -> Result<Delivery> {
        Plugin::send_message("app", message(id, text))
    }

    #[track_caller]
    fn refused(answer: Result<Delivery>, word: &str) {
        match answer {
            Err(Error::Refused(why)) => assert!(why.contains(word), "{why}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_text_of_any_length_is_pasted_in_parts_seen_whole_and_leaves_no_buffer() {
        let fake = Fake::new();
        let texts = [
            "one\ntwo;".to_owned(),
            "word ".repeat(6000),
            "line of text\n".repeat(900) + "end",
            "x".repeat(801),
        ];
        for (number, text) in texts.iter().enumerate() {
            assert_eq!(sent(&number.to_string(), text).unwrap().receipt, Receipt::Confirmed);
        }
        assert_eq!(fake.messages(), texts);
        assert_eq!(fake.buffers(), 0);
        assert!(fake.longest_paste() <= 800);
        assert!(
            fake.longest_portion() < 4095,
            "an agent reads no more at once: {}",
            fake.longest_portion()
        );
        // A call can start 256 programs.
        assert!(fake.host.commands().len() < 400, "{}", fake.host.commands().len());
    }

    /// A text of several portions.
    fn portions() -> String {
        (1..1500).map(|number| format!("{number} ")).collect::<String>() + "end"
    }

    #[test]
    fn what_came_of_a_text_is_taken_out_when_the_agent_shows_no_more_of_it() {
        let fake = Fake::new();
        fake.reads_no_more_after_a_paste();
        refused(sent("1", &portions()), "removed again");
        assert_eq!((fake.composer().as_str(), fake.messages().len()), ("", 0));
        assert!(
            fake.count("paste-buffer") == 2,
            "the third portion waits for the second"
        );
    }

    #[test]
    fn what_a_person_types_between_two_portions_stays_and_nothing_more_is_put_or_entered() {
        let fake = Fake::new();
        fake.is_typed_into_after_a_paste("mine");
        assert_eq!(sent("1", &portions()).unwrap().receipt, Receipt::Unconfirmed);
        assert!(fake.composer().ends_with("mine"));
        assert_eq!((fake.count("paste-buffer"), fake.messages().len()), (1, 0));
    }

    #[test]
    fn a_question_between_two_portions_gets_neither_text_nor_a_key() {
        let fake = Fake::new();
        fake.asks_after_a_paste(MENU);
        assert_eq!(sent("1", &portions()).unwrap().receipt, Receipt::Unconfirmed);
        assert_eq!((fake.count("paste-buffer"), fake.pressed().len()), (1, 0));
    }

    #[test]
    fn a_text_that_loses_its_beginning_or_gets_another_is_not_entered() {
        let fake = Fake::new();
        for (number, (text, change)) in [
            ("ihello there", (1, "")),
            (
                "a longer text of which a mode of the editor takes the first letters away",
                (5, ""),
            ),
            ("ab", (0, "x")),
            ("hello", (0, "hel")),
        ]
        .into_iter()
        .enumerate()
        {
            fake.changes_pastes(change.0, change.1);
            let answer = sent(&number.to_string(), text).unwrap();
            assert_eq!(
                answer.receipt,
                Receipt::Unconfirmed,
                "what is not berth's text is not removed either"
            );
            assert_eq!(fake.messages(), [""; 0]);
            fake.drafts("");
        }
    }

    #[test]
    fn of_a_scrolled_composer_the_end_is_enough_to_enter_and_not_to_confirm() {
        let fake = Fake::new();
        let long = (1..99).map(|line| format!("line {line}\n")).collect::<String>() + "end";
        fake.scrolls_composer(8);
        let answer = sent("1", &long).unwrap();
        assert_eq!(
            (answer.receipt, fake.messages()),
            (Receipt::Unconfirmed, vec![long.clone()])
        );
        assert!(
            answer
                .facts
                .iter()
                .any(|(fact, note)| fact == "note" && note.contains("Only the end"))
        );
        assert_eq!(sent("1", &long), Ok(answer), "and a repeated call says the same");
        assert_eq!(sent("2", "short").unwrap().receipt, Receipt::Confirmed);
        // Without the sign that there is more above, it is another text.
        fake.hides_that_it_scrolls();
        assert_eq!(sent("3", &long).unwrap().receipt, Receipt::Unconfirmed);
        assert_eq!(fake.messages().len(), 2);
    }

    #[test]
    fn what_the_screen_did_not_show_is_confirmed_where_the_agent_keeps_exactly_it() {
        let long = (1..99).map(|line| format!("line {line}\n")).collect::<String>() + "end";
        // The same was said before, which proves nothing.
        let earlier = serde_json::json!({"type": "user", "message": {"content": long}}).to_string() + "\n";
        for (lines, lost, receipt) in [
            ("", 0, Receipt::Confirmed),
            (&earlier, 0, Receipt::Confirmed),
            (&earlier, 1, Receipt::Unconfirmed),
            (&earlier, long.len() - 3, Receipt::Unconfirmed),
        ] {
            let fake = Fake::conversing(lines);
            fake.scrolls_composer(8);
            fake.keeps_without(lost);
            let answer = sent("1", &long).unwrap();
            assert_eq!(answer.receipt, receipt, "{lost}");
            assert_eq!(answer.facts.is_empty(), receipt == Receipt::Confirmed);
            assert_eq!(fake.messages(), [long.as_str()], "it is entered once");
        }
    }

    #[test]
    fn what_the_agents_editor_changes_is_told() {
        let _fake = Fake::with_signs(serde_json::json!({"edits": true}));
        let answer = sent("1", "a\tb").unwrap();
        assert!(
            answer
                .facts
                .iter()
                .any(|(fact, note)| fact == "note" && note.contains("tab")),
            "{answer:?}"
        );
    }

    /// A tmux whose agent lists commands.
    fn listing() -> Fake {
        let fake = Fake::with_signs(serde_json::json!({"suggestion": "^ +(> )? */\\S", "commands": ["/hidden"]}));
        fake.lists(&["/compact", "/copy", "/exit (quit)"]);
        fake
    }

    #[test]
    fn a_command_runs_only_if_it_stands_whole_in_the_list_or_is_configured() {
        let fake = listing();
        let run = [
            "/compact",
            "/compact the last part\nand more",
            "/exit",
            "/quit",
            "/hidden",
        ];
        for command in run {
            assert_eq!(sent(command, command).unwrap().receipt, Receipt::Confirmed, "{command}");
        }
        assert_eq!(fake.messages(), run);
        for command in ["/comp", "/co", "/exi", "/comp the last part", "/cop"] {
            refused(sent(command, command), "not among the commands");
            assert_eq!(fake.composer(), "", "{command}");
        }
        assert_eq!(fake.messages(), run);
    }

    #[test]
    fn a_path_is_text_and_a_command_that_the_agent_does_not_know_is_a_refusal() {
        let fake = listing();
        for text in ["/tmp/x", "/etc/passwd is a file", "/srv is full"] {
            assert_eq!(sent(text, text).unwrap().receipt, Receipt::Confirmed, "{text}");
        }
        for command in ["/unknown-one", "/unknown-two now"] {
            refused(sent(command, command), "does not know the command");
        }
        refused(sent("again", "/unknown-two again"), "does not know the command");
        assert_eq!(sent("last", "hello").unwrap().receipt, Receipt::Confirmed);
        assert_eq!(fake.messages().len(), 4);
    }

    #[test]
    fn a_message_is_taken_while_something_works_in_the_background() {
        let fake = Fake::with_signs(serde_json::json!({"background": "^. Waiting for \\d+ background"}));
        fake.says("+ Waiting for 1 background agent to finish");
        let session = Plugin::get_session("app").unwrap();
        assert_eq!(session.state, State::Busy);
        assert!(session.can.contains(berth_plugin::Verbs::SEND));
        let attention = session.attention.unwrap();
        assert!(attention.kind == "background" && attention.reason.contains("1 background agent"));
        assert!(matches!(Plugin::interrupt("app"), Err(Error::Refused(why)) if why.contains("background")));
        assert_eq!(sent("1", "and then?").unwrap().receipt, Receipt::Confirmed);
    }

    #[test]
    fn a_message_that_was_cut_off_is_unconfirmed_and_not_typed_again() {
        let fake = Fake::new();
        let sent = Sent {
            session: "app".to_owned(),
            after: "7-00000000".to_owned(),
            confirmed: false,
            notes: Vec::new(),
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
        fake.denies("paste-buffer");
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

        fake.times_out_after("paste-buffer");
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
        let high = "a line of it\n".repeat(500) + "end";
        drafts::begin("app", &high).unwrap();
        fake.drafts(&high);
        Plugin::send_message("app", message("high", "hello")).unwrap();
        assert_eq!(fake.messages(), ["hello", "hello"]);
        fake.drafts("a person's own");
        let refused = Plugin::send_message("app", message("2", "hello"));
        assert!(
            matches!(&refused, Err(Error::Refused(why)) if why.contains("draft")),
            "{refused:?}"
        );
        assert_eq!(fake.composer(), "a person's own");
    }

    fn with(id: &str, name: &str, bytes: &[u8]) -> Message {
        let attachment = Attachment {
            name: name.to_owned(),
            media_type: "text/plain".to_owned(),
            bytes: bytes.to_owned(),
        };
        Message {
            attachments: vec![attachment.clone(), attachment],
            ..message(id, "look")
        }
    }

    #[test]
    fn texts_that_go_with_a_message_are_pasted_whole_and_seen_by_their_marks() {
        let fake = Fake::new();
        assert!(
            Plugin::get_session("app")
                .unwrap()
                .can
                .contains(berth_plugin::Verbs::ATTACH)
        );
        let log = "a line of a log\n".repeat(200);
        let sent = Plugin::send_message("app", with("1", "app.log", log.as_bytes())).unwrap();
        assert_eq!(sent.receipt, Receipt::Confirmed);
        let paste = format!("app.log:\n\n\n{log}");
        assert_eq!(fake.messages(), [format!("look\n{paste}\n{paste}")]);
        assert_eq!(fake.buffers(), 0);
        // One that loses a line on its way is not entered.
        fake.changes_pastes(9, "");
        let sent = Plugin::send_message("app", with("2", "app.log", log.as_bytes())).unwrap();
        assert_eq!((sent.receipt, fake.messages().len()), (Receipt::Unconfirmed, 1));
    }

    #[test]
    fn what_is_not_text_is_refused_and_nothing_of_its_message_is_typed() {
        let fake = Fake::new();
        let refused = Plugin::send_message("app", with("1", "shot.png", b"\x89PNG\xff"));
        assert!(
            matches!(&refused, Err(Error::Invalid(why)) if why.contains("shot.png")),
            "{refused:?}"
        );
        assert_eq!((fake.messages().len(), fake.composer()), (0, String::new()));
    }
}
