//! One argument of a pattern: a literal, or a literal with one `<word>` in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::Regex;

/// What is around an expression that must match a whole value.
const WHOLE_BEGINS: &str = r"\A(?:";
const WHOLE_ENDS: &str = r")\z";

/// The words that patterns may use: anchored regular expressions by name.
#[derive(Debug, Clone, Default)]
pub struct Words(BTreeMap<String, Arc<Regex>>);

/// A word that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadWord {
    /// A name that cannot be written between `<` and `>`.
    #[error("a word's name has only a-z, 0-9 and _, and begins with a letter")]
    Name,
    /// An expression that does not compile.
    #[error(
        "{expression:?} is not a regular expression of the regex crate ({})",
        last_line(cause)
    )]
    Expression {
        /// The expression as written.
        expression: String,
        /// What is wrong with it.
        cause: Box<regex::Error>,
    },
}

/// An argument of a pattern that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadTemplate {
    /// A `<word>` that `words` does not hold.
    #[error("<{word}> is not among the words ({known}): add {word} = \"…\" to `words`")]
    UnknownWord {
        /// The unknown word.
        word: String,
        /// The known ones.
        known: String,
    },
    /// More than one `<word>` in one argument.
    #[error("{0:?} has two words in one argument: make them one word")]
    TwoWords(String),
}

impl Words {
    /// Compiles one word and adds it. The expression must match a whole value.
    ///
    /// # Errors
    /// A [`BadWord`] when the name or the expression is wrong.
    pub fn add(&mut self, name: &str, expression: &str) -> Result<(), BadWord> {
        if !is_word_name(name) {
            return Err(BadWord::Name);
        }
        let bad = |cause| BadWord::Expression {
            expression: expression.to_owned(),
            cause: Box::new(cause),
        };
        // Compiled alone first: "a)|(b" would be valid only inside the anchored group, and break out of it.
        Regex::new(expression).map_err(bad)?;
        let anchored = Regex::new(&format!("{WHOLE_BEGINS}{expression}{WHOLE_ENDS}")).map_err(bad)?;
        self.0.insert(name.to_owned(), Arc::new(anchored));
        Ok(())
    }

    fn get(&self, name: &str) -> Result<Arc<Regex>, BadTemplate> {
        self.0.get(name).cloned().ok_or_else(|| BadTemplate::UnknownWord {
            word: name.to_owned(),
            known: self.0.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        })
    }
}

/// What one argument must look like.
#[derive(Debug, Clone)]
pub(super) enum Template {
    /// Exactly this.
    Literal(String),
    /// A value of the word, between two literals that may be empty.
    Word {
        before: String,
        word: Arc<Regex>,
        after: String,
    },
}

impl Template {
    /// Reads an argument as it is written in the configuration.
    pub(super) fn parse(written: &str, words: &Words) -> Result<Template, BadTemplate> {
        let Some((before, name, after)) = split_word(written) else {
            return Ok(Template::Literal(written.to_owned()));
        };
        if split_word(after).is_some() {
            return Err(BadTemplate::TwoWords(written.to_owned()));
        }
        Ok(Template::Word {
            before: before.to_owned(),
            word: words.get(name)?,
            after: after.to_owned(),
        })
    }

    pub(super) fn matches(&self, arg: &str) -> bool {
        match self {
            Template::Literal(literal) => literal == arg,
            Template::Word { word, .. } => self.value(arg).is_some_and(|value| word.is_match(value)),
        }
    }

    /// The part of `arg` where this template has its word.
    pub(super) fn value<'a>(&self, arg: &'a str) -> Option<&'a str> {
        match self {
            Template::Literal(_) => None,
            Template::Word { before, after, .. } => arg.strip_prefix(before.as_str())?.strip_suffix(after.as_str()),
        }
    }

    /// The expression of its word, as it is written.
    pub(super) fn expression(&self) -> Option<&str> {
        match self {
            Template::Literal(_) => None,
            Template::Word { word, .. } => word.as_str().strip_prefix(WHOLE_BEGINS)?.strip_suffix(WHOLE_ENDS),
        }
    }

    /// The argument with `value` as its word; none when the word does not take it.
    pub(super) fn fill(&self, value: &str) -> Option<String> {
        match self {
            Template::Literal(literal) => Some(literal.clone()),
            Template::Word { before, word, after } => word.is_match(value).then(|| format!("{before}{value}{after}")),
        }
    }
}

/// Splits `text` at its first `<word>`: what is before it, its name, what is after it.
pub(super) fn split_word(text: &str) -> Option<(&str, &str, &str)> {
    text.match_indices('<').find_map(|(at, _)| {
        let (name, after) = text[at + 1..].split_once('>')?;
        is_word_name(name).then_some((&text[..at], name, after))
    })
}

fn is_word_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// A regex error draws the expression over several lines; its last one says what is wrong.
fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines()
        .last()
        .unwrap_or_default()
        .trim_start_matches("error: ")
        .to_owned()
}
