//! The composer of one session: looking at the whole of it, and emptying it of berth's own text.

use berth_agents::{Observation, State as Seen};
use berth_plugin::Result;

use crate::clock::pause;
use crate::found::Found;
use crate::setup::Entry;
use crate::{drafts, look, tmux};

const POLL_MS: u64 = 50;
/// How long a composer may take to be seen empty, in milliseconds.
const CLEARED_MS: u64 = 2000;
/// How long after the key that clears it may come again, in milliseconds: a second one soon after ends some agents.
const CLEAR_AGAIN_MS: u64 = 1500;
/// How many lines above the screen are looked at, beside those that a text needs.
const MARGIN: usize = 60;
/// The columns of a composer that its text does not use.
const FRAME: usize = 6;

/// A composer in which a text is or was.
pub(crate) struct Composing<'a> {
    found: &'a Found<'a>,
    entry: &'a Entry,
    /// How many lines above the screen its text may take.
    above: usize,
}

/// The result of clearing a composer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cleared {
    /// The key was pressed, and the composer was seen empty.
    Emptied,
    /// It was already empty.
    WasEmpty,
    /// Something else is in it, or there is none now: no key was pressed.
    NotOurs,
    /// The key was pressed, now or before, and the composer was not seen empty yet.
    Unseen,
}

impl<'a> Composing<'a> {
    /// The composer of a session, as high as `text` may make it.
    pub(crate) fn of(found: &'a Found<'a>, entry: &'a Entry, text: &str) -> Self {
        let columns = (found.pane.columns as usize).saturating_sub(FRAME).max(1);
        // A character takes up to two columns.
        let rows = text.split('\n').map(|line| 1 + 2 * line.chars().count() / columns);
        let above = MARGIN + rows.sum::<usize>();
        Self { found, entry, above }
    }

    /// What the agent shows, with as much of its composer as there may be.
    pub(crate) fn observe(&self) -> Result<Observation> {
        let look = look::deep(&self.found.pane.id, self.above)?;
        self.found.living(&look)?;
        Ok(self.entry.agent.observe(&look.screen))
    }

    /// Empties it if it holds what is left of `text` and nothing else, with one press of the agent's own key. In another
    /// state that key does something else, or removes what a person wrote.
    pub(crate) fn clear(&self, text: &str) -> Result<Cleared> {
        let cleared = self.press_clear(text)?;
        if matches!(cleared, Cleared::Emptied | Cleared::WasEmpty) {
            drafts::seen_empty(&self.found.id);
        }
        Ok(cleared)
    }

    fn press_clear(&self, text: &str) -> Result<Cleared> {
        let Some(key) = self.entry.agent.clear_key() else {
            return Ok(Cleared::NotOurs);
        };
        let composing = Self::of(self.found, self.entry, text);
        let shown = match composing.left_of(text)? {
            Ok(shown) => shown,
            Err(otherwise) => return Ok(otherwise),
        };
        let Some(wait) = drafts::clear(&self.found.id, &shown, CLEAR_AGAIN_MS)? else {
            return Ok(Cleared::Unseen);
        };
        if wait > 0 {
            pause(wait);
            if let Err(otherwise) = composing.left_of(text)? {
                return Ok(otherwise);
            }
        }
        tmux::order(&[&["send-keys", "-t", &self.found.pane.id, "--", key]])?;
        drafts::cleared(&self.found.id);
        for _ in 0..CLEARED_MS / POLL_MS {
            pause(POLL_MS);
            if is_empty(&composing.observe()?) {
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
            .filter(|_| (seen.state == Seen::Idle || seen.beheaded) && seen.prompt.is_none());
        let ours = composer.filter(|composer| composer.is_left_of(text));
        Ok(ours.map(|composer| composer.text).ok_or(Cleared::NotOurs))
    }
}

/// Whether there is an empty composer and no open question.
pub(crate) fn is_empty(seen: &Observation) -> bool {
    seen.prompt.is_none() && seen.composer.as_ref().is_some_and(|composer| composer.is_empty())
}
