//! Of which jobs on hosts it is not known now how they stand, though the index has them as running.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::folders::{Folders, machine};
use super::{AllJobs, Error, Jobs};
use crate::machine::job::Folder;
use crate::store::jobs::JobRecord;

/// Those of each backend by their ids, or why that is not known of any of its jobs. Of a backend that is not there, it is not
/// known either.
pub type AllUnreached = BTreeMap<String, Result<BTreeMap<String, Unreached>, String>>;

/// Why nobody knows that of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreached {
    /// In words.
    pub why: String,
    /// When its host answered last, in milliseconds since 1970, if it did since berth began to serve.
    pub answered_at: Option<u64>,
}

impl AllJobs {
    /// Those of which it is not known.
    pub async fn unreached(&self) -> AllUnreached {
        let mut all = BTreeMap::new();
        for backend in self.data.backends_with_jobs() {
            let unreached = match self.of(&backend) {
                Ok(jobs) => jobs.unreached().await.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(why) = &unreached {
                tracing::warn!(backend, "jobs: {why}");
            }
            all.insert(backend, unreached);
        }
        all
    }
}

impl Jobs {
    async fn unreached(&self) -> Result<BTreeMap<String, Unreached>, Error> {
        let running = self.index(|index| index.running()).await?.into_iter();
        let folders = self.attended();
        let on_hosts = running.filter(|record| !record.host.is_empty());
        let unreached = on_hosts.filter_map(|record| {
            let unreached = self.why_unreached(folders.as_ref(), &record)?;
            Some((record.id, unreached))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;
    use crate::store::DataDirectory;

    #[tokio::test]
    async fn where_the_jobs_of_a_backend_cannot_be_read_that_is_told_of_this_one() {
        let place = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(&place.path().join("data"), &place.path().join("cache")).unwrap();
        let all = AllJobs::unattended(data);
        all.of("whole").unwrap();
        let broken = place.path().join("data/jobs/broken");
        fs::create_dir(&broken).unwrap();
        fs::write(broken.join("index.db"), "no index").unwrap();
        let told = all.unreached().await;
        assert!(told["broken"].is_err(), "{told:?}");
        assert_eq!(told["whole"], Ok(BTreeMap::new()));
    }
}
