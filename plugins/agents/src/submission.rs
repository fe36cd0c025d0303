//! How a message becomes what is pasted: cleaned, refused where it would do something else, cut into parts.

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use crate::Refusal;
use crate::profile::Agent;

/// The tab stops of an agent's editor.
const TAB: &str = "    ";
/// How far before the end of a part a blank is looked for to cut it at, in characters.
const CUT_WITHIN: usize = 80;

/// A text ready to be pasted; Enter follows after a pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// As the agent's editor will hold it.
    pub text: String,
    /// Texts that go with it, each to be pasted whole on a line of its own: see [`Agent::enclose`].
    pub pastes: Vec<String>,
    /// What [`crate::Composer::shows`] of it all.
    pub shown: String,
    /// The command of the agent's own that it begins with, which must be one that the agent knows: anything else with
    /// that beginning may run another.
    pub command: Option<String>,
    /// What was changed about it, as sentences for the caller.
    pub notes: Vec<String>,
}

impl Agent {
    /// Prepares a message.
    ///
    /// # Errors
    /// The text is empty, or the agent would take it for something other than a message.
    pub fn submission(&self, message: &str) -> Result<Submission, Refusal> {
        let (text, mut notes) = self.edited(clean(message));
        let mut text = self.trimmed(text, &mut notes);
        let start = text.trim();
        if start.is_empty() {
            return Err(Refusal("the message is empty: send some text".to_owned()));
        }
        let leading = |leading: &&String| start.starts_with(leading.as_str());
        if let Some(leading) = self.profile.refuse_leading.iter().find(leading) {
            return Err(Refusal(format!(
                "a message that begins with `{leading}` would run in a shell with no permission asked: put a word before it"
            )));
        }
        let is_prefix = self.profile.command_prefix.as_deref() == Some(start);
        if is_prefix || self.profile.refuse_whole.iter().any(|whole| whole == start) {
            return Err(Refusal(format!(
                "`{start}` alone is not a message to this agent but a key of its editor or an order to end: put a word \
                 before it, or end the session with terminate_session"
            )));
        }
        if self.profile.trailing_backslash_continues && text.ends_with('\\') {
            text.push(' ');
        }
        let command = self.command_of(&text).map(str::to_owned);
        let (shown, pastes) = (text.clone(), Vec::new());
        Ok(Submission {
            text,
            pastes,
            shown,
            command,
            notes,
        })
    }

    /// The text as the agent's editor will hold it, and what that changes.
    pub(crate) fn edited(&self, mut text: String) -> (String, Vec<String>) {
        let mut notes = Vec::new();
        if !self.profile.edits {
            return (text, notes);
        }
        let mut change = |text: &mut String, to: String, what: &str| {
            if *text != to {
                notes.push(format!("{what}, as the agent's editor does."));
                *text = to;
            }
        };
        let to = text.chars().filter(|&c| !is_hidden(c)).collect();
        change(&mut text, to, "Characters that cannot be seen were left out");
        let to = text.replace('\t', TAB);
        change(&mut text, to, "Each tab was sent as four blanks");
        if !is_nfc(&text) {
            let to = text.nfc().collect();
            change(&mut text, to, "Letters with marks were composed (NFC)");
        }
        (text, notes)
    }

    /// The text without what the agent's editor cuts off at the end of a message.
    fn trimmed(&self, text: String, notes: &mut Vec<String>) -> String {
        let trimmed = text.trim_end();
        if !self.profile.edits || trimmed.len() == text.len() {
            return text;
        }
        notes.push("Blanks and line ends at the end were left out, as the agent's editor does.".to_owned());
        trimmed.to_owned()
    }

    /// The command at the beginning of a text: a `/` and a word. A path is none.
    fn command_of<'a>(&self, text: &'a str) -> Option<&'a str> {
        let prefix = self.profile.command_prefix.as_deref()?;
        let word = text.split_whitespace().next().filter(|_| text.starts_with(prefix))?;
        let name = &word[prefix.len()..];
        (!name.is_empty() && !name.contains(prefix)).then_some(word)
    }

    /// Cuts a text into parts that an agent on a terminal of so many rows takes as typed, each pasted by itself; in a
    /// longer one it sees something that its user did not write.
    #[must_use]
    pub fn parts<'a>(&self, text: &'a str, rows: u32) -> Vec<&'a str> {
        let Some(limit) = &self.profile.paste else {
            return vec![text];
        };
        let breaks = limit.breaks.min((rows as usize).saturating_sub(limit.rows_without));
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (part, after) = rest.split_at(end_of_part(rest, limit.units, breaks));
            parts.push(part);
            rest = after;
        }
        parts
    }
}

/// Where the first part of `text` ends: after at most `units` UTF-16 units and `breaks` line breaks, where possible after
/// a blank, and not before a mark that belongs to the character before it.
fn end_of_part(text: &str, units: usize, breaks: usize) -> usize {
    let (mut used, mut broken) = (0, 0);
    let full = text.char_indices().find(|(_, c)| {
        used += c.len_utf16();
        broken += usize::from(*c == '\n');
        used > units || broken > breaks
    });
    let Some((full, _)) = full else {
        return text.len();
    };
    let ends = text[..full].char_indices().rev().map(|(at, c)| (at + c.len_utf8(), c));
    let blank = ends.clone().take(CUT_WITHIN).find(|(_, c)| c.is_whitespace());
    let whole = || {
        ends.clone()
            .find(|(at, before)| !belongs_together(*before, &text[*at..]))
    };
    blank.or_else(whole).map_or_else(|| first_character(text), |(at, _)| at)
}

