//! Whether one pattern allows nothing that another does not: by the languages of their arguments, which are regular.

use std::collections::{BTreeMap, BTreeSet};

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};

use super::template::split_word;

/// The most bytes of one automaton. What needs more counts as different.
const LARGEST: usize = 1 << 20;
/// The most pairs of states that are looked at for two expressions.
const PAIRS: usize = 100_000;

/// What an argument may be for `@text`: no control characters except tab and newline.
const TEXT: &str = r"(?:[^\p{Cc}]|[\t\n])*";

/// All that an argument may be for `@directory`, and more.
const DIRECTORY: &str = r"/[^\p{Cc}]*";

/// Whether every argument list that `narrow` takes is one that `wide` takes, each with its words, all as written. If
/// that cannot be told, the answer is no.
pub fn covers(
    (wide, wide_words): (&[String], &BTreeMap<String, String>),
    (narrow, narrow_words): (&[String], &BTreeMap<String, String>),
) -> bool {
    let argument_covers = |(wide, narrow): (&String, &String)| match (wide.as_str(), narrow.as_str()) {
        (wide @ ("@agent" | "@directory"), narrow) => narrow == wide,
        (wide, narrow) => match (expression(wide, wide_words), expression(narrow, narrow_words)) {
            (Some(wide), Some(narrow)) => expression_covers(&wide, &narrow),
            _ => false,
        },
    };
    wide.len() == narrow.len() && wide.iter().zip(narrow).all(argument_covers)
}

/// Whether each text that `narrow` matches as a whole is one that `wide` matches as a whole. If that cannot be told,
/// the answer is no.
pub fn expression_covers(wide: &str, narrow: &str) -> bool {
    wide == narrow
        || automaton(wide)
            .zip(automaton(narrow))
            .is_some_and(|(wide, narrow)| includes(&wide, &narrow))
}

/// One argument of a pattern as an expression.
fn expression(written: &str, words: &BTreeMap<String, String>) -> Option<String> {
    match (written, split_word(written)) {
        ("@text", _) => Some(TEXT.to_owned()),
        ("@directory", _) => Some(DIRECTORY.to_owned()),
        ("@agent", _) => None,
        (literal, None) => Some(regex::escape(literal)),
        (_, Some((before, word, after))) => {
            let word = words.get(word)?;
            Some(format!("{}(?:{word}){}", regex::escape(before), regex::escape(after)))
        }
    }
}

fn automaton(expression: &str) -> Option<dense::DFA<Vec<u32>>> {
    // Alone first: "a)|(b" would be valid only inside the group, and break out of it.
    regex::Regex::new(expression).ok()?;
    let config = dense::Config::new()
        .start_kind(StartKind::Anchored)
        .match_kind(MatchKind::All)
        .dfa_size_limit(Some(LARGEST))
        .determinize_size_limit(Some(LARGEST));
    let built = dense::Builder::new()
        .configure(config)
        .build(&format!(r"\A(?:{expression})\z"));
    built.ok()
}

/// Walks both automata over the same texts and looks for one that only `narrow` takes.
fn includes(wide: &impl Automaton, narrow: &impl Automaton) -> bool {
    let start = start::Config::new().anchored(Anchored::Yes);
    let (Ok(first), Ok(second)) = (wide.start_state(&start), narrow.start_state(&start)) else {
        return false;
    };
    let (mut seen, mut open) = (BTreeSet::from([(first, second)]), vec![(first, second)]);
    while let Some((of_wide, of_narrow)) = open.pop() {
        if takes(narrow, of_narrow) && !takes(wide, of_wide) {
            return false;
        }
        for byte in u8::MIN..=u8::MAX {
            let next = (wide.next_state(of_wide, byte), narrow.next_state(of_narrow, byte));
            if wide.is_quit_state(next.0) || narrow.is_quit_state(next.1) || seen.len() > PAIRS {
                return false;
            }
            if !narrow.is_dead_state(next.1) && seen.insert(next) {
                open.push(next);
            }
        }
    }
    true
}

/// Whether a text that ends in this state is taken.
fn takes(automaton: &impl Automaton, state: StateID) -> bool {
    automaton.is_match_state(automaton.next_eoi_state(state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_covers_what_it_matches_and_no_more() {
        for (wide, narrow) in [
            ("[a-z]+", "[a-c]+"),
            ("[a-z]{1,64}", "[a-z]{1,63}"),
            ("[0-9]{1,6}", "[1-9][0-9]{0,3}"),
            ("a|b|c", "c|a"),
            ("Enter|C-c|[0-9]", "[0-9]|Enter"),
            ("(?i)enter", "ENTER|enter"),
            (".*", "x"),
            ("a*", ""),
            ("[^x]+", "[αβγ]+"),
            (TEXT, r"[a-z\n]*"),
            // If there is nothing, everything is covered.
            ("a", "[a&&b]"),
        ] {
            assert!(expression_covers(wide, narrow), "{wide} {narrow}");
            if wide != narrow {
                assert!(!expression_covers(narrow, wide), "{narrow} {wide}");
            }
        }
        for (one, other) in [
            ("a", "b"),
            ("[a-m]+", "[h-z]+"),
            ("a", "a?"),
            (".", r"\n"),
            (TEXT, r"\x1b"),
            (TEXT, r"\u{9b}"),
            // One that breaks out of its group, and ones that are invalid or too large.
            ("a)|(b", "a"),
            ("[", "a"),
            (r"\w{200}{200}", "a"),
        ] {
            assert!(!expression_covers(one, other), "{one} {other}");
        }
        assert!(expression_covers("[a-c]", "a|b|c") && expression_covers("a|b|c", "[a-c]"));
    }

    #[test]
    fn a_list_covers_another_argument_by_argument() {
        let words = |words: &[(&str, &str)]| -> BTreeMap<String, String> {
            words
                .iter()
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
                .collect()
        };
        let list = |list: &str| -> Vec<String> { list.split(' ').map(str::to_owned).collect() };
        let (wide_words, narrow_words) = (
            words(&[("name", "[a-z]+"), ("int", "[0-9]+")]),
            words(&[("name", "[a-c]+"), ("size", "[1-9]"), ("any", ".*")]),
        );
        for (wide, narrow, covered) in [
            ("kill -t <name>", "kill -t <name>", true),
            ("kill -t <name>", "kill -t abc", true),
            ("kill -t <name>", "kill -t abc1", false),
            ("show <int>", "show <size>", true),
            ("show <int>", "show <any>", false),
            ("show -n=<int>", "show -n=<size>", true),
            ("show -n=<int>", "show -m=<size>", false),
            ("send @text", "send <name>", true),
            ("send @text", "send @text", true),
            ("send <name>", "send @text", false),
            ("new -- @agent", "new -- @agent", true),
            ("new -- @text", "new -- @agent", false),
            ("new -- @agent", "new -- sh", false),
            ("clone @directory", "clone @directory", true),
            ("clone @text", "clone @directory", true),
            ("clone <name>", "clone @directory", false),
            ("clone @directory", "clone @text", false),
            ("clone @directory", "clone /srv", false),
            ("kill -t <name>", "kill -t", false),
            ("kill -t", "kill -t <name>", false),
            ("kill .", "kill x", false),
            ("kill <unknown>", "kill x", false),
        ] {
            let found = covers((&list(wide), &wide_words), (&list(narrow), &narrow_words));
            assert_eq!(found, covered, "{wide} over {narrow}");
        }
    }
}
