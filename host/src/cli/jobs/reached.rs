//! What is known now of jobs that run on hosts, which the berth that runs tells: it alone reaches them.

use std::collections::BTreeMap;
use std::path::Path;

use berth::jobs::{AllUnreached, Unreached};
use berth::owner;
use berth::store::jobs::{JobRecord, Phase};

use super::time::shown;

/// Those of which it is not known how they stand, or why that is not known of any.
pub(super) struct Reached(Result<AllUnreached, String>);

impl Reached {
    /// Asks the berth behind `socket`, if one of `records` runs on a host.
    pub(super) async fn of(socket: &Path, mut records: impl Iterator<Item = &JobRecord>) -> Self {
        Self(match records.any(is_on_host) {
            true => owner::unreached(socket).await,
            false => Ok(AllUnreached::new()),
        })
    }

    /// The record of a job as far as it is known now.
    pub(super) fn told(&self, backend: &str, record: JobRecord) -> JobRecord {
        if !is_on_host(&record) {
            return record;
        }
        let host = &record.host;
        let reason = match self.of_backend(backend) {
            Err(why) => format!("running when last known; it is on the host {host}, and {why}"),
            Ok(unreached) => match unreached.get(&record.id) {
                None => return record,
                Some(Unreached { why, answered_at: None }) => format!("running when last known; {why}"),
                Some(Unreached {
                    why,
                    answered_at: Some(at),
                }) => format!("running when the host {host} answered last, at {}; {why}", shown(*at)),
            },
        };
        JobRecord {
            phase: Phase::Unreachable,
            reason: Some(reason),
            ..record
        }
    }

    /// Those of one backend, or why that is not known of any of its jobs.
    fn of_backend(&self, backend: &str) -> Result<&BTreeMap<String, Unreached>, String> {
        match self.0.as_ref().map_err(String::clone)?.get(backend) {
            Some(Ok(unreached)) => Ok(unreached),
            Some(Err(why)) => Err(format!("the berth that runs cannot say how it stands: {why}")),
            None => Err("the berth that runs does not know the jobs of this backend".into()),
        }
    }
}

fn is_on_host(record: &JobRecord) -> bool {
    record.phase == Phase::Running && !record.host.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_host() -> JobRecord {
        JobRecord {
            id: "id".into(),
            key: "key".into(),
            queue: "q".into(),
            note: String::new(),
            label: String::new(),
            interactive: false,
            watch: false,
            phase: Phase::Running,
            reason: None,
            status: None,
            signal: None,
            input: 0,
            output: 0,
            errors: 0,
            queued_at: 1,
            started_at: Some(1),
            finished_at: None,
            kept: 0,
            host: "mac".into(),
        }
    }

    #[test]
    fn what_the_berth_that_runs_does_not_know_of_a_backend_is_not_told_as_running() {
        let known = || ("known".to_owned(), Ok(BTreeMap::new()));
        let reached = Reached(Ok([known(), ("broken".to_owned(), Err("it is torn".to_owned()))].into()));
        assert_eq!(reached.told("known", on_host()).phase, Phase::Running);
        for (backend, why) in [
            ("broken", "it is torn"),
            ("absent", "does not know the jobs of this backend"),
        ] {
            let told = reached.told(backend, on_host());
            assert_eq!(told.phase, Phase::Unreachable);
            let reason = told.reason.unwrap_or_default();
            assert!(
                reason.starts_with("running when last known") && reason.contains(why),
                "{reason}"
            );
        }
    }
}
