//! Fetching a document whose address a stranger chose: only from public hosts, only a small document, and only for a
//! short time.
//!
//! A name is looked up once; all its addresses are checked, and the connection goes to those that were checked. So a
//! name that answers differently a moment later leads nowhere else.

use std::error::Error as StdError;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response, header};
use tokio::net::lookup_host;
use tokio::time::timeout;
use tracing::info;
use url::Url;

use super::address::is_public;

/// How long a fetch may take, from the look-up to the last byte.
const WHOLE: Duration = Duration::from_secs(5);

/// The longest document, in bytes.
const MOST_BYTES: usize = 64 << 10;

/// Why there is no document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// It did not arrive. The reason is not told, because strangers could map our network with it.
    #[error("the client's document could not be fetched; berth's log says why")]
    Unreachable,
    /// It arrived but must not be used.
    #[error("the client's document {0}")]
    Document(&'static str),
}

/// How names become addresses.
pub(super) type LookUp = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The way out: how names are looked up, which addresses may be connected to, and whose certificates are believed.
#[derive(Clone)]
pub(super) struct Network {
    pub(super) look_up: LookUp,
    pub(super) admits: fn(IpAddr) -> bool,
    /// `None` stands for the system's.
    pub(super) roots: Option<Vec<Certificate>>,
}

impl Default for Network {
    /// The public internet by the system's look-up.
    fn default() -> Self {
        Self {
            look_up: Arc::new(|name| system(name).boxed()),
            admits: is_public,
            roots: None,
        }
    }
}

/// Port 0 stands for the usual one.
async fn system(name: String) -> io::Result<Vec<SocketAddr>> {
    lookup_host((name, 0)).await.map(Iterator::collect)
}

impl Network {
    /// The text of the document at `url`, whose host is a name: by https, without redirects, proxies or cookies, in 5
    /// seconds, 64 KiB at most, and only if it says that it is JSON.
    pub(super) async fn fetch(&self, url: &Url) -> Result<Vec<u8>, Fault> {
        match timeout(WHOLE, self.get(url)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                info!(%url, "fetching a client's document took longer than 5 s");
                Err(Fault::Unreachable)
            }
        }
    }

    async fn get(&self, url: &Url) -> Result<Vec<u8>, Fault> {
        let sent = async { self.client()?.get(url.clone()).send().await }.await;
        let mut response = sent.map_err(|fault| unreachable(url, &fault))?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(Fault::Document("was answered with another status than 200"));
        }
        if !is_json(&response) {
            return Err(Fault::Document("is not sent as application/json"));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|fault| unreachable(url, &fault))? {
            if body.len() + chunk.len() > MOST_BYTES {
                return Err(Fault::Document("is longer than 64 KiB"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// A client for one fetch: connections that are kept would outlive the check of their address.
    fn client(&self) -> reqwest::Result<Client> {
        // Fails if the process already has a provider, which is just as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder()
            .https_only(true)
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            .pool_max_idle_per_host(0)
            .user_agent(concat!("berth/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Checked {
                look_up: self.look_up.clone(),
                admits: self.admits,
            });
        match &self.roots {
            Some(roots) => builder.tls_certs_only(roots.iter().cloned()).build(),
            None => builder.build(),
        }
    }
}

fn is_json(response: &Response) -> bool {
    let text = response.headers().get(header::CONTENT_TYPE);
    let text = text.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The cause goes to the log only.
fn unreachable(url: &Url, fault: &reqwest::Error) -> Fault {
    let mut cause: &dyn StdError = fault;
    while let Some(source) = cause.source() {
        cause = source;
    }
    info!(%url, "a client's document could not be fetched: {cause}");
    Fault::Unreachable
}

/// Looks names up, and refuses a name with an address that may not be public.
struct Checked {
    look_up: LookUp,
    admits: fn(IpAddr) -> bool,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (looked_up, admits) = ((self.look_up)(name.as_str().to_owned()), self.admits);
        Box::pin(async move {
            let addresses = looked_up.await?;
            // One such address is enough: an honest name has none, and we do not choose which of them is tried.
            if let Some(inside) = addresses.iter().find(|address| !admits(address.ip())) {
                let ip = inside.ip();
                return Err(format!("its host has the address {ip}, which is not on the public internet").into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
