//! How much there is to look at in what a plugin answers.

use crate::session::{
    Attention, ChangePage, ChangedFile, Choice, Content, Delivery, Description, Error, LogPage, OptionSpec,
    OptionState, Project, Prompt, QueuedMessage, Receipt, Session, Tool, ToolOutput, Turn, TurnPage, Upkept,
};

/// What each record counts for beside its texts.
const RECORD: usize = 32;

/// Something that a plugin answers.
pub(in crate::plugin) trait Weighed {
    /// Bytes of all its texts, and some for each record.
    fn weight(&self) -> usize;
}

/// Of those `fields` that have a weight.
macro_rules! weighed {
    ($($name:ty: $($field:tt),+;)+) => {
        $(impl Weighed for $name {
            fn weight(&self) -> usize {
                0 $(+ self.$field.weight())+
            }
        })+
    };
}

weighed! {
    (String, String): 0, 1;
    (String, Error): 0, 1;
    Session:
        id, name, agent, directory, project, parent, summary, task, last_output, prompts, attention, queue, url, facts;
    Prompt: id, question, detail, choices, text_schema, group, facts;
    Choice: key, label, description;
    Attention: kind, reason;
    QueuedMessage: id, text;
    Project: name, directory, branch, agents, facts;
    // Its text is only measured.
    LogPage: next;
    TurnPage: turns;
    Turn: id, text, tool, message, facts;
    // As that of a log.
    ChangePage: base, head, files, next;
    ChangedFile: path;
    OptionState: name, about, values, value;
    Delivery: after, facts;
    ToolOutput: content, structured, session, facts;
    Upkept: changed;
    Description: about, version, options, views, tools, facts;
    OptionSpec: name, about, agent, values, initial;
    Tool: name, title, description, input_schema, output_schema;
}

impl Weighed for () {
    fn weight(&self) -> usize {
        0
    }
}

impl Weighed for Receipt {
    fn weight(&self) -> usize {
        0
    }
}

impl Weighed for String {
    fn weight(&self) -> usize {
        self.len()
    }
}

impl<T: Weighed> Weighed for Option<T> {
    fn weight(&self) -> usize {
        self.as_ref().map_or(0, T::weight)
    }
}

impl<T: Weighed> Weighed for Vec<T> {
    fn weight(&self) -> usize {
        self.iter().map(|item| RECORD + item.weight()).sum()
    }
}

impl Weighed for Content {
    fn weight(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            // Bytes are only measured.
            Self::Media { media_type, .. } => media_type.len(),
            Self::Link { url, title } => url.len() + title.len(),
        }
    }
}

impl Weighed for Error {
    fn weight(&self) -> usize {
        match self {
            Self::NotFound(why)
            | Self::Invalid(why)
            | Self::Refused(why)
            | Self::Denied(why)
            | Self::Unavailable(why)
            | Self::Unauthenticated(why)
            | Self::Conflict(why)
            | Self::TimedOut(why)
            | Self::Failed(why) => why.len(),
            Self::Limited { which, .. } => which.len(),
            Self::Other { kind, what } => kind.len() + what.len(),
            Self::Unsupported | Self::Busy => 0,
        }
    }
}
