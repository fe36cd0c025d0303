//! What a session changed in its checkout.

use super::{Caller, Generation, ToolAnswer, ToolError, find};
use crate::catalog::answers::{ChangedFile, Changes};
use crate::catalog::arguments::GetChanges;
use crate::session;
use crate::text::beginning;

/// Files of one answer.
const FILES: u32 = 100;

pub(super) async fn get_changes(
    generation: &Generation,
    caller: &Caller,
    wanted: GetChanges,
) -> Result<ToolAnswer, ToolError> {
    let (member, session) = find::readable(generation.reach(caller), &wanted.session_id).await?;
    let backend = &member.watched.backend;
    let page = backend.get_changes(&session.id, wanted.after.as_deref(), FILES).await;
    let page = page.map_err(|error| ToolError::of(member.name(), error))?;
    let (text, is_cut) = beginning(page.text);
    let changes = Changes {
        base: page.base,
        head: page.head,
        files: page.files.into_iter().map(file).collect(),
        cut: page.cut || is_cut,
        text,
        next: page.next,
    };
    Ok(ToolAnswer::of(changes.text(), &changes))
}

fn file(file: session::ChangedFile) -> ChangedFile {
    ChangedFile {
        path: file.path,
        added: file.added,
        removed: file.removed,
        binary: file.binary,
    }
}
