//! What happens between calls: runs that ended are judged, and what is kept of conversations long gone is removed.

mod talks;

use std::collections::BTreeSet;
use std::time::Duration;

use berth_plugin::jobs::{self, Filter, Job, Phase};
use berth_plugin::{Error, Event, Result, Upkept, context, log, store};

use crate::build;
use crate::kept::conversation::{self, Conversation};
use crate::kept::host;
use crate::kept::note::{Kind, Note};
use crate::kept::state::{ENDS, OPEN, RunState, STAGE, has_ended};
use crate::kept::verdict::Verdict;
use crate::read::judge::judge;
use crate::run::asking;
use crate::setup::Setup;
use crate::start::limits;

/// How often what is kept is tidied, and how soon it goes on where more is left.
const EVERY: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_secs(1);
/// When a job that could not be looked after is looked at again.
const AGAIN: Duration = Duration::from_secs(10);
/// Jobs that one call judges, and conversations that it looks at.
const JUDGED: u32 = 64;
/// Jobs that are looked through when berth begins.
const LOOKED_AT: u32 = 1_000;
const TIDIED: u32 = 200;
/// What of a call's time is left when no further job is begun with.
const SPARE: Duration = Duration::from_secs(8);
/// Where tidying stopped.
const PLACE: &str = "tidied";

/// Judges what ended, notices what began, and tidies.
pub(crate) fn run(setup: &Setup, events: &[Event]) -> Result<Upkept> {
    let mut changed = BTreeSet::new();
    let is_start = events.iter().any(|event| event.kind == "start");
    for event in events
        .iter()
        .filter(|event| ["job", "output"].contains(&event.kind.as_str()))
    {
        if let Ok(job) = jobs::get(&event.about)
            && let Ok(note) = Note::of(&job)
        {
            if !has_ended(job.phase) && note.kind != Kind::Conversation {
                let done = asking::ensure(&job, &note).and_then(|()| begun(setup, &job, &note));
                done.unwrap_or_else(|error| is_left(&job, &error));
            }
            changed.insert(note.conversation);
        }
    }
    if is_start {
        for job in jobs::recent(&Filter {
            phases: OPEN.to_vec(),
            ..Filter::newest(LOOKED_AT)
        })? {
            if let Ok(note) = Note::of(&job) {
                let done = jobs::get(&job.id).and_then(|job| asking::ensure(&job, &note));
                done.unwrap_or_else(|error| is_left(&job, &error));
            }
        }
    }
    let kept = talks::all(setup, is_start)?;
    changed.extend(kept.changed.iter().cloned());
    let unjudged = jobs::recent(&Filter {
        phases: ENDS.to_vec(),
        labels: vec![String::new()],
        ..Filter::newest(JUDGED)
    })?;
    let is_more = unjudged.len() >= usize::try_from(JUDGED).unwrap_or(usize::MAX);
    let mut are_left = false;
    for job in &unjudged {
        if context::remaining() < SPARE {
            return Ok(upkept(changed, talks::soonest(&kept, SOON)));
        }
        match ended(setup, job) {
            Ok(about) => changed.extend(about),
            Err(error) => {
                is_left(job, &error);
                are_left = true;
            }
        }
    }
    if are_left {
        return Ok(upkept(changed, talks::soonest(&kept, AGAIN)));
    }
    if is_more {
        return Ok(upkept(changed, talks::soonest(&kept, SOON)));
    }
    let rest = tidy()?;
    Ok(upkept(changed, talks::soonest(&kept, rest)))
}

/// One job that cannot be looked after keeps nobody from the others: it is looked at again. A host that is away is told of
/// elsewhere.
fn is_left(job: &Job, error: &Error) {
    let words = format!("job {} could not be looked after: {error}", job.id);
    match error {
        Error::Unavailable(_) => log::debug(words),
        _ => log::warn(words),
    }
}

fn upkept(changed: BTreeSet<String>, next: u64) -> Upkept {
    let upkept = Upkept::new().next(next);
    changed.into_iter().fold(upkept, Upkept::changed)
}

/// A run that begins after the runs before it have used all that its conversation may take is ended: what was left when it
/// was submitted is not left any more.
fn begun(setup: &Setup, job: &Job, note: &Note) -> Result<()> {
    if job.phase != Phase::Running {
        return Ok(());
    }
    if let Some(plan) = note.build.as_ref().filter(|plan| plan.run.is_none()) {
        return host::on(note.host.as_deref(), || build::begun(job, note, plan));
    }
    let kept = Conversation::find(&note.conversation)?.unwrap_or_default();
    let Err(Error::Limited((why, _))) = limits::left(&setup.settings, &note.conversation, &kept) else {
        return Ok(());
    };
    // What is kept first counts when the job has ended.
    Conversation::end(note, &job.id, &Verdict::before_it_began(RunState::Failed, why))?;
    jobs::cancel(&job.id)
}

/// Judges a job that ended. Its label comes last, so that one that is cut off here is judged again.
fn ended(setup: &Setup, job: &Job) -> Result<Option<String>> {
    let note = match Note::of(job) {
        Ok(note) => note,
        Err(error) => {
            log::warn(error.to_string());
            jobs::set_label(&job.id, STAGE)?;
            return Ok(None);
        }
    };
    if note.kind == Kind::Conversation {
        talks::ended(setup, job, &note)?;
        return Ok(Some(note.conversation));
    }
    if let Some(plan) = &note.build {
        host::on(note.host.as_deref(), || build::ended(setup, job, &note, plan))?;
        return Ok(Some(note.conversation));
    }
    let (verdict, _) = judge(job, &note)?;
    let verdict = Conversation::end(&note, &job.id, &verdict)?;
    jobs::set_label(&job.id, verdict.state.name())?;
    Ok(Some(note.conversation))
}

/// Tidies a part of what is kept. Answers when it goes on.
fn tidy() -> Result<Duration> {
    let after: Option<String> = store::get(PLACE)?;
    match conversation::tidy(after.as_deref(), TIDIED)? {
        Some(last) => {
            store::put(PLACE, &last)?;
            Ok(SOON)
        }
        None => {
            store::remove(PLACE)?;
            Ok(EVERY)
        }
    }
}
