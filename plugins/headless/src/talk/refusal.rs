//! Why the agent's process does not take what it is given, in the contract's words.

use berth_agents::live::Refusal;
use berth_plugin::Error;

pub(crate) fn error(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Answered(_) | Refusal::Started => Error::Conflict(refusal.to_string()),
        Refusal::Unknown => Error::Conflict(format!("{refusal}: look at the session again")),
        // What it was looked at with may count as a deed, and this says that nothing was done.
        Refusal::Invalid(why) | Refusal::Refused(why) => Error::Refused(why),
    }
}
