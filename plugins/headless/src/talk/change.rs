//! Changes of a conversation: each is made on what it is now, kept, and written to its process. A change is kept only if
//! nothing else has changed meanwhile; otherwise it is made again on what there is then.

use std::thread;
use std::time::Duration;

use berth_plugin::{Error, Result, jobs, log};

use crate::kept::input::Part;
use crate::kept::talk::{self, Talk};
use crate::read::talk::catch_up;

/// How often a change is tried while other calls are quicker.
const TRIES: u64 = 100;

/// Changes the one with this id as it is now, and keeps what is to be written. `act` may run more than once, so it changes
/// the value only.
///
/// # Errors
/// What `act` answers; `NotFound` if there is none. Nothing is changed then.
pub(crate) fn change<R>(id: &str, mut act: impl FnMut(&mut Talk) -> Result<R>) -> Result<R> {
    change_unread(id, |talk| {
        catch_up(talk)?;
        act(talk)
    })
}

/// The same for one as it was last kept, whether or not what its process printed since can be read.
pub(crate) fn change_unread<R>(id: &str, mut act: impl FnMut(&mut Talk) -> Result<R>) -> Result<R> {
    for attempt in 0..TRIES {
        let (mut talk, before) = Talk::entry(id)?;
        let answer = act(&mut talk)?;
        if talk.replace(id, &before)? {
            return Ok(answer);
        }
        thread::sleep(Duration::from_millis(attempt.min(20)));
    }
    Err(Error::Unavailable(format!(
        "session {id} was changed by other calls {TRIES} times while this one tried to: try again"
    )))
}

/// Writes what is kept for the process and not written yet. Answers whether all of it is there; what could not be written
/// now is left for `upkeep`.
pub(crate) fn write(id: &str) -> Result<bool> {
    loop {
        let talk = Talk::find(id)?.ok_or_else(|| talk::unknown(id))?;
        let process = &talk.process;
        let (Some(job), None) = (&process.job, &process.ended) else {
            return Ok(process.input.is_written());
        };
        let written = match process.input.write(job) {
            Ok(Some(written)) => written,
            Ok(None) => return Ok(true),
            Err(error) => {
                log::debug(format_args!("session {id}: its input was not written yet: {error}"));
                return Ok(false);
            }
        };
        let number = process.number;
        let mut done = Vec::new();
        change(id, |talk| {
            done.clear();
            if talk.process.number == number {
                done = talk.process.input.is_at(written);
            }
            Ok(())
        })?;
        done.iter().for_each(Part::forget);
    }
}

/// Whether this call may act on the process: what runs in one may not act on itself, and what is kept for it here would be
/// written by `upkeep`, which may.
///
/// # Errors
/// `Denied` or `NotFound` if it may not.
pub(crate) fn may_act(talk: &Talk) -> Result<()> {
    let Some(job) = &talk.process.job else {
        return Ok(());
    };
    match jobs::write(job, &[], None) {
        Err(error @ (Error::Denied(_) | Error::NotFound(_))) if talk.process.ended.is_none() => Err(error),
        _ => Ok(()),
    }
}
