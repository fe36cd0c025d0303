//! What is known now of jobs that run on hosts, which the berth that runs tells: it alone reaches them.

use std::collections::BTreeMap;
use std::path::Path;

use berth::jobs::Unreached;
use berth::owner;
use berth::store::jobs::{JobRecord, Phase};

use super::time::shown;

/// Those of which it is not known how they stand, or why that is not known of any.
pub(super) struct Reached(Result<BTreeMap<String, Unreached>, &'static str>);

impl Reached {
    /// Asks the berth behind `socket`, if one of `records` runs on a host.
    pub(super) async fn of(socket: &Path, mut records: impl Iterator<Item = &JobRecord>) -> Self {
        Self(match records.any(is_on_host) {
            true => owner::unreached(socket).await,
            false => Ok(BTreeMap::new()),
        })
    }

    /// The record of a job as far as it is known now.
    pub(super) fn told(&self, backend: &str, record: JobRecord) -> JobRecord {
        if !is_on_host(&record) {
            return record;
        }
        let host = &record.host;
        let reason = match &self.0 {
            Err(why) => format!("running when last known; it is on the host {host}, and {why}"),
            Ok(unreached) => match unreached.get(&format!("{backend}/{}", record.id)) {
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
}

fn is_on_host(record: &JobRecord) -> bool {
    record.phase == Phase::Running && !record.host.is_empty()
}
