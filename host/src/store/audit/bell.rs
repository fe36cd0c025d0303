//! How the thread that writes is woken.

use std::thread::Thread;

use tokio::task::yield_now;

/// Wakes the thread that writes; for the last time when it is dropped.
#[derive(Debug)]
pub(super) struct Bell(Thread);

impl Bell {
    pub(super) fn new(thread: Thread) -> Self {
        Self(thread)
    }

    /// Rings now.
    pub(super) fn ring(&self) {
        self.0.unpark();
    }

    /// Rings when this thread's tasks that are ready have run: what they have for the writer is then part of the same
    /// transaction. To wake the writer for each costs more than to write. If it is dropped before, it rings too.
    pub(super) async fn ring_for_all(&self) {
        let _ringing = Ringing(self);
        yield_now().await;
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.ring();
    }
}

struct Ringing<'a>(&'a Bell);

impl Drop for Ringing<'_> {
    fn drop(&mut self) {
        self.0.ring();
    }
}
