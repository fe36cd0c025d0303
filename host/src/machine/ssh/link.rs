//! The way to one host: sessions on a connection that is kept, as many at once as the host lets, and one for killing.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout_at};

use super::connection::{Connection, Files};
use super::folder::Folder;
use super::master::{Master, Refused, Shell, Unopened, Use};
use super::pause::Pauses;
use super::ssh_config::{self, NEWER};
use super::trouble::{Failed, Trouble, What};
use super::ways::{OpenSsh, Ways};
use super::{known_hosts, terminal};
use crate::machine::child::Ended;
use crate::machine::sh::{self, Around, Channel, Run, SessionPlace, Way};

/// How often a host that refused a session is asked again.
const AGAIN: Duration = Duration::from_millis(100);
/// Bytes of what a program prints.
const PRINTED: u64 = 1 << 20;
/// How many sessions of which the login hangs are heard beside those in use, for when they come to a shell after all.
const HUNG: usize = 16;
/// How many connections may be lost while one session is opened.
const LOST: u32 = 2;
/// The way to one host. What is cloned is the same way; the connection ends with the last of them.
#[derive(Clone)]
pub struct Link(Arc<Inner>);

struct Inner {
    host: String,
    sessions: usize,
    places: Arc<Semaphore>,
    place_to_kill: Arc<Semaphore>,
    /// For sessions that were given up.
    places_of_hung: Arc<Semaphore>,
    connection: Arc<Connection>,
    /// For killing, where the host refuses a further session on the other one.
    spare: Arc<Connection>,
    _folder: Folder,
}

