//! The entries of a menu, as they stand on the screen.

use crate::composer::after_marker;
use crate::profile::Profile;

/// The space between two columns of a menu.
const GAP: &str = "  ";

/// One line of a menu with what belongs to it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its number, or its place from 1.
    pub(crate) key: String,
    pub(crate) label: String,
    /// The lines below it that are indented.
    pub(crate) below: Vec<String>,
    pub(crate) ticked: Option<bool>,
    /// It is below a rule.
    pub(crate) apart: bool,
    /// It hands in what was ticked; it is not a choice.
    pub(crate) submits: bool,
}

/// A menu. Rows count from the beginning of its block.
#[derive(Debug)]
pub(crate) struct Menu {
    pub(crate) entries: Vec<Entry>,
    pub(crate) highlighted: usize,
    pub(crate) numbered: bool,
    /// A picture stands beside the entries; digits then only move the highlight.
    pub(crate) pictured: bool,
    pub(crate) first_row: usize,
    /// The last row with an entry; lines that belong to it may follow.
    pub(crate) last_row: usize,
    pub(crate) marked_row: usize,
    /// Its first entries are not on the screen.
    pub(crate) cut: bool,
}

impl Menu {
    pub(crate) fn read(profile: &Profile, lines: &[&str]) -> Option<Self> {
        let marked = lines.iter().rposition(|line| is_marked(profile, line))?;
        Self::numbered(profile, lines, marked).or_else(|| Self::unnumbered(profile, lines, marked))
    }

    /// Reads the last run of numbers in one column, so that a numbered list in the text above, or in a description, is not
    /// taken for choices.
    fn numbered(profile: &Profile, lines: &[&str], marked: usize) -> Option<Self> {
        let rows: Vec<_> = (0..lines.len())
            .filter_map(|row| Some((row, Row::read(profile, lines[row])?)))
            .collect();
        let anchor = rows.iter().rposition(|(row, _)| *row == marked);
        // The highlight may be on the row that hands in, or on one without a number below a rule.
        let anchor = anchor.or_else(|| {
            let above = rows.iter().rposition(|(row, _)| *row < marked)?;
            let apart = lines[rows[above].0..marked]
                .iter()
                .any(|line| profile.rule.matches(line));
            (apart || profile.submit.matches(lines[marked])).then_some(above)
        })?;
        let column = rows[anchor].1.column;
        let number = rows[anchor].1.number;
        let mut up = Vec::new();
        let mut next = number;
        for (row, read) in rows[..anchor].iter().rev().filter(|(_, read)| read.column == column) {
            if next == 1 || read.number + 1 != next {
                break;
            }
            next = read.number;
            up.push((*row, read));
        }
        let cut = next != 1;
        let mut run: Vec<_> = up.into_iter().rev().collect();
        run.push((rows[anchor].0, &rows[anchor].1));
        next = number;
        for (row, read) in rows[anchor + 1..].iter().filter(|(_, read)| read.column == column) {
            if read.number != next + 1 {
                break;
            }
            next += 1;
            run.push((*row, read));
        }
        Self::of_run(profile, lines, &run, marked, cut)
    }

    fn of_run(profile: &Profile, lines: &[&str], run: &[(usize, &Row)], marked: usize, cut: bool) -> Option<Self> {
        let (first, last) = (run.first()?.0, run.last()?.0);
        let picture = picture(&lines[first..]);
        let shown = |row: usize| picture.map_or(lines[row], |column| before(lines[row], column));
        let mut entries = Vec::new();
        let mut highlighted = None;
        for (place, (row, read)) in run.iter().enumerate() {
            let end = run.get(place + 1).map_or(lines.len(), |(row, _)| *row);
            let mut below = Vec::new();
            let mut submits = None;
            let mut apart = false;
            let deeper = read.column + if read.ticked.is_some() { 3 } else { 0 };
            for line in (row + 1..end).map(shown) {
                apart |= profile.rule.matches(line);
                if read.ticked.is_some() && profile.submit.matches(line) {
                    submits = Some(line);
                } else if line.trim().is_empty() || indent(line) <= deeper || apart || profile.cut.matches(line) {
                    continue;
                } else {
                    below.push(line.trim().to_owned());
                }
            }
            if marked >= *row && marked < end && highlighted.is_none() {
                let on_submit = submits.is_some() && profile.submit.matches(lines[marked]) && marked != *row;
                highlighted = Some(entries.len() + usize::from(on_submit));
            }
            entries.push(Entry {
                key: read.number.to_string(),
                label: match picture {
                    Some(column) => Row::read(profile, before(lines[*row], column))?.label,
                    None => read.label.clone(),
                },
                below,
                ticked: read.ticked,
                apart: *row > 0 && profile.rule.matches(lines[row - 1]),
                submits: false,
            });
            if submits.is_some() {
                entries.push(Entry {
                    key: String::new(),
                    label: "Submit".to_owned(),
                    below: Vec::new(),
                    ticked: None,
                    apart: false,
                    submits: true,
                });
            }
        }
        Some(Self {
            entries,
            highlighted: highlighted?,
            numbered: true,
            pictured: picture.is_some(),
            first_row: first,
            last_row: last,
            marked_row: marked,
            cut,
        })
    }

