//! `session-options`: what can be changed of a session that exists.

use crate::contract::exported::session_options::exports::berth::backend::session_options::Guest;
use crate::named::{Named, tag};
use crate::{Backend, OptionState, Result};

/// What can be changed of a session that exists, such as model and mode.
pub trait Options: Backend + Named<tag::Options> {
    /// The options of this session, as they are now.
    fn list_options(id: &str) -> Result<Vec<OptionState>>;

    /// Changes one of them.
    fn set_option(id: &str, name: &str, value: &str) -> Result<()>;
}

impl<T: Options> Guest for T {
    fn list_options(id: String) -> Result<Vec<OptionState>> {
        <T as Options>::list_options(&id)
    }
    fn set_option(id: String, name: String, value: String) -> Result<()> {
        <T as Options>::set_option(&id, &name, &value)
    }
}
