//! Commits by their ids: what a person names becomes one before any other command sees it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::run;
use crate::{Error, Output, Result};

/// Bytes of the name of a revision.
const LONGEST: usize = 250;
/// What git exits with where a name names nothing; other numbers say that it could not look.
const NONE: i32 = 1;

/// The id of a commit, in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Commit(String);

impl Commit {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Commit {
    type Error = Error;

    fn try_from(id: String) -> Result<Self> {
        if is_id(&id) {
            return Ok(Self(id));
        }
        Err(Error::Invalid(format!("{id:?} is not the whole id of a commit")))
    }
}

impl From<Commit> for String {
    fn from(commit: Commit) -> Self {
        commit.0
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether this is the id of an object as git prints it.
pub(super) fn is_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The commit that `revision` names in the repository at `directory`; none, where it names none.
///
/// # Errors
///
/// `Invalid` if it cannot be a name of a revision; as [`crate::run`] otherwise.
pub fn commit(directory: &str, revision: &str) -> Result<Option<Commit>> {
    let fits = !revision.is_empty() && revision.len() <= LONGEST && !revision.chars().any(char::is_control);
    if !fits {
        return Err(Error::Invalid(format!(
            "{revision:?} cannot name a commit: at most {LONGEST} bytes without control characters can"
        )));
    }
    let revision = format!("{revision}^{{commit}}");
    let args = ["rev-parse", "--verify", "--quiet", "--end-of-options", &revision];
    named(run::ran(run::here(directory, args))?)
}

/// The commit that `rev-parse --verify --quiet` printed; none, where it said that there is none.
pub(super) fn named(output: Output) -> Result<Option<Commit>> {
    if output.status == Some(NONE) {
        return Ok(None);
    }
    // What it prints for anything but one commit, such as `^ID`, does not name one.
    let printed = output.text()?;
    Ok(Commit::try_from(printed.trim_end().to_owned()).ok())
}
