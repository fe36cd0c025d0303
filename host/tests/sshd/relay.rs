//! A relay between ssh and a host, which can stop passing bytes without closing anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) struct Relay {
    port: u16,
    passes: watch::Sender<bool>,
    taken: Arc<AtomicUsize>,
    came: Arc<AtomicUsize>,
}

impl Relay {
    /// A relay to this port of this machine.
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let relay = Self {
            port: listener.local_addr().unwrap().port(),
            passes: watch::Sender::new(true),
            taken: Arc::default(),
            came: Arc::default(),
        };
        let (passes, taken) = (relay.passes.subscribe(), Arc::clone(&relay.taken));
        let came = Arc::clone(&relay.came);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                taken.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(carry(near, port, passes.clone(), Arc::clone(&came)));
            }
        });
        relay
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How many connections came.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// How many bytes came from the host, whether or not they passed.
    pub(crate) fn came(&self) -> usize {
        self.came.load(Ordering::Relaxed)
    }

    /// No byte passes from now on.
    pub(crate) fn stop(&self) {
        self.passes.send_replace(false);
    }

    /// All bytes pass again, also those that came meanwhile.
    pub(crate) fn pass(&self) {
        self.passes.send_replace(true);
    }
}

async fn carry(near: TcpStream, port: u16, passes: watch::Receiver<bool>, came: Arc<AtomicUsize>) {
    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::join!(
        one_way(near_in, far_out, passes.clone(), Arc::default()),
        one_way(far_in, near_out, passes, came)
    );
}

async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut passes: watch::Receiver<bool>,
    came: Arc<AtomicUsize>,
) {
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        came.fetch_add(read, Ordering::Relaxed);
        if passes.wait_for(|passes| *passes).await.is_err() || to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
