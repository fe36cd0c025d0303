//! What other processes of the operator's ask an owner beside MCP: one line on the socket, and one line back. One of these
//! lines only says who speaks MCP after it.

use std::borrow::Cow;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::deed::Deed;
use super::printed::Printed;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// To reload.
    Reload,
    /// To give way to a process that is to stay.
    HandOver,
    /// The way to the pages for a browser, with a word that counts as a login.
    Open,
    /// How many sessions are in use on each host.
    Hosts,
    /// To try hosts again that could not be reached.
    TryHosts,
    /// Of which jobs on hosts it is not known how they stand.
    Unreached,
    /// To do something with jobs.
    Jobs(Deed),
    /// What a job printed.
    Printed(Printed),
    /// To take what follows, which is MCP, for what a person has typed. Nothing is answered to this.
    Person,
}

impl Request {
    const ALL: [Self; 7] = [
        Self::Reload,
        Self::HandOver,
        Self::Open,
        Self::Hosts,
        Self::TryHosts,
        Self::Unreached,
        Self::Person,
    ];

    /// The request that a first line is; nothing if it is one of MCP.
    pub(super) fn of(line: &[u8]) -> Option<Self> {
        let line = line.trim_ascii();
        let fixed = Self::ALL.into_iter().find(|request| request.line().as_bytes() == line);
        fixed
            .or_else(|| Deed::of(line).map(Self::Jobs))
            .or_else(|| Printed::of(line).map(Self::Printed))
    }

    /// Asks the owner behind `socket`. Answers what it says, and nothing if it says nothing within that time.
    ///
    /// # Errors
    /// If nobody is there, or not any more.
    pub(super) async fn ask(self, socket: &Path, within: Duration) -> io::Result<Option<String>> {
        let mut stream = UnixStream::connect(socket).await?;
        let asked = async {
            stream.write_all(format!("{}\n", self.line()).as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            io::Result::Ok(answer)
        };
        timeout(within, asked).await.ok().transpose()
    }

    fn line(&self) -> Cow<'static, str> {
        match self {
            Self::Reload => r#"{"berth":"reload"}"#.into(),
            Self::HandOver => r#"{"berth":"hand_over"}"#.into(),
            Self::Open => r#"{"berth":"open"}"#.into(),
            Self::Hosts => r#"{"berth":"hosts"}"#.into(),
            Self::TryHosts => r#"{"berth":"try_hosts"}"#.into(),
            Self::Unreached => r#"{"berth":"unreached"}"#.into(),
            Self::Jobs(deed) => deed.line().into(),
            Self::Printed(printed) => printed.line().into(),
            Self::Person => r#"{"berth":"person"}"#.into(),
        }
    }
}

/// Whether a line is such a request: what is passed on for a client of MCP must never be one.
pub fn is_request(line: &[u8]) -> bool {
    Request::of(line).is_some()
}

/// Says on a new connection to an owner that a person has typed what is asked there.
///
/// # Errors
/// If nobody is there any more.
pub async fn say_person(stream: &mut UnixStream) -> io::Result<()> {
    stream
        .write_all(format!("{}\n", Request::Person.line()).as_bytes())
        .await
}

/// What was read of a client's first words without that line at its beginning, and whether it was there.
pub(super) fn without_person(read: Vec<u8>) -> (Vec<u8>, bool) {
    let rest = read
        .strip_prefix(Request::Person.line().as_bytes())
        .and_then(|rest| rest.strip_prefix(b"\n"));
    match rest {
        Some(rest) => (rest.to_vec(), true),
        None => (read, false),
    }
}

/// Writes the answer to a request.
pub(super) async fn answer(stream: &mut UnixStream, told: &impl Serialize) -> io::Result<()> {
    let line = serde_json::to_string(told)?;
    stream.write_all(format!("{line}\n").as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_line_is_a_request() {
        assert_eq!(Request::of(b"{\"berth\":\"reload\"}\r\n"), Some(Request::Reload));
        assert_eq!(Request::of(b" {\"berth\":\"hand_over\"}\n"), Some(Request::HandOver));
        assert_eq!(Request::of(b"{\"berth\":\"open\"}\n"), Some(Request::Open));
        assert_eq!(Request::of(b"{\"berth\":\"hosts\"}\n"), Some(Request::Hosts));
        assert_eq!(Request::of(b"{\"berth\":\"try_hosts\"}\n"), Some(Request::TryHosts));
        assert_eq!(Request::of(b"{\"berth\":\"unreached\"}\n"), Some(Request::Unreached));
        assert_eq!(Request::of(b"{\"berth\":\"person\"}\n"), Some(Request::Person));
        let deed = Deed::Prune { before: 5 };
        assert_eq!(Request::of(deed.line().as_bytes()), Some(Request::Jobs(deed)));
        let printed = Printed {
            backend: "jobs".into(),
            id: "1".into(),
            errors: false,
            start: 7,
        };
        assert_eq!(Request::of(printed.line().as_bytes()), Some(Request::Printed(printed)));
        for other in [
            &b"{\"berth\":\"end\"}\n"[..],
            b"{\"berth\":\"jobs\"}",
            b"{\"berth\":\"printed\"}",
            b"{}",
            b"",
            b"{\"berth\":\"reload\"} x",
        ] {
            assert!(!is_request(other));
        }
    }
    #[test]
    fn who_speaks_is_said_by_the_first_line_alone_and_the_rest_is_kept() {
        let said = |text: &str| {
            let (rest, by_person) = without_person(text.into());
            (String::from_utf8_lossy(&rest).into_owned(), by_person)
        };
        let line = Request::Person.line().into_owned();
        assert_eq!(said(&format!("{line}\n")), (String::new(), true));
        assert_eq!(said(&format!("{line}\n{{}}\n")), ("{}\n".to_owned(), true));
        for other in [
            format!("{{}}\n{line}\n"),
            format!(" {line}\n"),
            line.clone(),
            format!("{line} \n"),
        ] {
            assert_eq!(said(&other), (other.clone(), false));
        }
    }
}
