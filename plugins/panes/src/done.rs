//! What calls that the host may repeat have done, by the ids that it gave them.
//!
//! A note is written before the deed. A repeated call finds it, and does nothing again.

use std::time::Duration;

use berth_plugin::{Error, Result, Timestamp, store, time};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The key of a message's note; the message's id follows.
const MESSAGE: &str = "message-";
/// The key of a start's note; the request's id follows.
const START: &str = "start-";
/// What the keys of all these notes begin with.
pub const PREFIXES: [&str; 2] = [MESSAGE, START];
/// The host repeats a call within an hour.
const KEPT: Duration = Duration::from_secs(2 * 3600);

/// The note of one call.
pub struct Note {
    key: String,
}

/// A note as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept<T> {
    at: Timestamp,
    what: T,
}

impl Note {
    /// That of the message with this id.
    #[must_use]
    pub fn of_message(id: &str) -> Self {
        let key = format!("{MESSAGE}{id}");
        Self { key }
    }

    /// That of the request for a new session with this id.
    #[must_use]
    pub fn of_start(id: &str) -> Self {
        let key = format!("{START}{id}");
        Self { key }
    }

    /// What an earlier call with this id has done.
    ///
    /// # Errors
    /// It cannot be read, so it is not known.
    pub fn earlier<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        Ok(store::get(&self.key)?.map(|kept: Kept<T>| kept.what))
    }

    /// Notes what this call is about to do.
    ///
    /// # Errors
    /// Another call does it, or it could not be noted: then nothing may be done.
    pub fn begin(&self, what: &impl Serialize) -> Result<()> {
        store::raw::put(&self.key, &kept(what)?, Some(0))
            .map(drop)
            .map_err(|error| match error {
                Error::Conflict(_) => {
                    Error::Conflict("another call with the same id is doing this, so this call did nothing".to_owned())
                }
                error => Error::Refused(format!(
                    "what this call does could not be noted ({error}), so nothing was done: look whether the disk of \
                     berth's data is full"
                )),
            })
    }

    /// Notes its outcome.
    pub fn end(&self, what: &impl Serialize) {
        // Without that, its outcome is not known.
        let _ = kept(what).and_then(|kept| store::raw::put(&self.key, &kept, None));
    }

    /// It was not done after all.
    pub fn forget(&self) {
        // One that stays behind keeps a repeated call from being done, and is removed by a later upkeep.
        let _ = store::remove(&self.key);
    }
}

fn kept(what: &impl Serialize) -> Result<Vec<u8>> {
    let at = time::now();
    serde_json::to_vec(&Kept { at, what }).map_err(|error| Error::Refused(format!("it has no form in JSON: {error}")))
}

/// Whether no call may still need the note of this key.
#[must_use]
pub fn is_old(key: &str) -> bool {
    let kept = store::get::<Kept<serde_json::Value>>(key);
    let at = kept.ok().flatten().map(|kept| kept.at);
    let kept_for = u64::try_from(KEPT.as_millis()).unwrap_or(u64::MAX);
    at.is_none_or(|at| time::now().saturating_sub(at) > kept_for)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::testing::Host;

    use super::*;

    #[test]
    fn what_a_call_does_is_known_to_the_next_one_with_its_id() {
        let _host = Host::new();
        let (one, other) = (Note::of_message("1"), Note::of_message("2"));
        assert_eq!(one.earlier::<u8>(), Ok(None));
        one.begin(&7).unwrap();
        assert_eq!((one.earlier(), other.earlier::<u8>()), (Ok(Some(7)), Ok(None)));
        one.end(&8);
        assert_eq!(one.earlier(), Ok(Some(8)));
        assert_eq!(Note::of_start("1").earlier::<u8>(), Ok(None));
        one.forget();
        assert_eq!(one.earlier::<u8>(), Ok(None));
    }

    #[test]
    fn of_two_calls_at_once_one_begins() {
        let host = Host::new();
        host.before_put(|| Note::of_message("1").begin(&1).unwrap());
        assert!(matches!(Note::of_message("1").begin(&2), Err(Error::Conflict(_))));
        assert_eq!(Note::of_message("1").earlier(), Ok(Some(1)));
    }

    #[test]
    fn a_damaged_note_is_told_and_never_taken_for_none() {
        let _host = Host::new();
        store::raw::put("message-1", b"{", None).unwrap();
        assert!(Note::of_message("1").earlier::<u8>().is_err());
        assert!(Note::of_message("1").begin(&1).is_err());
    }

    #[test]
    fn notes_are_old_after_two_hours() {
        let _host = Host::new();
        let of_age = |hours: u64| Kept {
            at: time::now() - hours * 3_600_000,
            what: 0,
        };
        for (hours, old) in [(0, false), (1, false), (3, true)] {
            store::put("message-1", &of_age(hours)).unwrap();
            assert_eq!(is_old("message-1"), old, "{hours}");
        }
    }
}
