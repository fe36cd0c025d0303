//! One master: an ssh that holds a connection, and opens sessions on it for whoever comes to its socket.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use openssh::{Child, Session, Stdio};
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::trouble::What;
use super::{askpass, said};
use crate::machine::companion::Companion;

/// What runs in every session. The shell of the login reads this and nothing else, so it may be any shell.
const SHELL: &str = "exec /bin/sh -s";
/// How long the process at a socket may take to say that it is alive. It does not ask the host.
const CHECK: Duration = Duration::from_secs(2);
/// How often a start is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// How many times longer than a connection a start may take: hosts that are jumped over take their time too.
const LONGER: u32 = 3;
/// For how long a login that hung is taken for why there is no room.
const LATELY: Duration = Duration::from_secs(60);
/// Lines that are kept of what it says: the first, since the other side may make any number that come later.
const LINES: usize = 40;

/// How a master is started.
pub(super) struct Start {
    pub(super) ssh: PathBuf,
    pub(super) berth: PathBuf,
    /// Those of ssh.
    pub(super) args: Vec<String>,
    pub(super) socket: PathBuf,
    pub(super) passphrase: String,
    /// The files of trusted keys.
    pub(super) known_hosts: Vec<PathBuf>,
    pub(super) connect_timeout: Duration,
    /// What ends it.
    pub(super) end: CancellationToken,
}

/// A master that has a connection. It ends when this is dropped, and with berth.
pub(super) struct Master {
    session: Arc<Session>,
    connect_timeout: Duration,
    /// Sessions of ours that are in use or being opened, those of them that are open, and the most that ever were at once.
    uses: AtomicUsize,
    open: AtomicUsize,
    most: AtomicUsize,
    /// When somebody last gave up a session of which the login hung.
    hung: Mutex<Option<Instant>>,
    end: CancellationToken,
    ended: CancellationToken,
    _end: DropGuard,
}

/// A session on it, with the three streams of a shell there.
pub(super) type Shell = Child<Arc<Session>>;

/// A session of ours that is in use on a master, and keeps it.
pub(super) struct Use {
    master: Arc<Master>,
    is_open: bool,
}

/// Why it opened no session. Nothing was done on the host.
pub(super) enum Unopened {
    /// The host has no room.
    Refused(Refused),
    /// The host did not answer: this master is of no more use, and another one may wait as long for nothing.
    Silent,
    /// The connection is lost: this master is of no more use.
    Lost,
}

/// What is known where a host has no room for a further session.
pub(super) struct Refused {
    /// So many of ours are in use.
    pub(super) uses: usize,
    /// These are fewer than it had room for before: something else takes that.
    pub(super) is_taken: bool,
    /// A login hung on this master, which may be what takes it.
    pub(super) has_hung: bool,
    hung_lately: bool,
}

impl Refused {
    pub(super) fn what(&self) -> What {
        match self.is_taken || self.hung_lately {
            true => What::Taken(self.uses),
            false => What::Full,
        }
    }
}

impl Master {
    /// Starts one and waits for its connection.
    pub(super) async fn start(start: Start) -> Result<Self, What> {
        let mut args = vec!["beside", path(&start.ssh)?];
        args.extend(start.args.iter().map(String::as_str));
        let environment = askpass::environment(path(&start.berth)?, &start.passphrase);
        let companion = Companion::start_with(&start.berth, &args, &environment)
            .map_err(|cause| What::Here(format!("{} cannot be started: {cause}", start.berth.display())))?;
        let (end, ended) = (start.end.clone(), CancellationToken::new());
        let says = Says::default();
        tokio::spawn(attend(companion, says.clone(), end.clone(), ended.clone().drop_guard()));
        let master = Self {
            session: Arc::new(Session::resume_mux(start.socket.clone().into(), None)),
            connect_timeout: start.connect_timeout,
            uses: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            hung: Mutex::default(),
            _end: end.clone().drop_guard(),
            end,
            ended,
        };
        tokio::select! {
            () = master.connected(&start.socket) => Ok(master),
            () = master.ended.cancelled() => Err(said::what(&says.lines(), &start.known_hosts)),
            () = sleep(start.connect_timeout * LONGER) => Err(What::Silent),
        }
    }

    /// Whether it has not ended, and has not been found to be of no use.
    pub(super) fn is_kept(&self) -> bool {
        !self.end.is_cancelled() && !self.ended.is_cancelled()
    }

    /// The same, and whether it answers at its socket.
    pub(super) async fn is_alive(&self) -> bool {
        self.is_kept() && matches!(timeout(CHECK, self.session.check()).await, Ok(Ok(())))
    }

    /// Opens a session. A host that does not answer in the time that a connection may take is taken for lost, and so is
    /// everything else on this master: it ends.
    pub(super) async fn shell(self: &Arc<Self>) -> Result<(Shell, Use), Unopened> {
        let mut command = Session::to_raw_command(Arc::clone(&self.session), SHELL);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // The host counts it from when it is asked.
        let uses = Use::begin(self);
        match timeout(self.connect_timeout, command.spawn()).await {
            Ok(Ok(shell)) => Ok((shell, uses.opened())),
            Ok(Err(_)) if self.is_alive().await => {
                drop(uses);
                Err(Unopened::Refused(self.refused()))
            }
            failed => {
                self.end.cancel();
                Err(failed.map_or(Unopened::Silent, |_| Unopened::Lost))
            }
        }
    }

    /// Ends it and waits for that.
    pub(super) async fn end(&self) {
        self.end.cancel();
        self.ended.cancelled().await;
    }

    fn refused(&self) -> Refused {
        let (uses, hung) = (self.uses.load(Ordering::Acquire), *self.hung());
        Refused {
            uses,
            is_taken: uses < self.most.load(Ordering::Acquire),
            has_hung: hung.is_some(),
            hung_lately: hung.is_some_and(|at| at.elapsed() < LATELY),
        }
    }

    fn hung(&self) -> MutexGuard<'_, Option<Instant>> {
        self.hung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connected(&self, socket: &Path) {
        // ssh makes its socket when it is logged in.
        while !socket.exists() || !self.is_alive().await {
            sleep(LOOK).await;
        }
    }
}

impl Use {
    fn begin(master: &Arc<Master>) -> Self {
        master.uses.fetch_add(1, Ordering::AcqRel);
        Self {
            master: Arc::clone(master),
            is_open: false,
        }
    }

    fn opened(mut self) -> Self {
        let open = self.master.open.fetch_add(1, Ordering::AcqRel) + 1;
        self.master.most.fetch_max(open, Ordering::AcqRel);
        self.is_open = true;
        self
    }

    /// Its login hangs, and nobody waits for that any more.
    pub(super) fn give_up(self) {
        *self.master.hung() = Some(Instant::now());
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        if self.is_open {
            self.master.open.fetch_sub(1, Ordering::AcqRel);
        }
        self.master.uses.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What a master said first.
#[derive(Clone, Default)]
struct Says(Arc<Mutex<Vec<String>>>);

impl Says {
    fn add(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < LINES {
            lines.push(line);
        }
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Keeps what `companion` says, until it has ended or is to end.
async fn attend(mut companion: Companion, says: Says, end: CancellationToken, _ended: DropGuard) {
    loop {
        tokio::select! {
            line = companion.line() => match line {
                Some(line) => says.add(line),
                None => break,
            },
            () = end.cancelled() => break,
        }
    }
    companion.end().await;
}

fn path(path: &Path) -> Result<&str, What> {
    let text = path.to_str();
    text.ok_or_else(|| What::Here(format!("the path {} is not text", path.display())))
}
