//! What only root can try, in mounts of its own: a full disk, mounts in the way, another user's files, and the end of a
//! service with all its processes. `make test-machine` runs it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests start berth itself")]

#[path = "../it/asked.rs"]
mod asked;
#[allow(dead_code, reason = "the other tests use all of it")]
#[path = "../it/attended.rs"]
mod attended;
#[allow(dead_code, reason = "the other tests use all of it")]
#[path = "../it/berth.rs"]
mod berth;
mod full;
mod full_there;
mod groups;
mod mounted;
#[allow(dead_code, reason = "the harness uses some of it")]
#[path = "../it/on_host.rs"]
mod on_host;
mod others;
mod service;
#[path = "../sshd/mod.rs"]
mod sshd;

use std::ffi::OsStr;
use std::process::Command;

/// Whether a process is there and has not ended. One that nobody has waited for yet has ended.
fn runs(process: rustix::process::Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z")))
}

/// Mounts something, where only these tests see it.
fn mount(arguments: &[&dyn AsRef<OsStr>]) {
    let are_own = std::env::var_os("BERTH_OWN_MOUNTS").is_some();
    assert!(are_own, "these tests mount things: run them by `make test-machine`");
    let status = Command::new("mount").args(arguments).status().unwrap();
    assert!(status.success(), "nothing is mounted: {status}");
}
