//! The records of who may come in, as the front door uses them: on threads that may wait for the disk, and with an
//! entry in the record.

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;

use tokio_util::task::TaskTracker;
use tracing::error;

use crate::admission::Admission;
use crate::store::audit::Entry;
use crate::store::{self, AccessRecords, Recorder};

/// The records, and what a use of them needs. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Records {
    /// Who may come in.
    access: Arc<AccessRecords>,
    /// What happens here is recorded.
    recorder: Recorder,
    /// How many refusals are recorded.
    admission: Admission,
    /// What the end of berth waits for.
    under_way: TaskTracker,
}

/// Something of ours failed. Only the log has the cause, not the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("berth cannot use its records; its log says why")]
pub(super) struct Unavailable(());

impl Unavailable {
    /// Writes the cause to the log.
    pub(super) fn because(cause: impl Display) -> Self {
        error!("the records of who may come in cannot be used: {cause:#}");
        Self(())
    }
}

impl Records {
    pub(super) fn new(
        access: Arc<AccessRecords>,
        recorder: Recorder,
        admission: Admission,
        under_way: TaskTracker,
    ) -> Self {
        Self {
            access,
            recorder,
            admission,
            under_way,
        }
    }

    /// Does `work` on the records, on a thread that may wait for the disk. It is finished before berth ends.
    pub(super) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&AccessRecords) -> Result<T, store::Error> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let access = self.access.clone();
        let done = self.under_way.spawn_blocking(move || work(&access)).await;
        done.map_err(Unavailable::because)?.map_err(Unavailable::because)
    }

    /// The same for `work` that somebody at `address` asks for, and that is to be recorded. Its entry is written before
    /// anyone hears of the outcome, and also if nobody waits for it; the number of entries for refusals that cost
    /// strangers nothing is limited. If nothing can be recorded, nothing is done. If recording fails after something
    /// was done, that is still answered, and its entry is written as soon as possible.
    pub(super) async fn recorded<T: Send + 'static>(
        &self,
        address: IpAddr,
        work: impl FnOnce(&AccessRecords) -> Result<(T, Option<Entry>), store::Error> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let prepared = self.recorder.prepare().await.map_err(Unavailable::because)?;
        let (recorder, admission) = (self.recorder.clone(), self.admission.clone());
        let done = self.with(move |access| {
            let (outcome, entry) = work(access)?;
            let entry = entry.filter(|entry| !entry.event.is_free() || admission.records_try(address));
            if let Some(entry) = entry {
                // The log reports it, and the entry is kept.
                let _ = recorder.record_here(prepared, entry);
            }
            Ok(outcome)
        });
        done.await
    }
}
