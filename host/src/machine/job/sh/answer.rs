//! Reads what came back. It is foreign text: lengths, numbers and names are checked, and words are cut.

use thiserror::Error;

use super::super::about::About;
use super::super::ended::Ended;
use super::super::input::Appended;
use super::super::lines::Lines;
use super::super::output::Chunk;
use super::super::place::Stage;
use crate::text;

/// Characters of what the other side says.
const WORDS: usize = 300;
/// Installations of a list.
const INSTALLATIONS: usize = 1_000;
/// Jobs of a list.
const JOBS: usize = 200_000;

/// Why there is no answer.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Fault {
    /// The connection may have ended in the middle. What was asked may have been done.
    #[error("the answer of the host is cut off")]
    CutOff,
    /// The other side does not do what the script says.
    #[error("the host answers something else: \"{0}\"")]
    Strange(String),
    /// It answers something else than was asked, or about another job.
    #[error("the host answers something that was not asked for")]
    Unasked,
    /// The other side cannot do any of it, in its words.
    #[error("the host says: \"{0}\"")]
    Refused(String),
}

/// What one call was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Which job it is about; none: not one of them.
    pub id: Option<String>,
    /// The answer.
    pub answer: Answer,
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The script of supervisors is there.
    Installed,
    /// It is not, or another one is: install it, then start again.
    Wanted,
    /// A supervisor has the job.
    Claimed,
    /// None took it, and none will. Why, in words of the other side.
    Refused(String),
    /// None took it because the disk is full. Why, in words of the other side.
    Full(String),
    /// What became of bytes for its input.
    Appended(Appended),
    /// Its input has ended after so many bytes.
    Closed(u64),
    /// It is asked to end.
    Cancelled,
    /// How it stands.
    Status(Status),
    /// What it printed, and how much that is up to now.
    Output(Chunk, u64),
    /// The jobs that are there.
    Jobs(Vec<String>),
    /// The installations that have jobs there.
    Installations(Vec<Installation>),
    /// What an installation has left with a job for another one; none where that cannot be read.
    About(Option<About>),
    /// Another installation has it now.
    Taken,
    /// It is gone.
    Removed,
    /// It is not removed: it has not ended.
    Running,
    /// Nothing was done. Why, in words of the other side.
    Failed(String),
}

/// An installation with jobs on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// What it is called there.
    pub id: String,
    /// How many of its jobs were begun.
    pub jobs: u64,
    /// How many of these have not ended.
    pub open: u64,
}

/// How a job on a host stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// How far it is; none: there is no such job.
    pub stage: Option<Stage>,
    /// Another installation has taken it over: its end is told as that, and what it printed is not here any more.
    pub is_taken: bool,
    /// Whether the host has anything of this installation. Where it has not, it may be another host.
    pub is_place: bool,
    /// Whether its supervisor lives. One that has a job without an end and does not live was killed: settle the job.
    pub standing: Standing,
    /// The other machine, by its own name, where the supervisor is elsewhere.
    pub node: Option<String>,
    /// When its program was started, in milliseconds since 1970 by the clock there.
    pub started: Option<u64>,
    /// What is kept of its standard output.
    pub output: Kept,
    /// What is kept of its standard error.
    pub errors: Kept,
    /// Bytes of its input.
    pub input: u64,
    /// Nothing is added to that any more.
    pub is_closed: bool,
    /// Bytes of it that the program was given.
    pub sent: u64,
}

/// What is known of a job's supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It lives.
    Lives,
    /// There is none.
    Gone,
    /// It is on another machine that has the same files, so nobody can tell here.
    Elsewhere,
    /// The job has ended, or does not exist, so nobody looked.
    Over,
}

/// Part of an output that is kept: it begins at a byte, and ends before another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// The first byte that is kept.
    pub start: u64,
    /// Bytes that were printed.
    pub end: u64,
}

/// The items of an answer, which stand between lines with `nonce`. What comes before the first is not ours.
pub(super) fn items(nonce: &str, output: &[u8]) -> Result<Vec<Item>, Fault> {
    let mark = format!("\n{nonce} ");
    let mut parts = split(output, mark.as_bytes()).into_iter().skip(1).peekable();
    let mut items = Vec::new();
    while let Some(part) = parts.next() {
        let (head, body) = cut(part, b"\n").unwrap_or((part, b""));
        let head = String::from_utf8_lossy(head).into_owned();
        match head.split_once(' ') {
            Some(("over", "-")) if parts.peek().is_none() => return Ok(items),
            Some(("fatal", _)) => return Err(Fault::Refused(words(body))),
            Some((kind, id)) => items.push(Item {
                id: (id != "-").then(|| id.to_owned()),
                answer: answer(kind, body)?,
            }),
            None => return Err(strange(head.as_bytes())),
        }
    }
    Err(Fault::CutOff)
}

fn answer(kind: &str, body: &[u8]) -> Result<Answer, Fault> {
    match kind {
        "answer" => short(body),
        "status" => status(body).map(Answer::Status),
        "read" => read(body),
        "installations" => Ok(Answer::Installations(installations(body))),
        "about" => Ok(Answer::About(about(body))),
        "list" => Ok(Answer::Jobs(
            String::from_utf8_lossy(body)
                .lines()
                .take(JOBS)
                .map(str::to_owned)
                .collect(),
        )),
        _ => Err(strange(body)),
    }
}

