//! The `context` capability: what a guest may know of the call that it is in.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::{Access, Call};
use crate::contract::context::{self, Host};
use crate::contract::types;

impl Host for Call {
    async fn get(&mut self) -> wasmtime::Result<context::Call> {
        let left = self.allowance.deadline.saturating_duration_since(Instant::now());
        let deadline = (SystemTime::now() + left)
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Ok(context::Call {
            deadline: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX),
            access: match self.allowance.access {
                Access::Read => types::Access::Read,
                Access::Control => types::Access::Control,
            },
        })
    }
}
