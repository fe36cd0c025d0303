//! How a message becomes keys: cleaned, refused where it would do something else, typed or pasted.

use crate::Refusal;
use crate::profile::Agent;

/// The longest command of an agent's own that is typed, in bytes.
const COMMAND_MAX: usize = 4000;

/// How a text reaches the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Key by key.
    Typed,
    /// As one bracketed paste.
    Pasted,
}

/// A text ready to be sent; Enter follows after a pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Without control characters except new lines and tabs.
    pub text: String,
    /// How it is sent.
    pub way: Way,
}

impl Agent {
    /// Prepares a message.
    ///
    /// # Errors
    /// The text is empty, or the agent would run it in a shell of its own instead of reading it.
    pub fn submission(&self, message: &str) -> Result<Submission, Refusal> {
        let mut text = clean(message);
        if text.trim().is_empty() {
            return Err(Refusal("the message is empty: send some text".to_owned()));
        }
        let start = text.trim_start();
        if let Some(leading) = self
            .profile
            .refuse_leading
            .iter()
            .find(|leading| start.starts_with(leading.as_str()))
        {
            return Err(Refusal(format!(
                "a message that begins with `{leading}` would run in a shell with no permission asked: put a word before it"
            )));
        }
        if self.profile.trailing_backslash_continues && text.ends_with('\\') {
            text.push(' ');
        }
        let way = self.way(&text);
        Ok(Submission { text, way })
    }

    fn way(&self, text: &str) -> Way {
        let longest = if self.profile.is_command(text) {
            COMMAND_MAX
        } else {
            self.profile.typed_max
        };
        let plain = !text.contains(['\n', '\t']);
        if plain && text.len() <= longest {
            Way::Typed
        } else {
            Way::Pasted
        }
    }
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
        for message in ["", " \n\t", "\u{1b}", "!ls", "  !ls", "\n!ls", "\u{7}!ls"] {
            claude().submission(message).unwrap_err();
        }
    }

    #[test]
    fn drops_what_could_end_a_paste_early() {
        let sent = claude().submission("a\u{1b}[201~b\r\nc\u{9b}d\re").unwrap();
        assert_eq!(sent.text, "a[201~b\ncd\ne");
    }

    #[test]
    fn every_line_break_is_a_new_line_in_a_paste() {
        for message in ["a\nb", "a\r\nb", "a\rb", "a\u{85}b", "a\u{2028}b", "a\u{2029}b"] {
            let sent = claude().submission(message).unwrap();
            assert_eq!((sent.text.as_str(), sent.way), ("a\nb", Way::Pasted), "{message:?}");
        }
    }

    #[test]
    fn types_short_lines_and_commands_and_pastes_the_rest() {
        let long = "x".repeat(500);
        let table = [
            ("hello", Way::Typed),
            ("a\nb", Way::Pasted),
            ("a\tb", Way::Pasted),
            (long.as_str(), Way::Pasted),
            ("/help", Way::Typed),
        ];
        for (message, way) in table {
            assert_eq!(claude().submission(message).unwrap().way, way, "{message}");
        }
        assert_eq!(claude().submission(&format!("/ask {long}")).unwrap().way, Way::Typed);
    }

    #[test]
    fn keeps_enter_an_enter_after_a_trailing_backslash() {
        assert_eq!(claude().submission("a\\").unwrap().text, "a\\ ");
        assert_eq!(
            Agent::load("shell", None).unwrap().submission("a\\").unwrap().text,
            "a\\"
        );
    }
}
