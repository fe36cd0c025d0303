//! The connection by which a request came, and who is at its other end.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::http::HeaderMap;
use tokio::sync::OnceCell;

use super::address::Proxies;
use crate::admission::Socket;
use crate::peer::{Peer, Seen, canonical, user_of_connection};

/// The user who may do everything.
const ROOT: u32 = 0;

/// One accepted connection. Each of its requests carries this in its extensions.
#[derive(Clone)]
pub(super) struct Connection(Arc<Ends>);

struct Ends {
    ours: SocketAddr,
    theirs: SocketAddr,
    socket: Arc<Socket>,
    seen: OnceCell<Seen>,
    is_proxy: OnceCell<bool>,
}

impl Connection {
    /// The connection between our address and theirs, which holds `socket`.
    pub(super) fn new(ours: SocketAddr, theirs: SocketAddr, socket: Arc<Socket>) -> Self {
        Self(Arc::new(Ends {
            ours: canonical(ours),
            theirs: canonical(theirs),
            socket,
            seen: OnceCell::new(),
            is_proxy: OnceCell::new(),
        }))
    }

    /// The address of its other end.
    pub(super) fn address(&self) -> IpAddr {
        self.0.theirs.ip()
    }

    /// Whether it certainly comes from this machine.
    pub(super) fn is_here(&self) -> bool {
        is_here(self.0.ours, self.0.theirs)
    }

    /// What it holds.
    pub(super) fn socket(&self) -> &Arc<Socket> {
        &self.0.socket
    }

    /// Who is at its other end.
    pub(super) async fn peer(&self) -> Peer {
        self.seen().await.peer
    }

    /// Its other end: looked up when first asked for, on a thread that may block, then kept.
    pub(super) async fn seen(&self) -> &Seen {
        let (ours, theirs) = (self.0.ours, self.0.theirs);
        let look_up = || async move {
            let found = tokio::task::spawn_blocking(move || Seen::of_connection(theirs, ours)).await;
            found.unwrap_or_else(|_| Seen::only(Peer::Stranger))
        };
        self.0.seen.get_or_init(look_up).await
    }

    /// The address of the client of a request on it with these headers: what a proxy names, if this is one that is
    /// believed, or that of the other end.
    pub(super) async fn client(&self, proxies: &Proxies, headers: &HeaderMap) -> IpAddr {
        let address = self.address();
        let named = proxies.client(address, headers);
        // If believing costs nothing, nothing is looked up.
        match named == address || self.is_proxy(&proxies.users).await {
            true => named,
            false => address,
        }
    }

    /// Whether the process at the other end may be a proxy, if it is on this machine: one of root, of this user outside
    /// of sessions, or of one of `users`. Others could name any address. On another machine its address must do.
    async fn is_proxy(&self, users: &[u32]) -> bool {
        let judge = || async {
            let peer = self.peer().await;
            let user = match peer {
                Peer::Stranger => self.user().await,
                _ => None,
            };
            is_believed(peer, user, is_here(self.0.ours, self.0.theirs), users)
        };
        *self.0.is_proxy.get_or_init(judge).await
    }

    async fn user(&self) -> Option<u32> {
        let (ours, theirs) = (self.0.ours, self.0.theirs);
        let found = tokio::task::spawn_blocking(move || user_of_connection(theirs, ours)).await;
        found.ok().flatten()
    }
}

/// Whether a process may be a proxy: `user` is its user, if that is known, and `here` says whether it certainly runs
/// here.
fn is_believed(peer: Peer, user: Option<u32>, here: bool, users: &[u32]) -> bool {
    match (peer, user) {
        (Peer::Operator, _) => true,
        (Peer::InSession, _) => false,
        (Peer::Stranger, Some(user)) => user == ROOT || users.contains(&user),
        (Peer::Stranger, None) => !here,
    }
}

/// Whether a connection between these addresses certainly comes from this machine.
pub(super) fn is_here(ours: SocketAddr, theirs: SocketAddr) -> bool {
    let [ours, theirs] = [ours, theirs].map(|end| end.ip().to_canonical());
    theirs.is_loopback() || theirs == ours
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn who_is_at_the_other_end_is_found_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, theirs) = listener.accept().unwrap();
        let (_root, admission) = crate::admission::tests::admission(4).await;
        let socket = admission.socket(theirs.ip(), true, false);
        let connection = Connection::new(server.local_addr().unwrap(), theirs, socket);
        assert_eq!(connection.peer().await, Peer::Operator);
        drop(client);
        assert_eq!(connection.peer().await, Peer::Operator);
    }

    #[test]
    fn of_processes_here_only_roots_and_our_own_outside_of_sessions_and_named_users_are_believed() {
        let caddy = 998;
        for (peer, user, here, believed) in [
            (Peer::Operator, None, true, true),
            (Peer::InSession, None, true, false),
            (Peer::Stranger, Some(ROOT), true, true),
            (Peer::Stranger, Some(caddy), true, true),
            (Peer::Stranger, Some(caddy + 1), true, false),
            (Peer::Stranger, Some(caddy + 1), false, false),
            (Peer::Stranger, None, true, false),
            (Peer::Stranger, None, false, true),
        ] {
            let judged = is_believed(peer, user, here, &[caddy]);
            assert_eq!(judged, believed, "{peer:?} {user:?} here: {here}");
        }
    }
}
