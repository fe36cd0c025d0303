//! Questions: what identifies one, and how the contract has it.

use berth_agents::{Kind, Prompt as Seen};
use berth_plugin::types::{Choice, Prompt, PromptKind};

use crate::answers::{Damage, Given};
use crate::digest;
use crate::panes::Pane;

/// The id of a prompt: of this pane, this question under this output, after this many answers.
pub(crate) fn id(pane: &Pane, history: usize, given: &Given, prompt: &Seen) -> String {
    let (created, history, count) = (pane.created.to_string(), history.to_string(), given.count.to_string());
    let digest = digest::of([pane.id.as_str(), &created, &prompt.fingerprint, &history, &count]);
    format!("{digest:016x}")
}

/// A prompt as the contract has it.
pub(crate) fn shown(id: String, prompt: Seen) -> Prompt {
    let choice = |choice: berth_agents::Choice| Choice {
        key: choice.key,
        label: choice.label,
        description: choice.description,
        declines: choice.declines,
    };
    Prompt {
        id,
        kind: match prompt.kind {
            Kind::Permission => PromptKind::Permission,
            Kind::Question => PromptKind::Question,
            Kind::Trust => PromptKind::Trust,
            Kind::Other => PromptKind::Other,
        },
        question: prompt.question,
        choices: prompt.choices.into_iter().map(choice).collect(),
        multiple: prompt.multiple,
        accepts_text: prompt.text_place.is_some(),
        cut: prompt.cut,
        asked_at: None,
    }
}

/// A prompt that is seen but cannot be answered: which answers were given before is not known, so the same answer could
/// be given twice. It says why and what to do before all else, and offers no choice.
pub(crate) fn out_of_reach(prompt: Prompt, damage: &Damage) -> Prompt {
    Prompt {
        question: format!("{damage}\n\n{}", prompt.question),
        choices: Vec::new(),
        multiple: false,
        accepts_text: false,
        cut: true,
        ..prompt
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::panes::tests::pane;
    use berth_agents::Screen;

    fn seen(screen: &str) -> Seen {
        let agent = berth_agents::Agent::load("demo", None).unwrap();
        agent.observe(&Screen::parse(screen, None)).prompt.unwrap()
    }

    fn menu(above: &str, command: &str) -> Seen {
        let rule = "─".repeat(80);
        seen(&format!(
            "{above}\n{rule}\n Run command\n\n   {command}\n\n Do you want to proceed?\n > 1. Yes\n   2. No\n\n Esc to cancel\n"
        ))
    }

    #[test]
    fn an_id_covers_pane_menu_output_history_and_answers() {
        let (one, two) = (pane("%1", "a", "b", "c"), pane("%2", "a", "b", "c"));
        let none = Given::default();
        let mut some = Given::default();
        some.count = 1;
        let base = id(&one, 5, &none, &menu("● a", "touch x"));
        assert_eq!(base, id(&one, 5, &none, &menu("● a", "touch x")));
        for other in [
            id(&two, 5, &none, &menu("● a", "touch x")),
            id(&one, 6, &none, &menu("● a", "touch x")),
            id(&one, 5, &some, &menu("● a", "touch x")),
            id(&one, 5, &none, &menu("● b", "touch x")),
            id(&one, 5, &none, &menu("● a", "touch y")),
        ] {
            assert_ne!(base, other);
        }
    }
}
