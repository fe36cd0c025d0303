//! A connection that is kept: its master is checked before it is used, and made again when it is dead.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

use super::master::{Master, Start};
use super::ssh_config;
use super::trouble::What;
use super::ways::{OpenSsh, Ways};

/// One connection of a link.
pub(super) struct Connection {
    ssh: OpenSsh,
    ways: Ways,
    config: PathBuf,
    /// Where its sockets are, each with a number behind this.
    socket: PathBuf,
    current: Mutex<Option<Arc<Master>>>,
    /// Only one master is started at a time.
    starts: tokio::sync::Mutex<Starts>,
    closed: CancellationToken,
}

/// The starts until now.
#[derive(Default)]
struct Starts {
    count: u64,
    /// When the last one failed, and why. Whoever was waiting for it takes that as the answer.
    failed: Option<(Instant, What)>,
}

impl Connection {
    pub(super) fn new(ssh: &OpenSsh, ways: &Ways, config: PathBuf, socket: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            ssh: ssh.clone(),
            ways: ways.clone(),
            config,
            socket,
            current: Mutex::default(),
            starts: tokio::sync::Mutex::default(),
            closed: CancellationToken::new(),
        })
    }

    /// A master that is alive. A start goes on for the next caller when this one waits no longer.
    pub(super) async fn master(self: &Arc<Self>, deadline: Instant) -> Result<Arc<Master>, What> {
        let asked = Instant::now();
        let this = Arc::clone(self);
        let found = async {
            match self.alive().await {
                Some(master) => Ok(master),
                None => tokio::spawn(async move { this.made(asked).await })
                    .await
                    .unwrap_or(Err(What::Closed)),
            }
        };
        timeout_at(deadline.into(), found).await.unwrap_or(Err(What::Silent))
    }

    /// Ends the connection for good.
    pub(super) async fn close(&self) {
        self.closed.cancel();
        let master = self.current().take();
        if let Some(master) = master {
            master.end().await;
        }
    }

    /// The present master, if it is alive.
    async fn alive(&self) -> Option<Arc<Master>> {
        let master = self.current().clone()?;
        master.is_alive().await.then_some(master)
    }

    /// A master for who asked at `asked`: that which another caller started, or a new one.
    async fn made(&self, asked: Instant) -> Result<Arc<Master>, What> {
        let mut starts = self.starts.lock().await;
        if let Some((_, what)) = starts.failed.as_ref().filter(|(failed, _)| *failed >= asked) {
            return Err(what.clone());
        }
        if let Some(master) = self.alive().await {
            return Ok(master);
        }
        self.current().take();
        starts.count += 1;
        let started = tokio::select! {
            started = self.started(starts.count) => started,
            () = self.closed.cancelled() => Err(What::Closed),
        };
        match started {
            Ok(master) => {
                let master = Arc::new(master);
                *self.current() = Some(Arc::clone(&master));
                Ok(master)
            }
            Err(what) => {
                starts.failed = Some((Instant::now(), what.clone()));
                Err(what)
            }
        }
    }

    async fn started(&self, number: u64) -> Result<Master, What> {
        if !self.ssh.program.is_file() {
            return Err(What::NoSsh(self.ssh.program.clone()));
        }
        if let Some(path) = &self.ways.identity_file {
            std::fs::File::open(path).map_err(|cause| What::Identity {
                path: path.clone(),
                cause: cause.to_string(),
            })?;
        }
        // A new name: what an earlier master left at its socket is not in the way.
        let mut socket = self.socket.clone().into_os_string();
        socket.push(number.to_string());
        let socket = PathBuf::from(socket);
        Master::start(Start {
            ssh: self.ssh.program.clone(),
            berth: self.ssh.berth.clone(),
            args: ssh_config::master(&self.ways, &self.config, &socket)?,
            socket,
            passphrase: self.ways.passphrase.clone().unwrap_or_default(),
            known_hosts: [self.ways.known_hosts.clone(), Some(self.ssh.known_hosts.clone())]
                .into_iter()
                .flatten()
                .collect(),
            connect_timeout: self.ways.connect_timeout,
        })
        .await
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Option<Arc<Master>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<ssh_config::Unwritable> for What {
    fn from(ssh_config::Unwritable(path): ssh_config::Unwritable) -> Self {
        Self::Here(format!(
            "a configuration of ssh cannot hold the path {path:?}, only an absolute one without quotes and backslashes"
        ))
    }
}
