//! The folder of an installation of berth on a host: files that its programs need, and sockets of their servers.

use std::sync::Arc;
use std::time::Instant;

use super::channel::Way;
use super::fault::Fault;
use super::find::{LONGEST, told};
use super::quote::word;
use super::request::{OWN, Prelude, Unit};
use super::session::Work;
use super::within::whole;
use crate::machine::child::{Ended, Output};

/// Makes the folder of `installation` with the folders `conf` and `sockets` in it, writes `files` (name and text) to
/// `conf`, all in one round trip, and answers its path. Nobody but this user reaches it.
pub(crate) async fn own(
    way: &Arc<dyn Way>,
    until: Instant,
    installation: &str,
    files: &[(String, &str)],
) -> Result<String, Fault> {
    let unit = |script: String, stdin: &str| Unit {
        script: format!("berth_own {}\n{script}", word(installation)),
        stdin: stdin.into(),
        deadline: until.saturating_duration_since(Instant::now()),
        output: LONGEST as u64 + 1,
        lingers: false,
    };
    let mut units = vec![unit("berth_tell_own\n".into(), "")];
    for (name, text) in files {
        whole("the name of a file", name)?;
        units.push(unit(format!("berth_keep {}\n", word(name)), text));
    }
    let work = Work {
        way: way.clone(),
        prelude: Prelude::of(&[&OWN]),
        units,
        until,
    };
    let mut path = String::new();
    for ended in work.perform().await {
        match ended? {
            Ended::Finished(Output { stdout, .. }) => path.push_str(&String::from_utf8_lossy(&stdout)),
            Ended::TimedOut(after) => return Err(Fault::TimedOut(after)),
        }
    }
    told(path).ok_or(Fault::Strange)
}
