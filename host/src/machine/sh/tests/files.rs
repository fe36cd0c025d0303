//! What is told of files.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::*;
use crate::machine::entry::{Entry, Kind};

const MOST: usize = 10_000;

async fn listed(way: &Arc<dyn Way>, at: Within, having: &[&str]) -> Result<Vec<Entry>, Fault> {
    let having: Vec<String> = having.iter().map(|name| (*name).to_owned()).collect();
    entries(way, Instant::now() + LONG, &at, &having, MOST, |_, _| true).await
}

fn names(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.name.as_str()).collect()
}

fn slice(at: Within, start: u64, max: u32) -> Slice {
    Slice {
        at,
        start,
        max,
        no_links: false,
    }
}

#[tokio::test]
async fn a_list_has_all_kinds_and_names() {
    let (_kept, root) = folder();
    let odd = [
        "new\nline",
        "'quotes\"",
        "-dash",
        "--",
        "*",
        "a b",
        "é",
        ".hidden",
        "..twice",
        "81a4 1 1 .x",
        "$(id)",
    ];
    for name in odd {
        std::fs::write(root.join(name), name).unwrap();
    }
    std::fs::create_dir(root.join("directory")).unwrap();
    symlink("directory", root.join("link")).unwrap();
    std::fs::write(root.join(OsStr::from_bytes(b"not\xfftext")), "").unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, root.join("fifo"), rustix::fs::Mode::RUSR).unwrap();
    for shell in SHELLS {
        let (local, way) = Local::to(shell).way();
        let listed = listed(&way, within(&root, ""), &[]).await.unwrap();
        let mut expected: Vec<&str> = odd.into_iter().chain(["directory", "link", "fifo"]).collect();
        expected.sort_unstable();
        assert_eq!(names(&listed), expected, "{shell:?}");
        for entry in &listed {
            let found = std::fs::symlink_metadata(root.join(&entry.name)).unwrap();
            let kind = match &*entry.name {
                "directory" => Kind::Directory,
                "link" | "fifo" => Kind::Other,
                _ => Kind::File,
            };
            let modified = u64::try_from(found.mtime() * 1000 + found.mtime_nsec() / 1_000_000).unwrap();
            assert_eq!(
                (entry.kind, entry.size, entry.modified),
                (kind, found.size(), modified),
                "{entry:?}"
            );
        }
        assert_eq!(local.opened(), 1);
    }
}

#[tokio::test]
async fn busybox_lists_too() {
    let (_kept, root) = folder();
    let tools = root.join("tools");
    std::fs::create_dir(&tools).unwrap();
    for tool in ["busybox", "stat", "find", "head", "tail", "readlink", "env"] {
        symlink("/usr/bin/busybox", tools.join(tool)).unwrap();
    }
    std::fs::write(root.join("new\nline"), "12345").unwrap();
    symlink("new\nline", root.join("link")).unwrap();
    let (_, way) = Local::to(SHELLS[3]).after(&format!("PATH={}", tools.display())).way();
    let entries = listed(&way, within(&root, ""), &[]).await.unwrap();
    assert_eq!(names(&entries), ["link", "new\nline", "tools"]);
    let found = std::fs::metadata(root.join("new\nline")).unwrap();
    let whole_seconds = u64::try_from(found.mtime() * 1000).unwrap();
    assert_eq!((entries[1].size, entries[1].modified), (5, whole_seconds));
    let slices = [slice(within(&root, "link"), 0, 9), slice(within(&root, "link"), 2, 2)];
    let contents = read(&way, Instant::now() + LONG, &slices).await;
    assert_eq!(contents[0].as_ref().unwrap(), b"12345");
    assert_eq!(contents[1].as_ref().unwrap(), b"34");
}

#[tokio::test]
async fn twenty_thousand_entries_are_listed_and_the_newest_are_kept() {
    let (_kept, root) = folder();
    for number in 0..20_000 {
        std::fs::File::create(root.join(format!("{number:05}-with-a-longer-name-than-usual"))).unwrap();
    }
    let old = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    for number in 0..5_000 {
        let path = root.join(format!("{number:05}-with-a-longer-name-than-usual"));
        std::fs::File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(old)
            .unwrap();
    }
    for shell in SHELLS {
        let (_, way) = Local::to(shell).way();
        let listed = listed(&way, within(&root, ""), &[]).await.unwrap();
        assert_eq!(listed.len(), MOST);
        assert!(listed.iter().all(|entry| entry.modified > 1_000_000), "{shell:?}");
        assert!(listed.is_sorted_by(|one, other| one.name < other.name));
    }
}

