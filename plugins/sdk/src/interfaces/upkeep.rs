//! `upkeep`: what a backend does between calls.

use crate::contract::exported::upkeep::exports::berth::backend::upkeep::Guest;
use crate::named::{Named, tag};
use crate::{Backend, Event, Result, Upkept};

/// What a backend does between calls.
pub trait Upkeep: Backend + Named<tag::Upkeep> {
    /// Does what is due: at the start, with what happened for this backend, and at the time that the last answer asked
    /// for. Never runs twice at once. Events come again until a call with them succeeds.
    fn run(events: Vec<Event>) -> Result<Upkept>;
}

impl<T: Upkeep> Guest for T {
    fn run(events: Vec<Event>) -> Result<Upkept> {
        <T as Upkeep>::run(events)
    }
}
