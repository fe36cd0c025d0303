//! A checkout that others write: where it is, and what git has of it in objects and index.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::commit::{self, Commit};
use super::git_output::{self, Entry};
use super::repository::{Repository, below};
use super::{run, version};
use crate::files::{self, Kind, Slice};
use crate::{Command, Error, Result};

/// Entries that a directory lists at most.
const LISTED: usize = 10_000;
/// A file whose time is not this much before that of the index, in milliseconds, may have changed without a sign of it:
/// more than the steps of a file system's clock.
const RACY_MS: u64 = 20;

/// A checkout of git.
pub(super) struct Checkout {
    /// Its top directory.
    pub(super) top: String,
    /// What belongs to this checkout alone of its repository.
    repository: String,
    until: Instant,
}

/// Where the content of a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere: there is no such file.
    Nowhere,
    /// In an object.
    Object(Entry),
    /// In the checkout, with this size.
    Disk(u64),
    /// In the checkout, and it is not a file.
    Other,
}

/// A file that may differ from the base.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) before: Place,
    pub(super) now: Place,
}

/// What may differ, by path, and how many files have names that are not text.
pub(super) struct Candidates {
    pub(super) by_path: BTreeMap<String, Candidate>,
    pub(super) unnamed: usize,
}

impl Checkout {
    /// The checkout that `directory` lies in, for work until `until`.
    ///
    /// # Errors
    ///
    /// `Refused` if there is none here, or git is too old for one that is not ours.
    pub(super) fn at(directory: &str, until: Instant) -> Result<Self> {
        version::version()?.at_least(version::FOREIGN, "a checkout that is not berth's own clone")?;
        Self::ours(directory, until)
    }

    /// The same for a clone of ours.
    pub(super) fn ours(directory: &str, until: Instant) -> Result<Self> {
        let top = top_of(directory)?.ok_or_else(|| {
            Error::Refused(format!(
                "{directory} is not in a git checkout below a granted directory, so what changed there is not known"
            ))
        })?;
        let repository = Repository::of(&top, until)?.own;
        Ok(Self { top, repository, until })
    }

    /// When the index was written, in milliseconds since the epoch.
    fn indexed_at(&self) -> Option<u64> {
        let entries = files::entries(&self.repository).ok()?;
        let index = entries.into_iter().find(|entry| entry.name == "index")?;
        Some(index.modified)
    }

    /// How much time is left.
    pub(super) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// The commit that was checked out at this time, in milliseconds since the epoch, as far back as git knows;
    /// otherwise the one that is.
    pub(super) fn commit_at(&self, time: u64) -> Result<Option<Commit>> {
        let then = format!("HEAD@{{{}}}^{{commit}}", time / 1000);
        match self.one(&then) {
            Ok(Some(commit)) => Ok(Some(commit)),
            // It keeps no log of what was checked out.
            _ => self.head(),
        }
    }

    /// The commit that is checked out; none, where there is none yet.
    pub(super) fn head(&self) -> Result<Option<Commit>> {
        self.one("HEAD^{commit}")
    }

    fn one(&self, revision: &str) -> Result<Option<Commit>> {
        commit::named(run::ran(self.git(&["rev-parse", "--verify", "--quiet", revision]))?)
    }

    /// All that may differ from `base`; of a file that git's index takes for unchanged, its object counts.
    pub(super) fn candidates(&self, base: Option<&Commit>) -> Result<Candidates> {
        let (index, unnamed) = git_output::index(&self.printed(&["ls-files", "--stage", "--debug", "-z"])?);
        let others = self.printed(&["ls-files", "--others", "--exclude-standard", "-z"])?;
        let (others, unnamed_others) = git_output::paths(&others);
        let staged = match base {
            Some(base) => self.printed(&[
                "diff-index",
                "--cached",
                "--raw",
                "-z",
                "--no-abbrev",
                "--no-renames",
                "--ignore-submodules=all",
                base.id(),
                "--",
            ])?,
            None => Vec::new(),
        };
        let before: BTreeMap<_, _> = git_output::staged(&staged)
            .into_iter()
            .map(|staged| (staged.path, staged.before.map_or(Place::Nowhere, Place::Object)))
            .collect();
        let newest = || index.iter().map(|indexed| indexed.modified).max().unwrap_or_default();
        let written = self.indexed_at().unwrap_or_else(newest);
        let mut disk = Disk::new(&self.top, self.until);
        let mut by_path = BTreeMap::new();
        for indexed in index {
            let now = match disk.look(&indexed.path)? {
                Seen::Nothing if indexed.skipped => Place::Object(indexed.entry.clone()),
                Seen::Nothing => Place::Nowhere,
                Seen::Other if indexed.entry.mode == git_output::LINK => Place::Object(indexed.entry.clone()),
                Seen::Other => Place::Other,
                Seen::File { size, modified } => {
                    let is_known = !indexed.intended && indexed.entry.mode != git_output::LINK;
                    let as_indexed = size == indexed.size && modified == indexed.modified;
                    match is_known && as_indexed && modified + RACY_MS < written {
                        true => Place::Object(indexed.entry.clone()),
                        false => Place::Disk(size),
                    }
                }
            };
            let before = match (before.get(&indexed.path), base) {
                (Some(before), _) => before.clone(),
                (None, Some(_)) => Place::Object(indexed.entry),
                (None, None) => Place::Nowhere,
            };
            by_path.insert(indexed.path, Candidate { before, now });
        }
        for path in others {
            // A directory is another repository.
            if let Seen::File { size, .. } = disk.look(&path)? {
                let now = Place::Disk(size);
                let before = before.get(&path).cloned().unwrap_or(Place::Nowhere);
                by_path.insert(path, Candidate { before, now });
            }
        }
        for (path, before) in before {
            let now = Place::Nowhere;
            by_path.entry(path).or_insert(Candidate { before, now });
        }
        by_path.retain(|_, candidate| candidate.before != candidate.now);
        Ok(Candidates {
            by_path,
            unnamed: unnamed + unnamed_others,
        })
    }

