//! What a conversation changed: in its project since it began, or in the clone of its build.

use berth_plugin::git::{self, Since, Wanted};
use berth_plugin::jobs::Job;
use berth_plugin::{ChangePage, Error, Result};

use crate::kept::conversation::Conversation;
use crate::kept::host;
use crate::kept::note::Note;
use crate::read::index;

/// A page of what differs.
pub(crate) fn get(conversation: &str, after: Option<&str>, limit: u32) -> Result<ChangePage> {
    let (job, kept) = index::known(conversation)?;
    let note = Note::of(&job)?;
    host::on(note.host.as_deref(), || differing(&job, &note, &kept, after, limit))
}

fn differing(job: &Job, note: &Note, kept: &Conversation, after: Option<&str>, limit: u32) -> Result<ChangePage> {
    let Some(plan) = &note.build else {
        let first = kept.runs.first().and_then(|run| berth_plugin::jobs::get(&run.id).ok());
        let began = first.map_or(job.queued_at, |first| first.queued_at);
        return git::changes(&Wanted {
            directory: &note.directory,
            since: Since::Time(began),
            after,
            limit,
            is_ours: false,
        });
    };
    if !plan.is_there() {
        let made = kept.made(note.run(job)).and_then(|made| made.sha.as_ref());
        let committed = made.map_or_else(
            || "nothing was committed in it".to_owned(),
            |sha| {
                format!(
                    "`git diff {}..{sha}` in {} shows what was committed",
                    plan.base, plan.project
                )
            },
        );
        return Err(Error::Refused(format!("the clone of this build is gone: {committed}")));
    }
    git::changes(&Wanted {
        directory: &note.directory,
        since: Since::Commit(plan.base.clone()),
        after,
        limit,
        is_ours: true,
    })
}
