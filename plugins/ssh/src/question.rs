//! What remote control asks before it begins: whether a folder is trusted, and whether it shall be on at all.

use berth_panes::digest;
use berth_plugin::{Choice, Effect, Prompt, PromptKind};

use crate::hosts::Seen;
use crate::screen;

/// What a question ends with, and of which kind it is.
const QUESTIONS: [(&str, PromptKind); 2] = [
    ("? [y/N]", PromptKind::Trust),
    ("Enable Remote Control? (y/n)", PromptKind::Other),
];
/// The answers, which are also the keys.
pub(crate) const YES: &str = "y";
pub(crate) const NO: &str = "n";

/// The question that is open: the last line of the screen.
pub(crate) fn find(seen: &Seen) -> Option<Prompt> {
    if seen.pane.end.is_some() {
        return None;
    }
    let lines = screen::lines(seen);
    let (last, above) = lines.split_last()?;
    let last = last.trim();
    let (_, kind) = QUESTIONS.into_iter().find(|(sign, _)| last.ends_with(sign))?;
    let detail = above.join("\n");
    let (created, row) = (seen.pane.created.to_string(), lines.len().to_string());
    let id = digest::of([seen.id.pane.as_str(), &created, &row, last, &detail]);
    let prompt = Prompt::new(format!("{id:016x}"), kind, last)
        .choice(Choice::new(YES, "yes", Effect::Accepts))
        .choice(Choice::new(NO, "no, which ends it", Effect::Declines));
    Some(Prompt {
        detail: Some(detail).filter(|detail| !detail.is_empty()),
        ..prompt
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::fake::{ENABLE, Fake, TRUST};
    use crate::hosts::look_at;
    use crate::id::Id;

    fn asked(screen: &str) -> Option<Prompt> {
        let fake = Fake::new();
        fake.on("mac").has("a-1", screen);
        find(&look_at(&Id::parse("mac:a-1").unwrap()).unwrap().unwrap())
    }

    #[test]
    fn both_questions_are_prompts_with_all_that_is_said_about_them() {
        let trust = asked(TRUST).unwrap();
        assert_eq!(
            (trust.kind, trust.question.as_str()),
            (PromptKind::Trust, "Trust /p/app? [y/N]")
        );
        assert!(trust.detail.unwrap().contains("hooks, MCP servers"));
        let enable = asked(ENABLE).unwrap();
        assert_eq!((enable.kind, enable.choices.len()), (PromptKind::Other, 2));
        assert_ne!(enable.id, trust.id);
    }

    #[test]
    fn a_question_that_has_its_answer_or_is_only_talked_about_is_not_open() {
        for screen in [
            format!("{TRUST} y"),
            format!("{ENABLE}\nError: getaddrinfo ENOTFOUND api.anthropic.com"),
            "Do you trust it? (y/n)".to_owned(),
        ] {
            assert_eq!(asked(&screen), None, "{screen}");
        }
    }
}
