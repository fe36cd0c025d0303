//! What a connection is made from: where it goes, and what of this machine it uses.

use std::path::PathBuf;
use std::time::Duration;

/// Where a connection goes, and how.
#[derive(Clone, PartialEq, Eq)]
pub struct Ways {
    /// The label of the host in the configuration.
    pub host: String,
    /// As for ssh: `me@mac.local`, or a name of the operator's ssh configuration.
    pub destination: String,
    /// The port there, if it is not the one that ssh finds.
    pub port: Option<u16>,
    /// The key to log in with, if it is not one that ssh finds.
    pub identity_file: Option<PathBuf>,
    /// The file of trusted keys, instead of the operator's.
    pub known_hosts: Option<PathBuf>,
    /// How long a connection may take, in whole seconds.
    pub connect_timeout: Duration,
    /// How long the host may be silent before ssh asks whether it is there, in whole seconds, if ssh should not find that.
    pub keepalive: Option<Duration>,
    /// Sessions at once, at least 2: one of them is for what ends another.
    pub sessions: usize,
    /// Of the key to log in with.
    pub passphrase: Option<String>,
}

/// What of this machine a connection uses.
#[derive(Debug, Clone)]
pub struct OpenSsh {
    /// The program ssh.
    pub program: PathBuf,
    /// This program: `berth beside` ends ssh with berth, and ssh asks it for the passphrase.
    pub berth: PathBuf,
    /// The configurations that count behind ours: the operator's, then the system's. They need not exist.
    pub configs: Vec<PathBuf>,
    /// The operator's file of trusted keys. It need not exist.
    pub known_hosts: PathBuf,
    /// A folder of this user's alone, with a short path: sockets are made below it.
    pub folder: PathBuf,
}

/// Characters that a name of a user or host does not hold, and a shell in the operator's configuration could run.
const SHELL: &[char] = &[
    '\'', '"', '`', '$', '\\', ';', '&', '<', '>', '|', '(', ')', '{', '}', '*', '?', '!', '#',
];

impl Ways {
    /// What is wrong with the destination, as words after it.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let is_option = |part: &str| part.starts_with('-');
        match self.destination.as_str() {
            "" => Some("is empty"),
            written if written.contains(|letter: char| letter.is_whitespace() || letter.is_control()) => {
                Some("holds white space or a control character")
            }
            written if written.contains(SHELL) => Some("holds a character that a shell reads as more than a name"),
            written if written.split(['@', '/']).any(is_option) => {
                Some("begins with \"-\", so that ssh takes it for an option")
            }
            _ => None,
        }
    }
}
