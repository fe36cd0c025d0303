//! A conversation as it is now: what its process printed since is read over what is kept of it.

use berth_plugin::jobs::{self, Channel, Job};
use berth_plugin::{Error, Result, time};

use crate::kept::process::Process;
use crate::kept::state::has_ended;
use crate::kept::talk::Talk;
use crate::read::ending;

/// Bytes that are read at a time, in one call, and the longest line.
const PART: u32 = 4 << 20;
const MOST: u64 = 64 << 20;
const LINE: usize = 8 << 20;

/// The one with this id, and the job of its process; nothing is kept of what was read.
pub(crate) fn look(id: &str) -> Result<Option<(Talk, Option<Job>)>> {
    let Some(mut talk) = Talk::find(id)? else {
        return Ok(None);
    };
    let job = catch_up(&mut talk)?;
    Ok(Some((talk, job)))
}

/// Reads what its process printed since. Answers the job of that.
pub(crate) fn catch_up(talk: &mut Talk) -> Result<Option<Job>> {
    let was_open = talk.process.ended.is_none();
    let job = follow(&mut talk.process)?;
    talk.process.unread = None;
    if !was_open {
        // What was set since is for the next one.
        return Ok(job);
    }
    if let Some(own) = talk.process.live.facts().conversation {
        talk.own_id = Some(own);
    }
    // A plan that was allowed changes the mode too. The model stays the agent's own unless a person sets it.
    for option in talk.process.live.options() {
        if let Some(value) = option
            .value
            .filter(|value| option.name == "mode" && option.values.contains(value))
        {
            talk.options.insert(option.name, value);
        }
    }
    Ok(job)
}

/// The process of the run with this job, if that can ask something.
pub(crate) fn asking(job: &str) -> Result<Option<Process>> {
    let process = look(job)?.map(|(talk, _)| talk.process);
    Ok(process.filter(Process::is_open))
}

fn follow(process: &mut Process) -> Result<Option<Job>> {
    let (Some(id), None) = (&process.job, &process.ended) else {
        return Ok(None);
    };
    // First the job: what it printed before its end is there then.
    let job = match jobs::get(id) {
        Err(Error::NotFound(_)) => {
            process.end(time::now(), Some("its job was removed".to_owned()));
            return Ok(None);
        }
        job => job?,
    };
    let is_all_read = lines(process, &job)?;
    if is_all_read && has_ended(job.phase) {
        let why = ending::why(&job, process.ending);
        process.end(job.finished_at.unwrap_or_else(time::now), why);
    }
    Ok(Some(job))
}

/// Reads the lines that are whole. Answers whether nothing is left.
fn lines(process: &mut Process, job: &Job) -> Result<bool> {
    let (began, now) = (process.read, time::now());
    let mut pending: Vec<u8> = Vec::new();
    loop {
        let at = process.read + pending.len() as u64;
        let chunk = jobs::read(&job.id, Channel::Output, at, PART)?;
        if chunk.bytes.is_empty() {
            return Ok(true);
        }
        if chunk.start > at {
            // What came before is gone, and with it the beginning of a line.
            pending.clear();
            (process.read, process.is_passing) = (chunk.start, true);
        }
        pending.extend(chunk.bytes);
        let mut done = 0;
        for line in pending.split_inclusive(|byte| *byte == b'\n') {
            let Some(whole) = line.strip_suffix(b"\n") else { break };
            done += line.len();
            if !std::mem::take(&mut process.is_passing) {
                process.live.read(whole, now);
                process.is_at(process.read + done as u64);
            }
        }
        if done == 0 && pending.len() > LINE {
            (done, process.is_passing) = (pending.len(), true);
        }
        pending.drain(..done);
        process.read += done as u64;
        if process.read - began > MOST {
            return Ok(false);
        }
    }
}
