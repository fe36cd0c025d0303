//! The end of a session.

use berth_plugin::{Error, Receipt, Result, jobs};

use crate::kept::process::Ending;
use crate::kept::talk::Talk;
use crate::run::cancel;
use crate::talk::change::{change, may_act};

/// Ends a session: what a person leads with its process and what waits for that, otherwise all runs.
pub(crate) fn terminate(conversation: &str) -> Result<Receipt> {
    let Some(talk) = Talk::find(conversation)? else {
        return cancel::all_of(conversation);
    };
    may_act(&talk)?;
    let job = change(conversation, |talk| {
        talk.process.ending = Some(Ending::Person);
        Ok(talk.process.job.clone().filter(|_| talk.process.ended.is_none()))
    })?;
    let Some(job) = job else {
        Talk::is_at_rest(conversation)?;
        return Ok(Receipt::Confirmed);
    };
    match jobs::cancel(&job) {
        Err(error @ Error::Denied(_)) => Err(error),
        Err(_) => Ok(Receipt::Unconfirmed),
        Ok(()) if cancel::wait(&[job]) => Ok(Receipt::Confirmed),
        Ok(()) => Ok(Receipt::Unconfirmed),
    }
}
