//! One file compared: how many lines differ, and a unified diff.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Instant;

use similar::{ChangeTag, TextDiff};

use super::content::Content;
use crate::ChangedFile;

/// Lines around a change.
const AROUND: usize = 3;
/// Bytes in which a file that is not text has a zero.
const LOOKED_AT: usize = 8_000;

/// A file that differs, and its diff.
#[derive(Debug, PartialEq)]
pub(super) struct Compared {
    pub(super) file: ChangedFile,
    pub(super) text: String,
    /// There is more than `text` says.
    pub(super) is_cut: bool,
}

/// How the file at `path` differs; nothing if it does not. Past `until` the diff is longer than it must be.
pub(super) fn compare(
    path: &str,
    modes: (u32, u32),
    before: &Content,
    now: &Content,
    until: Instant,
) -> Option<Compared> {
    let heading = heading(path, modes, before, now);
    let file = |added, removed, binary| ChangedFile {
        path: path.to_owned(),
        added,
        removed,
        binary,
    };
    let only_said = |what: &str, binary, is_cut| {
        Some(Compared {
            file: file(0, 0, binary),
            text: format!("{heading}{what}\n"),
            is_cut,
        })
    };
    let (old, new) = match (bytes(before), bytes(now)) {
        _ if *before == Content::Other || *now == Content::Other => {
            return only_said("What is there is not a file, or cannot be read.", false, true);
        }
        (Some(old), Some(new)) => (old, new),
        _ => {
            return only_said(
                "It is too large to be compared here, or git does not have its object.",
                false,
                true,
            );
        }
    };
    let (before_is, now_is) = (*before != Content::Nothing, *now != Content::Nothing);
    if before_is == now_is && old == new && modes.0 == modes.1 {
        return None;
    }
    if is_binary(old) || is_binary(new) {
        return only_said("Binary files differ.", true, false);
    }
    let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
    let new = as_written(&old, new);
    if before_is == now_is && old == new && modes.0 == modes.1 {
        return None;
    }
    let diff = TextDiff::configure().deadline(until).diff_lines(&*old, &*new);
    let count = |tag| {
        let counted = diff.iter_all_changes().filter(|change| change.tag() == tag).count();
        u32::try_from(counted).unwrap_or(u32::MAX)
    };
    let names = (name("a/", path, before_is), name("b/", path, now_is));
    let mut hunks = diff.unified_diff();
    let hunks = hunks.context_radius(AROUND).header(&names.0, &names.1).to_string();
    Some(Compared {
        file: file(count(ChangeTag::Insert), count(ChangeTag::Delete), false),
        text: heading + &hunks,
        is_cut: false,
    })
}

/// What can be compared.
fn bytes(content: &Content) -> Option<&[u8]> {
    match content {
        Content::Nothing => Some(&[]),
        Content::Bytes(bytes) => Some(bytes),
        Content::Large | Content::Other => None,
    }
}

fn is_binary(bytes: &[u8]) -> bool {
    bytes[..bytes.len().min(LOOKED_AT)].contains(&0)
}

/// A file that is kept with one kind of line ends may be written with the other.
fn as_written<'a>(old: &str, new: Cow<'a, str>) -> Cow<'a, str> {
    let ends = new.matches('\n').count();
    let is_other = !old.contains('\r') && ends > 0 && new.matches("\r\n").count() == ends;
    match is_other && !old.is_empty() {
        true => Cow::Owned(new.replace("\r\n", "\n")),
        false => new,
    }
}

fn heading(path: &str, (old, new): (u32, u32), before: &Content, now: &Content) -> String {
    let mut heading = format!("diff --git {} {}\n", name("a/", path, true), name("b/", path, true));
    // Writing to a string does not fail.
    let _ = match (before, now) {
        (Content::Nothing, _) => writeln!(heading, "new file"),
        (_, Content::Nothing) => writeln!(heading, "deleted file"),
        _ if old != new => writeln!(heading, "old mode {old:06o}\nnew mode {new:06o}"),
        _ => Ok(()),
    };
    heading
}

