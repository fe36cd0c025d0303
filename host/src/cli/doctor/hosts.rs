//! The hosts: how it is with each, and what this machine has for it.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::anyhow;
use berth::assemble::Setup;
use berth::shell;
use berth::store::DataDirectory;

use super::finding::Finding;
use crate::cli::hosts::state::{State, milliseconds, versions};

pub(super) async fn examine(setup: &Setup, data: &DataDirectory) -> Vec<Finding> {
    let states = State::of_all(setup, data).await;
    states.iter().flat_map(|state| examine_one(setup, state)).collect()
}

fn examine_one(setup: &Setup, state: &State<'_>) -> Vec<Finding> {
    let (host, name) = (&state.host.written, &state.host.written.name);
    let about = format!("host {name}");
    let key = host.identity_file.as_deref();
    if let Some((what, fix)) = key.and_then(|key| key_fault(key, name)) {
        return vec![Finding::fail(&about, what, fix)];
    }
    let mut findings = match (&state.survey, &state.fix) {
        (Some(survey), _) => {
            let there = [&survey.programs, &survey.agents].map(|found| versions(found));
            let there = there.into_iter().filter(|found| !found.is_empty());
            let facts: Vec<String> = [milliseconds(survey.round_trip)].into_iter().chain(there).collect();
            let faults = survey
                .faults
                .iter()
                .map(|fault| Finding::error(&about, &anyhow!("{fault}")));
            let warnings = survey.warnings.iter().map(|warning| Finding::told(&about, warning));
            let answers = Finding::ok(&about, format!("{} answers ({})", host.machine(), facts.join(", ")));
            [answers].into_iter().chain(faults).chain(warnings).collect()
        }
        (None, Some(fix)) => vec![Finding::fail(&about, format!("it {}", state.what), fix)],
        (None, None) => vec![Finding::error(&about, &anyhow!("{}", state.what))],
    };
    if setup.on(name).next().is_none() {
        findings.push(Finding::warn(
            &about,
            "no backend is on it",
            format!("write host = \"{name}\" into the table of one, or \"{name}\" into its `hosts`, or remove [hosts.{name}]"),
        ));
    }
    findings
}

/// What is wrong with the key of this user, and the fix. ssh itself goes on without a key that it does not like.
fn key_fault(key: &Path, name: &str) -> Option<(String, String)> {
    let (shown, word) = (key.display(), shell::word(key));
    let correct = || format!("correct `identity_file` in [hosts.{name}]");
    match std::fs::metadata(key) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some((
            format!("its key {shown} does not exist"),
            format!("{}, or make it with: ssh-keygen -t ed25519 -f {word}", correct()),
        )),
        Err(error) => Some((format!("its key {shown} cannot be read ({error})"), correct())),
        Ok(found) if !found.is_file() => Some((format!("its key {shown} is not a regular file"), correct())),
        Ok(found) if found.mode() & 0o077 != 0 => Some((
            format!("other users may read its key {shown}, so that ssh does not use it"),
            format!("run: chmod 600 {word}"),
        )),
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_that_ssh_would_not_use_is_told_with_its_fix() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        let told = |key: &Path| key_fault(key, "mac").unwrap();
        assert!(told(&key).0.contains("does not exist") && told(&key).1.contains("ssh-keygen"));
        fs::write(&key, "").unwrap();
        fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
        assert!(told(&key).1.contains("chmod 600"));
        fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(key_fault(&key, "mac"), None);
        assert!(told(folder.path()).0.contains("not a regular file"));
        assert!(told(&key.join("below")).1.contains("[hosts.mac]"));
    }
}
