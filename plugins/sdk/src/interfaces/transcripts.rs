//! `transcripts`: conversations as turns.

use crate::contract::exported::transcripts::exports::berth::backend::transcripts::Guest;
use crate::named::{Named, tag};
use crate::{Backend, Result, TurnPage, TurnQuery};

/// Conversations as turns, where the agent keeps one.
pub trait Transcripts: Backend + Named<tag::Transcripts> {
    /// The turns that the query asks for, in order of time.
    fn read_turns(id: &str, query: TurnQuery) -> Result<TurnPage>;
}

impl<T: Transcripts> Guest for T {
    fn read_turns(id: String, query: TurnQuery) -> Result<TurnPage> {
        <T as Transcripts>::read_turns(&id, query)
    }
}
