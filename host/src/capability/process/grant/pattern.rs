//! A pattern: what a whole argument list must look like to be allowed.

use std::fmt;
use std::path::{Component, Path};

use super::agent::{AgentCommand, BadValue};
use super::template::{BadTemplate, Template, Words};

/// One allowed argument list: literals, `<word>`s, `@text` (one argument without control characters except tab and
/// newline), `@directory` (an absolute path without `..`, which must lie in a granted directory) and, last, `@agent` (an
/// agent's command with its options).
#[derive(Debug, Clone)]
pub struct Pattern {
    written: Vec<String>,
    arguments: Vec<Argument>,
    ends_in_agent: bool,
}

/// A pattern that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadPattern {
    /// An empty list.
    #[error("an empty list allows nothing: name the arguments, or leave the list out")]
    Empty,
    /// `@agent` before the end.
    #[error("\"@agent\" must be the last argument, since it takes all that follow")]
    AgentNotLast,
    /// A marker that does not exist.
    #[error("{0:?} means nothing here: there are \"@text\", \"@directory\" and \"@agent\"")]
    UnknownMarker(String),
    /// A marker where only literals and words are allowed.
    #[error("\"@text\", \"@directory\" and \"@agent\" mean nothing here: write literals and <word>s")]
    Marker,
    /// An argument that is wrong by itself.
    #[error(transparent)]
    Template(#[from] BadTemplate),
}

#[derive(Debug, Clone)]
enum Argument {
    Text,
    Directory,
    Template(Template),
}

impl Pattern {
    /// Reads a pattern as it is written in the configuration.
    ///
    /// # Errors
    /// A [`BadPattern`] that says what is wrong with it.
    pub fn parse(written: &[String], words: &Words) -> Result<Pattern, BadPattern> {
        let (ends_in_agent, listed) = match written.split_last() {
            None => return Err(BadPattern::Empty),
            Some((last, rest)) if last == "@agent" => (true, rest),
            Some(_) => (false, written),
        };
        let arguments = listed
            .iter()
            .map(|argument| Argument::parse(argument, words))
            .collect::<Result<_, _>>()?;
        Ok(Pattern {
            written: written.to_vec(),
            arguments,
            ends_in_agent,
        })
    }

    /// Reads a pattern that [`Grant::attach_args`](super::Grant::attach_args) can fill: literals and words only.
    ///
    /// # Errors
    /// A [`BadPattern`], also for `@text`, `@directory` and `@agent`.
    pub fn parse_fillable(written: &[String], words: &Words) -> Result<Pattern, BadPattern> {
        let pattern = Pattern::parse(written, words)?;
        if pattern.ends_in_agent
            || pattern
                .arguments
                .iter()
                .any(|argument| !matches!(argument, Argument::Template(_)))
        {
            return Err(BadPattern::Marker);
        }
        Ok(pattern)
    }

    /// The arguments as they are written in the configuration.
    pub fn written(&self) -> &[String] {
        &self.written
    }

    /// Whether the pattern has `@agent`.
    pub fn takes_agent(&self) -> bool {
        self.ends_in_agent
    }

    /// Whether `args` is what the pattern says, from its first argument to its last.
    pub(super) fn matches(&self, args: &[String], agents: &[AgentCommand]) -> bool {
        let Some((listed, rest)) = args.split_at_checked(self.arguments.len()) else {
            return false;
        };
        let ends_well = if self.ends_in_agent {
            agents.iter().any(|agent| agent.matches(rest))
        } else {
            rest.is_empty()
        };
        ends_well && self.leading(listed) == listed.len()
    }

    /// The arguments of `args`, which this matches, that must be granted directories.
    pub(super) fn directories<'a>(&self, args: &'a [String]) -> Vec<&'a str> {
        let arguments = self.arguments.iter().zip(args);
        let named = arguments.filter(|(argument, _)| matches!(argument, Argument::Directory));
        named.map(|(_, arg)| arg.as_str()).collect()
    }

    /// Where `args`, which this matches, have the words of an agent's command that name the entry for this server.
    pub(super) fn entry_places(&self, args: &[String], agents: &[AgentCommand]) -> Vec<usize> {
        let listed = self.arguments.len();
        let mut agents = agents.iter().filter(|_| self.ends_in_agent);
        let agent = agents.find(|agent| agent.matches(&args[listed..]));
        let places = agent.into_iter().flat_map(AgentCommand::entry_places);
        places.map(|place| listed + place).collect()
    }

    /// How many arguments from the first one on are as the pattern says.
    pub(super) fn fitting(&self, args: &[String], agents: &[AgentCommand]) -> usize {
        let leading = self.leading(args);
        if !self.ends_in_agent || leading < self.arguments.len() {
            return leading;
        }
        leading
            + agents
                .iter()
                .map(|agent| agent.fitting(&args[leading..]))
                .max()
                .unwrap_or(0)
    }

    /// The agent's option whose value is all that does not fit, if there is one.
    pub(super) fn bad_value(&self, args: &[String], agents: &[AgentCommand]) -> Option<(String, BadValue)> {
        let leading = self.leading(args);
        if !self.ends_in_agent || leading < self.arguments.len() {
            return None;
        }
        let bad = |agent: &AgentCommand| Some((agent.name.clone(), agent.bad_value(&args[leading..])?));
        agents.iter().find_map(bad)
    }

    /// The pattern's arguments with `value` as each of its words; none when a word does not take it.
    pub(super) fn fill(&self, value: &str) -> Option<Vec<String>> {
        let fill = |argument: &Argument| match argument {
            Argument::Template(template) => template.fill(value),
            Argument::Text | Argument::Directory => None,
        };
        self.arguments.iter().map(fill).collect()
    }

    fn leading(&self, args: &[String]) -> usize {
        self.arguments
            .iter()
            .zip(args)
            .take_while(|(argument, arg)| argument.matches(arg))
            .count()
    }
}

impl fmt::Display for Pattern {
    /// As in the configuration: `["capture-pane", "-p"]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.written).finish()
    }
}

impl Argument {
    fn parse(written: &str, words: &Words) -> Result<Argument, BadPattern> {
        match written.strip_prefix('@') {
            Some("text") => Ok(Argument::Text),
            Some("directory") => Ok(Argument::Directory),
            Some("agent") => Err(BadPattern::AgentNotLast),
            Some(name) if name.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                Err(BadPattern::UnknownMarker(written.to_owned()))
            }
            _ => Ok(Argument::Template(Template::parse(written, words)?)),
        }
    }

    fn matches(&self, arg: &str) -> bool {
        match self {
            Argument::Text => arg.chars().all(|c| !c.is_control() || c == '\t' || c == '\n'),
            Argument::Directory => is_plain_path(arg),
            Argument::Template(template) => template.matches(arg),
        }
    }
}

/// Whether `arg` is an absolute path that never goes up. Where it leads is seen when it is used.
fn is_plain_path(arg: &str) -> bool {
    let goes_up = || Path::new(arg).components().any(|step| step == Component::ParentDir);
    arg.starts_with('/') && !arg.chars().any(char::is_control) && !goes_up()
}
