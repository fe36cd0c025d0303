//! The text of a configuration and where each of its keys stands, so that every error can say file, line and key.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What is wrong with a configuration, where, and what to do: `config.toml:14: backends.local.plugin: …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}{}: {message}", prefixed(":", *line), prefixed(": ", key.as_ref()))]
pub struct ConfigError {
    /// The file, as the operator knows it.
    pub file: String,
    /// The line, counted from 1; none where the file as a whole is meant.
    pub line: Option<usize>,
    /// The key, such as `backends.local.directories[0]`; none where no key is meant.
    pub key: Option<String>,
    /// What is wrong with it, and what to do.
    pub message: String,
}

impl ConfigError {
    /// An error about the file as a whole.
    pub(crate) fn whole(file: impl fmt::Display, message: impl fmt::Display) -> ConfigError {
        ConfigError {
            file: file.to_string(),
            line: None,
            key: None,
            message: message.to_string(),
        }
    }
}

/// A text that parses, and the name by which the operator knows it.
struct Source {
    file: String,
    text: String,
}

/// A key of a configuration, whether it stands there or not.
#[derive(Clone)]
pub struct At {
    source: Arc<Source>,
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
enum Step {
    Key(String),
    Item(usize),
}

/// Reads `text`, which came from `file`, as a `T`, by serde; beside it the top of the text.
pub(super) fn read<T: DeserializeOwned>(file: &str, text: &str) -> Result<(T, At), ConfigError> {
    let wrong = |error: &toml::de::Error, key: Option<String>| ConfigError {
        file: file.to_owned(),
        line: error.span().map(|span| line_of(text, span.start)),
        key,
        message: with_fix(error.message()),
    };
    let start = |error: &toml::de::Error| error.span().map(|span| span.start);
    let root =
        DeTable::parse(text).map_err(|error| wrong(&error, start(&error).and_then(|at| key_written_at(text, at))))?;
    let value = T::deserialize(toml::de::Deserializer::from(root.clone())).map_err(|error| {
        let key = start(&error).and_then(|at| deepest(&entries(root.get_ref()), at));
        wrong(&error, key.map(|steps| written(&steps)))
    })?;
    let source = Source {
        file: file.to_owned(),
        text: text.to_owned(),
    };
    let top = At {
        source: Arc::new(source),
        steps: Vec::new(),
    };
    Ok((value, top))
}

impl At {
    /// A key of the table that stands here.
    pub(crate) fn key(&self, name: &str) -> At {
        self.step(Step::Key(name.to_owned()))
    }

    /// An item of the array that stands here, counted from 0.
    pub(crate) fn item(&self, index: usize) -> At {
        self.step(Step::Item(index))
    }

    /// An error about what stands here. Where nothing does, its line is that of the table it should stand in.
    pub(crate) fn error(&self, message: impl fmt::Display) -> ConfigError {
        ConfigError {
            file: self.source.file.clone(),
            line: Some(line_of(&self.source.text, self.offset())),
            key: (!self.steps.is_empty()).then(|| written(&self.steps)),
            message: message.to_string(),
        }
    }

    fn step(&self, step: Step) -> At {
        let mut steps = self.steps.clone();
        steps.push(step);
        At {
            source: self.source.clone(),
            steps,
        }
    }

    /// It is looked for only when there is an error to tell.
    fn offset(&self) -> usize {
        let Ok(root) = DeTable::parse(&self.source.text) else {
            return 0;
        };
        let mut offset = 0;
        let mut inside = entries(root.get_ref());
        for step in &self.steps {
            let Some(entry) = inside.into_iter().find(|entry| entry.step.is(step)) else {
                break;
            };
            offset = entry.start;
            inside = entry.inside();
        }
        offset
    }
}

/// Its key; the text is left out.
impl fmt::Debug for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source.file, written(&self.steps))
    }
}

impl Step {
    fn is(&self, other: &Step) -> bool {
        match (self, other) {
            (Step::Key(one), Step::Key(two)) => one == two,
            (Step::Item(one), Step::Item(two)) => one == two,
            _ => false,
        }
    }
}

/// One key of a table or item of an array.
struct Entry<'a> {
    step: Step,
    start: usize,
    key: std::ops::Range<usize>,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Entry<'a> {
    fn inside(&self) -> Vec<Entry<'a>> {
        match self.value.get_ref() {
            DeValue::Table(table) => entries(table),
            DeValue::Array(array) => array
                .iter()
                .enumerate()
                .map(|(index, value)| item(index, value))
                .collect(),
            _ => Vec::new(),
        }
    }
}

fn entries<'a>(table: &'a DeTable<'a>) -> Vec<Entry<'a>> {
    let entry = |(key, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
        let name: &std::borrow::Cow<'a, str> = key.get_ref();
        Entry {
            step: Step::Key(name.to_string()),
            start: key.span().start,
            key: key.span(),
            value,
        }
    };
    table.iter().map(entry).collect()
}

fn item<'a>(index: usize, value: &'a Spanned<DeValue<'a>>) -> Entry<'a> {
    Entry {
        step: Step::Item(index),
        start: value.span().start,
        key: value.span(),
        value,
    }
}

/// The steps to the innermost entry whose key or value holds the byte `at`. A table's span is its header alone, so
/// what lies within is looked at in any case.
fn deepest(entries: &[Entry<'_>], at: usize) -> Option<Vec<Step>> {
    entries.iter().find_map(|entry| {
        let here = || entry.key.contains(&at) || entry.value.span().contains(&at);
        let within = deepest(&entry.inside(), at).or_else(|| here().then(Vec::new))?;
        Some(std::iter::once(entry.step.clone()).chain(within).collect())
    })
}

fn written(steps: &[Step]) -> String {
    let mut key = String::new();
    for step in steps {
        match step {
            Step::Item(index) => key.push_str(&format!("[{index}]")),
            Step::Key(name) if key.is_empty() => key.push_str(name),
            Step::Key(name) => key.push_str(&format!(".{name}")),
        }
    }
    key
}

/// The key that the byte `at` belongs to, for a text that does not parse: a header's path or what stands before `=`.
fn key_written_at(text: &str, at: usize) -> Option<String> {
    let line = text.lines().nth(line_of(text, at) - 1)?.trim();
    let header = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map(|(path, _)| path);
    let key = header.or_else(|| line.split_once('=').map(|(key, _)| key))?.trim();
    (!key.is_empty()).then(|| key.to_owned())
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// serde and toml say what is wrong; this adds what to do where they do not.
fn with_fix(message: &str) -> String {
    let fixes = [
        ("duplicate key", ": it stands there twice, so rename or remove one"),
        ("unknown field", ": correct or remove it"),
        ("missing field", ": add it"),
        ("invalid ", ", as the shipped config.toml shows"),
    ];
    let fix = fixes
        .iter()
        .find(|(beginning, _)| message.starts_with(beginning))
        .map_or("", |(_, fix)| fix);
    let message = message
        .lines()
        .collect::<Vec<_>>()
        .join(" ")
        .replace("expected u64", "expected a whole number");
    format!("{message}{fix}")
}

fn prefixed(before: &str, value: Option<impl fmt::Display>) -> String {
    value.map(|value| format!("{before}{value}")).unwrap_or_default()
}
