//! What git prints for programs, read as what anybody may have written: a part that is not as expected is passed over.

use std::str::from_utf8;

use super::commit;

/// Modes of entries as git counts them.
pub(super) const LINK: u32 = 0o120_000;
const SUBMODULE: u32 = 0o160_000;

/// A file as a tree or the index has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) mode: u32,
    pub(super) id: String,
}

impl Entry {
    fn of(mode: &str, id: &str) -> Option<Self> {
        let mode = u32::from_str_radix(mode, 8).ok()?;
        let is_file = mode != 0 && mode != SUBMODULE && commit::is_id(id) && id.bytes().any(|byte| byte != b'0');
        is_file.then(|| Self {
            mode,
            id: id.to_owned(),
        })
    }
}

/// An entry of the index, with what the file's system said of it when it was written there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Indexed {
    pub(super) path: String,
    pub(super) entry: Entry,
    /// In milliseconds since the epoch.
    pub(super) modified: u64,
    pub(super) size: u64,
    /// It is not written to the checkout (a sparse one).
    pub(super) skipped: bool,
    /// It has no content yet (`git add --intent-to-add`).
    pub(super) intended: bool,
}

/// Flags of an entry of the index.
const SKIPPED: u32 = 1 << 30;
const INTENDED: u32 = 1 << 29;

/// What `ls-files --stage --debug -z` prints: the entries, and how many have names that are not text.
pub(super) fn index(mut printed: &[u8]) -> (Vec<Indexed>, usize) {
    let (mut entries, mut unnamed) = (Vec::new(), 0);
    while let Some(end) = printed.iter().position(|&byte| byte == 0) {
        let (head, rest) = (&printed[..end], &printed[end + 1..]);
        let debug = lines(rest, 5);
        printed = &rest[debug.len()..];
        match (from_utf8(head), from_utf8(debug)) {
            (Ok(head), Ok(debug)) => entries.extend(indexed(head, debug)),
            _ => unnamed += 1,
        }
    }
    (entries, unnamed)
}

/// The first `count` lines.
fn lines(text: &[u8], count: usize) -> &[u8] {
    let mut ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let end = ends.nth(count - 1).map_or(text.len(), |(at, _)| at + 1);
    &text[..end]
}

fn indexed(head: &str, debug: &str) -> Option<Indexed> {
    let (what, path) = head.split_once('\t')?;
    let mut what = what.split(' ');
    let entry = Entry::of(what.next()?, what.next()?)?;
    let value = |name: &str| {
        let (_, rest) = debug.split_once(name)?;
        rest.split(|c: char| c.is_ascii_whitespace())
            .find(|word| !word.is_empty())
    };
    let (seconds, nanoseconds) = value("mtime:")?.split_once(':')?;
    let modified = seconds.parse::<u64>().ok()?.checked_mul(1000)? + nanoseconds.parse::<u64>().ok()? / 1_000_000;
    let flags = u32::from_str_radix(value("flags:")?, 16).ok()?;
    Some(Indexed {
        path: path.to_owned(),
        entry,
        modified,
        size: value("size:")?.parse().ok()?,
        skipped: flags & SKIPPED != 0,
        intended: flags & INTENDED != 0,
    })
}

/// A file that the index has otherwise than a commit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Staged {
    pub(super) path: String,
    pub(super) before: Option<Entry>,
}

/// What `diff-index --cached --raw -z` prints.
pub(super) fn staged(printed: &[u8]) -> Vec<Staged> {
    let mut parts = printed.split(|&byte| byte == 0).map(from_utf8);
    let mut staged = Vec::new();
    while let (Some(what), Some(path)) = (parts.next(), parts.next()) {
        let (Ok(what), Ok(path)) = (what, path) else { continue };
        let Some(what) = what.strip_prefix(':') else { continue };
        let words: Vec<_> = what.split(' ').collect();
        if let [mode, _, id, ..] = words[..] {
            staged.push(Staged {
                path: path.to_owned(),
                before: Entry::of(mode, id),
            });
        }
    }
    staged
}

/// Paths that end in NUL, and how many are not text.
pub(super) fn paths(printed: &[u8]) -> (Vec<String>, usize) {
    let parts = printed.split(|&byte| byte == 0).filter(|part| !part.is_empty());
    let (mut paths, mut unnamed) = (Vec::new(), 0);
    for part in parts {
        match from_utf8(part) {
            Ok(path) => paths.push(path.to_owned()),
            Err(_) => unnamed += 1,
        }
    }
    (paths, unnamed)
}

/// What `diff-tree --numstat -z` prints: each path with the lines that were added and removed; none of what is not text.
pub(super) fn counted(printed: &[u8]) -> Vec<(String, Option<(u32, u32)>)> {
    let line = |part: &[u8]| {
        let text = String::from_utf8_lossy(part);
        let mut fields = text.splitn(3, '\t');
        let (added, removed) = (fields.next()?, fields.next()?);
        let counts = added.parse().ok().zip(removed.parse().ok());
        Some((fields.next()?.to_owned(), counts))
    };
    printed.split(|&byte| byte == 0).filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "78981922613b2afb6025042ff6bd878ac1994e85";

    fn debug(flags: &str) -> String {
        format!(
            "  ctime: 1:2\n  mtime: 1795727799:978084338\n  dev: 1\tino: 2\n  uid: 0\tgid: 0\n  size: 7\tflags: {flags}\n"
        )
    }

    #[test]
    fn an_index_is_read_whatever_its_paths_hold() {
        let entry = |path: &str, flags| format!("100644 {ID} 0\t{path}\0{}", debug(flags));
        let printed = [
            entry("a", "0"),
            entry("d/b c\n100644 x\ty", "40000000"),
            entry("new", "20000000"),
        ];
        let (entries, unnamed) = index(printed.concat().as_bytes());
        let paths: Vec<_> = entries.iter().map(|indexed| indexed.path.as_str()).collect();
        assert_eq!((paths, unnamed), (vec!["a", "d/b c\n100644 x\ty", "new"], 0));
        assert_eq!((entries[0].modified, entries[0].size), (1_795_727_799_978, 7));
        let flags: Vec<_> = entries.iter().map(|entry| (entry.skipped, entry.intended)).collect();
        assert_eq!(flags, [(false, false), (true, false), (false, true)]);
    }

    #[test]
    fn what_is_not_as_git_prints_it_is_passed_over_and_a_name_that_is_not_text_is_counted() {
        let good = format!("100644 {ID} 0\ta\0{}", debug("0"));
        let submodule = format!("160000 {ID} 0\tsub\0{}", debug("0"));
        let mut printed = format!("nonsense\0{}{submodule}{good}", debug("0")).into_bytes();
        printed.extend(
            format!("100644 {ID} 0\t")
                .bytes()
                .chain([0xff, 0])
                .chain(debug("0").bytes()),
        );
        let (entries, unnamed) = index(&printed);
        assert_eq!((entries.len(), unnamed), (1, 1));
        for torn in ["", "\0", "a\0b", "100644", &good[..60]] {
            assert!(index(torn.as_bytes()).0.is_empty());
            assert!(staged(torn.as_bytes()).is_empty() && counted(torn.as_bytes()).is_empty());
        }
    }
}
