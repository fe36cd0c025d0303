//! Which process is at the other end of a loopback connection, as far as the system tells.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::sync::OnceCell;

/// One accepted connection. Each of its requests carries this in its extensions.
#[derive(Clone)]
pub(super) struct Connection {
    ours: SocketAddr,
    theirs: SocketAddr,
    peer: Arc<OnceCell<Peer>>,
}

impl Connection {
    /// The connection between our address and theirs.
    pub(super) fn new(ours: SocketAddr, theirs: SocketAddr) -> Self {
        Self {
            ours: canonical(ours),
            theirs: canonical(theirs),
            peer: Arc::default(),
        }
    }

    /// Its other end: looked up when first asked for, then remembered. The look-up reads the system's tables, which
    /// can take milliseconds, so it runs where it may block.
    pub(super) async fn peer(&self) -> Peer {
        let (ours, theirs) = (self.ours, self.theirs);
        let look_up = || async move {
            let found = tokio::task::spawn_blocking(move || system::owner(theirs, ours)).await;
            Peer {
                user: found.ok().flatten(),
            }
        };
        *self.peer.get_or_init(look_up).await
    }
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Peer {
    /// Whose process it is, as a user id; `None` if that could not be found out.
    pub(super) user: Option<u32>,
}

impl Peer {
    /// Whether it is known to be a process of `user`. Who is unknown is nobody's friend.
    pub(super) fn is_user(self, user: u32) -> bool {
        self.user == Some(user)
    }
}

/// An IPv4 address that came in IPv6 clothes, undressed; scope and flow information, which tables lack, dropped.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(IpAddr::to_canonical(&address.ip()), address.port())
}

#[cfg(target_os = "linux")]
mod system {
    //! Linux: the kernel's table of TCP sockets names the user of each.

    use std::net::SocketAddr;

    use procfs::net::{TcpNetEntry, TcpState};

    use super::canonical;

    /// Whose socket is bound to `local` and connected to `remote`.
    pub(super) fn owner(local: SocketAddr, remote: SocketAddr) -> Option<u32> {
        let tables = [procfs::net::tcp, procfs::net::tcp6];
        tables.iter().find_map(|table| owner_in(&table().ok()?, local, remote))
    }

    fn owner_in(sockets: &[TcpNetEntry], local: SocketAddr, remote: SocketAddr) -> Option<u32> {
        sockets
            .iter()
            .find(|socket| canonical(socket.local_address) == local && canonical(socket.remote_address) == remote)
            .filter(|socket| names_its_user(&socket.state, socket.inode))
            .map(|socket| socket.uid)
    }

    /// A socket that its process has closed is listed as root's, whoever it was.
    fn names_its_user(state: &TcpState, inode: u64) -> bool {
        matches!(state, TcpState::Established) && inode != 0
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_closed_socket_names_nobody() {
            assert!(names_its_user(&TcpState::Established, 1));
            assert!(!names_its_user(&TcpState::Established, 0));
            assert!(!names_its_user(&TcpState::TimeWait, 0));
        }
    }
}

#[cfg(target_os = "macos")]
mod system {
    //! macOS: there is no table of sockets, so the socket is looked for among those of this user's processes.

    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

    use libproc::bsd_info::BSDInfo;
    use libproc::file_info::{ListFDs, ProcFDType, pidfdinfo};
    use libproc::net_info::{InSIAddr, InSockInfo, SocketFDInfo, SocketInfoKind, TcpSIState};
    use libproc::proc_pid::{listpidinfo, pidinfo};
    use libproc::processes::{ProcFilter, pids_by_type};

    use super::canonical;

    /// `INI_IPV4` of `sys/proc_info.h`: the addresses are IPv4 ones.
    const IPV4: u8 = 1;

    /// This user's id if one of its processes has a socket bound to `local` and connected to `remote`.
    pub(super) fn owner(local: SocketAddr, remote: SocketAddr) -> Option<u32> {
        let user = rustix::process::geteuid().as_raw();
        let processes = pids_by_type(ProcFilter::ByUID { uid: user }).ok()?;
        let found = processes
            .into_iter()
            .filter_map(|process| process.try_into().ok())
            .flat_map(connected_sockets)
            .any(|ends| ends == (local, remote));
        found.then_some(user)
    }

    /// Local and remote address of each established TCP socket of a process; nothing if it may not be looked at.
    fn connected_sockets(process: i32) -> Vec<(SocketAddr, SocketAddr)> {
        let count = pidinfo::<BSDInfo>(process, 0).map_or(0, |info| info.pbi_nfiles as usize);
        listpidinfo::<ListFDs>(process, count)
            .unwrap_or_default()
            .into_iter()
            .filter(|file| matches!(file.proc_fdtype.into(), ProcFDType::Socket))
            .filter_map(|file| pidfdinfo::<SocketFDInfo>(process, file.proc_fd).ok())
            .filter_map(|socket| ends(&socket))
            .collect()
    }

    #[allow(unsafe_code, reason = "the crate hands the kernel's tagged union over as it is")]
    fn ends(socket: &SocketFDInfo) -> Option<(SocketAddr, SocketAddr)> {
        if !matches!(socket.psi.soi_kind.into(), SocketInfoKind::Tcp) {
            return None;
        }
        // SAFETY: the kernel marked the union as holding TCP data, and every field of that is a plain integer.
        let tcp = unsafe { socket.psi.soi_proto.pri_tcp };
        let established = matches!(tcp.tcpsi_state.into(), TcpSIState::Established);
        let InSockInfo {
            insi_laddr,
            insi_lport,
            insi_faddr,
            insi_fport,
            insi_vflag,
            ..
        } = tcp.tcpsi_ini;
        established.then(|| {
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
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn only_a_known_user_is_the_same_user() {
        assert!(Peer { user: Some(1000) }.is_user(1000));
        assert!(!Peer { user: Some(0) }.is_user(1000));
        assert!(!Peer { user: None }.is_user(0));
        assert!(!Peer::default().is_user(0));
    }

    #[test]
    fn an_address_is_the_same_in_either_protocols_form() {
        let plain: SocketAddr = "127.0.0.1:7777".parse().unwrap();
        assert_eq!(canonical("[::ffff:127.0.0.1]:7777".parse().unwrap()), plain);
        assert_eq!(canonical(plain), plain);
        assert_ne!(canonical("[::1]:7777".parse().unwrap()), plain);
    }

    #[tokio::test]
    async fn finds_the_user_of_our_own_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, theirs) = listener.accept().unwrap();
        let connection = Connection::new(server.local_addr().unwrap(), theirs);
        assert!(connection.peer().await.is_user(rustix::process::geteuid().as_raw()));
    }

    #[tokio::test]
    async fn a_connection_that_nobody_has_belongs_to_nobody() {
        let unused = "127.0.0.1:1".parse().unwrap();
        assert_eq!(Connection::new(unused, unused).peer().await, Peer { user: None });
    }

    #[tokio::test]
    async fn a_client_that_has_closed_belongs_to_nobody() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, theirs) = listener.accept().unwrap();
        drop(client);
        let connection = Connection::new(server.local_addr().unwrap(), theirs);
        assert_eq!(connection.peer().await, Peer { user: None });
    }
}
