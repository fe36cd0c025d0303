//! Brings up every backend by itself: one that cannot start is down with why, and is tried again.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::away::Away;
use super::start::{Starter, raise};
use crate::desk::Generation;
use crate::watch::Watched;

/// The pause before a backend is tried for the second time. Each one after that is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// Brings up every backend of `starter` in `generation`, each as a task of `tasks`, for as long as that is used. What goes
/// on between calls of one that is up are such tasks as well.
pub fn bring_up(starter: Starter, generation: &Arc<Generation>, tasks: &TaskTracker) {
    let starter = Arc::new(starter);
    for name in starter.names() {
        let starter = starter.clone();
        // The task does not keep it: it ends with its last call once another one has followed.
        let (place, span) = (Arc::downgrade(generation), generation.span().clone());
        let watching = tasks.clone();
        tasks.spawn(async move {
            let up = span.while_used(until_up(&starter, &place, &name)).await.flatten();
            if let Some(watched) = up {
                watched.start(&watching, &span);
            }
        });
    }
}

/// Tries to start the backend called `name` until it is up. None: its generation has ended.
async fn until_up(starter: &Starter, generation: &Weak<Generation>, name: &str) -> Option<Arc<Watched>> {
    let (mut pause, mut tried) = (FIRST_PAUSE, starter.hosts_tried());
    loop {
        let started = starter.start(name).await;
        {
            let generation = generation.upgrade()?;
            match started.and_then(|backend| raise(starter.setup(), &generation, backend)) {
                Ok(watched) => {
                    // What is up by then is told otherwise.
                    if generation.span().has_begun() && !generation.is_starting() {
                        tracing::info!("backend `{name}` is up");
                    }
                    return Some(watched);
                }
                Err(error) => {
                    let news = generation.lower(name, &format!("{error:#}"), error.is::<Away>());
                    if let Some(why) = news.filter(|_| generation.span().has_begun()) {
                        tracing::warn!("backend `{name}` is down, and is tried again: {why}");
                    }
                }
            }
        }
        pause = tokio::select! {
            () = tokio::time::sleep(pause) => longer(pause),
            Ok(()) = tried.changed() => FIRST_PAUSE,
        };
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
