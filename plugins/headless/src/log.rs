//! What was printed in a conversation: its runs, one after the other, as a person reads them.

use berth_agents::headless;
use berth_plugin::jobs::{self, Channel};
use berth_plugin::{Error, LogPage, LogQuery, Result};

use crate::sessions;

/// The views, the usual one first.
pub(crate) const VIEWS: [&str; 2] = ["output", "errors"];
/// Bytes that are read at a time.
const PART: u32 = 2 << 20;

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
    let (newest, kept) = sessions::known(conversation)?;
    let mut runs: Vec<String> = kept.runs.into_iter().map(|run| run.next.unwrap_or(run.id)).collect();
    if !runs.contains(&newest.id) {
        runs.push(newest.id.clone());
    }
    let mut cursor = match &query.after {
        None => Cursor::end(newest.id, channel)?,
        Some(after) => Cursor::read(after)?,
    };
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
            _ => Err(Error::Invalid(
                "`after` is not a cursor of this backend: pass what `next` said, or leave it out".to_owned(),
            )),
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
            Channel::Output => headless::printed(line),
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
