//! What a screen says: state, open question, composer, and where the agent's output ends.
//!
//! Only the block at the bottom is judged, so that an agent's own output never counts as a sign.

use crate::attention::{self, Attention};
use crate::composer::{self, Composer};
use crate::profile::{Agent, Layout, Unrecognised};
use crate::prompt::{self, Prompt};
use crate::screen::Screen;

/// How far above the composer a spinner may stand: a list of tasks can lie between.
const STATUS_LINES: usize = 40;

/// How many of its last lines an agent that ends may print after its leave.
const LEAVE_LINES: usize = 8;

/// What an agent is doing, as far as its screen shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// At work.
    Busy,
    /// Waits for a message.
    Idle,
    /// Waits for an answer.
    Waiting,
    /// The screen shows none of the known signs.
    Unknown,
}

/// What one screen says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// What the agent is doing.
    pub state: State,
    /// The question it waits at; always there when `state` is waiting.
    pub prompt: Option<Prompt>,
    /// Where messages are typed, if it is on the screen.
    pub composer: Option<Composer>,
    /// The row after the last line of the agent's output: status, composer and dialog are below it.
    pub content_end: usize,
    /// One line about what it is doing.
    pub summary: Option<String>,
    /// What works in the background while the composer takes text: then idle does not mean done.
    pub background: Option<String>,
    /// Why a person should look although no question is open.
    pub attention: Option<Attention>,
    /// The upper part of the composer is above the screen, so nothing is known of it: more lines must be looked at.
    pub beheaded: bool,
}

/// What is said there of a key, which is for whoever sits at the terminal.
const KEYS: [&str; 2] = [" · esc to interrupt", "esc to interrupt · "];

impl Agent {
    /// Judges a screen.
    #[must_use]
    pub fn observe(&self, screen: &Screen) -> Observation {
        match self.profile.layout {
            Layout::Boxed => self.observe_boxed(screen),
            Layout::Line => self.observe_line(screen),
        }
    }

    /// What the agent said last, as far as the screen shows it: the first paragraph of that.
    #[must_use]
    pub fn said(&self, screen: &Screen, seen: &Observation) -> Option<String> {
        let lines = screen.texts();
        attention::said(&self.profile, &lines[..seen.content_end.min(lines.len())])
    }

    /// Whether the last lines of an agent that has ended say that it was asked to.
    #[must_use]
    pub fn has_taken_leave(&self, screen: &Screen) -> bool {
        let lines = screen.texts();
        let mut last = lines.iter().rev().take(LEAVE_LINES);
        last.any(|line| self.profile.leave.matches(line))
    }

    fn observe_boxed(&self, screen: &Screen) -> Observation {
        let lines = screen.texts();
        if let Some(prompt) = prompt::letters(&self.profile, &lines) {
            return self.waiting(&lines, prompt);
        }
        let composer = composer::boxed(&self.profile, screen, &lines);
        let below = composer.as_ref().map(|found| found.below);
        match (prompt::find(&self.profile, &lines, below), composer) {
            (Some(prompt), _) => self.waiting(&lines, prompt),
            (None, Some(found)) => self.at_composer(&lines, found),
            (None, None) => {
                let composer = composer::beheaded(&self.profile, screen, &lines);
                let beheaded = composer.is_some();
                Observation {
                    beheaded,
                    ..self.unrecognised(&lines, composer)
                }
            }
        }
    }

