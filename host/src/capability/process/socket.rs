//! The socket of a granted program's server, if that is `@socket`: whether a run would reach the server that has the
//! sessions. A server outlives its socket's file; without this check it would seem not to run, and a second one would
//! start.

mod former;

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::UnixStream;

pub use self::former::Former;
use self::former::is_safe;
use super::grant::SocketTerms;
use crate::peer;

/// How often a server that seems to have lost its socket is looked at again, and the time between.
const AGAIN: u32 = 3;
const BETWEEN_LOOKS: Duration = Duration::from_millis(30);

/// The socket of one backend's program. Clones share what was found of it.
#[derive(Debug, Clone)]
pub struct Socket {
    path: PathBuf,
    terms: SocketTerms,
    /// The file by which the server that has the sessions was reached.
    proven: Arc<Mutex<Option<Identity>>>,
}

/// Device and inode of a socket's file. A server keeps the number from being used again, also when the file is gone.
type Identity = (u64, u64);

/// Why no run of the program is possible. Each message names what is wrong and the fix.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The server lives, but its socket does not lead to it.
    #[error("{path:?} was removed or replaced, but its server, {server}, still lives and has the sessions: {fix}")]
    Lost {
        /// The socket.
        path: PathBuf,
        /// "process 4711".
        server: String,
        /// What to do, with the command.
        fix: String,
    },
    /// A second server took the place of the first one.
    #[error(
        "{answering} answers at {path:?}, but {server} had that socket before and still lives with its sessions: end \
         the one that you do not need, `kill PROCESS`; where that is the one that answers, {fix}"
    )]
    Two {
        /// The socket.
        path: PathBuf,
        /// The server that answers there.
        answering: String,
        /// The one that does not answer.
        server: String,
        /// How to reach that one.
        fix: String,
    },
    /// The server is where its socket was before, and nothing leads there.
    #[error(
        "its server, {server}, still lives at {former:?} with the sessions: restart berth, which then uses that one"
    )]
    AtFormer {
        /// The former socket.
        former: PathBuf,
        /// "process 4711".
        server: String,
    },
    /// Not a socket.
    #[error("{path:?} is {what} where a socket belongs: move it away")]
    Kind {
        /// What is there.
        path: PathBuf,
        /// "a file", "a directory" or "a symbolic link that berth did not make".
        what: &'static str,
    },
    /// Another user could listen there.
    #[error(
        "{path:?} leads to {former:?}, which another user could replace: remove the link, and fix the permissions of \
         that directory"
    )]
    Unsafe {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        former: PathBuf,
    },
    /// It belongs to another user.
    #[error("{path:?} is a socket of user {user}: remove it")]
    Foreign {
        /// The socket.
        path: PathBuf,
        /// Who owns it.
        user: u32,
    },
    /// It cannot be told.
    #[error("whether a server runs at {path:?} cannot be told: {cause}")]
    Unknown {
        /// The socket.
        path: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
}

/// What is at a socket if nothing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketServer {
    /// It answers.
    Answers,
    /// There is no server, so there are no sessions.
    Absent,
}

