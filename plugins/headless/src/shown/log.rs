//! What was printed in a conversation: its runs, one after the other, as a person reads them.

use berth_agents::headless;
use berth_agents::live::{self, Protocol};
use berth_plugin::jobs::{self, Channel};
use berth_plugin::{Error, LogPage, LogQuery, Result};

use crate::read::index;

/// The views, the usual one first.
pub(crate) const VIEWS: [&str; 2] = ["output", "errors"];
/// Bytes that are read at a time.
pub(crate) const PART: u32 = 2 << 20;

/// A page of what the newest run printed, or of the run that the cursor names.
pub(crate) fn read(conversation: &str, query: &LogQuery) -> Result<LogPage> {
    let channel = match query.view.as_deref().unwrap_or(VIEWS[0]) {
        "output" => Channel::Output,
        "errors" => Channel::Errors,
        other => {
            return Err(Error::Invalid(format!(
                "this backend has the views {}, not {other}",
                VIEWS.join(" and ")
            )));
        }
    };
    let runs = jobs_of(conversation)?.ids;
    let mut cursor = match &query.after {
        None => Cursor::end(runs.last().cloned().unwrap_or_default(), channel)?,
        Some(after) => Cursor::read(after)?,
    };
    if !runs.contains(&cursor.run) {
        return Err(not_ours());
    }
    let mut page = cursor.page(channel, query)?;
    // At the end of one run the next one goes on.
    while page.text.is_empty() && !page.more {
        let Some(next) = runs.iter().skip_while(|run| **run != cursor.run).nth(1) else {
            break;
        };
        cursor = Cursor {
            run: next.clone(),
            at: 0,
            shown: 0,
        };
        page = cursor.page(channel, query)?;
    }
    Ok(page)
}

/// What worked in a conversation.
pub(crate) struct Jobs {
    /// The oldest first.
    pub(crate) ids: Vec<String>,
    pub(crate) agent: String,
}

/// The jobs of a conversation.
///
/// # Errors
/// `NotFound` if there is none.
pub(crate) fn jobs_of(conversation: &str) -> Result<Jobs> {
    let (newest, kept) = index::known(conversation)?;
    let mut ids: Vec<String> = kept.runs.into_iter().map(|run| run.next.unwrap_or(run.id)).collect();
    if !ids.contains(&newest.id) {
        ids.push(newest.id);
    }
    Ok(Jobs { ids, agent: kept.agent })
}

fn not_ours() -> Error {
    Error::Invalid("`after` is not a cursor of this session: pass what `next` said, or leave it out".to_owned())
}

/// A place in what a run printed: where a line begins, and how much of it was shown.
struct Cursor {
    run: String,
    at: u64,
    shown: usize,
}

impl Cursor {
    fn text(&self) -> String {
        format!("{}:{}:{}", self.run, self.at, self.shown)
    }

    fn read(text: &str) -> Result<Self> {
        let mut parts = text.rsplitn(3, ':');
        let mut number = || parts.next()?.parse::<u64>().ok();
        let (shown, at) = (number(), number());
        match (parts.next(), at, shown.and_then(|shown| usize::try_from(shown).ok())) {
            (Some(run), Some(at), Some(shown)) => Ok(Self {
                run: run.to_owned(),
                at,
                shown,
            }),
            _ => Err(not_ours()),
        }
    }

    /// Where the last part of what a run printed begins.
    fn end(run: String, channel: Channel) -> Result<Self> {
        let job = jobs::get(&run)?;
        let printed = match channel {
            Channel::Output => job.output_bytes,
            Channel::Errors => job.error_bytes,
        };
        Ok(Self {
            run,
            at: printed.saturating_sub(u64::from(PART)),
            shown: 0,
        })
    }

    fn page(&self, channel: Channel, query: &LogQuery) -> Result<LogPage> {
        let chunk = match jobs::read(&self.run, channel, self.at, PART) {
            Err(Error::NotFound(_)) => return Ok(self.nothing()),
            chunk => chunk?,
        };
        // Without a cursor the first line may be the rest of one.
        let is_begun = query.after.is_none() && chunk.start > 0;
        let is_full = chunk.bytes.len() as u64 >= u64::from(PART);
        let mut end = chunk.start;
        let mut lines = Vec::new();
        for (number, line) in chunk.bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let is_whole = line.ends_with(b"\n") || (is_full && number == 0);
            if !is_whole {
                break;
            }
            end += line.len() as u64;
            if number > 0 || !is_begun {
                let skipped = if number == 0 { self.shown } else { 0 };
                lines.extend(self.shown(channel, end, line).into_iter().skip(skipped));
            }
        }
        let page = LogPage::of(lines, query);
        Ok(LogPage {
            // What programs need follows the last line that is shown.
            next: if page.more { page.next } else { self.at(end).text() },
            more: page.more || is_full,
            gap: query.after.is_some() && chunk.start > self.at,
            text: page.text,
        })
    }

    fn at(&self, at: u64) -> Self {
        Self {
            run: self.run.clone(),
            at,
            shown: 0,
        }
    }

    fn nothing(&self) -> LogPage {
        LogPage {
            text: String::new(),
            next: self.text(),
            more: false,
            gap: true,
        }
    }

    /// The lines that a person reads of one that ends at `end`, each with the cursor just past it.
    fn shown(&self, channel: Channel, end: u64, line: &[u8]) -> Vec<(String, String)> {
        let shown = match channel {
            Channel::Output => printed(line),
            Channel::Errors => String::from_utf8_lossy(line).trim_end().to_owned(),
        };
        let start = end - line.len() as u64;
        let count = shown.lines().count();
        let cursor = |number: usize| match number + 1 == count {
            true => self.at(end),
            false => Self {
                shown: number + 1,
                ..self.at(start)
            },
        };
        let lines = shown.lines().enumerate();
        lines
            .map(|(number, line)| (cursor(number).text(), line.to_owned()))
            .collect()
    }
}

