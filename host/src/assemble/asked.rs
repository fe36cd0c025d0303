//! Compares what a plugin asks for with what its backend is granted.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::directories;
use super::granted::Granted;
use crate::capability::files::Folder;
use crate::capability::process::grant::{Grant, Pattern};
use crate::text;

/// Lines that are shown.
const LINES: usize = 20;
/// Characters of one.
const LINE: usize = 300;

impl Granted {
    /// What this backend is not granted of `asked`, the keys of a `[backends.NAME]` table: one line for each, which
    /// begins with the key. `asked` may be hostile; a value whose form is wrong for its key is not granted either.
    pub fn not_granted(&self, asked: &Map<String, Value>) -> Vec<String> {
        let mut missing = Missing::default();
        for (key, value) in asked {
            match key.as_str() {
                "agents" => missing.all_of(key, value, |agent| {
                    self.written.agents.iter().any(|granted| granted == agent)
                }),
                "directories" => missing.all_of(key, value, |path| self.reaches(path)),
                "files" => self.files_missing(value, &mut missing),
                "env" => missing.all_of(key, value, |name| self.inherits(name)),
                "guest_env" => missing.all_of(key, value, |name| {
                    self.written.guest_env.iter().any(|granted| granted == name)
                }),
                "read_tools" => missing.all_of(key, value, |tool| {
                    self.written.read_tools.iter().any(|granted| granted == tool)
                }),
                "remote_trust" => missing.one(key, value, !self.written.remote_trust && *value != Value::Bool(false)),
                "nested" => missing.one(key, value, !self.written.nested && *value != Value::Bool(false)),
                "programs" => self.programs_missing(value, &mut missing),
                "hosts" => missing.one(key, value, self.written.hosts.is_empty()),
                // The operator chooses bounds and files.
                "limits" | "env_file" => {}
                _ => missing.one(key, value, true),
            }
        }
        missing.told()
    }

    fn reaches(&self, asked: &str) -> bool {
        let within = |path: PathBuf| self.directories.iter().any(|granted| path.starts_with(granted));
        self.meant(asked).is_some_and(within)
    }

    /// The place that `asked` means. On a host nobody has looked, so it is what is written.
    fn meant(&self, asked: &str) -> Option<PathBuf> {
        match self.is_here() {
            true => meant(asked),
            false => Some(PathBuf::from(asked)),
        }
    }

    /// Folders with the same form of a name, or a directory that holds them.
    fn files_missing(&self, asked: &Value, missing: &mut Missing) {
        let Some(entries) = asked.as_array() else {
            return missing.one("files", asked, true);
        };
        for entry in entries {
            let text = |key: &str| entry.get(key).and_then(Value::as_str);
            let is_granted = |under: PathBuf, names: &str| {
                let is_same = |folder: &Folder| folder.names.to_string() == names && under.starts_with(&folder.under);
                self.files.iter().any(is_same) || self.directories.iter().any(|granted| under.starts_with(granted))
            };
            let granted = text("under").and_then(|under| self.meant(under)).zip(text("names"));
            let granted = granted.is_some_and(|(under, names)| is_granted(under, names));
            missing.one("files", entry, !granted);
        }
    }

    /// Whether its programs get the variables of a name, or of a beginning with `*`.
    fn inherits(&self, asked: &str) -> bool {
        let secret = self.env_file.iter().flat_map(|file| &file.variables);
        let covers = |granted: &String| match granted.strip_suffix('*') {
            Some(beginning) => asked.starts_with(beginning),
            None => granted == asked,
        };
        self.written.env.iter().any(covers) || secret.into_iter().any(|(name, _)| name == asked)
    }

    fn programs_missing(&self, asked: &Value, missing: &mut Missing) {
        let Some(programs) = asked.as_object() else {
            return missing.one("programs", asked, true);
        };
        for (name, asked) in programs {
            let key = format!("programs.{name}");
            match (self.programs.get(name), asked.as_object()) {
                (Some(grant), Some(asked)) => program_missing(grant, &key, asked, missing),
                _ => missing.line(&key),
            }
        }
    }
}

/// The path that is meant by `asked`, without links as far as it exists.
fn meant(asked: &str) -> Option<PathBuf> {
    let path = match asked.strip_prefix('~') {
        Some(rest) => etcetera::home_dir().ok()?.join(rest.trim_start_matches('/')),
        None => PathBuf::from(asked),
    };
    Some(directories::real(&path))
}

fn program_missing(grant: &Grant, key: &str, asked: &Map<String, Value>, missing: &mut Missing) {
    let lists = |name: &str| asked.get(name).and_then(Value::as_array).into_iter().flatten();
    let granted = |patterns: &[Pattern], list: &Value| patterns.iter().any(|pattern| is_written(pattern, list));
    for list in lists("read") {
        missing.one(&format!("{key}.read"), list, !granted(&grant.read, list));
    }
    for list in lists("control") {
        let is_granted = granted(&grant.control, list) || granted(&grant.read, list);
        missing.one(&format!("{key}.control"), list, !is_granted);
    }
    for list in lists("job") {
        missing.one(&format!("{key}.job"), list, !granted(&grant.job, list));
    }
    if let Some(list) = asked.get("attach") {
        let is_granted = grant.attach.as_ref().is_some_and(|pattern| is_written(pattern, list));
        missing.one(&format!("{key}.attach"), list, !is_granted);
    }
    for (word, expression) in asked.get("words").and_then(Value::as_object).into_iter().flatten() {
        let is_granted = grant.words.get(word).map(String::as_str) == expression.as_str();
        missing.one(&format!("{key}.words.{word}"), expression, !is_granted);
    }
    let lingers = asked
        .get("lingers")
        .is_some_and(|lingers| *lingers != Value::Bool(false));
    missing.one(&format!("{key}.lingers"), &Value::Bool(true), lingers && !grant.lingers);
}

/// Whether `pattern` is written as `list`.
fn is_written(pattern: &Pattern, list: &Value) -> bool {
    let Some(list) = list.as_array() else { return false };
    list.iter()
        .map(Value::as_str)
        .eq(pattern.written().iter().map(|word| Some(word.as_str())))
}

/// What is missing: the first lines of it, and how many there are.
#[derive(Default)]
struct Missing {
    lines: Vec<String>,
    count: usize,
}

impl Missing {
    /// Each entry of `asked`, a list of texts, that `is_granted` refuses.
    fn all_of(&mut self, key: &str, asked: &Value, is_granted: impl Fn(&str) -> bool) {
        match asked.as_array() {
            None => self.one(key, asked, true),
            Some(entries) => entries
                .iter()
                .for_each(|entry| self.one(key, entry, !entry.as_str().is_some_and(&is_granted))),
        }
    }

    fn one(&mut self, key: &str, asked: &Value, is_missing: bool) {
        if is_missing {
            self.line(&format!("{key}: {asked}"));
        }
    }

    fn line(&mut self, line: &str) {
        self.count += 1;
        if self.lines.len() < LINES {
            self.lines.push(text::short_line(line, LINE));
        }
    }

    fn told(mut self) -> Vec<String> {
        let further = self.count - self.lines.len();
        if further > 0 {
            self.lines.push(format!("and {further} more"));
        }
        self.lines
    }
}

#[cfg(test)]
mod tests;
