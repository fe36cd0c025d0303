//! The view `transcript`: a conversation as text, turn by turn, where a backend keeps one.

use std::time::{SystemTime, UNIX_EPOCH};

use super::showing::{ago, time};
use super::{Member, ToolError};
use crate::catalog::answers::Logs;
use crate::catalog::arguments::GetLogs;
use crate::plugin::Interface;
use crate::session::{Error, Role, Timestamp, Turn, TurnPage, TurnQuery};
use crate::text::{ANSWER, NAMED, escaped};

/// Its name among the views.
pub(super) const VIEW: &str = "transcript";

/// What stands between two turns.
const BETWEEN: &str = "\n\n";

/// Turns that are asked for at once, and how often, to find those since a time.
const AT_ONCE: u32 = 500;
const READS: usize = 16;

/// Turns of the session `id`, as `wanted` says: the last ones, or the first ones after a cursor or since a time. What
/// does not fit into one answer follows at `next`; where the last ones are asked for, a note says that it is left out.
pub(super) async fn read(member: &Member, id: &str, wanted: &GetLogs, since: Option<Timestamp>) -> Result<Logs, Error> {
    match (&wanted.after, since) {
        (Some(after), since) => {
            let mut page = ask(member, id, wanted.lines, Some(after.clone()), None).await?;
            let last = page.turns.last().map(|turn| turn.id.clone());
            page.turns.retain(|turn| is_since(turn, since));
            Ok(first(page, wanted.lines, last.or_else(|| Some(after.clone()))))
        }
        (None, Some(since)) => {
            let page = all_since(member, id, since).await?;
            let last = page.turns.last().map(|turn| turn.id.clone());
            Ok(first(page, wanted.lines, last))
        }
        (None, None) => Ok(the_last(ask(member, id, wanted.lines, None, None).await?)),
    }
}

async fn ask(
    member: &Member,
    id: &str,
    limit: u32,
    after: Option<String>,
    before: Option<String>,
) -> Result<TurnPage, Error> {
    let query = TurnQuery { limit, after, before };
    member.watched.backend.read_turns(id, &query).await
}

/// The turns since a time, as far back as is looked.
async fn all_since(member: &Member, id: &str, since: Timestamp) -> Result<TurnPage, Error> {
    let (mut turns, mut before) = (Vec::new(), None);
    for _ in 0..READS {
        let TurnPage {
            turns: mut read, more, ..
        } = ask(member, id, AT_ONCE, None, before).await?;
        before = read.first().map(|turn| turn.id.clone());
        let begins_before = read.iter().any(|turn| turn.at.is_some_and(|at| at < since));
        read.retain(|turn| is_since(turn, Some(since)));
        read.append(&mut turns);
        turns = read;
        if begins_before || !more || before.is_none() {
            return Ok(TurnPage {
                turns,
                more: false,
                gap: false,
            });
        }
    }
    Ok(TurnPage {
        turns,
        more: false,
        gap: true,
    })
}

/// One without a time may be new.
fn is_since(turn: &Turn, since: Option<Timestamp>) -> bool {
    since.is_none_or(|since| turn.at.is_none_or(|at| at >= since))
}

/// The first turns, at most `limit`, that fit into one answer; what comes after all of them is past `last`.
fn first(page: TurnPage, limit: u32, last: Option<String>) -> Logs {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let text: Vec<String> = page.turns.iter().take(limit).map(line).collect();
    let fitting = fitting(text.iter());
    let is_cut = fitting < page.turns.len();
    let cut = || page.turns[..fitting].last().map(|turn| turn.id.clone());
    Logs {
        next: if is_cut { cut() } else { last },
        more: page.more || is_cut,
        gap: page.gap,
        note: None,
        text: text[..fitting].join(BETWEEN),
    }
}

/// The last turns that fit into one answer.
fn the_last(page: TurnPage) -> Logs {
    let text: Vec<String> = page.turns.iter().map(line).collect();
    let fitting = fitting(text.iter().rev());
    let is_cut = fitting < text.len();
    let note = || {
        format!(
            "Only the last {fitting} of these {} turns fit into one answer: ask for `since` a time to read them from there on.",
            text.len()
        )
    };
    Logs {
        next: page.turns.last().map(|turn| turn.id.clone()),
        // What is further lies before them.
        more: false,
        gap: page.gap,
        note: is_cut.then(note),
        text: text[text.len() - fitting..].join(BETWEEN),
    }
}

/// How many of these, at least one, fit into one answer.
fn fitting<'a>(texts: impl Iterator<Item = &'a String>) -> usize {
    let mut room = ANSWER;
    let fits = |text: &&String| {
        let length = text.chars().count() + BETWEEN.len();
        let fits = length <= room;
        room = room.saturating_sub(length);
        fits
    };
    let (least, _) = texts.size_hint();
    texts.take_while(fits).count().max(least.min(1))
}

/// The last turns of the session `id`.
pub(super) async fn last(member: &Member, id: &str, limit: u32) -> Result<String, ToolError> {
    let page = ask(member, id, limit, None, None).await;
    let page = page.map_err(|error| ToolError::of(member.name(), error))?;
    let turns: Vec<String> = page.turns.iter().map(line).collect();
    Ok(turns.join(BETWEEN))
}

/// Whether the backend has transcripts.
pub(super) fn is_kept(member: &Member) -> bool {
    member.watched.backend.has(Interface::Transcripts)
}

/// A turn with its time; what a tool did stands in the same line.
fn line(turn: &Turn) -> String {
    let at = turn
        .at
        .map(|at| format!(" at {}, {}", time(at), ago(at)))
        .unwrap_or_default();
    let tool = turn.tool.as_deref().map(|tool| format!(" {tool}")).unwrap_or_default();
    let failed = if turn.failed { " (failed)" } else { "" };
    let between = if turn.role == Role::Tool { ' ' } else { '\n' };
    format!("[{}{tool}{at}{failed}]{between}{}", turn.role.name(), turn.text)
}

/// The time that a caller names.
pub(super) fn moment(text: &str) -> Result<Timestamp, ToolError> {
    let since = humantime::parse_rfc3339_weak(text)
        .ok()
        .and_then(|time: SystemTime| time.duration_since(UNIX_EPOCH).ok());
    since
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .ok_or_else(|| {
            ToolError::refused(format!(
                "since must be a time such as 2026-01-31T08:00:00Z, not `{}`",
                escaped(text, NAMED)
            ))
        })
}
