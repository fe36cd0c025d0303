//! Programs of backends, tried as a start uses them: the version, and the configuration at a socket that is thrown away.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::PathBuf;

use berth::assemble::Setup;
use berth::capability::process::grant::{CONF_MARKER, Grant, SOCKET_MARKER};
use berth::text;
use futures::future::join_all;
use uuid::Uuid;

use super::answer::answer;
use super::finding::{Finding, Mark};

pub(super) async fn examine(setup: &Setup) -> Vec<Finding> {
    let mut findings = Vec::new();
    // What is on a host is tried when its backend starts.
    for backend in setup.backends.values().filter(|backend| backend.is_here()) {
        let environment = backend.environment();
        let programs = backend.programs.values().map(|grant| program(grant, &environment));
        findings.extend(join_all(programs).await.into_iter().flatten());
    }
    findings
}

async fn program(grant: &Grant, environment: &[(OsString, OsString)]) -> Vec<Finding> {
    let about = format!("program {} of {}", grant.program, grant.backend);
    let shown = grant.path.display().to_string();
    if grant.doctor.is_empty() {
        return vec![Finding::ok(&about, format!("{shown} is there"))];
    }
    let table = format!("[backends.{}.programs.{}]", grant.backend, grant.program);
    let places = match Places::new(grant.conf.as_deref()) {
        Ok(places) => places,
        Err(error) => {
            let what = format!("it cannot be tried: {error}");
            return vec![Finding::fail(
                &about,
                what,
                "make room and set TMPDIR to a directory of yours",
            )];
        }
    };
    let fix = format!("reinstall it, or correct {table}");
    let mut findings = Vec::new();
    // One after the other: the last one may end what an earlier one started.
    for arguments in &grant.doctor {
        let arguments = places.fill(arguments);
        findings.push(answer(&about, &shown, &grant.path, &arguments, environment, &fix).await);
    }
    let shows = findings.first().filter(|finding| finding.mark == Mark::Ok);
    if let Some((least, said)) = grant.least_version.as_ref().zip(shows.map(Finding::what)) {
        findings.extend(version(
            &about,
            least,
            said.rsplit(" says: ").next().unwrap_or_default(),
        ));
    }
    findings
}

/// What is wrong with the version that a program shows.
fn version(about: &str, least: &str, said: &str) -> Option<Finding> {
    match text::version(said) {
        Some(found) if Some(&found) >= text::version(least).as_ref() => None,
        Some(_) => Some(Finding::fail(
            about,
            format!("it is older than {least}, the least version with which it works"),
            "install a newer one",
        )),
        None => Some(Finding::warn(
            about,
            "it shows no version",
            format!("see yourself that it is {least} or newer"),
        )),
    }
}

/// A directory that only this user reaches, for a socket and the program's configuration. Gone when dropped.
struct Places(PathBuf);

impl Places {
    fn new(conf: Option<&str>) -> io::Result<Self> {
        let name = Uuid::new_v4().simple().to_string();
        // A socket's path has to be short.
        let places = Self(std::env::temp_dir().join(format!("berth-{}", &name[..12])));
        DirBuilder::new().mode(0o700).create(&places.0)?;
        if let Some(conf) = conf {
            fs::write(places.0.join("conf"), conf)?;
            fs::set_permissions(places.0.join("conf"), Permissions::from_mode(0o600))?;
        }
        Ok(places)
    }

    fn fill(&self, arguments: &[String]) -> Vec<String> {
        let filled = |argument: &String| match argument.as_str() {
            CONF_MARKER => self.0.join("conf").display().to_string(),
            SOCKET_MARKER => self.0.join("socket").display().to_string(),
            other => other.to_owned(),
        };
        arguments.iter().map(filled).collect()
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        // What stays there says nothing.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn versions_are_read_from_what_programs_say_and_compared_by_their_numbers() {
        for (said, fits) in [
            ("tool 3.3a", Some(true)),
            ("tool 3.10", Some(true)),
            ("tool next-3.4", Some(true)),
            ("tool 3.2a", Some(false)),
            ("tool 2.9", Some(false)),
            ("tool 3", Some(false)),
            ("4", Some(true)),
            ("tool master", None),
            ("", None),
        ] {
            let found = version("it", "3.3", said).map(|finding| finding.mark);
            let expected = match fits {
                Some(true) => None,
                Some(false) => Some(Mark::Fail),
                None => Some(Mark::Warn),
            };
            assert_eq!(found, expected, "{said}");
        }
    }
}