    /// Reads the lines around the marked one that begin in the column of its text.
    fn unnumbered(profile: &Profile, lines: &[&str], marked: usize) -> Option<Self> {
        let column = text_column(profile, lines[marked])?;
        let belongs = |line: &&&str| !profile.rule.matches(line) && text_column(profile, line) == Some(column);
        let above = lines[..marked].iter().rev().take_while(belongs).count();
        let below = lines[marked + 1..].iter().take_while(belongs).count();
        let (first, last) = (marked - above, marked + below);
        let entry = |(place, line): (usize, &&str)| Entry {
            key: (place + 1).to_string(),
            label: line.chars().skip(column).collect::<String>().trim().to_owned(),
            below: Vec::new(),
            ticked: None,
            apart: false,
            submits: false,
        };
        Some(Self {
            entries: lines[first..=last].iter().enumerate().map(entry).collect(),
            highlighted: above,
            numbered: false,
            pictured: false,
            first_row: first,
            last_row: last,
            marked_row: marked,
            cut: false,
        })
    }

    /// The row after the last that belongs to it.
    pub(crate) fn end(&self, lines: &[&str]) -> usize {
        let more = self.entries.last().map_or(0, |entry| entry.below.len());
        (self.last_row + 1 + more).min(lines.len())
    }
}

impl Entry {
    /// A label in a column of its own, and what the next column says.
    pub(crate) fn split(&mut self) {
        if let Some((label, more)) = self.label.split_once(GAP) {
            let more = more.trim().to_owned();
            self.label = label.trim_end_matches('✔').trim().to_owned();
            self.below.insert(0, more);
        }
    }

    /// A label that is wrapped is one label.
    pub(crate) fn join(&mut self) {
        for line in self.below.drain(..) {
            self.label.push(' ');
            self.label.push_str(&line);
        }
    }
}

/// A dialog indents its marker by a few columns at most.
fn is_marked(profile: &Profile, line: &str) -> bool {
    indent(line) <= 4 && after_marker(profile, line).is_some_and(|from| from < line.len())
}

pub(crate) fn indent(line: &str) -> usize {
    line.chars().take_while(|c| c.is_whitespace()).count()
}

/// The column in which the text of a menu's line begins, after a marker and after a tick.
fn text_column(profile: &Profile, line: &str) -> Option<usize> {
    let from = after_marker(profile, line).unwrap_or(line.len() - line.trim_start().len());
    let text = &line[from..];
    let tick = text.strip_prefix("✔ ").map_or(0, |_| 2);
    (!text.is_empty()).then(|| line[..from].chars().count() + tick)
}

/// The column of a box beside the entries.
fn picture(lines: &[&str]) -> Option<usize> {
    let corner = |line: &str| {
        let at = line.find('┌')?;
        line[..at].ends_with(GAP).then(|| line[..at].chars().count())
    };
    lines.first().and_then(|line| corner(line))
}

fn before(line: &str, column: usize) -> &str {
    let end = line.char_indices().nth(column).map_or(line.len(), |(at, _)| at);
    line[..end].trim_end()
}

/// A line such as ` ❯ 2. [ ] Search`.
#[derive(Debug)]
struct Row {
    column: usize,
    number: u32,
    label: String,
    ticked: Option<bool>,
}

impl Row {
    fn read(profile: &Profile, line: &str) -> Option<Self> {
        let from = after_marker(profile, line).unwrap_or(line.len() - line.trim_start().len());
        let (digits, rest) = line[from..].split_once(". ")?;
        let number = digits
            .parse()
            .ok()
            .filter(|_| digits.len() <= 2 && !digits.starts_with('+'))?;
        let (ticked, label) = tick(rest.trim_start());
        Some(Self {
            column: line[..from].chars().count(),
            number,
            label: label.trim().to_owned(),
            ticked,
        })
    }
}

fn tick(label: &str) -> (Option<bool>, &str) {
    let boxed = label.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    match boxed {
        Some((mark, rest)) if mark.chars().count() == 1 => (Some(mark != " "), rest),
        _ => (None, label),
    }
}
