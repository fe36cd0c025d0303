//! What became of a message or an answer.

use crate::{Delivery, Receipt};

impl Delivery {
    /// It was seen to take effect.
    #[must_use]
    pub fn confirmed() -> Self {
        Self::new(Receipt::Confirmed)
    }

    /// It waits behind others, and shows in the session's queue.
    #[must_use]
    pub fn queued() -> Self {
        Self::new(Receipt::Queued)
    }

    /// It was done, or perhaps done, and was not seen to take effect.
    #[must_use]
    pub fn unconfirmed() -> Self {
        Self::new(Receipt::Unconfirmed)
    }

    fn new(receipt: Receipt) -> Self {
        Self {
            receipt,
            after: None,
            facts: Vec::new(),
        }
    }
}

setters!(Delivery {
    /// The log cursor just before it.
    after: (some text),
});
facts!(Delivery);
