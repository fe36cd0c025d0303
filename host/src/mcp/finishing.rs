//! Work that is finished even if nobody waits for it.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Runs within its caller, which costs no task. When the caller gives up, the rest continues in a task of its own. In
/// both cases it counts as under way from its beginning to its end.
pub(super) struct Finishing<F: Future<Output: Send> + Send + 'static> {
    /// Empty when it is finished.
    work: Option<(Pin<Box<F>>, TaskTrackerToken)>,
    runtime: Handle,
}

impl<F: Future<Output: Send> + Send + 'static> Finishing<F> {
    /// Wraps `work`, which counts in `under_way`; must be called within a runtime.
    pub(super) fn new(work: F, under_way: &TaskTracker) -> Self {
        Self {
            work: Some((Box::pin(work), under_way.token())),
            runtime: Handle::current(),
        }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for Finishing<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // It is taken out in the meantime, so that work which panics is not continued.
        let Some((mut work, counted)) = self.work.take() else {
            return Poll::Pending;
        };
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.work = Some((work, counted));
        }
        polled
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Finishing<F> {
    fn drop(&mut self) {
        if let Some((work, counted)) = self.work.take() {
            self.runtime.spawn(async move {
                work.await;
                drop(counted);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use futures::FutureExt as _;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn who_waits_gets_the_outcome() {
        assert_eq!(Finishing::new(async { 7 }, &TaskTracker::new()).await, 7);
    }

    #[tokio::test]
    async fn work_that_was_begun_goes_on_when_nobody_waits_and_is_under_way_until_its_end() {
        let under_way = TaskTracker::new();
        let (go, gone) = oneshot::channel::<()>();
        let (done, mut seen) = oneshot::channel();
        let work = async move {
            gone.await.unwrap();
            done.send(()).unwrap();
        };
        let mut finishing = Finishing::new(work, &under_way);
        assert!((&mut finishing).now_or_never().is_none());
        drop(finishing);
        under_way.close();
        assert!(under_way.wait().now_or_never().is_none(), "it counts as finished");
        go.send(()).unwrap();
        under_way.wait().await;
        seen.try_recv().unwrap();
    }
}
