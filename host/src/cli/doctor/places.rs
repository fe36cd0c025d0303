//! The data directory and what is in it, and the free space on its disk.

use std::path::Path;

use berth::assemble::Setup;
use berth::store::DataDirectory;
use berth::store::audit::Broken;
use bytesize::ByteSize;
use tokio::net::UnixStream;

use super::finding::Finding;

/// Bytes below which the disk is soon full, and below which nothing can be counted on.
const LITTLE: u64 = 200 << 20;
const TOO_LITTLE: u64 = 20 << 20;

pub(super) async fn examine(setup: &Setup, data: &DataDirectory) -> Vec<Finding> {
    vec![
        Finding::ok(
            "data directory",
            format!("{} is this user's alone", data.path().display()),
        ),
        passphrase(setup, data),
        audit(setup, data),
        access(data),
        room("disk of data", data.path()),
        room("disk of cache", data.cache()),
        socket(&data.socket_path()).await,
    ]
}

fn passphrase(setup: &Setup, data: &DataDirectory) -> Finding {
    const ABOUT: &str = "passphrase";
    let found = data.access().and_then(|access| access.passphrase());
    match (found, &setup.server.public_url) {
        (Err(error), _) => Finding::error(ABOUT, &error.into()),
        (Ok(Some(_)), _) => Finding::ok(ABOUT, "it is set"),
        (Ok(None), None) => Finding::ok(ABOUT, "none is set, and none is needed without a public address"),
        (Ok(None), Some(_)) => Finding::fail(
            ABOUT,
            "none is set, so nobody can log in at the public address",
            "run: berth login set",
        ),
    }
}

fn audit(setup: &Setup, data: &DataDirectory) -> Finding {
    let audit = match data.audit(setup.audit.sync) {
        Ok(audit) => audit,
        Err(error) => return Finding::error("audit", &error.into()),
    };
    match audit.examine().and_then(|()| Ok(audit.follows_missing()?)) {
        Ok(None) => Finding::ok(
            "audit",
            "its record opens, is as berth made it, and its end fits the key",
        ),
        Ok(Some(at)) => Finding::warn(
            "audit",
            format!("its record fits, but began at {at} in the place of one that was missing"),
            "find out who moved or removed the former audit.db; if you have it, keep it with its key in another place",
        ),
        Err(broken @ Broken::End) => {
            Finding::fail("audit", broken.to_string(), "see where that begins: berth audit verify")
        }
        // The others name their fix.
        Err(broken) => Finding::error("audit", &broken.into()),
    }
}

/// This is checked after the record, which was once in the same file.
fn access(data: &DataDirectory) -> Finding {
    const ABOUT: &str = "database";
    match data.access().and_then(|access| access.examine()) {
        Ok(()) => Finding::ok(ABOUT, "who may come in: it opens, and is as berth made it"),
        Err(error) => Finding::error(ABOUT, &error.into()),
    }
}

fn room(about: &str, place: &Path) -> Finding {
    let shown = place.display();
    let free = match rustix::fs::statvfs(place) {
        Ok(found) => found.f_bavail.saturating_mul(found.f_frsize),
        Err(error) => return Finding::fail(about, format!("{shown}: {error}"), "repair its file system"),
    };
    let free_shown = ByteSize::b(free).display().iec();
    let fix = || format!("free some space where {shown} is, or choose another place for it in [server]");
    match free {
        ..TOO_LITTLE => Finding::fail(about, format!("only {free_shown} are free"), fix()),
        TOO_LITTLE..LITTLE => Finding::warn(about, format!("only {free_shown} are free"), fix()),
        _ => Finding::ok(about, format!("{free_shown} are free")),
    }
}

/// A socket file that an ended berth left is not a fault: the next one replaces it.
async fn socket(path: &Path) -> Finding {
    const ABOUT: &str = "socket";
    match UnixStream::connect(path).await {
        Ok(_) => Finding::ok(ABOUT, format!("a running berth answers at {}", path.display())),
        Err(_) => Finding::ok(ABOUT, "no berth runs on this data directory"),
    }
}
