//! Commands of an agent's own: whether the list below the composer has one, and whether the agent knew it.
//!
//! Such a list is a search: Enter on the beginning of a name runs another command, so a name must stand in it whole.

use crate::composer::after_marker;
use crate::profile::Agent;
use crate::screen::Screen;

/// What the list below a composer with a command says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// The agent knows it.
    Known,
    /// It is not in the list, in which these are.
    Others(Vec<String>),
    /// There is no list.
    None,
}

impl Agent {
    /// What the list below the composer says of `command`.
    #[must_use]
    pub fn listing(&self, screen: &Screen, command: &str) -> Listing {
        if self.profile.commands.iter().any(|known| known == command) {
            return Listing::Known;
        }
        match self.listed(screen) {
            names if names.is_empty() => Listing::None,
            names if names.iter().any(|name| name == command) => Listing::Known,
            names => Listing::Others(names),
        }
    }

    /// Whether a list of commands is open below the composer.
    #[must_use]
    pub fn lists(&self, screen: &Screen) -> bool {
        !self.listed(screen).is_empty()
    }

    /// Whether the agent said, at the end of its output, that it does not know `command`.
    #[must_use]
    pub fn says_unknown(&self, screen: &Screen, content_end: usize, command: &str) -> bool {
        let lines = screen.texts();
        let last = lines[..content_end.min(lines.len())]
            .iter()
            .rfind(|line| !line.is_empty());
        let names = |line: &&str| {
            line.split_whitespace()
                .any(|word| word.trim_end_matches(['.', ',']) == command)
        };
        last.is_some_and(|line| self.profile.unknown_command.matches(line) && names(line))
    }

    /// The names in the list below the composer.
    fn listed(&self, screen: &Screen) -> Vec<String> {
        let lines = screen.texts();
        let below = lines.iter().rposition(|line| self.profile.rule.matches(line));
        let listed = lines[below.map_or(lines.len(), |row| row + 1)..].iter();
        let shown = listed.filter(|line| self.profile.suggestion.matches(line));
        shown.flat_map(|line| self.names(line)).collect()
    }

    /// The name on a line of the list, and the other names of the same command in brackets after it.
    fn names(&self, line: &str) -> Vec<String> {
        let prefix = self.profile.command_prefix.as_deref().unwrap_or_default();
        let text = line[after_marker(&self.profile, line).unwrap_or(0)..].trim_start();
        let name = text.split_whitespace().next().unwrap_or_default();
        let more = text[name.len()..]
            .strip_prefix(" (")
            .and_then(|rest| rest.split_once(')'));
        let more = more.into_iter().flat_map(|(names, _)| names.split(", "));
        let others = more.map(|name| format!("{prefix}{}", name.trim_start_matches(prefix)));
        std::iter::once(name.to_owned()).chain(others).collect()
    }
}
