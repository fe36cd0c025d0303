//! A connection that is kept: its master is checked before it is used, and made again when it is dead.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

use super::master::{Master, Start};
use super::pause::{Failure, Pauses};
use super::relief::{Relief, Reliefs};
use super::trouble::{Failed, What};
use super::ways::{OpenSsh, Ways};
use super::{known_hosts, ssh_config};

/// One connection of a link.
pub(super) struct Connection {
    ssh: OpenSsh,
    ways: Ways,
    files: Files,
    pauses: Pauses,
    current: Mutex<Option<Arc<Master>>>,
    /// Those that were relieved. Whoever uses one has it.
    relieved: Mutex<Vec<Weak<Master>>>,
    reliefs: Mutex<Reliefs>,
    /// How many came up.
    made: AtomicU64,
    /// Why the last start failed, if it did.
    failure: Mutex<Option<Failure>>,
    /// How many were started. Only one is at a time.
    starts: tokio::sync::Mutex<u64>,
    closed: CancellationToken,
}

/// The files of a connection.
pub(super) struct Files {
    pub(super) config: PathBuf,
    /// What of the configuration only a newer ssh knows.
    pub(super) newer: PathBuf,
    /// Where its sockets are, each with a number behind this.
    pub(super) socket: PathBuf,
}

impl Connection {
    pub(super) fn new(ssh: &OpenSsh, ways: &Ways, files: Files, pauses: Pauses) -> Arc<Self> {
        Arc::new(Self {
            ssh: ssh.clone(),
            ways: ways.clone(),
            files,
            pauses,
            current: Mutex::default(),
            relieved: Mutex::default(),
            reliefs: Mutex::default(),
            made: AtomicU64::new(0),
            failure: Mutex::default(),
            starts: tokio::sync::Mutex::default(),
            closed: CancellationToken::new(),
        })
    }

    /// A master that is alive. Where none could be started a while ago, the answer comes at once, or soon if it is time to
    /// start one again.
    pub(super) async fn master(self: &Arc<Self>, deadline: Instant) -> Result<Arc<Master>, Failed> {
        let (former, now) = (self.failure().clone(), Instant::now());
        match former {
            None => self.master_in_any_case(deadline).await,
            Some(former) if !former.is_over(now) => Err(former.told(now)),
            Some(former) => {
                let deadline = deadline.min(now + self.pauses.patience);
                let found = self.master_in_any_case(deadline).await;
                found.map_err(|failed| match failed.what {
                    What::Silent => former.told(now),
                    _ => failed,
                })
            }
        }
    }

    /// A master that is alive. A start goes on for the next caller when this one waits no longer.
    pub(super) async fn master_in_any_case(self: &Arc<Self>, deadline: Instant) -> Result<Arc<Master>, Failed> {
        let asked = Instant::now();
        let this = Arc::clone(self);
        let found = async {
            match self.alive().await {
                Some(master) => Ok(master),
                None => tokio::spawn(async move { this.made(asked).await })
                    .await
                    .unwrap_or(Err(What::Closed.into())),
            }
        };
        let found = timeout_at(deadline.into(), found).await;
        found.unwrap_or(Err(What::Silent.into()))
    }

    /// Whether it could not be made, and has not been made since.
    pub(super) fn has_failed(&self) -> bool {
        self.failure().is_some()
    }

    /// Whether there is a master, as far as that is known without asking it: the present one, or a relieved one that is in use.
    pub(super) fn has_master(&self) -> bool {
        let has_current = self.current().as_ref().is_some_and(|master| master.is_kept());
        let relieved = || {
            lock(&self.relieved)
                .iter()
                .filter_map(Weak::upgrade)
                .collect::<Vec<_>>()
        };
        has_current || relieved().iter().any(|master| master.is_kept())
    }

    /// Gives up `master`, whose host does not answer, and begins another one aside: nobody waits for that one as long again.
    pub(super) fn replace(self: &Arc<Self>, master: &Arc<Master>) {
        let is_former = |current: &mut Arc<Master>| Arc::ptr_eq(current, master);
        if self.current().take_if(is_former).is_some() {
            self.fail(What::Silent);
            let this = Arc::clone(self);
            tokio::spawn(async move { this.made(Instant::now()).await });
        }
    }

    /// Lets another one take the place of `master`, on which `uses` sessions are in use and no other can be opened, unless that
    /// was done a moment ago. It ends with the last of what uses it, and so does all that takes its sessions.
    pub(super) fn relieve(&self, master: &Arc<Master>, uses: usize) {
        let is_former = |current: &mut Arc<Master>| Arc::ptr_eq(current, master);
        let mut current = self.current();
        if !current.as_mut().is_some_and(is_former) {
            return;
        }
        let Some(relief) = lock(&self.reliefs).take(Instant::now()) else {
            return;
        };
        current.take();
        let mut relieved = lock(&self.relieved);
        relieved.retain(|former| former.strong_count() > 0);
        relieved.push(Arc::downgrade(master));
        if relief == Relief::First {
            let trouble = Failed::from(What::Taken(uses)).of(&self.ways.host);
            tracing::warn!("{trouble}; it gets a new connection");
        }
    }

