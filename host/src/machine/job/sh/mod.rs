//! Jobs on another machine, where nothing of berth is installed: a supervisor in POSIX shell, and requests about its jobs.
//!
//! A request is the text of a script for `/bin/sh -s`: a constant part, then calls whose values are quoted words. It is
//! written by [`Request`], which also reads what came back; it does not know how the text gets there. Before a value is
//! written it is checked, so nothing is sent of a request that cannot be made.
//!
//! Below `~/.local/state/berth/INSTALLATION` (or `XDG_STATE_HOME`) on the host, for this user alone, are
//! `supervisors/DIGEST.sh`, the script, of which a supervisor goes on with the one that it began with, and `jobs/ID`. Its
//! files are those of [a job here](super), apart from these:
//!
//! | file | how it differs |
//! |---|---|
//! | `in.N` | input from its byte N on; whoever makes the file of a name first has added. One of no bytes is the end |
//! | `claim` | made as a link, and names the supervisor and the machine (`node`) from the first moment |
//! | `exit` | counts when the supervisor is gone; what is not an end is put aside as `exit.other.PID` |
//! | `pid` | has besides `helper`, a process that lasts as long as the supervisor's group; its group is led by a process of ours |
//! | `bell`, `feed` | a line in one of these FIFOs lets the supervisor look at `cancel`, or the feeder at `in.N` |
//!
//! | `about` | what it is, for another installation that takes it over; it stands beside `spec` |
//!
//! `../taken/ID` says that another installation has taken the job over. It is written before the directory goes, and the
//! directory goes in one step, so of each job one installation has the directory, and every other one sees that it has not.
//!
//! There are no `in`, `until` and `news`. `spec`, `out.N`, `err.N`, `exit`, `cancel` and `sent` are the same.
//!
//! A shell cannot do all that the supervisor here does:
//!
//! - What leaves the program's group and session is ended only on Linux, by its mark, and not if it has removed that.
//! - A status from 129 to 192 is told as the signal that it stands for.
//! - A program that the system cannot run (its interpreter is missing) ends with status 126 or 127, and says why on standard
//!   error.
//! - The program may see `PWD`, `OLDPWD`, `SHLVL` and `_` beside its variables, as shells set them.
//! - Where there is neither `env --default-signal` nor perl nor python3, the program ignores HUP, INT and QUIT until it sets
//!   them itself.
//! - Times have full seconds, and a deadline is rounded up to one. The time for which a machine sleeps may count or not.
//! - The checks of files for links are made before they are opened, not by opening them.

mod answer;
mod request;
#[cfg(test)]
mod tests;

pub use self::answer::{Answer, Fault, Installation, Item, Kept, Standing, Status, is_installation};
pub use self::request::{Begin, Request, Unfit, Within};
