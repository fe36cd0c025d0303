//! Why there is no session on a host, in words, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::text::{escaped, one_line};

/// Characters of a text of others.
const MOST: usize = 200;

/// What is wrong with the connection to one host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the host {host} {what}; {}{}", self.fix(), Again(*again))]
pub struct Trouble {
    /// The label of the host.
    pub host: String,
    /// What is wrong.
    pub what: What,
    /// Until when the host is not tried again, if it could not be reached.
    pub again: Option<Instant>,
}

/// What is wrong, and until when it is not tried again.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) what: What,
    pub(super) again: Option<Instant>,
}

impl From<What> for Failed {
    fn from(what: What) -> Self {
        Self { what, again: None }
    }
}

impl Failed {
    /// The same of the host with that label.
    pub(super) fn of(self, host: &str) -> Trouble {
        Trouble {
            host: host.to_owned(),
            what: self.what,
            again: self.again,
        }
    }
}

/// When it is tried again, as words after the fix: as it is when they are read.
struct Again(Option<Instant>);

impl fmt::Display for Again {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pause = self.0.map(|again| again.saturating_duration_since(Instant::now()));
        match pause.filter(|pause| !pause.is_zero()) {
            Some(pause) => write!(
                formatter,
                " (it is tried again after {:.0} s)",
                pause.as_secs_f64().ceil()
            ),
            None => Ok(()),
        }
    }
}

/// What is wrong, as words after the name of the host. The texts of others are quoted, on one line and bounded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum What {
    /// No ssh on this machine.
    #[error("cannot be reached: the program {} does not exist", .0.display())]
    NoSsh(PathBuf),
    /// This machine is in the way.
    #[error("cannot be reached: {0}")]
    Here(String),
    /// The destination could be something else.
    #[error("cannot be reached: its destination {0:?} {1}")]
    Destination(String, &'static str),
    /// The key to log in with cannot be read.
    #[error("cannot be reached: its identity_file {} cannot be read: {cause}", path.display())]
    Identity {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: String,
    },
    /// Others could say which keys are trusted, and ssh does not look: who and where, with the command that fixes it.
    #[error("cannot be reached: others could say which hosts are trusted, since {0}")]
    KnownHosts(String),
    /// ssh does not accept a configuration.
    #[error("cannot be reached: ssh does not accept its configuration: {0}")]
    Configuration(Said),
    /// It does not answer.
    #[error("cannot be reached: {0}")]
    Unreachable(Said),
    /// Nothing takes connections there.
    #[error("refuses the connection: {0}")]
    Refused(Said),
    /// Its name leads nowhere.
    #[error("is not found by its name: {0}")]
    Name(Said),
    /// Nobody has said yet that its key is the right one.
    #[error("shows a key that is not trusted yet: {0}")]
    KeyUnknown(Said),
    /// It shows another key than the one that is trusted.
    #[error("shows another key than the one that is trusted: it was installed again, or it is another machine")]
    KeyChanged {
        /// The line and the file with the trusted key, if ssh says it.
        trusted: Option<(u64, PathBuf)>,
    },
    /// Its key is refused for another reason.
    #[error("shows a key that ssh does not accept: {0}")]
    Key(Said),
    /// It and the ssh of this machine know no common way to talk.
    #[error("cannot be reached: {0}")]
    Method(Said),
    /// Other users may read the key to log in with.
    #[error("cannot be reached: ssh uses no key that others may read: {0}")]
    KeyOpen(Said),
    /// It does not let this user in.
    #[error("does not let you in: {0}")]
    Login(Said),
    /// A key has a passphrase that nobody told.
    #[error("cannot be reached: a key wants its passphrase: {0}")]
    PassphraseWanted(Said),
    /// A key has another passphrase.
    #[error("cannot be reached: the passphrase of a key is wrong: {0}")]
    PassphraseWrong(Said),
    /// ssh asked for something else, which only a person can answer.
    #[error("cannot be reached: ssh asks for what only a person can answer: {0}")]
    Question(Said),
    /// ssh says something that is not known here.
    #[error("cannot be reached: {0}")]
    Other(Said),
    /// All sessions of ours were in use.
    #[error("has all its {0} sessions in use, and none was free in time")]
    Busy(usize),
    /// The host opens no further session.
    #[error("refuses further sessions, and none was free in time")]
    Full,
    /// The host opens no further session, though fewer of ours are in use than it opened before.
    #[error("has all its sessions taken, of which berth uses {0} now")]
    Taken(usize),
    /// A session was opened, and nothing in it answers.
    #[error("lets you in, but the login there came to no shell in time")]
    Hung,
    /// It did not answer in time.
    #[error("did not answer in time")]
    Silent,
    /// The connection ended while a session was opened.
    #[error("was lost again and again while a session was opened")]
    Lost,
    /// The link was closed.
    #[error("is not used any more: its connection was closed")]
    Closed,
}

impl Trouble {
    /// The same for clients and plugins, who learn no more of a host than its label and how it is with it.
    pub fn for_clients(&self) -> String {
        format!(
            "the host {} cannot be used now: {}; `berth hosts`, on berth's own machine, says why and what to do{}",
            self.host,
            self.state(),
            Again(self.again)
        )
    }

    /// Whether only what is in use there is in the way: the host itself answers.
    pub fn is_busy(&self) -> bool {
        matches!(self.what, What::Busy(_) | What::Full | What::Taken(_))
    }

