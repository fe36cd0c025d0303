//! Where a session works: on a host, by its label, or where the backend lives. What was kept before there were hosts has none.

use berth_plugin::ssh;

/// Does what reaches into the machine on this host; none: where the backend lives.
pub(crate) fn on<T>(host: Option<&str>, work: impl FnOnce() -> T) -> T {
    match host {
        Some(host) => ssh::on(host, work),
        None => work(),
    }
}
