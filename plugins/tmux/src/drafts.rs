//! What is being typed: a note of it, kept from before the first key until the agent has taken the text.
//!
//! If berth is killed between the two, the text is left in the composer. The note shows that it is berth's own and not
//! a person's draft, so it can be removed before the next message. The same is true of a text that the agent has taken,
//! and puts back when berth interrupts it.

use std::collections::BTreeSet;

use berth_plugin::store::raw as store;
use berth_plugin::{Error, Result, time};

use crate::digest;

/// The key of what is being typed; the session's id follows.
const TYPING: &str = "typing-";
/// What the agent took last.
const TAKEN: &str = "taken-";
/// When the key that clears was pressed last, and on which text.
const CLEARED: &str = "cleared-";
/// Ends that note when the key was pressed.
const PRESSED: &str = " pressed";
/// What the keys of all these notes begin with.
pub(crate) const PREFIXES: [&str; 3] = [TYPING, TAKEN, CLEARED];

/// Notes that `text` is about to be typed into this session.
pub(crate) fn begin(session: &str, text: &str) -> Result<()> {
    // It does not come back.
    forget(TAKEN, session);
    let noted = store::put(&key(TYPING, session), text.as_bytes(), None);
    noted.map(drop).map_err(|error| {
        Error::Refused(format!(
            "it could not be noted what is typed into {session} ({error}), so nothing was typed: see whether \
             berth's data directory is still there and its disk has room (berth doctor)"
        ))
    })
}

/// The text that was being typed when berth was cut off, if there is one.
///
/// A note that cannot be read does not count: then the text counts as a person's, and stays.
pub(crate) fn cut_off(session: &str) -> Option<String> {
    read(TYPING, session).filter(|text| !text.is_empty())
}

/// The agent has taken the text.
pub(crate) fn taken(session: &str) {
    rename(TYPING, TAKEN, session);
}

/// The text that the agent took last, as far as it is known.
pub(crate) fn last(session: &str) -> Option<String> {
    read(TAKEN, session).filter(|text| !text.is_empty())
}

/// The sessions of which that is known. One look at all of them, since a look at each takes longer than their screens.
pub(crate) fn known() -> BTreeSet<String> {
    let keys = berth_plugin::store::keys(TAKEN).unwrap_or_default();
    let session = |key: String| key.strip_prefix(TAKEN).map(str::to_owned);
    keys.into_iter().filter_map(session).collect()
}

/// The agent is about to be interrupted: what it took last may be in the composer again.
pub(crate) fn may_come_back(session: &str) {
    rename(TAKEN, TYPING, session);
}

/// Nothing of berth's own is left in the composer.
pub(crate) fn end(session: &str) {
    forget(TYPING, session);
}

/// Notes that the key which clears a composer that shows `text` is about to be pressed, and returns how long to wait
/// before that, in milliseconds: some agents end if it comes twice within `gap`. Another berth may have pressed it
/// before this one. Nothing is returned if it was already pressed on this text, so the agent has not read it yet. Call
/// [`cleared`] when it was pressed: if berth is killed before, it counts as not pressed.
pub(crate) fn clear(session: &str, text: &str, gap: u64) -> Result<Option<u64>> {
    let unknown = |error| {
        Error::Refused(format!(
            "it could not be noted that {session} is cleared ({error}), so no key was pressed"
        ))
    };
    let key = key(CLEARED, session);
    let note = store::get(&key).map_err(unknown)?;
    let (version, last) = note.map_or((0, String::new()), |note| {
        (note.version, String::from_utf8_lossy(&note.value).into_owned())
    });
    let (present, shown) = (time::now(), format!("{:016x}", digest::of([text])));
    let (last, on) = last.split_once(' ').unwrap_or((&last, ""));
    if on == format!("{shown}{PRESSED}") {
        return Ok(None);
    }
    // If the clock was set back, it was pressed in the future: then it may have been just now.
    let last: Option<u64> = last.parse().ok();
    let wait = last.map_or(0, |last| gap.saturating_sub(present.saturating_sub(last)));
    let note = format!("{} {shown}", present + wait);
    store::put(&key, note.as_bytes(), Some(version)).map_err(unknown)?;
    Ok(Some(wait))
}

/// The key that clears was pressed.
pub(crate) fn cleared(session: &str) {
    if let Some(note) = read(CLEARED, session) {
        // Without that it counts as not pressed, and is pressed again, at the earliest after its gap.
        let _ = store::put(&key(CLEARED, session), (note + PRESSED).as_bytes(), None);
    }
}

/// A key that some agents share with the one that clears is about to be pressed for something else.
pub(crate) fn pressed(session: &str) {
    // Without that note the key may come again too soon, at worst into an agent that ends then.
    let _ = store::put(&key(CLEARED, session), time::now().to_string().as_bytes(), None);
}

