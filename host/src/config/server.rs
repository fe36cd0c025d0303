//! `[server]`: the listener, its bounds, and where berth keeps its own files.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use serde::Deserialize;

use super::source::At;
use super::surroundings::Surroundings;
use super::{ConfigError, Server, values};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    listen: Option<String>,
    data: Option<String>,
    cache: Option<String>,
    #[serde(default)]
    open_on_loopback: bool,
    max_requests: Option<u64>,
    max_body: Option<String>,
    url_hosts: Option<Vec<String>>,
}

impl Section {
    /// Checks the table, which stands at `at`; relative paths start at `folder`.
    pub(super) fn check(self, at: &At<'_>, around: &Surroundings<'_>, folder: &Path) -> Result<Server, ConfigError> {
        let place = |written: Option<String>, default: &Path| match written {
            Some(written) => around.resolve(&written, folder),
            None => default.join("berth"),
        };
        Ok(Server {
            listen: listen(&at.key("listen"), self.listen)?,
            data: place(self.data, &around.data),
            cache: place(self.cache, &around.cache),
            open_on_loopback: self.open_on_loopback,
            max_requests: values::count(&at.key("max_requests"), self.max_requests, 64, 1..=1024)?,
            max_body: values::size(&at.key("max_body"), self.max_body.as_deref(), MIB, KIB..=16 * MIB)?,
            url_hosts: url_hosts(&at.key("url_hosts"), self.url_hosts)?,
        })
    }
}

fn listen(at: &At<'_>, written: Option<String>) -> Result<SocketAddr, ConfigError> {
    let Some(written) = written else {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, 8787)));
    };
    let address: SocketAddr = written.parse().map_err(|_| {
        at.error(format!(
            "{written:?} is no address: write address and port, like \"127.0.0.1:8787\""
        ))
    })?;
    if !address.ip().is_loopback() {
        return Err(at.error(format!(
            "{address} can be reached from other machines, which is refused until login exists: use 127.0.0.1 or [::1]"
        )));
    }
    Ok(address)
}

fn url_hosts(at: &At<'_>, written: Option<Vec<String>>) -> Result<Vec<String>, ConfigError> {
    let Some(hosts) = written else {
        return Ok(vec!["claude.ai".to_owned(), "claude.com".to_owned()]);
    };
    let is_host = |host: &String| {
        !host.is_empty()
            && host
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-')
    };
    match hosts.iter().position(|host| !is_host(host)) {
        None => Ok(hosts),
        Some(index) => Err(at.item(index).error(format!(
            "{:?} is no host: write its name alone in small letters, like \"example.org\"",
            hosts[index]
        ))),
    }
}
