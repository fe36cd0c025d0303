//! How many files the server may have open, sockets among them.

use berth::admission::numbers::OPEN_FILES;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises this process's own limit to what the server needs, as far as the system lets it.
pub(super) fn allow_many() {
    let limit = getrlimit(Resource::Nofile);
    let is_enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= OPEN_FILES);
    if is_enough(limit.current) {
        return;
    }
    let most = limit.maximum.unwrap_or(OPEN_FILES).min(OPEN_FILES);
    let raised = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(most),
            ..limit
        },
    );
    if raised.is_err() || most < OPEN_FILES {
        tracing::warn!(
            "the system lets berth open {} files, and it may need {OPEN_FILES} when many connect: raise the limit for it \
             (`ulimit -n {OPEN_FILES}`, or LimitNOFILE of its service)",
            getrlimit(Resource::Nofile).current.unwrap_or(most)
        );
    }
}
