//! Brings up every backend by itself: one that cannot start is down with why, and is tried again.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::start::{Starter, raise};
use crate::desk::Desk;
use crate::watch::Watched;

/// The pause before a backend is tried for the second time. Each one after that is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// Brings up every backend of `starter` at `desk`, each as a task of `tasks`, until `shutdown`. What goes on between calls
/// of one that is up are such tasks as well.
pub fn bring_up(starter: Starter, desk: &Arc<Desk>, tasks: &TaskTracker, shutdown: &CancellationToken) {
    let starter = Arc::new(starter);
    for name in starter.names() {
        let (starter, desk) = (starter.clone(), desk.clone());
        let (watching, ending) = (tasks.clone(), shutdown.clone());
        tasks.spawn(async move {
            let up = ending.run_until_cancelled(until_up(&starter, &desk, &name)).await;
            if let Some(watched) = up {
                watched.start(&watching, &ending);
            }
        });
    }
}

/// Tries to start the backend called `name` until it is up.
async fn until_up(starter: &Starter, desk: &Desk, name: &str) -> Arc<Watched> {
    let mut pause = FIRST_PAUSE;
    loop {
        let started = starter.start(name).await;
        match started.and_then(|backend| raise(starter.setup(), desk, backend)) {
            Ok(watched) => {
                // What is up by then is told otherwise.
                if !desk.is_starting() {
                    tracing::info!("backend `{name}` is up");
                }
                return watched;
            }
            Err(error) => {
                if let Some(why) = desk.lower(name, &format!("{error:#}")) {
                    tracing::warn!("backend `{name}` is down, and is tried again: {why}");
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = longer(pause);
    }
}

/// The pause after `pause`.
fn longer(pause: Duration) -> Duration {
    (pause * 2).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_minutes() {
        let mut pause = FIRST_PAUSE;
        let mut seconds = Vec::new();
        for _ in 0..10 {
            seconds.push(pause.as_secs());
            pause = longer(pause);
        }
        assert_eq!(seconds, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }
}
