//! What callers are told became of a deed.

/// What kind of deed it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A session was started.
    Start,
    /// A message was typed, or was to be, into a new session too.
    Message,
    /// A prompt was answered.
    Answer,
    /// A session was interrupted, or messages that waited for it were dropped.
    Interrupt,
    /// One message that waited was taken back.
    Cancel,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// The agent was seen to take the message.
    Submitted,
    /// It was seen to take effect.
    Confirmed,
    /// It waits behind others.
    Queued,
    /// It was done, or perhaps done, and was not seen to take effect.
    Unconfirmed,
    /// The session was started; its first message was not typed.
    NotSent,
}

impl Kind {
    /// What a person is told of its `receipt`, in a line of its own.
    pub(crate) fn line(self, receipt: &str) -> Option<String> {
        let what = match self {
            // There is the session to see.
            Self::Start if receipt == Receipt::Confirmed.name() => return None,
            Self::Start => "Start",
            Self::Message => "Message",
            Self::Answer => "Answer",
            Self::Interrupt => "Interrupt",
            Self::Cancel => "Cancel",
        };
        Some(line(what, receipt))
    }
}

impl Receipt {
    /// Its name in answers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Confirmed => "confirmed",
            Self::Queued => "queued",
            Self::Unconfirmed => "unconfirmed",
            Self::NotSent => "not_sent",
        }
    }
}

/// What a person is told of the `receipt` of `what` was done.
pub(crate) fn line(what: &str, receipt: &str) -> String {
    format!("{what}: {}.", receipt.replace('_', " "))
}
