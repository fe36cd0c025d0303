//! What is being typed: a note of it, kept from before the first key until the agent has taken the text.
//!
//! Where berth is killed between the two, the text stands in the composer. By the note it is known as berth's own and not
//! as a person's draft, so it can go before the next message. So it is with a text that the agent has taken, and puts back
//! when berth interrupts it.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::PathBuf;

use berth_plugin::types::Error;

use crate::clock::now;
use crate::digest;
use crate::drafts;

/// Bytes of a note that are read: more than a message may have.
const LONGEST: u64 = 1 << 20;
/// What is being typed.
const PREFIX: &str = "typing-";
/// What the agent took last.
const TAKEN: &str = "taken-";
/// When the key that clears was pressed last, and on which text.
const CLEARED: &str = "cleared-";
/// Ends that note once the key was pressed.
const PRESSED: &str = " pressed";

/// The notes, one a session.
pub(crate) struct Typing {
    directory: PathBuf,
}

impl Typing {
    pub(crate) fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// Notes that `text` is about to be typed into this session.
    pub(crate) fn begin(&self, session: &str, text: &str) -> Result<(), Error> {
        // It comes back no more.
        let _ = fs::remove_file(self.taken_path(session));
        // Handed to the system when it returns: a kill of berth does not lose it.
        let put = drafts::put(&self.directory, &format!("{PREFIX}{session}"), text.as_bytes(), false);
        put.map_err(|error| {
            Error::Refused(format!(
                "it could not be noted what is typed into {session} ({error}), so nothing was typed: look whether the disk \
                 of berth's data is full"
            ))
        })
    }

    /// The text that was being typed when berth was cut off, if there is one.
    ///
    /// A note that cannot be read is none: then the text counts as a person's, and stays.
    pub(crate) fn cut_off(&self, session: &str) -> Option<String> {
        let path = self.path(session);
        fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
        let mut text = String::new();
        let file = File::open(path).ok()?;
        file.take(LONGEST).read_to_string(&mut text).ok()?;
        Some(text).filter(|text| !text.is_empty())
    }

    /// The agent has taken the text.
    pub(crate) fn taken(&self, session: &str) {
        // One that cannot be moved stays what is being typed, and is compared with the composer.
        let _ = fs::rename(self.path(session), self.taken_path(session));
    }

    /// The agent is about to be interrupted: what it took last may stand in the composer again.
    pub(crate) fn may_come_back(&self, session: &str) {
        // Without that it counts as a person's, and stays.
        let _ = fs::rename(self.taken_path(session), self.path(session));
    }

    /// Nothing of berth's own stands in the composer any more.
    pub(crate) fn end(&self, session: &str) {
        // One that stays behind is compared with the composer before anything is cleared by it.
        let _ = fs::remove_file(self.path(session));
    }

    /// Notes that the key which clears a composer that shows `text` is about to be pressed, and answers for how long it
    /// must not be yet, in milliseconds: some agents end where it comes twice within `gap`. Another berth may have pressed
    /// it before this one. None: it was pressed on this very text, so the agent has not read that yet. To be followed by
    /// [`Typing::cleared`] once it was pressed: where berth is killed before, it counts as not pressed.
    pub(crate) fn clear(&self, session: &str, text: &str, gap: u64) -> Result<Option<u64>, Error> {
        let path = self.directory.join(format!("{CLEARED}{session}"));
        let (present, shown) = (now(), format!("{:016x}", digest::of([text])));
        let last = fs::read_to_string(&path).unwrap_or_default();
        let (last, on) = last.split_once(' ').unwrap_or((&last, ""));
        if on == format!("{shown}{PRESSED}") {
            return Ok(None);
        }
        // By a clock that was set back, it was pressed in the future: then it may have been just now.
        let last: Option<u64> = last.parse().ok();
        let wait = last.map_or(0, |last| gap.saturating_sub(present.saturating_sub(last)));
        fs::write(path, format!("{} {shown}", present + wait))
            .map_err(|error| Error::Failed(format!("it could not be noted that {session} is cleared: {error}")))?;
        Ok(Some(wait))
    }

    /// The key that clears was pressed.
    pub(crate) fn cleared(&self, session: &str) {
        let path = self.directory.join(format!("{CLEARED}{session}"));
        // Without that it counts as not pressed, and is pressed again after its gap at the earliest.
        let _ = fs::read_to_string(&path).and_then(|note| fs::write(&path, note + PRESSED));
    }

    /// The composer was seen empty: nothing of berth's own is left in it, and the key that clears has been read.
    pub(crate) fn seen_empty(&self, session: &str) {
        self.end(session);
        let path = self.directory.join(format!("{CLEARED}{session}"));
        let last = fs::read_to_string(&path).unwrap_or_default();
        if let Some((at, _)) = last.split_once(' ') {
            // One that cannot be written keeps the key from being pressed on the same text, which is safe.
            let _ = fs::write(path, at);
        }
    }

