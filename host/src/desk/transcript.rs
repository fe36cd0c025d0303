//! The view `transcript`: a conversation as text, turn by turn, where a backend keeps one.

use std::time::{SystemTime, UNIX_EPOCH};

use super::showing::{ago, time};
use super::{Member, ToolError};
use crate::catalog::answers::Logs;
use crate::catalog::arguments::GetLogs;
use crate::plugin::Interface;
use crate::session::{Error, Role, Timestamp, Turn, TurnQuery};
use crate::text::{NAMED, escaped};

/// Its name among the views.
pub(super) const VIEW: &str = "transcript";

/// Turns of the session `id`, as `wanted` says, but only those from `since` on.
pub(super) async fn read(member: &Member, id: &str, wanted: &GetLogs, since: Option<Timestamp>) -> Result<Logs, Error> {
    let query = TurnQuery {
        limit: wanted.lines,
        after: wanted.after.clone(),
        before: None,
    };
    let page = member.watched.backend.read_turns(id, &query).await?;
    let next = page.turns.last().map(|turn| turn.id.clone());
    // One without a time may be new.
    let is_wanted = |turn: &&Turn| since.is_none_or(|since| turn.at.is_none_or(|at| at >= since));
    let text: Vec<String> = page.turns.iter().filter(is_wanted).map(line).collect();
    Ok(Logs {
        text: text.join("\n\n"),
        next: next.or_else(|| wanted.after.clone()),
        // Without a cursor the last turns were asked for, and what is further lies before them.
        more: page.more && wanted.after.is_some(),
        gap: page.gap,
        note: None,
    })
}

/// The last turns of the session `id`.
pub(super) async fn last(member: &Member, id: &str, limit: u32) -> Result<String, ToolError> {
    let query = TurnQuery {
        limit,
        after: None,
        before: None,
    };
    let page = member.watched.backend.read_turns(id, &query).await;
    let page = page.map_err(|error| ToolError::of(member.name(), error))?;
    let turns: Vec<String> = page.turns.iter().map(line).collect();
    Ok(turns.join("\n\n"))
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
