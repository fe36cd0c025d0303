//! The record of what reached the demo agent, for tests that must know it exactly: one JSON object on each line.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use serde::Serialize;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// The text is the directory it was started in.
    Start,
    /// The text is exactly what was submitted, when it was submitted.
    Message,
    /// The text is `QUESTION=LABEL`, or `COMMAND=LABEL` for a permission.
    Answer,
    /// The text is the message whose work was interrupted.
    Interrupt,
    /// The text is the exit status.
    Exit,
}

#[derive(Serialize)]
struct Event<'a> {
    /// Milliseconds since the Unix epoch.
    at: u128,
    kind: Kind,
    text: &'a str,
}

/// Where events go: a file, or nowhere.
pub(crate) struct Record {
    file: Option<File>,
}

impl Record {
    /// Appends to `path`; only its owner can read a new file, because messages may be private.
    ///
    /// # Errors
    /// When the file cannot be opened for appending.
    pub(crate) fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let open = |path: &Path| {
            let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
            file.with_context(|| {
                format!(
                    "opening {} for --record; its directory must exist and be writable",
                    path.display()
                )
            })
        };
        Ok(Self {
            file: path.map(open).transpose()?,
        })
    }

    /// # Errors
    /// When the event cannot be written, so that no test trusts a record with a gap.
    pub(crate) fn write(&mut self, kind: Kind, text: &str) -> anyhow::Result<()> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .context("the clock is before 1970")?
            .as_millis();
        let mut line = serde_json::to_vec(&Event { at, kind, text }).context("encoding an event")?;
        line.push(b'\n');
        file.write_all(&line).context("writing to the file of --record")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn appends_one_object_a_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("record");
        Record::open(Some(&path))
            .unwrap()
            .write(Kind::Start, "/the/dir")
            .unwrap();
        Record::open(Some(&path))
            .unwrap()
            .write(Kind::Message, "one\ntwo \"x\"")
            .unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let events: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events[0]["kind"], "start");
        assert_eq!(events[1]["kind"], "message");
        assert_eq!(events[1]["text"], "one\ntwo \"x\"");
        assert!(events[1]["at"].is_u64());
    }

    #[test]
    fn names_the_file_it_cannot_open() {
        let error = Record::open(Some(Path::new("/nowhere/record"))).err().unwrap();
        assert!(error.to_string().contains("/nowhere/record"));
    }
}
