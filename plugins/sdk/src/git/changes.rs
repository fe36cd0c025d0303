//! What changed in a checkout, page by page.

use std::ops::Bound;
use std::time::{Duration, Instant};

use super::checkout::Checkout;
use super::commit::Commit;
use super::cursor::Cursor;
use super::page::Page;
use crate::{ChangePage, Result, context};

/// How long a page may take.
const TIME: Duration = Duration::from_secs(5);
/// What is left of a call for the answer itself.
const REST: Duration = Duration::from_millis(200);

/// Since when changes are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// Since what was checked out then, in milliseconds since the epoch, as far back as the repository knows.
    Time(u64),
    /// Since this commit.
    Commit(Commit),
}

/// Which changes are asked for.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// A directory in the checkout; that is looked at as a whole.
    pub directory: &'a str,
    /// What is compared with.
    pub since: Since,
    /// The `next` of the page before.
    pub after: Option<&'a str>,
    /// The most files of the page.
    pub limit: u32,
    /// It is a clone of ours, for which an older git does too.
    pub is_ours: bool,
}

/// What in a checkout differs from what it was, committed or not: the answer of
/// [`Changes::get_changes`](crate::Changes::get_changes). It takes 5 seconds at most; a page may therefore end early.
///
/// The repository runs nothing for that. Files are compared as they are written: one whose size and time are those that
/// git noted counts as unchanged, one over 1 MiB is only named, and whether a file is executable counts once that is
/// staged or committed.
///
/// # Errors
///
/// `Refused` if the directory is in no checkout, or git is older than 2.41 and the checkout not ours; `Denied` if git is not granted; `Limited` if
/// there are too many files.
pub fn changes(wanted: &Wanted<'_>) -> Result<ChangePage> {
    let time = TIME.min(context::remaining().saturating_sub(REST));
    let open = if wanted.is_ours { Checkout::ours } else { Checkout::at };
    let checkout = open(wanted.directory, Instant::now() + time)?;
    let cursor = wanted.after.map(Cursor::parse).transpose()?;
    let base = match (&cursor, &wanted.since) {
        (Some(cursor), _) => cursor.base.clone(),
        (None, Since::Commit(commit)) => Some(commit.clone()),
        (None, Since::Time(time)) => checkout.commit_at(*time)?,
    };
    let head = checkout.head()?;
    let mut page = page(&checkout, base.as_ref(), cursor.as_ref(), wanted.limit)?;
    let next = page.past.take().map(|path| Cursor {
        base: base.clone(),
        path,
    });
    let text = next.as_ref().and_then(Cursor::text);
    Ok(ChangePage {
        base: base.map(String::from),
        head: head.map(String::from),
        files: page.files,
        text: page.text,
        cut: page.is_cut || (next.is_some() && text.is_none()),
        next: text,
    })
}

/// The page of files that differ from `base`, past `after`.
pub(super) fn page<'a>(
    checkout: &'a Checkout,
    base: Option<&Commit>,
    after: Option<&Cursor>,
    limit: u32,
) -> Result<Page<'a>> {
    let candidates = checkout.candidates(base)?;
    let mut page = Page::new(limit, checkout);
    if after.is_none() && candidates.unnamed > 0 {
        let count = candidates.unnamed;
        page.say(&format!(
            "{count} files were not compared, because their names are not text.\n"
        ));
    }
    let begin = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.path.as_str()));
    let rest = candidates.by_path.range::<str, _>((begin, Bound::Unbounded));
    let rest: Vec<_> = rest.map(|(path, candidate)| (path.as_str(), candidate)).collect();
    page.fill(&rest)?;
    Ok(page)
}
