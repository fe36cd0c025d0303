//! Panes of tmux, as the bundled backends that have any look at them: which there are, what they show, what they showed
//! before, and what an error of tmux means.
//!
//! All of it runs the granted program `tmux` where the backend lives, or on the host of `berth_plugin::ssh::on`. What
//! tmux is asked for is in [`grant`].

pub mod arguments;
pub mod digest;
pub mod done;
pub mod grant;
pub mod listed;
pub mod look;
pub mod panes;
pub mod scrollback;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod tmux;
