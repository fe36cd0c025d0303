//! Reading a session's output: its screen, or the scrollback with a cursor that survives scrolling.

use berth_agents::{Observation, Screen, State};
use berth_plugin::{Error, LogPage, LogQuery, Result};

use crate::digest;
use crate::found::{self, Found};
use crate::look::{self, Look, MANY, take_lines};
use crate::panes::field;
use crate::setup::Setup;
use crate::tmux::{self, chain, words};

/// The views that a log has, the usual one first.
pub(crate) const VIEWS: [&str; 2] = ["scrollback", "screen"];
/// The most bytes that one page holds.
const BYTES_MAX: usize = 256 << 10;
/// The most lines that one page holds.
const LINES_MAX: u32 = 5000;
/// How many lines back to look for a cursor that is not where it was.
const SEARCH: usize = 5000;
/// How many lines a cursor covers. The one just before it is not among them, because it may still grow.
const ANCHOR: usize = 3;
/// How often lines that scrolled while they were read are read again.
const TRIES: usize = 4;

/// Reads a page.
pub(crate) fn read(setup: &Setup, id: &str, query: &LogQuery) -> Result<LogPage> {
    let found = found::find(setup, id)?;
    let look = look::close(&found.pane.id)?;
    let seen = observe(&found, &look);
    let lines = query.lines.clamp(1, LINES_MAX) as usize;
    let pane = Reader { pane: &found.pane.id };
    match query.view.as_deref().unwrap_or(VIEWS[0]) {
        "screen" => Ok(screen_page(&look, &seen, lines)),
        "scrollback" => match &query.after {
            None => pane.last(&look, &seen, lines),
            Some(token) => pane.after(&look, &seen, lines, Cursor::decode(token)?),
        },
        other => Err(Error::Invalid(format!(
            "this backend has the views {}, not {other}",
            VIEWS.join(" and ")
        ))),
    }
}

/// The cursor at the end of an agent's output.
pub(crate) fn end_cursor(look: &Look, seen: &Observation) -> String {
    let line = look.history + seen.content_end;
    let known = Lines::of_look(look);
    Cursor {
        line,
        anchor: known.anchor(line),
    }
    .encode()
}

fn observe(found: &Found, look: &Look) -> Observation {
    if let Some(entry) = found.agent {
        return entry.agent.observe(&look.screen);
    }
    let content_end = look
        .screen
        .lines
        .iter()
        .rposition(|line| !line.text.is_empty())
        .map_or(0, |row| row + 1);
    Observation {
        state: State::Unknown,
        prompt: None,
        composer: None,
        content_end,
        summary: None,
        background: None,
        attention: None,
        beheaded: false,
    }
}

fn screen_page(look: &Look, seen: &Observation, lines: usize) -> LogPage {
    let texts: Vec<_> = look.screen.lines.iter().map(|line| line.text.as_str()).collect();
    let end = texts.iter().rposition(|text| !text.is_empty()).map_or(0, |row| row + 1);
    LogPage {
        text: within(texts[end.saturating_sub(lines)..end].join("\n")),
        next: end_cursor(look, seen),
        more: false,
        gap: false,
    }
}

/// A place in the output: a line counted from the first that the pane ever had, and a digest of lines before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    line: usize,
    anchor: u32,
}

impl Cursor {
    fn encode(self) -> String {
        format!("{}-{:08x}", self.line, self.anchor)
    }

    fn decode(token: &str) -> Result<Self> {
        let parts = token.split_once('-');
        let read = parts.and_then(|(line, anchor)| Some((line.parse().ok()?, u32::from_str_radix(anchor, 16).ok()?)));
        let (line, anchor) = read.filter(|(line, _)| *line < 100_000_000).ok_or_else(|| {
            Error::Invalid("`after` is not a cursor of this backend: pass what `next` said, or leave it out".to_owned())
        })?;
        Ok(Self { line, anchor })
    }
}

/// Some lines of a pane, as they are on the screen, and the number of the first.
struct Lines {
    first: usize,
    texts: Vec<String>,
}

