//! Answering a question: exactly the one that was meant.

use std::cell::Cell;

use berth_agents::{Answer as Wanted, Field, Keyed, Plan, Prompt as Seen};
use berth_plugin::{Answer, Answered, Delivery, Error, Reply, Result, State};

use crate::answers::{self, Damage, Given};
use crate::clock::pause;
use crate::found::{self, Found};
use crate::look;
use crate::setup::{Entry, Setup};
use crate::tmux::{self, literal};
use crate::{log, prompts};

/// How long a menu may take to follow a key, in milliseconds.
const GONE_MS: u64 = 3000;
const STEP_MS: u64 = 1000;
const POLL_MS: u64 = 50;

/// Answers the prompt that is meant, and no other.
pub(crate) fn respond(setup: &Setup, session: &str, answers: Vec<Answered>) -> Result<Delivery> {
    let Answered { prompt: wanted, answer } = only(answers)?;
    let found = found::find(setup, session)?;
    let at = Standing::at(&found)?;
    let refused = |damage: Damage| Error::Refused(format!("{damage} Nothing was pressed."));
    let given = answers::of(session).map_err(refused)?;
    if wanted.is_empty() && answer == Answer::Dismiss {
        return at.dismiss_unknown();
    }
    let menu = at.menu(&wanted, &given)?;
    let dismisses = answer == Answer::Dismiss;
    let plan = at.entry.agent.plan(&menu.prompt, &meant(answer));
    let plan = plan.map_err(|why| Error::Invalid(why.0))?;
    if menu.in_mode {
        tmux::order(&[&["send-keys", "-X", "-t", &found.pane.id, "cancel"]])?;
    }
    // Keys just after a menu appears are dropped, so it must have been shown for a while.
    pause(at.entry.agent.menu_pause_ms());
    let menu = at.menu(&wanted, &given)?;
    if dismisses {
        at.is_the_agents_own(&menu.process)?;
        answers::close(session)?;
    }
    answers::record(session, &wanted)?;
    let delivery = match at.carry_out(plan, &menu).and_then(|()| at.until_gone(&menu)) {
        Ok(()) => Delivery::confirmed(),
        Err(error) if !at.pressed.get() => return Err(error),
        Err(error) => Delivery::unconfirmed().fact("note", error.to_string()),
    };
    Ok(delivery.after(menu.cursor))
}

fn only(answers: Vec<Answered>) -> Result<Answered> {
    match <[Answered; 1]>::try_from(answers) {
        Ok([answered]) => Ok(answered),
        Err(answers) if answers.is_empty() => Err(Error::Invalid("there is no answer: give one".to_owned())),
        Err(_) => Err(Error::Conflict(
            "a session asks one thing at a time here, so not all of these prompts are open, and nothing was pressed"
                .to_owned(),
        )),
    }
}

fn meant(answer: Answer) -> Wanted {
    match answer {
        Answer::Dismiss => Wanted::Dismiss,
        Answer::Reply(Reply { choices, text }) => Wanted::Reply { choices, words: text },
    }
}

/// A menu on the screen at one moment.
struct Menu {
    prompt: Seen,
    history: usize,
    in_mode: bool,
    /// The process in front.
    process: String,
    /// The log cursor just before it.
    cursor: String,
}

impl Menu {
    /// Whether the same question is asked. Its labels change as words are written there, and the highlight moves.
    fn is_still(&self, other: &Self) -> bool {
        let above = self.history == other.history && self.prompt.above == other.prompt.above;
        above && asks_the_same(&self.prompt.subject, &other.prompt.subject)
    }
}

/// The pane that shows a question.
struct Standing<'a> {
    found: &'a Found<'a>,
    entry: &'a Entry,
    /// A key was pressed, or may have been.
    pressed: Cell<bool>,
}

impl<'a> Standing<'a> {
    fn at(found: &'a Found<'a>) -> Result<Self> {
        Ok(Self {
            found,
            entry: found.known()?,
            pressed: Cell::new(false),
        })
    }

