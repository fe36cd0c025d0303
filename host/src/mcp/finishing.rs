//! Work that is finished even if nobody waits for it any more.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// Runs within whoever waits for it, which costs no task. When that one gives up, the rest runs on in a task of its own.
pub(super) struct Finishing<F: Future<Output: Send> + Send + 'static> {
    /// None once it is finished.
    work: Option<Pin<Box<F>>>,
    runtime: Handle,
}

impl<F: Future<Output: Send> + Send + 'static> Finishing<F> {
    /// Wraps `work`; must be called within a runtime.
    pub(super) fn new(work: F) -> Self {
        Self {
            work: Some(Box::pin(work)),
            runtime: Handle::current(),
        }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for Finishing<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // Taken out meanwhile, so that work which panics is not gone on with.
        let Some(mut work) = self.work.take() else {
            return Poll::Pending;
        };
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Finishing<F> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.runtime.spawn(work);
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
        assert_eq!(Finishing::new(async { 7 }).await, 7);
    }

    #[tokio::test]
    async fn work_that_was_begun_goes_on_when_nobody_waits() {
        let (go, gone) = oneshot::channel::<()>();
        let (done, seen) = oneshot::channel();
        let mut finishing = Finishing::new(async move {
            gone.await.unwrap();
            done.send(()).unwrap();
        });
        assert!((&mut finishing).now_or_never().is_none());
        drop(finishing);
        go.send(()).unwrap();
        seen.await.unwrap();
    }
}
