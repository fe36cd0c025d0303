//! What became of a message, an answer or an interrupt: it is looked for in what the agent prints.

use std::thread;
use std::time::{Duration, Instant};

use berth_agents::live::{self, Activity, MessageState};
use berth_plugin::{Receipt, context, log};

use crate::kept::talk::{Fate, Talk};
use crate::talk::change::{change, write};

/// How long a receipt is looked for, and how long an agent at work has to say that it begins with a message.
const PATIENCE: Duration = Duration::from_secs(8);
const AT_WORK: Duration = Duration::from_millis(700);
/// What of a call's time is left for its answer.
const SPARE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(10);

/// What became of a message.
pub(crate) fn wait(id: &str, message: &str) -> Receipt {
    let began = Instant::now();
    let seen = until(id, |talk| {
        let others = |other: &live::Message| other.state == MessageState::Started && other.id != message;
        let at_work = talk.process.live.messages().any(others) || talk.process.live.state() == Activity::Waiting;
        match of(talk, message) {
            Receipt::Queued if at_work && began.elapsed() > AT_WORK => Some(Receipt::Queued),
            Receipt::Queued if talk.process.trouble.is_some() => Some(Receipt::Queued),
            Receipt::Queued if talk.process.ended.is_some() => Some(Receipt::Queued),
            Receipt::Queued if talk.process.live.cannot_begin() => Some(Receipt::Queued),
            Receipt::Queued => None,
            receipt => Some(receipt),
        }
    });
    // It is kept, and shows in the session's queue.
    seen.unwrap_or(Receipt::Queued)
}

/// What is known of a message.
pub(crate) fn of(talk: &Talk, message: &str) -> Receipt {
    match talk.process.live.given(message).map(|message| &message.state) {
        Some(MessageState::Waiting | MessageState::Lost) => Receipt::Queued,
        Some(_) => Receipt::Confirmed,
        None => match talk.fate(message) {
            Some(Fate::Answered | Fate::Failed | Fate::Doubtful) => Receipt::Confirmed,
            _ => Receipt::Unconfirmed,
        },
    }
}

/// Looks at a conversation again and again, until `seen` answers or the call's time is nearly over. What cannot be looked
/// at is not seen: something was done before, so there is no error any more.
pub(crate) fn until<R>(id: &str, seen: impl FnMut(&Talk) -> Option<R>) -> Option<R> {
    within(PATIENCE, id, seen)
}

/// The same for a shorter time.
pub(crate) fn within<R>(time: Duration, id: &str, mut seen: impl FnMut(&Talk) -> Option<R>) -> Option<R> {
    let end = Instant::now() + time.min(context::remaining().saturating_sub(SPARE));
    loop {
        // What an agent says may want an answer at once, so what is read is kept too.
        let found = change(id, |talk| Ok(seen(talk))).and_then(|found| write(id).map(|_| found));
        let found = found.unwrap_or_else(|error| {
            log::debug(format_args!("session {id} cannot be looked at now: {error}"));
            None
        });
        if found.is_some() || Instant::now() >= end {
            return found;
        }
        thread::sleep(PAUSE);
    }
}