    /// Forgets every session but these.
    pub(crate) fn keep_only(&self, sessions: &[String]) -> io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let of = [PREFIX, TAKEN, CLEARED]
                .iter()
                .find_map(|prefix| name.strip_prefix(prefix));
            if let Some(session) = of
                && !sessions.iter().any(|kept| kept == session)
            {
                // One that stays behind is removed by the next upkeep.
                let _ = fs::remove_file(self.directory.join(&name));
            }
        }
        Ok(())
    }

    fn taken_path(&self, session: &str) -> PathBuf {
        self.directory.join(format!("{TAKEN}{session}"))
    }

    fn path(&self, session: &str) -> PathBuf {
        self.directory.join(format!("{PREFIX}{session}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn fresh(name: &str) -> Typing {
        let directory = std::env::temp_dir().join(format!("berth-typing-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        Typing::new(directory)
    }

    #[test]
    fn what_was_being_typed_is_known_until_it_was_taken() {
        let typing = fresh("known");
        assert_eq!(typing.cut_off("a"), None);
        typing.begin("a", "one\ntwo").unwrap();
        assert_eq!(typing.cut_off("a").as_deref(), Some("one\ntwo"));
        assert_eq!(typing.cut_off("b"), None);
        typing.end("a");
        assert_eq!(typing.cut_off("a"), None);
        fs::remove_dir_all(typing.directory).unwrap();
    }

    #[test]
    fn what_was_taken_is_berths_own_again_only_where_it_may_come_back() {
        let typing = fresh("taken");
        typing.begin("a", "one").unwrap();
        typing.taken("a");
        assert_eq!(typing.cut_off("a"), None);
        typing.may_come_back("a");
        assert_eq!(typing.cut_off("a").as_deref(), Some("one"));
        // Of an earlier text nothing comes back, and what is being typed is not forgotten for it.
        typing.taken("a");
        typing.begin("a", "two").unwrap();
        typing.may_come_back("a");
        assert_eq!(typing.cut_off("a").as_deref(), Some("two"));
        fs::remove_dir_all(typing.directory).unwrap();
    }

    #[test]
    fn a_damaged_note_is_none_and_one_that_cannot_be_made_is_a_refusal() {
        let typing = fresh("damaged");
        fs::write(typing.path("a"), [0xff, 0xfe]).unwrap();
        fs::create_dir(typing.path("b")).unwrap();
        assert_eq!((typing.cut_off("a"), typing.cut_off("b")), (None, None));
        assert!(matches!(typing.begin("b", "x"), Err(Error::Refused(_))));
        fs::remove_dir_all(typing.directory).unwrap();
    }

    #[test]
    fn the_key_that_clears_is_not_pressed_twice_within_its_gap() {
        let typing = fresh("cleared");
        assert_eq!(typing.clear("a", "one", 60_000).unwrap(), Some(0));
        let wait = typing.clear("a", "two", 60_000).unwrap().unwrap();
        assert!((1..=60_000).contains(&wait), "{wait}");
        // Who waited for it counts as well.
        assert!(typing.clear("a", "three", 60_000).unwrap().unwrap() >= wait);
        assert_eq!(typing.clear("b", "one", 60_000).unwrap(), Some(0));
        fs::remove_dir_all(typing.directory).unwrap();
    }

    #[test]
    fn the_key_is_not_pressed_again_on_a_text_until_that_was_seen_to_go() {
        let typing = fresh("again");
        assert_eq!(typing.clear("a", "text", 0).unwrap(), Some(0));
        // Killed before it was pressed.
        assert_eq!(typing.clear("a", "text", 0).unwrap(), Some(0));
        typing.cleared("a");
        assert_eq!(typing.clear("a", "text", 0).unwrap(), None);
        typing.seen_empty("a");
        assert_eq!(typing.clear("a", "text", 0).unwrap(), Some(0));
        fs::remove_dir_all(typing.directory).unwrap();
    }

    #[test]
    fn notes_of_ended_sessions_go() {
        let typing = fresh("ended");
        typing.begin("a", "x").unwrap();
        typing.clear("a", "x", 0).unwrap();
        typing.begin("b", "x").unwrap();
        typing.keep_only(&["b".to_owned()]).unwrap();
        assert_eq!(typing.cut_off("a"), None);
        assert!(typing.cut_off("b").is_some());
        assert_eq!(fs::read_dir(&typing.directory).unwrap().count(), 1);
        fs::remove_dir_all(typing.directory).unwrap();
    }
}
