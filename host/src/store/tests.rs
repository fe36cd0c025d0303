//! The data directory on a real file system: modes, links, the lock and the token.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::{DataDirectory, Error};

fn opened(root: &Path) -> Result<DataDirectory, Error> {
    DataDirectory::open(&root.join("data"), &root.join("cache"))
}

fn fresh() -> (TempDir, DataDirectory) {
    let root = TempDir::new().unwrap();
    let directory = opened(root.path()).unwrap();
    (root, directory)
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn makes_its_directories_for_this_user_alone() {
    let (_root, directory) = fresh();
    assert_eq!(mode(directory.path()), 0o700);
    assert_eq!(mode(directory.cache()), 0o700);
}

#[test]
fn refuses_a_directory_that_others_may_read_and_says_how_to_fix_it() {
    for place in ["data", "cache"] {
        let (root, directory) = fresh();
        directory.local_token().unwrap();
        fs::create_dir(directory.cache().join("compiled")).unwrap();
        chmod(&root.path().join(place), 0o750);
        let error = opened(root.path()).unwrap_err().to_string();
        assert!(
            error.contains("mode 0750") && error.contains("chmod 700") && error.contains(place),
            "{error}"
        );
    }
}

#[test]
fn refuses_a_file_that_others_may_read() {
    let (root, directory) = fresh();
    directory.local_token().unwrap();
    chmod(&directory.path().join("token"), 0o640);
    let error = opened(root.path()).unwrap_err().to_string();
    assert!(error.contains("chmod 600") && error.contains("token"), "{error}");
    assert!(matches!(directory.local_token(), Err(Error::Mode { .. })));
}

#[test]
fn refuses_a_link_in_place_of_either_directory() {
    for place in ["data", "cache"] {
        let (root, _) = fresh();
        let place = root.path().join(place);
        fs::rename(&place, root.path().join("elsewhere")).unwrap();
        symlink(root.path().join("elsewhere"), &place).unwrap();
        assert!(matches!(opened(root.path()), Err(Error::Link { path }) if path == place));
    }
}

#[test]
fn refuses_links_in_place_of_its_files() {
    for name in ["lock", "token", "state", "conf", "berth.sock"] {
        let (root, directory) = fresh();
        symlink("/etc/passwd", directory.path().join(name)).unwrap();
        assert!(matches!(opened(root.path()), Err(Error::Link { .. })), "{name}");
    }
}

#[test]
fn refuses_links_that_appear_after_the_start() {
    let (root, directory) = fresh();
    let target = root.path().join("target");
    for name in ["lock", "token", "stores", "conf"] {
        symlink(&target, directory.path().join(name)).unwrap();
    }
    assert!(matches!(directory.lock("test"), Err(Error::Link { .. })));
    assert!(directory.local_token().is_err());
    assert!(directory.kept("local").is_err());
    assert!(directory.write_conf("local.conf", "text").is_err());
    assert!(!target.exists());
}

#[test]
fn refuses_a_link_two_levels_down() {
    let (root, directory) = fresh();
    directory.write_conf("tmux.conf", "text").unwrap();
    symlink("/etc", directory.path().join("conf/evil")).unwrap();
    assert!(matches!(opened(root.path()), Err(Error::Link { .. })));
}

#[test]
fn what_a_backend_kept_in_files_is_taken_over_into_its_store() {
    let (root, directory) = fresh();
    let former = directory.path().join("state/local");
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&former)
        .unwrap();
    std::fs::write(former.join("note"), b"kept").unwrap();
    symlink("nowhere", former.join("link")).unwrap();
    assert!(opened(root.path()).is_ok());
    directory.take_over_state("local").unwrap();
    directory.take_over_state("local").unwrap();
    directory.take_over_state("never-there").unwrap();
    assert_eq!(
        directory.kept("local").unwrap().get("note").unwrap().unwrap().0,
        b"kept"
    );
    assert!(!former.exists());
}

