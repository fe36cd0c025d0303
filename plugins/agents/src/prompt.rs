//! Questions on a screen: menus with numbers, menus with arrows only, those answered by a letter, and what can only be
//! closed.

use crate::block::{Asked, Block, is_drawn};
use crate::dialog::{self, Dialog, Effect, Fixed, Kind, Words};
use crate::menu::{Entry, Menu};
use crate::profile::Profile;

/// How much of the output above a menu its fingerprint covers, in lines.
const ABOVE: usize = 6;
/// The most lines that a question answered by a letter has.
const LETTER_LINES: usize = 6;
/// The most lines of hints below a menu that is not known.
const HINTS: usize = 4;

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

/// How words are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The entry at this place takes them.
    Entry(usize),
    /// They go with a choice that grants this one request, or none; alone, with the one that declines.
    WithChoice,
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
    /// What is asked.
    pub question: String,
    /// What it is asked about, whole: the command, the diff or the plan first.
    pub detail: Option<String>,
    /// The answers, without the one that takes words.
    pub choices: Vec<Choice>,
    /// More than one may be taken.
    pub multiple: bool,
    /// How it takes words, if it does.
    pub field: Option<Field>,
    /// The place of the entry that hands in what was ticked.
    pub submit_place: Option<usize>,
    /// The key that hands in everything that was answered, if nothing else was asked.
    pub completes: Option<String>,
    /// Part of it is not on the screen, or it is not known what it does.
    pub cut: bool,
    /// It can be closed without an answer.
    pub dismissible: bool,
    /// How a choice is taken.
    pub keyed: Keyed,
    /// The place that is highlighted.
    pub highlighted: usize,
    /// The text of question, answers and the output above, without moving parts: two prompts with different
    /// fingerprints are different.
    pub fingerprint: String,
    /// What is asked, without the answers, whose labels change as one types.
    pub subject: String,
    /// What stands above it, without moving parts.
    pub above: String,
    /// Letters and digits of the highlighted line, with what was typed there.
    pub highlighted_text: String,
    /// The row where its block begins.
    pub(crate) first_row: usize,
}

/// A question under the last rule, with nothing below, that is answered by the letter y or n.
pub(crate) fn letters(profile: &Profile, lines: &[&str]) -> Option<Prompt> {
    let last = lines.last().filter(|line| profile.letters.matches(line))?;
    let block = Block::of(profile, lines);
    block.rule?;
    if block.lines.iter().filter(|line| !line.is_empty()).count() > LETTER_LINES {
        return None;
    }
    let asked = Asked::read(profile, None, block.lines);
    let choice = |key: &str, label: &str, place| Choice {
        key: key.to_owned(),
        label: label.to_owned(),
        description: None,
        // The question is in the agent's own words.
        effect: Effect::Neutral,
        ticked: None,
        place,
    };
    Some(Prompt {
        choices: vec![choice("y", "Yes", 0), choice("n", "No", 1)],
        keyed: Keyed::Letters,
        highlighted_text: alphanumerics(last),
        ..bare(profile, lines, &block, Kind::Question, asked)
    })
}

/// A dialog at the bottom of the screen. If there is a composer, the row of the rule below it is `composer`: what stands
/// further below is the operator's own status line, unless it is a dialog that is known.
pub(crate) fn find(profile: &Profile, lines: &[&str], composer: Option<usize>) -> Option<Prompt> {
    let block = Block::of(profile, lines);
    if composer.is_some_and(|below| block.rule != Some(below)) {
        return None;
    }
    let may_be_unknown = composer.is_none();
    let last = block.lines.last()?;
    let whole = block.rule.is_some();
    if may_be_unknown && profile.panel.matches(last) {
        return Some(closable(profile, lines, &block));
    }
    let Some(menu) = Menu::read(profile, block.lines).filter(|menu| menu.cut || menu.entries.len() > 1) else {
        let fixed = Fixed {
            title: block.title(),
            above: &[],
            below: std::slice::from_ref(last),
        };
        let known = whole && dialog::known(&profile.dialogs, &fixed).is_some();
        let closes = may_be_unknown && profile.menu_footer.matches(last);
        return (known || closes).then(|| closable(profile, lines, &block));
    };
    let above = &block.lines[..menu.first_row];
    let above = &above[..above.iter().rposition(|line| !line.is_empty()).map_or(0, |row| row + 1)];
    let below = &block.lines[menu.last_row + 1..];
    let fixed = Fixed {
        title: block.title(),
        above,
        below,
    };
    let known = dialog::known(&profile.dialogs, &fixed);
    if known.is_none() && !(may_be_unknown && looks_like_one(profile, &block, &menu)) {
        return None;
    }
    let asked = Asked::read(profile, known, above);
    Some(of_menu(profile, lines, &block, known, menu, asked))
}

/// Whether a menu of no known dialog is one.
fn looks_like_one(profile: &Profile, block: &Block<'_>, menu: &Menu) -> bool {
    let below = &block.lines[menu.end(block.lines)..];
    let hints = below.iter().filter(|line| !line.is_empty()).count();
    let footed = block
        .lines
        .iter()
        .rev()
        .take(3)
        .any(|line| profile.menu_footer.matches(line));
    footed || (block.rule.is_some() && menu.numbered && hints <= HINTS)
}

