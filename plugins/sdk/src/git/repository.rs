//! Whether a repository lies in granted directories as a whole: by its `.git`, by links and by alternates, whoever wrote
//! it may name any other one.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::run;
use crate::files;
use crate::{Error, Result};

/// How long it may take to look through one.
const TIME: Duration = Duration::from_secs(10);
/// Stores of objects that belong to one repository at most, and bytes of the file that names others.
const STORES: usize = 16;
const NAMES: u32 = 64 << 10;
/// All links of a directory but those in `hooks`, which are not run, and in `modules`, which are other repositories.
pub(super) const LINKS: [&str; 14] = [
    "find",
    ".",
    "(",
    "-path",
    "./hooks",
    "-o",
    "-path",
    "./modules",
    ")",
    "-prune",
    "-o",
    "-type",
    "l",
    "-print",
];

/// The repository of a checkout. All that it names lies in granted directories.
pub(super) struct Repository {
    /// What belongs to this checkout alone.
    pub(super) own: String,
    /// What all its checkouts share.
    common: String,
    /// Where its objects are: its own store, and those that this one names.
    stores: BTreeSet<String>,
}

/// Nothing of the repository at `directory` is elsewhere than in granted directories, so that git neither reads nor writes
/// anything else when it is cloned, or fetched into.
///
/// # Errors
///
/// `Refused` if something may be elsewhere, or there is no repository; as [`crate::run`] otherwise.
pub fn confined(directory: &str) -> Result<()> {
    let until = Instant::now() + TIME;
    let repository = Repository::of(directory, until)?;
    let places = [&repository.own, &repository.common];
    let places: BTreeSet<&String> = places.into_iter().chain(&repository.stores).collect();
    let mut seen: Vec<&String> = Vec::new();
    // In order of their names, so that one comes before all that lie in it.
    for place in places {
        if seen.iter().any(|seen| below(place, seen).is_some()) {
            continue;
        }
        let links = || {
            let left = until.saturating_duration_since(Instant::now());
            run::printed(run::within(run::command(Some(place), LINKS), left))
        };
        let links = match links() {
            // What git had there for a moment only is gone when it is looked at.
            Err(Error::Failed(_)) => links()?,
            links => links?,
        };
        if let Some(link) = String::from_utf8_lossy(&links).lines().next() {
            return Err(Error::Refused(format!(
                "the repository of {directory} has a link, {link:?} in {place}, and that may lead anywhere: put what it \
                 leads to in its place, or clone the project and use the clone"
            )));
        }
        seen.push(place);
    }
    Ok(())
}

impl Repository {
    /// The repository of the checkout whose top is `top`.
    pub(super) fn of(top: &str, until: Instant) -> Result<Self> {
        let args = ["rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir"];
        let left = until.saturating_duration_since(Instant::now());
        let output = run::ran(run::within(run::here(top, args), left))?;
        if !output.succeeded() {
            return Err(Error::Refused(format!(
                "{top} is not a git repository that can be read: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            )));
        }
        let printed = output.text()?;
        let roots = files::roots()?;
        let is_within = |path: &str| roots.iter().any(|root| below(path, root).is_some());
        if let Some(path) = printed.lines().find(|path| !is_within(path)) {
            return Err(Error::Refused(format!(
                "the repository of {top} is {path:?}, which is in no granted directory: add that to `directories`"
            )));
        }
        let mut lines = printed.lines().map(str::to_owned);
        let own = lines.next().unwrap_or_default();
        let common = lines.next().unwrap_or_default();
        let stores = stores(top, format!("{common}/objects"))?;
        Ok(Self { own, common, stores })
    }
}

/// A store of objects and all that it names as others, one by the other.
fn stores(top: &str, first: String) -> Result<BTreeSet<String>> {
    let (mut known, mut next) = (BTreeSet::new(), vec![first]);
    while let Some(store) = next.pop() {
        if known.contains(&store) {
            continue;
        }
        let refused = |what: &str| {
            Err(Error::Refused(format!(
                "the repository of {top} takes objects from {store:?}, {what}: `git repack -a -d` there, and remove its \
                 objects/info/alternates"
            )))
        };
        match files::entries(&store) {
            Ok(_) if known.len() < STORES => {}
            Ok(_) => return refused("which is one too many"),
            Err(Error::Denied(_)) => return refused("which is in no granted directory"),
            Err(Error::NotFound(_)) => return refused("which is not there"),
            Err(error) => return Err(error),
        }
        match files::read(format!("{store}/info/alternates"), NAMES) {
            Ok(names) if names.len() >= NAMES as usize => return refused("which names too many others"),
            Ok(names) => next.extend(named(&store, &String::from_utf8_lossy(&names))),
            Err(Error::NotFound(_)) => {}
            Err(_) => return refused("whose alternates cannot be read"),
        }
        known.insert(store);
    }
    Ok(known)
}

/// The stores that the alternates of `store` name. What is written otherwise than as a plain path names no granted one.
fn named(store: &str, alternates: &str) -> Vec<String> {
    let lines = alternates
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (mut base, mut rest) = (store, line.trim_end_matches('/'));
            if rest.starts_with('/') {
                return rest.to_owned();
            }
            while let Some(after) = rest.strip_prefix("../") {
                base = base.rsplit_once('/').map_or("", |(parent, _)| parent);
                rest = after;
            }
            format!("{base}/{rest}")
        })
        .collect()
}

/// What follows the directory in a path that lies in it, or is it.
pub(super) fn below<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(directory.trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}
