//! What ssh is told when it asks for something: the passphrase of a key, and nothing else.
//!
//! ssh starts berth with the question as its only argument. The passphrase is in the environment of ssh, which no other user
//! can read, and not in an argument or a file.

/// Its name in the environment of ssh. It is there and empty if no passphrase is known.
pub const PASSPHRASE: &str = "BERTH_ASKPASS";

/// How ssh says what kind of question it is.
pub const KIND: &str = "SSH_ASKPASS_PROMPT";

/// What the environment of ssh holds so that it asks `berth`, also where there is a terminal.
pub(super) fn environment<'a>(berth: &'a str, passphrase: &'a str) -> [(&'static str, &'a str); 3] {
    [
        ("SSH_ASKPASS", berth),
        ("SSH_ASKPASS_REQUIRE", "force"),
        (PASSPHRASE, passphrase),
    ]
}

/// How every question for a passphrase begins. What a server asks begins with the names of the user and the host.
const QUESTION: &str = "Enter passphrase for key ";

/// What is noted for [`super::said`], which reads it among what ssh says.
pub(super) const TOLD: &str = "berth: the passphrase was told to ssh: ";
pub(super) const WANTED: &str = "berth: a passphrase is wanted: ";
pub(super) const REFUSED: &str = "berth: ssh asked for what nobody can answer: ";

/// An answer to ssh, and what is noted beside it.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// For standard output; without it the program fails.
    pub secret: Option<&'a str>,
    /// For standard error.
    pub note: Option<String>,
}

/// Answers `question`, which is of `kind` if ssh says one. `passphrase` is empty if none is known.
pub fn answer<'a>(question: &str, kind: Option<&str>, passphrase: &'a str) -> Answer<'a> {
    let noted = |note: &str, secret| Answer {
        secret,
        note: Some(format!("{note}{}", question.trim())),
    };
    match (kind, passphrase) {
        // It only tells a person something, such as to touch a key of hardware.
        (Some("none"), _) => Answer {
            secret: None,
            note: None,
        },
        (None, "") if question.starts_with(QUESTION) => noted(WANTED, None),
        (None, _) if question.starts_with(QUESTION) => noted(TOLD, Some(passphrase)),
        _ => noted(REFUSED, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_question_for_a_passphrase_is_answered() {
        let question = "Enter passphrase for key '/home/me/.ssh/key': ";
        assert_eq!(answer(question, None, "x y").secret, Some("x y"));
        let unknown = answer(question, None, "");
        assert_eq!(unknown.secret, None);
        assert!(unknown.note.is_some_and(|note| note.starts_with(WANTED)));
        for (question, kind) in [
            ("me@mac's password: ", None),
            ("(me@mac) Enter passphrase for key 'x': ", None),
            ("Enter PIN for 'token': ", None),
            ("The authenticity of host 'mac' can't be established.", Some("confirm")),
            (question, Some("confirm")),
            ("Confirm user presence for key", Some("none")),
        ] {
            assert_eq!(answer(question, kind, "x y").secret, None, "{question} {kind:?}");
        }
    }
}
