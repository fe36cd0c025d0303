//! TLS: the certificate that the listener shows, read again when its files change.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{CertificateError, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::Tls;
use crate::shell;

/// How long a client may take until the handshake is done.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How old the last look at the files may be when a client comes.
const FRESH: Duration = Duration::from_secs(10);

/// The largest file that is read, in bytes.
const FILE_LIMIT: u64 = 1 << 20;

/// The first byte of a TLS connection: a record of the handshake (RFC 8446, 5.1).
const HANDSHAKE_RECORD: u8 = 22;

/// Why a certificate cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read {}, which [server.tls] names", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something that is not a file, or too long to be what it should be.
    #[error("{} is not a file of at most 1 MiB: name a file in PEM form in [server.tls]", path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
    },
    /// The key may have been read by other users.
    #[error("other users can read the key {} (its mode is {mode:o}); run: chmod 600 {}", path.display(), shell::word(path))]
    Mode {
        /// The key's file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file does not hold what it should.
    #[error("{} holds no {expected} in PEM form: correct its name in [server.tls], or the file", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What is wrong.
        source: pem::Error,
    },
    /// Certificate and key cannot be used, or not together.
    #[error(
        "the certificate {} and the key {} do not belong together, or one of them is of a kind that is not supported: \
         name the pair that belongs together in [server.tls]",
        cert.display(), key.display()
    )]
    Pair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// TLS cannot be set up at all.
    #[error("TLS cannot be set up")]
    SetUp(#[source] rustls::Error),
}

/// The certificate that a listener shows.
#[derive(Debug)]
pub struct Certificate {
    shown: Arc<Shown>,
    server: Arc<ServerConfig>,
    looked: Mutex<Look>,
}

/// What connects to a listener that speaks TLS.
pub(super) enum Accepted {
    /// A client that speaks TLS too.
    Secure(Box<TlsStream<TcpStream>>),
    /// One that does not; nothing it sent has been read.
    Plain(TcpStream),
}

impl Certificate {
    /// The certificate and key of `files`.
    ///
    /// # Errors
    /// If a file cannot be read or does not hold what it should, others can read the key, or the two do not match.
    /// That a certificate has expired is logged as a warning only.
    pub fn open(files: &Tls) -> Result<Self, Error> {
        let look = Look::at(files);
        let shown = Arc::new(Shown {
            files: files.clone(),
            pair: RwLock::new(Arc::new(read(files)?)),
        });
        let mut server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(Error::SetUp)?
            .with_no_client_auth()
            .with_cert_resolver(shown.clone());
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            shown,
            server: Arc::new(server),
            looked: Mutex::new(look),
        })
    }

    /// What is wrong with the certificate's time at `when`, and the cure.
    pub fn fault_at(&self, when: SystemTime) -> Option<(&'static str, &'static str)> {
        let pair = self.shown.pair.read().unwrap_or_else(PoisonError::into_inner);
        pair.cert.first().and_then(|own| fault_of_time(own, when))
    }

    /// Shakes hands with a client, for at most 10 seconds.
    pub(super) async fn accept(self: Arc<Self>, stream: TcpStream) -> io::Result<Accepted> {
        let shaken = async {
            let mut first = [0];
            // At a connection's end there is no first byte; the handshake reports that better.
            if stream.peek(&mut first).await? == 1 && first[0] != HANDSHAKE_RECORD {
                return Ok(Accepted::Plain(stream));
            }
            self.refresh().await;
            let secure = TlsAcceptor::from(self.server.clone()).accept(stream).await?;
            Ok(Accepted::Secure(Box::new(secure)))
        };
        timeout(HANDSHAKE_TIMEOUT, shaken).await?
    }

    /// Reads the files again if the last look at them is old and they have changed since. A pair that cannot be used
    /// changes nothing, and is reported once.
    async fn refresh(self: &Arc<Self>) {
        if self.is_fresh() {
            return;
        }
        let certificate = self.clone();
        // If it fails, the next look comes soon.
        let _ = tokio::task::spawn_blocking(move || certificate.look_again()).await;
    }

    /// Whether the last look at the files is recent; if not, this caller alone must take the next.
    fn is_fresh(&self) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = looked.when.elapsed() < FRESH;
        if !fresh {
            looked.when = Instant::now();
        }
        fresh
    }

    fn look_again(&self) {
        // Before the files are read: a change in the meantime is seen the next time.
        let look = Look::at(&self.shown.files);
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if look.stamps == looked.stamps {
            return;
        }
        *looked = look;
        drop(looked);
        match read(&self.shown.files) {
            Ok(pair) => {
                *self.shown.pair.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
                tracing::info!("the files of [server.tls] have changed: clients are shown the new certificate");
            }
            Err(error) => {
                let error = anyhow::Error::from(error);
                tracing::warn!("the files of [server.tls] have changed, and the old certificate stays: {error:#}");
            }
        }
    }
}