    /// The number of the present master, if it is alive.
    pub(super) async fn number(&self) -> Option<u64> {
        let made = || self.made.load(Ordering::Acquire);
        let before = made();
        self.alive().await.map(|_| before).filter(|before| *before == made())
    }

    /// Ends the connection for good, whoever uses it.
    pub(super) fn end(&self) {
        self.closed.cancel();
    }

    /// The same, and waits for that.
    pub(super) async fn close(&self) {
        self.end();
        let mut masters: Vec<Arc<Master>> = self.current().take().into_iter().collect();
        masters.extend(lock(&self.relieved).drain(..).filter_map(|master| master.upgrade()));
        for master in masters {
            master.end().await;
        }
    }

    /// The present master, if it is alive.
    async fn alive(&self) -> Option<Arc<Master>> {
        let master = self.current().clone()?;
        master.is_alive().await.then_some(master)
    }

    /// A master for who asked at `asked`: that which another caller started, or a new one.
    async fn made(&self, asked: Instant) -> Result<Arc<Master>, Failed> {
        let mut starts = self.starts.lock().await;
        if let Some(failure) = self.failure().as_ref().filter(|failure| failure.is_since(asked)) {
            return Err(failure.told(Instant::now()));
        }
        if let Some(master) = self.alive().await {
            return Ok(master);
        }
        self.current().take();
        let started = tokio::select! {
            started = self.started(&mut starts) => started,
            () = self.closed.cancelled() => return Err(What::Closed.into()),
        };
        match started {
            Ok(master) => {
                let master = Arc::new(master);
                *self.current() = Some(Arc::clone(&master));
                self.made.fetch_add(1, Ordering::AcqRel);
                if self.failure().take().is_some() {
                    tracing::info!("the host {} is reached again", self.ways.host);
                }
                Ok(master)
            }
            Err(what) => Err(self.fail(what)),
        }
    }

    /// Keeps why it failed just now. The log has that when it begins and when it is something else, not each time.
    fn fail(&self, what: What) -> Failed {
        let (mut failure, now) = (self.failure(), Instant::now());
        if failure.as_ref().is_none_or(|former| !former.is_like(&what)) {
            tracing::warn!("{}", Failed::from(what.clone()).of(&self.ways.host));
        }
        let failed = Failure::after(failure.as_ref(), self.pauses, now, what);
        failure.insert(failed).told(now)
    }

    async fn started(&self, starts: &mut u64) -> Result<Master, What> {
        if !self.ssh.program.is_file() {
            return Err(What::NoSsh(self.ssh.program.clone()));
        }
        known_hosts::check(&known_hosts::of(&self.ssh, &self.ways))?;
        if let Some(path) = &self.ways.identity_file {
            std::fs::File::open(path).map_err(|cause| What::Identity {
                path: path.clone(),
                cause: cause.to_string(),
            })?;
        }
        match self.start(starts).await {
            Err(What::Configuration(said)) if said.names(&self.files.newer) => {
                // This ssh is an older one. The operator's configuration cannot say these things either.
                let _ = std::fs::remove_file(&self.files.newer);
                self.start(starts).await
            }
            started => started,
        }
    }

    async fn start(&self, starts: &mut u64) -> Result<Master, What> {
        // A new name: what an earlier master left at its socket is not in the way.
        *starts += 1;
        let mut socket = self.files.socket.clone().into_os_string();
        socket.push(starts.to_string());
        let socket = PathBuf::from(socket);
        Master::start(Start {
            ssh: self.ssh.program.clone(),
            berth: self.ssh.berth.clone(),
            args: ssh_config::master(&self.ways, &self.files.config, &socket)?,
            socket,
            passphrase: self.ways.passphrase.clone().unwrap_or_default(),
            known_hosts: known_hosts::of(&self.ssh, &self.ways),
            connect_timeout: self.ways.connect_timeout,
            end: self.closed.child_token(),
        })
        .await
    }

    fn failure(&self) -> std::sync::MutexGuard<'_, Option<Failure>> {
        lock(&self.failure)
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Option<Arc<Master>>> {
        lock(&self.current)
    }
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<ssh_config::Unwritable> for What {
    fn from(ssh_config::Unwritable(path): ssh_config::Unwritable) -> Self {
        Self::Here(format!(
            "a configuration of ssh cannot hold the path {path:?}, only an absolute one without quotes and backslashes"
        ))
    }
}
