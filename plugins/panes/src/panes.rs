//! The list of all panes, as tmux gives it.

use std::collections::BTreeMap;

use berth_plugin::{Error, Result};

use crate::tmux::{self, Trouble, words};

/// What is asked of each pane. What others chose (names, a command, a path) comes last, after its length in bytes, so
/// that a new line in a path cannot forge a row.
pub const LIST: &str = "#{pane_id}:#{session_id}:#{session_created}:#{window_activity}:#{pane_dead}:#{pane_dead_status}:#{pane_dead_signal}:#{pane_in_mode}:#{session_attached}:#{pane_width}:#{pane_height}:#{?pane_start_command,1,0}:#{n:session_name}:#{n:window_name}:#{n:pane_current_command}:#{n:session_path}:#{session_name}#{window_name}#{pane_current_command}#{session_path}";

/// What is asked beside that where it matters which process a pane runs.
pub const PROCESSES: &str = "#{pane_id}:#{pane_pid}:";

/// One pane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pane {
    /// tmux's own id, such as `%3`.
    pub id: String,
    /// tmux's own id of its session, such as `$3`.
    pub session: String,
    /// Seconds since the epoch.
    pub created: u64,
    /// When its window last showed something new, in seconds since the epoch.
    pub active: u64,
    /// How its program ended, if it has.
    pub end: Option<End>,
    /// A person looks at it.
    pub attached: bool,
    /// The size of its screen.
    pub columns: u32,
    /// The size of its screen.
    pub rows: u32,
    /// It was started with a command, not as a bare shell.
    pub has_command: bool,
    /// The name of its session.
    pub session_name: String,
    /// The name of its window.
    pub window_name: String,
    /// The name of the process in front.
    pub process: String,
    /// Where its session was started.
    pub directory: String,
}

/// How the program of a pane ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With this exit status.
    Status(i32),
    /// By this signal.
    Signal(String),
    /// tmux does not know: version 3.3 misses an end whose signal comes while its helper for utmp runs.
    Unknown,
}

/// How often to ask again for a list that cannot be read. tmux looks twice for what a pane runs, for the length of its
/// name and for the name: in between it may have become another program.
pub const LOOKS: usize = 4;

/// Lists every pane; none if no server runs.
///
/// # Errors
/// tmux fails, or its list cannot be read.
pub fn list() -> Result<Vec<Pane>> {
    for _ in 0..LOOKS {
        let reply = tmux::run(tmux::command(listing()))?;
        if reply.error == Some(Trouble::NoServer) {
            return Ok(Vec::new());
        }
        if let Some(panes) = parse(&reply.whole()?) {
            return Ok(panes);
        }
    }
    Err(Error::Failed("tmux's list of panes could not be read".to_owned()))
}

/// The number of the process that each pane was started with, by the pane's id.
///
/// # Errors
/// tmux fails.
pub fn processes() -> Result<BTreeMap<String, u32>> {
    let reply = tmux::run(tmux::command(words(&["list-panes", "-a", "-F", PROCESSES])))?;
    if reply.error == Some(Trouble::NoServer) {
        return Ok(BTreeMap::new());
    }
    let output = reply.whole()?;
    let rows = String::from_utf8_lossy(&output);
    let row = |row: &str| {
        let (pane, process) = row.strip_suffix(':')?.split_once(':')?;
        Some((pane.to_owned(), process.parse().ok()?))
    };
    Ok(rows.lines().filter_map(row).collect())
}

/// What lists every pane.
#[must_use]
pub fn listing() -> Vec<String> {
    words(&["list-panes", "-a", "-F", LIST])
}

/// Takes the list of panes off the beginning of what a chain of commands printed; nothing if it is inconsistent.
pub fn take(bytes: &mut &[u8]) -> Option<Vec<Pane>> {
    let mut panes = Vec::new();
    while bytes.starts_with(b"%") {
        panes.push(Pane::parse(bytes)?);
    }
    Some(panes)
}

/// The panes; nothing if the list is inconsistent.
pub(crate) fn parse(mut bytes: &[u8]) -> Option<Vec<Pane>> {
    take(&mut bytes).filter(|_| bytes.is_empty())
}

impl Pane {
    fn parse(bytes: &mut &[u8]) -> Option<Self> {
        let mut next = || field(bytes);
        let (id, session) = (next()?.to_owned(), next()?.to_owned());
        let (created, active) = (next()?.parse().ok()?, next()?.parse().ok()?);
        let (dead, status, signal) = (next()? == "1", next()?, next()?);
        let end = dead.then(|| End::read(status, signal));
        let _in_mode = next()?;
        let attached = next()? != "0";
        let (columns, rows) = (next()?.parse().ok()?, next()?.parse().ok()?);
        let has_command = next()? == "1";
        let mut lengths = [0; 4];
        for length in &mut lengths {
            *length = next()?.parse().ok()?;
        }
        let [session_name, window_name, process, directory] = lengths.map(|length| text(bytes, length));
        let pane = Self {
            id,
            session,
            created,
            active,
            end,
            attached,
            columns,
            rows,
            has_command,
            session_name: session_name?,
            window_name: window_name?,
            process: process?,
            directory: directory?,
        };
        *bytes = bytes.strip_prefix(b"\n")?;
        Some(pane)
    }

    /// The number in its id, which grows with every pane.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.id.trim_start_matches('%').parse().unwrap_or(u64::MAX)
    }
}

impl End {
    fn read(status: &str, signal: &str) -> Self {
        match (status.parse(), signal) {
            (Ok(status), _) => Self::Status(status),
            (Err(_), "") => Self::Unknown,
            (Err(_), signal) => Self::Signal(signal.to_owned()),
        }
    }
}

/// The next field of plain characters, up to its `:`.
pub fn field<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let end = bytes.iter().position(|byte| matches!(byte, b':' | b'\n'))?;
    let field = std::str::from_utf8(&bytes[..end]).ok()?;
    *bytes = bytes[end..].strip_prefix(b":")?;
    Some(field)
}

/// The next `length` bytes.
pub fn text(bytes: &mut &[u8], length: usize) -> Option<String> {
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::testing::row;

    #[test]
    fn a_new_line_in_a_path_forges_no_row() {
        let forged = row("%9", "forged", "claude", "claude", "/x");
        let hostile = format!("/p/a\n{forged}");
        let text = row("%1", "one", "claude", "claude", &hostile) + &row("%2", "two", "claude", "claude", "/p/ü:b");
        let panes = parse(text.as_bytes()).unwrap();
        assert_eq!(panes.len(), 2);
        assert_eq!(panes[0].directory, hostile);
        assert_eq!(
            (panes[1].session_name.as_str(), panes[1].directory.as_str()),
            ("two", "/p/ü:b")
        );
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_not_an_empty_list() {
        for text in [
            "x\n",
            "%1:$1\n",
            &row("%1", "a", "b", "c", "/p")[..30],
            "%1:$1:x:y:0:::0:0:1:1:1:1:1:1:1:abcd\n",
            // Between tmux's two looks `env` became `berth`.
            &row("%1", "a", "b", "env", "/p").replace("env", "berth"),
        ] {
            assert!(parse(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn a_dead_pane_tells_how_it_ended() {
        let dead = |status: &str| row("%1", "a", "b", "", "/p").replace(":0:::0:0:", &format!(":1:{status}:0:0:"));
        let end = |status: &str| parse(dead(status).as_bytes()).unwrap().remove(0).end.unwrap();
        assert_eq!(end("3:"), End::Status(3));
        assert_eq!(end(":9"), End::Signal("9".to_owned()));
        assert_eq!(end(":"), End::Unknown);
    }
}
