//! Looking at panes: one closely, or all of them in one command.

use std::borrow::Cow;
use std::io::BufRead as _;

use berth_agents::{Line, Screen};
use berth_plugin::{Error, Result};

use crate::panes::{LOOKS, Pane, field, text};
use crate::tmux::{self, LONGEST, Trouble, chain, length, words};

/// What precedes the lines of a pane that is looked at closely.
pub const CLOSE: &str = "#{pane_dead}:#{pane_in_mode}:#{pane_height}:#{history_size}:#{cursor_y}:#{n:pane_current_command}:#{pane_current_command}";
/// What precedes the lines of each of many panes; short, because they must fit in one command.
pub const MANY: &str = "#{pane_height}:#{history_size}:#{cursor_y}:";
/// How many lines above the screen a close look reads too, to tell later where its first line was.
pub const ABOVE: usize = 4;
/// How often a list is continued after a pane that vanished while it was listed.
const ROUNDS: usize = 8;

/// A pane at one moment.
pub struct Look {
    /// Its program has ended.
    pub dead: bool,
    /// A person scrolls in it.
    pub in_mode: bool,
    /// Lines that have scrolled off the screen.
    pub history: usize,
    /// The process in front; empty in a look at many panes.
    pub process: String,
    /// Up to [`ABOVE`] lines just above the screen, in a close look.
    pub above: Vec<String>,
    /// What it shows.
    pub screen: Screen,
}

/// Looks closely at one pane.
///
/// # Errors
/// tmux fails, or what it printed cannot be read.
pub fn close(pane: &str) -> Result<Look> {
    let (mut look, above) = look(pane, ABOVE)?;
    look.above = above.into_iter().map(|line| line.text).collect();
    Ok(look)
}

/// Looks closely at one pane and at up to `above` lines above its screen, as if the screen were so much higher: a
/// composer may be.
///
/// # Errors
/// As those of [`close`].
pub fn deep(pane: &str, above: usize) -> Result<Look> {
    let (mut look, above) = look(pane, above)?;
    look.history -= above.len();
    look.screen.cursor = look.screen.cursor.map(|row| row + above.len());
    look.screen.lines.splice(..0, above);
    Ok(look)
}

/// A look and the lines above it.
fn look(pane: &str, above: usize) -> Result<(Look, Vec<Line>)> {
    let from = format!("-{above}");
    for _ in 0..LOOKS {
        let output = tmux::order(&[
            &["display-message", "-p", "-t", pane, CLOSE],
            &["capture-pane", "-p", "-e", "-S", &from, "-t", pane],
        ])?;
        if let Some(seen) = parse_close(&mut output.as_slice(), above) {
            return Ok(seen);
        }
    }
    Err(Error::Failed("tmux's view of the pane could not be read".to_owned()))
}

/// Looks at these panes, in as few commands as possible. A pane that vanishes in the meantime has no look, and costs
/// one more command, but not the others' screens.
///
/// # Errors
/// As those of [`close`].
pub fn many(panes: &[&Pane]) -> Result<Vec<Option<Look>>> {
    let mut looks: Vec<Option<Look>> = Vec::new();
    let mut vanished = 0;
    while looks.len() < panes.len() {
        let commands = fitting(&panes[looks.len()..]);
        let wanted = commands.len();
        let reply = tmux::run(tmux::command(chain(commands)))?;
        let mut output = reply.stdout.as_slice();
        let seen: Vec<_> = std::iter::from_fn(|| parse_one_of_many(&mut output))
            .take(wanted)
            .collect();
        let complete = seen.len() == wanted;
        looks.extend(seen.into_iter().map(Some));
        match reply.error {
            Some(Trouble::NoServer) => break,
            Some(Trouble::NoTarget) if !complete && vanished < ROUNDS => {
                vanished += 1;
                looks.push(None);
            }
            Some(trouble) => return Err(trouble.into()),
            None if complete => {}
            None => {
                return Err(Error::Failed("tmux's view of the panes could not be read".to_owned()));
            }
        }
    }
    looks.resize_with(panes.len(), || None);
    Ok(looks)
}

/// The commands for the first of these panes, as many as fit in one command line.
fn fitting(panes: &[&Pane]) -> Vec<Vec<String>> {
    let mut size = 0;
    let fits = |command: &Vec<String>| {
        size += length(command) + 2;
        size <= LONGEST
    };
    panes
        .iter()
        .map(|pane| one_of_many(&pane.id))
        .take_while(fits)
        .collect()
}

