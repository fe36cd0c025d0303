//! A conversation as turns: what its processes and runs printed, read from the end that is asked for.

use std::collections::{BTreeMap, VecDeque};

use berth_agents::live::{self, Protocol, Who};
use berth_plugin::jobs::{self, Channel};
use berth_plugin::{Error, Result, Role, Turn, TurnPage, TurnQuery};

use crate::kept::said::{self, Said};
use crate::read;
use crate::setup::Setup;
use crate::shown::log;
use crate::start::command::protocol;

/// Bytes that are read at a time, and in one call; and the longest line.
const PART: u64 = 1 << 20;
const MOST: u64 = 32 << 20;
const LINE: u64 = 8 << 20;

/// Where a turn is: in which job, at which byte, and which of the turns of that line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    job: String,
    at: u64,
    number: usize,
}

/// The turns that the query asks for.
pub(crate) fn read(setup: &Setup, conversation: &str, query: &TurnQuery) -> Result<TurnPage> {
    let jobs = log::jobs_of(conversation)?;
    let agent = setup.agents.iter().find(|agent| agent.name == jobs.agent);
    let reader = Reader {
        conversation,
        jobs: jobs.ids,
        protocol: agent.map_or(Protocol::StreamJson, protocol),
        limit: usize::try_from(query.limit).unwrap_or(usize::MAX).max(1),
    };
    match (&query.after, &query.before) {
        (Some(after), _) => reader.forward(&Place::read(after)?),
        (None, Some(before)) => reader.backward(Some(&Place::read(before)?)),
        (None, None) => reader.backward(None),
    }
}

impl Place {
    fn text(&self) -> String {
        format!("{}.{}.{}", self.job, self.at, self.number)
    }

    fn read(text: &str) -> Result<Self> {
        let mut parts = text.rsplitn(3, '.');
        let (number, at, job) = (parts.next(), parts.next(), parts.next());
        match (
            job,
            at.and_then(|at| at.parse().ok()),
            number.and_then(|number| number.parse().ok()),
        ) {
            (Some(job), Some(at), Some(number)) => Ok(Self {
                job: job.to_owned(),
                at,
                number,
            }),
            _ => Err(not_ours()),
        }
    }
}

fn not_ours() -> Error {
    Error::Invalid("that is not a turn of this session: pass the id of one that was shown".to_owned())
}

/// What a conversation's jobs printed, and what was said to those that do not print it.
struct Reader<'a> {
    conversation: &'a str,
    /// The oldest first.
    jobs: Vec<String>,
    protocol: Protocol,
    limit: usize,
}

/// What belongs to what a job printed.
#[derive(Default)]
struct Beside {
    /// Up to where it is the past, told again.
    past: u64,
    /// The places of messages, with those that are not kept yet.
    given: BTreeMap<u64, Option<Said>>,
}

