//! The contract's side: what a guest may say to the operator.

use std::time::Instant;

use crate::capability::Call;
use crate::contract::log::{Host, Level};
use crate::text;

/// Characters of one line.
const LINE: usize = 2_000;

impl Host for Call {
    async fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.say(level, &message);
        Ok(())
    }

    async fn progress(&mut self, done: u32, total: Option<u32>, message: String) -> wasmtime::Result<()> {
        let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
        self.say(Level::Debug, &format!("progress {done}{of}: {message}"));
        Ok(())
    }
}

impl Call {
    fn say(&self, level: Level, message: &str) {
        let Some(left_out) = self.powers.lines.take(Instant::now()) else {
            return;
        };
        let backend = &*self.powers.backend;
        if left_out > 0 {
            tracing::warn!(
                backend,
                "{left_out} lines of the plugin were left out: it writes too many"
            );
        }
        let line = text::short_line(message, LINE);
        match level {
            Level::Error => tracing::error!(backend, "plugin: {line}"),
            Level::Warn => tracing::warn!(backend, "plugin: {line}"),
            Level::Info => tracing::info!(backend, "plugin: {line}"),
            Level::Debug => tracing::debug!(backend, "plugin: {line}"),
        }
    }
}
