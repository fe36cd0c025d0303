//! How a job ended, and which processes it had.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use super::lines::{Lines, bad, text};

/// Characters of a reason.
const REASON: usize = 500;

/// Why a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Its program ended by itself.
    Exited,
    /// It could not be started, or what it printed could not be kept.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// Its time was over.
    TimedOut,
    /// What ran it ended.
    Interrupted,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Why.
    pub how: How,
    /// More about it, for a person.
    pub reason: Option<String>,
    /// What the program answered; none where a signal ended it, or it never ran.
    pub status: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Milliseconds since 1970, as the clock was.
    pub started: Option<u64>,
    /// The same.
    pub finished: u64,
}

const NAMES: [(How, &str); 5] = [
    (How::Exited, "exited"),
    (How::Failed, "failed"),
    (How::Cancelled, "cancelled"),
    (How::TimedOut, "timed-out"),
    (How::Interrupted, "interrupted"),
];

impl Ended {
    /// One of which nothing is known except why.
    pub fn without_status(how: How, reason: impl Into<String>) -> Self {
        Self {
            how,
            reason: Some(reason.into()),
            status: None,
            signal: None,
            started: None,
            finished: now(),
        }
    }

    pub(super) fn text(&self) -> String {
        let how = NAMES
            .iter()
            .find(|(how, _)| *how == self.how)
            .map_or("", |(_, name)| name);
        let number = |key, value: Option<i32>| value.map(|value| (key, value.to_string()));
        text(
            [("how", how.to_owned())]
                .into_iter()
                .chain(
                    self.reason
                        .as_ref()
                        .map(|reason| ("reason", reason.chars().take(REASON).collect())),
                )
                .chain(number("status", self.status))
                .chain(number("signal", self.signal))
                .chain(self.started.map(|at| ("started", at.to_string())))
                .chain([("finished", self.finished.to_string())]),
        )
    }

    pub(super) fn parse(bytes: Vec<u8>) -> io::Result<Self> {
        let lines = Lines::parse(bytes)?;
        let named = lines.first("how");
        let how = NAMES.iter().find(|(_, name)| Some(*name) == named);
        let small = |key, most: u64| {
            lines
                .number(key)
                .filter(|number| *number <= most)
                .and_then(|number| i32::try_from(number).ok())
        };
        Ok(Self {
            how: how.ok_or_else(|| bad("it does not say how it ended"))?.0,
            reason: lines
                .first("reason")
                .map(|reason| reason.chars().take(REASON).collect()),
            status: small("status", 255),
            signal: small("signal", 64),
            started: lines.number("started"),
            finished: lines.needed("finished")?,
        })
    }
}

/// The processes of a job that has been claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Processes {
    pub(super) supervisor: Process,
    /// The program, which leads a group of its own; none before it was started.
    pub(super) program: Option<Process>,
    pub(super) boot: String,
    /// The inode of the pid namespace; 0 where there are none.
    pub(super) namespace: u64,
    pub(super) at: u64,
}

/// A process, told apart from a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    /// When it started, in the system's own unit.
    pub(super) started: u64,
}

impl Processes {
    pub(super) fn text(&self) -> String {
        let program = self.program.map(|program| {
            [
                ("group", program.pid.to_string()),
                ("group-start", program.started.to_string()),
            ]
        });
        text(
            [
                ("pid", self.supervisor.pid.to_string()),
                ("start", self.supervisor.started.to_string()),
                ("boot", self.boot.clone()),
                ("namespace", self.namespace.to_string()),
                ("at", self.at.to_string()),
            ]
            .into_iter()
            .chain(program.into_iter().flatten()),
        )
    }

    pub(super) fn parse(bytes: Vec<u8>) -> io::Result<Self> {
        let lines = Lines::parse(bytes)?;
        // 0 and 1 would mean this group, and every process.
        let pid = |key| {
            lines
                .number(key)
                .and_then(|pid| i32::try_from(pid).ok())
                .filter(|pid| *pid > 1)
        };
        let process = |pid: i32, start| {
            Ok::<_, io::Error>(Process {
                pid,
                started: lines.needed(start)?,
            })
        };
        let supervisor = pid("pid").ok_or_else(|| bad("it names no process"))?;
        Ok(Self {
            supervisor: process(supervisor, "start")?,
            program: pid("group").map(|group| process(group, "group-start")).transpose()?,
            boot: lines.first("boot").unwrap_or_default().to_owned(),
            namespace: lines.needed("namespace")?,
            at: lines.needed("at")?,
        })
    }
}

/// Milliseconds since 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_end_is_read_as_it_was_written() {
        for how in NAMES.map(|(how, _)| how) {
            let ended = Ended {
                how,
                reason: Some("a\nb".into()),
                status: Some(255),
                signal: Some(15),
                started: Some(1),
                finished: 2,
            };
            assert_eq!(Ended::parse(ended.text().into_bytes()).unwrap(), ended);
        }
    }

    #[test]
    fn an_end_that_others_wrote_has_no_number_that_there_cannot_be() {
        let text = "format 1\nhow exited\nstatus 99999\nsignal -9\nstarted 99999999999999999999\nfinished 5\n";
        let ended = Ended::parse(text.as_bytes().to_vec()).unwrap();
        assert_eq!((ended.status, ended.signal, ended.started), (None, None, None));
        for text in [
            "format 1\nfinished 5\n",
            "format 1\nhow won\nfinished 5\n",
            "format 1\nhow exited\n",
        ] {
            assert!(Ended::parse(text.as_bytes().to_vec()).is_err(), "{text}");
        }
    }

    #[test]
    fn processes_that_others_wrote_are_never_every_process_or_this_one() {
        for pid in ["0", "1", "-1", "99999999999", "x"] {
            let text = format!("format 1\npid {pid}\nstart 5\nboot b\nnamespace 1\nat 1\n");
            assert!(Processes::parse(text.into_bytes()).is_err(), "{pid}");
            let text = format!("format 1\npid 7\nstart 5\nboot b\nnamespace 1\nat 1\ngroup {pid}\ngroup-start 1\n");
            assert_eq!(Processes::parse(text.into_bytes()).unwrap().program, None, "{pid}");
        }
    }
}
