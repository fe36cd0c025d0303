//! What can be wrong with the data directory, in words with which the operator can fix it.

use std::io;
use std::path::{Path, PathBuf};

use super::altered::Altered;
use crate::shell::word;

/// Why the data directory cannot be used. Each message names the path, the cause and the fix.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process owns the directory.
    #[error("{path:?} is used by {holder}; stop that process first, or give this one a data directory of its own")]
    InUse {
        /// The lock file.
        path: PathBuf,
        /// "process 4711 (serve)", as its holder wrote it.
        holder: String,
    },
    /// There is a link where a file or directory of ours belongs.
    #[error(
        "{} is a symbolic link, and berth follows none to its own data; name what it leads to, or remove the link: rm {}",
        path.display(), word(path)
    )]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// Something there belongs to another user.
    #[error(
        "{} belongs to user {owner}, but berth runs as user {us}; choose another data directory, or run: \
         sudo chown -R {us} {}", path.display(), word(path)
    )]
    Owner {
        /// What belongs to someone else.
        path: PathBuf,
        /// Its owner's user id.
        owner: u32,
        /// The user id that berth runs as.
        us: u32,
    },
    /// Others may read or write it.
    #[error(
        "{} has mode {mode:04o}, so other users may reach it; run: chmod {wanted} {}", path.display(), word(path)
    )]
    Mode {
        /// What others can reach.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The bits it should have, in octal digits.
        wanted: &'static str,
    },
    /// A directory that berth did not make, so that it may belong to something else.
    #[error(
        "{} cannot be a directory of berth's: {why}; name another in [server], such as one that does not exist yet", path.display()
    )]
    Unsuitable {
        /// The directory.
        path: PathBuf,
        /// What is in the way.
        why: String,
    },
    /// An unused directory that others may reach.
    #[error(
        "{} is empty and other users may reach it; remove it, and berth makes it again for this user alone: rmdir {}",
        path.display(), word(path)
    )]
    Empty {
        /// The directory.
        path: PathBuf,
    },
    /// There is a directory where a file belongs, or the reverse.
    #[error("{path:?} is not {expected}; move it out of the way")]
    Kind {
        /// What is there.
        path: PathBuf,
        /// "a directory" or "a file".
        expected: &'static str,
    },
    /// A socket in this directory could not be bound.
    #[error(
        "the data directory {path:?} is {excess} bytes too long for the unix socket {socket:?} in it; choose a shorter \
         path: `data` in [server]"
    )]
    LongPath {
        /// The data directory.
        path: PathBuf,
        /// The socket, from there.
        socket: PathBuf,
        /// By how many bytes.
        excess: usize,
    },
    /// A name that must not become part of a path.
    #[error(
        "{name:?} cannot name a file; use at most 64 letters, digits, '_', '-' and '.', with a letter or digit first"
    )]
    Name {
        /// The name in question.
        name: String,
    },
    /// The token file holds something else.
    #[error(
        "{path:?} does not hold a token or key; remove it, and the next start makes a new one; what the old one \
         protected is no longer valid then"
    )]
    Token {
        /// The token file.
        path: PathBuf,
    },
    /// The file that says which installation this is holds something else.
    #[error(
        "{} does not name this installation; put back what it held: 16 hexadecimal digits, as the folders below \
         ~/.local/state/berth on its hosts are called. If it has no jobs on any host, remove the file", path.display()
    )]
    Installation {
        /// The file.
        path: PathBuf,
    },
    /// The file that says what was accepted is not as berth wrote it.
    #[error(
        "{} is not as berth wrote it, so nobody knows what was accepted; see what would count with `berth config diff`, \
         and write it again with `berth config accept`", path.display()
    )]
    Accepted {
        /// Its file.
        path: PathBuf,
    },
    /// SQLite refused.
    #[error("the database {path:?}: {cause}")]
    Database {
        /// Its file.
        path: PathBuf,
        /// SQLite's reason. Not as `source`: it is part of the message, and would be printed twice.
        cause: rusqlite::Error,
    },
    /// The record has not been moved into its own file, and only its owner may do that.
    #[error(
        "the record of calls still stands in {path:?}, and {holder}, which is an older berth, writes it there; stop that \
         process, and the next command moves the record"
    )]
    Unmoved {
        /// The file that holds it.
        path: PathBuf,
        /// "process 4711 (berth serve)".
        holder: String,
    },
    /// There is a key of the record, so there was one, and it is not there.
    #[error(
        "the record of calls {path:?} is missing, and its key is there: it was moved away or removed; put it back, or {}",
        match holder {
            Some(holder) => format!("restart {holder}, which then begins a new one that says so"),
            None => "start berth (berth serve), which begins a new one that says so".to_owned(),
        }
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
        /// "process 4711 (berth serve)", if one writes it.
        holder: Option<String>,
    },
    /// The record was copied into its own file, and the copy is another one.
    #[error("the record of calls in {path:?} could not be moved: its copy differs from it; {path:?} is unchanged")]
    Miscopied {
        /// The file that holds it.
        path: PathBuf,
    },
    /// The record ends with a number that does not follow the one before it.
    #[error(
        "the record {path:?} ends with entry {seq}, which berth did not write there, and nothing can follow it; stop \
         berth and keep its files as evidence in another place (mv {path:?}* ELSEWHERE): the next start begins a new record"
    )]
    Misnumbered {
        /// Its file.
        path: PathBuf,
        /// The number.
        seq: i64,
    },
    /// Another file, or none, is where the record was opened.
    #[error("the record {path:?} was moved away or replaced while berth writes it; put it back, or restart berth")]
    Replaced {
        /// Where it was.
        path: PathBuf,
    },
    /// SQLite took an entry of the record and did not keep it.
    #[error("the record {path:?} does not keep what is written to it: its schema was changed; run: berth audit verify")]
    Unkept {
        /// Its file.
        path: PathBuf,
    },
    /// Somebody changed the schema of a file.
    #[error(transparent)]
    Altered(Altered),
    /// A later berth has written the database.
    #[error("{path:?} was written by a newer berth; use that one, or give this one a data directory of its own")]
    Newer {
        /// Its file.
        path: PathBuf,
    },
    /// The system gave no random bytes.
    #[error("the system gives no random bytes for a token: {0}; berth cannot run safely without")]
    Random(getrandom::Error),
    /// The file system refused.
    #[error("cannot {action} {path:?}: {cause}")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's reason. Not as `source`: it is part of the message, and would be printed twice.
        cause: io::Error,
    },
}

impl Error {
    /// For `map_err`: SQLite refused something in the database at `path`.
    pub(super) fn database(path: &Path) -> impl FnOnce(rusqlite::Error) -> Self {
        move |cause| Self::Database {
            path: path.to_owned(),
            cause,
        }
    }

    /// For `map_err`: what was tried on `path`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Io {
            action,
            path: path.to_owned(),
            cause,
        }
    }
}