impl Lines {
    fn of_look(look: &Look) -> Self {
        let screen = look.screen.lines.iter().map(|line| line.text.clone());
        let texts = look.above.iter().cloned().chain(screen).collect();
        Self {
            first: look.history - look.above.len(),
            texts,
        }
    }

    /// The digest that a cursor at `line` has.
    fn anchor(&self, line: usize) -> u32 {
        let (from, to) = (line.saturating_sub(ANCHOR + 1), line.saturating_sub(1));
        let index = |line: usize| line.saturating_sub(self.first).min(self.texts.len());
        anchor_of(&self.texts[index(from)..index(to).max(index(from))])
    }

    /// Where a cursor with this digest is now, searched from the end. Blank lines are too similar to search for.
    fn search(&self, anchor: u32) -> Option<usize> {
        let telling = |lines: &&[String]| lines.iter().any(|line| !line.is_empty());
        let windows = self.texts.windows(ANCHOR).enumerate().rev();
        let (at, _) = windows
            .filter(|(_, lines)| telling(lines))
            .find(|(_, lines)| anchor_of(lines) == anchor)?;
        Some(self.first + at + ANCHOR + 1)
    }
}

/// The lower half of the digest; it tells lines apart and need not be longer.
#[allow(clippy::cast_possible_truncation, reason = "half of the digest is wanted")]
fn anchor_of(lines: &[String]) -> u32 {
    digest::of(lines.iter().map(String::as_str)) as u32
}

/// Lines from `from` up to `to`, both as rows of the screen and joined where they were wrapped.
struct Range {
    rows: Lines,
    text: String,
    /// By how much the pane scrolled before they were read.
    scrolled: usize,
}

/// Reads one pane's history.
struct Reader<'a> {
    pane: &'a str,
}

impl Reader<'_> {
    /// The last lines of output.
    fn last(&self, look: &Look, seen: &Observation, lines: usize) -> Result<LogPage> {
        let end = look.history + seen.content_end;
        let from = end.saturating_sub(lines);
        let range = self.range(look.history, from, end)?;
        let page = range.page(end, settled(look, seen).max(from), false);
        Ok(LogPage {
            text: within(page.text),
            ..page
        })
    }

    /// The first lines past a cursor.
    fn after(&self, look: &Look, seen: &Observation, lines: usize, cursor: Cursor) -> Result<LogPage> {
        if let Some(page) = self.page_after(look, seen, lines, cursor)? {
            return Ok(page);
        }
        match self.search(cursor)? {
            Some(moved) => match self.page_after(look, seen, lines, Cursor { line: moved, ..cursor })? {
                Some(page) => Ok(page),
                None => self.gone(look, seen, lines),
            },
            None => self.gone(look, seen, lines),
        }
    }

    /// The page at a cursor, if the lines before it are still those it remembers.
    fn page_after(&self, look: &Look, seen: &Observation, lines: usize, cursor: Cursor) -> Result<Option<LogPage>> {
        let whole = settled(look, seen);
        if cursor.line > look.history + seen.content_end {
            return Ok(None);
        }
        let end = whole.min(cursor.line + lines).max(cursor.line);
        let range = self.range(look.history, cursor.line, end)?;
        if range.scrolled > 0 || range.rows.anchor(cursor.line) != cursor.anchor {
            return Ok(None);
        }
        let page = range.page(end, end, end < whole);
        if page.text.len() > BYTES_MAX && lines > 1 {
            return self.page_after(look, seen, lines / 2, cursor);
        }
        Ok(Some(page))
    }

    /// What is answered when the place of a cursor no longer exists: the last lines.
    fn gone(&self, look: &Look, seen: &Observation, lines: usize) -> Result<LogPage> {
        Ok(self.last(look, seen, lines)?.with_gap())
    }

    /// Reads the lines from `from` up to `to`, with those before that a cursor needs, while the pane stands still.
    fn range(&self, mut history: usize, from: usize, to: usize) -> Result<Range> {
        let (started, mut tries) = (history, 0);
        loop {
            let range = self.range_once(history, from, to)?;
            tries += 1;
            if range.scrolled == 0 || tries == TRIES {
                return Ok(range);
            }
            history = history.max(started) + range.scrolled;
        }
    }

    fn range_once(&self, history: usize, from: usize, to: usize) -> Result<Range> {
        let first = from.saturating_sub(ANCHOR + 1);
        let mut commands = vec![words(&["display-message", "-p", "-t", self.pane, MANY])];
        if first < to {
            commands.push(self.capture(&[], relative(first, history), relative(to - 1, history)));
        }
        if from < to {
            commands.push(self.capture(&["-J"], relative(from, history), relative(to - 1, history)));
        }
        let output = tmux::run(tmux::command(chain(commands)))?.whole()?;
        let mut rest = output.as_slice();
        let now = header(&mut rest).ok_or_else(unreadable)?;
        let rows = take_lines(&mut rest, to.saturating_sub(first)).ok_or_else(unreadable)?;
        let scrolled = now.saturating_sub(history);
        let rows = Lines {
            first: first + scrolled,
            texts: texts(&rows),
        };
        Ok(Range {
            rows,
            text: texts(&String::from_utf8_lossy(rest)).join("\n"),
            scrolled,
        })
    }

    fn capture(&self, flags: &[&str], from: String, to: String) -> Vec<String> {
        let mut command = words(&["capture-pane", "-p"]);
        command.extend(words(flags));
        command.extend([String::from("-S"), from, String::from("-E"), to]);
        command.extend(words(&["-t", self.pane]));
        command
    }

    /// Looks for a cursor whose line is not where it was.
    fn search(&self, cursor: Cursor) -> Result<Option<usize>> {
        let from = format!("-{SEARCH}");
        let output = tmux::order(&[
            &["display-message", "-p", "-t", self.pane, MANY],
            &["capture-pane", "-p", "-S", &from, "-t", self.pane],
        ])?;
        let mut rest = output.as_slice();
        let history = header(&mut rest).ok_or_else(unreadable)?;
        let lines = Lines {
            first: history.saturating_sub(SEARCH),
            texts: texts(&String::from_utf8_lossy(rest)),
        };
        Ok(lines.search(cursor.anchor))
    }
}

