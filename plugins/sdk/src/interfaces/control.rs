//! `session-control`: sessions that can be acted on.

use crate::contract::exported::session_control::exports::berth::backend::session_control::Guest;
use crate::named::{Named, tag};
use crate::{Answered, Backend, Delivery, Error, Message, NewSession, Receipt, Result, Session};

/// Sessions that can be acted on. A function that is left out answers `unsupported`.
///
/// An error means that nothing was done. Once something was typed, started or answered, answer
/// [`Delivery::unconfirmed`] or [`Receipt::Unconfirmed`] whatever happens next: a call that returns an error is
/// repeated.
pub trait Control: Backend + Named<tag::Control> {
    /// Starts a session. A repeated `request.id` answers the session that the first call made.
    fn create_session(request: NewSession) -> Result<Session> {
        let _ = request;
        Err(Error::Unsupported)
    }

    /// Gives a message to the agent. Look first: text that is typed into an open question answers it.
    fn send_message(id: &str, message: Message) -> Result<Delivery> {
        let _ = (id, message);
        Err(Error::Unsupported)
    }

    /// Takes back a message that the backend keeps for later; `Conflict` when the agent has it already.
    fn cancel_message(id: &str, message: &str) -> Result<()> {
        let _ = (id, message);
        Err(Error::Unsupported)
    }

    /// Answers one prompt, or all that are required of one group; `Conflict` when one of them is no longer open.
    fn respond(id: &str, answers: Vec<Answered>) -> Result<Delivery> {
        let _ = (id, answers);
        Err(Error::Unsupported)
    }

    /// Stops what the session is doing. If the session is at rest, that is a success.
    fn interrupt(id: &str) -> Result<Receipt> {
        let _ = id;
        Err(Error::Unsupported)
    }

    /// Ends the session. If the session has ended already, that is a success.
    fn terminate(id: &str) -> Result<Receipt> {
        let _ = id;
        Err(Error::Unsupported)
    }
}

impl<T: Control> Guest for T {
    fn create_session(request: NewSession) -> Result<Session> {
        <T as Control>::create_session(request)
    }
    fn send_message(id: String, message: Message) -> Result<Delivery> {
        <T as Control>::send_message(&id, message)
    }
    fn cancel_message(id: String, message: String) -> Result<()> {
        <T as Control>::cancel_message(&id, &message)
    }
    fn respond(id: String, answers: Vec<Answered>) -> Result<Delivery> {
        <T as Control>::respond(&id, answers)
    }
    fn interrupt(id: String) -> Result<Receipt> {
        <T as Control>::interrupt(&id)
    }
    fn terminate(id: String) -> Result<Receipt> {
        <T as Control>::terminate(&id)
    }
}
