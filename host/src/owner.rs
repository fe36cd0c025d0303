//! The one process that owns the data directory: how it is found or become, what it runs, and how it ends.

mod adopt;
mod calls;
mod deed;
mod hand_over;
mod hosts;
mod jobs;
mod open;
mod printed;
mod read;
mod reload;
mod request;
mod socket;
mod unreached;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::calls::Calls;
pub use self::deed::Deed;
use self::hand_over::Asked;
pub use self::hosts::{InUse, try_hosts};
use self::jobs::Hand;
pub use self::jobs::order;
pub use self::open::{Opened, Pages, open};
pub use self::printed::Printed;
pub use self::read::printed;
pub use self::reload::{By, Reloads, Told, reload};
pub use self::request::{is_request, say_person};
pub use self::unreached::unreached;

use self::socket::Reception;
use crate::admission::Admission;
use crate::assemble::{self, Lasting, Links, Setup, Starter};
use crate::desk::{Desk, Forms, Stores};
use crate::jobs::{AllJobs, Reach};
use crate::mcp::{self, Server};
use crate::peer::{Peer, Seen};
use crate::principal::Principal;
use crate::store::{self, Audit, DataDirectory, Lock, Recorder, Word};

/// How long another owner may take until it answers on its socket, or ends: a `berth call` serves nobody else, and may
/// wait for a session for a minute.
const ANSWERS_WITHIN: Duration = Duration::from_secs(65);
/// When to tell the caller that it waits for another owner.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long calls under way may take once the end has come. Typing a message takes a second or two; what takes longer is
/// broken off, and the record shows it as cut off.
const FINISH: Duration = Duration::from_millis(4500);
/// How long a host may take to show at the end that it answers. Nothing that asks one which does not is waited for.
const SILENT: Duration = Duration::from_secs(1);
/// How long an owner may take that gives way: it finishes what is under way.
const GIVES_WAY_WITHIN: Duration = Duration::from_secs(15);
/// How long the one that it gives way to may take until it owns the data directory. Nobody else takes that meanwhile who
/// knows of it.
const SUCCEEDS_WITHIN: Duration = Duration::from_secs(1);
/// When to look again.
const AGAIN: Duration = Duration::from_millis(20);

/// A running berth.
pub struct Owner {
    /// Where calls are done.
    pub desk: Arc<Desk>,
    /// Its data directory.
    pub data: DataDirectory,
    /// Where what is done is recorded.
    pub recorder: Recorder,
    /// Who may hold what at once, and how often ask.
    pub admission: Admission,
    /// What has begun, whether somebody waits for it or not: calls, and changes of who may come in.
    pub under_way: TaskTracker,
    /// The word that counts as the owner's login, in a browser on this machine.
    pub word: Arc<Word>,
    /// The jobs of all backends.
    pub jobs: Arc<AllJobs>,
    /// How what is configured is replaced while it runs.
    pub reloads: Arc<Reloads>,
    /// What a person does with jobs.
    hand: Hand,
    /// The connections to hosts.
    links: Arc<Links>,
    /// What goes on between calls.
    tasks: TaskTracker,
    /// Connections on the socket.
    clients: TaskTracker,
    /// Ends when the time for what is under way is over.
    time_is_up: JoinHandle<()>,
    sessions_may_control: bool,
    shutdown: CancellationToken,
    /// Cancelled before `shutdown` if another process is to own the data directory.
    moving: CancellationToken,
    _lock: Lock,
}

/// The data directory, taken for this process, with its record.
pub struct Claim {
    data: DataDirectory,
    lock: Lock,
    audit: Audit,
}

impl Claim {
    /// Takes it, before anything else is done that others could see. Another process shows `purpose` in its error, to
    /// say who holds it. It may block for a while: the record of an older berth is moved.
    pub fn take(setup: &Setup, purpose: &str) -> Result<Self, store::Error> {
        let data = DataDirectory::open(&setup.server.data, &setup.server.cache)?;
        let lock = data.lock(purpose)?;
        let audit = data
            .audit_of_owner(setup.audit.sync, &lock)?
            .with_grants(setup.grants());
        // A process that starts in a session cannot accept anything for its operator.
        if setup.is_first_start && Peer::of_this_process() == Peer::Operator {
            assemble::accept_shipped(&data)?;
        }
        Ok(Self { data, lock, audit })
    }