/// The command that looks at one of many panes, by its id or an exact target.
#[must_use]
pub fn one_of_many(pane: &str) -> Vec<String> {
    chain([
        words(&["display-message", "-p", "-t", pane, MANY]),
        words(&["capture-pane", "-p", "-S", "0", "-t", pane]),
    ])
}

/// Takes such a look off the beginning of what a chain of commands printed; nothing if it is not whole.
pub fn parse_one_of_many(output: &mut &[u8]) -> Option<Look> {
    let height = field(output)?.parse().ok()?;
    let history = field(output)?.parse().ok()?;
    let cursor = field(output)?.parse().ok()?;
    *output = output.strip_prefix(b"\n")?;
    let lines = take_lines(output, height)?;
    let screen = Screen::parse(&lines, Some(cursor));
    Some(Look {
        dead: false,
        in_mode: false,
        history,
        process: String::new(),
        above: Vec::new(),
        screen,
    })
}

fn parse_close(output: &mut &[u8], above: usize) -> Option<(Look, Vec<Line>)> {
    let dead = field(output)? == "1";
    let in_mode = !matches!(field(output)?, "0" | "");
    let height: usize = field(output)?.parse().ok()?;
    let history: usize = field(output)?.parse().ok()?;
    let cursor = field(output)?.parse().ok()?;
    let length = field(output)?.parse().ok()?;
    let process = text(output, length)?;
    *output = output.strip_prefix(b"\n")?;
    let above = above.min(history);
    let lines = take_lines(output, above + height)?;
    let mut screen = Screen::parse(&lines, Some(cursor));
    let above = screen.lines.drain(..above).collect();
    let look = Look {
        dead,
        in_mode,
        history,
        process,
        above: Vec::new(),
        screen,
    };
    Some((look, above))
}

/// The next `count` lines; a pane's own text cannot hold a new line, so that counting them is safe.
pub fn take_lines<'a>(output: &mut &'a [u8], count: usize) -> Option<Cow<'a, str>> {
    let mut rest = *output;
    for _ in 0..count {
        // A slice can always be read.
        rest.skip_until(b'\n').ok().filter(|read| *read > 0)?;
    }
    let (lines, rest) = output.split_at(output.len() - rest.len());
    *output = rest;
    (count == 0 || lines.ends_with(b"\n")).then(|| readable(lines))
}

/// Text as it is if it is valid. Checking that is faster than replacing what is not valid.
fn readable(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::testing::pane;

    #[test]
    fn lines_are_counted_so_that_a_screen_cannot_forge_the_next() {
        let mut output = "2:0:1:\n2:0:1:\nfake\n1:5:0:\ntrue\n".as_bytes();
        let first = parse_one_of_many(&mut output).unwrap();
        assert_eq!(first.screen.lines[1].text, "fake");
        let second = parse_one_of_many(&mut output).unwrap();
        assert_eq!((second.history, second.screen.lines[0].text.as_str()), (5, "true"));
        assert!(parse_one_of_many(&mut output).is_none());
    }

    #[test]
    fn lines_that_are_cut_off_are_no_lines_and_others_can_be_shown_whatever_they_hold() {
        for text in ["", "one\n", "one\ntwo"] {
            assert_eq!(take_lines(&mut text.as_bytes(), 2), None, "{text:?}");
        }
        let mut output: &[u8] = b"one\n\xfftwo\nthree\n";
        assert_eq!(take_lines(&mut output, 2).as_deref(), Some("one\n\u{fffd}two\n"));
        assert_eq!(take_lines(&mut output, 0).as_deref(), Some(""));
        assert_eq!(output, b"three\n");
    }

    #[test]
    fn a_close_look_tells_history_from_screen() {
        let mut output = "0:0:2:3:1:3:a\nb\nx\ny\nz\nfirst\nsecond\n".as_bytes();
        let (look, above) = parse_close(&mut output, ABOVE).unwrap();
        assert_eq!(look.process, "a\nb");
        let above: Vec<_> = above.into_iter().map(|line| line.text).collect();
        assert_eq!(above, ["x", "y", "z"]);
        assert_eq!(look.screen.lines[0].text, "first");
    }

    #[test]
    fn a_hundred_panes_are_looked_at_in_one_command() {
        let panes: Vec<_> = (1000..1100).map(|n| pane(&format!("%{n}"), "a", "b", "c")).collect();
        let panes: Vec<_> = panes.iter().collect();
        assert_eq!(fitting(&panes).len(), 100);
    }

    #[test]
    fn more_panes_are_split_by_size() {
        let panes: Vec<_> = (0..400).map(|n| pane(&format!("%{n}"), "a", "b", "c")).collect();
        let panes: Vec<_> = panes.iter().collect();
        assert!((100..200).contains(&fitting(&panes).len()));
    }
}