impl Inner {
    fn new(ssh: &OpenSsh, ways: &Ways, pauses: Pauses) -> Result<Self, What> {
        if let Some(fault) = ways.fault() {
            return Err(What::Destination(ways.destination.clone(), fault));
        }
        let in_the_way = |cause| What::Here(format!("a folder cannot be made in {}: {cause}", ssh.folder.display()));
        let folder = Folder::new(&ssh.folder).map_err(in_the_way)?;
        let files = |socket| Files {
            config: folder.path("config"),
            newer: folder.path("newer"),
            socket: folder.path(socket),
        };
        let connection = |socket| Connection::new(ssh, ways, files(socket), pauses);
        let text = ssh_config::file(ssh, ways, &folder.path("newer"))?;
        folder.write("config", &text).map_err(in_the_way)?;
        folder.write("newer", NEWER).map_err(in_the_way)?;
        Ok(Self {
            host: ways.host.clone(),
            sessions: ways.sessions,
            places: Arc::new(Semaphore::new(ways.sessions.saturating_sub(1).max(1))),
            place_to_kill: Arc::new(Semaphore::new(1)),
            places_of_hung: Arc::new(Semaphore::new(HUNG)),
            connection: connection("m"),
            spare: connection("k"),
            _folder: folder,
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.connection.end();
        self.spare.end();
    }
}

impl Link {
    /// A way that is not connected yet.
    ///
    /// # Errors
    /// If the destination could be an option, or nothing can be written in the folder of `ssh`.
    pub fn new(ssh: &OpenSsh, ways: &Ways) -> Result<Self, Trouble> {
        Self::with_pauses(ssh, ways, Pauses::USUAL)
    }

    pub(super) fn with_pauses(ssh: &OpenSsh, ways: &Ways, pauses: Pauses) -> Result<Self, Trouble> {
        let inner = Inner::new(ssh, ways, pauses);
        let inner = inner.map_err(|what| Failed::from(what).of(&ways.host))?;
        Ok(Self(Arc::new(inner)))
    }

    /// The program and its arguments with which the operator's own terminal shows what `words` run on the host, for `backend`.
    ///
    /// # Errors
    /// A path on this machine that ssh could not be told, or a file of trusted keys that others may write.
    pub fn terminal(
        ssh: &OpenSsh,
        ways: &Ways,
        words: &[String],
        backend: &str,
    ) -> Result<(PathBuf, Vec<String>), Trouble> {
        let arguments = || {
            known_hosts::check(&known_hosts::of(ssh, ways))?;
            Ok(terminal::arguments(ssh, ways, words, backend)?)
        };
        let arguments = arguments().map_err(|what: What| Failed::from(what).of(&ways.host))?;
        Ok((ssh.program.clone(), arguments))
    }

    /// Whether the host could not be reached when it was tried last.
    pub fn has_failed(&self) -> bool {
        self.0.connection.has_failed()
    }

    /// Whether there is a connection on which sessions can be.
    pub fn is_connected(&self) -> bool {
        self.0.connection.has_master() || self.0.spare.has_master()
    }

    /// How many sessions are open or being opened, or waited for.
    pub fn sessions_in_use(&self) -> usize {
        let free = self.0.places.available_permits() + self.0.place_to_kill.available_permits();
        self.0.sessions.max(2).saturating_sub(free)
    }

    /// Connects if there is no connection, also where that failed a moment ago, and says how it went.
    ///
    /// # Errors
    /// Why there is none, or that it takes longer than until `deadline`.
    pub async fn connect(&self, deadline: Instant) -> Result<(), Trouble> {
        let connected = self.0.connection.master_in_any_case(deadline).await;
        connected.map(drop).map_err(|failed| self.trouble(failed))
    }

    /// The number of the connection that is there now, which no other one of this way has. It connects nowhere.
    pub async fn connection(&self) -> Option<u64> {
        self.0.connection.number().await
    }

    /// Opens a session, and says how long a line takes there and back.
    ///
    /// # Errors
    /// Why there is no session, or that this takes longer than until `deadline`.
    pub async fn round_trip(&self, deadline: Instant) -> Result<Duration, Trouble> {
        let told = async {
            let mut channel = self.session(&self.0.places, None, deadline).await?;
            let echoed = async {
                // The first shows that the shell is there.
                echo(&mut channel).await?;
                let began = Instant::now();
                echo(&mut channel).await?;
                io::Result::Ok(began.elapsed())
            };
            match timeout_at(deadline.into(), echoed).await {
                Ok(told) => told.map_err(|_| What::Lost.into()),
                Err(_) => Err(What::Hung.into()),
            }
        };
        told.await.map_err(|failed| self.trouble(failed))
    }

    /// Runs a program there, in the root directory and with nothing of the login's environment but `PATH` and `HOME`, and
    /// gives what it printed on standard output.
    ///
    /// # Errors
    /// Why it did not run, that it failed, or that it takes longer than until `deadline`.
    pub async fn printed(&self, program: &str, args: &[&str], deadline: Instant) -> io::Result<Vec<u8>> {
        let run = Run {
            program: program.to_owned(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            env: Vec::new(),
            directory: None,
            held: Vec::new(),
            stdin: Vec::new(),
            deadline: deadline.saturating_duration_since(Instant::now()),
            output: PRINTED,
            lingers: false,
            socket: None,
        };
        let around = Around {
            environment: ["PATH", "HOME"].map(str::to_owned).into(),
            ..Around::default()
        };
        let way: Arc<dyn Way> = Arc::new(self.clone());
        let failed = |why: String| io::Error::other(format!("{program} on the host {}: {why}", self.0.host));
        match sh::run(&way, &around, deadline, vec![run]).await.pop() {
            Some(Ok(Ended::Finished(output))) if output.status == Some(0) => Ok(output.stdout),
            Some(Ok(Ended::Finished(output))) => {
                Err(failed(format!("it ended with {:?}", output.status.or(output.signal))))
            }
            Some(Ok(Ended::TimedOut(after))) => Err(failed(format!("it did not end within {after:.1?}"))),
            Some(Err(fault)) => Err(failed(fault.to_string())),
            None => Err(failed("nothing is known of it".into())),
        }
    }

    /// Whether the host answers on the connection that is there. Where there is none, it does not.
    pub async fn answers(&self, deadline: Instant) -> bool {
        let answered = async {
            let mut channel = self.session(&self.0.place_to_kill, None, deadline).await.ok()?;
            echo(&mut channel).await.ok()
        };
        let is_there = self.0.connection.has_master();
        is_there && matches!(timeout_at(deadline.into(), answered).await, Ok(Some(())))
    }

    /// Ends the connection for good, and every session on it. What runs on the host does not end.
    pub async fn close(&self) {
        tokio::join!(self.0.connection.close(), self.0.spare.close());
    }

    /// A session within `places`. If the host refuses one on the kept connection, `spare` is taken, or it is asked again; on a
    /// new connection where it has no room though ours do not fill it.
    async fn session(
        &self,
        places: &Arc<Semaphore>,
        spare: Option<&Arc<Connection>>,
        deadline: Instant,
    ) -> Result<Channel, Failed> {
        let place = timeout_at(deadline.into(), Arc::clone(places).acquire_owned()).await;
        let Ok(Ok(mut place)) = place else {
            return Err(What::Busy(self.0.sessions).into());
        };
        let (mut connection, mut lost) = (&self.0.connection, 0);
        let (mut taken, mut refused): (Option<Weak<Master>>, Option<Refused>) = (None, None);
        loop {
            let opened = match Opened::on(connection, place, deadline).await {
                Ok(opened) => opened,
                Err(failed) => {
                    // What is known then is that it was refused before.
                    let before = refused.filter(|_| failed.what == What::Silent);
                    return Err(before.map_or(failed, |before| before.what().into()));
                }
            };
            place = opened.place;
            let now = match opened.shell {
                Ok((shell, uses)) => return self.channel(shell, uses, place).ok_or(What::Lost.into()),
                Err(Unopened::Silent) => return Err(What::Silent.into()),
                Err(Unopened::Lost) if lost == LOST => return Err(What::Lost.into()),
                Err(Unopened::Lost) => {
                    lost += 1;
                    continue;
                }
                Err(Unopened::Refused(refused)) => refused,
            };
            if now.is_taken && now.has_hung {
                // One of ours that ended just now may still be there at first.
                let before = taken.replace(Arc::downgrade(&opened.master));
                if before.is_some_and(|before| before.ptr_eq(&Arc::downgrade(&opened.master))) {
                    connection.relieve(&opened.master, now.uses);
                }
            }
            if Instant::now() + AGAIN >= deadline {
                return Err(now.what().into());
            }
            refused = Some(now);
            match spare {
                Some(spare) if !Arc::ptr_eq(spare, connection) => connection = spare,
                _ => sleep(AGAIN).await,
            }
        }
    }

    /// A shell as its streams.
    fn channel(&self, mut shell: Shell, uses: Use, place: OwnedSemaphorePermit) -> Option<Channel> {
        Some(Channel {
            stdin: Box::new(shell.stdin().take()?),
            stdout: Box::new(shell.stdout().take()?),
            stderr: Box::new(shell.stderr().take()?),
            place: Box::new(Held {
                _shell: shell,
                place: Some((uses, place)),
                places_of_hung: Arc::clone(&self.0.places_of_hung),
                hung: None,
            }),
        })
    }

    fn trouble(&self, failed: Failed) -> Trouble {
        failed.of(&self.0.host)
    }
}

#[async_trait]
impl Way for Link {
    async fn open(&self, deadline: Instant) -> Result<Channel, sh::Unopened> {
        let session = self.session(&self.0.places, None, deadline).await;
        session.map_err(|failed| Arc::new(self.trouble(failed)) as _)
    }

    async fn open_to_kill(&self, deadline: Instant) -> Result<Channel, sh::Unopened> {
        let session = self.session(&self.0.place_to_kill, Some(&self.0.spare), deadline).await;
        session.map_err(|failed| Arc::new(self.trouble(failed)) as _)
    }
}

/// Sends a line there and waits for it to come back; what else is printed is not of interest.
async fn echo(channel: &mut Channel) -> io::Result<()> {
    let line = nonce()?;
    channel.stdin.write_all(format!("echo {line}\n").as_bytes()).await?;
    channel.stdin.flush().await?;
    let mut last = Vec::new();
    while !last.ends_with(line.as_bytes()) {
        if last.len() >= 2 * line.len() {
            last.drain(..line.len());
        }
        last.push(channel.stdout.read_u8().await?);
    }
    Ok(())
}

/// A word that nobody else knows.
fn nonce() -> io::Result<String> {
    let mut nonce = [0; 4];
    getrandom::fill(&mut nonce).map_err(io::Error::other)?;
    Ok(hex::encode(nonce))
}

/// What came of asking for a session, with the place that it has or would have had.
struct Opened {
    shell: Result<(Shell, Use), Unopened>,
    place: OwnedSemaphorePermit,
    master: Arc<Master>,
}

impl Opened {
    /// Asks until `deadline`. The host is listened to beyond that, and the place is kept: only its answer, or that there is
    /// none, shows whether the connection is of use.
    async fn on(connection: &Arc<Connection>, place: OwnedSemaphorePermit, deadline: Instant) -> Result<Self, Failed> {
        let master = connection.master(deadline).await?;
        let asked = Arc::clone(connection);
        let opened = tokio::spawn(async move {
            let shell = master.shell().await;
            if matches!(shell, Err(Unopened::Silent)) {
                asked.replace(&master);
            }
            Self { shell, place, master }
        });
        let opened = timeout_at(deadline.into(), opened).await;
        Ok(opened.map_err(|_| What::Silent)?.map_err(|_| What::Closed)?)
    }
}

/// What a session has, in the order in which it ends.
struct Held {
    _shell: Shell,
    place: Option<(Use, OwnedSemaphorePermit)>,
    places_of_hung: Arc<Semaphore>,
    /// The one that it has there once it was given up.
    hung: Option<OwnedSemaphorePermit>,
}

impl SessionPlace for Held {
    fn give_up(&mut self) -> bool {
        if let Some((uses, _place)) = self.place.take() {
            uses.give_up();
            self.hung = Arc::clone(&self.places_of_hung).try_acquire_owned().ok();
        }
        self.hung.is_some()
    }
}
