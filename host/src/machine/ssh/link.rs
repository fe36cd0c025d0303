//! The way to one host: sessions on a connection that is kept, as many at once as the host lets, and one for killing.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout_at};

use super::connection::Connection;
use super::master::{Shell, Unopened};
use super::ssh_config;
use super::terminal;
use super::trouble::{Trouble, What};
use super::ways::{OpenSsh, Ways};
use crate::machine::sh::{self, Channel, Way};

/// How often a host that refused a session is asked again.
const AGAIN: Duration = Duration::from_millis(100);
/// How many connections may be lost while one session is opened.
const LOST: u32 = 2;
/// Bytes of a path to a socket, which is the least of all systems (macOS), without the 17 that ssh puts behind it while it
/// makes one, and the NUL.
const SOCKET: usize = 104 - 17 - 1;
/// The most that a number behind the path of a socket takes.
const NUMBER: usize = 6;

/// The way to one host. What is cloned is the same way; the connection ends with the last of them.
#[derive(Clone)]
pub struct Link(Arc<Inner>);

struct Inner {
    host: String,
    sessions: usize,
    places: Arc<Semaphore>,
    place_to_kill: Arc<Semaphore>,
    connection: Arc<Connection>,
    /// For killing, where the host refuses a further session on the other one.
    spare: Arc<Connection>,
    _folder: Folder,
}

impl Link {
    /// A way that is not connected yet.
    ///
    /// # Errors
    /// If the destination could be an option, or nothing can be written in the folder of `ssh`.
    pub fn new(ssh: &OpenSsh, ways: &Ways) -> Result<Self, Trouble> {
        let in_the_way = |what| Trouble {
            host: ways.host.clone(),
            what,
        };
        if let Some(fault) = ways.fault() {
            return Err(in_the_way(What::Destination(ways.destination.clone(), fault)));
        }
        let text = ssh_config::file(ssh, ways).map_err(|path| in_the_way(path.into()))?;
        let folder = Folder::with(&ssh.folder, &text).map_err(|cause| {
            in_the_way(What::Here(format!(
                "a folder cannot be made in {}: {cause}",
                ssh.folder.display()
            )))
        })?;
        let socket = |name| folder.0.join(name);
        let connection = |name| Connection::new(ssh, ways, folder.0.join(CONFIG), socket(name));
        Ok(Self(Arc::new(Inner {
            host: ways.host.clone(),
            sessions: ways.sessions,
            places: Arc::new(Semaphore::new(ways.sessions.saturating_sub(1).max(1))),
            place_to_kill: Arc::new(Semaphore::new(1)),
            connection: connection("m"),
            spare: connection("k"),
            _folder: folder,
        })))
    }

    /// The program and its arguments with which the operator's own terminal shows what `words` run on the host, for `backend`.
    ///
    /// # Errors
    /// A path on this machine that ssh could not be told.
    pub fn terminal(
        ssh: &OpenSsh,
        ways: &Ways,
        words: &[String],
        backend: &str,
    ) -> Result<(PathBuf, Vec<String>), Trouble> {
        let arguments = terminal::arguments(ssh, ways, words, backend).map_err(|path| Trouble {
            host: ways.host.clone(),
            what: path.into(),
        })?;
        Ok((ssh.program.clone(), arguments))
    }

    /// How many sessions are open or being opened.
    pub fn sessions_in_use(&self) -> usize {
        let free = self.0.places.available_permits() + self.0.place_to_kill.available_permits();
        self.0.sessions.max(2).saturating_sub(free)
    }

