//! The messages of a conversation, kept as a whole until its agent has them: what waits when a process ends is given to
//! the next one.

use berth_agents::live::{self, Live, MessageState};
use berth_plugin::{Attachment, Message, Result, store};
use serde::{Deserialize, Serialize};

use crate::kept::pieces;

/// A message as it is kept; the bytes of its attachments follow each other under a key of their own.
#[derive(Serialize, Deserialize)]
struct Kept {
    text: String,
    /// The name, the media type and the length of each.
    attachments: Vec<(String, String, usize)>,
}

/// Keeps a message of a conversation.
pub(crate) fn keep(conversation: &str, message: &Message) -> Result<()> {
    let key = key(conversation, &message.id);
    let all: Vec<u8> = message.attachments.iter().flat_map(|one| one.bytes.clone()).collect();
    pieces::put(&key, &all)?;
    let attachments = message.attachments.iter();
    let kept = Kept {
        text: message.text.clone(),
        attachments: attachments
            .map(|one| (one.name.clone(), one.media_type.clone(), one.bytes.len()))
            .collect(),
    };
    store::put(&key, &kept)
}

/// A message that is kept; none: it is not.
pub(crate) fn find(conversation: &str, id: &str) -> Result<Option<Message>> {
    let key = key(conversation, id);
    let Some(kept) = store::get::<Kept>(&key)? else {
        return Ok(None);
    };
    let length = kept.attachments.iter().map(|(.., length)| length).sum();
    let mut bytes = pieces::get(&key, length)?.into_iter();
    let attachments = kept
        .attachments
        .into_iter()
        .map(|(name, media_type, length)| Attachment {
            name,
            media_type,
            bytes: bytes.by_ref().take(length).collect(),
        });
    Ok(Some(Message {
        id: id.to_owned(),
        text: kept.text,
        attachments: attachments.collect(),
    }))
}

pub(crate) fn forget(conversation: &str, id: &str) {
    let key = key(conversation, id);
    pieces::remove(&key);
    let _ = store::remove(&key);
}

pub(crate) fn forget_all(conversation: &str) {
    pieces::remove(&format!("message/{conversation}"));
}

/// Whether the agent does not have this message yet.
pub(crate) fn waits(live: &Live, id: &str) -> bool {
    let given = live.given(id);
    given.is_some_and(|message| matches!(message.state, MessageState::Waiting | MessageState::Lost))
}

/// The messages that the agent does not have yet, in their order: also those that its process left when it ended.
pub(crate) fn waiting(live: &Live) -> impl Iterator<Item = &live::Message> {
    live.messages()
        .filter(|message| matches!(message.state, MessageState::Waiting | MessageState::Lost))
}

fn key(conversation: &str, id: &str) -> String {
    format!("message/{conversation}/{id}")
}
