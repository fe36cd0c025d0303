//! What a session's screen shows, as text without the terminal's line breaks.

use berth_panes::look::Look;

use crate::hosts::Seen;

/// The rows of a screen, those joined that the terminal wrapped: they are as wide as it is.
pub(crate) fn lines(seen: &Seen) -> Vec<String> {
    let Some(look) = &seen.look else {
        return Vec::new();
    };
    joined(look, seen.pane.columns as usize)
}

fn joined(look: &Look, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut is_full = false;
    for row in &look.screen.lines {
        match lines.last_mut().filter(|_| is_full) {
            Some(line) => line.push_str(&row.text),
            None => lines.push(row.text.clone()),
        }
        is_full = row.text.chars().count() >= columns;
    }
    lines.retain(|line| !line.trim().is_empty());
    lines
}

#[cfg(test)]
mod tests {
    use berth_panes::testing::look;

    use super::*;

    #[test]
    fn what_the_terminal_wrapped_is_one_line() {
        assert_eq!(joined(&look("abcd\nefgh\nij\n\nkl"), 4), ["abcdefghij", "kl"]);
        assert_eq!(joined(&look("abc\nde"), 4), ["abc", "de"]);
    }
}
