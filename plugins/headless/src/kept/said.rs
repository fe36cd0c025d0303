//! What a person said to an agent that does not print it: kept with its place among what the process printed, so that a
//! transcript has it.

use berth_plugin::{Message, Result, log, store};
use serde::{Deserialize, Serialize};

use crate::cut::cut;
use crate::kept::pieces;

/// Messages of a conversation that are kept; of more, the oldest go.
const MOST: usize = 500;
/// Characters of each.
const TEXT: usize = 8_000;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) message: String,
    pub(crate) text: String,
    /// When it was given, in milliseconds.
    pub(crate) at: u64,
}

impl Said {
    pub(crate) fn of(message: &Message, at: u64) -> Self {
        let beside = message.attachments.iter().map(|one| format!("\n[{}]", one.name));
        Self {
            message: message.id.clone(),
            text: cut(&message.text, TEXT) + &beside.collect::<String>(),
            at,
        }
    }
}

/// Keeps a message that the process of `job` was given when it had printed so many bytes. Kept again, it is the same one.
pub(crate) fn keep(conversation: &str, job: &str, place: u64, said: &Said) {
    let kept = make_room(conversation, job).and_then(|()| store::put(&key(conversation, job, place), said));
    if let Err(error) = kept {
        log::warn(format_args!(
            "the transcript of session {conversation} lacks a message: {error}"
        ));
    }
}

/// Keeps that what `job` printed before `place` is the past, told again.
pub(crate) fn keep_past(conversation: &str, job: &str, place: u64) -> Result<()> {
    store::put(&past_key(conversation, job), &place)
}

/// Up to which place what `job` printed is the past, told again.
pub(crate) fn past(conversation: &str, job: &str) -> Result<u64> {
    Ok(store::get(&past_key(conversation, job))?.unwrap_or_default())
}

/// The places of the messages to `job`, in order.
pub(crate) fn places(conversation: &str, job: &str) -> Result<Vec<u64>> {
    let keys = store::keys(&format!("{}/", folder(conversation, job)))?;
    let place = |key: &String| key.rsplit('/').next()?.parse().ok();
    Ok(keys.iter().filter_map(place).collect())
}

pub(crate) fn find(conversation: &str, job: &str, place: u64) -> Result<Option<Said>> {
    store::get(&key(conversation, job, place))
}

pub(crate) fn forget_all(conversation: &str) {
    pieces::remove(&format!("said/{conversation}"));
    pieces::remove(&format!("past/{conversation}"));
}

/// Removes what is oldest where as much is kept as may: of another job first.
fn make_room(conversation: &str, job: &str) -> Result<()> {
    let keys = store::keys(&format!("said/{conversation}/"))?;
    let own = format!("{}/", folder(conversation, job));
    let other = keys.iter().find(|key| !key.starts_with(&own));
    match other.or(keys.first()).filter(|_| keys.len() >= MOST) {
        Some(oldest) => store::remove(oldest),
        None => Ok(()),
    }
}

fn key(conversation: &str, job: &str, place: u64) -> String {
    format!("{}/{place:020}", folder(conversation, job))
}

fn past_key(conversation: &str, job: &str) -> String {
    format!("past/{conversation}/{job}")
}

fn folder(conversation: &str, job: &str) -> String {
    format!("said/{conversation}/{job}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use berth_plugin::testing::Host;

    use super::*;

    #[test]
    fn messages_are_kept_in_their_order_up_to_a_bound_and_the_oldest_go() {
        let _host = Host::new();
        let said = |place: u64| Said {
            message: format!("m{place}"),
            text: "x".to_owned(),
            at: place,
        };
        keep("a", "old", 7, &said(7));
        for place in 0..MOST as u64 {
            keep("a", "new", place, &said(place));
        }
        assert_eq!(places("a", "old").unwrap(), [0; 0]);
        assert_eq!(places("a", "new").unwrap().len(), MOST);
        keep("a", "new", 1_000, &said(1_000));
        let kept = places("a", "new").unwrap();
        assert_eq!((kept.len(), kept[0], kept[MOST - 1]), (MOST, 1, 1_000));
        assert_eq!(find("a", "new", 1_000).unwrap(), Some(said(1_000)));
        keep_past("a", "new", 9).unwrap();
        assert_eq!((past("a", "new").unwrap(), past("a", "old").unwrap()), (9, 0));
        forget_all("a");
        assert_eq!(store::keys("").unwrap(), [""; 0]);
    }
}
