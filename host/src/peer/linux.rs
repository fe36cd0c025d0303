//! Linux: the kernel's table of TCP sockets names user and inode of each, and `/proc` the rest.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use procfs::net::TcpNetEntry;

use super::descent::Process;
use super::{MARK, canonical, is_bound_to};

/// The process `pid`; `None` if there is none, or it may not be seen.
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
    Some(value_in(&environment(process)?, MARK).is_some())
}

/// What the variable `name` of the process `pid` is, if it has that, and it is ours to read.
pub(super) fn variable(pid: i32, name: &str) -> Option<String> {
    let environment = environment(&procfs::process::Process::new(pid).ok()?)?;
    String::from_utf8(value_in(&environment, name)?.to_vec()).ok()
}

fn environment(process: &procfs::process::Process) -> Option<Vec<u8>> {
    let mut environment = Vec::new();
    let mut file = process.open_relative("environ").ok()?;
    file.read_to_end(&mut environment).ok()?;
    Some(environment)
}

fn value_in<'e>(environment: &'e [u8], name: &str) -> Option<&'e [u8]> {
    let mut variables = environment.split(|byte| *byte == 0);
    variables.find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// The processes that hold the socket that is bound to `local` and connected to `remote`; `None` if it is not this
/// user's. If none is seen to hold it, those of this user that hide what they hold.
pub(super) fn holders(local: SocketAddr, remote: SocketAddr) -> Option<Vec<i32>> {
    let user = rustix::process::geteuid().as_raw();
    let (owner, inode) = find(local, remote)?;
    if owner != user {
        return None;
    }
    Some(holding(inode, user))
}

/// The servers that listen at the unix socket `path`, by the kernel's table, which keeps the path of a socket whose file
/// is gone.
pub(super) fn listeners(path: &Path) -> io::Result<Vec<Vec<i32>>> {
    let user = rustix::process::geteuid().as_raw();
    let table = std::fs::read("/proc/net/unix")?;
    let listening = table.split(|byte| *byte == b'\n').filter_map(listening);
    let held = listening
        .filter(|(_, bound)| is_bound_to(bound, path))
        .map(|(inode, _)| seen_holding(inode).0)
        .map(|holding| of_user(holding, user));
    // A socket that no process of this user is seen to hold belongs to another namespace, such as a container's, or to
    // another user.
    Ok(held.filter(|holding| !holding.is_empty()).collect())
}

/// Inode and path of a row that is a listening socket's. A path is the rest of its row, including blanks.
fn listening(row: &[u8]) -> Option<(u64, &Path)> {
    /// `__SO_ACCEPTCON` of `linux/net.h`.
    const LISTENS: u32 = 1 << 16;
    let mut rest = row;
    let mut field = || {
        let from = rest.iter().position(|byte| *byte != b' ')?;
        let to = from + rest[from..].iter().position(|byte| *byte == b' ')?;
        let field = std::str::from_utf8(&rest[from..to]).ok()?;
        rest = &rest[to + 1..];
        Some(field)
    };
    let (_number, _references, _protocol) = (field()?, field()?, field()?);
    let flags = u32::from_str_radix(field()?, 16).ok()?;
    let (_kind, _state) = (field()?, field()?);
    let inode = field()?.parse().ok()?;
    (flags & LISTENS != 0).then(|| (inode, Path::new(OsStr::from_bytes(rest))))
}

/// The processes that hold a socket. If none is seen to, those of this user that hide what they hold.
fn holding(inode: u64, user: u32) -> Vec<i32> {
    let (holding, hiding) = seen_holding(inode);
    match holding.is_empty() {
        true => of_user(hiding, user),
        false => holding,
    }
}

fn of_user(mut processes: Vec<i32>, user: u32) -> Vec<i32> {
    processes.retain(|pid| process(*pid).is_some_and(|found| found.user == user));
    processes
}

/// The processes that are seen to hold a socket, and those that hide what they hold.
fn seen_holding(inode: u64) -> (Vec<i32>, Vec<i32>) {
    let socket = OsString::from(format!("socket:[{inode}]"));
    let (mut holding, mut hiding) = (Vec::new(), Vec::new());
    for pid in all_processes() {
        match holds(pid, &socket) {
            Ok(true) => holding.push(pid),
            Ok(false) => {}
            Err(_) => hiding.push(pid),
        }
    }
    (holding, hiding)
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
