//! What conversations need between calls: what their agents print is read and answered, what nobody answered in time is
//! declined, processes that are idle for long are ended, and messages that wait when one ends go to the next.

use std::collections::BTreeSet;
use std::time::Duration;

use berth_agents::live::{Activity, Live, MessageState};
use berth_plugin::jobs::{self, Job, Phase};
use berth_plugin::{Result, log, time};

use crate::kept::message;
use crate::kept::note::Note;
use crate::kept::process::Ending;
use crate::kept::state::{AT_REST, ENDED, has_ended};
use crate::kept::talk::Talk;
use crate::kept::unread::Unread;
use crate::read::talk::look;
use crate::run::asking;
use crate::setup::Setup;
use crate::talk::change::{change, change_unread, write};
use crate::talk::{process, took};

/// When what did not work is tried again, and how long a job may wait before an idle process makes room for it.
const AGAIN: u64 = 10_000;
const ROOM: u64 = 1_000;
/// When one is looked at again of which nothing that is kept can be read.
const DAMAGED: u64 = 600_000;
/// What agents are told of a question that nobody answered in time.
const EXPIRED: &str = "Nobody answered in time.";

/// What one look found.
#[derive(Default)]
pub(crate) struct Kept {
    /// Conversations that changed by what was done.
    pub(crate) changed: BTreeSet<String>,
    /// When to look again.
    pub(crate) next: Option<u64>,
}

/// A process that is idle, or one that waits for a place.
struct Place {
    id: String,
    since: u64,
}

/// Looks after all that have a process. `is_start`: berth has just begun to serve.
pub(crate) fn all(setup: &Setup, is_start: bool) -> Result<Kept> {
    let mut kept = Kept::default();
    let (mut idle, mut waiting) = (Vec::new(), Vec::new());
    for id in Talk::all_alive()? {
        match one(setup, &id, is_start, &mut kept) {
            Ok(Some((place, true))) => idle.push(place),
            Ok(Some((place, false))) => waiting.push(place),
            Ok(None) => {}
            Err(error) => {
                log::warn(format_args!("session {id} could not be looked after: {error}"));
                again(&id).into_iter().for_each(|at| kept.by(at));
                kept.changed.insert(id);
            }
        }
    }
    make_room(idle, waiting, &mut kept)?;
    Ok(kept)
}

impl Kept {
    fn by(&mut self, at: u64) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }
}

/// When one is looked after again that could not be: with growing pauses where what its process prints cannot be read, and
/// then only where there is an occasion.
fn again(id: &str) -> Option<u64> {
    let now = time::now();
    let Err(why) = look(id) else {
        return Some(now + AGAIN);
    };
    let noted = change_unread(id, |talk| {
        let process = &mut talk.process;
        let unread = Unread::again(process.unread.take(), now);
        let next = unread.next();
        process.unread = Some(unread);
        let job = process.job.as_ref().and_then(|job| jobs::get(job).ok());
        if next.is_none() && job.is_some_and(|job| has_ended(job.phase)) {
            // It prints nothing more, so there is nothing to wait for.
            process.end(now, Some(format!("what it printed cannot be read: {why}")));
            return Ok(Some(now));
        }
        Ok(next)
    });
    // What is kept of it cannot be read either.
    noted.unwrap_or(Some(now + DAMAGED))
}

/// Looks after one. Answers whether its process is idle, or waits for a place.
fn one(setup: &Setup, id: &str, is_start: bool, kept: &mut Kept) -> Result<Option<(Place, bool)>> {
    let Some(talk) = Talk::find(id)? else {
        Talk::is_at_rest(id)?;
        return Ok(None);
    };
    if let Some(unread) = talk
        .process
        .unread
        .as_ref()
        .filter(|unread| !is_start && !unread.is_due(time::now()))
    {
        unread.next().into_iter().for_each(|at| kept.by(at));
        return Ok(None);
    }
    if talk.run.is_some() {
        return run(setup, id, is_start, kept).map(|()| None);
    }
    if talk.process.job.is_none() && talk.process.ended.is_none() {
        if let Err(error) = process::start(setup, id) {
            change(id, |talk| {
                talk.process.trouble = Some(error.to_string());
                Ok(())
            })?;
            kept.by(time::now() + AGAIN);
        }
        kept.changed.insert(id.to_owned());
    }
    let now = time::now();
    let is_changed = change(id, |talk| {
        let process = &mut talk.process;
        if !process.is_open() {
            return Ok(false);
        }
        if is_start {
            process.live.ask_again();
        }
        let old = too_old(setup, &process.live, now);
        for prompt in &old {
            process.live.expire(prompt, EXPIRED);
        }
        let is_idle = idle_since(talk).is_some_and(|since| setup.settings.ended_at(since) <= now);
        // One that takes no message will not later either. The next message has another one, which may be luckier.
        let is_over = is_idle || talk.process.live.cannot_begin();
        if is_over {
            talk.process.ending = Some(Ending::Idle);
        }
        Ok(is_over || !old.is_empty())
    })?;
    if is_changed {
        kept.changed.insert(id.to_owned());
    }
    if !write(id)? {
        kept.by(now + ROOM);
    }
    let Some((talk, job)) = look(id)? else {
        return Ok(None);
    };
    if talk.process.ended.is_some() {
        kept.changed.insert(id.to_owned());
        settle(setup, id, &talk)?;
        return Ok(None);
    }
    if let (Some(_), Some(job)) = (talk.process.ending, &job) {
        jobs::cancel(&job.id)?;
        kept.by(now + ROOM);
        return Ok(None);
    }
    for prompt in talk.process.live.prompts() {
        kept.by(setup.settings.declined_at(prompt.at));
    }
    if let Some(since) = idle_since(&talk) {
        kept.by(setup.settings.ended_at(since));
        return Ok(Some((
            Place {
                id: id.to_owned(),
                since,
            },
            true,
        )));
    }
    let queued = job.filter(|job| job.phase == Phase::Queued);
    Ok(queued.map(|job| {
        (
            Place {
                id: id.to_owned(),
                since: job.queued_at,
            },
            false,
        )
    }))
}