#[tokio::test]
async fn having_keeps_directories_that_hold_such_a_name() {
    let (_kept, top) = folder();
    let root = top.join("root");
    for path in ["root/a/.git", "root/b\n", "root/*", "root/.hidden/.git", "out/.git"] {
        std::fs::create_dir_all(top.join(path)).unwrap();
    }
    std::fs::write(root.join("b\n/-mark"), "").unwrap();
    std::fs::write(root.join("file"), "").unwrap();
    symlink("/nowhere", root.join("*/mark it")).unwrap();
    symlink("a", root.join("link")).unwrap();
    symlink("../out", root.join("away")).unwrap();
    // Links in a directory of it lead out, to what is there and to what is not.
    std::fs::create_dir_all(root.join("deep/in")).unwrap();
    for (link, to) in [("out", "../../out"), ("top", "/"), ("none", "../../none")] {
        symlink(to, root.join("deep").join(link)).unwrap();
    }
    std::fs::write(root.join("deep/in/file"), "").unwrap();
    for shell in SHELLS {
        let (_, way) = Local::to(shell).way();
        let all = [".git", "-mark", "mark it"];
        let found = listed(&way, within(&root, ""), &all).await.unwrap();
        assert_eq!(names(&found), ["*", ".hidden", "a", "b\n", "link"], "{shell:?}");
        let found = listed(&way, within(&root, ""), &["mark it"]).await.unwrap();
        assert_eq!(names(&found), ["*"]);
        let found = listed(&way, within(&root, ""), &["in/file"]).await.unwrap();
        assert_eq!(names(&found), ["deep"]);
        for outside in [
            "../out",
            "../../root",
            "../../out/.git",
            "in/../../../out/.git",
            "out/.git",
            "out/",
            "out/.",
            "out/..",
            "top/etc",
            "top/etc/passwd",
            "none/.git",
        ] {
            let found = listed(&way, within(&root, ""), &[outside]).await.unwrap();
            assert_eq!(names(&found), [""; 0], "{shell:?} {outside}");
        }
    }
}

