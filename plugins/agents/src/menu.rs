//! Questions on a screen: menus with numbers, menus with arrows only, and those answered by a letter.

use crate::composer::after_marker;
use crate::profile::{Pattern, Profile};

/// How much of the output above a menu its fingerprint covers, in lines.
const ABOVE: usize = 6;
/// The most lines that a question answered by a letter has.
const LETTER_LINES: usize = 6;
/// The longest question that is passed on, in characters.
const QUESTION_MAX: usize = 4000;

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// May the agent do something?
    Permission,
    /// The agent wants to know something.
    Question,
    /// May the agent work in this folder at all?
    Trust,
    /// Anything else.
    Other,
}

/// How a choice is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyed {
    /// Its digit takes it at once.
    Digits,
    /// Its letter takes it at once.
    Letters,
    /// The arrows move to it, Enter takes it.
    Arrows,
}

/// What taking a choice does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It allows what is asked for, this once.
    Accepts,
    /// It allows more than that, or may: use this if it is not certain.
    Widens,
    /// It grants nothing and stops.
    Declines,
    /// It is one answer of several, in the agent's own words.
    Neutral,
}

/// One answer that a menu offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What an answer names: its digit, its letter, or its place from 1.
    pub key: String,
    /// What it says.
    pub label: String,
    /// The text below it.
    pub description: Option<String>,
    /// What taking it does.
    pub effect: Effect,
    /// Ticked or not, in a menu of several.
    pub ticked: Option<bool>,
    /// Its place in the menu, from 0, with those that are not choices of their own counted.
    pub place: usize,
}

/// A question on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// What it is about.
    pub kind: Kind,
    /// What is asked, with what it is asked about.
    pub question: String,
    /// The answers, without the one that takes text.
    pub choices: Vec<Choice>,
    /// More than one may be taken.
    pub multiple: bool,
    /// The place of the choice that takes text.
    pub text_place: Option<usize>,
    /// Part of it is not on the screen.
    pub cut: bool,
    /// How a choice is taken.
    pub keyed: Keyed,
    /// The place that is highlighted.
    pub highlighted: usize,
    /// The text of question, answers and the output above, without moving parts: two prompts with different
    /// fingerprints are different.
    pub fingerprint: String,
    /// Letters and digits of the highlighted line, with what was typed there.
    pub highlighted_text: String,
    /// The row where its block begins.
    pub(crate) first_row: usize,
}

/// A question under the last rule, with nothing below, that is answered by the letter y or n.
pub(crate) fn letters(profile: &Profile, lines: &[&str]) -> Option<Prompt> {
    let last = lines.last().filter(|line| profile.letters.matches(line))?;
    let first_row = lines.iter().rposition(|line| profile.rule.matches(line))?;
    let block = &lines[first_row + 1..];
    if block.iter().filter(|line| !line.is_empty()).count() > LETTER_LINES {
        return None;
    }
    let kind = kind(profile, block);
    let choice = |key: &str, label: &str, place| Choice {
        effect: effect(profile, kind, label),
        ..choice(key.to_owned(), label, None, place)
    };
    Some(Prompt {
        kind,
        question: question(profile, block),
        choices: vec![choice("y", "Yes", 0), choice("n", "No", 1)],
        multiple: false,
        text_place: None,
        cut: false,
        keyed: Keyed::Letters,
        highlighted: 0,
        fingerprint: fingerprint(profile, &lines[..first_row], block, &[]),
        highlighted_text: alphanumerics(last),
        first_row,
    })
}

/// A panel at the bottom of the screen that shows something and can only be closed.
pub(crate) fn panel(profile: &Profile, lines: &[&str]) -> Option<Prompt> {
    lines.last().filter(|line| profile.panel.matches(line))?;
    let first_row = lines.iter().rposition(|line| profile.rule.matches(line))?;
    let block = &lines[first_row + 1..];
    Some(Prompt {
        kind: Kind::Other,
        question: question(profile, block),
        choices: Vec::new(),
        multiple: false,
        text_place: None,
        cut: false,
        keyed: Keyed::Arrows,
        highlighted: 0,
        fingerprint: fingerprint(profile, &lines[..first_row], block, &[]),
        highlighted_text: String::new(),
        first_row,
    })
}

