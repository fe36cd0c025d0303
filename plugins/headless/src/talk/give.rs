//! A message as it is given to the process of a conversation.

use berth_agents::live::{self, Live};
use berth_plugin::{Error, Message, Result, time};

use crate::kept::note;
use crate::kept::talk::Talk;
use crate::talk::refusal;

/// Gives a message to the agent's process. One with a known id changes nothing.
pub(crate) fn give(talk: &mut Talk, message: &Message) -> Result<()> {
    let attachments = message.attachments.iter().map(|one| live::Attachment {
        name: one.name.clone(),
        media_type: one.media_type.clone(),
        bytes: one.bytes.clone(),
    });
    let attachments: Vec<_> = attachments.collect();
    let given = talk
        .process
        .live
        .message(&message.id, &message.text, &attachments, time::now());
    given.map_err(refusal::error)?;
    talk.process.is_at(talk.process.read);
    if !talk.kept.contains(&message.id) {
        talk.kept.push(message.id.clone());
    }
    talk.task = note::task(&message.text);
    // The first message names it, and further ones do not change that.
    talk.name.get_or_insert_with(|| note::name(&message.text));
    Ok(())
}

/// Whether a process takes what goes with a message.
pub(crate) fn takes(live: &Live, message: &Message) -> Result<()> {
    match message.attachments.is_empty() || live.takes_attachments() {
        true => Ok(()),
        false => Err(Error::Refused(
            "this agent takes no attachments: put them in files of the project, and name those".to_owned(),
        )),
    }
}