    /// What git prints to this input.
    pub(super) fn asked(&self, args: &[&str], input: String) -> Result<Vec<u8>> {
        run::printed(self.git(args).stdin(input))
    }

    fn printed(&self, args: &[&str]) -> Result<Vec<u8>> {
        let output = run::ran(self.git(args))?;
        if output.truncated {
            let too_many = format!("{} has more files than git may print of here", self.top);
            return Err(Error::Limited((too_many, None)));
        }
        output.bytes()
    }

    fn git(&self, args: &[&str]) -> Command {
        run::within(run::here(&self.top, args), self.left())
    }
}

/// The nearest directory, from `directory` up, that is the top of a checkout and granted.
fn top_of(directory: &str) -> Result<Option<String>> {
    let roots = files::roots()?;
    let mut at = directory.trim_end_matches('/');
    while roots.iter().any(|root| below(at, root).is_some()) {
        let slice = |name: &str| Slice {
            path: format!("{at}/{name}"),
            start: 0,
            max: 1,
        };
        // A repository has the first; a checkout whose repository is elsewhere has the second as a file.
        if files::read_all([slice(".git/HEAD"), slice(".git")])
            .iter()
            .any(Result::is_ok)
        {
            return Ok(Some(at.to_owned()));
        }
        let Some((above, _)) = at.rsplit_once('/') else { break };
        at = above;
    }
    Ok(None)
}

/// What is at a path of the checkout.
enum Seen {
    Nothing,
    File { size: u64, modified: u64 },
    Other,
}

/// The directories of a checkout, each looked at once.
struct Disk<'a> {
    top: &'a str,
    until: Instant,
    directories: BTreeMap<String, Listed>,
}

struct Listed {
    entries: BTreeMap<String, files::Entry>,
    /// What is said of a name that is not among them.
    others: Others,
}

/// What is known of names that are not listed.
enum Others {
    AreNot,
    MayBe,
    CannotBeRead,
}

impl<'a> Disk<'a> {
    fn new(top: &'a str, until: Instant) -> Self {
        let directories = BTreeMap::new();
        Self {
            top,
            until,
            directories,
        }
    }

    fn look(&mut self, path: &str) -> Result<Seen> {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let top = self.top;
        let listed = match self.directories.entry(directory.to_owned()) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(unknown) => {
                if Instant::now() > self.until {
                    return Err(Error::TimedOut(format!(
                        "{top} has too many directories to look at in time"
                    )));
                }
                unknown.insert(Listed::of(&format!("{top}/{directory}"))?)
            }
        };
        Ok(match (listed.entries.get(name), &listed.others) {
            (Some(entry), _) => Seen::of(entry),
            (None, Others::AreNot) => Seen::Nothing,
            (None, Others::MayBe) => Seen::unlisted(&format!("{top}/{path}")),
            (None, Others::CannotBeRead) => Seen::Other,
        })
    }
}

impl Listed {
    fn of(directory: &str) -> Result<Self> {
        let (entries, others) = match files::entries(directory) {
            Ok(entries) if entries.len() >= LISTED => (entries, Others::MayBe),
            Ok(entries) => (entries, Others::AreNot),
            Err(Error::NotFound(_)) => (Vec::new(), Others::AreNot),
            Err(error @ Error::TimedOut(_)) => return Err(error),
            Err(_) => (Vec::new(), Others::CannotBeRead),
        };
        let entries = entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        Ok(Self { entries, others })
    }
}

impl Seen {
    fn of(entry: &files::Entry) -> Self {
        match entry.kind {
            Kind::File => Self::File {
                size: entry.size,
                modified: entry.modified,
            },
            _ => Self::Other,
        }
    }

    /// A file whose time and size are not known counts as changed, and its content decides.
    fn unlisted(path: &str) -> Self {
        match files::read(path, 1) {
            Ok(_) => Self::File { size: 0, modified: 0 },
            Err(Error::NotFound(_)) => Self::Nothing,
            Err(_) => Self::Other,
        }
    }
}
