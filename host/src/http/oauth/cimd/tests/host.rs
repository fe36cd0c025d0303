//! A host of documents on this machine: it speaks TLS as `app.example`, and one answer to whoever asks.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::Certificate;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::super::fetch::{LookUp, Network};

/// What the host sends.
pub(super) struct Sent {
    /// Head and body.
    pub(super) text: String,
    /// Whether the answer goes on, without another byte.
    pub(super) hangs: bool,
}

pub(super) struct Host {
    pub(super) address: SocketAddr,
    certificate: Certificate,
    /// How many connections it was opened.
    opened: watch::Receiver<usize>,
}

impl Host {
    pub(super) async fn sending(sent: Sent) -> Self {
        let made = rcgen::generate_simple_self_signed(["app.example".to_owned()]).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (count, opened) = watch::channel(0);
        tokio::spawn(serve(
            listener,
            TlsAcceptor::from(Arc::new(config)),
            Arc::new(sent),
            count,
        ));
        Self {
            address,
            certificate: Certificate::from_der(made.cert.der()).unwrap(),
            opened,
        }
    }

    pub(super) fn opened(&self) -> usize {
        *self.opened.borrow()
    }

    /// Waits until it was opened `count` connections.
    pub(super) async fn until_opened(&self, count: usize) {
        let enough = |opened: &usize| *opened >= count;
        self.opened.clone().wait_for(enough).await.unwrap();
    }

    /// A network in which every name leads here, and this host's certificate is believed.
    pub(super) fn network(&self) -> Network {
        let address = self.address;
        self.network_with(Arc::new(move |_| Box::pin(async move { Ok(vec![address]) })))
    }

    /// A network of such names, in which only 127.0.0.1 counts as public.
    pub(super) fn network_with(&self, look_up: LookUp) -> Network {
        Network {
            look_up,
            admits: |address| address == IpAddr::from([127, 0, 0, 1]),
            roots: Some(vec![self.certificate.clone()]),
        }
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, sent: Arc<Sent>, count: watch::Sender<usize>) {
    while let Ok((stream, _)) = listener.accept().await {
        count.send_modify(|opened| *opened += 1);
        tokio::spawn(answer(stream, acceptor.clone(), sent.clone()));
    }
}

/// A caller that goes away is none of the host's business.
async fn answer(stream: TcpStream, acceptor: TlsAcceptor, sent: Arc<Sent>) {
    let Ok(mut stream) = acceptor.accept(stream).await else {
        return;
    };
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let written = stream.write_all(sent.text.as_bytes()).await;
    if sent.hangs {
        // Until the caller gives up.
        let _ = (stream.flush().await, stream.read_u8().await);
    } else if written.is_ok() {
        let _ = stream.shutdown().await;
    }
}
