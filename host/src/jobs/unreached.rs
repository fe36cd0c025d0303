//! Of which jobs on hosts it is not known now how they stand, though the index has them as running.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::folders::{Folders, machine};
use super::{AllJobs, Error, Jobs};
use crate::machine::job::Folder;
use crate::store::jobs::JobRecord;

/// Why nobody knows that of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreached {
    /// In words.
    pub why: String,
    /// When its host answered last, in milliseconds since 1970, if it did since berth began to serve.
    pub answered_at: Option<u64>,
}

impl AllJobs {
    /// Those of which it is not known, each by its backend and id, as `BACKEND/ID`.
    pub async fn unreached(&self) -> BTreeMap<String, Unreached> {
        let mut all = BTreeMap::new();
        for jobs in self.all() {
            match jobs.unreached().await {
                Ok(unreached) => all.extend(unreached),
                Err(error) => jobs.warn(&error),
            }
        }
        all
    }
}

impl Jobs {
    async fn unreached(&self) -> Result<Vec<(String, Unreached)>, Error> {
        let running = self.index(|index| index.running()).await?.into_iter();
        let folders = self.attended();
        let on_hosts = running.filter(|record| !record.host.is_empty());
        let unreached = on_hosts.filter_map(|record| {
            let unreached = self.why_unreached(folders.as_ref(), &record)?;
            Some((format!("{}/{}", self.0.backend, record.id), unreached))
        });
        Ok(unreached.collect())
    }

    /// `folders` are those that somebody attends to.
    fn why_unreached(&self, folders: Option<&Folders>, record: &JobRecord) -> Option<Unreached> {
        let unreached = |why: String, answered: Option<SystemTime>| {
            let answered = answered.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            Some(Unreached {
                why,
                answered_at: answered.and_then(|since| u64::try_from(since.as_millis()).ok()),
            })
        };
        let Some(folders) = folders else {
            let why = format!(
                "its backend is not up, so nobody asks {}: `berth doctor` says why",
                machine(&record.host)
            );
            return unreached(why, None);
        };
        let Some(Folder::There(there)) = folders.of(&record.host) else {
            return unreached(self.elsewhere(folders, record).to_string(), None);
        };
        match there.away_of(&record.id) {
            Some(why) => unreached(why.to_string(), there.answered()),
            None if there.is_known() => None,
            None => unreached(
                format!("{} has not answered yet", machine(&record.host)),
                there.answered(),
            ),
        }
    }
}
