//! A script of another room, and what it prints.

use std::sync::Arc;
use std::time::Instant;

use super::channel::Way;
use super::fault::Fault;
use super::files::whole_output;
use super::request::{Prelude, Unit};
use super::session::Work;

/// What `script` prints, at most `most` bytes. What it started stays, if it succeeded; where it has not ended at `until`, or
/// where the caller goes, all of it is ended that did not leave its group.
pub(crate) async fn ask(way: &Arc<dyn Way>, until: Instant, script: &str, most: u64) -> Result<Vec<u8>, Fault> {
    let unit = Unit {
        // What stays must not hold the session's own streams.
        script: format!("exec 3>&-\n{script}"),
        stdin: Vec::new(),
        deadline: until.saturating_duration_since(Instant::now()),
        output: most,
        lingers: true,
    };
    let work = Work {
        way: way.clone(),
        prelude: Prelude::default(),
        units: vec![unit],
        until,
    };
    whole_output(work.perform().await.pop().unwrap_or(Err(Fault::Lost)), most)
}