fn short(body: &[u8]) -> Result<Answer, Fault> {
    let text = String::from_utf8_lossy(body);
    let line = text.trim_end_matches('\n');
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let count = || number(rest).ok_or_else(|| strange(body));
    Ok(match word {
        "installed" => Answer::Installed,
        "wanted" => Answer::Wanted,
        "claimed" => Answer::Claimed,
        "refused" => Answer::Refused(words(rest.as_bytes())),
        "full" => Answer::Full(words(rest.as_bytes())),
        "now" => Answer::Appended(Appended::Now(count()?)),
        "conflict" => Answer::Appended(Appended::Conflict(count()?)),
        "ended" => Answer::Appended(Appended::Ended),
        "too-much" => Answer::Appended(Appended::TooMuch),
        "closed" => Answer::Closed(count()?),
        "cancelled" => Answer::Cancelled,
        "removed" => Answer::Removed,
        "taken" => Answer::Taken,
        "running" => Answer::Running,
        "error" => Answer::Failed(words(rest.as_bytes())),
        _ => return Err(strange(body)),
    })
}

fn status(body: &[u8]) -> Result<Status, Fault> {
    let text = String::from_utf8_lossy(body);
    let values = |key: &'static str| {
        text.lines()
            .filter_map(move |line| line.strip_prefix(key)?.strip_prefix(' '))
    };
    let file = |key| {
        let lines: String = values(key).flat_map(|line| [line, "\n"]).collect();
        lines.into_bytes()
    };
    let stage = match values("stage").next() {
        Some("none") => None,
        Some("unclaimed") => Some(Stage::Unclaimed),
        Some("claimed") => Some(Stage::Claimed),
        _ => return Err(strange(body)),
    };
    let supervisor = values("supervisor").next();
    // As here, an `exit` that nobody can read counts as none. While the supervisor lives, it has not said it.
    let ended = stage
        .as_ref()
        .filter(|_| supervisor != Some("lives"))
        .and_then(|_| Ended::parse(file("exit")).ok());
    let (input, closed) = values("in").next().and_then(|line| line.split_once(' ')).unzip();
    Ok(Status {
        node: values("node").next().map(|name| words(name.as_bytes())),
        standing: match (&stage, &ended, supervisor) {
            (Some(_), None, Some("lives")) => Standing::Lives,
            (Some(_), None, Some("elsewhere")) => Standing::Elsewhere,
            (Some(_), None, _) => Standing::Gone,
            _ => Standing::Over,
        },
        stage: ended.map(Stage::Ended).or(stage),
        is_taken: values("by").next().is_some(),
        is_place: values("place").next() != Some("no"),
        started: Lines::parse(file("pid")).ok().and_then(|lines| lines.number("at")),
        output: kept(values("out")),
        errors: kept(values("err")),
        input: input.and_then(number).unwrap_or_default(),
        is_closed: closed == Some("closed"),
        sent: values("sent")
            .next()
            .map(|digits| digits.trim_start_matches('0'))
            .and_then(number)
            .unwrap_or_default(),
    })
}

/// Lines of a name and two numbers. What is not named as an installation is none.
fn installations(body: &[u8]) -> Vec<Installation> {
    let text = String::from_utf8_lossy(body);
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (id, jobs, open) = (words.next()?, number(words.next()?)?, number(words.next()?)?);
        let id = is_installation(id).then(|| id.to_owned())?;
        Some(Installation { id, jobs, open })
    });
    lines.take(INSTALLATIONS).collect()
}

/// Whether a word is what an installation is called.
pub fn is_installation(word: &str) -> bool {
    word.len() == 16 && word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn about(body: &[u8]) -> Option<About> {
    let text = std::str::from_utf8(body).ok()?;
    let lines: String = text
        .lines()
        .filter_map(|line| line.strip_prefix("about "))
        .flat_map(|line| [line, "\n"])
        .collect();
    About::parse(lines.into_bytes()).ok()
}

/// Lines of where a segment begins and how long it is.
fn kept<'l>(segments: impl Iterator<Item = &'l str>) -> Kept {
    let parsed = segments.filter_map(|line| {
        let (start, length) = line.split_once(' ')?;
        let (start, length) = (number(start)?, number(length)?);
        Some(Kept {
            start,
            end: start + length,
        })
    });
    let joined = parsed.reduce(|all, one| Kept {
        start: all.start.min(one.start),
        end: all.end.max(one.end),
    });
    joined.unwrap_or_default()
}

fn read(body: &[u8]) -> Result<Answer, Fault> {
    let (head, bytes) = cut(body, b"\n\n").ok_or(Fault::CutOff)?;
    let head = String::from_utf8_lossy(head);
    let value = |key| head.lines().find_map(|line| number(line.strip_prefix(key)?));
    match (value("start "), value("end ")) {
        (Some(start), Some(end)) => Ok(Answer::Output(
            Chunk {
                start,
                bytes: bytes.to_vec(),
            },
            end,
        )),
        _ => Err(strange(body)),
    }
}

/// A number as the scripts write it.
fn number(digits: &str) -> Option<u64> {
    let fits = !digits.is_empty() && digits.len() <= 15 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| fits)
}

fn strange(bytes: &[u8]) -> Fault {
    Fault::Strange(words(bytes))
}

/// Words of the other side, to stand between quotes: short, and what is not seen as it is, is escaped.
fn words(bytes: &[u8]) -> String {
    text::escaped(String::from_utf8_lossy(bytes).trim_end(), WORDS)
}

fn cut<'b>(bytes: &'b [u8], at: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    let place = bytes.windows(at.len()).position(|window| window == at)?;
    Some((&bytes[..place], &bytes[place + at.len()..]))
}

fn split<'b>(bytes: &'b [u8], at: &[u8]) -> Vec<&'b [u8]> {
    let mut parts = Vec::new();
    let mut rest = bytes;
    while let Some((part, after)) = cut(rest, at) {
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    parts
}
