//! A job as the index keeps it.

use rusqlite::Row;

/// The columns that [`JobRecord::of`] reads, in its order.
pub(super) const COLUMNS: &str = "id, key, queue, note, label, interactive, watch, phase, reason, status, signal, \
                                  input, output, errors, queued_at, started_at, finished_at, kept, host";

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It waits.
    Queued,
    /// It runs.
    Running,
    /// It runs as far as is known, on a host that cannot be asked now. Only told, and never kept.
    Unreachable,
    /// Its program ended by itself.
    Exited,
    /// It could not be started, or its output not be kept.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// Its time was over.
    TimedOut,
    /// What ran it ended.
    Interrupted,
}

const NAMES: [(Phase, &str); 8] = [
    (Phase::Queued, "queued"),
    (Phase::Running, "running"),
    (Phase::Unreachable, "unreachable"),
    (Phase::Exited, "exited"),
    (Phase::Failed, "failed"),
    (Phase::Cancelled, "cancelled"),
    (Phase::TimedOut, "timed-out"),
    (Phase::Interrupted, "interrupted"),
];

impl Phase {
    /// Its word.
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(phase, _)| *phase == self)
            .map_or("", |(_, name)| name)
    }

    /// Whether it has ended. One that cannot be asked has not, as far as is known.
    pub fn is_end(self) -> bool {
        !matches!(self, Self::Queued | Self::Running | Self::Unreachable)
    }

    /// What it is called in the file; a word that this version does not know is a failure.
    fn of(name: &str) -> Self {
        let known = NAMES.iter().find(|(_, known)| *known == name);
        known.map_or(Self::Failed, |(phase, _)| *phase)
    }
}

/// A job as the index keeps it. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "their names say what they are")]
pub struct JobRecord {
    pub id: String,
    pub key: String,
    pub queue: String,
    pub note: String,
    pub label: String,
    pub interactive: bool,
    pub watch: bool,
    pub phase: Phase,
    pub reason: Option<String>,
    pub status: Option<i32>,
    pub signal: Option<i32>,
    pub input: u64,
    pub output: u64,
    pub errors: u64,
    pub queued_at: u64,
    pub started_at: Option<u64>,
    pub finished_at: Option<u64>,
    pub kept: u64,
    /// Where it runs or ran: a name of `[hosts]`, or nothing for this machine. Before it was started, where it is to run, if
    /// it was submitted for a host.
    pub host: String,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// One of the ends.
    pub phase: Phase,
    /// More about it, for a person.
    pub reason: Option<String>,
    /// What the program answered.
    pub status: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// When.
    pub finished_at: u64,
    /// Bytes of its input; none: those that the index knows.
    pub input: Option<u64>,
    /// Bytes that it printed.
    pub output: u64,
    /// The same of standard error.
    pub errors: u64,
    /// Bytes that its directory takes.
    pub kept: u64,
}

impl JobRecord {
    pub(super) fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
        let time = |column| row.get::<_, Option<i64>>(column).map(|at| at.map(i64::unsigned_abs));
        Ok(Self {
            id: row.get(0)?,
            key: row.get(1)?,
            queue: row.get(2)?,
            note: row.get(3)?,
            label: row.get(4)?,
            interactive: row.get(5)?,
            watch: row.get(6)?,
            phase: Phase::of(&row.get::<_, String>(7)?),
            reason: row.get(8)?,
            status: row.get(9)?,
            signal: row.get(10)?,
            input: number(11)?,
            output: number(12)?,
            errors: number(13)?,
            queued_at: number(14)?,
            started_at: time(15)?,
            finished_at: time(16)?,
            kept: number(17)?,
            host: row.get(18)?,
        })
    }
}