#[test]
fn refuses_what_belongs_to_another_user() {
    let (root, directory) = fresh();
    directory.local_token().unwrap();
    // Root can give its directory away; for anyone else the root directory is another user's.
    let given_away = rustix::process::geteuid().is_root();
    let foreign = if given_away { directory.path() } else { Path::new("/") };
    if given_away {
        std::os::unix::fs::chown(foreign, Some(65534), None).unwrap();
    }
    let error = DataDirectory::open(foreign, &root.path().join("cache")).unwrap_err();
    let command = error.to_string().contains("sudo chown -R 0 ");
    match error {
        Error::Owner { path, .. } => assert!(given_away && command && path == foreign),
        Error::Unsuitable { path, .. } => assert!(!given_away && !command && path == foreign),
        other => panic!("{other}"),
    }
}

#[test]
fn refuses_a_file_in_place_of_a_directory() {
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("data"), "").unwrap();
    assert!(matches!(opened(root.path()), Err(Error::Kind { .. })));
}

#[test]
fn refuses_a_path_too_long_for_the_socket() {
    let root = TempDir::new().unwrap();
    let deep = root.path().join("x".repeat(120));
    let error = DataDirectory::open(&deep, root.path()).unwrap_err().to_string();
    assert!(error.contains("shorter path"), "{error}");
}

#[test]
fn a_second_lock_is_refused_and_names_the_holder() {
    let (root, directory) = fresh();
    let held = directory.lock("serve").unwrap();
    let error = opened(root.path()).unwrap().lock("stdio").unwrap_err();
    assert!(
        matches!(&error, Error::InUse { holder, .. } if *holder == format!("process {} (berth serve)", std::process::id()))
    );
    drop(held);
    directory.lock("stdio").unwrap();
    assert_eq!(mode(&directory.path().join("lock")), 0o600);
}

#[test]
fn a_shorter_purpose_leaves_nothing_of_a_longer_one() {
    let (_root, directory) = fresh();
    drop(directory.lock("a rather long purpose").unwrap());
    let _held = directory.lock("x").unwrap();
    let text = fs::read_to_string(directory.path().join("lock")).unwrap();
    assert_eq!(text, format!("{} x\n", std::process::id()));
}

#[test]
fn the_token_lasts_and_is_for_this_user_alone() {
    let (_root, directory) = fresh();
    let token = directory.local_token().unwrap();
    assert_eq!(token.reveal().len(), 64);
    assert_eq!(directory.local_token().unwrap().reveal(), token.reveal());
    assert_eq!(mode(&directory.path().join("token")), 0o600);
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        1,
        "no draft is left behind"
    );
}

#[test]
fn the_token_matches_itself_only() {
    let (_root, directory) = fresh();
    let token = directory.local_token().unwrap();
    assert!(token.matches(token.reveal()));
    for wrong in [
        "",
        "0",
        &token.reveal()[1..],
        &format!("{} ", token.reveal()),
        &token.reveal().to_uppercase(),
    ] {
        // A token of digits alone is its own upper case; it is then no wrong one.
        assert!(wrong == token.reveal() || !token.matches(wrong), "{wrong:?}");
    }
    assert!(!format!("{token:?}").contains(token.reveal()));
}

#[test]
fn two_directories_have_different_tokens() {
    let ((_one, one), (_two, two)) = (fresh(), fresh());
    assert!(!one.local_token().unwrap().matches(two.local_token().unwrap().reveal()));
}

#[test]
fn processes_that_make_the_token_at_once_agree() {
    let (_root, directory) = fresh();
    let tokens: Vec<_> = thread::scope(|scope| {
        let makers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| directory.local_token().unwrap()))
            .collect();
        makers.into_iter().map(|maker| maker.join().unwrap()).collect()
    });
    assert!(tokens.iter().all(|token| token.matches(tokens[0].reveal())));
}

#[test]
fn an_installation_has_one_name_that_lasts() {
    let ((root, one), (_two, two)) = (fresh(), fresh());
    let name = one.installation().unwrap();
    assert!(
        name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{name}"
    );
    assert_eq!(one.installation().unwrap(), name);
    assert_eq!(mode(&one.path().join("installation")), 0o600);
    assert_ne!(two.installation().unwrap(), name);
    assert!(
        opened(root.path()).is_ok(),
        "a data directory that holds nothing else is still one"
    );
    fs::write(one.path().join("installation"), "../..\n").unwrap();
    let error = one.installation().unwrap_err().to_string();
    assert!(error.contains("16 hexadecimal digits"), "{error}");
}

