//! Git that runs nothing of a repository's: no hook, filter, file monitor, transport or program that its configuration
//! names, whoever wrote that.
//!
//! A plugin gets it by a grant of the program `git`: [`grant::reading`] for what only looks, [`grant::building`] for
//! clones too. The argument lists of the grant are literal, and its `fixed` sets git's own variables, which count more
//! than all that a repository says. The functions here use these lists, and nothing else.
//!
//! A checkout that others write is only ever asked for its objects and its index; its files are read and compared by
//! the plugin ([`changes()`]), because git would run the filters of a repository for that. What a program of a session
//! shall change is a clone: [`clone_job`], [`check_out`], and [`fetch_back`] of the branch. Before git follows a repository
//! to its objects and references, [`confined`] says whether all of it is granted.

mod branch;

mod changes;
mod checkout;
mod clone;
mod commit;
mod compared;
mod content;
mod cursor;
mod git_output;
pub mod grant;
mod page;
mod repository;
mod run;
mod version;
mod work;

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "its tests run the real git")]
mod hostile;

pub use branch::Branch;
pub use changes::{Since, Wanted, changes};
pub use clone::{Fetched, check_out, clone_job, clone_name, fetch_back};
pub use commit::{Commit, commit};
pub use repository::confined;
pub use version::{Version, version};
pub use work::{Work, leftovers, unfetched, work};
