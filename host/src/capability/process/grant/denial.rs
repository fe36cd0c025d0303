//! Why an argument list was refused, in words that name the line of the configuration that would allow it.

use super::{Lists, MAX_ARGUMENT_BYTES, MAX_ARGUMENTS};

/// A refused argument list. Arguments in it are cut and escaped, since they are not the operator's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{program}: {reason}. {}", self.fix())]
pub struct Denial {
    /// The backend whose grant refused.
    pub backend: String,
    /// The program that was asked for.
    pub program: String,
    /// The lists that were looked at.
    pub lists: Lists,
    /// What did not fit.
    pub reason: Reason,
}

/// What did not fit. Indexes count from 1, over the whole list; arguments are quoted, escaped and cut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// More arguments than any run may have.
    #[error("{0} arguments are more than the {MAX_ARGUMENTS} that one run may have")]
    TooMany(usize),
    /// More bytes than any run may have.
    #[error("arguments of {0} bytes are more than the {MAX_ARGUMENT_BYTES} that one run may have")]
    TooLong(usize),
    /// There is nothing where a command must be.
    #[error("there is no command at argument {index}")]
    Empty {
        /// Where the command should have been.
        index: usize,
    },
    /// An argument that the program would take for the end of a command.
    #[error("argument {index}, {argument}, ends in {separator:?}, which would end the command there")]
    HiddenSeparator {
        /// Which argument it is.
        index: usize,
        /// The argument.
        argument: String,
        /// The separator of the grant.
        separator: String,
    },
    /// Granted, but only to verbs that act.
    #[error("{subcommand} is granted for control only, and what runs now may only read")]
    OnlyControl {
        /// The command's first argument.
        subcommand: String,
    },
    /// No granted list looks like this one.
    #[error("no granted argument list for {subcommand} {}", found(*index, argument.as_deref()))]
    NoPattern {
        /// The command's first argument.
        subcommand: String,
        /// The first argument that the closest pattern does not take.
        index: usize,
        /// That argument; nothing if the list ended too early.
        argument: Option<String>,
    },
    /// A value that an agent's option does not take.
    #[error("{0}")]
    OptionValue(Box<OptionValue>),
    /// A session's name that the grant's words do not take.
    #[error("{0} is not a session name that the pattern `attach` takes")]
    SessionName(String),
}

/// A value that an option does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value} is not a value that the option `{option}` of agent {agent} takes")]
pub struct OptionValue {
    /// The agent.
    pub agent: String,
    /// The option.
    pub option: String,
    /// The value.
    pub value: String,
    /// The regular expression that a value must match.
    pub expression: String,
}

/// `text` in a form for a message: at most 60 characters of it, escaped and in quotes.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    let shown: String = text.chars().take(SHOWN).collect();
    let rest = if text.chars().nth(SHOWN).is_some() { "…" } else { "" };
    format!("\"{}{rest}\"", shown.escape_debug())
}

fn found(index: usize, argument: Option<&str>) -> String {
    match argument {
        Some(argument) => format!("takes argument {index}, {argument}"),
        None => format!("ends before argument {index}"),
    }
}

impl Denial {
    fn fix(&self) -> String {
        let table = format!("[backends.{}.programs.{}]", self.backend, self.program);
        match &self.reason {
            Reason::TooMany(_) | Reason::TooLong(_) => "Split the work over several runs".to_owned(),
            Reason::Empty { .. } => "Name a command".to_owned(),
            Reason::HiddenSeparator { separator, .. } => {
                format!("Write \"\\{separator}\" at its end instead")
            }
            Reason::OnlyControl { .. } => {
                format!("To allow it while reading, copy its list to {table} read = [...]")
            }
            Reason::NoPattern { .. } => {
                let list = match self.lists {
                    Lists::Read => "read",
                    Lists::Control => "control",
                    Lists::Job => "job",
                };
                format!("To allow it, add its whole list to {table} {list} = [...]")
            }
            Reason::OptionValue(bad) => format!("Give one of the form {}", bad.expression),
            Reason::SessionName(_) => {
                format!("To allow it, widen the word that {table} attach = [...] names")
            }
        }
    }
}
