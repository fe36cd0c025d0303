//! Reading a pane's output: its screen, or the scrollback with a cursor that survives scrolling.

use berth_agents::Screen;
use berth_plugin::{Error, LogPage, LogQuery, Result};

use crate::digest;
use crate::look::{Look, MANY, take_lines};
use crate::panes::field;
use crate::tmux::{self, chain, words};

/// The views that this reads.
pub const SCROLLBACK: &str = "scrollback";
/// What the screen shows now.
pub const SCREEN: &str = "screen";
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

/// What of a screen is output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// How many rows of the screen, from its top.
    pub end: usize,
    /// Whether the last of them may still change.
    pub grows: bool,
}

impl Shown {
    /// All down to the last row that shows something.
    #[must_use]
    pub fn whole(screen: &Screen) -> Self {
        let last = screen.lines.iter().rposition(|line| !line.text.is_empty());
        Self {
            end: last.map_or(0, |row| row + 1),
            grows: false,
        }
    }
}

/// Reads a page of this pane, which has just been looked at closely, in the view that the query names or otherwise in
/// `usual`.
///
/// # Errors
/// The view or the cursor is not one of these, or tmux fails.
pub fn read(pane: &str, look: &Look, shown: Shown, query: &LogQuery, usual: &str) -> Result<LogPage> {
    let lines = query.lines.clamp(1, LINES_MAX) as usize;
    let pane = Reader { pane };
    match query.view.as_deref().unwrap_or(usual) {
        SCREEN => Ok(screen_page(look, shown, lines)),
        SCROLLBACK => match &query.after {
            None => pane.last(look, shown, lines),
            Some(token) => pane.after(look, shown, lines, Cursor::decode(token)?),
        },
        other => Err(Error::Invalid(format!(
            "this backend has the views {SCROLLBACK} and {SCREEN}, not {other}"
        ))),
    }
}

/// The cursor at the end of a pane's output.
#[must_use]
pub fn end_cursor(look: &Look, shown: Shown) -> String {
    let line = look.history + shown.end;
    let known = Lines::of_look(look);
    Cursor {
        line,
        anchor: known.anchor(line),
    }
    .encode()
}

fn screen_page(look: &Look, shown: Shown, lines: usize) -> LogPage {
    let texts: Vec<_> = look.screen.lines.iter().map(|line| line.text.as_str()).collect();
    let end = texts.iter().rposition(|text| !text.is_empty()).map_or(0, |row| row + 1);
    LogPage {
        text: within(texts[end.saturating_sub(lines)..end].join("\n")),
        next: end_cursor(look, shown),
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
    fn last(&self, look: &Look, shown: Shown, lines: usize) -> Result<LogPage> {
        let end = look.history + shown.end;
        let from = end.saturating_sub(lines);
        let range = self.range(look.history, from, end)?;
        let page = range.page(end, settled(look, shown).max(from), false);
        Ok(LogPage {
            text: within(page.text),
            ..page
        })
    }

    /// The first lines past a cursor.
    fn after(&self, look: &Look, shown: Shown, lines: usize, cursor: Cursor) -> Result<LogPage> {
        if let Some(page) = self.page_after(look, shown, lines, cursor)? {
            return Ok(page);
        }
        match self.search(cursor)? {
            Some(moved) => match self.page_after(look, shown, lines, Cursor { line: moved, ..cursor })? {
                Some(page) => Ok(page),
                None => self.gone(look, shown, lines),
            },
            None => self.gone(look, shown, lines),
        }
    }

    /// The page at a cursor, if the lines before it are still those it remembers.
    fn page_after(&self, look: &Look, shown: Shown, lines: usize, cursor: Cursor) -> Result<Option<LogPage>> {
        let whole = settled(look, shown);
        if cursor.line > look.history + shown.end {
            return Ok(None);
        }
        let end = whole.min(cursor.line + lines).max(cursor.line);
        let range = self.range(look.history, cursor.line, end)?;
        if range.scrolled > 0 || range.rows.anchor(cursor.line) != cursor.anchor {
            return Ok(None);
        }
        let page = range.page(end, end, end < whole);
        if page.text.len() > BYTES_MAX && lines > 1 {
            return self.page_after(look, shown, lines / 2, cursor);
        }
        Ok(Some(page))
    }

    /// What is answered when the place of a cursor no longer exists: the last lines.
    fn gone(&self, look: &Look, shown: Shown, lines: usize) -> Result<LogPage> {
        Ok(self.last(look, shown, lines)?.with_gap())
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
fn settled(look: &Look, shown: Shown) -> usize {
    let growing = usize::from(shown.grows && shown.end > 0);
    look.history + shown.end - growing
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
    use super::*;

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
}
