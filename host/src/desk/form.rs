//! The form in which a client shows a prompt to its person.

/// A form, whose answer comes back with a further call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// What the person reads: the whole prompt, and what each choice does.
    pub message: String,
    /// What can be chosen, each with its words.
    pub choices: Vec<(String, String)>,
    /// Several may be chosen: these are, to begin with.
    pub several: Option<Vec<String>>,
    /// What words are for, if it takes any.
    pub text: Option<&'static str>,
    /// What must come back as it is.
    pub state: String,
}
