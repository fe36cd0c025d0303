//! The one process that owns the data directory, and the socket by which other processes of the operator use it.

use std::io::{self, Cursor, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::Admission;
use crate::admission::numbers::{FIRST_LINE, LOCAL_SOCKETS_REFUSED};
use crate::assemble;
use crate::catalog::Catalog;
use crate::config::Config;
use crate::mcp::{self, Server};
use crate::peer::Peer;
use crate::principal::Principal;
use crate::store::{self, DataDirectory, Lock, Recorder};

/// How long another owner may take until it answers on its socket, or ends: a `berth call` serves nobody else, and may
/// wait for a session for a minute.
const ANSWERS_WITHIN: Duration = Duration::from_secs(65);
/// When it is said that another owner is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long calls under way may take once the end has come. Typing a message takes a second or two; what takes longer is
/// broken off, and the record shows it as cut off.
const FINISH: Duration = Duration::from_millis(4500);
/// Bytes of a first line that are looked at; a longer one has come far enough.
const FIRST_READ: usize = 16 << 10;
/// How long a client that is turned away has to read why.
const FAREWELL: Duration = Duration::from_secs(1);

/// A running berth.
pub struct Owner {
    /// All its tools.
    pub catalog: Arc<Catalog>,
    /// Its data directory.
    pub data: DataDirectory,
    /// Where what is done is recorded.
    pub recorder: Recorder,
    /// Who may hold what at once.
    pub admission: Admission,
    /// Calls that have begun, whether somebody waits for them or not.
    under_way: TaskTracker,
    /// What goes on between calls.
    tasks: TaskTracker,
    /// Connections on the socket.
    clients: TaskTracker,
    /// Ends when the time for what is under way is over.
    time_is_up: JoinHandle<()>,
    sessions_may_control: bool,
    shutdown: CancellationToken,
    _lock: Lock,
}

/// The data directory, taken for this process.
pub struct Claim {
    data: DataDirectory,
    lock: Lock,
}

impl Claim {
    /// Takes it, before anything else is done that others could see. `purpose` says in an error of another process who
    /// holds it.
    pub fn take(config: &Config, purpose: &str) -> Result<Self, store::Error> {
        let data = DataDirectory::open(&config.server.data, &config.server.cache)?;
        let lock = data.lock(purpose)?;
        Ok(Self { data, lock })
    }
}

impl Owner {
    /// Starts every backend of `config`; `shutdown` ends what goes on between calls. `base_url` is where a browser would
    /// reach this process.
    pub async fn start(
        config: &Config,
        claim: Claim,
        base_url: String,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let Claim { data, lock } = claim;
        let (lock, recorder) = recorder(config, data.clone(), lock).await?;
        assemble::write_confs(config, &data)?;
        assemble::follow_former_sockets(config, &data).await?;
        let backends = assemble::start_backends(config, &data).await?;
        let catalog = assemble::merge(config, backends, base_url)?;
        let tasks = TaskTracker::new();
        let max_body = usize::try_from(config.server.max_body)?;
        let admission = Admission::new(config.server.max_requests, max_body, recorder.clone(), tasks.clone());
        catalog.watch(&tasks, shutdown);
        let ending = shutdown.clone();
        Ok(Self {
            time_is_up: tokio::spawn(async move {
                ending.cancelled().await;
                tokio::time::sleep(FINISH).await;
            }),
            catalog: Arc::new(catalog),
            data,
            recorder,
            admission,
            under_way: TaskTracker::new(),
            tasks,
            clients: TaskTracker::new(),
            sessions_may_control: config.server.sessions_may_control,
            shutdown: shutdown.clone(),
            _lock: lock,
        })
    }

    /// A server of its tools, whose calls this owner waits for when it ends.
    pub fn server(&self) -> Server {
        let (catalog, recorder) = (self.catalog.clone(), self.recorder.clone());
        let (admission, under_way) = (self.admission.clone(), self.under_way.clone());
        Server::new(catalog, recorder, admission, under_way, self.shutdown.clone())
    }

    /// The same for whoever started this process.
    pub fn own_server(&self) -> Server {
        self.server()
            .for_principal(Peer::of_this_process().limit(Principal::local(), self.sessions_may_control))
    }

    /// Serves the operator's own processes on the data directory's socket, until `shutdown`.
    pub fn serve_socket(&self) -> anyhow::Result<()> {
        let listener = bind(&self.data.socket_path())?;
        self.recorder.log_heads();
        let reception = Arc::new(Reception {
            server: self.server(),
            admission: self.admission.clone(),
            farewells: Semaphore::new(LOCAL_SOCKETS_REFUSED),
            sessions_may_control: self.sessions_may_control,
            shutdown: self.shutdown.clone(),
        });
        let (clients, shutdown) = (self.clients.clone(), self.shutdown.clone());
        self.tasks.spawn(async move {
            let accepting = async {
                loop {
                    match listener.accept().await {
                        Ok((stream, _)) => drop(clients.spawn(reception.clone().receive(stream))),
                        Err(error) => {
                            tracing::warn!("the socket takes no connection now: {error}");
                            tokio::time::sleep(PATIENCE).await;
                        }
                    }
                }
            };
            shutdown.run_until_cancelled(accepting).await;
        });
        Ok(())
    }

    /// Waits until nobody is connected to the socket.
    pub async fn clients_gone(&self) {
        self.clients.close();
        self.clients.wait().await;
    }

    /// Ends everything, and waits for what has begun, so that nothing is left half typed and all of it is recorded.
    pub async fn end(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.clients.close();
        self.under_way.close();
        let ended = async { tokio::join!(self.under_way.wait(), self.tasks.wait(), self.clients.wait()) };
        let patient = async {
            tokio::time::sleep(PATIENCE).await;
            let calls = self.under_way.len();
            tracing::info!("{calls} calls under way are finished first; a second signal ends them as well");
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = ended => {}
            () = patient => {}
            _ = self.time_is_up => tracing::warn!(
                "{} calls were still under way when the time to finish them was over; the record shows them as cut off",
                self.under_way.len()
            ),
        }
        self.recorder.finish().await;
    }
}

/// Where the owner that holds `lock` records what is done. Opening it may take a while: an older berth's is moved.
async fn recorder(config: &Config, data: DataDirectory, lock: Lock) -> anyhow::Result<(Lock, Recorder)> {
    let (sync, texts) = (config.audit.sync, config.audit.texts);
    let start = move || {
        let recorder = Recorder::start(data.audit_of_owner(sync, &lock)?, texts)?;
        anyhow::Ok((lock, recorder))
    };
    tokio::task::spawn_blocking(start).await?
}

/// What a connection to the socket meets.
struct Reception {
    server: Server,
    admission: Admission,
    /// Of those who are turned away, as many are told why.
    farewells: Semaphore,
    sessions_may_control: bool,
    shutdown: CancellationToken,
}

impl Reception {
    async fn receive(self: Arc<Self>, mut stream: UnixStream) {
        let peer = peer(&stream).await;
        if peer == Peer::Stranger {
            tracing::warn!("another user's process, such as root's, was turned away at the socket");
            return;
        }
        let _held = match self.admission.local_socket(peer) {
            Ok(held) => held,
            Err(refusal) => return self.turn_away(stream, &refusal.to_string()).await,
        };
        match timeout(FIRST_LINE, first_line(&mut stream)).await {
            Ok(Ok(line)) => {
                let principal = peer.limit(Principal::local(), self.sessions_may_control);
                let server = self.server.clone().for_principal(principal);
                converse(line, stream, server, self.shutdown.clone()).await;
            }
            // It has left, or cannot be read.
            Ok(Err(_)) => {}
            Err(_) => {
                let seconds = FIRST_LINE.as_secs();
                let why = format!("nothing was asked within {seconds} seconds of connecting; connect again to ask");
                self.turn_away(stream, &why).await;
            }
        }
    }

    /// Ends a connection with a word.
    async fn turn_away(&self, mut stream: UnixStream, why: &str) {
        let Ok(_farewell) = self.farewells.try_acquire() else {
            return;
        };
        let told = async {
            stream.write_all(mcp::refusal_line(why).as_bytes()).await?;
            stream.shutdown().await?;
            // A client that is still writing would see an error in place of these words, were it closed before.
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
        };
        let _ = timeout(FAREWELL, told).await;
    }
}

/// What a client sends up to the end of its first line, and what came with it.
async fn first_line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut read = Vec::with_capacity(FIRST_READ);
    while !read.contains(&b'\n') && read.len() < FIRST_READ {
        if stream.read_buf(&mut read).await? == 0 {
            break;
        }
    }
    match read.is_empty() {
        true => Err(ErrorKind::UnexpectedEof.into()),
        false => Ok(read),
    }
}

