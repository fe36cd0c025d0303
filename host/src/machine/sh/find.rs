//! What a host has: its system, where programs are, and which directories are there.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::channel::Way;
use super::fault::Fault;
use super::quote::word;
use super::request::{FIND, Prelude, Unit, WITHIN};
use super::run::Around;
use super::session::Work;
use super::within::whole;
use crate::machine::child::{Ended, Output};

/// Bytes of a path.
pub(super) const LONGEST: usize = 4096;
/// Bytes of the answer.
const TOLD: u64 = 4 << 20;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// The name of its system, such as `Linux` or `Darwin`.
    pub(crate) system: String,
    /// Its clock, since 1970.
    pub(crate) clock: Duration,
    pub(crate) home: String,
    /// Where berth keeps what is its own, without links as far as it is there.
    pub(crate) own: String,
    /// The path on which its programs are looked for.
    pub(crate) path: String,
    /// In the order in which they were asked for.
    pub(crate) programs: Vec<Program>,
    pub(crate) directories: Vec<Place>,
}

/// Where a program is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Program {
    /// At its own place, or on the path.
    Here(String),
    /// Only in a directory that is not on the path, though usual.
    Elsewhere(String),
    Nowhere,
}

/// What is at the path of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Its path without links.
    There(String),
    Missing,
    /// Something else is there.
    Occupied,
    /// It cannot be entered.
    Unreadable,
}

/// Looks for `programs` (names, or paths that begin with `/` or `~/`) and `directories` in one round trip; `~/` there is
/// the home directory.
pub(crate) async fn find(
    way: &Arc<dyn Way>,
    around: &Around,
    until: Instant,
    programs: &[String],
    directories: &[String],
) -> Result<Found, Fault> {
    let mut script = String::from("berth_tell_host\n");
    for program in programs {
        whole("the name of a program", program)?;
        let _ = writeln!(script, "berth_tell_program {}", word(program));
    }
    for directory in directories {
        whole("a directory", directory)?;
        if !directory.starts_with('/') && directory != "~" && !directory.starts_with("~/") {
            return Err(Fault::value(
                "a directory",
                "its path begins neither with `/` nor with `~/`",
            ));
        }
        let _ = writeln!(script, "berth_tell_directory {}", word(directory));
    }
    let mut prelude = Prelude::of(&[&WITHIN, &FIND]);
    prelude.add(&around.path()?);
    let work = Work {
        way: way.clone(),
        prelude,
        units: vec![Unit {
            script,
            stdin: Vec::new(),
            deadline: until.saturating_duration_since(Instant::now()),
            output: TOLD,
            lingers: false,
        }],
        until,
    };
    let told = match work.perform().await.pop().unwrap_or(Err(Fault::Lost))? {
        Ended::Finished(Output { truncated: true, .. }) => return Err(Fault::TooMuch(TOLD)),
        Ended::Finished(output) => output.stdout,
        Ended::TimedOut(after) => return Err(Fault::TimedOut(after)),
    };
    let told = String::from_utf8_lossy(&told);
    let mut words = told.split('\0').map(str::to_owned);
    read(&mut words, programs.len(), directories.len()).ok_or(Fault::Strange)
}

/// A path, if it can be one that a person is shown and a file is made at.
pub(super) fn told(path: String) -> Option<String> {
    let is_plain = path.starts_with('/') && path.len() <= LONGEST && !path.contains(char::is_control);
    is_plain.then_some(path)
}

fn read(words: &mut impl Iterator<Item = String>, programs: usize, directories: usize) -> Option<Found> {
    let (system, clock) = (words.next()?, words.next()?);
    let (home, path) = (told(words.next()?)?, words.next()?);
    let own = told(words.next()?)?;
    let mut pair = || Some((words.next()?, words.next()?));
    let mut program = || {
        let (how, path) = pair()?;
        Some(match how.as_str() {
            "here" => Program::Here(told(path)?),
            "elsewhere" => Program::Elsewhere(told(path)?),
            "nowhere" => Program::Nowhere,
            _ => return None,
        })
    };
    let programs = (0..programs).map(|_| program()).collect::<Option<_>>()?;
    let mut directory = || {
        let (how, path) = pair()?;
        Some(match how.as_str() {
            "there" => Place::There(told(path)?),
            "missing" => Place::Missing,
            "not-directory" => Place::Occupied,
            "unreadable" => Place::Unreadable,
            _ => return None,
        })
    };
    let directories = (0..directories).map(|_| directory()).collect::<Option<_>>()?;
    Some(Found {
        system,
        clock: Duration::from_secs(clock.parse().ok()?),
        home,
        own,
        path,
        programs,
        directories,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(program: &str, path: &str, directory: &str, place: &str) -> Option<Found> {
        let words = [
            "Linux",
            "1",
            "/home/me",
            "/bin",
            "/home/me/own",
            program,
            path,
            directory,
            place,
        ];
        read(&mut words.map(str::to_owned).into_iter(), 1, 1)
    }

    #[test]
    fn an_answer_with_a_path_that_cannot_be_one_is_none() {
        let long = "/x".repeat(LONGEST);
        assert!(told("here", "/bin/x", "there", "/p").is_some());
        for unfit in [
            "",
            "x",
            "~/x",
            "/a\nrun: rm",
            "/a\u{1b}[2J",
            "/a\u{7f}",
            "/a\u{9b}2J",
            &*long,
        ] {
            for program in ["here", "elsewhere"] {
                assert_eq!(told(program, unfit, "there", "/p"), None, "{unfit:?}");
            }
            assert_eq!(told("here", "/bin/x", "there", unfit), None, "{unfit:?}");
        }
        assert_eq!(told("run", "/bin/x", "there", "/p"), None);
    }
}
