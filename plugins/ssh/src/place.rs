//! Where a new session starts: on which host, and in which of its directories.

use berth_plugin::projects::{self, OnHosts};
use berth_plugin::{Error, NewSession, Result, ssh};

/// The option of a request that names the host.
pub(crate) const HOST: &str = "host";

/// A directory on a host.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) directory: String,
    /// Its path below a granted directory.
    pub(crate) project: String,
}

/// The place that a request names. If it names no host, the only one that has the project counts.
pub(crate) fn of(request: &NewSession) -> Result<Place> {
    let project = match (&request.project, &request.directory) {
        (Some(_), Some(_)) => Err(Error::Invalid("give `project` or `working_dir`, not both".to_owned())),
        (Some(path), None) | (None, Some(path)) => plain(path),
        (None, None) => Err(Error::Invalid(
            "say in which project it starts: list_projects shows those of all hosts".to_owned(),
        )),
    }?;
    let hosts = hosts(request)?;
    let meant = |roots: &[String]| Ok(roots.iter().map(|root| below(root, project)).collect());
    let OnHosts {
        mut has,
        unknown,
        lacks,
    } = projects::on_hosts(&hosts, meant, String::as_str);
    match (has.len(), unknown.as_slice()) {
        (1, []) => {
            let (host, directory) = has.remove(0);
            Ok(Place {
                host,
                directory,
                project: project.to_owned(),
            })
        }
        (0, []) => Err(lacks.unwrap_or_else(|| {
            Error::Invalid(format!(
                "no directory {project:?} is in the granted ones on {}: list_projects shows what there is",
                hosts.join(", ")
            ))
        })),
        (0, [(host, error)]) if hosts.len() == 1 => Err(on_host(host, error)),
        _ => Err(ambiguous(project, &has, &unknown)),
    }
}

/// The hosts that may be meant.
fn hosts(request: &NewSession) -> Result<Vec<String>> {
    let hosts = ssh::hosts();
    let wanted = request.options.iter().find(|(name, _)| name == HOST);
    match wanted {
        None => Ok(hosts),
        Some((_, host)) if hosts.contains(host) => Ok(vec![host.clone()]),
        Some((_, host)) => Err(Error::Invalid(format!(
            "this backend has no host {host:?}: it has {}",
            hosts.join(", ")
        ))),
    }
}

fn below(root: &str, project: &str) -> String {
    format!("{}/{project}", root.trim_end_matches('/'))
}

fn ambiguous(project: &str, found: &[(String, String)], unknown: &[(String, Error)]) -> Error {
    let names = |hosts: Vec<&str>| hosts.join(" and ");
    let mut parts = Vec::new();
    if !found.is_empty() {
        let hosts = found.iter().map(|(host, _)| host.as_str()).collect();
        parts.push(format!("{project:?} is on {}", names(hosts)));
    }
    for (host, error) in unknown {
        parts.push(format!("whether {project:?} is on {host} is not known ({error})"));
    }
    Error::Refused(format!(
        "{}: say which host is meant, in the option `{HOST}`",
        parts.join("; ")
    ))
}

fn on_host(host: &str, error: &Error) -> Error {
    match error {
        Error::Unavailable(why) => Error::Unavailable(format!("{host}: {why}")),
        error => error.clone(),
    }
}

/// A path below a granted directory.
fn plain(path: &str) -> Result<&str> {
    let path = path.trim_end_matches('/');
    let steps_out = path.split('/').any(|part| matches!(part, ".." | "."));
    let is_odd = path.trim().is_empty() || path.starts_with(['/', '~', '-']) || path.chars().any(char::is_control);
    if steps_out || is_odd || path.contains("//") {
        return Err(Error::Invalid(format!(
            "{path:?} is not a project: write its path below the granted directory, without `..` and not beginning with \
             `/`, `~` or `-`; list_projects shows what there is"
        )));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::fake::{Fake, request};

    fn place(project: &str, host: Option<&str>) -> Result<Place> {
        of(&NewSession {
            project: Some(project.to_owned()),
            options: host
                .map(|host| (HOST.to_owned(), host.to_owned()))
                .into_iter()
                .collect(),
            ..request("1")
        })
    }

    #[test]
    fn the_only_host_that_has_the_project_counts() {
        let fake = Fake::new();
        fake.host.file_on("mac", "web/app/x", "");
        fake.host.file_on("linux", "other/x", "");
        let place = place("web/app", None).unwrap();
        assert_eq!((place.host.as_str(), place.project.as_str()), ("mac", "web/app"));
        assert!(place.directory.ends_with("/web/app"));
    }

    #[test]
    fn of_several_hosts_one_must_be_named() {
        let fake = Fake::new();
        fake.host.file_on("mac", "app/x", "");
        fake.host.file_on("linux", "app/x", "");
        let Err(Error::Refused(why)) = place("app", None) else {
            panic!("it is not refused")
        };
        assert!(why.contains("mac and linux") && why.contains("`host`"), "{why}");
        assert_eq!(place("app", Some("linux")).unwrap().host, "linux");
        assert!(matches!(place("app", Some("nas")), Err(Error::Invalid(why)) if why.contains("mac, linux, box")));
        assert!(matches!(place("none", None), Err(Error::Invalid(why)) if why.contains("list_projects")));
    }

    #[test]
    fn a_host_that_is_away_may_have_it_too_and_is_never_told_as_having_none() {
        let fake = Fake::new();
        fake.host.file_on("mac", "app/x", "");
        fake.host.is_away("linux", "it does not answer");
        let Err(Error::Refused(why)) = place("app", None) else {
            panic!("it is not refused")
        };
        assert!(
            why.contains("is on mac") && why.contains("on linux is not known"),
            "{why}"
        );
        assert_eq!(place("app", Some("mac")).unwrap().host, "mac");
        assert!(matches!(place("app", Some("linux")), Err(Error::Unavailable(why)) if why.contains("linux: ")));
    }

    #[test]
    fn a_path_that_leads_out_or_looks_like_something_else_is_refused() {
        let _fake = Fake::new();
        for path in ["", " ", "/etc", "..", "a/../b", "~", "-x", "a\nb", "./a", "a//b"] {
            assert!(matches!(place(path, None), Err(Error::Invalid(_))), "{path:?}");
        }
    }
}
