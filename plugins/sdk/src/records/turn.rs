//! A turn of a conversation.

use crate::{Role, Timestamp, Turn};

impl Turn {
    /// A whole turn. The text of a tool says what it did, in a line or two.
    #[must_use]
    pub fn new(id: impl Into<String>, role: Role, text: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            at: None,
            role,
            text: text.into(),
            tool: None,
            failed: false,
            message: None,
            facts: Vec::new(),
        }
    }
}

setters!(Turn {
    /// When it was.
    at: (some Timestamp),
    /// The name of the tool.
    tool: (some text),
    /// The tool failed.
    failed: (yes),
    /// The id of the message that it is, or that it answers.
    message: (some text),
});
facts!(Turn);
