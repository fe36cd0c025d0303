//! This call: when it must be over, and whether it may act.

use std::time::Duration;

pub use crate::contract::context::Call;
use crate::{Access, host, time};

/// This call.
#[must_use]
pub fn get() -> Call {
    host::context::get()
}

/// How long this call may still take.
#[must_use]
pub fn remaining() -> Duration {
    Duration::from_millis(get().deadline.saturating_sub(time::now()))
}

/// Whether this call may act. One that may not has only the `read` lists of grants.
#[must_use]
pub fn may_act() -> bool {
    get().access == Access::Control
}
