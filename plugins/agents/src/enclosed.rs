//! Texts that go with a message, such as a log: each is one paste, which the agent marks as what was pasted.

use crate::Refusal;
use crate::profile::Agent;
use crate::submission::{Submission, clean};

/// Stands in the text of a composer for a paste that the agent shows as a mark. No message holds control characters.
const MARK: char = '\u{1a}';

impl Agent {
    /// Whether a text can go with a message.
    #[must_use]
    pub fn encloses(&self) -> bool {
        self.profile.paste.is_some() && self.profile.paste_marker.is_set()
    }

    /// Adds the text `bytes`, which is called `name`, to what goes with a message.
    ///
    /// # Errors
    /// It is not text, or the agent has no mark for what was pasted.
    pub fn enclose(&self, mut submission: Submission, name: &str, bytes: &[u8]) -> Result<Submission, Refusal> {
        let Some(limit) = self.profile.paste.as_ref().filter(|_| self.encloses()) else {
            return Err(Refusal(
                "messages to this agent cannot have attachments: put it in a file where the session works, and name that"
                    .to_owned(),
            ));
        };
        let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
        let text = text.ok_or_else(|| {
            Refusal(format!(
                "the attachment `{name}` is not text, and this agent takes only text here: put it in a file where the session \
                 works, and name that file in the message"
            ))
        })?;
        let (text, notes) = self.edited(clean(text));
        // With so many line breaks the agent marks even a short one.
        let paste = format!("{name}:{}{text}", "\n".repeat(limit.breaks + 1));
        submission
            .shown
            .push_str(&format!("\n{MARK}{}", paste.matches('\n').count()));
        submission.pastes.push(paste);
        submission
            .notes
            .extend(notes.into_iter().map(|note| format!("In {name}: {note}")));
        Ok(submission)
    }
}

/// The message of what a composer is to show, and the line breaks of each paste that goes with it.
pub(crate) fn split(shown: &str) -> (&str, Vec<usize>) {
    let (message, marks) = shown.split_once(MARK).unwrap_or((shown, ""));
    let pastes = marks.split(MARK).filter_map(|mark| mark.trim_end().parse().ok());
    (message, pastes.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn claude() -> Agent {
        Agent::load("claude", None).unwrap()
    }

    fn enclosed(agent: &Agent, texts: &[(&str, &[u8])]) -> Result<Submission, Refusal> {
        let message = agent.submission("look at this")?;
        texts
            .iter()
            .try_fold(message, |message, (name, bytes)| agent.enclose(message, name, bytes))
    }

    #[test]
    fn each_text_is_a_paste_of_its_own_with_more_line_breaks_than_count_as_typed() {
        let sent = enclosed(&claude(), &[("a.log", b"one line"), ("b.log", b"x\r\ny\tz\x1b[0m\n")]).unwrap();
        assert_eq!(sent.text, "look at this");
        assert_eq!(sent.pastes, ["a.log:\n\n\none line", "b.log:\n\n\nx\ny    z[0m\n"]);
        assert_eq!(split(&sent.shown), ("look at this\n", vec![3, 5]));
        assert!(
            sent.notes.iter().all(|note| note.starts_with("In b.log: ")),
            "{:?}",
            sent.notes
        );
        assert_eq!(split("alone"), ("alone", Vec::new()));
    }

    #[test]
    fn what_is_not_text_is_refused_and_so_is_any_where_the_agent_has_no_mark() {
        for bytes in [b"\x89PNG\r\n".as_slice(), b"a\0b", b"\xff"] {
            let why = enclosed(&claude(), &[("shot.png", bytes)]).unwrap_err().to_string();
            assert!(why.contains("`shot.png` is not text"), "{why}");
        }
        let shell = Agent::load("shell", None).unwrap();
        assert!(claude().encloses() && !shell.encloses());
        let why = enclosed(&shell, &[("a.log", b"a")]).unwrap_err().to_string();
        assert!(why.contains("cannot have attachments"), "{why}");
    }
}
