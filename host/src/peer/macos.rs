//! macOS: there is no table of sockets, so a socket is looked for among those of this user's processes.

use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use libproc::bsd_info::BSDInfo;
use libproc::file_info::{ListFDs, ProcFDType, pidfdinfo};
use libproc::net_info::{InSIAddr, InSockInfo, SocketFDInfo, SocketInfoKind, TcpSIState};
use libproc::proc_pid::{kproc_info_raw, listpidinfo, pidinfo};
use libproc::processes::{ProcFilter, pids_by_type};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

use super::descent::Process;
use super::{MARK, canonical, is_bound_to};

/// `INI_IPV4` of `sys/proc_info.h`: the addresses are IPv4 ones.
const IPV4: u8 = 1;
/// `SO_ACCEPTCONN` of `sys/socket.h`: it listens.
const LISTENS: i16 = 2;

/// The process `pid`; `None` if there is none.
pub(super) fn process(pid: i32) -> Option<Process> {
    let found = kproc_info_raw(pid).ok()?;
    let started = found.kp_proc.p_un;
    Some(Process {
        pid,
        parent: found.kp_eproc.e_ppid,
        user: found.kp_eproc.e_ucred.cr_uid,
        started: started.tv_sec.unsigned_abs() * 1_000_000 + u64::from(started.tv_usec.unsigned_abs()),
        is_marked: is_marked(pid),
    })
}

/// The system's own programs and other users' show no environment here, which looks as if it were empty. Then their
/// parents are checked.
fn is_marked(pid: i32) -> Option<bool> {
    Some(variable(pid, MARK).is_some())
}

/// What the variable `name` of the process `pid` is, if that is seen.
pub(super) fn variable(pid: i32, name: &str) -> Option<String> {
    let pid = Pid::from_u32(pid.unsigned_abs());
    let environment = ProcessRefreshKind::nothing().with_environ(UpdateKind::Always);
    let mut system = System::new().ok()?;
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, environment);
    let variables = system.process(pid).map(sysinfo::Process::environ).unwrap_or_default();
    let value = |variable: &OsString| {
        let value = variable
            .as_encoded_bytes()
            .strip_prefix(name.as_bytes())?
            .strip_prefix(b"=")?;
        String::from_utf8(value.to_vec()).ok()
    };
    variables.iter().find_map(value)
}

/// Those of this user's processes that hold the socket that is bound to `local` and connected to `remote`; `None` if
/// none does.
pub(super) fn holders(local: SocketAddr, remote: SocketAddr) -> Option<Vec<i32>> {
    let user = rustix::process::geteuid().as_raw();
    let processes = pids_by_type(ProcFilter::ByUID { uid: user }).ok()?;
    let holding: Vec<i32> = processes
        .into_iter()
        .filter_map(|process| process.try_into().ok())
        .filter(|process| connected_sockets(*process).contains(&(local, remote)))
        .collect();
    (!holding.is_empty()).then_some(holding)
}

/// The user who holds that socket, as far as this user may look at others' processes: only root may.
pub(super) fn user(local: SocketAddr, remote: SocketAddr) -> Option<u32> {
    let processes = pids_by_type(ProcFilter::All).ok()?;
    let mut processes = processes.into_iter().filter_map(|process| i32::try_from(process).ok());
    let holder = processes.find(|process| connected_sockets(*process).contains(&(local, remote)))?;
    process(holder).map(|process| process.user)
}

/// The servers of this user that listen at the unix socket `path`.
pub(super) fn listeners(path: &Path) -> io::Result<Vec<Vec<i32>>> {
    let user = rustix::process::geteuid().as_raw();
    let processes = pids_by_type(ProcFilter::ByUID { uid: user })?;
    let at_path = |socket: &SocketFDInfo| listening(socket).is_some_and(|bound| is_bound_to(&bound, path));
    let listening = processes
        .into_iter()
        .filter_map(|process| i32::try_from(process).ok())
        .filter(|process| sockets(*process).any(|socket| at_path(&socket)));
    Ok(listening.map(|process| vec![process]).collect())
}

/// The path that a listening unix socket was bound to.
#[allow(unsafe_code, reason = "the crate hands the kernel's tagged union over as it is")]
fn listening(socket: &SocketFDInfo) -> Option<PathBuf> {
    let is_unix = matches!(socket.psi.soi_kind.into(), SocketInfoKind::Un);
    if !is_unix || socket.psi.soi_options & LISTENS == 0 {
        return None;
    }
    // SAFETY: the kernel marked the union as holding a unix socket's data, and every field of that is a plain integer.
    let address = unsafe { socket.psi.soi_proto.pri_un.unsi_addr.ua_sun };
    let bytes = address.sun_path.iter().map(|byte| byte.cast_unsigned());
    let path: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
    Some(PathBuf::from(OsString::from_vec(path)))
}

/// Local and remote address of each connected TCP socket of a process.
fn connected_sockets(process: i32) -> Vec<(SocketAddr, SocketAddr)> {
    sockets(process).filter_map(|socket| ends(&socket)).collect()
}

/// The sockets of a process; none if it may not be looked at.
fn sockets(process: i32) -> impl Iterator<Item = SocketFDInfo> {
    let count = pidinfo::<BSDInfo>(process, 0).map_or(0, |info| info.pbi_nfiles as usize);
    listpidinfo::<ListFDs>(process, count)
        .unwrap_or_default()
        .into_iter()
        .filter(|file| matches!(file.proc_fdtype.into(), ProcFDType::Socket))
        .filter_map(move |file| pidfdinfo::<SocketFDInfo>(process, file.proc_fd).ok())
}

#[allow(unsafe_code, reason = "the crate hands the kernel's tagged union over as it is")]
fn ends(socket: &SocketFDInfo) -> Option<(SocketAddr, SocketAddr)> {
    if !matches!(socket.psi.soi_kind.into(), SocketInfoKind::Tcp) {
        return None;
    }
    // SAFETY: the kernel marked the union as holding TCP data, and every field of that is a plain integer.
    let tcp = unsafe { socket.psi.soi_proto.pri_tcp };
    let closed = matches!(tcp.tcpsi_state.into(), TcpSIState::Closed | TcpSIState::TimeWait);
    let InSockInfo {
        insi_laddr,
        insi_lport,
        insi_faddr,
        insi_fport,
        insi_vflag,
        ..
    } = tcp.tcpsi_ini;
    (!closed).then(|| {
        (
            address(insi_vflag, insi_laddr, insi_lport),
            address(insi_vflag, insi_faddr, insi_fport),
        )
    })
}

/// Addresses and ports stand in network order, a port in the first two bytes of its integer.
#[allow(unsafe_code, reason = "the crate hands the kernel's tagged union over as it is")]
fn address(version: u8, raw: InSIAddr, port: i32) -> SocketAddr {
    let [high, low, ..] = port.to_ne_bytes();
    // SAFETY: both forms are plain bytes and integers, valid whatever they hold; `version` only tells the meant one.
    let ip: IpAddr = if version & IPV4 != 0 {
        Ipv4Addr::from(unsafe { raw.ina_46.i46a_addr4.s_addr }.to_ne_bytes()).into()
    } else {
        Ipv6Addr::from(unsafe { raw.ina_6.s6_addr }).into()
    };
    canonical(SocketAddr::new(ip, u16::from_be_bytes([high, low])))
}