/// A menu at the bottom of the screen.
pub(crate) fn find(profile: &Profile, lines: &[&str]) -> Option<Prompt> {
    let marked = lines.iter().rposition(|line| is_marked(profile, line))?;
    let rule = lines[..marked].iter().rposition(|line| profile.rule.matches(line));
    let first_row = rule.unwrap_or(0);
    let menu = Menu::read(profile, lines, first_row, marked)?;
    let footed = lines.iter().rev().take(3).any(|line| profile.menu_footer.matches(line));
    let bare = rule.is_some() && menu.numbered && menu.last_row + 1 == lines.len();
    if !footed && !bare {
        return None;
    }
    let question_rows = &lines[rule.map_or(0, |row| row + 1)..menu.first_row];
    let question = question(profile, question_rows);
    let cut = menu.cut
        || rule.is_none()
        || lines[first_row..].iter().any(|line| profile.cut.matches(line))
        || is_too_long(&question);
    if menu.entries.len() < 2 && !cut {
        return None;
    }
    let above = &lines[..first_row];
    let text_place = menu
        .entries
        .iter()
        .position(|entry| profile.free_text.matches(&entry.label));
    let kind = kind(profile, &lines[first_row..]);
    Some(Prompt {
        kind,
        question,
        multiple: menu.entries.iter().any(|entry| entry.ticked.is_some()),
        text_place,
        cut,
        keyed: if menu.numbered { Keyed::Digits } else { Keyed::Arrows },
        highlighted: menu.highlighted,
        fingerprint: fingerprint(profile, above, question_rows, &menu.entries),
        highlighted_text: alphanumerics(lines[marked]),
        first_row,
        choices: menu
            .entries
            .into_iter()
            .filter(|entry| Some(entry.place) != text_place)
            .map(|entry| Choice {
                effect: effect(profile, kind, &entry.label),
                ..entry
            })
            .collect(),
    })
}

/// A dialog indents its marker by a few columns at most.
fn is_marked(profile: &Profile, line: &str) -> bool {
    line.len() - line.trim_start().len() <= 4 && after_marker(profile, line).is_some_and(|from| from < line.len())
}

fn kind(profile: &Profile, block: &[&str]) -> Kind {
    let any = |pattern: &Pattern| block.iter().any(|line| pattern.matches(line));
    if any(&profile.trust) {
        Kind::Trust
    } else if any(&profile.question) {
        Kind::Question
    } else if any(&profile.permission) {
        Kind::Permission
    } else {
        Kind::Other
    }
}

/// The labels of a question are the agent's own words, so nothing is certain about them.
fn effect(profile: &Profile, kind: Kind, label: &str) -> Effect {
    if kind == Kind::Question {
        Effect::Neutral
    } else if profile.declines.matches(label) {
        Effect::Declines
    } else if profile.accepts.matches(label) {
        Effect::Accepts
    } else {
        Effect::Widens
    }
}

/// The question as a person must see it: every line of it, except rules and blank ones.
fn question(profile: &Profile, block: &[&str]) -> String {
    let shown = block
        .iter()
        .map(|line| line.trim())
        .filter(|line| !line.is_empty() && !profile.rule.matches(line) && !is_drawn(line));
    let whole = shown.collect::<Vec<_>>().join("\n");
    match is_too_long(&whole) {
        true => whole.chars().take(QUESTION_MAX).chain("\n…".chars()).collect(),
        false => whole,
    }
}

fn is_too_long(question: &str) -> bool {
    question.chars().nth(QUESTION_MAX).is_some()
}

/// A rule of another kind, such as around the contents of a file.
fn is_drawn(line: &str) -> bool {
    line.chars().count() > 8 && line.chars().all(|c| ('\u{2500}'..='\u{257f}').contains(&c))
}

/// Covers everything that tells one question from the next. Every character of the question counts. Above it, where
/// spinners and timers move, only what stands still counts.
fn fingerprint(profile: &Profile, above: &[&str], block: &[&str], entries: &[Choice]) -> String {
    let steady = |line: &&&str| !line.is_empty() && !profile.spinner.matches(line) && !has_timer(line);
    let mut above: Vec<_> = above
        .iter()
        .rev()
        .filter(steady)
        .take(ABOVE)
        .map(|line| alphanumerics(line))
        .collect();
    above.reverse();
    let block = block.iter().map(|line| line.trim().to_owned());
    let entries = entries.iter().map(|entry| format!("{}.{}", entry.key, entry.label));
    above
        .into_iter()
        .chain(block)
        .chain(entries)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Whether a line holds something like `(3s`, which counts up while it stands.
fn has_timer(line: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric()).any(|word| {
        word.strip_suffix('s')
            .is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
    })
}

