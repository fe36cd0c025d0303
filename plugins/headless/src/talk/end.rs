//! The end of a session.

use berth_plugin::{Receipt, Result, jobs, log, time};

use crate::kept::process::Ending;
use crate::kept::talk::Talk;
use crate::read::talk::look;
use crate::run::cancel::{self, is_nothing_done};
use crate::talk::change::{change_unread, may_act};

/// Ends a session: what a person leads with its process and what waits for that, otherwise all runs.
pub(crate) fn terminate(conversation: &str) -> Result<Receipt> {
    let Some(talk) = Talk::find(conversation)? else {
        return cancel::all_of(conversation);
    };
    may_act(&talk)?;
    let (job, before) = change_unread(conversation, |talk| {
        let before = talk.process.ending.replace(Ending::Person);
        Ok((
            talk.process.job.clone().filter(|_| talk.process.ended.is_none()),
            before,
        ))
    })?;
    let Some(job) = job else {
        Talk::is_at_rest(conversation)?;
        return Ok(Receipt::Confirmed);
    };
    match jobs::cancel(&job) {
        Err(error) if is_nothing_done(&error) && goes_on(conversation, &job, before) => Err(error),
        Err(error) => {
            log::warn(format_args!(
                "session {conversation} may not have been told to end, and is told again later: {error}"
            ));
            Ok(Receipt::Unconfirmed)
        }
        Ok(()) if cancel::wait(&[job]) => {
            given_up(conversation);
            Ok(Receipt::Confirmed)
        }
        Ok(()) => Ok(Receipt::Unconfirmed),
    }
}

/// Takes back that a person has ended it, or `upkeep` would end it after the answer said that nothing was done. Answers
/// whether that is so now.
fn goes_on(conversation: &str, job: &str, before: Option<Ending>) -> bool {
    let taken_back = change_unread(conversation, |talk| {
        if talk.process.job.as_deref() == Some(job) {
            talk.process.ending = before;
        }
        Ok(())
    });
    taken_back.is_ok()
}

/// Where what a process printed cannot be read, nothing else tells that it has ended, and a message must begin the next one.
fn given_up(conversation: &str) {
    if look(conversation).is_ok() {
        return;
    }
    let ended = change_unread(conversation, |talk| {
        talk.process.end(time::now(), None);
        Ok(())
    });
    if let Err(error) = ended {
        log::warn(format_args!(
            "the end of session {conversation} is not kept yet: {error}"
        ));
    }
}
