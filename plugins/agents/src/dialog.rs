//! Dialogs of an agent as its profile has them: known by lines that the agent itself writes, never by the text of a command
//! or the name of an option.

use serde::Deserialize;

use crate::pattern::Pattern;

/// The most lines over which a line of a dialog is wrapped on a narrow screen.
const WRAPPED: usize = 4;

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// May the agent do something?
    Permission,
    /// The agent wants to know something.
    Question,
    /// May the agent work in this folder at all, or run what the folder brings?
    Trust,
    /// Anything else.
    Other,
}

/// What taking a choice does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It allows what is asked for, this once.
    Accepts,
    /// It allows more than that, or may: use this if it is not certain.
    #[default]
    Widens,
    /// It grants nothing and stops, and nothing of it lasts.
    Declines,
    /// It is one answer of several, in the agent's own words, or it grants nothing.
    Neutral,
}

/// Which lines of a dialog ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Lead {
    /// The first one.
    Title,
    /// Those just above the choices.
    Above,
    /// The last paragraph that ends like a question.
    #[default]
    Text,
}

/// How a dialog takes words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Words {
    #[default]
    Never,
    /// A key turns a choice into a field, where the hint below says so.
    WithChoice,
    /// The last choice is a field.
    Last,
    /// The last choice before the one below a rule is a field.
    BeforeRule,
}

/// One dialog. All patterns that are set must match.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dialog {
    /// Its first line.
    #[serde(default)]
    title: Pattern,
    /// What stands just above its choices.
    #[serde(default)]
    asks: Pattern,
    /// A line below its choices, or its last line.
    #[serde(default)]
    hint: Pattern,
    pub(crate) kind: Kind,
    #[serde(default)]
    pub(crate) lead: Lead,
    #[serde(default)]
    pub(crate) words: Words,
    /// What a choice does whose label is in no table.
    #[serde(default)]
    pub(crate) otherwise: Effect,
    /// The key that closes menus ends the agent here, or accepts.
    #[serde(default)]
    pub(crate) stays: bool,
}

/// The lines of a dialog that may tell which it is.
pub(crate) struct Fixed<'a> {
    pub(crate) title: &'a str,
    /// All lines above the choices.
    pub(crate) above: &'a [&'a str],
    pub(crate) below: &'a [&'a str],
}

impl Dialog {
    pub(crate) fn patterns(&self) -> [&Pattern; 3] {
        [&self.title, &self.asks, &self.hint]
    }

    fn fits(&self, fixed: &Fixed<'_>) -> bool {
        let title = !self.title.is_set() || self.title.matches(fixed.title);
        let hint = !self.hint.is_set() || fixed.below.iter().any(|line| self.hint.matches(line.trim()));
        title && hint && (!self.asks.is_set() || endings(fixed.above).any(|(_, text)| self.asks.matches(&text)))
    }

    /// How many of the lines above the choices ask.
    pub(crate) fn asking(&self, above: &[&str]) -> Option<usize> {
        let asking = endings(above).find(|(_, text)| self.asks.matches(text));
        asking.map(|(lines, _)| lines)
    }
}

/// The dialog of which these lines are.
pub(crate) fn known<'a>(dialogs: &'a [Dialog], fixed: &Fixed<'_>) -> Option<&'a Dialog> {
    dialogs.iter().find(|dialog| dialog.fits(fixed))
}

/// The last line, the last two as one, and so on.
fn endings<'a>(lines: &'a [&'a str]) -> impl Iterator<Item = (usize, String)> {
    let paragraph = lines.iter().rev().take_while(|line| !line.is_empty()).count();
    (1..=paragraph.min(WRAPPED)).map(|count| (count, joined(&lines[lines.len() - count..])))
}

/// Lines that were wrapped, as one.
pub(crate) fn joined(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}
