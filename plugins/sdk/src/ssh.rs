//! Other machines: the hosts that the operator granted to this backend in `hosts`, by their labels.
//!
//! ```
//! use berth_plugin::{run, ssh};
//!
//! # fn main() -> berth_plugin::Result<()> {
//! # let host = berth_plugin::testing::Host::new();
//! # host.hosts(["mac", "linux"]);
//! # host.on_host("mac", "tmux", ["list-sessions"]).prints("app\n");
//! assert_eq!(ssh::hosts(), ["mac", "linux"]);
//! // What runs programs, reads files and submits jobs does so on this host.
//! let sessions = ssh::on("mac", || run("tmux", ["list-sessions"])?.text())?;
//! assert_eq!(sessions, "app\n");
//! # Ok(())
//! # }
//! ```

use std::cell::RefCell;

pub use crate::contract::ssh::{Look, Order, Part};
use crate::files::{self, Entry};
use crate::process::{Output, in_parts};
use crate::{Command, Result, host};

thread_local! {
    static CURRENT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The labels of the hosts, in the order of the operator. None of them is connected to for this.
#[must_use]
pub fn hosts() -> Vec<String> {
    host::ssh::hosts()
}

/// Lets everything that `work` does be on this host: programs, files, git, and the jobs that it submits. What is kept, such
/// as the store, is the same everywhere.
pub fn on<T>(host: &str, work: impl FnOnce() -> T) -> T {
    /// Goes back also where `work` panics.
    struct Back(Option<String>);
    impl Drop for Back {
        fn drop(&mut self) {
            CURRENT.set(self.0.take());
        }
    }
    let _back = Back(CURRENT.replace(Some(host.to_owned())));
    work()
}

/// The host of the innermost [`on`], if this is within one.
#[must_use]
pub fn current() -> Option<String> {
    CURRENT.with_borrow(Clone::clone)
}

/// Runs programs on several hosts at the same time, and returns their outputs in the same order.
#[must_use]
pub fn run_all(orders: impl IntoIterator<Item = Order>) -> Vec<Result<Output>> {
    let orders: Vec<_> = orders.into_iter().collect();
    in_parts(&orders, |order| &order.command.program, host::ssh::run)
}

/// The granted directories of these hosts, in the same order.
#[must_use]
pub fn roots<T: Into<String>>(hosts: impl IntoIterator<Item = T>) -> Vec<Result<Vec<String>>> {
    let hosts: Vec<String> = hosts.into_iter().map(Into::into).collect();
    host::ssh::roots(&hosts)
}

/// Entries of directories, as those of [`files::entries_all`], in the same order.
#[must_use]
pub fn entries(looks: impl IntoIterator<Item = Look>) -> Vec<Result<Vec<Entry>>> {
    let looks: Vec<_> = looks.into_iter().collect();
    let parts = looks.chunks(files::AT_ONCE);
    parts.flat_map(host::ssh::entries).collect()
}

/// Parts of regular files, in the same order.
#[must_use]
pub fn read_all(parts: impl IntoIterator<Item = Part>) -> Vec<Result<Vec<u8>>> {
    let parts: Vec<_> = parts.into_iter().collect();
    host::ssh::read(&parts)
}

impl Order {
    /// This command on this host.
    #[must_use]
    pub fn new(host: impl Into<String>, command: Command) -> Self {
        Self {
            host: host.into(),
            command,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{self, Spec};
    use crate::testing::Host;
    use crate::{Error, run};

    #[test]
    fn what_is_done_within_is_on_that_host_and_not_what_comes_after() {
        let host = Host::new();
        host.hosts(["mac", "linux"]);
        host.on("hostname", [""; 0]).prints("here");
        host.on_host("mac", "hostname", [""; 0]).prints("mac");
        host.on_host("linux", "hostname", [""; 0]).prints("linux");
        host.file_on("mac", "a/x", "1");
        let name = || run("hostname", [""; 0]).unwrap().text().unwrap();
        let (mac, inner, mac_again) = on("mac", || (name(), on("linux", name), name()));
        assert_eq!([mac, inner, mac_again, name()], ["mac", "linux", "mac", "here"]);
        let roots = on("mac", files::roots).unwrap();
        assert_eq!(on("mac", || files::entries(&roots[0])).unwrap()[0].name, "a");
        let job = || jobs::submit(Spec::new("k", "q", Command::new("make", [""; 0]))).unwrap();
        on("linux", job);
        assert_eq!(host.submitted()[0].host.as_deref(), Some("linux"));
        let listed = jobs::recent(&jobs::Filter::newest(1)).unwrap();
        assert_eq!(listed[0].host.as_deref(), Some("linux"));
    }

    #[test]
    fn a_host_that_is_away_delays_and_fails_no_other() {
        let host = Host::new();
        host.hosts(["mac", "linux"]);
        host.on_host("mac", "uptime", [""; 0]).prints("1 day");
        host.is_away("linux", "the host linux does not answer");
        let order = |host: &str| Order::new(host, Command::new("uptime", [""; 0]));
        let outputs = run_all([order("linux"), order("mac"), order("other")]);
        let [away, up, unknown] = outputs.try_into().unwrap();
        assert_eq!(away, Err(Error::Unavailable("the host linux does not answer".into())));
        assert_eq!(up.unwrap().text().unwrap(), "1 day");
        assert!(matches!(unknown, Err(Error::Denied(_))));
    }
}
