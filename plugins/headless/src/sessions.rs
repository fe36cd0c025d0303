//! What is done with the sessions of this backend: its conversations, whoever began them. Where a session is on a host, what
//! reaches into that is done there.

use berth_plugin::{
    Answered, ChangePage, Delivery, Error, Event, LogPage, LogQuery, Message, OptionState, Receipt, Result, Session,
    SessionPage, SessionQuery, TurnPage, TurnQuery, Upkept,
};

use crate::kept::conversation;
use crate::setup::Setup;
use crate::shown::{self, log, turns};
use crate::talk::{answer, deliver, end};

/// Whether it may be the id of a session here: all of them are UUIDs in small letters.
#[must_use]
pub fn is_id(id: &str) -> bool {
    conversation::is_uuid(id)
}

/// A page of the sessions. Nothing is asked of a host that is away: its sessions are `unreachable`.
///
/// # Errors
/// Jobs or store cannot be read.
pub fn list(setup: &Setup, query: &SessionQuery) -> Result<SessionPage> {
    list_beside(setup, query, || Ok(Default::default()))
}

/// The same with all sessions of another kind among them, and what of those could not be looked at. They are asked for only
/// where the page may have some of them.
///
/// # Errors
/// As [`list`], and what `others` answers.
pub fn list_beside(
    setup: &Setup,
    query: &SessionQuery,
    others: impl FnOnce() -> Result<(Vec<Session>, Vec<(String, Error)>)>,
) -> Result<SessionPage> {
    shown::sessions::list(setup, query, others)
}

/// One session.
///
/// # Errors
/// `NotFound` if there is none.
pub fn get(setup: &Setup, id: &str) -> Result<Session> {
    shown::sessions::get(setup, id)
}

/// What was printed in a session, in one of the views that [`views`] names.
///
/// # Errors
/// `NotFound` if there is none, `Invalid` for another view or cursor.
pub fn read_log(id: &str, query: &LogQuery) -> Result<LogPage> {
    log::read(id, query)
}

/// The views of a session's log, the usual one first.
#[must_use]
pub fn views() -> Vec<String> {
    log::VIEWS.map(str::to_owned).to_vec()
}

/// A session turn by turn.
///
/// # Errors
/// `NotFound` if there is none, `Invalid` for a place that is not in it.
pub fn read_turns(setup: &Setup, id: &str, query: &TurnQuery) -> Result<TurnPage> {
    turns::read(setup, id, query)
}

/// What a session changed in its directory.
///
/// # Errors
/// `NotFound` if there is none; `Refused` if git has nothing to compare with there.
pub fn changes(id: &str, after: Option<&str>, limit: u32) -> Result<ChangePage> {
    shown::changes::get(id, after, limit)
}

/// Gives a session a message: a run that has ended becomes a conversation that a person leads.
///
/// # Errors
/// `Busy` while a run works; nothing was given.
pub fn send(setup: &Setup, id: &str, message: &Message) -> Result<Delivery> {
    deliver::send(setup, id, message)
}

/// Takes back a message that the agent has not begun with.
///
/// # Errors
/// `Conflict` if the agent has it already.
pub fn cancel_message(id: &str, message: &str) -> Result<()> {
    deliver::cancel(id, message)
}

/// Answers prompts, all of them or none.
///
/// # Errors
/// `Conflict` if one is not open any more; nothing was answered.
pub fn respond(id: &str, answers: &[Answered]) -> Result<Delivery> {
    answer::respond(id, answers)
}

/// Stops what the agent of a conversation does. A run is ended instead, by [`terminate`].
///
/// # Errors
/// `NotFound` if no person leads it.
pub fn interrupt(id: &str) -> Result<Receipt> {
    answer::interrupt(id)
}

/// Ends a session with all that runs or waits in it.
///
/// # Errors
/// `NotFound` if there is none.
pub fn terminate(id: &str) -> Result<Receipt> {
    end::terminate(id)
}

/// The options of a conversation that a person leads.
///
/// # Errors
/// `NotFound` if there is none.
pub fn options(id: &str) -> Result<Vec<OptionState>> {
    shown::options::list(id)
}

/// Sets an option of a conversation that a person leads.
///
/// # Errors
/// `Invalid` for one that is not known, `Refused` if the agent does not set it.
pub fn set_option(id: &str, name: &str, value: &str) -> Result<()> {
    answer::set(id, name, value)
}

/// What is due between calls: runs that ended are judged, questions are declined that nobody answered, what waits goes on.
/// Events that are not about jobs of these sessions are passed over.
///
/// # Errors
/// Jobs or store cannot be read.
pub fn upkeep(setup: &Setup, events: &[Event]) -> Result<Upkept> {
    crate::upkeep::run(setup, events)
}
