//! A job: a program that outlives berth, in a directory of its own.
//!
//! The directory is written by the job's supervisor, `berth job DIRECTORY`, a small process that belongs to no other. Its
//! files are plain, so that a supervisor in a POSIX shell can keep the same ones:
//!
//! | file | what it holds | written by |
//! |---|---|---|
//! | `spec` | what to run: arguments, names of variables, deadline, output kept | berth |
//! | `in` | standard input, which only grows | berth |
//! | `until` | how many bytes of `in` count, and whether more can come | berth, by rename |
//! | `cancel` | there once the job is to end | berth |
//! | `claim` | made with `O_EXCL` before anything is run: a job with it never starts again | supervisor |
//! | `pid` | the supervisor and the group of the program: pid, start, boot, pid namespace | supervisor, by rename |
//! | `sent` | how many bytes of `in` the program was given | supervisor |
//! | `out.N`, `err.N` | output from its byte N on; the oldest go when more than is kept was printed | supervisor |
//! | `exit` | how it ended | supervisor, by rename |
//! | `bell` | a FIFO: a byte in it lets the supervisor look at `until` and `cancel` | berth |
//! | `news` | a FIFO: a byte in it says that something changed, its end that the supervisor has ended | supervisor |
//!
//! Small files have a line `key value` for each fact, the first of them `format 1`. A value has `\\` for a backslash and
//! `\n` for a line's end, as `printf %b` reads them. Values of variables are in no file: the supervisor reads them from its
//! standard input. `claim` and `exit` are on the disk before anybody is told of them, and so is all input that was added to
//! `in`. Before the claim nothing in the directory need be: what was submitted stands in the index until then.

mod about;
mod begin;
mod ended;
mod folder;
mod input;
mod left;
mod lines;
mod news;
mod outcome;
mod output;
mod place;
mod processes;
pub mod sh;
mod spec;
mod supervise;
mod there;
mod until;

pub use self::about::About;
pub use self::begin::{Begun, NAME, Scope, Start, this_binary, will_pass};
pub use self::ended::{Ended, How};
pub use self::folder::Folder;
pub use self::input::Appended;
pub use self::left::{end_marked, end_what_is_left};
pub use self::news::News;
pub use self::outcome::{Lengths, Removed, Trouble};
pub use self::output::{Channel, Chunk};
pub use self::place::{Job, Stage};
pub use self::processes::MARK;
pub use self::spec::Spec;
pub use self::supervise::supervise;
#[cfg_attr(not(test), allow(unused_imports, reason = "it comes before those that use it"))]
pub(crate) use self::there::On;
pub use self::there::{Found, Input, Reach, Starting, There};
