//! The texts of a configuration and the place of each of its keys, so that every error can say file, line and key.

use std::collections::BTreeMap;
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
    /// The line, counted from 1; nothing if the error is about the whole file.
    pub line: Option<usize>,
    /// The key, such as `backends.local.directories[0]`; nothing if the error is not about a key.
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

/// The texts of a configuration, the one that counts first, each with the name by which the operator knows it. Their
/// bytes are numbered continuously, so that an offset gives text and line.
pub(super) struct Sources(Vec<Source>);

struct Source {
    file: String,
    /// How many bytes precede this text.
    start: usize,
    /// The text after that many spaces, so that its parser continues to count from the text before.
    padded: String,
}

/// A key of a configuration, whether it is written or not.
#[derive(Clone)]
pub struct At {
    places: Arc<Places>,
    steps: Vec<Step>,
}

/// Where each key is.
struct Places {
    sources: Arc<Sources>,
    starts: BTreeMap<Vec<Step>, usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Key(String),
    Item(usize),
}

impl Sources {
    /// Takes names and texts.
    pub(super) fn new<'a>(texts: impl IntoIterator<Item = (String, &'a str)>) -> Self {
        let mut start = 0;
        let source = |(file, text): (String, &str)| {
            // The mark that some editors write before the first character is allowed only there.
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            let source = Source {
                file,
                start,
                padded: " ".repeat(start) + text,
            };
            // One more, so that the end of a text is not the start of the next one.
            start = source.padded.len() + 1;
            source
        };
        Self(texts.into_iter().map(source).collect())
    }

    /// The text of this index as a table.
    pub(super) fn parse(&self, index: usize) -> Result<DeTable<'_>, ConfigError> {
        let text = &self.0[index].padded;
        let parsed = DeTable::parse(text).map_err(|error| {
            let key = start_of(&error).and_then(|at| key_written_at(text, at));
            self.wrong(&error, index, key)
        })?;
        Ok(parsed.into_inner())
    }

    /// The name of the text and the line at `offset`.
    fn place(&self, offset: usize) -> Option<(&str, usize)> {
        let source = self.0.iter().rfind(|source| source.start <= offset)?;
        Some((&source.file, line_of(&source.padded, offset)))
    }

    /// What a parser says, with its place; otherwise for the whole text of this index.
    fn wrong(&self, error: &toml::de::Error, index: usize, key: Option<String>) -> ConfigError {
        let place = start_of(error).and_then(|at| self.place(at));
        ConfigError {
            file: place.map_or(&*self.0[index].file, |(file, _)| file).to_owned(),
            line: place.map(|(_, line)| line),
            key,
            message: with_fix(error.message()),
        }
    }
}

fn start_of(error: &toml::de::Error) -> Option<usize> {
    error.span().map(|span| span.start)
}

/// Reads `table`, which was made from `sources`, as a `T`, with serde. It also returns the top of the whole.
pub(super) fn read<T: DeserializeOwned>(sources: &Arc<Sources>, table: DeTable<'_>) -> Result<(T, At), ConfigError> {
    let root = Spanned::new(0..0, table);
    let value = T::deserialize(toml::de::Deserializer::from(root.clone())).map_err(|error| {
        let key = start_of(&error).and_then(|at| deepest(&entries(root.get_ref()), at));
        sources.wrong(&error, 0, key.map(|steps| written(&steps)))
    })?;
    let mut starts = BTreeMap::new();
    note_starts(&entries(root.get_ref()), &[], &mut starts);
    let places = Places {
        sources: sources.clone(),
        starts,
    };
    let top = At {
        places: Arc::new(places),
        steps: Vec::new(),
    };
    Ok((value, top))
}

fn note_starts(entries: &[Entry<'_>], above: &[Step], starts: &mut BTreeMap<Vec<Step>, usize>) {
    for entry in entries {
        let steps = [above, std::slice::from_ref(&entry.step)].concat();
        note_starts(&entry.inside(), &steps, starts);
        starts.insert(steps, entry.start);
    }
}

impl At {
    /// A key of the table here.
    pub(crate) fn key(&self, name: &str) -> At {
        self.step(Step::Key(name.to_owned()))
    }

    /// An item of the array here, counted from 0.
    pub(crate) fn item(&self, index: usize) -> At {
        self.step(Step::Item(index))
    }

    /// An error about the key here. If that is not written, the line is that of the table in which it should be.
    pub(crate) fn error(&self, message: impl fmt::Display) -> ConfigError {
        let place = self.places.sources.place(self.offset());
        ConfigError {
            file: place.map_or_else(String::new, |(file, _)| file.to_owned()),
            line: place.map(|(_, line)| line),
            key: (!self.steps.is_empty()).then(|| written(&self.steps)),
            message: message.to_string(),
        }
    }

    fn step(&self, step: Step) -> At {
        let mut steps = self.steps.clone();
        steps.push(step);
        At {
            places: self.places.clone(),
            steps,
        }
    }

    fn offset(&self) -> usize {
        let mut ends = (0..=self.steps.len()).rev();
        ends.find_map(|end| self.places.starts.get(&self.steps[..end]).copied())
            .unwrap_or(0)
    }
}

/// Its key; the text is left out.
impl fmt::Debug for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&written(&self.steps))
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

/// The steps to the innermost entry whose key or value holds the byte `at`. A table's span is only its header, so its
/// contents are always looked at.
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

/// The key that the byte `at` belongs to, for a text that does not parse: a header's path or the text before `=`.
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

/// serde and toml say what is wrong; this adds what to do if they do not.
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
