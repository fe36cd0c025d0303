use super::Facts;

/// A tool that only one plugin has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// What it does, for a model.
    pub description: String,
    /// JSON Schema of its arguments, as text.
    pub input_schema: String,
    /// JSON Schema of its data, as text.
    pub output_schema: Option<String>,
    /// Its plugin says that it changes nothing.
    pub only_reads: bool,
    /// It may end or overwrite something.
    pub destructive: bool,
    /// Calling it twice has the same effect as calling it once.
    pub idempotent: bool,
    /// It reaches things outside of its plugin's own domain.
    pub open_world: bool,
}

/// A call of such a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// A UUID, by which a plugin knows a call that is repeated.
    pub id: String,
    /// The tool.
    pub name: String,
    /// A JSON object.
    pub arguments: String,
}

/// What an own tool answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolOutput {
    /// For whoever reads it.
    pub content: Vec<Content>,
    /// A JSON object.
    pub structured: Option<String>,
    /// It says that it failed.
    pub failed: bool,
    /// The session that continues its work.
    pub session: Option<String>,
    /// Anything else that it says.
    pub facts: Facts,
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Words.
    Text(String),
    /// Bytes of a media type.
    Media {
        /// The type.
        media_type: String,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// An address.
    Link {
        /// The address.
        url: String,
        /// What it leads to.
        title: String,
    },
}