    /// The same for a process that is to stay: an owner that serves only until such a one comes is asked to give way.
    pub async fn take_over(setup: &Setup, purpose: &str) -> Result<Self, store::Error> {
        let deadline = Instant::now() + GIVES_WAY_WITHIN;
        loop {
            let error = match Self::take(setup, purpose) {
                Err(error @ store::Error::InUse { .. }) if Instant::now() < deadline => error,
                taken => return taken,
            };
            let data = DataDirectory::open(&setup.server.data, &setup.server.cache)?;
            if hand_over::ask(&data.socket_path()).await == Asked::Stays {
                return Err(error);
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

impl Owner {
    /// Begins to bring up every backend of `setup`, and does not wait for them; `shutdown` ends what goes on between calls.
    /// `base_url` is where a browser would reach this process, and `local` where clients on this machine do by plain HTTP,
    /// if they do.
    pub async fn start(
        setup: &Setup,
        claim: Claim,
        base_url: String,
        local: Option<String>,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let Claim { data, lock, audit } = claim;
        let texts = setup.audit.texts;
        let recorder = tokio::task::spawn_blocking(move || Recorder::start(audit, texts)).await??;
        assemble::write_confs(setup, &data)?;
        assemble::follow_former_sockets(setup, &data).await?;
        assemble::take_over_state(setup, &data).await?;
        let (access, meanings) = (Arc::new(data.access()?), setup.meanings());
        let binding = access.clone();
        tokio::task::spawn_blocking(move || binding.bind(&meanings)).await??;
        let stores = Stores {
            outbox: data.outbox(&lock)?,
            tasks: data.tasks(&lock)?,
            forms: Some(Forms::new(data.seal()?, data.access()?)),
        };
        let desk = Arc::new(assemble::desk(setup, base_url, stores, shutdown)?);
        let reach = match local {
            Some(origin) => Reach::Http(origin),
            None => Reach::Program {
                berth: std::env::current_exe().context("the path of this program cannot be found")?,
                config: setup.file.clone(),
            },
        };
        let jobs = AllJobs::new(data.clone(), reach).context("the path of this program cannot be found")?;
        let jobs = Arc::new(jobs);
        let lasting = Lasting {
            data: data.clone(),
            jobs: Some(jobs.clone()),
            links: Arc::new(Links::new(&data)),
        };
        let links = lasting.links.clone();
        let starter = Starter::new(setup, lasting.clone())?;
        let tasks = TaskTracker::new();
        let max_body = usize::try_from(setup.server.max_body)?;
        let admission = Admission::new(
            setup.server.max_requests,
            max_body,
            &setup.server.rates,
            recorder.clone(),
            tasks.clone(),
            shutdown.clone(),
        );
        assemble::bring_up(starter, &desk.present(), &tasks);
        let (sending, sent) = (desk.clone(), recorder.clone());
        tasks.spawn(async move { sending.send_what_waits(&sent, &access).await });
        let reloads = Reloads::new(
            setup,
            desk.clone(),
            lasting,
            recorder.clone(),
            admission.clone(),
            tasks.clone(),
        );
        let hand = Hand::new(
            data.clone(),
            jobs.clone(),
            recorder.clone(),
            links.clone(),
            reloads.clone(),
        );
        let ending = shutdown.clone();
        Ok(Self {
            time_is_up: tokio::spawn(async move {
                ending.cancelled().await;
                tokio::time::sleep(FINISH).await;
            }),
            desk,
            data,
            recorder,
            admission,
            under_way: TaskTracker::new(),
            word: Arc::default(),
            jobs,
            reloads,
            hand,
            links,
            tasks,
            clients: TaskTracker::new(),
            sessions_may_control: setup.server.sessions_may_control,
            shutdown: shutdown.clone(),
            moving: CancellationToken::new(),
            _lock: lock,
        })
    }

    /// A server of its tools, whose calls this owner waits for when it ends.
    pub fn server(&self) -> Server {
        let (desk, recorder) = (self.desk.clone(), self.recorder.clone());
        let (admission, under_way) = (self.admission.clone(), self.under_way.clone());
        Server::new(desk, recorder, admission, under_way, self.shutdown.clone())
    }

    /// The same for whoever started this process: for the person, if `by_person` and it is not in a session.
    fn own_server(&self, by_person: bool) -> Server {
        let seen = Seen::of_this_process();
        let principal = self.jobs.limit(&seen, Principal::local(), self.sessions_may_control);
        let server = self.server().for_principal(principal);
        match by_person && seen.peer == Peer::Operator {
            true => server.for_person(),
            false => server,
        }
    }

    /// Serves the operator's own processes on the data directory's socket, until `shutdown`. With `gives_way`, this owner
    /// ends when a process asks for that which is to stay: see [`Claim::take_over`]. `pages` is how a browser
    /// reaches its pages, if it serves some.
    pub fn serve_socket(&self, gives_way: bool, pages: Option<Pages>) -> anyhow::Result<()> {
        let listener = socket::bind(&self.data.socket_path())?;
        let reception = Reception::new(self, gives_way, pages);
        self.tasks
            .spawn(socket::serve(listener, reception, self.clients.clone()));
        Ok(())
    }

    /// Serves one client over a stream of JSON lines, as whoever started this process, until that ends or this owner does.
    /// `by_person`: what the client asks, a person has typed.
    pub fn serve<R, W>(
        &self,
        read: R,
        write: W,
        by_person: bool,
    ) -> impl Future<Output = anyhow::Result<()>> + Send + use<R, W>
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let (ending, moving) = (self.shutdown.clone(), self.moving.clone());
        mcp::serve_stream(self.own_server(by_person), read, write, ending, moving)
    }

    /// Whether another process takes over, or whoever speaks through this one is to go on without it.
    pub fn has_given_way(&self) -> bool {
        self.moving.is_cancelled()
    }

    /// Lets whoever speaks through this process go on without it, when it ends.
    pub fn give_way(&self) {
        self.moving.cancel();
    }

    /// Waits until nobody is connected to the socket, or this owner is to end.
    pub async fn clients_gone(&self) {
        self.clients.close();
        self.shutdown.run_until_cancelled(self.clients.wait()).await;
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
            tracing::warn!("{calls} calls under way are finished first; a second signal ends them too");
            std::future::pending::<()>().await;
        };
        let hosts = async {
            self.links.leave_silent(SILENT).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = ended => {}
            () = patient => {}
            () = hosts => {}
            _ = self.time_is_up => tracing::warn!(
                "{} calls were still under way when the time to finish them was over; the record shows them as cut off",
                self.under_way.len()
            ),
        }
        self.recorder.finish().await;
    }
}

/// A way to the one owner: it is another process, or now this one.
pub enum Ownership {
    /// A connection to the process that owns the data directory.
    Theirs(UnixStream),
    /// This process has become it.
    Ours(Box<Owner>),
}

impl Ownership {
    /// Connects to the owner, or becomes it for `purpose` if there is none. If several try at once, one wins; the
    /// others find it, or wait for its end if it does not serve others.
    pub async fn find(setup: &Setup, purpose: &str, shutdown: &CancellationToken) -> anyhow::Result<Self> {
        Self::find_after(Duration::ZERO, setup, purpose, shutdown).await
    }

    /// The same where the owner has given way: the one that it gave way to comes first.
    pub async fn find_next(setup: &Setup, purpose: &str, shutdown: &CancellationToken) -> anyhow::Result<Self> {
        Self::find_after(SUCCEEDS_WITHIN, setup, purpose, shutdown).await
    }

    async fn find_after(
        others: Duration,
        setup: &Setup,
        purpose: &str,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let socket = DataDirectory::open(&setup.server.data, &setup.server.cache)?.socket_path();
        let began = Instant::now();
        let mut said = false;
        loop {
            if let Ok(stream) = UnixStream::connect(&socket).await {
                return Ok(Self::Theirs(stream));
            }
            if began.elapsed() < others && !shutdown.is_cancelled() {
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            match Claim::take(setup, purpose) {
                Ok(claim) => {
                    let base_url = format!("http://{}", setup.server.listen);
                    // Its end need not be that of this process.
                    let owner = Owner::start(setup, claim, base_url, None, &shutdown.child_token()).await?;
                    return Ok(Self::Ours(Box::new(owner)));
                }
                Err(error @ store::Error::InUse { .. })
                    if began.elapsed() < ANSWERS_WITHIN && !shutdown.is_cancelled() =>
                {
                    if !said && began.elapsed() > PATIENCE {
                        said = true;
                        tracing::warn!("waiting: {error}");
                    }
                    tokio::time::sleep(AGAIN).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