    /// The menu on the screen now, if any.
    fn look(&self) -> Result<Option<Menu>> {
        let look = look::close(&self.found.pane.id)?;
        self.found.living(&look)?;
        let seen = self.entry.agent.observe(&look.screen);
        let cursor = log::end_cursor(&look, &seen);
        Ok(seen.prompt.map(|prompt| Menu {
            prompt,
            cursor,
            history: look.history,
            in_mode: look.in_mode,
            process: look.process,
        }))
    }

    /// The menu on the screen now, if it is the wanted one.
    fn menu(&self, wanted: &str, given: &Given) -> Result<Menu> {
        let present = self.look()?;
        let present_id = present
            .as_ref()
            .map(|menu| prompts::id(&self.found.pane, menu.history, Some(given), &menu.prompt));
        match (present, present_id) {
            (Some(menu), Some(id)) if id == wanted => Ok(menu),
            (_, present) => Err(Error::Conflict(not_there(given.holds(wanted), present.as_deref()))),
        }
    }

    fn carry_out(&self, plan: Plan, menu: &Menu) -> Result<()> {
        match plan {
            Plan::Press(key) => self.press(&key),
            Plan::MoveAndEnter(place) => {
                self.move_to(place, menu)?;
                self.press("Enter")
            }
            Plan::Toggle { keys, done } => {
                self.toggle(&keys, menu)?;
                self.press(&done)?;
                self.complete(menu)
            }
            Plan::ToggleAndWrite { keys, words, submit } => {
                self.toggle(&keys, menu)?;
                self.move_to(words.place, menu)?;
                self.write(&words.text, menu)?;
                self.move_to(submit, menu)?;
                self.press("Enter")?;
                self.complete(menu)
            }
            Plan::Write { words, opens } => {
                self.move_to(words.place, menu)?;
                if let Some(key) = opens {
                    let before = self.highlighted_text()?;
                    self.press(&key)?;
                    self.until(menu, |now| now.highlighted_text != before)?;
                }
                self.write(&words.text, menu)?;
                self.press("Enter")
            }
        }
    }

    /// Hands in the answers to a question that was asked alone: they are shown once more first.
    fn complete(&self, menu: &Menu) -> Result<()> {
        self.until_gone(menu)?;
        let Some(key) = self.look().map_err(unseen)?.and_then(|now| now.prompt.completes) else {
            return Ok(());
        };
        pause(self.entry.agent.menu_pause_ms());
        let Some(review) = self
            .look()
            .map_err(unseen)?
            .filter(|now| now.prompt.completes.as_ref() == Some(&key))
        else {
            return Ok(());
        };
        self.press(&key)?;
        self.until_gone(&review)
    }

    /// Closes a dialog that is not known, by one press of the agent's own key and a look.
    fn dismiss_unknown(&self) -> Result<Delivery> {
        let look = look::close(&self.found.pane.id)?;
        self.found.living(&look)?;
        self.is_the_agents_own(&look.process)?;
        let seen = self.entry.agent.observe(&look.screen);
        if self.found.state(self.entry, &seen) != State::Unknown {
            return Err(Error::Conflict(
                "its screen is known now, so nothing was pressed: look at it with get_session_status".to_owned(),
            ));
        }
        let Some(key) = self.entry.agent.dismiss_key() else {
            return Err(Error::Refused(format!(
                "no key is known that closes a dialog of {}, so nothing was pressed: answer on the terminal (berth attach)",
                self.entry.name
            )));
        };
        answers::close(&self.found.id)?;
        if look.in_mode {
            tmux::order(&[&["send-keys", "-X", "-t", &self.found.pane.id, "cancel"]])?;
        }
        let closed = self.press(key).and_then(|()| self.until_known());
        let delivery = match closed {
            Ok(()) => Delivery::confirmed(),
            Err(error) if !self.pressed.get() => return Err(error),
            Err(error) => Delivery::unconfirmed().fact("note", error.to_string()),
        };
        Ok(delivery.after(log::end_cursor(&look, &seen)))
    }

