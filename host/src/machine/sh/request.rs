//! The text of one request: what a `/bin/sh` there reads from standard input and does.

use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use super::quote::printed;

/// One command of a request, which the shell does in a subshell.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) script: String,
    pub(super) stdin: Vec<u8>,
    /// From its beginning.
    pub(super) deadline: Duration,
    /// Bytes kept of both outputs together.
    pub(super) output: u64,
    pub(super) lingers: bool,
}

/// A part of the scripts that is the same in every request.
pub(super) struct Part(LazyLock<String>);

pub(super) static BEGIN: Part = Part(LazyLock::new(|| plain(include_str!("script/begin.sh"))));
pub(super) static WITHIN: Part = Part(LazyLock::new(|| plain(include_str!("script/within.sh"))));
pub(super) static RUN: Part = Part(LazyLock::new(|| plain(include_str!("script/run.sh"))));
pub(super) static READ: Part = Part(LazyLock::new(|| plain(include_str!("script/read.sh"))));
pub(super) static ENTRIES: Part = Part(LazyLock::new(|| plain(include_str!("script/entries.sh"))));
pub(super) static FIND: Part = Part(LazyLock::new(|| plain(include_str!("script/find.sh"))));
pub(super) static OWN: Part = Part(LazyLock::new(|| plain(include_str!("script/own.sh"))));
pub(super) static KILL: Part = Part(LazyLock::new(|| plain(include_str!("script/kill.sh"))));

/// Some shells read a script byte by byte, so it is sent without what only people read.
fn plain(script: &str) -> String {
    let lines = script.lines().map(str::trim_start);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .flat_map(|line| [line, "\n"])
        .collect()
}

/// What comes before the commands of a request.
#[derive(Default, Clone)]
pub(super) struct Prelude(String);

impl Prelude {
    pub(super) fn of(parts: &[&Part]) -> Self {
        Self(parts.iter().map(|part| part.0.as_str()).collect())
    }

    pub(super) fn add(&mut self, script: &str) {
        self.0.push_str(script);
    }
}

/// The whole text. A shell does nothing of it before it has read all of it, since all is one command. It does not hold
/// the nonce as a whole, so a shell that repeats what it reads prints no frame.
pub(super) fn text(nonce: &str, prelude: &Prelude, units: &[Unit]) -> String {
    let mut text = String::new();
    let (nonce, rest) = nonce.split_at(nonce.len() / 2);
    let _ = write!(
        text,
        "{{\n{}berth_frame() {{\nprintf '{nonce}''{rest} %s\\n' \"$1\"\n}}\n{}berth_hello\n",
        BEGIN.0.as_str(),
        prelude.0
    );
    for (at, unit) in units.iter().enumerate() {
        let lingers = if unit.lingers { "lingers" } else { "''" };
        let _ = writeln!(text, "berth_begin {at}");
        if unit.stdin.is_empty() {
            let _ = writeln!(text, "(\n{}) </dev/null", unit.script);
        } else {
            let _ = writeln!(
                text,
                "{{\ntrap - PIPE\n{}}} | (\n{})",
                printed(&unit.stdin),
                unit.script
            );
        }
        let _ = writeln!(text, "berth_end {at} $? {lingers}");
    }
    text.push_str("berth_finish\n}\n");
    text
}
