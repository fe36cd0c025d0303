//! The bottom block: the conversation's state, drawn for a terminal of a given size.

use std::time::Duration;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::conversation::{Activity, Conversation, Work};
use crate::dialog::Dialog;

const PLACEHOLDER: &str = "Say something, or /help";
const WIDEST_RULE: usize = 100;
const GLYPHS: [char; 3] = ['*', '+', 'x'];
const GLYPH_LASTS: u128 = 250;

/// A terminal's size in cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// One row of the block, which fits the terminal's width.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) text: String,
    /// Shown dim after the text.
    pub(crate) dim: &'static str,
}

impl Row {
    /// In cells.
    pub(crate) fn width(&self) -> usize {
        self.text.width() + self.dim.width()
    }
}

/// The rows, at most as many as the terminal has, and where the cursor stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) rows: Vec<Row>,
    pub(crate) cursor: Cursor,
}

/// A place in the block, counted from its first row and column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) row: usize,
    pub(crate) column: usize,
}

/// Draws the block for this moment.
pub(crate) fn draw(conversation: &Conversation, now: Duration, size: Size) -> Block {
    match conversation.activity() {
        Activity::Asking(dialog) => draw_dialog(dialog, size),
        Activity::Idle => draw_composer(conversation, None, "  demo agent · idle · /help for commands", size),
        Activity::Busy(work) => draw_composer(
            conversation,
            Some(working(work, now)),
            "  demo agent · esc to interrupt",
            size,
        ),
    }
}

fn working(work: &Work, now: Duration) -> String {
    let elapsed = now.saturating_sub(work.began);
    let glyph = GLYPHS[(elapsed.as_millis() / GLYPH_LASTS % GLYPHS.len() as u128) as usize];
    format!("{glyph} Working… ({}s · esc to interrupt)", elapsed.as_secs())
}

fn draw_composer(conversation: &Conversation, working: Option<String>, footer: &str, size: Size) -> Block {
    let mut rows: Vec<Row> = working.iter().map(|line| fitting(line, size)).collect();
    let frame = rows.len() + 3;
    let (hidden, view) = composer_rows(&conversation.composer().shown(), size, frame);
    rows.push(rule_over(hidden, size));
    let last = rows.len() + view.len() - 1;
    let cursor = Cursor {
        row: last,
        column: view.last().map_or(0, |row| row.text.width()).min(size.columns - 1),
    };
    rows.extend(view);
    rows.push(rule(size));
    rows.push(fitting(footer, size));
    Block { rows, cursor }
}

/// The last rows of the composer's text that fit, and how many do not. The first row carries the marker, whether or not
/// more came before.
fn composer_rows(text: &str, size: Size, frame: usize) -> (usize, Vec<Row>) {
    if text.is_empty() {
        let row = Row {
            text: "> ".to_owned(),
            dim: PLACEHOLDER,
        };
        return (0, vec![row]);
    }
    let room = size.rows.saturating_sub(frame).max(1);
    let wrapped: Vec<String> = text
        .split('\n')
        .flat_map(|line| wrap(line, size.columns.saturating_sub(2)))
        .collect();
    let hidden = wrapped.len().saturating_sub(room);
    let view = &wrapped[hidden..];
    let row = |(index, line)| Row {
        text: format!("{} {line}", if index == 0 { ">" } else { " " }),
        dim: "",
    };
    (hidden, view.iter().enumerate().map(row).collect())
}

/// A dialog that is higher than the terminal loses its top, and its first line says that.
fn draw_dialog(dialog: &Dialog, size: Size) -> Block {
    let mut rows = vec![rule(size)];
    for line in dialog.lines() {
        let indent = " ".repeat(line.prefix.width());
        let wrapped = wrap(&line.text, size.columns.saturating_sub(indent.len()));
        for (index, part) in wrapped.iter().enumerate() {
            let prefix = if index == 0 { &line.prefix } else { &indent };
            rows.push(Row {
                text: format!("{prefix}{part}").trim_end().to_owned(),
                dim: "",
            });
        }
    }
    let hidden = rows.len().saturating_sub(size.rows);
    if hidden > 0 {
        rows.drain(..=hidden);
        rows.insert(0, fitting(&format!(" ↑ {} more lines", hidden + 1), size));
    }
    let cursor = Cursor {
        row: rows.len() - 1,
        column: 0,
    };
    Block { rows, cursor }
}

fn rule(size: Size) -> Row {
    Row {
        text: "─".repeat(size.columns.min(WIDEST_RULE)),
        dim: "",
    }
}

/// The rule above a composer of which so many rows are not shown.
fn rule_over(hidden: usize, size: Size) -> Row {
    let more = format!(" ↑ {hidden} more");
    let mut row = rule(size);
    if hidden > 0 && row.text.width() > 10 + more.width() {
        row.text = "─".repeat(row.text.width() - more.width()) + &more;
    }
    row
}

fn fitting(line: &str, size: Size) -> Row {
    Row {
        text: wrap(line, size.columns).swap_remove(0),
        dim: "",
    }
}

