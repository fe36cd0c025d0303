//! The content of files, out of objects and out of a checkout.

use std::collections::BTreeMap;

use super::checkout::{Checkout, Place};
use super::commit;
use crate::{Result, files};

/// Bytes of a file that is compared; of a larger one only that it differs is told.
pub(super) const LARGEST: u64 = 1 << 20;

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Nothing,
    Bytes(Vec<u8>),
    /// More than is compared.
    Large,
    /// Something that is not a file, or cannot be read.
    Other,
}

/// The sizes of objects, by id. One that is not there has none.
pub(super) fn sizes<'a>(checkout: &Checkout, ids: impl IntoIterator<Item = &'a str>) -> Result<BTreeMap<String, u64>> {
    let asked = lines(ids);
    if asked.is_empty() {
        return Ok(BTreeMap::new());
    }
    let printed = checkout.asked(&["cat-file", "--batch-check"], asked)?;
    let printed = String::from_utf8_lossy(&printed);
    Ok(printed.lines().filter_map(head).collect())
}

/// The objects with these ids.
pub(super) fn objects<'a>(
    checkout: &Checkout,
    ids: impl IntoIterator<Item = &'a str>,
) -> Result<BTreeMap<String, Vec<u8>>> {
    let asked = lines(ids);
    if asked.is_empty() {
        return Ok(BTreeMap::new());
    }
    let printed = checkout.asked(&["cat-file", "--batch"], asked)?;
    let (mut rest, mut objects) = (&printed[..], BTreeMap::new());
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let line = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = &rest[end + 1..];
        // A line about an object that is not there has no content after it.
        let Some((id, size)) = head(&line) else { continue };
        let Some((bytes, after)) = usize::try_from(size).ok().and_then(|size| rest.split_at_checked(size)) else {
            break;
        };
        objects.insert(id, bytes.to_vec());
        rest = after.strip_prefix(b"\n").unwrap_or(after);
    }
    Ok(objects)
}

fn lines<'a>(ids: impl IntoIterator<Item = &'a str>) -> String {
    ids.into_iter().map(|id| format!("{id}\n")).collect()
}

/// `ID blob SIZE`.
fn head(line: &str) -> Option<(String, u64)> {
    let mut words = line.split(' ');
    let id = words.next().filter(|id| commit::is_id(id))?;
    words.next().filter(|kind| *kind == "blob")?;
    Some((id.to_owned(), words.next()?.parse().ok()?))
}

/// The content at a place of the file at `path` below the checkout; `objects` are those that were asked for.
pub(super) fn of(checkout: &Checkout, path: &str, place: &Place, objects: &BTreeMap<String, Vec<u8>>) -> Content {
    match place {
        Place::Nowhere => Content::Nothing,
        Place::Other => Content::Other,
        Place::Object(entry) => objects
            .get(&entry.id)
            .map_or(Content::Large, |bytes| Content::Bytes(bytes.clone())),
        Place::Disk(size) if *size > LARGEST => Content::Large,
        Place::Disk(_) => {
            let max = u32::try_from(LARGEST + 1).unwrap_or(u32::MAX);
            match files::read(format!("{}/{path}", checkout.top), max) {
                Ok(bytes) if bytes.len() as u64 > LARGEST => Content::Large,
                Ok(bytes) => Content::Bytes(bytes),
                Err(crate::Error::NotFound(_)) => Content::Nothing,
                Err(_) => Content::Other,
            }
        }
    }
}
