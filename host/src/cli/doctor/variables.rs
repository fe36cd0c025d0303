//! Variables that are set here and that programs of a backend do not get.

use berth::assemble::{Granted, Setup};

use super::finding::Finding;

/// What programs of any kind read to reach the network.
const NETWORK: [&str; 13] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
];

pub(super) fn examine(setup: &Setup) -> Vec<Finding> {
    setup
        .backends
        .values()
        // To a host nothing of this machine's environment goes.
        .filter(|backend| backend.is_here())
        .filter_map(|backend| missing(setup, backend))
        .collect()
}

fn missing(setup: &Setup, backend: &Granted) -> Option<Finding> {
    let passed = backend.environment();
    let agents = setup
        .agents_of(backend)
        .filter(|(name, _)| backend.installed.contains(*name));
    let read = agents.flat_map(|(_, agent)| agent.variables.iter().map(String::as_str));
    let is_missing =
        |name: &&str| std::env::var_os(name).is_some() && !passed.iter().any(|(passed, _)| passed == *name);
    let mut names: Vec<&str> = NETWORK.into_iter().chain(read).filter(is_missing).collect();
    names.sort_unstable();
    names.dedup();
    let name = &backend.written.name;
    (!names.is_empty()).then(|| {
        Finding::warn(
            &format!("environment of {name}"),
            format!("set here, and not passed on to its programs: {}", names.join(", ")),
            format!(
                "if its agents need them, add their names to `env` in [backends.{name}], or secrets to a file that \
                 `env_file` names"
            ),
        )
    })
}