/// Who is at the other end of a connection to the socket, which only the operator's processes can open, and root's.
async fn peer(stream: &UnixStream) -> Peer {
    let us = rustix::process::geteuid().as_raw();
    let Some(credentials) = stream.peer_cred().ok().filter(|credentials| credentials.uid() == us) else {
        return Peer::Stranger;
    };
    let Some(pid) = credentials.pid() else {
        return Peer::InSession;
    };
    let found = tokio::task::spawn_blocking(move || Peer::of_process(pid)).await;
    found.unwrap_or(Peer::InSession)
}

/// Serves a client whose first words are `read` already.
async fn converse(read: Vec<u8>, stream: UnixStream, server: Server, shutdown: CancellationToken) {
    let (further, write) = stream.into_split();
    let read = Cursor::new(read).chain(further);
    if let Err(error) = mcp::serve_stream(server, read, write, shutdown).await {
        tracing::debug!("a client on the socket: {error:#}");
    }
}

/// A socket that only the operator can reach, in place of what an ended process left.
fn bind(path: &Path) -> anyhow::Result<UnixListener> {
    // We hold the lock, so whatever is there belongs to nobody.
    if path.exists() {
        std::fs::remove_file(path).with_context(|| format!("{} cannot be replaced", path.display()))?;
    }
    let listener = UnixListener::bind(path).with_context(|| {
        format!(
            "{} cannot be made; a socket's path may have some 100 bytes: set [server] data to a shorter one",
            path.display()
        )
    })?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// A way to the one owner: it is another process, or now this one.
pub enum Ownership {
    /// A connection to the process that owns the data directory.
    Theirs(UnixStream),
    /// This process has become it.
    Ours(Box<Owner>),
}

impl Ownership {
    /// Connects to the owner, or becomes it for `purpose` where there is none. Of several that try at once one wins, and
    /// the others find it, or wait for its end where it serves nobody else.
    pub async fn find(config: &Config, purpose: &str, shutdown: &CancellationToken) -> anyhow::Result<Self> {
        let socket = DataDirectory::open(&config.server.data, &config.server.cache)?.socket_path();
        let began = Instant::now();
        let mut said = false;
        loop {
            if let Ok(stream) = UnixStream::connect(&socket).await {
                return Ok(Self::Theirs(stream));
            }
            match Claim::take(config, purpose) {
                Ok(claim) => {
                    let base_url = format!("http://{}", config.server.listen);
                    let owner = Owner::start(config, claim, base_url, shutdown).await?;
                    return Ok(Self::Ours(Box::new(owner)));
                }
                Err(error @ store::Error::InUse { .. }) if began.elapsed() < ANSWERS_WITHIN => {
                    if !said && began.elapsed() > PATIENCE {
                        said = true;
                        tracing::info!("waiting: {error}");
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
