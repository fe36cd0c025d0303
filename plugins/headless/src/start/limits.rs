//! What a conversation may still take.

use berth_plugin::{Error, Result};

use crate::kept::conversation::Conversation;
use crate::setup::Settings;

/// The least amount that is given to an agent as its budget, in US dollars.
const LEAST: f64 = 0.01;

/// What is left for a conversation; none: any amount.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Left {
    pub(crate) turns: Option<u64>,
    pub(crate) usd: Option<f64>,
}

/// What is left of the operator's limits after what this conversation has taken.
///
/// # Errors
/// `Limited` if nothing is.
pub(crate) fn left(settings: &Settings, id: &str, conversation: &Conversation) -> Result<Left> {
    let left = Left {
        turns: (settings.turns > 0).then(|| settings.turns.saturating_sub(conversation.turns)),
        usd: (settings.budget_usd > 0.0).then_some(settings.budget_usd - conversation.cost),
    };
    let used_up = if left.turns == Some(0) {
        format!("the {} turns", settings.turns)
    } else if left.usd.is_some_and(|usd| usd < LEAST) {
        format!("the {} US dollars", settings.budget_usd)
    } else {
        return Ok(left);
    };
    Err(Error::Limited((
        format!(
            "conversation {id} has used {used_up} that one conversation may take: start afresh, in a new conversation, or \
             raise `turns` or `budget_usd` in [backends.NAME.settings]"
        ),
        None,
    )))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn used(turns: u64, cost: f64) -> Conversation {
        Conversation {
            turns,
            cost,
            ..Conversation::default()
        }
    }

    #[test]
    fn what_is_left_is_what_was_not_taken_and_nothing_left_is_refused() {
        let settings = Settings::default();
        let some = left(&settings, "c", &used(10, 1.5)).unwrap();
        assert_eq!((some.turns, some.usd), (Some(290), Some(18.5)));
        for (turns, cost) in [(300, 0.0), (301, 0.0), (0, 20.0), (0, 19.995)] {
            let Err(Error::Limited((why, None))) = left(&settings, "c", &used(turns, cost)) else {
                panic!("{turns} {cost}")
            };
            assert!(why.contains("start afresh"), "{why}");
        }
    }

    #[test]
    fn a_limit_of_nothing_does_not_hold() {
        let settings = Settings {
            turns: 0,
            budget_usd: 0.0,
            ..Settings::default()
        };
        let all = left(&settings, "c", &used(9_999, 9_999.0)).unwrap();
        assert_eq!((all.turns, all.usd), (None, None));
    }
}
