//! `changes`: what a session changed in its checkout.

use crate::contract::exported::changes::exports::berth::backend::changes::Guest;
use crate::named::{Named, tag};
use crate::{Backend, ChangePage, Result};

/// What a session changed in its checkout.
pub trait Changes: Backend + Named<tag::Changes> {
    /// At most `limit` changed files and their diff; `after` is the `next` of the page before.
    fn get_changes(id: &str, after: Option<&str>, limit: u32) -> Result<ChangePage>;
}

impl<T: Changes> Guest for T {
    fn get_changes(id: String, after: Option<String>, limit: u32) -> Result<ChangePage> {
        <T as Changes>::get_changes(&id, after.as_deref(), limit)
    }
}
