//! What an agent that works has done so far.

use std::collections::BTreeSet;

use super::line::{Event, Line, Part, whole};

/// What is known of a request while the agent works on it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// Whether it has printed that it begins.
    pub has_begun: bool,
    /// Messages of the agent, those of its helpers not counted. None: the output is not known from its beginning.
    pub turns: Option<u64>,
    /// The last tool that it called, and with what, in one line.
    pub tool: Option<String>,
    /// What it said, one paragraph after the other.
    pub said: String,
    /// What it waits for, where that is not its own work.
    pub waits_for: Option<String>,
    /// Until when, in milliseconds.
    pub waits_until: Option<u64>,
    /// The tools that were denied.
    pub denied: Vec<String>,
    /// When it last printed something that has a time, in milliseconds.
    pub at: Option<u64>,
}

/// What the end of an output shows, `output`, which begins with its byte `start`.
#[must_use]
pub fn progress(conversation: &str, start: u64, output: &[u8]) -> Progress {
    let mut progress = Progress::default();
    let mut messages = BTreeSet::new();
    let lines = whole(start, output).filter_map(Line::read);
    for line in lines.filter(|line| line.is_of(conversation)) {
        progress.at = line.at.or(progress.at);
        if !matches!(line.event, Event::Other) {
            (progress.waits_for, progress.waits_until) = (None, None);
        }
        match line.event {
            Event::Begun => progress.has_begun = true,
            Event::Said { by_helper: true, .. } => {}
            Event::Said { message, parts, .. } => {
                messages.insert(message);
                parts.into_iter().for_each(|part| progress.part(part));
            }
            Event::Denied { tool, .. } => progress.denied.push(tool),
            Event::Retry(why) => progress.waits_for = Some(why),
            Event::Limited(until) => {
                progress.waits_for = Some("the model's usage limit is reached".to_owned());
                progress.waits_until = until;
            }
            Event::ToolsFailed(_) | Event::Result(_) | Event::Other => {}
        }
    }
    progress.turns = (start == 0).then_some(messages.len() as u64);
    progress
}

impl Progress {
    fn part(&mut self, part: Part) {
        match part {
            Part::Text(text) if self.said.is_empty() => self.said = text,
            Part::Text(text) => {
                self.said.push_str("\n\n");
                self.said.push_str(&text);
            }
            Part::Tool { name, with } if with.is_empty() => self.tool = Some(name),
            Part::Tool { name, with } => self.tool = Some(format!("{name}: {with}")),
        }
    }
}