fn of_menu(
    profile: &Profile,
    lines: &[&str],
    block: &Block<'_>,
    known: Option<&Dialog>,
    mut menu: Menu,
    asked: Asked,
) -> Prompt {
    let kind = known.map_or(Kind::Other, |dialog| dialog.kind);
    for entry in &mut menu.entries {
        match kind {
            Kind::Question => {}
            Kind::Other => entry.split(),
            Kind::Permission | Kind::Trust => entry.join(),
        }
    }
    let field = field(profile, block, known, &menu);
    let effect = |label: &str| effect(profile, known, label);
    let completes = menu.entries.first().filter(|entry| {
        kind == Kind::Question && profile.completes.matches(&entry.label) && profile.only_one.matches(block.title())
    });
    let scrolled = block.lines.iter().any(|line| profile.cut.matches(line));
    let cut = menu.cut || known.is_none() || block.rule.is_none() || scrolled || asked.cut;
    let base = bare(profile, lines, block, kind, asked);
    let labels = menu
        .entries
        .iter()
        .map(|entry| format!("{}.{}", entry.key, entry.label));
    let fingerprint = std::iter::once(base.fingerprint.clone())
        .chain(labels)
        .collect::<Vec<_>>()
        .join("\n");
    let is_choice = |place: &usize, entry: &Entry| Some(Field::Entry(*place)) != field && !entry.submits;
    Prompt {
        multiple: menu.entries.iter().any(|entry| entry.ticked.is_some()),
        submit_place: menu.entries.iter().position(|entry| entry.submits),
        completes: completes.map(|entry| entry.key.clone()),
        field,
        cut,
        dismissible: base.dismissible && !known.is_some_and(|dialog| dialog.stays),
        keyed: if menu.numbered && !menu.pictured {
            Keyed::Digits
        } else {
            Keyed::Arrows
        },
        highlighted: menu.highlighted,
        highlighted_text: alphanumerics(block.lines[menu.marked_row]),
        fingerprint,
        choices: menu
            .entries
            .into_iter()
            .enumerate()
            .filter(|(place, entry)| is_choice(place, entry))
            .map(|(place, entry)| Choice {
                effect: effect(&entry.label),
                description: (!entry.below.is_empty()).then(|| entry.below.join(" ")),
                key: entry.key,
                label: entry.label,
                ticked: entry.ticked,
                place,
            })
            .collect(),
        ..base
    }
}

/// What a choice with this label does. What lasts is never declining, and the labels of a question are in the words of
/// whoever asks, so nothing is certain about them.
fn effect(profile: &Profile, known: Option<&Dialog>, label: &str) -> Effect {
    if known.is_some_and(|dialog| dialog.kind == Kind::Question) {
        Effect::Neutral
    } else if profile.accepts.matches(label) {
        Effect::Accepts
    } else if profile.declines.matches(label) && !profile.lasts.matches(label) {
        Effect::Declines
    } else {
        known.map_or(Effect::Widens, |dialog| dialog.otherwise)
    }
}

/// How the dialog takes words. Where one of its entries does, it is known by its place, because its label is what was
/// typed, and another's may look like it.
fn field(profile: &Profile, block: &Block<'_>, known: Option<&Dialog>, menu: &Menu) -> Option<Field> {
    match known?.words {
        Words::Never => None,
        Words::WithChoice => {
            let hinted = block.lines.last().is_some_and(|line| profile.amends.matches(line));
            hinted.then_some(Field::WithChoice)
        }
        Words::Last => menu.entries.len().checked_sub(1).map(Field::Entry),
        Words::BeforeRule => {
            let apart = menu.entries.iter().rposition(|entry| entry.apart)?;
            let before = menu.entries[..apart].iter().rposition(|entry| !entry.submits);
            before.filter(|_| !menu.pictured).map(Field::Entry)
        }
    }
}

/// What shows something and can only be closed. Its beginning may be above the screen.
fn closable(profile: &Profile, lines: &[&str], block: &Block<'_>) -> Prompt {
    let first = block.lines.iter().position(|line| !line.is_empty()).unwrap_or(0);
    let rest = block.lines[first + 1..]
        .iter()
        .map(|line| line.trim())
        .filter(|line| !line.is_empty());
    let rest: Vec<_> = rest
        .filter(|line| !profile.rule.matches(line) && !is_drawn(line))
        .collect();
    let asked = Asked {
        question: block.title().to_owned(),
        detail: (!rest.is_empty()).then(|| rest.join("\n")),
        cut: block.rule.is_none(),
    };
    bare(profile, lines, block, Kind::Other, asked)
}

/// A prompt without choices.
fn bare(profile: &Profile, lines: &[&str], block: &Block<'_>, kind: Kind, asked: Asked) -> Prompt {
    let above = above(profile, &lines[..block.first_row()]);
    let subject = [Some(&asked.question), asked.detail.as_ref()];
    let subject = subject.into_iter().flatten().cloned().collect::<Vec<_>>().join("\n");
    Prompt {
        kind,
        question: asked.question,
        detail: asked.detail,
        choices: Vec::new(),
        multiple: false,
        field: None,
        submit_place: None,
        completes: None,
        cut: asked.cut,
        dismissible: profile.dismiss.is_some(),
        keyed: Keyed::Arrows,
        highlighted: 0,
        fingerprint: format!("{above}\n{subject}"),
        subject,
        above,
        highlighted_text: String::new(),
        first_row: block.first_row(),
    }
}

/// The output above a question, where spinners and timers move: only what stands still counts.
fn above(profile: &Profile, lines: &[&str]) -> String {
    let steady = |line: &&&str| !line.is_empty() && !profile.spinner.matches(line) && !has_timer(line);
    let lines = lines.iter().rev().filter(steady).take(ABOVE);
    let mut lines: Vec<_> = lines.map(|line| alphanumerics(line)).collect();
    lines.reverse();
    lines.join("\n")
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
