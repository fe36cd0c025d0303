//! Who else works in a directory: two agents in one directory can get into each other's way, so both are told.

use berth_agents::live::Activity;
use berth_plugin::jobs::{self, Filter};

use crate::kept::note::{Kind, Note};
use crate::kept::state::WORKING;
use crate::kept::talk::Talk;

/// Jobs that run among which others are looked for.
const RUNNING: u32 = 100;

/// What a person should know of others that work in this directory of this host beside this conversation.
pub(crate) fn words(host: Option<&str>, directory: &str, conversation: &str) -> Option<String> {
    let running = jobs::recent(&Filter {
        phases: WORKING.to_vec(),
        ..Filter::newest(RUNNING)
    });
    let others: Vec<String> = running
        .unwrap_or_default()
        .iter()
        .filter_map(|job| Note::of(job).ok())
        .filter(|note| note.host.as_deref() == host && note.directory == directory && note.conversation != conversation)
        .filter(|note| note.kind != Kind::Conversation || is_at_work(&note.conversation))
        .map(|note| note.conversation)
        .collect();
    (!others.is_empty()).then(|| {
        format!(
            "In the same directory works session {} too: what one of them changes, the other finds.",
            others.join(" and ")
        )
    })
}

fn is_at_work(conversation: &str) -> bool {
    let state = Talk::find(conversation)
        .ok()
        .flatten()
        .map(|talk| talk.process.live.state());
    matches!(state, Some(Activity::Busy | Activity::Waiting))
}
