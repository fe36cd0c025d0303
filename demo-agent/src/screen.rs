//! Drawing on the main screen: the transcript scrolls up above the bottom block, which is redrawn in place.

use std::fmt::Write as _;

use crate::block::{Block, Cursor, Row, Size, printable};

/// Erases this row and all below. The second step starts one column in, because tmux takes erasing from its very
/// first cell for clearing the screen and would keep a copy of the block in its history.
const ERASE_BELOW: &str = "\r\x1b[K\x1b[C\x1b[J\r";
const CLEAR: &str = "\x1b[H\x1b[2J";
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";

/// What was drawn last, and what must be printed before it is drawn next.
#[derive(Default)]
pub(crate) struct Screen {
    drawn: Option<(Block, Size)>,
    unprinted: String,
}

impl Screen {
    /// Adds a line to the transcript. Long lines are left to the terminal to wrap, so that it can join them again.
    pub(crate) fn print(&mut self, line: &str) {
        self.unprinted.push_str(&printable(line));
        self.unprinted.push_str("\r\n");
    }

    /// Empties the screen, with what was to be printed on it.
    pub(crate) fn clear(&mut self) {
        self.unprinted = CLEAR.to_owned();
    }

    /// The bytes that bring the terminal up to date; none when it is. In one piece, so that the terminal almost never
    /// shows half of it.
    pub(crate) fn frame(&mut self, block: &Block, size: Size) -> String {
        if self.unprinted.is_empty() && self.drawn.as_ref() == Some(&(block.clone(), size)) {
            return String::new();
        }
        let in_place = self.unprinted.is_empty() && self.fits_over(block, size);
        let mut frame = self.go_to_top(size);
        if !in_place {
            frame.push_str(ERASE_BELOW);
        }
        frame.push_str(&std::mem::take(&mut self.unprinted));
        draw_rows(&mut frame, &block.rows);
        place_cursor(&mut frame, block);
        self.drawn = Some((block.clone(), size));
        frame
    }

    /// Removes the block and leaves the transcript, with the cursor below it.
    pub(crate) fn leave(&mut self, size: Size) -> String {
        let top = self.go_to_top(size);
        self.drawn = None;
        format!("{top}{ERASE_BELOW}{}", std::mem::take(&mut self.unprinted))
    }

    fn fits_over(&self, block: &Block, size: Size) -> bool {
        self.drawn
            .as_ref()
            .is_some_and(|(drawn, then)| drawn.rows.len() == block.rows.len() && *then == size)
    }

    /// Moves to the first row of the last block. Terminals wrap rows again when they become narrower, so these are
    /// counted at the present width.
    fn go_to_top(&self, size: Size) -> String {
        let Some((block, _)) = &self.drawn else {
            return "\r".to_owned();
        };
        let Cursor { row, column } = block.cursor;
        let wrapped = block.rows[..row]
            .iter()
            .map(|row| row.width().div_ceil(size.columns).max(1));
        match wrapped.sum::<usize>() + column / size.columns {
            0 => "\r".to_owned(),
            above => format!("\r\x1b[{above}A"),
        }
    }
}

/// Wrapping is off in the meantime: a character to which the terminal gives another width must not cost a row.
fn draw_rows(frame: &mut String, rows: &[Row]) {
    frame.push_str(NO_WRAP);
    for (index, row) in rows.iter().enumerate() {
        frame.push_str(if index == 0 { "\x1b[K" } else { "\r\n\x1b[K" });
        frame.push_str(&row.text);
        if !row.dim.is_empty() {
            let _ = write!(frame, "\x1b[2m{}\x1b[22m", row.dim);
        }
    }
    frame.push_str(WRAP);
}

fn place_cursor(frame: &mut String, block: &Block) {
    frame.push('\r');
    let Cursor { row, column } = block.cursor;
    for (distance, direction) in [(block.rows.len() - 1 - row, 'A'), (column, 'C')] {
        if distance > 0 {
            let _ = write!(frame, "\x1b[{distance}{direction}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { columns: 20, rows: 10 };

    fn block(rows: &[&str]) -> Block {
        let row = |text: &&str| Row {
            text: (*text).to_owned(),
            dim: "",
        };
        Block {
            rows: rows.iter().map(row).collect(),
            cursor: Cursor { row: 1, column: 2 },
        }
    }

    #[test]
    fn draws_nothing_when_nothing_changed() {
        let mut screen = Screen::default();
        assert_ne!(screen.frame(&block(&["a", "b", "c"]), SIZE), "");
        assert_eq!(screen.frame(&block(&["a", "b", "c"]), SIZE), "");
        assert_ne!(screen.frame(&block(&["a", "b", "d"]), SIZE), "");
    }

    #[test]
    fn overwrites_a_block_of_the_same_height_without_erasing_first() {
        let mut screen = Screen::default();
        screen.frame(&block(&["a", "b", "c"]), SIZE);
        assert_eq!(
            screen.frame(&block(&["x", "y", "z"]), SIZE),
            "\r\x1b[1A\x1b[?7l\x1b[Kx\r\n\x1b[Ky\r\n\x1b[Kz\x1b[?7h\r\x1b[1A\x1b[2C"
        );
    }

    #[test]
    fn prints_above_the_block() {
        let mut screen = Screen::default();
        screen.frame(&block(&["a", "b"]), SIZE);
        screen.print("said\x1b[2J");
        let frame = screen.frame(&block(&["a", "b"]), SIZE);
        assert!(
            frame.starts_with("\r\x1b[1A\r\x1b[K\x1b[C\x1b[J\rsaid\u{fffd}[2J\r\n\x1b[?7l\x1b[Ka"),
            "{frame:?}"
        );
    }

    #[test]
    fn finds_its_top_when_the_terminal_became_narrower() {
        let mut screen = Screen::default();
        screen.frame(&block(&["0123456789012345678", "b", "c"]), SIZE);
        let frame = screen.frame(&block(&["x", "y", "z"]), Size { columns: 5, rows: 10 });
        assert!(frame.starts_with("\r\x1b[4A\r\x1b[K\x1b[C\x1b[J\r"), "{frame:?}");
    }

    #[test]
    fn shows_the_placeholder_dim() {
        let mut screen = Screen::default();
        let row = Row {
            text: "> ".into(),
            dim: "Say",
        };
        let block = Block {
            rows: vec![row],
            cursor: Cursor { row: 0, column: 2 },
        };
        assert!(screen.frame(&block, SIZE).contains("> \x1b[2mSay\x1b[22m"));
    }

    #[test]
    fn leaves_the_transcript_alone() {
        let mut screen = Screen::default();
        screen.frame(&block(&["a", "b"]), SIZE);
        screen.print("bye");
        assert_eq!(screen.leave(SIZE), "\r\x1b[1A\r\x1b[K\x1b[C\x1b[J\rbye\r\n");
    }
}