/// A line as a person reads it, whichever protocol the agent speaks.
fn printed(line: &[u8]) -> String {
    if !line.starts_with(b"{\"jsonrpc\"") {
        return headless::printed(line);
    }
    let turns = live::turns(Protocol::Acp, 0, line).into_iter();
    turns.map(|turn| turn.text).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::testing::Host;
    use serde_json::json;

    use super::*;
    use crate::fake::{FIRST, end, host, run, upkeep};

    fn said(text: &str) -> String {
        let message = json!({"id": text, "content": [{"type": "text", "text": text}]});
        format!(
            "{}\n",
            json!({"type": "assistant", "session_id": FIRST, "message": message})
        )
    }

    fn page(lines: u32, after: Option<&str>) -> LogPage {
        let query = LogQuery {
            view: None,
            lines,
            after: after.map(str::to_owned),
        };
        read(FIRST, &query).unwrap()
    }

    fn started(printed: &str) -> (Host, String) {
        let host = host();
        let id = run(1, json!({}));
        host.start_job(&id).print_job(&id, Channel::Output, printed);
        (host, id)
    }

    #[test]
    fn the_last_lines_are_there_and_with_the_cursor_those_that_follow() {
        let (host, id) = started(&(said("one\ntwo") + &said("three")));
        let last = page(2, None);
        assert_eq!((last.text.as_str(), last.more), ("two\nthree\n", false));
        assert_eq!(page(9, Some(&last.next)).text, "");
        host.print_job(&id, Channel::Output, said("four") + "{\"type\":\"assis");
        let next = page(9, Some(&last.next));
        assert_eq!(next.text, "four\n", "a line that grows comes once it is whole");
    }

    #[test]
    fn a_page_may_end_in_a_message_and_the_next_one_goes_on_there() {
        let (_host, id) = started(&(said("one\ntwo\nthree") + &said("four")));
        let mut after = format!("{id}:0:0");
        for expected in ["one\ntwo\n", "three\nfour\n"] {
            let page = page(2, Some(&after));
            assert_eq!(page.text, expected);
            after = page.next;
        }
        assert_eq!(page(2, Some(&after)).text, "");
    }

    #[test]
    fn after_the_end_of_a_run_the_next_run_of_the_conversation_follows() {
        let (host, first) = started(&said("one"));
        let end_of_first = page(9, None).next;
        end(&host, &first, &said("two"), 1);
        upkeep();
        let next = run(2, json!({"sessionId": FIRST}));
        host.start_job(&next).print_job(&next, Channel::Output, said("three"));
        assert_eq!(page(9, None).text, "three\n");
        let two = page(9, Some(&end_of_first));
        assert_eq!(two.text, "two\n");
        let three = page(9, Some(&two.next));
        assert_eq!(three.text, "three\n");
        assert_eq!(page(9, Some(&three.next)).text, "");
    }

    #[test]
    fn what_was_removed_is_a_gap_and_errors_have_a_view_of_their_own() {
        let (host, id) = started(&(said("one") + &said("two")));
        host.forget_output(&id, Channel::Output, said("one").len() as u64);
        let page = page(9, Some(&format!("{id}:0:0")));
        assert_eq!((page.text.as_str(), page.gap), ("two\n", true));
        host.print_job(&id, Channel::Errors, "npm warn\n");
        let query = |view: &str| LogQuery {
            view: Some(view.to_owned()),
            lines: 9,
            after: None,
        };
        assert_eq!(read(FIRST, &query("errors")).unwrap().text, "npm warn\n");
        assert!(matches!(read(FIRST, &query("screen")), Err(Error::Invalid(_))));
        for after in ["x", "a:b:0", ":", "1:2"] {
            let query = LogQuery {
                after: Some(after.to_owned()),
                ..query("output")
            };
            assert!(matches!(read(FIRST, &query), Err(Error::Invalid(_))), "{after}");
        }
    }

    #[test]
    fn a_cursor_of_another_conversation_shows_nothing_of_that_one() {
        let (host, _) = started(&said("one"));
        let other = run(7, json!({}));
        host.start_job(&other)
            .print_job(&other, Channel::Output, said("secret"));
        let query = LogQuery {
            view: None,
            lines: 9,
            after: Some(format!("{other}:0:0")),
        };
        assert!(matches!(read(FIRST, &query), Err(Error::Invalid(_))));
    }
}
