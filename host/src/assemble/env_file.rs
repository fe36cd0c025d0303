//! A backend's `env_file`: variables, such as secrets, in a file that only its owner can read.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::system;
use crate::config::{At, ConfigError, is_variable, marked};
use crate::peer::MARK;
use crate::shell;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 64 * 1024;

/// The variables of one file.
#[derive(Clone, PartialEq, Eq)]
pub struct EnvFile {
    /// Its path.
    pub path: PathBuf,
    /// Names and values, in the file's order. Values are secrets: they belong in a child's environment and nowhere else.
    pub variables: Vec<(String, String)>,
}

/// Why a file is refused. It never shows a value.
#[derive(Debug, thiserror::Error)]
enum BadEnvFile {
    #[error("{} is a link: name the file itself", path.display())]
    Link { path: PathBuf },
    #[error(
        "{} cannot be read ({cause}): make it with `install -m 600 /dev/null {}`, or correct it",
        path.display(), shell::word(path)
    )]
    Unreadable { path: PathBuf, cause: io::Error },
    #[error("{} is not a regular file: name one", path.display())]
    NotRegular { path: PathBuf },
    #[error("{} belongs to another user: `chown` it to the user that runs berth", path.display())]
    Foreign { path: PathBuf },
    #[error("{} can be read or written by others: `chmod 600 {}`", path.display(), shell::word(path))]
    Open { path: PathBuf },
    #[error("{} is larger than {LARGEST} bytes: keep only variables in it", path.display())]
    TooLarge { path: PathBuf },
    #[error("{}:{line}: {problem}", path.display())]
    Line {
        path: PathBuf,
        line: usize,
        problem: &'static str,
    },
}

impl EnvFile {
    /// Reads the file named at `at`, which must not be where the system's own files are.
    pub(super) fn find(path: &Path, at: &At) -> Result<EnvFile, ConfigError> {
        let file = EnvFile::read(path).map_err(|error| at.error(error))?;
        if let Some(fault) = path.canonicalize().ok().and_then(|real| system::own_fault(&real)) {
            return Err(at.error(format!("{} {fault}: name a file of your own", path.display())));
        }
        match file.variables.iter().any(|(name, _)| name == MARK) {
            true => Err(at.error(marked())),
            false => Ok(file),
        }
    }

    /// Reads lines of `NAME=value`; empty lines and those that begin with `#` are ignored. The value is all that
    /// follows the first `=`.
    fn read(path: &Path) -> Result<EnvFile, BadEnvFile> {
        let text = read_private(path)?;
        let variables = parse(&text).map_err(|(line, problem)| BadEnvFile::Line {
            path: path.to_owned(),
            line,
            problem,
        })?;
        Ok(EnvFile {
            path: path.to_owned(),
            variables,
        })
    }
}

impl fmt::Debug for EnvFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.variables.iter().map(|(name, _)| name).collect();
        f.debug_struct("EnvFile")
            .field("path", &self.path)
            .field("names", &names)
            .finish_non_exhaustive()
    }
}

/// The text of a file that is checked by its open descriptor, so that it cannot be replaced after the check. Opening
/// does not wait, because a FIFO would make it wait for ever.
fn read_private(path: &Path) -> Result<String, BadEnvFile> {
    let unreadable = |cause: io::Error| BadEnvFile::Unreadable {
        path: path.to_owned(),
        cause,
    };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| match error {
        rustix::io::Errno::LOOP => BadEnvFile::Link { path: path.to_owned() },
        other => unreadable(other.into()),
    })?;
    let file = File::from(opened);
    let found = file.metadata().map_err(unreadable)?;
    if !found.is_file() {
        return Err(BadEnvFile::NotRegular { path: path.to_owned() });
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(BadEnvFile::Foreign { path: path.to_owned() });
    }
    if found.mode() & 0o077 != 0 {
        return Err(BadEnvFile::Open { path: path.to_owned() });
    }
    let mut text = String::new();
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LARGEST {
        return Err(BadEnvFile::TooLarge { path: path.to_owned() });
    }
    Ok(text)
}

/// The variables of a text, or the line, counted from 1, that is wrong and why.
fn parse(text: &str) -> Result<Vec<(String, String)>, (usize, &'static str)> {
    let mut names = BTreeSet::new();
    let mut variables = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = variable(line).map_err(|problem| (index + 1, problem))?;
        if !names.insert(name) {
            return Err((index + 1, "this variable is there twice: remove one"));
        }
        variables.push((name.to_owned(), value.to_owned()));
    }
    Ok(variables)
}

fn variable(line: &str) -> Result<(&str, &str), &'static str> {
    let (name, value) = line.split_once('=').ok_or("this is not a variable: write NAME=value")?;
    if !is_variable(name) {
        return Err("the text before = is not a variable's name: write NAME=value, without export or spaces");
    }
    if value.contains('\0') {
        return Err("the value holds a NUL: remove it");
    }
    let quoted = |quote: char| value.len() > 1 && value.starts_with(quote) && value.ends_with(quote);
    if quoted('"') || quoted('\'') {
        return Err("the value is in quotes, which would become part of it: remove them");
    }
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("local.env");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn reads_names_and_values_as_they_stand() {
        let (_folder, path) = file("# secrets\n\nTOKEN=a b=c#d \nEMPTY=\n", 0o600);
        let read = EnvFile::read(&path).unwrap();
        assert_eq!(
            read.variables,
            [("TOKEN".into(), "a b=c#d ".into()), ("EMPTY".into(), String::new())]
        );
    }

    #[test]
    fn never_shows_a_value() {
        let (_folder, path) = file("TOKEN=hush\n", 0o600);
        assert!(!format!("{:?}", EnvFile::read(&path).unwrap()).contains("hush"));
        for text in ["hush\n", "export TOKEN=hush\n", "TOKEN=\"hush\"\n", "A=hush\nA=hush\n"] {
            let (_folder, path) = file(text, 0o600);
            let error = EnvFile::read(&path).unwrap_err();
            assert!(
                !error.to_string().contains("hush") && !format!("{error:?}").contains("hush"),
                "{error}"
            );
            assert!(
                error
                    .to_string()
                    .contains(&format!("local.env:{}", text.lines().count())),
                "{error}"
            );
        }
    }

    #[test]
    fn refuses_a_file_that_others_can_read() {
        let (_folder, path) = file("A=b\n", 0o640);
        assert!(EnvFile::read(&path).unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a FIFO is made portably by a program only")]
    fn refuses_links_and_whatever_is_no_regular_file() {
        let (folder, path) = file("A=b\n", 0o600);
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(matches!(EnvFile::read(&link), Err(BadEnvFile::Link { .. })));
        assert!(matches!(
            EnvFile::read(folder.path()),
            Err(BadEnvFile::NotRegular { .. })
        ));
        let fifo = folder.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        assert!(matches!(EnvFile::read(&fifo), Err(BadEnvFile::NotRegular { .. })));
    }

    #[test]
    fn refuses_a_huge_file() {
        let (_folder, path) = file(&format!("A={}\n", "x".repeat(70_000)), 0o600);
        assert!(matches!(EnvFile::read(&path), Err(BadEnvFile::TooLarge { .. })));
    }
}
