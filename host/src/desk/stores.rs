//! What the desk keeps in files.

use super::forms::Forms;
use crate::store;

/// What the desk keeps in files.
pub struct Stores {
    /// The messages that wait.
    pub outbox: store::Outbox,
    /// The calls that were answered with a task.
    pub tasks: store::Tasks,
    /// The forms that are out; none: no client is given one.
    pub forms: Option<Forms>,
}

impl Stores {
    /// Those that nothing outlives, for who only looks at what a configuration gives.
    ///
    /// # Errors
    /// SQLite does not work.
    pub fn in_memory() -> Result<Self, store::Error> {
        Ok(Self {
            outbox: store::Outbox::in_memory()?,
            tasks: store::Tasks::in_memory()?,
            forms: None,
        })
    }
}
