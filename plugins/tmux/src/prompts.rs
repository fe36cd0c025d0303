//! Questions: what identifies one, and its form in the contract.

use berth_agents::{Choice as Offered, Effect as Does, Kind, Prompt as Seen};
use berth_plugin::{Choice, Effect, Prompt, PromptKind};

use crate::answers::{Damage, Given};
use crate::digest;
use crate::panes::Pane;

/// The id of a prompt: of this pane, this question under this output, after this many answers, if that is known.
pub(crate) fn id(pane: &Pane, history: usize, given: Option<&Given>, prompt: &Seen) -> String {
    let count = given.map_or(0, |given| given.count).to_string();
    let (created, history) = (pane.created.to_string(), history.to_string());
    let digest = digest::of([pane.id.as_str(), &created, &prompt.fingerprint, &history, &count]);
    format!("{digest:016x}")
}

/// A prompt in the contract's form.
pub(crate) fn shown(id: String, prompt: Seen) -> Prompt {
    let kind = match prompt.kind {
        Kind::Permission => PromptKind::Permission,
        Kind::Question => PromptKind::Question,
        Kind::Trust => PromptKind::Trust,
        Kind::Other => PromptKind::Other,
    };
    Prompt {
        detail: prompt.detail,
        choices: prompt.choices.into_iter().map(choice).collect(),
        multiple: prompt.multiple,
        accepts_text: prompt.field.is_some(),
        dismissible: prompt.dismissible,
        cut: prompt.cut,
        ..Prompt::new(id, kind, prompt.question)
    }
}

fn choice(offered: Offered) -> Choice {
    let effect = match offered.effect {
        Does::Accepts => Effect::Accepts,
        Does::Widens => Effect::Widens,
        Does::Declines => Effect::Declines,
        Does::Neutral => Effect::Neutral,
    };
    Choice {
        description: offered.description,
        ticked: offered.ticked == Some(true),
        ..Choice::new(offered.key, offered.label, effect)
    }
}

/// A prompt that is seen but cannot be answered: which answers were given before is not known, so the same answer could
/// be given twice. It first says why and what to do, and offers no choice.
pub(crate) fn out_of_reach(prompt: Prompt, damage: &Damage) -> Prompt {
    let asked = [Some(prompt.question), prompt.detail].into_iter().flatten();
    Prompt {
        detail: Some(asked.collect::<Vec<_>>().join("\n")),
        cut: true,
        ..Prompt::new(prompt.id, prompt.kind, damage.to_string())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use berth_agents::Screen;
    use berth_panes::testing::pane;

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
        let mut counted = Given::default();
        counted.count = 1;
        let (none, some) = (Some(&Given::default()), Some(&counted));
        let base = id(&one, 5, none, &menu("● a", "touch x"));
        assert_eq!(base, id(&one, 5, none, &menu("● a", "touch x")));
        for other in [
            id(&two, 5, none, &menu("● a", "touch x")),
            id(&one, 6, none, &menu("● a", "touch x")),
            id(&one, 5, some, &menu("● a", "touch x")),
            id(&one, 5, none, &menu("● b", "touch x")),
            id(&one, 5, none, &menu("● a", "touch y")),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn a_choice_says_what_it_does_and_whether_it_is_ticked() {
        let shown = shown("1".to_owned(), menu("", "touch x"));
        assert_eq!(
            (shown.kind, shown.question.as_str()),
            (PromptKind::Permission, "Do you want to proceed?")
        );
        assert_eq!(shown.detail.as_deref(), Some("Run command\ntouch x"));
        let effects: Vec<_> = shown.choices.iter().map(|choice| choice.effect).collect();
        assert_eq!(effects, [Effect::Accepts, Effect::Declines]);
        assert!(shown.dismissible && !shown.cut && shown.choices.iter().all(|choice| !choice.ticked));
    }
}
