//! Answering a question: exactly the one that was meant.

use berth_agents::{Answer as Wanted, Keyed, Plan, Prompt as Seen};
use berth_plugin::types::{Answer, Error};

use crate::answers::{Damage, Given};
use crate::clock::pause;
use crate::look::{self, Look};
use crate::prompts;
use crate::sessions::{self, Found};
use crate::setup::{Entry, Setup};
use crate::tmux::literal;

/// How long a menu may take to follow a key, in milliseconds.
const GONE_MS: u64 = 3000;
const STEP_MS: u64 = 1000;
const POLL_MS: u64 = 50;

/// Answers the prompt `wanted`, and no other.
pub(crate) fn respond(setup: &Setup, session: &str, wanted: &str, answer: Answer) -> Result<(), Error> {
    let found = sessions::find(setup, session)?;
    let at = Standing::at(setup, &found)?;
    let refused = |damage: Damage| Error::Refused(format!("{damage} Nothing was pressed."));
    let given = setup.answers.of(session).map_err(refused)?;
    let menu = at.menu(wanted, &given)?;
    let plan = at
        .entry
        .agent
        .plan(&menu.prompt, &meant(answer))
        .map_err(|why| Error::Invalid(why.0))?;
    if menu.in_mode {
        setup
            .tmux
            .order(&[&["send-keys", "-X", "-t", &found.pane.id, "cancel"]])?;
    }
    // Keys just after a menu's appearing are dropped, so it must have stood for a while.
    pause(at.entry.agent.menu_pause_ms());
    let menu = at.menu(wanted, &given)?;
    setup.answers.record(session, wanted)?;
    at.carry_out(plan, &menu)?;
    at.until_gone(&menu)
}

fn meant(answer: Answer) -> Wanted {
    match answer {
        Answer::Choices(keys) => Wanted::Choices(keys),
        Answer::Text(text) => Wanted::Text(text),
        Answer::Dismiss => Wanted::Dismiss,
    }
}

/// A menu on the screen at one moment.
struct Menu {
    prompt: Seen,
    history: usize,
    in_mode: bool,
}

impl Menu {
    fn is_still(&self, other: &Self) -> bool {
        self.history == other.history && self.prompt.fingerprint == other.prompt.fingerprint
    }
}

/// The pane in which a question stands.
struct Standing<'a> {
    setup: &'a Setup,
    found: &'a Found<'a>,
    entry: &'a Entry,
}

impl<'a> Standing<'a> {
    fn at(setup: &'a Setup, found: &'a Found<'a>) -> Result<Self, Error> {
        Ok(Self {
            setup,
            found,
            entry: found.known()?,
        })
    }

    /// The menu on the screen now, if any.
    fn look(&self) -> Result<Option<Menu>, Error> {
        let look: Look = look::close(&self.setup.tmux, &self.found.pane.id)?;
        self.found.living(&look)?;
        let prompt = self.entry.agent.observe(&look.screen).prompt;
        Ok(prompt.map(|prompt| Menu {
            prompt,
            history: look.history,
            in_mode: look.in_mode,
        }))
    }

    /// The menu on the screen now, where it is the wanted one.
    fn menu(&self, wanted: &str, given: &Given) -> Result<Menu, Error> {
        let present = self.look()?;
        let present_id = present
            .as_ref()
            .map(|menu| prompts::id(&self.found.pane, menu.history, given, &menu.prompt));
        match (present, present_id) {
            (Some(menu), Some(id)) if id == wanted => Ok(menu),
            (_, present) => Err(Error::Refused(not_there(given.holds(wanted), present.as_deref()))),
        }
    }

    fn carry_out(&self, plan: Plan, menu: &Menu) -> Result<(), Error> {
        match plan {
            Plan::Press(key) => self.press(&key),
            Plan::MoveAndEnter(place) => {
                self.move_to(place, menu)?;
                self.press("Enter")
            }
            Plan::Toggle { keys, done } => {
                for key in keys {
                    self.toggle(&key, menu)?;
                }
                self.press(&done)
            }
            Plan::Write { place, text } => {
                self.move_to(place, menu)?;
                self.write(&text, menu)?;
                self.press("Enter")
            }
        }
    }

    fn press(&self, key: &str) -> Result<(), Error> {
        self.setup
            .tmux
            .order(&[&["send-keys", "-t", &self.found.pane.id, "--", key]])
            .map(drop)
    }

    /// Moves the highlight, and sees it arrive before anything is taken.
    fn move_to(&self, place: usize, menu: &Menu) -> Result<(), Error> {
        let mut at = menu.prompt.highlighted;
        while at != place {
            let (key, next) = if at < place { ("Down", at + 1) } else { ("Up", at - 1) };
            self.press(key)?;
            self.until(menu, |now| now.highlighted == next)?;
            at = next;
        }
        Ok(())
    }

    fn toggle(&self, key: &str, menu: &Menu) -> Result<(), Error> {
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

    fn write(&self, text: &str, menu: &Menu) -> Result<(), Error> {
        self.setup
            .tmux
            .order(&[&["send-keys", "-l", "-t", &self.found.pane.id, "--", &literal(text)]])?;
        let start: String = letters(text).take(20).collect();
        self.until(menu, |now| now.highlighted_text.contains(&start))
    }

    /// Waits until the same question shows what a key should do.
    fn until(&self, menu: &Menu, shows: impl Fn(&Seen) -> bool) -> Result<(), Error> {
        for _ in 0..STEP_MS / POLL_MS {
            pause(POLL_MS);
            // Keys were pressed, so no error of this look may read as a refusal.
            match self.look().map_err(unseen)? {
                Some(now) if asks_the_same(&now.prompt.question, &menu.prompt.question) => {
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

    /// Waits until the answered menu has gone. Another may stand in its place.
    fn until_gone(&self, menu: &Menu) -> Result<(), Error> {
        for _ in 0..GONE_MS / POLL_MS {
            pause(POLL_MS);
            match self.look() {
                Ok(Some(now)) if now.is_still(menu) => {}
                // Some answers end the agent, and with it the pane.
                Ok(_) | Err(Error::Refused(_) | Error::NotFound(_)) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        let key = if menu.prompt.keyed == Keyed::Arrows {
            "Enter"
        } else {
            "the key"
        };
        Err(Error::Failed(format!(
            "{key} was sent but the same menu still stands: look again (its id has changed) before answering again"
        )))
    }
}

/// Why what came of a key could not be seen.
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
        "this prompt is not open (any more)"
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
    use super::*;

    #[test]
    fn a_refusal_says_what_is_open_now() {
        assert!(not_there(true, None).contains("already answered"));
        assert!(not_there(false, Some("abc")).contains("prompt abc is open"));
    }
}