fn first_character(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

fn belongs_together(before: char, after: &str) -> bool {
    use GeneralCategory::{EnclosingMark, NonspacingMark, SpacingMark};
    let mark = |c| matches!(get_general_category(c), EnclosingMark | NonspacingMark | SpacingMark);
    before == JOINER || after.starts_with(|c| c == JOINER || mark(c) || matches!(c, '\u{1f3fb}'..='\u{1f3ff}'))
}

/// Joins pictures to one.
const JOINER: char = '\u{200d}';

/// Whether a character shows nothing and only changes how others are shown. Editors of agents drop most of them, and do
/// not submit a text with some.
pub(crate) fn is_hidden(c: char) -> bool {
    get_general_category(c) == GeneralCategory::Format && c != JOINER
}

/// Makes line ends `\n` and drops every other control character except tabs: an escape could end a paste early. The
/// host does the same before, to say what it removed.
pub(crate) fn clean(text: &str) -> String {
    let text = text
        .replace("\r\n", "\n")
        .replace(['\r', '\u{85}', '\u{2028}', '\u{2029}'], "\n");
    text.chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn claude() -> Agent {
        Agent::load("claude", None).unwrap()
    }

    #[test]
    fn refuses_an_empty_message_and_a_shell_escape() {
        for message in [
            "",
            " \n\t",
            "\u{1b}",
            "\u{200b}",
            "!ls",
            "  !ls",
            "\n!ls",
            "\u{7}!ls",
            "\u{200b}!ls",
        ] {
            claude().submission(message).unwrap_err();
        }
    }

    #[test]
    fn refuses_in_words_what_alone_is_a_key_or_ends_the_agent() {
        for message in [
            "?", " ?\n", "/", "/ ", "exit", "quit", ":q", ":q!", ":wq", ":wq!", "exit  ",
        ] {
            let why = claude().submission(message).unwrap_err().to_string();
            assert!(why.contains("put a word before it"), "{why}");
        }
        for message in ["exit now", "??", "why?", "quit smoking", ":q is how"] {
            claude().submission(message).unwrap();
        }
        Agent::load("shell", None).unwrap().submission("exit").unwrap();
    }

    #[test]
    fn drops_what_could_end_a_paste_early() {
        let sent = claude().submission("a\u{1b}[201~b\r\nc\u{9b}d\re").unwrap();
        assert_eq!(sent.text, "a[201~b\ncd\ne");
    }

    #[test]
    fn every_line_break_is_a_new_line() {
        for message in ["a\nb", "a\r\nb", "a\rb", "a\u{85}b", "a\u{2028}b", "a\u{2029}b"] {
            assert_eq!(claude().submission(message).unwrap().text, "a\nb", "{message:?}");
        }
    }

    #[test]
    fn what_the_editor_changes_is_changed_before_and_said() {
        for (message, text, word) in [
            ("a\tb", "a    b", "tab"),
            ("a  \n\n", "a", "end"),
            ("a\u{202e}b\u{ad}", "ab", "cannot be seen"),
            ("e\u{301}", "\u{e9}", "composed"),
        ] {
            let sent = claude().submission(message).unwrap();
            assert_eq!(sent.text, text);
            assert!(
                sent.notes.len() == 1 && sent.notes[0].contains(word),
                "{:?}",
                sent.notes
            );
        }
        for message in [
            "a",
            "  a\n\nb",
            "\u{1f469}\u{200d}\u{1f467}",
            "a\u{a0}b",
            "\u{e9}",
            "a\r\nb",
        ] {
            assert_eq!(claude().submission(message).unwrap().notes, [""; 0], "{message:?}");
        }
        assert_eq!(
            Agent::load("shell", None).unwrap().submission("a\tb ").unwrap().text,
            "a\tb "
        );
    }

    #[test]
    fn a_command_is_a_slash_and_a_word_and_a_path_is_text() {
        for (message, command) in [
            ("/compact", Some("/compact")),
            ("/compact the last part", Some("/compact")),
            ("/mcp__a:b\nmore", Some("/mcp__a:b")),
            ("/tmp/x", None),
            ("/etc/passwd is a file", None),
            ("/ alone", None),
            ("//", None),
            (" /compact", None),
            ("see /compact", None),
        ] {
            assert_eq!(
                claude().submission(message).unwrap().command.as_deref(),
                command,
                "{message}"
            );
        }
    }

    #[test]
    fn parts_are_short_enough_to_count_as_typed_and_are_the_whole_together() {
        let family = "\u{1f469}\u{200d}\u{1f467}";
        for text in [
            "word ".repeat(6000),
            "x".repeat(30_000),
            "a\n".repeat(700) + "end",
            "\n\n\n\n\n".to_owned(),
            family.repeat(400),
            "\u{915}\u{94d}\u{937}\u{93f}".repeat(500),
            "short".to_owned(),
        ] {
            for (rows, breaks) in [(60, 2), (24, 2), (11, 1)] {
                let parts = claude().parts(&text, rows);
                assert_eq!(parts.concat(), text);
                for part in parts {
                    assert!(!part.is_empty() && part.encode_utf16().count() <= 800);
                    assert!(part.matches('\n').count() <= breaks);
                    assert!(!part.starts_with(['\u{200d}', '\u{94d}', '\u{93f}']), "{part}");
                }
            }
        }
        assert_eq!(
            Agent::load("shell", None).unwrap().parts(&"x".repeat(9000), 60).len(),
            1
        );
    }

    #[test]
    fn keeps_enter_an_enter_after_a_trailing_backslash() {
        for message in ["a\\", "a\\ ", "a\\\n"] {
            assert_eq!(claude().submission(message).unwrap().text, "a\\ ", "{message:?}");
        }
        assert_eq!(
            Agent::load("shell", None).unwrap().submission("a\\").unwrap().text,
            "a\\"
        );
    }
}
