//! What a job is to run.

use std::io;
use std::time::Duration;

use super::lines::{Lines, bad, text};

/// What a job is to run, and how much of it. It has the names of variables, and no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The job's own name, which is also that of its directory.
    pub id: String,
    /// The program, by an absolute path, and its arguments.
    pub argv: Vec<String>,
    /// Where it starts, for who reads this: the supervisor is started there.
    pub directory: Option<String>,
    /// The names of all variables that it gets.
    pub variables: Vec<String>,
    /// How long it may take.
    pub deadline: Duration,
    /// Bytes that are kept of each of its two outputs.
    pub output: u64,
}

impl Spec {
    pub(super) fn text(&self) -> String {
        let one = |key: &'static str, value: String| std::iter::once((key, value));
        let many =
            |key: &'static str, values: &[String]| values.iter().map(|value| (key, value.clone())).collect::<Vec<_>>();
        text(
            one("id", self.id.clone())
                .chain(many("argv", &self.argv))
                .chain(self.directory.clone().map(|directory| ("directory", directory)))
                .chain(many("variable", &self.variables))
                .chain(one("deadline", self.deadline.as_millis().to_string()))
                .chain(one("output", self.output.to_string())),
        )
    }

    pub(super) fn parse(bytes: Vec<u8>) -> io::Result<Self> {
        let lines = Lines::parse(bytes)?;
        let all = |key| lines.all(key).map(str::to_owned).collect::<Vec<_>>();
        let argv = all("argv");
        if !argv.first().is_some_and(|program| program.starts_with('/')) {
            return Err(bad("it names no program by an absolute path"));
        }
        Ok(Self {
            id: lines.first("id").ok_or_else(|| bad("it has no id"))?.to_owned(),
            argv,
            directory: lines.first("directory").map(str::to_owned),
            variables: all("variable"),
            deadline: Duration::from_millis(lines.needed("deadline")?),
            output: lines.needed("output")?,
        })
    }
}