#[tokio::test]
async fn lists_and_reads_lead_out_of_nothing() {
    for shell in SHELLS {
        let (_kept, top) = folder();
        let root = top.join("root");
        std::fs::create_dir_all(root.join("in")).unwrap();
        std::fs::create_dir(top.join("out")).unwrap();
        std::fs::write(top.join("out/secret"), "secret").unwrap();
        std::fs::write(root.join("in/file"), "file").unwrap();
        symlink("../out", root.join("away")).unwrap();
        symlink("../out/secret", root.join("link")).unwrap();
        symlink("../out/missing", root.join("nowhere")).unwrap();
        symlink("../missing/missing", root.join("further")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink(top.join("out/secret"), root.join("absolute")).unwrap();
        symlink("in/file", root.join("inside")).unwrap();
        symlink("../inside", root.join("in/twice")).unwrap();
        let (local, way) = Local::to(shell).way();
        for (below, why) in [
            ("away", Refusal::Outside),
            ("..", Refusal::Outside),
            ("missing", Refusal::Missing),
            ("in/file", Refusal::NotDirectory),
        ] {
            assert_eq!(refusal(listed(&way, within(&root, below), &[]).await), why, "{below}");
            assert_eq!(
                refusal(listed(&way, within(&root, below), &["x"]).await),
                why,
                "{below}"
            );
        }
        let opened = local.opened();
        let cases = [
            ("in/file", Ok("file")),
            ("inside", Ok("file")),
            ("in/twice", Ok("file")),
            ("away/secret", Err(Refusal::Outside)),
            ("away/missing", Err(Refusal::Outside)),
            ("../out/secret", Err(Refusal::Outside)),
            ("link", Err(Refusal::Outside)),
            ("nowhere", Err(Refusal::Outside)),
            ("further", Err(Refusal::Outside)),
            ("loop", Err(Refusal::Outside)),
            ("absolute", Err(Refusal::Outside)),
            ("missing", Err(Refusal::Missing)),
            ("in/file/x", Err(Refusal::NotDirectory)),
            ("in", Err(Refusal::NotRegular)),
            ("", Err(Refusal::NotRegular)),
            ("in/..", Err(Refusal::NotRegular)),
        ];
        let slices = cases.map(|(below, _)| slice(within(&root, below), 0, 100));
        let read = super::super::read(&way, Instant::now() + LONG, &slices).await;
        for ((below, expected), read) in cases.into_iter().zip(read) {
            match expected {
                Ok(text) => assert_eq!(read.unwrap(), text.as_bytes(), "{shell:?} {below}"),
                Err(why) => assert_eq!(refusal(read), why, "{shell:?} {below}"),
            }
        }
        assert_eq!(local.opened(), opened + 1, "one round trip");
        // A folder of which only some files are shown follows no link to another name.
        let kept = ["in/file", "inside", "link"].map(|below| Slice {
            no_links: true,
            ..slice(within(&root, below), 0, 100)
        });
        let mut kept = super::super::read(&way, Instant::now() + LONG, &kept).await.into_iter();
        assert_eq!(kept.next().unwrap().unwrap(), b"file");
        assert!(kept.all(|read| refusal(read) == Refusal::Link));
        // A directory of it is swapped for a link that leads out.
        std::fs::rename(root.join("in"), root.join("was")).unwrap();
        symlink("../out", root.join("in")).unwrap();
        let at = within(&root, "in/secret");
        let swapped = super::super::read(&way, Instant::now() + LONG, &[slice(at, 0, 100)])
            .await
            .remove(0);
        assert_eq!(refusal(swapped), Refusal::Outside);
    }
}

#[tokio::test]
async fn parts_of_files_come_as_they_are() {
    let (_kept, root) = folder();
    let bytes: Vec<u8> = (0..=255_u8).cycle().take(3_000_000).collect();
    std::fs::write(root.join("bytes"), &bytes).unwrap();
    for name in ["-n", "a\nb", "it's", "%s"] {
        std::fs::write(root.join(name), name).unwrap();
    }
    for shell in SHELLS {
        let (_, way) = Local::to(shell).way();
        let parts = [
            (0, 10),
            (255, 3),
            (2_999_999, 10),
            (3_000_000, 10),
            (9_000_000, 10),
            (5, 0),
            (1, 2_000_000),
        ];
        let slices = parts.map(|(start, max)| slice(within(&root, "bytes"), start, max));
        let read = super::super::read(&way, Instant::now() + LONG, &slices).await;
        for ((start, max), read) in parts.into_iter().zip(read) {
            let start = usize::try_from(start).unwrap().min(bytes.len());
            let end = (start + max as usize).min(bytes.len());
            assert!(read.unwrap() == bytes[start..end], "{shell:?} {start} {max}");
        }
        let names = ["-n", "a\nb", "it's", "%s"];
        let slices = names.map(|name| slice(within(&root, name), 0, 100));
        let read = super::super::read(&way, Instant::now() + LONG, &slices).await;
        for (name, read) in names.iter().zip(read) {
            assert_eq!(read.unwrap(), name.as_bytes());
        }
    }
}

#[tokio::test]
async fn what_is_not_a_regular_file_is_not_opened() {
    let (_kept, root) = folder();
    rustix::fs::mkfifoat(rustix::fs::CWD, root.join("fifo"), rustix::fs::Mode::RUSR).unwrap();
    symlink("fifo", root.join("link")).unwrap();
    for shell in SHELLS {
        let (_, way) = Local::to(shell).way();
        let slices = [
            slice(within(&root, "fifo"), 0, 9),
            slice(within(&root, "link"), 0, 9),
            slice(within(Path::new("/dev"), "zero"), 0, 9),
            slice(within(Path::new("/"), "dev/full"), 0, 9),
        ];
        for outcome in read(&way, Instant::now() + LONG, &slices).await {
            assert_eq!(refusal(outcome), Refusal::NotRegular, "{shell:?}");
        }
    }
}

#[tokio::test]
async fn what_may_not_be_read_is_told_as_such() {
    // Root may read everything, so another user looks.
    let (_kept, root) = folder();
    std::fs::set_permissions(&root, Permissions::from_mode(0o755)).unwrap();
    std::fs::write(root.join("file"), "").unwrap();
    std::fs::set_permissions(root.join("file"), Permissions::from_mode(0o000)).unwrap();
    std::fs::create_dir(root.join("closed")).unwrap();
    std::fs::create_dir(root.join("unlisted")).unwrap();
    std::fs::write(root.join("closed/file"), "").unwrap();
    std::fs::set_permissions(root.join("closed"), Permissions::from_mode(0o600)).unwrap();
    std::fs::set_permissions(root.join("unlisted"), Permissions::from_mode(0o311)).unwrap();
    let unprivileged = rustix::process::geteuid().is_root();
    for shell in SHELLS {
        let mut local = Local::to(shell);
        if unprivileged {
            local.login = "set -- setpriv --reuid=65534 --clear-groups \"$@\"".to_owned();
        }
        let (_, way) = local.way();
        let slices = [
            slice(within(&root, "file"), 0, 9),
            slice(within(&root, "closed/file"), 0, 9),
        ];
        for outcome in read(&way, Instant::now() + LONG, &slices).await {
            assert_eq!(refusal(outcome), Refusal::Unreadable, "{shell:?}");
        }
        for below in ["closed", "unlisted"] {
            assert_eq!(
                refusal(listed(&way, within(&root, below), &[]).await),
                Refusal::Unreadable
            );
        }
    }
}