impl Socket {
    /// The socket at `path`, in a directory that only this user reaches.
    pub fn new(path: PathBuf, terms: SocketTerms) -> Self {
        Self {
            path,
            terms,
            proven: Arc::default(),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a run reaches the server that has the sessions, or may start one. While the file is the one that was
    /// checked, this only looks at the file.
    ///
    /// # Errors
    /// What is wrong, and how to fix it.
    pub async fn look(&self) -> Result<SocketServer, Trouble> {
        let mut again = AGAIN;
        loop {
            let file = self.file_now().await?;
            let seen = self.look_at(file).await;
            // A server that another run started in the meantime was seen in two states: before it had its socket, and
            // after.
            if seen.is_ok() || (again == 0 && self.file_now().await? == file) {
                return seen;
            }
            // While servers start, one may be seen without the socket that it is about to have; one that has lost it
            // stays so.
            again = again.saturating_sub(1);
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    async fn file_now(&self) -> Result<Option<Identity>, Trouble> {
        let this = self.clone();
        self.off_thread(move || this.file()).await
    }

    /// What is there, if `file` is what was found at the socket's path.
    async fn look_at(&self, file: Option<Identity>) -> Result<SocketServer, Trouble> {
        if file.is_some() && file == *self.proven.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(SocketServer::Answers);
        }
        let answering = match file {
            Some(_) => self.connect().await?,
            None => Listener::Nobody,
        };
        let this = self.clone();
        let living = self
            .off_thread(move || this.unreached(file.is_none(), answering))
            .await?;
        match (living, answering) {
            (Some(trouble), _) => Err(trouble),
            (None, Listener::Nobody) => Ok(SocketServer::Absent),
            (None, Listener::Process(_)) => {
                *self.proven.lock().unwrap_or_else(PoisonError::into_inner) = file;
                Ok(SocketServer::Answers)
            }
            (None, Listener::Busy) => Ok(SocketServer::Answers),
        }
    }

    /// The socket's file, or that of the former place if the link leads there.
    fn file(&self) -> Result<Option<Identity>, Trouble> {
        let Some(found) = self.metadata(&self.path)? else {
            return Ok(None);
        };
        if !found.is_symlink() {
            return self.of_socket(&self.path, &found).map(Some);
        }
        let former = self.terms.former.as_ref().filter(|_| self.is_link());
        let former = former.ok_or_else(|| self.kind(&self.path, "a symbolic link that berth did not make"))?;
        let Some(found) = self.metadata(former)? else {
            return Ok(None);
        };
        match is_safe(former) {
            true => self.of_socket(former, &found).map(Some),
            false => Err(Trouble::Unsafe {
                path: self.path.clone(),
                former: former.clone(),
            }),
        }
    }

    fn metadata(&self, path: &Path) -> Result<Option<fs::Metadata>, Trouble> {
        match fs::symlink_metadata(path) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.unknown(error)),
        }
    }

    fn of_socket(&self, path: &Path, found: &fs::Metadata) -> Result<Identity, Trouble> {
        let kind = found.file_type();
        if kind.is_dir() {
            return Err(self.kind(path, "a directory"));
        }
        if !kind.is_socket() {
            return Err(self.kind(path, "a file"));
        }
        if found.uid() != rustix::process::geteuid().as_raw() {
            return Err(Trouble::Foreign {
                path: path.to_owned(),
                user: found.uid(),
            });
        }
        Ok((found.dev(), found.ino()))
    }

    async fn connect(&self) -> Result<Listener, Trouble> {
        let stream = match UnixStream::connect(&self.path).await {
            Ok(stream) => stream,
            Err(error) => {
                return match error.kind() {
                    ErrorKind::ConnectionRefused | ErrorKind::NotFound => Ok(Listener::Nobody),
                    // Too many connections wait to be accepted.
                    ErrorKind::WouldBlock => Ok(Listener::Busy),
                    _ => Err(self.unknown(error)),
                };
            }
        };
        let found = stream.peer_cred().map_err(|error| self.unknown(error))?;
        if found.uid() != rustix::process::geteuid().as_raw() {
            return Err(Trouble::Foreign {
                path: self.path.clone(),
                user: found.uid(),
            });
        }
        Ok(found.pid().map_or(Listener::Busy, Listener::Process))
    }

    /// A server that has this socket by its path, and is not the one that answers.
    fn unreached(&self, is_missing: bool, answering: Listener) -> Result<Option<Trouble>, Trouble> {
        let listeners = |path: &Path| peer::listeners(path).map_err(|error| self.unknown(error));
        let followed = self.terms.former.as_ref().filter(|_| self.is_link());
        let mut others = listeners(&self.path)?;
        if let Some(former) = followed {
            others.extend(listeners(former)?);
        }
        match answering {
            Listener::Process(pid) => others.retain(|server| !server.contains(&pid)),
            // It is one of them.
            Listener::Busy if !others.is_empty() => drop(others.pop()),
            Listener::Busy | Listener::Nobody => {}
        }
        if let Some(lost) = others.first() {
            return Ok(Some(self.lost(lost, answering)));
        }
        match &self.terms.former {
            Some(former) if is_missing && followed.is_none() && is_safe(former) => {
                let server = listeners(former)?.into_iter().next();
                Ok(server.map(|server| Trouble::AtFormer {
                    former: former.clone(),
                    server: named(&server),
                }))
            }
            _ => Ok(None),
        }
    }

    fn lost(&self, server: &[i32], answering: Listener) -> Trouble {
        let (path, fix) = (self.path.clone(), self.fix(server));
        let server = named(server);
        match answering {
            Listener::Process(pid) => Trouble::Two {
                path,
                answering: named(&[pid]),
                server,
                fix,
            },
            Listener::Busy | Listener::Nobody => Trouble::Lost { path, server, fix },
        }
    }

    fn fix(&self, server: &[i32]) -> String {
        let with_pid = |command: &str| match server {
            [pid] => command.replace("<pid>", &pid.to_string()),
            _ => command.to_owned(),
        };
        match &self.terms.restore {
            Some(command) => format!("make its socket again with `{}`", with_pid(command)),
            None => format!("end it, and its sessions with it, with `{}`", with_pid("kill <pid>")),
        }
    }

    fn kind(&self, path: &Path, what: &'static str) -> Trouble {
        Trouble::Kind {
            path: path.to_owned(),
            what,
        }
    }

    fn unknown(&self, cause: io::Error) -> Trouble {
        Trouble::Unknown {
            path: self.path.clone(),
            cause,
        }
    }

    async fn off_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let worked = tokio::task::spawn_blocking(work).await;
        worked.unwrap_or_else(|error| Err(self.unknown(io::Error::other(error))))
    }
}

/// Who is at the other end of the socket.
#[derive(Debug, Clone, Copy)]
enum Listener {
    Process(i32),
    /// Somebody who did not accept the connection, so it is not known who.
    Busy,
    Nobody,
}

fn named(server: &[i32]) -> String {
    let pids: Vec<String> = server.iter().map(i32::to_string).collect();
    match server {
        [pid] => format!("process {pid}"),
        _ => format!("one of the processes {}", pids.join(", ")),
    }
}
