//! Messages to a conversation: each reaches its agent once, and what became of it is looked for.

use berth_agents::live::MessageState;
use berth_plugin::{Delivery, Error, Message, Receipt, Result, log};

use crate::kept::built::Plan;
use crate::kept::conversation::{Conversation, uuid};
use crate::kept::note::Note;
use crate::kept::process::Process;
use crate::kept::talk::{self, Talk};
use crate::kept::{host, message};
use crate::read;
use crate::read::index;
use crate::setup::Setup;
use crate::start::limits;
use crate::talk::change::{change, may_act};
use crate::talk::{give, process, receipt, refusal};

/// Bytes of a message with all that goes with it, as its agent reads it.
const MOST: usize = 3 << 20;

/// Gives a message to the agent of a conversation, in a new process if it has none.
pub(crate) fn send(setup: &Setup, id: &str, message: &Message) -> Result<Delivery> {
    // Before anything is looked at, which notes what it finds: nothing has been done then.
    if message.text.trim().is_empty() && message.attachments.is_empty() {
        return Err(Error::Invalid(
            "the message is empty: say what the agent is to do".to_owned(),
        ));
    }
    if Talk::find(id)?.is_none() {
        adopt(setup, id)?;
    }
    let after = Talk::find(id)?.and_then(|talk| cursor(&talk.process));
    hand(setup, id, message)?;
    let delivery = match receipt::wait(id, &message.id) {
        Receipt::Confirmed => Delivery::confirmed(),
        Receipt::Queued => Delivery::queued(),
        Receipt::Unconfirmed => Delivery::unconfirmed(),
    };
    Ok(Delivery { after, ..delivery })
}

/// Gives it to the process that there is, or to the next one.
fn hand(setup: &Setup, id: &str, message: &Message) -> Result<()> {
    let talk = read::talk::look(id)?.ok_or_else(|| talk::unknown(id))?.0;
    if talk.process.live.given(&message.id).is_some() || talk.fate(&message.id).is_some() {
        // The first call with this message may have been cut off.
        return process::start(setup, id);
    }
    may_act(&talk)?;
    if message.text.trim().is_empty() && message.attachments.is_empty() {
        return Err(Error::Invalid(
            "the message is empty: say what the agent is to do".to_owned(),
        ));
    }
    give::takes(&talk.process.live, message)?;
    let bytes: usize = message.attachments.iter().map(|one| one.bytes.len()).sum();
    if message.text.len() + bytes > MOST {
        return Err(Error::Invalid(format!(
            "a message with what goes with it has at most {MOST} bytes: put the rest into files of the project"
        )));
    }
    left(setup, id, &talk)?;
    message::keep(id, message)?;
    let given = match talk.process.is_open() {
        true => change(id, |talk| match talk.process.is_open() {
            true => give::give(talk, message).map(|()| true),
            false => Ok(false),
        }),
        false => Ok(false),
    };
    let given = match given {
        Ok(true) => process::start(setup, id).or_else(|error| {
            // It is kept with the process that is to be.
            log::warn(format_args!("session {id}: {error}"));
            Ok(())
        }),
        Ok(false) => process::next(setup, id, Some(message)),
        Err(error) => Err(error),
    };
    given.inspect_err(|_| message::forget(id, &message.id))
}

/// Whether anything is left of what the conversation may take.
fn left(setup: &Setup, id: &str, talk: &Talk) -> Result<()> {
    let mut kept = Conversation::find(id)?.unwrap_or_default();
    let facts = talk.process.live.facts();
    if talk.process.ended.is_none() {
        kept.turns += facts.turns.unwrap_or(0);
    }
    kept.cost = kept.cost.max(facts.cost.unwrap_or(0.0));
    limits::left(&setup.settings, id, &kept).map(drop)
}

/// Makes a conversation of runs one that a person leads, if none of them works.
fn adopt(setup: &Setup, id: &str) -> Result<()> {
    let (job, kept) = index::known(id)?;
    let seen = read::run::look(job)?;
    if !seen.state.is_end() {
        return Err(Error::Busy);
    }
    let note: &Note = &seen.note;
    let is_gone = |plan: &Plan| !host::on(note.host.as_deref(), || plan.is_there());
    if note.build.as_ref().is_some_and(is_gone) {
        return Err(Error::Refused(
            "the clone of this build is gone, so nobody can go on in it: begin a new session in its project".to_owned(),
        ));
    }
    let own_id = kept.has_begun().then(|| id.to_owned());
    let talk = Talk {
        host: note.host.clone(),
        project: note.project.clone(),
        directory: note.directory.clone(),
        agent: note.agent.clone(),
        trusted: note.trusted,
        created_at: seen.job.queued_at,
        own_id,
        task: note.task.clone(),
        options: setup.settings.options(),
        ..Talk::empty(Process::none())
    };
    talk.begin(id).map(drop)
}

/// Takes back a message that the agent has not begun with.
pub(crate) fn cancel(id: &str, message: &str) -> Result<()> {
    let message = uuid(message).unwrap_or_else(|_| message.to_owned());
    may_act(&Talk::find(id)?.ok_or_else(|| talk::unknown(id))?)?;
    change(id, |talk| match talk.process.live.given(&message) {
        None => Err(match talk.fate(&message) {
            Some(_) => Error::Conflict("the agent has the message already".to_owned()),
            None => Error::NotFound(format!("no message {message:?} waits here")),
        }),
        Some(given) if given.state == MessageState::Cancelled => Ok(()),
        Some(_) => talk.process.live.cancel_message(&message).map_err(refusal::error),
    })?;
    let state = receipt::until(id, |talk| {
        let live = &talk.process.live;
        let given = live.given(&message)?;
        if !message::waits(live, &message) || talk.process.ended.is_some() {
            return Some(Ok(given.state.clone()));
        }
        live.can_take_back().err().map(Err)
    });
    match state.transpose().map_err(refusal::error)? {
        Some(MessageState::Cancelled) => Ok(()),
        Some(_) => Err(Error::Conflict("the agent has the message already".to_owned())),
        None => Err(Error::TimedOut(
            "the agent did not say whether it took the message back: look at the session".to_owned(),
        )),
    }
}

/// The cursor of the log just behind what was read.
fn cursor(process: &Process) -> Option<String> {
    let job = process.job.as_ref()?;
    Some(format!("{job}:{}:0", process.read))
}