impl Range {
    fn page(self, end: usize, next: usize, more: bool) -> LogPage {
        let end = end + self.scrolled;
        let line = (next + self.scrolled).min(end);
        let cursor = Cursor {
            line,
            anchor: self.rows.anchor(line),
        };
        LogPage {
            text: self.text,
            next: cursor.encode(),
            more,
            gap: false,
        }
    }
}

/// The end of the output that will not change: while an agent is busy, its last line still may.
fn settled(look: &Look, seen: &Observation) -> usize {
    let growing = usize::from(seen.state == State::Busy && seen.content_end > 0);
    look.history + seen.content_end - growing
}

/// A line's number as tmux counts: from 0 at the top of the screen, the history above it negative.
fn relative(line: usize, history: usize) -> String {
    if line >= history {
        (line - history).to_string()
    } else {
        format!("-{}", history - line)
    }
}

/// The history's length from a header of [`MANY`].
fn header(output: &mut &[u8]) -> Option<usize> {
    let (_height, history, _cursor) = (field(output)?, field(output)?, field(output)?);
    *output = output.strip_prefix(b"\n")?;
    history.parse().ok()
}

fn texts(captured: &str) -> Vec<String> {
    Screen::parse(captured, None)
        .lines
        .into_iter()
        .map(|line| line.text)
        .collect()
}

/// The last lines of a text that fit on one page.
fn within(mut text: String) -> String {
    if text.len() > BYTES_MAX {
        let from = text.ceil_char_boundary(text.len() - BYTES_MAX);
        let line = text[from..].find('\n').map_or(from, |end| from + end + 1);
        text.drain(..line);
    }
    text
}

