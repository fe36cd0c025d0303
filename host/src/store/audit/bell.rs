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

    /// Rings when this thread's tasks that can go on have done so: what they have for the writer comes with it, and
    /// shares a transaction. To wake the writer for each costs more than to write. Dropped meanwhile, it rings as well.
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
