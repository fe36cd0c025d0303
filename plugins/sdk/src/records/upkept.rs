//! The answer of `upkeep`.

use crate::{Timestamp, Upkept};

impl Upkept {
    /// Nothing changed, and nothing is due before the next event.
    #[must_use]
    pub fn new() -> Self {
        Self {
            next: None,
            changed: Vec::new(),
        }
    }

    /// Adds a session that changed, by its id.
    #[must_use]
    pub fn changed(mut self, session: impl Into<String>) -> Self {
        self.changed.push(session.into());
        self
    }
}

impl Default for Upkept {
    fn default() -> Self {
        Self::new()
    }
}

setters!(Upkept {
    /// When to be called again.
    next: (some Timestamp),
});
