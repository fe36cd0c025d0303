//! What memory a call may take, and how many calls of a backend may be large at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::ResourceLimiterAsync;

/// Entries of a guest's tables.
pub(crate) const TABLE_ELEMENTS: usize = 100_000;
/// Bytes past which a call is large.
const LARGE: usize = 4 << 20;
/// Large calls of one backend at once. Further ones wait when they grow, within their deadlines: otherwise all calls of
/// a backend together could take its limit times their number.
const LARGE_CALLS: usize = 4;

/// The places for the large calls of one backend.
#[derive(Clone)]
pub(crate) struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LARGE_CALLS)))
    }
}

/// The memory of one call. Refuses what exceeds the limit, and remembers that it did.
pub(crate) struct MemoryLimit {
    bytes: usize,
    pub(crate) exceeded: bool,
    places: Places,
    /// Held from when the call grew large to its end.
    place: Option<OwnedSemaphorePermit>,
}

impl MemoryLimit {
    pub(crate) fn new(bytes: usize, places: Places) -> Self {
        Self {
            bytes,
            exceeded: false,
            places,
            place: None,
        }
    }
}

#[async_trait::async_trait]
impl ResourceLimiterAsync for MemoryLimit {
    async fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.bytes {
            self.exceeded = true;
            return Ok(false);
        }
        if desired > LARGE && self.place.is_none() {
            self.place = Some(self.places.0.clone().acquire_owned().await?);
        }
        Ok(true)
    }

    async fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }
}