/// The pair that the next client gets.
#[derive(Debug)]
struct Shown {
    files: Tls,
    pair: RwLock<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.pair.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// The state of the files, and when it was looked at.
#[derive(Debug)]
struct Look {
    when: Instant,
    /// Nothing for a file that is not there.
    stamps: [Option<Stamp>; 2],
}

impl Look {
    fn at(files: &Tls) -> Self {
        let stamp = |path: &Path| fs::metadata(path).ok().map(|found| Stamp::of(&found));
        Self {
            when: Instant::now(),
            stamps: [stamp(&files.cert), stamp(&files.key)],
        }
    }
}

/// What changes whenever a file does, and when it becomes readable.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self {
            inode: found.ino(),
            length: found.len(),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}

fn read(files: &Tls) -> Result<CertifiedKey, Error> {
    let chain = chain(&files.cert)?;
    let key = key(&files.key)?;
    if let Some((fault, cure)) = chain.first().and_then(|own| fault_of_time(own, SystemTime::now())) {
        tracing::warn!(
            "clients will refuse the certificate {}, which {fault}: {cure}",
            files.cert.display()
        );
    }
    CertifiedKey::from_der(chain, key, &default_provider()).map_err(|source| Error::Pair {
        cert: files.cert.clone(),
        key: files.key.clone(),
        source,
    })
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let (text, _) = contents(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.and_then(|found| match found.len() {
        0 => Err(pem::Error::NoItemsFound),
        _ => Ok(found),
    });
    certificates.map_err(|source| Error::Pem {
        path: path.to_owned(),
        expected: "certificate",
        source,
    })
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let (text, found) = contents(path)?;
    let mode = found.mode() & 0o777;
    // Root may let a group of its choice read its keys, as Debian's packages do.
    let foreign = if found.uid() == 0 { 0o037 } else { 0o077 };
    if mode & foreign != 0 {
        return Err(Error::Mode {
            path: path.to_owned(),
            mode,
        });
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|source| Error::Pem {
        path: path.to_owned(),
        expected: "private key",
        source,
    })
}

/// What a file holds, and what the system says of it.
fn contents(path: &Path) -> Result<(Vec<u8>, Metadata), Error> {
    let read = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    // Links are followed: that is how certificates are renewed. A FIFO would never end.
    let found = fs::metadata(path).map_err(read)?;
    if !found.is_file() || found.len() > FILE_LIMIT {
        return Err(Error::NoFile { path: path.to_owned() });
    }
    Ok((fs::read(path).map_err(read)?, found))
}

/// What is wrong with a certificate's time at `when`, and the cure. Its time is looked at before its issuer: so where no
/// issuer can be found, the check fails by the time if that is wrong, and otherwise by the issuer.
fn fault_of_time(certificate: &CertificateDer<'_>, when: SystemTime) -> Option<(&'static str, &'static str)> {
    let own = ParsedCertificate::try_from(certificate).ok()?;
    let when = UnixTime::since_unix_epoch(when.duration_since(UNIX_EPOCH).ok()?);
    let checked = verify_server_cert_signed_by_trust_anchor(&own, &RootCertStore::empty(), &[], when, &[]);
    let Err(rustls::Error::InvalidCertificate(fault)) = checked else {
        return None;
    };
    match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Some(("has expired", "renew it")),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Some(("is not valid yet", "set the clock right"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