    /// It in a word or two, for a list.
    pub fn state(&self) -> &'static str {
        match &self.what {
            What::NoSsh(_) => "no ssh",
            What::Here(_) | What::Configuration(_) | What::KnownHosts(_) => "not tried",
            What::Destination(..) | What::Name(_) => "name not found",
            What::Unreachable(_) | What::Refused(_) | What::Silent | What::Lost | What::Other(_) | What::Closed => {
                "unreachable"
            }
            What::KeyUnknown(_) => "key unknown",
            What::KeyChanged { .. } => "key changed",
            What::Key(_) => "key not accepted",
            What::Method(_) => "no common method",
            What::Identity { .. } | What::KeyOpen(_) | What::Login(_) => "key refused",
            What::PassphraseWanted(_) => "passphrase wanted",
            What::PassphraseWrong(_) => "passphrase wrong",
            What::Question(_) => "asks a person",
            What::Busy(_) | What::Full => "busy",
            What::Taken(_) => "sessions taken",
            What::Hung => "login hangs",
        }
    }

    /// What to do about it. No text of others is in it.
    pub fn fix(&self) -> String {
        let host = &self.host;
        match &self.what {
            What::NoSsh(_) => "install OpenSSH".into(),
            What::Here(_) => "see to that on this machine".into(),
            What::Destination(..) | What::Name(_) => format!("correct destination in [hosts.{host}]"),
            What::Identity { .. } => format!("correct identity_file in [hosts.{host}]"),
            What::KnownHosts(_) => "see which lines of it you know".into(),
            What::Configuration(_) => "correct ~/.ssh/config or /etc/ssh/ssh_config".into(),
            What::Unreachable(_) | What::Silent | What::Lost => "see that it is on and connected".into(),
            What::Refused(_) => format!("start its SSH server, or correct port in [hosts.{host}]"),
            What::KeyUnknown(_) => format!("run: berth hosts trust {host}"),
            What::KeyChanged { trusted } => {
                let place = trusted.as_ref().map_or_else(String::new, |(line, file)| {
                    format!(", line {line} of {}", file.display())
                });
                format!(
                    "find out which; if it is the same machine, remove the old key{place}, and run: berth hosts trust {host}"
                )
            }
            What::KeyOpen(_) => "run chmod 600 on the file of the key".into(),
            What::Key(_) => "ask who runs that machine".into(),
            What::Method(_) => {
                "update the older ssh of the two, or allow there or in ~/.ssh/config what it names".into()
            }
            What::Login(_) => format!(
                "add your public key to ~/.ssh/authorized_keys there, or correct the user or identity_file in [hosts.{host}]"
            ),
            What::PassphraseWanted(_) => {
                format!("write it into the env_file of [hosts.{host}], or add the key to your SSH agent")
            }
            What::PassphraseWrong(_) => format!("correct it in the env_file of [hosts.{host}]"),
            What::Question(_) => "log in by a key that needs no answer".into(),
            What::Other(_) => "see what ssh says when you run it by hand".into(),
            What::Busy(_) => "try again later".into(),
            What::Full => format!(
                "raise MaxSessions of its SSH server, or set sessions in [hosts.{host}] to that; what still runs there holds one each"
            ),
            What::Taken(_) | What::Hung => {
                "look what hangs at login there, such as a home directory that does not answer, or a \
                 file of the login that waits for input"
                    .into()
            }
            What::Closed => "try again".into(),
        }
    }
}

/// A text of others for a line of ours: one line, bounded, without anything that controls a terminal, in quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said(String);

impl Said {
    pub(super) fn new(text: &str) -> Self {
        Self(escaped(&one_line(text), MOST))
    }

    /// Whether it names the file at `path`.
    pub(super) fn names(&self, path: &Path) -> bool {
        path.to_str().is_some_and(|path| self.0.contains(path))
    }
}

impl fmt::Display for Said {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ssh says \"{}\"", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// What stands in the words for the operator and in none for clients.
    const SECRET: &str = "me@mac.local";

    #[test]
    fn clients_and_plugins_are_told_the_label_and_the_state_alone() {
        let said = || Said::new(SECRET);
        let all = [
            What::NoSsh(SECRET.into()),
            What::Here(SECRET.into()),
            What::Destination(SECRET.into(), "is empty"),
            What::Identity {
                path: SECRET.into(),
                cause: SECRET.into(),
            },
            What::KnownHosts(SECRET.into()),
            What::Configuration(said()),
            What::Unreachable(said()),
            What::Refused(said()),
            What::Name(said()),
            What::KeyUnknown(said()),
            What::KeyChanged {
                trusted: Some((7, SECRET.into())),
            },
            What::Key(said()),
            What::Method(said()),
            What::KeyOpen(said()),
            What::Login(said()),
            What::PassphraseWanted(said()),
            What::PassphraseWrong(said()),
            What::Question(said()),
            What::Other(said()),
            What::Busy(8),
            What::Full,
            What::Taken(1),
            What::Hung,
            What::Silent,
            What::Lost,
            What::Closed,
        ];
        for what in all {
            let trouble = Trouble {
                host: "mac".into(),
                what,
                again: Some(Instant::now() + Duration::from_secs(3)),
            };
            let state = trouble.state();
            assert_eq!(
                trouble.for_clients(),
                format!(
                    "the host mac cannot be used now: {state}; `berth hosts`, on berth's own machine, says why and what to \
                     do (it is tried again after 3 s)"
                )
            );
            let has_more = !matches!(
                trouble.what,
                What::Busy(_) | What::Full | What::Taken(_) | What::Hung | What::Silent | What::Lost | What::Closed
            );
            assert_eq!(trouble.to_string().contains(SECRET), has_more, "{trouble}");
        }
    }
}
