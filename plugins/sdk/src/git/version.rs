//! Which git there is.

use std::fmt;

use super::run;
use crate::{Error, Result};

/// The first parts of a version of git.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

/// The least one for a checkout that is not a clone of ours.
pub(super) const FOREIGN: Version = Version(2, 41);
/// The least one for clones of ours.
pub(super) const OURS: Version = Version(2, 39);

/// The version of the granted git.
///
/// # Errors
///
/// `Denied` if it is not granted, `Unavailable` if there is none.
pub fn version() -> Result<Version> {
    let shown = run::printed(run::command(None, ["git", "--version"]))?;
    let shown = String::from_utf8_lossy(&shown);
    Version::of(&shown).ok_or_else(|| Error::Failed(format!("git does not say its version: {:?}", shown.trim())))
}

impl Version {
    fn of(shown: &str) -> Option<Self> {
        let version = shown.trim().strip_prefix("git version ")?;
        let mut parts = version.split('.').map(|part| part.parse().ok());
        Some(Self(parts.next()??, parts.next()??))
    }

    /// It is at least `least`, which `why` needs.
    pub(super) fn at_least(self, least: Self, why: &str) -> Result<()> {
        if self >= least {
            return Ok(());
        }
        Err(Error::Refused(format!(
            "git here is {self}, and {why} needs at least {least}: install a newer git"
        )))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    #[test]
    fn versions_of_all_makers_are_understood_and_compared_by_number() {
        for (shown, version) in [
            ("git version 2.47.3\n", Version(2, 47)),
            ("git version 2.39.5 (Apple Git-154)\n", Version(2, 39)),
            ("git version 2.100.0.rc1.windows.1", Version(2, 100)),
            ("git version 3.0", Version(3, 0)),
        ] {
            assert_eq!(Version::of(shown), Some(version));
        }
        assert_eq!(Version::of("jgit version 6.1"), None);
        assert!(Version(2, 100) > FOREIGN && Version(3, 0) > FOREIGN && Version(2, 40) < FOREIGN);
    }

    #[test]
    fn a_git_that_is_missing_or_too_old_is_named() {
        let host = Host::new();
        host.on("git", ["git", "--version"])
            .fails(127, "env: 'git': No such file or directory\n")
            .prints("git version 2.39.5\n");
        assert!(matches!(version(), Err(Error::Unavailable(why)) if why.contains("install it")));
        let old = version().unwrap().at_least(FOREIGN, "a checkout that is not ours");
        assert!(
            matches!(&old, Err(Error::Refused(why)) if why.contains("2.39") && why.contains("at least 2.41")),
            "{old:?}"
        );
    }
}