    fn until_known(&self) -> Result<()> {
        for _ in 0..GONE_MS / POLL_MS {
            pause(POLL_MS);
            let look = look::close(&self.found.pane.id)?;
            let seen = self.found.living(&look).map(|entry| entry.agent.observe(&look.screen));
            if seen.is_err() || seen.is_ok_and(|seen| self.found.state(self.entry, &seen) != State::Unknown) {
                return Ok(());
            }
        }
        Err(Error::Failed(
            "the key was sent but the screen is still not known: look at it with get_logs (view = \"screen\")"
                .to_owned(),
        ))
    }

    /// The key that closes a dialog is only for the agent: in another program it does something else.
    fn is_the_agents_own(&self, process: &str) -> Result<()> {
        match self.entry.agent.runs_as(process) {
            true => Ok(()),
            false => Err(Error::Refused(format!(
                "{process} is in front and not {}, so nothing was pressed",
                self.entry.name
            ))),
        }
    }

    fn highlighted_text(&self) -> Result<String> {
        let now = self.look().map_err(unseen)?;
        Ok(now.map(|menu| menu.prompt.highlighted_text).unwrap_or_default())
    }

    fn press(&self, key: &str) -> Result<()> {
        self.send(&["send-keys", "-t", &self.found.pane.id, "--", key])
    }

    fn send(&self, keys: &[&str]) -> Result<()> {
        let sent = tmux::order(&[keys]).map(drop);
        if matches!(sent, Ok(()) | Err(Error::TimedOut(_) | Error::Failed(_))) {
            self.pressed.set(true);
        }
        sent
    }

    /// Moves the highlight, and sees it arrive before anything is taken.
    fn move_to(&self, place: usize, menu: &Menu) -> Result<()> {
        let now = self.look().map_err(unseen)?.filter(|now| now.is_still(menu));
        let mut at = now.map_or(menu.prompt.highlighted, |now| now.prompt.highlighted);
        while at != place {
            let (key, next) = if at < place { ("Down", at + 1) } else { ("Up", at - 1) };
            self.press(key)?;
            self.until(menu, |now| now.highlighted == next)?;
            at = next;
        }
        Ok(())
    }

    /// Changes these ticks. A digit is a tick only outside of the entry that takes words.
    fn toggle(&self, keys: &[String], menu: &Menu) -> Result<()> {
        if !keys.is_empty() && menu.prompt.field == Some(Field::Entry(menu.prompt.highlighted)) {
            self.move_to(0, menu)?;
        }
        keys.iter().try_for_each(|key| self.tick(key, menu))
    }

    fn tick(&self, key: &str, menu: &Menu) -> Result<()> {
        let ticked = |prompt: &Seen| {
            prompt
                .choices
                .iter()
                .find(|choice| choice.key == key)
                .map(|choice| choice.ticked)
        };
        let before = ticked(&menu.prompt);
        self.press(key)?;
        self.until(menu, |now| ticked(now) != before)
    }

    fn write(&self, text: &str, menu: &Menu) -> Result<()> {
        self.send(&["send-keys", "-l", "-t", &self.found.pane.id, "--", &literal(text)])?;
        let start: String = letters(text).take(20).collect();
        self.until(menu, |now| now.highlighted_text.contains(&start))
    }

    /// Waits until the same question shows what a key should do.
    fn until(&self, menu: &Menu, shows: impl Fn(&Seen) -> bool) -> Result<()> {
        for _ in 0..STEP_MS / POLL_MS {
            pause(POLL_MS);
            // Keys were pressed, so an error of this look must not look like a refusal.
            match self.look().map_err(unseen)? {
                Some(now) if asks_the_same(&now.prompt.subject, &menu.prompt.subject) => {
                    if shows(&now.prompt) {
                        return Ok(());
                    }
                }
                _ => {
                    return Err(Error::Failed(
                        "the question changed while it was being answered: look at it again".to_owned(),
                    ));
                }
            }
        }
        Err(Error::Failed(
            "the menu did not follow the keys, and nothing was confirmed: look at it again".to_owned(),
        ))
    }

