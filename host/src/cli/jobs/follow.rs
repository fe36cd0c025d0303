//! Waiting for what changes, for as long as somebody reads.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::cli::audit::is_read;

/// How often jobs are looked at.
pub(super) const POLL: Duration = Duration::from_secs(1);
/// How often what a job prints is looked for.
pub(super) const POLL_OUTPUT: Duration = Duration::from_millis(200);

/// False if it was told to end meanwhile, or nobody reads what it prints.
pub(super) async fn pause(time: Duration, shutdown: &CancellationToken) -> bool {
    shutdown.run_until_cancelled(tokio::time::sleep(time)).await.is_some() && is_read()
}
