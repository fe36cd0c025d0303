//! What is left of a job whose supervisor was killed.

use std::io;
use std::time::Duration;

use super::ended::{Ended, How, Processes};
use super::place::{Job, Stage};
use super::processes;

/// How often what is left is looked for: each time, what was started meanwhile is found.
const ROUNDS: usize = 200;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Ends what is left of the job `id`, whose supervisor is gone, and then says in its directory that it was interrupted.
/// Answers how it ended: it may have ended just before. It blocks.
///
/// # Errors
/// What the system says, or that something does not end.
pub fn end_what_is_left(job: &Job, id: &str) -> io::Result<Ended> {
    if let Stage::Ended(ended) = job.stage()? {
        return Ok(ended);
    }
    let had = job.processes().ok().flatten();
    let reason = match had.as_ref().map(is_of_this_start).transpose()? {
        Some(false) => "the system was started again while it ran",
        _ => {
            end_all(id, had.as_ref().filter(|had| processes::are_of(id, had)))?;
            "its supervisor was killed, and what was left of it was ended"
        }
    };
    let ended = Ended {
        started: had.map(|had| had.at),
        ..Ended::without_status(How::Interrupted, reason)
    };
    if let Err(error) = job.end(&ended) {
        // Who reads its directory is not told. The index is.
        tracing::warn!(
            "the end of job {id} cannot be kept in {}: {error}",
            job.path().display()
        );
    }
    Ok(ended)
}

/// Ends what bears the mark of the job `id`, whose directory cannot be used. It blocks.
///
/// # Errors
/// What the system says, or that something does not end.
pub fn end_marked(id: &str) -> io::Result<()> {
    end_all(id, None)
}

/// Whether these processes are of this start of the system, and in this pid namespace.
fn is_of_this_start(had: &Processes) -> io::Result<bool> {
    Ok(had.boot == processes::boot()? && had.namespace == processes::namespace()?)
}

fn end_all(id: &str, had: Option<&Processes>) -> io::Result<()> {
    for _ in 0..ROUNDS {
        let left = processes::of_job(id, had)?;
        if left.is_empty() {
            return Ok(());
        }
        left.into_iter().for_each(processes::kill);
        std::thread::sleep(PAUSE);
    }
    Err(io::Error::other("what is left of it does not end"))
}
