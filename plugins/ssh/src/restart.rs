//! Bringing sessions back that ended with their login, their connection or their machine. What a person ended stays ended.

use std::time::Duration;

use berth_plugin::{Timestamp, log, time};

use crate::end::Cause;
use crate::hosts::Seen;
use crate::kept::{self, Kept};
use crate::launch::{self, Begins};
use crate::setup::Setup;
use crate::{end, terminate};

/// The pause after the first time, which doubles up to the longest.
const PAUSE: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(1800);
/// What has run for this time has come back for good.
const RAN_MS: u64 = 3_600_000;

/// What is due of a session: whether it was brought back.
pub(crate) fn attend(setup: &Setup, kept: &Kept, seen: Option<&Seen>) -> bool {
    let cause = match seen {
        None => Cause::Passing,
        Some(seen) => match end::of(seen) {
            Some(ended) => ended.cause,
            None => {
                settle(kept, seen);
                return false;
            }
        },
    };
    let is_due = kept.restarts.count < setup.settings.restarts && time::now() >= kept.restarts.next;
    if !setup.settings.restart || kept.stopped || cause == Cause::Person || !is_due {
        return false;
    }
    again(setup, kept, cause, seen.is_some())
}

/// Counts from the beginning again once it has run for some time.
fn settle(kept: &Kept, seen: &Seen) {
    let ran = time::now().saturating_sub(seen.pane.created * 1000);
    if kept.restarts.count > 0 && ran >= RAN_MS {
        let _ = kept::change(&kept.id(), |kept| kept.restarts = kept::Restarts::default());
    }
}

/// Starts it once more. It is counted before, so that one which cannot be started is not tried for ever.
fn again(setup: &Setup, kept: &Kept, cause: Cause, instead: bool) -> bool {
    let id = kept.id();
    let is_fresh = cause == Cause::NothingToContinue || kept.restarts.fresh;
    let counted = kept::change(&id, |kept| {
        kept.restarts.count += 1;
        kept.restarts.next = next(kept.restarts.count);
        kept.restarts.fresh = is_fresh;
        if !kept.stopped {
            (kept.url, kept.ended_at) = (None, None);
        }
    });
    let Ok(Some(kept)) = counted else {
        return false;
    };
    if kept.stopped {
        return false;
    }
    let begins = if is_fresh { Begins::New(None) } else { Begins::Continued };
    let command = launch::command(setup, &kept, &begins);
    if let Err(error) = command.and_then(|command| launch::start(setup, &kept, command, instead)) {
        log::warn(format_args!("{id} could not be brought back: {error}"));
        return false;
    }
    // A person may have ended it in the meantime.
    match kept::of(&id) {
        Ok(Some(kept)) if !kept.stopped => true,
        _ => {
            terminate::remove(&id);
            false
        }
    }
}

/// When it may be tried after this many times.
fn next(count: u16) -> Timestamp {
    let doubled = PAUSE.saturating_mul(1 << count.saturating_sub(1).min(10));
    time::after(doubled.min(LONGEST))
}