fn unreadable() -> Error {
    Error::Failed("tmux's view of the pane could not be read".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::Backend as _;

    use super::*;
    use crate::Plugin;
    use crate::fake::Fake;

    fn lines(first: usize, count: usize) -> Lines {
        Lines {
            first,
            texts: (first..first + count).map(|number| format!("line {number}")).collect(),
        }
    }

    #[test]
    fn a_cursor_comes_back_as_it_was() {
        let cursor = Cursor { line: 12, anchor: 0xab };
        assert_eq!(Cursor::decode(&cursor.encode()).unwrap(), cursor);
        for token in ["", "x", "1", "1-", "-1-00", "1-zz", "999999999999-00"] {
            assert!(matches!(Cursor::decode(token), Err(Error::Invalid(_))), "{token}");
        }
    }

    #[test]
    fn an_anchor_is_the_same_from_any_part_of_the_output() {
        assert_eq!(lines(0, 50).anchor(20), lines(16, 10).anchor(20));
        assert_ne!(lines(0, 50).anchor(20), lines(0, 50).anchor(21));
        assert_eq!(lines(0, 50).anchor(0), lines(0, 0).anchor(0));
    }

    #[test]
    fn the_line_before_a_cursor_may_still_grow() {
        let mut grown = lines(0, 30);
        grown.texts[19].push_str(" and more");
        assert_eq!(grown.anchor(20), lines(0, 30).anchor(20));
    }

    #[test]
    fn a_cursor_is_found_where_its_lines_have_gone() {
        let anchor = lines(0, 50).anchor(20);
        let moved = Lines {
            first: 100,
            texts: lines(10, 30).texts,
        };
        assert_eq!(moved.search(anchor), Some(110));
        assert_eq!(lines(30, 20).search(anchor), None);
        let blank = Lines {
            first: 0,
            texts: vec![String::new(); 20],
        };
        assert_eq!(blank.search(blank.anchor(10)), None);
    }

    #[test]
    fn lines_are_counted_as_tmux_counts_them() {
        assert_eq!(
            (
                relative(5, 5).as_str(),
                relative(7, 5).as_str(),
                relative(2, 5).as_str()
            ),
            ("0", "2", "-3")
        );
    }

    #[test]
    fn a_text_that_is_too_long_for_a_page_loses_its_first_lines() {
        assert_eq!(within("short".to_owned()), "short");
        let line = format!("{}\n", "ä".repeat(999));
        let text = within(line.repeat(400) + "last");
        assert!(text.len() <= BYTES_MAX && text.len() > BYTES_MAX - line.len());
        assert!(text.starts_with(&line) && text.ends_with("last"));
        assert!(within("ä".repeat(BYTES_MAX)).len() <= BYTES_MAX);
    }

    fn query(view: Option<&str>, lines: u32, after: Option<&str>) -> LogQuery {
        LogQuery {
            view: view.map(str::to_owned),
            lines,
            after: after.map(str::to_owned),
        }
    }

    #[test]
    fn a_log_is_read_on_from_a_cursor_with_nothing_lost_and_nothing_doubled() {
        let fake = Fake::new();
        for number in 0..90 {
            fake.says(&format!("line {number}"));
        }
        let last = Plugin::read_log("app", query(None, 3, None)).unwrap();
        assert_eq!(last.text, "line 87\nline 88\nline 89");
        for number in 90..300 {
            fake.says(&format!("line {number}"));
        }
        let (mut after, mut read) = (last.next, Vec::new());
        loop {
            let page = Plugin::read_log("app", query(Some("scrollback"), 40, Some(&after))).unwrap();
            assert!(!page.gap);
            read.extend(page.text.lines().map(str::to_owned));
            after = page.next;
            if !page.more {
                break;
            }
        }
        let expected: Vec<_> = (90..300).map(|number| format!("line {number}")).collect();
        assert_eq!(read, expected);
        let screen = Plugin::read_log("app", query(Some("screen"), 99, None)).unwrap();
        assert!(
            screen.text.ends_with("demo agent · idle · /help for commands"),
            "{}",
            screen.text
        );
    }

    #[test]
    fn output_that_is_gone_is_a_gap() {
        let fake = Fake::new();
        fake.says("hello");
        let page = Plugin::read_log("app", query(None, 9, Some("5000-0000abcd"))).unwrap();
        assert_eq!((page.text.as_str(), page.gap), ("hello", true));
    }

    #[test]
    fn a_view_that_is_not_there_is_refused_with_those_that_are() {
        let _fake = Fake::new();
        let refused = Plugin::read_log("app", query(Some("transcript"), 9, None)).unwrap_err();
        assert!(
            refused.to_string().contains("scrollback and screen, not transcript"),
            "{refused}"
        );
    }
}