    /// Connects if there is no connection, and says how that went.
    ///
    /// # Errors
    /// Why there is none, or that it takes longer than until `deadline`.
    pub async fn connect(&self, deadline: Instant) -> Result<(), Trouble> {
        let connected = self.0.connection.master(deadline).await;
        connected.map(drop).map_err(|what| self.trouble(what))
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
                Ok(told) => told.map_err(|_| What::Lost),
                Err(_) => Err(What::Silent),
            }
        };
        told.await.map_err(|what| self.trouble(what))
    }

    /// Ends the connection for good, and every session on it. What runs on the host does not end.
    pub async fn close(&self) {
        tokio::join!(self.0.connection.close(), self.0.spare.close());
    }

    /// A session within `places`. If the host refuses one on the kept connection, `spare` is taken, or it is asked again.
    async fn session(
        &self,
        places: &Arc<Semaphore>,
        spare: Option<&Arc<Connection>>,
        deadline: Instant,
    ) -> Result<Channel, What> {
        let place = timeout_at(deadline.into(), Arc::clone(places).acquire_owned()).await;
        let Ok(Ok(mut place)) = place else {
            return Err(What::Busy(self.0.sessions));
        };
        let (mut connection, mut lost) = (&self.0.connection, 0);
        loop {
            let opened = Opened::on(connection, place, deadline).await?;
            place = opened.place;
            match opened.shell {
                Ok(shell) => return channel(shell, place).ok_or(What::Lost),
                Err(Unopened::Lost) if lost == LOST => return Err(What::Lost),
                Err(Unopened::Lost) => lost += 1,
                Err(Unopened::Refused) if Instant::now() + AGAIN >= deadline => return Err(What::Full),
                Err(Unopened::Refused) => {
                    match spare {
                        Some(spare) if !Arc::ptr_eq(spare, connection) => connection = spare,
                        _ => sleep(AGAIN).await,
                    };
                }
            }
        }
    }

    fn trouble(&self, what: What) -> Trouble {
        Trouble {
            host: self.0.host.clone(),
            what,
        }
    }
}

#[async_trait]
impl Way for Link {
    async fn open(&self, deadline: Instant) -> Result<Channel, sh::Unopened> {
        let session = self.session(&self.0.places, None, deadline).await;
        session.map_err(|what| Arc::new(self.trouble(what)) as _)
    }

    async fn open_to_kill(&self, deadline: Instant) -> Result<Channel, sh::Unopened> {
        let session = self.session(&self.0.place_to_kill, Some(&self.0.spare), deadline).await;
        session.map_err(|what| Arc::new(self.trouble(what)) as _)
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
    shell: Result<Shell, Unopened>,
    place: OwnedSemaphorePermit,
}

impl Opened {
    /// Asks until `deadline`. The host is listened to beyond that, and the place is kept: only its answer, or that there is
    /// none, shows whether the connection is of use.
    async fn on(connection: &Arc<Connection>, place: OwnedSemaphorePermit, deadline: Instant) -> Result<Self, What> {
        let master = connection.master(deadline).await?;
        let opened = tokio::spawn(async move {
            let shell = master.shell().await;
            Self { shell, place }
        });
        let opened = timeout_at(deadline.into(), opened).await;
        opened.map_err(|_| What::Silent)?.map_err(|_| What::Closed)
    }
}

/// A shell as its streams.
fn channel(mut shell: Shell, place: OwnedSemaphorePermit) -> Option<Channel> {
    Some(Channel {
        stdin: Box::new(shell.stdin().take()?),
        stdout: Box::new(shell.stdout().take()?),
        stderr: Box::new(shell.stderr().take()?),
        place: Box::new((shell, place)),
    })
}

/// The name of our configuration in the folder.
const CONFIG: &str = "config";

/// A folder for the sockets of one link.
struct Folder(PathBuf);

impl Folder {
    fn with(parent: &Path, config: &str) -> io::Result<Self> {
        let folder = Self(parent.join(nonce()?));
        let longest = folder.0.as_os_str().len() + "/m".len() + NUMBER;
        if longest > SOCKET {
            let most = parent.as_os_str().len() + SOCKET - longest;
            return Err(io::Error::other(format!(
                "its path is too long for a socket: it may have {most} bytes"
            )));
        }
        DirBuilder::new().mode(0o700).create(&folder.0)?;
        let mut file = fs::OpenOptions::new();
        file.write(true).create_new(true).mode(0o600);
        io::Write::write_all(&mut file.open(folder.0.join(CONFIG))?, config.as_bytes())?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