impl Reader<'_> {
    /// The first turns past `after`.
    fn forward(&self, after: &Place) -> Result<TurnPage> {
        let first = self.place(after)?;
        let (mut turns, mut read) = (Vec::new(), 0);
        let mut gap = false;
        for job in &self.jobs[first..] {
            let mut at = if *job == after.job { after.at } else { 0 };
            while let Some((start, bytes)) = self.lines(job, at, &mut read)? {
                gap |= start > at && *job == after.job && at == after.at;
                at = start + bytes.len() as u64;
                let is_past =
                    |turn: &live::Turn| *job != after.job || (turn.place, turn.number) > (after.at, after.number);
                let found = self.turns(job, start, &bytes)?.into_iter().filter(is_past);
                turns.extend(found.map(|turn| shown(job, turn)));
                if turns.len() > self.limit || read > MOST {
                    turns.truncate(self.limit);
                    return Ok(TurnPage { turns, more: true, gap });
                }
            }
        }
        Ok(TurnPage {
            turns,
            more: false,
            gap,
        })
    }

    /// The last turns before `before`, or of all.
    fn backward(&self, before: Option<&Place>) -> Result<TurnPage> {
        let last = match before {
            Some(before) => self.place(before)?,
            None => self.jobs.len().saturating_sub(1),
        };
        let (mut turns, mut read) = (VecDeque::new(), 0);
        for job in self.jobs.iter().take(last + 1).rev() {
            let bound = before.filter(|before| before.job == *job);
            let mut end = match bound {
                // With the line in which it is: an earlier turn of that line counts.
                Some(bound) => self.end_of_line(job, bound.at)?,
                None => match jobs::get(job) {
                    Ok(found) => found.output_bytes,
                    Err(Error::NotFound(_)) => continue,
                    Err(error) => return Err(error),
                },
            };
            while end > 0 {
                let (start, bytes) = self.lines_before(job, end)?;
                read += end - start.min(end);
                let is_before =
                    |turn: &live::Turn| bound.is_none_or(|bound| (turn.place, turn.number) < (bound.at, bound.number));
                let found = self.turns(job, start, &bytes)?.into_iter().filter(is_before);
                for turn in found.collect::<Vec<_>>().into_iter().rev() {
                    turns.push_front(shown(job, turn));
                }
                if turns.len() > self.limit || read > MOST {
                    let surplus = turns.len().saturating_sub(self.limit);
                    return Ok(TurnPage {
                        turns: turns.into_iter().skip(surplus).collect(),
                        more: true,
                        gap: false,
                    });
                }
                if start >= end {
                    break;
                }
                end = start;
            }
        }
        Ok(TurnPage {
            turns: turns.into(),
            more: false,
            gap: false,
        })
    }

    /// The turns in these whole lines, and the messages whose place is among them.
    ///
    /// A message stands at the last byte of the line after which it was given, where no other turn is.
    fn turns(&self, job: &str, start: u64, bytes: &[u8]) -> Result<Vec<live::Turn>> {
        if self.protocol != Protocol::Acp {
            return Ok(live::turns(self.protocol, start, bytes));
        }
        let beside = self.beside(job)?;
        let told_again = usize::try_from(beside.past.saturating_sub(start)).unwrap_or(usize::MAX);
        let mut found = live::turns(
            self.protocol,
            start.max(beside.past),
            bytes.get(told_again..).unwrap_or_default(),
        );
        let lines = start..start + bytes.len() as u64;
        for (given, pending) in beside.given {
            let place = given.saturating_sub(1);
            if !lines.contains(&place) {
                continue;
            }
            let said = match pending {
                Some(said) => Some(said),
                None => said::find(self.conversation, job, given)?,
            };
            found.extend(said.map(|said| live::Turn {
                place,
                number: 0,
                at: Some(said.at),
                role: Who::Person,
                text: said.text,
                tool: None,
                failed: false,
                message: Some(said.message),
            }));
        }
        found.sort_by_key(|turn| (turn.place, turn.number));
        Ok(found)
    }

    /// What was said to the agent of this job. It is looked for after what the agent printed was read, so that no turn shows
    /// before the message to which it belongs.
    fn beside(&self, job: &str) -> Result<Beside> {
        let mut beside = Beside::default();
        let talk = read::talk::look(self.conversation)?.map(|(talk, _)| talk);
        if let Some(talk) = talk.filter(|talk| talk.process.job.as_deref() == Some(job)) {
            beside.past = talk.process.past.unwrap_or_default();
            for (message, _) in &talk.process.given {
                let said = talk.said(self.conversation, message)?;
                beside.given.extend(said.map(|(place, said)| (place, Some(said))));
            }
        }
        beside.past = beside.past.max(said::past(self.conversation, job)?);
        for place in said::places(self.conversation, job)? {
            beside.given.entry(place).or_default();
        }
        // What it tells again stands in the jobs before, if there are any.
        if self.jobs.first().is_none_or(|first| first == job) {
            beside.past = 0;
        }
        Ok(beside)
    }

    fn place(&self, named: &Place) -> Result<usize> {
        self.jobs.iter().position(|job| *job == named.job).ok_or_else(not_ours)
    }

    /// The whole lines from the byte `at` on, where a line begins; none: there is none.
    fn lines(&self, job: &str, at: u64, read: &mut u64) -> Result<Option<(u64, Vec<u8>)>> {
        let mut most = PART;
        loop {
            let chunk = match jobs::read(job, Channel::Output, at, u32::try_from(most).unwrap_or(u32::MAX)) {
                Err(Error::NotFound(_)) => return Ok(None),
                chunk => chunk?,
            };
            *read += chunk.bytes.len() as u64;
            if let Some(end) = chunk.bytes.iter().rposition(|byte| *byte == b'\n') {
                let mut bytes = chunk.bytes;
                bytes.truncate(end + 1);
                return Ok(Some((chunk.start, bytes)));
            }
            if (chunk.bytes.len() as u64) < most.min(u64::from(log::PART)) || most >= LINE {
                return Ok(None);
            }
            most *= 2;
        }
    }

    /// Whole lines that end at the byte `end`, and where they begin.
    fn lines_before(&self, job: &str, end: u64) -> Result<(u64, Vec<u8>)> {
        let mut from = end.saturating_sub(PART);
        loop {
            let bytes = read_between(job, from, end)?;
            let start = end - bytes.len() as u64;
            // What is kept of the output may begin in the middle of a line, as this part of it does.
            let skip = match start {
                0 => 0,
                _ => bytes
                    .iter()
                    .position(|byte| *byte == b'\n')
                    .map_or(bytes.len(), |at| at + 1),
            };
            if skip < bytes.len() || start > from || start == 0 || end - start >= LINE {
                return Ok((
                    if skip < bytes.len() { start + skip as u64 } else { start },
                    bytes[skip..].to_vec(),
                ));
            }
            from = end.saturating_sub((end - from) * 2);
        }
    }

    /// Where the line that begins at this byte ends.
    fn end_of_line(&self, job: &str, at: u64) -> Result<u64> {
        let mut end = at;
        while end - at < LINE {
            let chunk = match jobs::read(job, Channel::Output, end, 64 << 10) {
                Err(Error::NotFound(_)) => return Ok(at),
                chunk => chunk?,
            };
            if let Some(found) = chunk.bytes.iter().position(|byte| *byte == b'\n') {
                return Ok(chunk.start + found as u64 + 1);
            }
            if chunk.bytes.is_empty() {
                break;
            }
            end = chunk.start + chunk.bytes.len() as u64;
        }
        Ok(end)
    }
}

