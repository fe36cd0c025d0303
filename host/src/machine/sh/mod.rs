//! What a host's own `/bin/sh` does for berth, over any pair of streams: it runs programs, and lists and reads files.
//! Nothing of berth is installed there: each request is the text of a script.

mod answer;
mod ask;
mod channel;
mod fault;
mod files;
mod find;
mod frames;
mod own;
mod quote;
mod request;
mod run;
mod session;
#[cfg(all(test, target_os = "linux"))]
mod tests;
#[cfg(test)]
#[path = "tests/values.rs"]
pub(super) mod values;
mod within;

pub(crate) use self::ask::ask;
pub(crate) use self::channel::{Channel, Place as SessionPlace, Unopened, Way};
pub(crate) use self::fault::{Fault, Refusal};
pub(crate) use self::files::{Slice, entries, hold, read};
pub(crate) use self::find::{Found, Place, Program, find};
pub(crate) use self::own::own;
pub(crate) use self::run::{Around, Run, run};
pub(crate) use self::within::Within;