/// A path as a diff names it, on one line.
fn name(side: &str, path: &str, is_there: bool) -> String {
    match is_there {
        false => "/dev/null".to_owned(),
        true if path.chars().any(|c| c.is_control() || c == '"' || c == '\\') => {
            format!("\"{side}{}\"", path.escape_default())
        }
        true => format!("{side}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MODES: (u32, u32) = (0o100_644, 0o100_644);

    fn text(text: &str) -> Content {
        Content::Bytes(text.as_bytes().to_vec())
    }

    fn compared(before: &Content, now: &Content) -> Option<Compared> {
        compare("a.txt", MODES, before, now, Instant::now() + Duration::from_secs(5))
    }

    #[test]
    fn lines_are_counted_and_shown_as_git_shows_them() {
        let differs = compared(&text("one\ntwo\nthree\n"), &text("one\n2\nthree\nfour")).unwrap();
        assert_eq!(
            (differs.file.added, differs.file.removed, differs.is_cut),
            (2, 1, false)
        );
        assert_eq!(
            differs.text,
            "diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n@@ -1,3 +1,4 @@\n one\n-two\n+2\n three\n+four\n\
             \\ No newline at end of file\n"
        );
        let made = compared(&Content::Nothing, &text("x\n")).unwrap().text;
        assert!(made.contains("new file\n--- /dev/null\n+++ b/a.txt\n"), "{made}");
        let gone = compared(&text("x\n"), &Content::Nothing).unwrap();
        assert!(
            gone.text.contains("deleted file\n--- a/a.txt\n+++ /dev/null\n"),
            "{}",
            gone.text
        );
        assert_eq!(gone.file.removed, 1);
    }

    #[test]
    fn what_is_the_same_does_not_differ_also_where_line_ends_are_written_otherwise() {
        assert_eq!(compared(&text("a\nb\n"), &text("a\nb\n")), None);
        assert_eq!(compared(&text("a\nb\n"), &text("a\r\nb\r\n")), None);
        assert_eq!(compared(&text(""), &text("")), None);
        let differs = compared(&text("a\nb\n"), &text("a\r\nc\r\n")).unwrap();
        assert_eq!((differs.file.added, differs.file.removed), (1, 1));
        assert!(compared(&text("a\r\nb\n"), &text("a\nb\n")).is_some());
        assert!(
            compared(&Content::Nothing, &text("")).is_some(),
            "an empty file is a file"
        );
    }

    #[test]
    fn what_cannot_be_shown_is_said_and_never_told_as_no_change() {
        let binary = compared(&text("a"), &text("a\0b")).unwrap();
        assert!(binary.file.binary && !binary.is_cut && binary.text.ends_with("Binary files differ.\n"));
        for hidden in [Content::Large, Content::Other] {
            assert!(compared(&text("a"), &hidden).unwrap().is_cut);
            assert!(compared(&hidden, &hidden).unwrap().is_cut);
        }
        let mode = compare("a", (0o100_644, 0o100_755), &text("a\n"), &text("a\n"), Instant::now()).unwrap();
        assert_eq!(mode.text, "diff --git a/a b/a\nold mode 100644\nnew mode 100755\n");
    }

    #[test]
    fn a_path_stays_on_its_line() {
        let until = Instant::now() + Duration::from_secs(5);
        let forged = compare("a\n+++ b/x\u{1b}", MODES, &text("a\n"), &text("b\n"), until).unwrap();
        assert_eq!(
            forged.text.lines().filter(|line| line.starts_with("+++ ")).count(),
            1,
            "{}",
            forged.text
        );
        assert!(!forged.text.contains('\u{1b}'));
    }

    #[test]
    fn a_diff_that_takes_too_long_is_coarse_and_right() {
        let lines = |odd: bool| {
            (0..40_000)
                .filter(|n| (n % 2 == 1) == odd)
                .map(|n| format!("{n}\n"))
                .collect::<String>()
        };
        let differs = compare("a", MODES, &text(&lines(true)), &text(&lines(false)), Instant::now()).unwrap();
        assert_eq!((differs.file.added, differs.file.removed), (20_000, 20_000));
    }
}
