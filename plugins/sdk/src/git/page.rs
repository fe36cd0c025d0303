//! A page of changes while it is filled.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::checkout::{Candidate, Checkout, Place};
use super::compared;
use super::content::{self, LARGEST};
use crate::{ChangedFile, Result};

/// Bytes of the diff of a page.
const TEXT: usize = 256 << 10;
/// Bytes of objects that are asked for at once, and of all of a page.
const AT_ONCE: u64 = 2 << 20;
const CONTENT: u64 = 10 << 20;
/// Candidates whose sizes are asked for at once.
const SIZED: usize = 4_096;
/// What is said where the diff of one file is more than a page takes.
const CUT: &str = "[The rest of this file's diff is left out.]\n";

/// Sizes of objects, by id.
type Sizes = BTreeMap<String, u64>;

pub(super) struct Page<'a> {
    pub(super) files: Vec<ChangedFile>,
    pub(super) text: String,
    pub(super) is_cut: bool,
    /// Where it ended, if there are more.
    pub(super) past: Option<String>,
    limit: usize,
    content: u64,
    checkout: &'a Checkout,
}

impl<'a> Page<'a> {
    pub(super) fn new(limit: u32, checkout: &'a Checkout) -> Self {
        Self {
            files: Vec::new(),
            text: String::new(),
            is_cut: false,
            past: None,
            limit: usize::try_from(limit.max(1)).unwrap_or(usize::MAX),
            content: 0,
            checkout,
        }
    }

    /// Adds a line that is not part of the diff.
    pub(super) fn say(&mut self, line: &str) {
        self.text.push_str(line);
    }

    /// Compares candidates until the page is full.
    pub(super) fn fill(&mut self, candidates: &[(&str, &Candidate)]) -> Result<()> {
        for some in candidates.chunks(SIZED) {
            let sizes = content::sizes(self.checkout, some.iter().flat_map(|(_, one)| ids(one)))?;
            let mut rest = some;
            while !rest.is_empty() {
                let (together, after) = rest.split_at(at_once(rest, &sizes));
                if !self.compare(together, &sizes)? {
                    return Ok(());
                }
                rest = after;
            }
        }
        self.past = None;
        Ok(())
    }

    /// Whether the page had room and time for all of these.
    fn compare(&mut self, together: &[(&str, &Candidate)], sizes: &Sizes) -> Result<bool> {
        let bytes: u64 = together.iter().map(|(_, one)| weight(one, sizes)).sum();
        if self.past.is_some() && self.content + bytes > CONTENT {
            return Ok(false);
        }
        self.content += bytes;
        let small = |id: &&str| sizes.get(*id).is_some_and(|size| *size <= LARGEST);
        let wanted: BTreeSet<&str> = together.iter().flat_map(|(_, one)| ids(one)).filter(small).collect();
        let objects = content::objects(self.checkout, wanted)?;
        for (path, candidate) in together {
            if self.past.is_some() && self.is_late() {
                return Ok(false);
            }
            let content = |place| content::of(self.checkout, path, place, &objects);
            let (before, now) = (content(&candidate.before), content(&candidate.now));
            let differs = compared::compare(path, modes(candidate), &before, &now, self.checkout.until());
            if differs.is_some_and(|differs| !self.takes(differs)) {
                return Ok(false);
            }
            self.past = Some((*path).to_owned());
        }
        Ok(true)
    }

    fn is_late(&self) -> bool {
        self.checkout.until() <= Instant::now()
    }

    /// Adds a file, if the page has room. One that is more than a page is cut.
    fn takes(&mut self, mut differs: compared::Compared) -> bool {
        let is_first = self.files.is_empty();
        let is_long = self.text.len() + differs.text.len() > TEXT;
        if self.files.len() >= self.limit || (is_long && !is_first) {
            return false;
        }
        if is_long {
            let room = TEXT.saturating_sub(self.text.len() + CUT.len());
            let end = differs.text.floor_char_boundary(room);
            let end = differs.text[..end].rfind('\n').map_or(0, |at| at + 1);
            differs.text.truncate(end);
            differs.text.push_str(CUT);
            self.is_cut = true;
        }
        self.is_cut |= differs.is_cut;
        self.text.push_str(&differs.text);
        self.files.push(differs.file);
        true
    }
}

/// The objects in which its content is.
fn ids(candidate: &Candidate) -> impl Iterator<Item = &str> {
    [&candidate.before, &candidate.now]
        .into_iter()
        .filter_map(|place| match place {
            Place::Object(entry) => Some(entry.id.as_str()),
            _ => None,
        })
}

/// How many of these are compared at once: at least one.
fn at_once(candidates: &[(&str, &Candidate)], sizes: &Sizes) -> usize {
    let mut bytes = 0;
    let fits = candidates.iter().take_while(|(_, one)| {
        bytes += weight(one, sizes);
        bytes <= AT_ONCE
    });
    fits.count().max(1)
}

/// Bytes that comparing it takes.
fn weight(candidate: &Candidate, sizes: &Sizes) -> u64 {
    let disk = match candidate.now {
        Place::Disk(size) => size,
        _ => 0,
    };
    let objects = ids(candidate).filter_map(|id| sizes.get(id).copied());
    objects.chain([disk]).filter(|size| *size <= LARGEST).sum()
}

/// The modes before and now. What is not in the index yet is not known to be executable.
fn modes(candidate: &Candidate) -> (u32, u32) {
    match (&candidate.before, &candidate.now) {
        (Place::Object(before), Place::Object(now)) => (before.mode, now.mode),
        (Place::Object(before), _) => (before.mode, before.mode),
        (_, Place::Object(now)) => (now.mode, now.mode),
        _ => (0o100_644, 0o100_644),
    }
}
