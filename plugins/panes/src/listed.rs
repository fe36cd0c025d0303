//! All panes, and the screens of those that are expected, by one command.

use crate::look::{Look, one_of_many, parse_one_of_many};
use crate::panes::{self, Pane};
use crate::tmux::{LONGEST, chain, length};

/// What tmux's own arguments before such a command may take, in bytes.
const BEFORE: usize = 1000;

/// What was listed, and the screens that were looked at, each by what was expected.
pub struct Listed<'a> {
    /// All panes.
    pub panes: Vec<Pane>,
    /// Those of the first that were expected: a chain ends where something is not there.
    pub looks: Vec<(&'a str, Look)>,
}

/// Lists what there is, and looks at what is expected, by ids or exact targets, as far as it fits.
#[must_use]
pub fn command(expected: &[String]) -> Vec<String> {
    let mut size = BEFORE;
    let looks = expected.iter().map(|pane| one_of_many(pane));
    let fitting = looks.take_while(|look| {
        size += length(look) + 2;
        size < LONGEST
    });
    chain(std::iter::once(panes::listing()).chain(fitting))
}

/// What that printed; nothing if the list is inconsistent.
#[must_use]
pub fn parse<'a>(expected: &'a [String], mut output: &[u8]) -> Option<Listed<'a>> {
    let panes = panes::take(&mut output)?;
    let looks = expected
        .iter()
        .map_while(|pane| Some((pane.as_str(), parse_one_of_many(&mut output)?)));
    let looks = looks.collect();
    Some(Listed { panes, looks })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::testing::row;

    #[test]
    fn a_hundred_panes_are_listed_and_looked_at_in_one_command() {
        let expected: Vec<String> = (10_000..10_100).map(|number| format!("%{number}")).collect();
        let command = command(&expected);
        assert_eq!(command.iter().filter(|word| *word == "capture-pane").count(), 100);
        assert!(length(&command) < LONGEST);
    }

    #[test]
    fn what_comes_after_the_first_that_is_gone_was_not_looked_at() {
        let expected = ["%1", "%2", "%3"].map(str::to_owned);
        let output = row("%1", "a", "toy", "toy", "/p") + &row("%3", "c", "toy", "toy", "/p") + "1:0:0:\nhello\n";
        let listed = parse(&expected, output.as_bytes()).unwrap();
        assert_eq!(listed.panes.len(), 2);
        let looks = listed
            .looks
            .iter()
            .map(|(pane, look)| (*pane, look.screen.lines[0].text.as_str()));
        assert_eq!(looks.collect::<Vec<_>>(), [("%1", "hello")]);
        assert!(parse(&expected, b"%1:x\n").is_none());
    }
}
