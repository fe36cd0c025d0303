//! Which files of a folder are granted: those with a name of one form.

use std::fmt;
use std::str::FromStr;

/// The form of a name, such as `*.json`: literal text in which at most one `*` stands for any characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    before: String,
    /// Nothing if it is one whole name.
    after: Option<String>,
}

/// Text that is not the form of a name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not the form of a file's name: write one like \"*.json\", with one `*` and no `/`")]
pub struct BadNames(String);

impl Names {
    /// Whether a file of this name is granted.
    pub fn allows(&self, name: &str) -> bool {
        match &self.after {
            None => name == self.before,
            Some(after) => name
                .strip_prefix(self.before.as_str())
                .is_some_and(|rest| rest.ends_with(after.as_str())),
        }
    }
}

impl FromStr for Names {
    type Err = BadNames;

    /// One that would take every name is refused: it would not say what is granted.
    fn from_str(written: &str) -> Result<Self, BadNames> {
        let bad = || BadNames(written.to_owned());
        let (before, after) = match written.split_once('*') {
            None => (written, None),
            Some((before, after)) => (before, Some(after)),
        };
        let text = [before, after.unwrap_or_default()].concat();
        let is_name = !text.contains(['/', '*']) && !text.chars().any(char::is_control);
        if !is_name || text.trim_matches('.').is_empty() {
            return Err(bad());
        }
        Ok(Self {
            before: before.to_owned(),
            after: after.map(str::to_owned),
        })
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.after {
            None => f.write_str(&self.before),
            Some(after) => write!(f, "{}*{after}", self.before),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_form_takes_the_names_that_have_it_and_no_others() {
        for (form, takes, refuses) in [
            (
                "*.jsonl",
                &["a.jsonl", ".jsonl", "a b.jsonl"][..],
                &["a.json", "a.jsonl.key", "jsonl", ""][..],
            ),
            ("*.json", &["12.json"], &["12.jsonl", "12.json~", "12.e0.key"]),
            (
                "log-*.txt",
                &["log-.txt", "log-1.txt"],
                &["log-txt", "xlog-1.txt", "log-.tx"],
            ),
            ("log-*-log", &["log--log"], &["log-log", "log-"]),
            ("state", &["state"], &["states", "a-state", "STATE"]),
        ] {
            let names: Names = form.parse().unwrap();
            assert_eq!(names.to_string(), form);
            assert!(takes.iter().all(|name| names.allows(name)), "{form}");
            assert!(!refuses.iter().any(|name| names.allows(name)), "{form}");
        }
    }

    #[test]
    fn what_says_nothing_of_the_name_is_refused() {
        for form in [
            "",
            "*",
            "*.*",
            "**",
            ".",
            "..",
            "*.",
            "a/*.json",
            "../*.json",
            "a*b*",
            "a\n*",
        ] {
            assert!(form.parse::<Names>().is_err(), "{form:?}");
        }
    }
}