/// Cuts a line into at least one row of at most `width` cells, or of one character if not even that fits.
fn wrap(line: &str, width: usize) -> Vec<String> {
    let mut rows = Vec::new();
    let mut row = String::new();
    let mut used = 0;
    for character in printable(line).chars() {
        let cells = character.width().unwrap_or(0);
        if used + cells > width && !row.is_empty() {
            rows.push(std::mem::take(&mut row));
            used = 0;
        }
        row.push(character);
        used += cells;
    }
    rows.push(row);
    rows
}

/// Foreign text as it may go to a terminal: a tab as four spaces, any other control character as a mark.
pub(crate) fn printable(text: &str) -> String {
    text.replace('\t', "    ").replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Key;

    const SIZE: Size = Size { columns: 40, rows: 24 };
    const START: Duration = Duration::from_secs(1);

    fn with_text(text: &str) -> Conversation {
        let mut conversation = Conversation::new(Duration::from_secs(10), None);
        text.chars()
            .for_each(|character| conversation.press(Key::Char(character), START));
        conversation
    }

    fn submitted(text: &str) -> Conversation {
        let mut conversation = with_text(text);
        conversation.press(Key::Enter, START);
        conversation
    }

    fn lines(conversation: &Conversation, now: Duration, size: Size) -> Vec<String> {
        draw(conversation, now, size)
            .rows
            .into_iter()
            .map(|row| row.text + row.dim)
            .collect()
    }

    #[test]
    fn shows_a_dim_placeholder_when_idle_and_empty() {
        let block = draw(&with_text(""), START, SIZE);
        assert_eq!(
            block.rows[1],
            Row {
                text: "> ".into(),
                dim: "Say something, or /help"
            }
        );
        assert_eq!(block.cursor, Cursor { row: 1, column: 2 });
        assert_eq!(block.rows[3].text, "  demo agent · idle · /help for commands");
    }

    #[test]
    fn counts_seconds_above_the_first_rule_while_busy() {
        let lines = lines(&submitted("x"), START + Duration::from_millis(3300), SIZE);
        assert_eq!(lines[0], "+ Working… (3s · esc to interrupt)");
        assert_eq!(lines[1], "─".repeat(40));
        assert_eq!(lines[4], "  demo agent · esc to interrupt");
    }

    #[test]
    fn shows_as_much_of_a_draft_as_fits_and_says_how_much_does_not() {
        let mut conversation = with_text("");
        for line in 1..=5 {
            conversation.press(Key::Paste(format!("{line}\n\n")), START);
        }
        let whole = lines(&conversation, START, SIZE);
        assert_eq!(
            (whole.len(), whole[0].as_str(), whole[1].as_str()),
            (14, "─".repeat(40).as_str(), "> 1")
        );
        let size = Size { columns: 40, rows: 8 };
        let cut = lines(&conversation, START, size);
        assert_eq!(cut.len(), 8);
        assert!(
            cut[0].starts_with("──────────") && cut[0].ends_with("─ ↑ 6 more"),
            "{}",
            cut[0]
        );
        assert_eq!(cut[1..6], ["> 4", "  ", "  5", "  ", "  "]);
    }

    #[test]
    fn wraps_a_long_draft_and_puts_the_cursor_at_its_end() {
        let block = draw(&with_text(&"宽".repeat(20)), START, SIZE);
        assert_eq!(block.rows[1].text, format!("> {}", "宽".repeat(19)));
        assert_eq!(block.rows[2].text, "  宽");
        assert_eq!(block.cursor, Cursor { row: 2, column: 4 });
    }

    #[test]
    fn draws_a_rule_of_at_most_a_hundred_cells() {
        let lines = lines(&with_text(""), START, Size { columns: 200, rows: 24 });
        assert_eq!(lines[0], "─".repeat(100));
    }

    #[test]
    fn wraps_a_long_command_in_a_dialog() {
        let lines = lines(&submitted(&format!("run {}", "x".repeat(50))), START, SIZE);
        assert_eq!(
            lines[3..5],
            [format!("   {}", "x".repeat(37)), format!("   {}", "x".repeat(13))]
        );
    }

    #[test]
    fn says_how_much_of_a_dialog_did_not_fit() {
        let size = Size { columns: 50, rows: 6 };
        let lines = lines(&submitted("run touch x"), START, size);
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[0], " ↑ 6 more lines");
        assert_eq!(lines[1], " > 1. Yes");
    }

    #[test]
    fn shows_control_characters_as_marks() {
        assert_eq!(
            printable("a\x1b[31m\tb\u{9b}c\n"),
            "a\u{fffd}[31m    b\u{fffd}c\u{fffd}"
        );
    }

    #[test]
    fn fits_a_tiny_terminal() {
        for (columns, rows) in [(1, 1), (2, 3), (10, 4)] {
            let size = Size { columns, rows };
            for conversation in [with_text("hello there"), submitted("run touch x"), submitted("hello")] {
                draw(&conversation, START, size);
            }
        }
    }
}