/// Looks after the run with this job.
fn run(setup: &Setup, id: &str, is_start: bool, kept: &mut Kept) -> Result<()> {
    let now = time::now();
    change(id, |talk| {
        let live = &mut talk.process.live;
        if is_start && talk.process.ended.is_none() {
            live.ask_again();
        }
        for prompt in too_old(setup, live, now) {
            live.expire(&prompt, EXPIRED);
        }
        let waits = !live.prompts().is_empty();
        if let Some(bounds) = &mut talk.run {
            bounds.note(waits, now);
        }
        Ok(())
    })?;
    if !write(id)? {
        kept.by(now + ROOM);
    }
    let Some((talk, job)) = look(id)? else {
        return Ok(());
    };
    let (Some(bounds), Some(job), None) = (&talk.run, job, &talk.process.ended) else {
        return Talk::remove(id);
    };
    for prompt in talk.process.live.prompts() {
        kept.by(setup.settings.declined_at(prompt.at));
    }
    if let Some(next) = asking::look_after(&talk, bounds, &job)? {
        kept.by(next);
    }
    Ok(())
}

/// The questions that nobody answered in time.
fn too_old(setup: &Setup, live: &Live, now: u64) -> Vec<String> {
    let old = live
        .prompts()
        .iter()
        .filter(|prompt| setup.settings.declined_at(prompt.at) <= now);
    old.map(|prompt| prompt.id.clone()).collect()
}

/// Since when its process has nothing to do. One with which its conversation would be lost is never ended for that.
fn idle_since(talk: &Talk) -> Option<u64> {
    let live = &talk.process.live;
    let is_idle = talk.process.is_open()
        && live.state() == Activity::Idle
        && live.can_resume()
        && message::waiting(live).next().is_none();
    is_idle.then(|| live.facts().since).flatten()
}

/// Ends the processes that were idle longest, one for each that waits for a place.
fn make_room(mut idle: Vec<Place>, waiting: Vec<Place>, kept: &mut Kept) -> Result<()> {
    let now = time::now();
    idle.sort_by_key(|place| place.since);
    let late = waiting.iter().filter(|place| place.since + ROOM <= now).count();
    if late < waiting.len() {
        kept.by(now + ROOM);
    }
    for place in idle.into_iter().take(late) {
        let job = change(&place.id, |talk| {
            if idle_since(talk).is_none() {
                return Ok(None);
            }
            talk.process.ending = Some(Ending::Idle);
            Ok(talk.process.job.clone())
        })?;
        if let Some(job) = job {
            jobs::cancel(&job)?;
            kept.changed.insert(place.id);
            kept.by(now + ROOM);
        }
    }
    Ok(())
}

/// Notes how the process of a conversation ended, and gives what waits to the next one.
fn settle(setup: &Setup, id: &str, talk: &Talk) -> Result<()> {
    let process = &talk.process;
    took::keep(talk)?;
    if let Some(job) = &process.job {
        let label = if process.ending == Some(Ending::Person) {
            ENDED
        } else {
            AT_REST
        };
        jobs::set_label(job, label)?;
    }
    // One that never got so far would end again and again.
    let has_worked = process
        .live
        .messages()
        .any(|message| matches!(message.state, MessageState::Started | MessageState::Answered { .. }));
    let waits = message::waiting(&process.live).next().is_some() && process.ending != Some(Ending::Person);
    if waits && has_worked && process.live.can_resume() {
        return process::next(setup, id, None);
    }
    change(id, |_| Ok(()))?;
    Talk::is_at_rest(id)
}

/// Labels the job of a process after which another one followed already.
pub(crate) fn ended(setup: &Setup, job: &Job, note: &Note) -> Result<()> {
    let id = &note.conversation;
    let is_its = |talk: &Talk| talk.process.job.as_ref() == Some(&job.id);
    let kept = Talk::find(id)?.filter(is_its);
    if kept.is_some_and(|talk| talk.process.unread.is_some()) {
        // That is tried again in its time.
        return Ok(());
    }
    match look(id)? {
        Some((talk, _)) if is_its(&talk) => settle(setup, id, &talk),
        _ => jobs::set_label(&job.id, AT_REST),
    }
}

/// When to look again at the latest, so that no time that is asked for is too far away.
pub(crate) fn soonest(kept: &Kept, other: Duration) -> u64 {
    let other = time::after(other);
    kept.next.map_or(other, |next| next.min(other))
}
