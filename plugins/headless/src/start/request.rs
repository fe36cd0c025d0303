//! What the agent of a run reads at its beginning.

use berth_agents::headless;
use berth_agents::live::{Begin, Live, Protocol};
use berth_plugin::settings::Agent;
use berth_plugin::{Error, Result, time};

use crate::kept::note::Note;
use crate::setup::Setup;

/// Bytes of a request, as it is given to the agent; what else it reads at its beginning has place beside it.
pub(crate) const REQUEST: usize = 1000 << 10;

/// Whether a request can be given to an agent; `argument` is the name under which its caller gives it.
pub(crate) fn check(argument: &str, prompt: &str) -> Result<()> {
    if prompt.trim().is_empty() {
        return Err(Error::Invalid(format!(
            "`{argument}` is empty: say what the agent is to do"
        )));
    }
    match headless::message(prompt).len() {
        0..REQUEST => Ok(()),
        _ => Err(Error::Invalid(format!(
            "`{argument}` is longer than {REQUEST} bytes: put it into a file of the project, and name that"
        ))),
    }
}

/// Whether runs of this agent ask a person.
pub(crate) fn asks(setup: &Setup, agent: &Agent) -> bool {
    let own = agent.headless_options.as_ref();
    !setup.settings.prompt_deadline.is_zero() && own.is_some_and(|own| own.contains_key("ask"))
}

/// What the agent of a run reads at its beginning.
pub(crate) fn input(note: &Note, message: &str, prompt: &str) -> Vec<u8> {
    live(note, message, prompt).take_input()
}

/// The process of a run, to which that was given.
pub(crate) fn live(note: &Note, message: &str, prompt: &str) -> Live {
    let mut live = Live::begin(Begin {
        protocol: Protocol::StreamJson,
        conversation: note.conversation.clone(),
        directory: note.directory.clone(),
        ..Begin::default()
    });
    // It is the first one, so nothing stands against it.
    let _ = live.message(message, prompt, &[], time::now());
    live
}