/// What is kept of the bytes from `from` to `end`; it ends there.
fn read_between(job: &str, from: u64, end: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut at = from;
    while at < end {
        let most = u32::try_from(end - at).unwrap_or(u32::MAX);
        let chunk = match jobs::read(job, Channel::Output, at, most) {
            Err(Error::NotFound(_)) => break,
            chunk => chunk?,
        };
        if chunk.bytes.is_empty() {
            break;
        }
        if chunk.start > at {
            bytes.clear();
        }
        at = chunk.start + chunk.bytes.len() as u64;
        bytes.extend(chunk.bytes);
    }
    // More is kept from `end` on than what was asked for.
    let surplus = usize::try_from(at.saturating_sub(end)).unwrap_or(usize::MAX);
    bytes.truncate(bytes.len().saturating_sub(surplus));
    Ok(bytes)
}

fn shown(job: &str, turn: live::Turn) -> Turn {
    let place = Place {
        job: job.to_owned(),
        at: turn.place,
        number: turn.number,
    };
    let role = match turn.role {
        Who::Person => Role::Person,
        Who::Agent => Role::Agent,
        Who::Tool => Role::Tool,
        Who::System => Role::System,
    };
    let mut shown = Turn::new(place.text(), role, turn.text);
    shown.at = turn.at;
    shown.tool = turn.tool;
    shown.failed = turn.failed;
    shown.message = turn.message;
    shown
}
