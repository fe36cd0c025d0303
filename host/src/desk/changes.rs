//! What a session changed in its checkout.

use super::{Caller, Generation, ToolAnswer, ToolError, find};
use crate::catalog::answers::{ChangedFile, Changes};
use crate::catalog::arguments::GetChanges;
use crate::session;

/// Files of one answer.
const FILES: u32 = 100;
/// Bytes of the diff of one answer.
const DIFF: usize = 256 << 10;

pub(super) async fn get_changes(
    generation: &Generation,
    caller: &Caller,
    wanted: GetChanges,
) -> Result<ToolAnswer, ToolError> {
    let (member, session) = find::readable(generation.reach(caller), &wanted.session_id).await?;
    let backend = &member.watched.backend;
    let page = backend.get_changes(&session.id, wanted.after.as_deref(), FILES).await;
    let mut page = page.map_err(|error| ToolError::of(member.name(), error))?;
    let is_cut = page.text.len() > DIFF;
    page.text.truncate(page.text.floor_char_boundary(DIFF));
    let changes = Changes {
        base: page.base,
        head: page.head,
        files: page.files.into_iter().map(file).collect(),
        cut: page.cut || is_cut,
        text: page.text,
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
