//! The socket by which other processes of the operator use the owner: who may connect, and what they are told.

use std::io::{self, Cursor, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rustix::fs::Mode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::deed::Deed;
use super::jobs::Hand;
use super::open::{Pages, Way};
use super::printed::Printed;
use super::reload::{By, Reloads, Told};
use super::request::{self, Request};
use super::{Owner, hand_over, hosts, read, unreached};
use crate::admission::Admission;
use crate::admission::numbers::{FIRST_LINE, LOCAL_SOCKETS, LOCAL_SOCKETS_REFUSED};
use crate::assemble::Links;
use crate::jobs::AllJobs;
use crate::mcp::{self, Server};
use crate::peer::{Peer, Seen};
use crate::principal::{Principal, Scope};
use crate::store::DataDirectory;

/// When a connection is accepted again after an error, such as too many open files.
const PAUSE: Duration = Duration::from_secs(1);
/// Bytes of a first line that are looked at; a longer line is not needed.
const FIRST_READ: usize = 16 << 10;
/// The time that a client which is turned away has to read why.
const FAREWELL: Duration = Duration::from_secs(1);

/// A socket that only the operator can reach, in place of what an ended process left.
pub(super) fn bind(path: &Path) -> anyhow::Result<UnixListener> {
    // We hold the lock, so what is there belongs to nobody.
    if path.exists() {
        std::fs::remove_file(path).with_context(|| format!("{} cannot be replaced", path.display()))?;
    }
    // For this moment others' files would be private too, and nobody can ask yet for a program that lasts.
    let umask = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let bound = UnixListener::bind(path);
    rustix::process::umask(umask);
    bound.with_context(|| {
        format!(
            "{} cannot be made; a socket's path may have some 100 bytes: set [server] data to a shorter one",
            path.display()
        )
    })
}

/// Receives connections as tasks of `clients`, until the reception's end.
pub(super) async fn serve(listener: UnixListener, reception: Arc<Reception>, clients: TaskTracker) {
    // Each connection costs a file, a task and a look at its process before it is known whose it is.
    let places = Arc::new(Semaphore::new(LOCAL_SOCKETS + LOCAL_SOCKETS_REFUSED));
    let accepting = async {
        while let Ok(place) = places.clone().acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let received = reception.clone().receive(stream);
                    clients.spawn(async move {
                        received.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!("the socket takes no connection now: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    };
    reception.shutdown.run_until_cancelled(accepting).await;
}

/// What a connection to the socket needs.
pub(super) struct Reception {
    server: Server,
    reloads: Arc<Reloads>,
    admission: Admission,
    data: DataDirectory,
    jobs: Arc<AllJobs>,
    /// How many of those who are turned away are told why.
    farewells: Semaphore,
    /// What this owner waits for when it ends.
    under_way: TaskTracker,
    sessions_may_control: bool,
    shutdown: CancellationToken,
    /// Cancelled before `shutdown` if another process succeeds this one.
    moving: CancellationToken,
    gives_way: bool,
    /// The way to the pages.
    way: Way,
    hand: Hand,
    links: Arc<Links>,
}

impl Reception {
    /// Lets processes of the operator speak to `owner`, in its bounds, until its end; with `gives_way`, one of them may ask
    /// for that. `pages` is how a browser reaches its pages.
    pub(super) fn new(owner: &Owner, gives_way: bool, pages: Option<Pages>) -> Arc<Self> {
        Arc::new(Self {
            server: owner.server(),
            reloads: owner.reloads.clone(),
            admission: owner.admission.clone(),
            data: owner.data.clone(),
            jobs: owner.jobs.clone(),
            farewells: Semaphore::new(LOCAL_SOCKETS_REFUSED),
            under_way: owner.under_way.clone(),
            sessions_may_control: owner.sessions_may_control,
            shutdown: owner.shutdown.clone(),
            moving: owner.moving.clone(),
            gives_way,
            way: Way {
                pages,
                word: owner.word.clone(),
            },
            hand: owner.hand.clone(),
            links: owner.links.clone(),
        })
    }

    async fn receive(self: Arc<Self>, mut stream: UnixStream) {
        let seen = seen(&stream).await;
        let peer = seen.peer;
        if peer == Peer::Stranger {
            tracing::warn!("another user's process, such as root's, was turned away at the socket");
            return;
        }
        let _held = match self.admission.local_socket(peer) {
            Ok(held) => held,
            Err(refusal) => return self.turn_away(stream, &refusal.to_string()).await,
        };
        let line = timeout(FIRST_LINE, first_line(&mut stream));
        let Some(line) = self.shutdown.run_until_cancelled(line).await else {
            return self.leave(stream).await;
        };
        match line {
            Ok(Ok(line)) => {
                let (jobs, may_control) = (self.jobs.clone(), self.sessions_may_control);
                let limit = move || jobs.limit(&seen, Principal::local(), may_control);
                let limited = tokio::task::spawn_blocking(limit).await;
                let principal = limited.unwrap_or_else(|_| Principal::local().only_reading());
                match Request::of(&line) {
                    Some(Request::Reload) => return self.reload(stream, &principal).await,
                    Some(Request::HandOver) => return self.hand_over(stream, &principal).await,
                    // What is in a session is never the owner, whatever it may control.
                    Some(Request::Open) => return self.open(stream, &peer.limit(Principal::local(), false)).await,
                    Some(Request::Hosts) => return self.hosts(stream).await,
                    Some(Request::TryHosts) => return self.try_hosts(stream, &principal).await,
                    Some(Request::Unreached) => return self.unreached(stream, &principal).await,
                    Some(Request::Jobs(deed)) => return self.jobs(stream, peer, deed).await,
                    Some(Request::Printed(asked)) => return self.printed(stream, &principal, &asked).await,
                    Some(Request::Person) | None => {}
                }
                let (line, by_person) = request::without_person(line);
                let mut server = self.server.clone().for_principal(principal);
                // What runs in a session is nobody's hand.
                if by_person && peer == Peer::Operator {
                    server = server.for_person();
                }
                converse(line, stream, server, self.shutdown.clone(), self.moving.clone()).await;
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

    /// Reloads for `principal`, and says what came of it.
    async fn reload(&self, mut stream: UnixStream, principal: &Principal) {
        let reloaded = match principal.may(Scope::Control) {
            true => self.reloads.reload(By::Command).await,
            false => Err(vec![principal.refusal("berth reload", Scope::Control)]),
        };
        let told = Told {
            done: reloaded.is_ok(),
            lines: reloaded.unwrap_or_else(|faults| faults),
        };
        if let Err(error) = request::answer(&mut stream, &told).await {
            tracing::debug!("who asked for a reload has gone: {error}");
        }
    }

    /// Gives way to a process that is to stay, if this one does not stay itself.
    async fn hand_over(&self, mut stream: UnixStream, principal: &Principal) {
        let gives_way = self.gives_way && principal.may(Scope::Control);
        let told = request::answer(&mut stream, &hand_over::Told { gives_way }).await;
        if gives_way && told.is_ok() {
            tracing::info!("another berth takes over: calls under way are finished, and clients go on there");
            self.moving.cancel();
            self.shutdown.cancel();
        }
    }

    /// Tells the way to the pages, with a word that counts as a login.
    async fn open(&self, mut stream: UnixStream, principal: &Principal) {
        if let Err(error) = request::answer(&mut stream, &self.way.tell(principal)).await {
            tracing::debug!("who asked for the way to the pages has gone: {error}");
        }
    }

    /// Tells how many sessions are in use on each host.
    async fn hosts(&self, mut stream: UnixStream) {
        let in_use = hosts::InUse::of(&self.links);
        if let Err(error) = request::answer(&mut stream, &in_use).await {
            tracing::debug!("who asked for the sessions in use on hosts has gone: {error}");
        }
    }

    /// Tries hosts again that could not be reached, for `principal`, and tells how many sessions are in use then.
    async fn try_hosts(&self, stream: UnixStream, principal: &Principal) {
        if principal.may(Scope::Control) {
            self.links.try_again().await;
        }
        self.hosts(stream).await;
    }

    /// Tells `principal` of which jobs it is not known how they stand.
    async fn unreached(&self, mut stream: UnixStream, principal: &Principal) {
        let unreached = unreached::answer(&self.jobs, principal).await;
        if let Err(error) = request::answer(&mut stream, &unreached).await {
            tracing::debug!("who asked for the jobs that are not reached has gone: {error}");
        }
    }

    /// Does something with jobs for a person, and says what came of it.
    async fn jobs(&self, mut stream: UnixStream, peer: Peer, deed: Deed) {
        // What has begun is finished, whether who asked waits for it or not.
        let hand = self.hand.clone();
        let done = self
            .under_way
            .spawn(async move { hand.carry_out(peer, &deed).await })
            .await;
        let told = done.unwrap_or_else(|fault| Told {
            done: false,
            lines: vec![fault.to_string()],
        });
        if let Err(error) = request::answer(&mut stream, &told).await {
            tracing::debug!("who asked for something with jobs has gone: {error}");
        }
    }

    /// Tells `principal` what a job printed. A host that is slow keeps no berth from its end.
    async fn printed(&self, mut stream: UnixStream, principal: &Principal, asked: &Printed) {
        let answer = read::answer(asked, &self.jobs, &self.data, principal);
        let Some(told) = self.shutdown.run_until_cancelled(answer).await else {
            return;
        };
        if let Err(error) = request::answer(&mut stream, &told).await {
            tracing::debug!("who asked for what a job printed has gone: {error}");
        }
    }

    /// Ends a connection of which nothing was taken.
    async fn leave(&self, mut stream: UnixStream) {
        if self.moving.is_cancelled() {
            let told = async {
                stream.write_all(mcp::moved_line(0).as_bytes()).await?;
                stream.shutdown().await
            };
            let _ = timeout(FAREWELL, told).await;
        }
    }

    /// Ends a connection with one line.
    async fn turn_away(&self, mut stream: UnixStream, why: &str) {
        let Ok(_farewell) = self.farewells.try_acquire() else {
            return;
        };
        let told = async {
            stream.write_all(mcp::refusal_line(why).as_bytes()).await?;
            stream.shutdown().await?;
            // If it were closed before, a client that is still writing would see an error instead of these words.
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
async fn seen(stream: &UnixStream) -> Seen {
    let us = rustix::process::geteuid().as_raw();
    let Some(credentials) = stream.peer_cred().ok().filter(|credentials| credentials.uid() == us) else {
        return Seen::only(Peer::Stranger);
    };
    let Some(pid) = credentials.pid() else {
        return Seen::only(Peer::InSession);
    };
    let found = tokio::task::spawn_blocking(move || Seen::of_process(pid)).await;
    found.unwrap_or_else(|_| Seen::only(Peer::InSession))
}

/// Serves a client whose first words are `read` already.
async fn converse(
    read: Vec<u8>,
    stream: UnixStream,
    server: Server,
    shutdown: CancellationToken,
    moving: CancellationToken,
) {
    let (further, write) = stream.into_split();
    let read = Cursor::new(read).chain(further);
    if let Err(error) = mcp::serve_stream(server, read, write, shutdown, moving).await {
        tracing::debug!("a client on the socket: {error:#}");
    }
}
