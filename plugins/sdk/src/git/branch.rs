//! Names of branches.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::run;
use crate::{Error, Result};

/// Bytes of a branch's name.
const LONGEST: usize = 200;

/// The name of a branch, as git takes one. It cannot be taken for an option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch(String);

impl Branch {
    /// The branch of this name, if git takes it as one.
    ///
    /// # Errors
    ///
    /// `Invalid` if it does not; as [`crate::run`] otherwise.
    pub fn checked(name: &str) -> Result<Self> {
        let invalid = || {
            Error::Invalid(format!(
                "{name:?} cannot be a branch: give a name like fix/login, of at most {LONGEST} bytes"
            ))
        };
        if !is_plain(name) {
            return Err(invalid());
        }
        if name.starts_with("refs/") {
            return Err(Error::Invalid(format!(
                "{name:?} is a whole reference and not the name of a branch: give what follows its `refs/heads/` alone"
            )));
        }
        let output = run::ran(run::command(None, ["git", "check-ref-format", "--branch", name]))?;
        match output.succeeded() && output.stdout == format!("{name}\n").into_bytes() {
            true => Ok(Self(name.to_owned())),
            false => Err(invalid()),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The reference that it is.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether the word of the grant takes it: all that git takes, and does not read as something else.
fn is_plain(name: &str) -> bool {
    let first = !name.starts_with(['-', '@', '/', '.']);
    let taken = |c: char| !c.is_ascii_control() && !" \\{}~^:?*[".contains(c);
    (1..=LONGEST).contains(&name.len()) && first && name.chars().all(taken)
}