#[test]
fn refuses_a_damaged_token() {
    let (_root, directory) = fresh();
    directory.local_token().unwrap();
    let path = directory.path().join("token");
    for damaged in [
        "",
        "abc\n",
        &"g".repeat(64),
        &"a".repeat(65),
        &format!("{}\n\n", "a".repeat(64)),
    ] {
        fs::write(&path, damaged).unwrap();
        let error = directory.local_token().unwrap_err().to_string();
        assert!(error.contains("remove it"), "{error}");
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the standard library makes no FIFOs")]
fn refuses_a_fifo_in_place_of_the_token_without_waiting() {
    let (_root, directory) = fresh();
    let path = directory.path().join("token");
    let made = std::process::Command::new("mkfifo")
        .args(["-m", "600"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    assert!(matches!(directory.local_token(), Err(Error::Kind { .. })));
}

#[test]
fn conf_files_are_private_and_replaced_whole() {
    let (_root, directory) = fresh();
    directory.write_conf("local-tmux", "a long first text").unwrap();
    let path = directory.write_conf("local-tmux", "second").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "second");
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(
        fs::read_dir(path.parent().unwrap()).unwrap().count(),
        1,
        "no draft is left behind"
    );
}

#[test]
fn an_error_is_told_once_with_its_causes() {
    let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
    let message = "database or disk is full";
    let database =
        Error::database(Path::new("berth.db"))(rusqlite::Error::SqliteFailure(full, Some(message.to_owned())));
    let denied = std::io::Error::from_raw_os_error(13);
    let file = Error::io("write", Path::new("token"))(denied);
    for (error, text) in [(database, message), (file, "Permission denied")] {
        let told = format!("{:#}", anyhow::Error::from(error).context("it cannot be recorded"));
        assert_eq!(told.matches(text).count(), 1, "{told}");
    }
}

#[test]
fn drafts_that_a_process_has_left_are_cleared_away_after_an_hour() {
    let (_root, directory) = fresh();
    let conf = directory.write_conf("local-tmux", "text").unwrap();
    let beside = |path: &Path, end: &str| {
        let draft = path.with_added_extension(end);
        fs::write(&draft, "half").unwrap();
        chmod(&draft, 0o600);
        draft
    };
    let token = directory.path().join("token");
    let age = |path: &Path, minutes| {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_mins(minutes))
            .unwrap();
    };
    let left = [beside(&token, "01.draft"), beside(&conf, "02.draft")];
    let young = [beside(&token, "03.draft"), beside(&conf, "04.draft")];
    left.iter().for_each(|path| age(path, 61));
    young.iter().for_each(|path| age(path, 59));
    age(&conf, 1_000);
    let _lock = directory.lock("serve").unwrap();
    assert!(left.iter().all(|path| !path.exists()));
    assert!(young.iter().all(|path| path.exists()) && conf.exists());
}

#[test]
fn what_backends_keep_is_private_and_apart() {
    let (_root, directory) = fresh();
    let longest = "x".repeat(64);
    directory.kept("local").unwrap().put("a", b"1", None).unwrap();
    assert_eq!(directory.kept(&longest).unwrap().get("a").unwrap(), None);
    assert_eq!(mode(&directory.path().join("stores")), 0o700);
    assert_eq!(mode(&directory.path().join("stores/local.db")), 0o600);
}

#[test]
fn refuses_names_that_lead_elsewhere() {
    let (_root, directory) = fresh();
    for name in [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "-x",
        ".hidden",
        "a b",
        "a\nb",
        "ü",
        &"x".repeat(65),
    ] {
        assert!(matches!(directory.kept(name), Err(Error::Name { .. })), "{name:?}");
        assert!(
            matches!(directory.write_conf(name, ""), Err(Error::Name { .. })),
            "{name:?}"
        );
    }
}
