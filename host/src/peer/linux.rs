//! Linux: the kernel's table of TCP sockets names user and inode of each, and `/proc` the rest.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::net::SocketAddr;

use procfs::net::TcpNetEntry;

use super::descent::Process;
use super::{MARK, canonical};

/// The process `pid`; `None` if there is none, or none that may be seen.
pub(super) fn process(pid: i32) -> Option<Process> {
    let process = procfs::process::Process::new(pid).ok()?;
    let stat = process.stat().ok()?;
    Some(Process {
        pid,
        parent: stat.ppid,
        user: process.status().ok()?.euid,
        started: stat.starttime,
        is_marked: is_marked(&process),
    })
}

fn is_marked(process: &procfs::process::Process) -> Option<bool> {
    let mut environment = Vec::new();
    let mut file = process.open_relative("environ").ok()?;
    file.read_to_end(&mut environment).ok()?;
    let names = |variable: &[u8]| {
        variable
            .strip_prefix(MARK.as_bytes())
            .is_some_and(|rest| rest.starts_with(b"="))
    };
    Some(environment.split(|byte| *byte == 0).any(names))
}

/// The processes that hold the socket that is bound to `local` and connected to `remote`; `None` if it is not this
/// user's. If none is seen to hold it, those of this user that hide what they hold.
pub(super) fn holders(local: SocketAddr, remote: SocketAddr) -> Option<Vec<i32>> {
    let user = rustix::process::geteuid().as_raw();
    let (owner, inode) = find(local, remote)?;
    if owner != user {
        return None;
    }
    let socket = OsString::from(format!("socket:[{inode}]"));
    let (mut holding, mut hiding) = (Vec::new(), Vec::new());
    for pid in all_processes() {
        match holds(pid, &socket) {
            Ok(true) => holding.push(pid),
            Ok(false) => {}
            Err(_) => hiding.push(pid),
        }
    }
    if holding.is_empty() {
        hiding.retain(|pid| process(*pid).is_some_and(|found| found.user == user));
        return Some(hiding);
    }
    Some(holding)
}

/// The user who holds that socket.
pub(super) fn user(local: SocketAddr, remote: SocketAddr) -> Option<u32> {
    find(local, remote).map(|(user, _)| user)
}

/// User and inode of a socket.
fn find(local: SocketAddr, remote: SocketAddr) -> Option<(u32, u64)> {
    let tables = [procfs::net::tcp, procfs::net::tcp6];
    tables.iter().find_map(|table| find_in(&table().ok()?, local, remote))
}

/// The same in one table. A socket that its process has closed has no inode, and is listed as root's, whoever it was.
fn find_in(sockets: &[TcpNetEntry], local: SocketAddr, remote: SocketAddr) -> Option<(u32, u64)> {
    sockets
        .iter()
        .find(|socket| canonical(socket.local_address) == local && canonical(socket.remote_address) == remote)
        .filter(|socket| socket.inode != 0)
        .map(|socket| (socket.uid, socket.inode))
}

fn all_processes() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Whether one of the process's descriptors is this socket.
fn holds(pid: i32, socket: &OsString) -> io::Result<bool> {
    for descriptor in std::fs::read_dir(format!("/proc/{pid}/fd"))? {
        // It may be closed while it is looked at.
        if std::fs::read_link(descriptor?.path()).is_ok_and(|target| target.as_os_str() == socket) {
            return Ok(true);
        }
    }
    Ok(false)
}