    /// Waits until the answered menu has gone. Another menu may replace it.
    fn until_gone(&self, menu: &Menu) -> Result<()> {
        for _ in 0..GONE_MS / POLL_MS {
            pause(POLL_MS);
            match self.look() {
                Ok(Some(now)) if now.is_still(menu) => {}
                // Some answers end the agent, and with it the pane.
                Ok(_) | Err(Error::Refused(_) | Error::NotFound(_)) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        let key = match menu.prompt.keyed {
            Keyed::Arrows => "Enter",
            Keyed::Digits | Keyed::Letters => "the key",
        };
        Err(Error::Failed(format!(
            "{key} was sent but the same menu is still shown: look again (its id has changed) before answering again"
        )))
    }
}

/// Why the effect of a key could not be seen.
fn unseen(error: Error) -> Error {
    match error {
        Error::Refused(_) | Error::NotFound(_) => {
            Error::Failed("the session ended while its question was being answered".to_owned())
        }
        other => other,
    }
}

fn not_there(answered: bool, present: Option<&str>) -> String {
    let what = if answered {
        "this prompt was already answered"
    } else {
        "this prompt is not open"
    };
    match present {
        Some(id) => {
            format!("{what}, so nothing was pressed; prompt {id} is open now: look at it with get_session_status")
        }
        None => format!("{what}, so nothing was pressed; no prompt is open now"),
    }
}

/// Whether two texts are one question: a box in its title is ticked while it is being answered.
fn asks_the_same(one: &str, other: &str) -> bool {
    letters(one).eq(letters(other))
}

fn letters(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::{Backend as _, Control as _, Receipt};

    use super::*;
    use crate::Plugin;
    use crate::fake::{Fake, MENU};

    fn chosen(prompt: &str, key: &str) -> Vec<Answered> {
        reply(prompt, &[key], None)
    }

    fn reply(prompt: &str, choices: &[&str], text: Option<&str>) -> Vec<Answered> {
        let choices = choices.iter().map(|key| (*key).to_owned()).collect();
        let text = text.map(str::to_owned);
        vec![Answered {
            prompt: prompt.to_owned(),
            answer: Answer::Reply(Reply { choices, text }),
        }]
    }

    fn dismissal(prompt: &str) -> Vec<Answered> {
        let prompt = prompt.to_owned();
        vec![Answered {
            prompt,
            answer: Answer::Dismiss,
        }]
    }

    /// A session that asks, and the id of its prompt.
    fn asking() -> (Fake, String) {
        let fake = Fake::new();
        fake.asks(MENU);
        let mut session = Plugin::get_session("app").unwrap();
        (fake, session.prompts.remove(0).id)
    }

    #[test]
    fn a_choice_presses_its_key_once_and_is_confirmed() {
        let (fake, prompt) = asking();
        let delivery = Plugin::respond("app", chosen(&prompt, "1")).unwrap();
        assert_eq!(delivery.receipt, Receipt::Confirmed);
        assert!(delivery.after.is_some());
        assert_eq!(fake.pressed(), ["1"]);
    }

    #[test]
    fn a_dismissal_presses_the_agents_own_key() {
        let (fake, prompt) = asking();
        Plugin::respond("app", dismissal(&prompt)).unwrap();
        assert_eq!(fake.pressed(), ["Escape"]);
        // Another one at once might be for something else.
        fake.asks(&MENU.replace("touch x", "touch y"));
        let next = Plugin::get_session("app").unwrap().prompts.remove(0).id;
        assert!(matches!(
            Plugin::respond("app", dismissal(&next)),
            Err(Error::Conflict(_))
        ));
        assert_eq!(fake.pressed(), ["Escape"]);
        Plugin::respond("app", chosen(&next, "3")).unwrap();
        assert_eq!(fake.pressed(), ["Escape", "3"], "an answer is not a dismissal");
    }

    #[test]
    fn a_screen_that_is_not_known_is_left_by_one_press() {
        let fake = Fake::new();
        fake.shows("something that nobody knows");
        let session = Plugin::get_session("app").unwrap();
        assert_eq!((session.state, session.prompts.len()), (State::Unknown, 0));
        assert!(session.can.contains(berth_plugin::Verbs::RESPOND) && session.summary.unwrap().contains("dismiss"));
        let delivery = Plugin::respond("app", dismissal("")).unwrap();
        assert_eq!(
            (delivery.receipt, fake.pressed()),
            (Receipt::Confirmed, vec!["Escape".to_owned()])
        );
        fake.shows("something that nobody knows");
        assert!(matches!(Plugin::respond("app", dismissal("")), Err(Error::Conflict(_))));
        assert_eq!(fake.pressed(), ["Escape"]);
    }

    #[test]
    fn what_is_known_is_not_left_as_if_it_were_not() {
        let fake = Fake::new();
        for doing in [Fake::rests, Fake::works, |fake: &Fake| fake.asks(MENU)] {
            doing(&fake);
            assert!(matches!(Plugin::respond("app", dismissal("")), Err(Error::Conflict(_))));
        }
        assert!(matches!(
            Plugin::respond("app", chosen("", "1")),
            Err(Error::Conflict(_))
        ));
        assert_eq!(fake.pressed(), [""; 0]);
    }

    #[test]
    fn the_key_that_closes_is_never_for_another_program() {
        let (fake, prompt) = asking();
        fake.runs("vim");
        for prompt in [prompt.as_str(), ""] {
            Plugin::respond("app", dismissal(prompt)).unwrap_err();
        }
        assert_eq!(fake.pressed(), [""; 0]);
    }

    #[test]
    fn an_answer_counts_once_also_where_an_equal_question_follows() {
        let (fake, prompt) = asking();
        fake.asks_again_after_an_answer();
        Plugin::respond("app", chosen(&prompt, "1")).unwrap();
        let repeated = Plugin::respond("app", chosen(&prompt, "1"));
        let Err(Error::Conflict(why)) = repeated else {
            panic!("{repeated:?}");
        };
        let now = &Plugin::get_session("app").unwrap().prompts[0].id;
        assert!(why.contains("already answered") && why.contains(now.as_str()), "{why}");
        assert_eq!(fake.pressed(), ["1"]);
    }

    #[test]
    fn what_cannot_be_answered_presses_nothing() {
        let (fake, prompt) = asking();
        let two = [chosen(&prompt, "1"), chosen("other", "1")].concat();
        for (answers, is_conflict) in [
            (chosen("other", "1"), true),
            (two, true),
            (Vec::new(), false),
            (chosen(&prompt, "9"), false),
            (reply(&prompt, &[], None), false),
            (reply(&prompt, &[], Some("words")), false),
            (reply(&prompt, &["1"], Some("words")), false),
            (dismissal(""), true),
        ] {
            let refused = Plugin::respond("app", answers).unwrap_err();
            assert_eq!(matches!(refused, Error::Conflict(_)), is_conflict, "{refused}");
            assert_eq!(matches!(refused, Error::Invalid(_)), !is_conflict, "{refused}");
        }
        assert_eq!(fake.pressed(), [""; 0]);
        // None of it counts as an answer.
        Plugin::respond("app", chosen(&prompt, "3")).unwrap();
        assert_eq!(fake.pressed(), ["3"]);
    }

    #[test]
    fn once_a_key_was_pressed_there_is_a_receipt_and_never_an_error() {
        let (fake, prompt) = asking();
        fake.ignores_keys();
        let delivery = Plugin::respond("app", chosen(&prompt, "1")).unwrap();
        assert_eq!(delivery.receipt, Receipt::Unconfirmed);
        assert!(
            delivery.facts[0].1.contains("the same menu is still shown"),
            "{delivery:?}"
        );

        let (fake, prompt) = asking();
        fake.times_out_after("send-keys");
        let delivery = Plugin::respond("app", chosen(&prompt, "1")).unwrap();
        assert_eq!(delivery.receipt, Receipt::Unconfirmed);

        let (fake, prompt) = asking();
        fake.denies("send-keys");
        let denied = Plugin::respond("app", chosen(&prompt, "1"));
        assert!(matches!(denied, Err(Error::Denied(_))), "{denied:?}");
    }

    #[test]
    fn a_refusal_says_what_is_open_now() {
        assert!(not_there(true, None).contains("already answered"));
        assert!(not_there(false, Some("abc")).contains("prompt abc is open"));
    }
}
