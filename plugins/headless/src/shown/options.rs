//! The options of a conversation.

use berth_plugin::{OptionState, Result};

use crate::kept::talk::unknown;
use crate::read::talk::look;

/// The options of a conversation, as they are now.
pub(crate) fn list(id: &str) -> Result<Vec<OptionState>> {
    let talk = look(id)?.ok_or_else(|| unknown(id))?.0;
    let states = talk.process.live.options().into_iter().map(|option| {
        let value = option.value.or_else(|| talk.options.get(&option.name).cloned());
        let mut state = OptionState::new(option.name, option.about).values(option.values);
        state.value = value;
        state
    });
    Ok(states.collect())
}