/// The composer was seen empty: nothing of berth's own is left in it, and the key that clears has been read.
pub(crate) fn seen_empty(session: &str) {
    end(session);
    if let Some((at, _)) = read(CLEARED, session).as_deref().and_then(|note| note.split_once(' ')) {
        // If the note cannot be written, the key is not pressed again on the same text, which is safe.
        let _ = store::put(&key(CLEARED, session), at.as_bytes(), None);
    }
}

fn read(prefix: &str, session: &str) -> Option<String> {
    let note = store::get(&key(prefix, session)).ok().flatten()?;
    String::from_utf8(note.value).ok()
}

/// Changes the kind of a note. If that is cut off in between, both notes exist: what is being typed is compared with
/// the composer before anything is cleared because of it.
fn rename(from: &str, to: &str, session: &str) {
    let note = store::get(&key(from, session)).ok().flatten();
    if note.is_some_and(|note| store::put(&key(to, session), &note.value, None).is_ok()) {
        forget(from, session);
    }
}

fn forget(prefix: &str, session: &str) {
    // One that stays behind is removed by the next upkeep.
    let _ = store::remove(&key(prefix, session), None);
}

fn key(prefix: &str, session: &str) -> String {
    format!("{prefix}{session}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::testing::Host;

    use super::*;

    #[test]
    fn what_was_being_typed_is_known_until_it_was_taken() {
        let _host = Host::new();
        assert_eq!(cut_off("a"), None);
        begin("a", "one\ntwo").unwrap();
        assert_eq!(cut_off("a").as_deref(), Some("one\ntwo"));
        assert_eq!(cut_off("b"), None);
        end("a");
        assert_eq!(cut_off("a"), None);
    }

    #[test]
    fn what_was_taken_is_berths_own_again_only_where_it_may_come_back() {
        let _host = Host::new();
        begin("a", "one").unwrap();
        taken("a");
        assert_eq!(cut_off("a"), None);
        may_come_back("a");
        assert_eq!(cut_off("a").as_deref(), Some("one"));
        // An earlier text does not come back, and the text being typed is not forgotten because of it.
        taken("a");
        begin("a", "two").unwrap();
        may_come_back("a");
        assert_eq!(cut_off("a").as_deref(), Some("two"));
    }

    #[test]
    fn notes_of_an_earlier_version_are_read() {
        let _host = Host::new();
        store::put("typing-a", b"one", None).unwrap();
        store::put("taken-b", b"two", None).unwrap();
        let shown = digest::of(["three"]);
        let note = format!("{} {shown:016x} pressed", time::now());
        store::put("cleared-c", note.as_bytes(), None).unwrap();
        may_come_back("b");
        assert_eq!(
            (cut_off("a").as_deref(), cut_off("b").as_deref()),
            (Some("one"), Some("two"))
        );
        assert_eq!(clear("c", "three", 60_000).unwrap(), None);
    }

    #[test]
    fn a_damaged_note_is_none_and_one_that_cannot_be_made_is_a_refusal() {
        let _host = Host::new();
        store::put("typing-a", &[0xff, 0xfe], None).unwrap();
        assert_eq!(cut_off("a"), None);
        let more_than_the_store_takes = "x".repeat(2 << 20);
        assert!(matches!(begin("b", &more_than_the_store_takes), Err(Error::Refused(_))));
    }

    #[test]
    fn the_key_that_clears_is_not_pressed_twice_within_its_gap() {
        let _host = Host::new();
        assert_eq!(clear("a", "one", 60_000).unwrap(), Some(0));
        let wait = clear("a", "two", 60_000).unwrap().unwrap();
        assert!((1..=60_000).contains(&wait), "{wait}");
        // A call that waited for it counts as well.
        assert!(clear("a", "three", 60_000).unwrap().unwrap() >= wait);
        assert_eq!(clear("b", "one", 60_000).unwrap(), Some(0));
    }

    #[test]
    fn of_two_that_would_clear_at_once_one_does() {
        let host = Host::new();
        host.before_put(|| assert_eq!(clear("a", "one", 0).unwrap(), Some(0)));
        assert!(matches!(clear("a", "one", 0), Err(Error::Refused(_))));
    }

    #[test]
    fn the_key_is_not_pressed_again_on_a_text_until_that_was_seen_to_go() {
        let _host = Host::new();
        assert_eq!(clear("a", "text", 0).unwrap(), Some(0));
        // Killed before it was pressed.
        assert_eq!(clear("a", "text", 0).unwrap(), Some(0));
        cleared("a");
        assert_eq!(clear("a", "text", 0).unwrap(), None);
        seen_empty("a");
        assert_eq!(clear("a", "text", 0).unwrap(), Some(0));
    }
}
