//! The block at the bottom of a screen, and the texts in it.

use crate::dialog::{Dialog, Lead, joined};
use crate::profile::Profile;

/// The longest text about which something is asked that is passed on, in characters.
const DETAIL_MAX: usize = 4000;

/// The lines below the last rule. A dialog may have a rule within: its upper part then belongs to the block as well.
pub(crate) struct Block<'a> {
    pub(crate) lines: &'a [&'a str],
    /// The row of the rule above it, if that is on the screen.
    pub(crate) rule: Option<usize>,
}

impl<'a> Block<'a> {
    pub(crate) fn of(profile: &Profile, lines: &'a [&'a str]) -> Self {
        let filled = |line: &&str| !line.is_empty() && !profile.rule.matches(line);
        // Below a dialog there may be a rule that bears the session's name.
        let end = lines.iter().rposition(filled).map_or(0, |row| row + 1);
        let goes_on = |row: &usize| {
            let next = lines[row + 1..end].iter().find(|line| !line.is_empty());
            next.is_some_and(|line| profile.goes_on.matches(line))
        };
        let mut rules = (0..end).rev().filter(|row| profile.rule.matches(lines[*row]));
        let rule = rules.find(|row| !goes_on(row));
        Self {
            lines: &lines[rule.map_or(0, |row| row + 1)..end],
            rule,
        }
    }

    /// Where it begins on the screen.
    pub(crate) fn first_row(&self) -> usize {
        self.rule.unwrap_or(0)
    }

    pub(crate) fn title(&self) -> &'a str {
        self.lines
            .iter()
            .find(|line| !line.is_empty())
            .map_or("", |line| line.trim())
    }
}

/// What a dialog asks, and all it asks about.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) question: String,
    pub(crate) detail: Option<String>,
    /// It is longer than what is passed on.
    pub(crate) cut: bool,
}

impl Asked {
    /// Reads the lines above the choices.
    pub(crate) fn read(profile: &Profile, dialog: Option<&Dialog>, above: &[&str]) -> Self {
        let above = without_header(profile, above);
        let asking = match dialog.map_or(Lead::Text, |dialog| dialog.lead) {
            Lead::Title => first_paragraph_line(above),
            Lead::Above => dialog.and_then(|dialog| {
                let count = dialog.asking(trimmed(above))?;
                Some((trimmed(above).len() - count, trimmed(above).len()))
            }),
            Lead::Text => None,
        };
        let (from, to) = asking.unwrap_or_else(|| asking_paragraph(above));
        let question = joined(&above[from..to]);
        let detail = detail(profile, &above[..from], &above[to..]);
        let cut = detail.chars().nth(DETAIL_MAX).is_some();
        let detail = match cut {
            true => detail.chars().take(DETAIL_MAX).chain("\n…".chars()).collect(),
            false => detail,
        };
        Self {
            question,
            detail: (!detail.is_empty()).then_some(detail),
            cut,
        }
    }
}

/// The names of several questions, of which one is asked at a time.
fn without_header<'a>(profile: &Profile, above: &'a [&'a str]) -> &'a [&'a str] {
    let first = above.iter().position(|line| !line.is_empty()).unwrap_or(0);
    let header = above.get(first).is_some_and(|line| profile.header.matches(line));
    &above[first + usize::from(header)..]
}

fn trimmed<'a>(lines: &'a [&'a str]) -> &'a [&'a str] {
    let end = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |row| row + 1);
    &lines[..end]
}

fn first_paragraph_line(lines: &[&str]) -> Option<(usize, usize)> {
    let first = lines.iter().position(|line| !line.is_empty())?;
    Some((first, first + 1))
}

/// The last paragraph with a question, otherwise the last of all.
fn asking_paragraph(lines: &[&str]) -> (usize, usize) {
    let asks = |row: &usize| lines[*row].contains('?');
    let row = (0..lines.len()).rev().find(asks);
    let Some(row) = row.or_else(|| trimmed(lines).len().checked_sub(1)) else {
        return (0, 0);
    };
    let apart = |line: &&str| line.is_empty() || is_drawn(line);
    let from = lines[..row].iter().rposition(apart).map_or(0, |row| row + 1);
    let to = lines[row..]
        .iter()
        .position(apart)
        .map_or(lines.len(), |more| row + more);
    (from, to)
}

/// The command, the diff or the plan first, which stands between two drawn lines, and then everything else.
fn detail(profile: &Profile, before: &[&str], after: &[&str]) -> String {
    let drawn = |row: &usize| is_drawn(before[*row]) && !profile.rule.matches(before[*row]);
    let drawn: Vec<_> = (0..before.len()).filter(drawn).collect();
    let (body, around) = match drawn.as_slice() {
        [first, .., last] => (
            &before[first + 1..*last],
            [&before[..*first], &before[last + 1..], after],
        ),
        // Its beginning has scrolled off.
        [last] => (&before[..*last], [&[][..], &before[last + 1..], after]),
        [] => (&[][..], [before, &[][..], after]),
    };
    let mut lines = body_lines(body);
    for part in around {
        lines.extend(without_furniture(profile, part));
    }
    lines.join("\n")
}

/// The lines as they are, but for the space and the line at their left.
fn body_lines(body: &[&str]) -> Vec<String> {
    let body = trimmed(body);
    let filled = || body.iter().filter(|line| !line.is_empty());
    let margin = filled()
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or(0);
    let lines: Vec<&str> = body.iter().map(|line| line.get(margin..).unwrap_or("")).collect();
    let barred = lines.iter().all(|line| line.is_empty() || line.starts_with('│'));
    let shown = lines
        .iter()
        .map(|line| match line.strip_prefix('│').filter(|_| barred) {
            Some(rest) => rest.strip_prefix(' ').unwrap_or(rest),
            None => line,
        });
    shown.map(str::to_owned).collect()
}

/// Without what only advertises or explains the agent, also where that is wrapped.
fn without_furniture(profile: &Profile, lines: &[&str]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut row = 0;
    while row < lines.len() {
        let longest = (lines.len() - row).min(4);
        if let Some(count) = (1..=longest).find(|count| profile.furniture.matches(&joined(&lines[row..row + count]))) {
            row += count;
            continue;
        }
        let line = lines[row].trim();
        let line = line.strip_prefix("│ ").unwrap_or(line);
        if !line.is_empty() && !is_drawn(line) && !profile.cut.matches(line) {
            kept.push(line.to_owned());
        }
        row += 1;
    }
    kept
}

/// A rule of another kind, such as around the contents of a file.
pub(crate) fn is_drawn(line: &str) -> bool {
    let line = line.trim();
    line.chars().count() > 8 && line.chars().all(|c| ('\u{2500}'..='\u{257f}').contains(&c))
}