    fn at_composer(&self, lines: &[&str], found: composer::Found) -> Observation {
        let footer = &lines[found.below + 1..];
        let spinner = self.spinner(&lines[..found.above]);
        let busy = spinner.is_some() || footer.iter().any(|line| self.profile.busy_footer.matches(line));
        // A list of commands stands in the place of the footer.
        let command = self.profile.is_command(&found.composer.text);
        let listed = command && footer.iter().any(|line| self.profile.suggestion.matches(line));
        let idle = !self.profile.idle_footer.is_set()
            || listed
            || footer.iter().any(|line| self.profile.idle_footer.matches(line));
        let state = match (busy, idle) {
            (true, _) => State::Busy,
            (false, true) => State::Idle,
            (false, false) => State::Unknown,
        };
        let content = &lines[..spinner.unwrap_or(found.above)];
        let background = attention::background(&self.profile, content, footer);
        Observation {
            state,
            prompt: None,
            composer: Some(found.composer),
            content_end: self.content_end(content),
            summary: spinner.map(|row| at_work(lines[row])),
            attention: match state {
                State::Idle => attention::of(&self.profile, content, footer, background.as_deref()),
                _ => None,
            },
            background,
            beheaded: false,
        }
    }

    /// The row of the spinner above a composer. What an agent says is indented, so the first line that is not indented
    /// is either the spinner or the beginning of its last output.
    fn spinner(&self, above: &[&str]) -> Option<usize> {
        let row = above
            .iter()
            .rposition(|line| !line.is_empty() && !line.starts_with(char::is_whitespace))?;
        let lines: Vec<_> = above[row..]
            .iter()
            .take_while(|line| !line.is_empty())
            .map(|line| line.trim())
            .collect();
        // On a narrow terminal it has several lines.
        let spins = self.profile.spinner.matches(above[row]) || self.profile.spinner.matches(&lines.join(" "));
        (above.len() - row <= STATUS_LINES && spins).then_some(row)
    }

    fn content_end(&self, above: &[&str]) -> usize {
        let content = |line: &&str| !line.is_empty() && !self.profile.chrome.matches(line);
        above.iter().rposition(content).map_or(0, |row| row + 1)
    }

    fn waiting(&self, lines: &[&str], prompt: Prompt) -> Observation {
        Observation {
            state: State::Waiting,
            content_end: self.content_end(&lines[..prompt.first_row]),
            summary: Some(prompt.question.clone()),
            composer: None,
            prompt: Some(prompt),
            background: None,
            attention: None,
            beheaded: false,
        }
    }

    fn observe_line(&self, screen: &Screen) -> Observation {
        let lines = screen.texts();
        let row = screen.cursor.unwrap_or(lines.len().saturating_sub(1));
        let Some(composer) = lines.get(row).and_then(|line| composer::line(&self.profile, line)) else {
            return self.unrecognised(&lines, None);
        };
        if !composer.is_empty() {
            return self.unrecognised(&lines, Some(composer));
        }
        Observation {
            state: State::Idle,
            prompt: None,
            composer: Some(composer),
            content_end: self.content_end(&lines[..row]),
            summary: None,
            background: None,
            attention: None,
            beheaded: false,
        }
    }

    fn unrecognised(&self, lines: &[&str], composer: Option<Composer>) -> Observation {
        let state = match self.profile.unrecognised {
            Unrecognised::Unknown => State::Unknown,
            Unrecognised::Busy => State::Busy,
        };
        Observation {
            state,
            prompt: None,
            composer,
            content_end: lines.len(),
            summary: None,
            background: None,
            attention: None,
            beheaded: false,
        }
    }
}

/// What a line says that stands for work, without its moving sign and the key that interrupts it.
fn at_work(line: &str) -> String {
    let sign = line.split_once(' ').filter(|(sign, _)| sign.chars().count() == 1);
    let words = sign.map_or(line, |(_, words)| words);
    KEYS.iter().fold(words.to_owned(), |words, key| words.replace(key, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_work_has_no_moving_sign_and_no_key() {
        for (line, said) in [
            ("* Working… (3s · esc to interrupt)", "Working… (3s)"),
            ("x Working… (6s · esc to interrupt)", "Working… (6s)"),
            ("✽ Twisting… (0s · ↓ 1 tokens)", "Twisting… (0s · ↓ 1 tokens)"),
            (
                "✻ Brewing… (esc to interrupt · ctrl+t to hide)",
                "Brewing… (ctrl+t to hide)",
            ),
            ("✢ Waiting", "Waiting"),
        ] {
            assert_eq!(at_work(line), said);
        }
    }
}
