//! The connection by which a request came, and who is at its other end.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::peer::{Peer, canonical};

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

    /// The address of its other end.
    pub(super) fn address(&self) -> IpAddr {
        self.theirs.ip()
    }

    /// Its other end: looked up when first asked for, where that may block, then remembered.
    pub(super) async fn peer(&self) -> Peer {
        let (ours, theirs) = (self.ours, self.theirs);
        let look_up = || async move {
            let found = tokio::task::spawn_blocking(move || Peer::of_connection(theirs, ours)).await;
            found.unwrap_or(Peer::Stranger)
        };
        *self.peer.get_or_init(look_up).await
    }
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
        let connection = Connection::new(server.local_addr().unwrap(), theirs);
        assert_eq!(connection.peer().await, Peer::Operator);
        drop(client);
        assert_eq!(connection.peer().await, Peer::Operator);
    }
}