fn alphanumerics(line: &str) -> String {
    line.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// The entries of a menu as they are on the screen.
struct Menu {
    entries: Vec<Choice>,
    highlighted: usize,
    numbered: bool,
    first_row: usize,
    last_row: usize,
    /// Its first entries are not on the screen.
    cut: bool,
}

impl Menu {
    fn read(profile: &Profile, lines: &[&str], first_row: usize, marked: usize) -> Option<Self> {
        Self::numbered(profile, lines, first_row, marked)
            .or_else(|| Self::unnumbered(profile, lines, first_row, marked))
    }

    /// Reads the run of numbers in the column of the marked one, so that a numbered list in the text above, or in a
    /// description, is not taken for choices.
    fn numbered(profile: &Profile, lines: &[&str], first_row: usize, marked: usize) -> Option<Self> {
        let anchor = Numbered::read(profile, lines[marked])?;
        let (column, number) = (anchor.column, anchor.number);
        let in_column = |row: usize| {
            let read = Numbered::read(profile, lines[row]).filter(|read| read.column == column)?;
            Some((row, read))
        };
        let mut up = Vec::new();
        let mut next = number;
        for (row, read) in (first_row..marked).rev().filter_map(in_column) {
            if next == 1 || read.number + 1 != next {
                break;
            }
            next = read.number;
            up.push((row, read));
        }
        let cut = next != 1;
        let mut rows: Vec<_> = up.into_iter().rev().collect();
        let highlighted = rows.len();
        next = number;
        rows.push((marked, anchor));
        for (row, read) in (marked + 1..lines.len()).filter_map(in_column) {
            if read.number != next + 1 {
                break;
            }
            next = read.number;
            rows.push((row, read));
        }
        let (first, last) = (rows.first()?.0, rows.last()?.0);
        let ends: Vec<usize> = rows.iter().skip(1).map(|(row, _)| *row).chain([lines.len()]).collect();
        let entries = rows.iter().zip(ends).enumerate();
        let entries = entries.map(|(place, ((row, read), end))| read.choice(profile, &lines[row + 1..end], place));
        Some(Self {
            entries: entries.collect(),
            highlighted,
            numbered: true,
            first_row: first,
            last_row: last,
            cut,
        })
    }

    /// Reads the lines around the marked one that begin in the column of its text.
    fn unnumbered(profile: &Profile, lines: &[&str], first_row: usize, marked: usize) -> Option<Self> {
        let from = after_marker(profile, lines[marked])?;
        let column = lines[marked][..from].chars().count();
        let belongs = |line: &&&str| !profile.rule.matches(line) && indent(line) == column && !line.is_empty();
        let above = lines[first_row..marked].iter().rev().take_while(belongs).count();
        let below = lines[marked + 1..].iter().take_while(belongs).count();
        let (first, last) = (marked - above, marked + below);
        let entries = (first..=last).enumerate().map(|(place, row)| {
            let label = if row == marked {
                &lines[row][from..]
            } else {
                lines[row].trim_start()
            };
            choice((place + 1).to_string(), label, None, place)
        });
        Some(Self {
            entries: entries.collect(),
            highlighted: above,
            numbered: false,
            first_row: first,
            last_row: last,
            cut: false,
        })
    }
}

/// A choice whose effect is not judged yet.
fn choice(key: String, label: &str, ticked: Option<bool>, place: usize) -> Choice {
    Choice {
        key,
        label: label.trim().to_owned(),
        effect: Effect::Neutral,
        description: None,
        ticked,
        place,
    }
}

fn indent(line: &str) -> usize {
    line.chars().take_while(|c| c.is_whitespace()).count()
}

/// A line such as ` ❯ 2. [ ] Search`.
struct Numbered {
    column: usize,
    number: u32,
    label: String,
    ticked: Option<bool>,
}

impl Numbered {
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
            label: label.to_owned(),
            ticked,
        })
    }

    /// `below` are the lines up to the next choice: those indented further than the label's number describe it.
    fn choice(&self, profile: &Profile, below: &[&str], place: usize) -> Choice {
        let column = self.column + if self.ticked.is_some() { 3 } else { 0 };
        let describes = |line: &&&str| !line.is_empty() && indent(line) > column && !profile.cut.matches(line);
        let description: Vec<_> = below.iter().take_while(describes).map(|line| line.trim()).collect();
        let mut choice = choice(self.number.to_string(), &self.label, self.ticked, place);
        choice.description = (!description.is_empty()).then(|| description.join(" "));
        choice
    }
}

fn tick(label: &str) -> (Option<bool>, &str) {
    let boxed = label.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    match boxed {
        Some((mark, rest)) if mark.chars().count() == 1 => (Some(mark != " "), rest),
        _ => (None, label),
    }
}
