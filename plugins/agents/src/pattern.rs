//! Patterns of a profile: regular expressions for one line, of which many are plain text.

use std::cell::OnceCell;

use regex_lite::Regex;
use serde::{Deserialize, Deserializer};

/// A pattern of a profile.
#[derive(Debug, Default)]
pub(crate) enum Pattern {
    /// Matches nothing.
    #[default]
    Unset,
    /// Many are plain text, which is found far faster than an expression.
    Text(String),
    Expression(Expression),
}

/// A regular expression that is compiled when it is first needed: a call needs few of an agent's, and compiling one
/// costs more than everything that is searched with it.
#[derive(Debug)]
pub(crate) struct Expression {
    text: String,
    compiled: OnceCell<Option<Regex>>,
}

impl Expression {
    /// Empty if it is not a regular expression, which [`Pattern::check`] reports.
    fn regex(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| Regex::new(&self.text).ok()).as_ref()
    }
}

impl Pattern {
    /// Makes sure that it can be used.
    ///
    /// # Errors
    /// It is not a regular expression: its text, and why.
    pub(crate) fn check(&self) -> Result<(), (String, regex_lite::Error)> {
        match self {
            Self::Unset | Self::Text(_) => Ok(()),
            Self::Expression(expression) => match Regex::new(&expression.text) {
                Ok(_) => Ok(()),
                Err(error) => Err((expression.text.clone(), error)),
            },
        }
    }

    pub(crate) fn matches(&self, line: &str) -> bool {
        match self {
            Self::Unset => false,
            Self::Text(text) => line.contains(text),
            Self::Expression(expression) => expression.regex().is_some_and(|regex| regex.is_match(line)),
        }
    }

    /// The number in the group `name` of the first match; 0 if there is none.
    pub(crate) fn number(&self, line: &str, name: &str) -> Option<usize> {
        let Self::Expression(expression) = self else {
            return self.matches(line).then_some(0);
        };
        let group = expression.regex()?.captures(line)?.name(name);
        Some(group.and_then(|group| group.as_str().parse().ok()).unwrap_or(0))
    }

    pub(crate) fn is_set(&self) -> bool {
        !matches!(self, Self::Unset)
    }

    /// The first match.
    pub(crate) fn found<'a>(&self, line: &'a str) -> Option<&'a str> {
        match self {
            Self::Unset => None,
            Self::Text(text) => line.find(text).map(|at| &line[at..at + text.len()]),
            Self::Expression(expression) => Some(expression.regex()?.find(line)?.as_str()),
        }
    }

    /// The end of the first match, in bytes.
    pub(crate) fn end_of_match(&self, line: &str) -> Option<usize> {
        match self {
            Self::Unset => None,
            Self::Text(text) => Some(line.find(text)? + text.len()),
            Self::Expression(expression) => Some(expression.regex()?.find(line)?.end()),
        }
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else {
            return Ok(Self::Unset);
        };
        if regex_lite::escape(&text) == text {
            return Ok(Self::Text(text));
        }
        let compiled = OnceCell::new();
        Ok(Self::Expression(Expression { text, compiled }))
    }
}
